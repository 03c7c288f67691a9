#pragma once
#include <optional>
#include <string>

#include "cloudos/network_driver.hpp"
#include "cloudos/networks.hpp"

namespace cloudos::network {

/// User-mode networking: each interface is alone behind a NAT inside its own QEMU process. Needs no
/// root and makes nothing on the host, so there is nothing to do here but to bind.
///
/// Guests reach out (TCP, UDP; what the host may reach); nobody reaches them, not even each other.
/// Security groups are not enforced, and there is no metadata at 169.254.169.254.
/// Thread-safe.
class UserModeDriver final : public MechanismDriver {
 public:
  std::string_view name() const override { return "user"; }
  Result<void> precommit(store::Txn&, const Change&) override { return Result<void>(); }
  Result<void> postcommit(const Change&) override { return Result<void>(); }
  Result<void> converge(const Plan&) override { return Result<void>(); }
  std::optional<Binding> bind_port(const PortContext& port) const override;
};

inline constexpr std::string_view kUserVifType = "user";

/// What the NAT of this port looks like from within. The gateway is the subnet's, or some address
/// when it has none; name service is another address of the subnet, which this guest then cannot
/// mean a neighbour by, having none. Pure.
/// Errors: Unsupported (not IPv4, or smaller than /29).
Result<UserModeWiring> user_mode_wiring(const Subnet& subnet, std::string_view address);

}  // namespace cloudos::network

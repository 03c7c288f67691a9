#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/log.hpp"
#include "cloudos/network_driver.hpp"

namespace cloudos::network {

/// A driver as we call it: one that throws has failed, as one that returns an error. Nothing of it
/// leaves a call of ours. As thread-safe as the driver; see MechanismDriver for the calls.
class GuardedDriver final {
 public:
  /// Asks it for its name, host and tunnel address, which stay.
  GuardedDriver(std::shared_ptr<MechanismDriver> driver, Log log);

  const std::string& name() const { return name_; }
  const std::string& host() const { return host_; }
  const std::string& tunnel_address() const { return tunnel_address_; }
  /// None while it throws.
  std::vector<Ability> abilities() const;
  /// The one before is called no more once this returns, whatever the driver does.
  void watch(std::function<void()> disturbed);
  Result<void> precommit(store::Txn& txn, const Change& change);
  Result<void> postcommit(const Change& change);
  Result<void> converge(const Plan& plan);
  /// Nothing: it does not take the port. Errors: Unavailable ("PortBindingError": it threw).
  Result<std::optional<Binding>> bind_port(const PortContext& port) const;
  Result<Finding> inspect(const Inspection& asked);

 private:
  template <class Call>
  auto run(std::string_view verb, const Call& call) const -> decltype(call());

  const std::shared_ptr<MechanismDriver> driver_;  // Shared with its embedder.
  const Log log_;
  struct Ear;
  const std::shared_ptr<Ear> ear_;  // Shared with what the driver was given to call.
  const std::string name_, host_, tunnel_address_;
};

}  // namespace cloudos::network

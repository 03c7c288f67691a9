#include "network/user.hpp"

#include <fmt/format.h>

#include "network/address.hpp"

namespace cloudos::network {

std::optional<Binding> UserModeDriver::bind_port(const PortContext& port) const {
  if (port.vnic_type != "normal") return std::nullopt;
  return Binding{"user", std::string(kUserVifType), {{"port_filter", "false"}}};
}

Result<UserModeWiring> user_mode_wiring(const Subnet& subnet, std::string_view address) {
  const auto block = parse_block(subnet.cidr);
  const auto guest = parse_ipv4(address);
  if (!block || !guest || block->prefix > 29) {
    return fail(ErrorCode::Unsupported,
                fmt::format("subnet {} is too small for user-mode networking: it takes an IPv4 "
                            "subnet of /29 or larger",
                            subnet.id.value));
  }
  const auto free_but = [&](std::optional<std::uint32_t> taken) {
    std::uint32_t at = block->last_host();
    while (at == *guest || (taken && at == *taken)) --at;
    return at;
  };
  const auto gateway = parse_ipv4(subnet.gateway);
  const bool has_gateway = gateway && block->usable(*gateway) && *gateway != *guest;
  const std::uint32_t host = has_gateway ? *gateway : free_but(std::nullopt);
  return UserModeWiring{block->text(), format_ipv4(host), format_ipv4(free_but(host)),
                        format_ipv4(*guest)};
}

}  // namespace cloudos::network

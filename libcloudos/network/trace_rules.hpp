#pragma once
#include <fmt/format.h>

#include <optional>
#include <string>

#include "cloudos/network_inspect.hpp"
#include "cloudos/networks.hpp"
#include "cloudos/store.hpp"

/// What rules and anti-spoofing mean for one packet, by records alone.
namespace cloudos::network::tracing {

/// A sentence for people; `text` is what catalogues translate.
template <class... Args>
std::string tell(fmt::format_string<Args...> text, Args&&... args) {
  return fmt::format(text, std::forward<Args>(args)...);
}

/// "tcp", "icmp", or the number.
std::string protocol_name(unsigned protocol);
/// "10.0.0.5 > 10.0.0.9 tcp 80"
std::string describe(const Packet& packet);

/// May the port send this packet, as its addresses and allowed pairs have it?
bool may_send(const Port& port, const Packet& packet);
/// DHCP and neighbour discovery: no rule is asked.
bool needs_no_rule(const Packet& packet, bool ingress);
/// The first rule of the port's groups that lets the packet through.
Result<std::optional<SecurityGroupRule>> deciding_rule(const store::Snapshot& snapshot,
                                                       const Port& port, const Packet& packet,
                                                       bool ingress);
/// Whether `text`, an address or CIDR, contains the address.
bool covers(std::string_view text, std::string_view address);

}  // namespace cloudos::network::tracing

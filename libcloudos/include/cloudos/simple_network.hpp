#pragma once
#include <string>
#include <vector>

#include "cloudos/networks.hpp"
#include "cloudos/routers.hpp"

namespace cloudos {

/// Everything has a name, by which it is found again: asking twice makes nothing twice.
struct SimpleNetworkSpec {
  std::string name = "simple";
  std::string cidr = "10.0.0.0/24";       ///< Of the servers.
  std::vector<std::string> dns_servers;
  bool open = true;                       ///< Ping and ssh reach servers: rules of the default group.
  std::string physical_network;           ///< For the way outside; empty: the servers stay inside.
  std::string floating_cidr;              ///< Of the outside; needed with a physical network.
  std::string floating_gateway;           ///< Empty: the first address of floating_cidr.
  std::string floating_first, floating_last;  ///< Empty: all of it but the gateway.
};

/// What there is then.
struct SimpleNetwork {
  Network network;
  Subnet subnet;
  std::optional<Network> outside;         ///< Floating addresses come from it.
  std::optional<Subnet> outside_subnet;
  std::optional<Router> router;
  SecurityGroup group;                    ///< The project's default group.
  std::vector<std::string> made;          ///< What was not there before, in words; empty: nothing.
};

/// For who wants one network and nothing to think about: servers get addresses by DHCP and groups
/// filter them; with a physical network they reach out and are reached at floating addresses.
class CLOUDOS_EXPORT SimpleNetworks final {
 public:
  /// Makes what is missing, for the caller's project. What is there and differs is not changed.
  /// A way outside needs an admin. Errors: InvalidArgument, Forbidden, Conflict (a network, subnet
  /// or router of the name is there and is something else; several are), QuotaExceeded.
  Result<SimpleNetwork> ensure(const Context& ctx, const SimpleNetworkSpec& spec = {});
  /// Takes it all away again, but the rules of the default group. Errors: Conflict (in use).
  Result<void> remove(const Context& ctx, const std::string& name = "simple");

  explicit SimpleNetworks(Networks::Impl& impl) : impl_(impl) {}

 private:
  Networks::Impl& impl_;
};

}  // namespace cloudos

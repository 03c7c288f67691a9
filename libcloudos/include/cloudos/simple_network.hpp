#pragma once
#include <optional>
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
  bool open = true;                       ///< Ping and ssh reach servers, by the default group.
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
///
/// Safe to call from any number of threads, and from guests of the folder: each call is one commit
/// or none, and of several at once one makes it and the others find it. The parts are told by their
/// names ("simple", "simple-outside", "simple-router") in the caller's project: one that is given
/// another name is a part no more.
class CLOUDOS_EXPORT SimpleNetworks final {
 public:
  /// Makes what is missing, all of it in one commit: an error leaves everything as it was. So a
  /// half-made network needs no more than the call again (a part of it may have been deleted by
  /// hand, or the way outside is asked for later).
  ///
  /// What is there and differs from what is asked for is not changed: the call is refused as
  /// "SimpleNetworkDiffers", naming the member of `spec` that differs, and makes nothing. Compared
  /// are the blocks, the DNS servers and, for a way outside, the physical network and the floating
  /// gateway and range (what they are when left empty, too); and `open` = false, while the default
  /// group has a rule of `open`.
  ///
  /// A way outside needs an admin. Errors: InvalidArgument, Forbidden, Conflict ("NoUniqueMatch":
  /// several are of the name; "SimpleNetworkDiffers"), QuotaExceeded.
  Result<SimpleNetwork> ensure(const Context& ctx, const SimpleNetworkSpec& spec = {});
  /// Takes it all away again in one commit, but the rules of the default group. Removing what is
  /// not there succeeds. Errors: InvalidArgument (no project), Conflict ("NoUniqueMatch"; in
  /// use: nothing was removed).
  Result<void> remove(const Context& ctx, const std::string& name = "simple");

  explicit SimpleNetworks(Networks::Impl& impl) : impl_(impl) {}

 private:
  Networks::Impl& impl_;
};

}  // namespace cloudos

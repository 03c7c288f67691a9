#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cloudos {

/// Which networks a cloud has, and where its own driver of networks works.
struct NetworkOptions {
  using Ranges = std::vector<std::pair<std::uint32_t, std::uint32_t>>;  ///< First and last each.

  /// Types that networks get whose caller names none, in this order: the next when the one before
  /// has no segment left. "local", "vlan", "vxlan"; empty: local.
  std::vector<std::string> tenant_types;
  /// Tags that are given out, by physical network; one without any is for admins who name a tag.
  /// Nothing: every tag of each physical network.
  std::optional<std::map<std::string, Ranges>> vlan_ranges;
  std::optional<Ranges> vni_ranges;                     ///< Of vxlan. Nothing: 1 to 65535.
  /// What flat networks may name. Nothing: each physical network.
  std::optional<std::vector<std::string>> flat_networks;
  /// What guests search names in, and under which each port's resolves; a dot may be behind it.
  /// Networks and ports with a domain of their own have names under that, too.
  std::string dns_domain = "openstacklocal";
  std::uint32_t mtu = 1500;  ///< Of links between hosts; networks that ask for none have it.
  /// The host whose ports the driver carries; empty: every host's, as the only one. Set it when
  /// drivers of other hosts are there, too.
  std::string host;
  /// Where other hosts' tunnels reach this one; empty: vxlan networks stay on it. Needs `host`.
  std::string tunnel_address;

  /// Another host whose networks are made from here.
  struct OtherHost {
    std::string network_namespace;  ///< Of this machine, as `ip netns` names it: it is that host.
    std::string tunnel_address;     ///< As above, of that host.
  };
  /// By name; names and namespaces are 1 to 64 letters, digits, dots, hyphens and underscores, and no
  /// two hosts have one namespace. They have no physical networks: flat ones, and routers' ways out,
  /// are on `host`, which has to be set. With Backend::Real.
  std::map<std::string, OtherHost> other_hosts;
};

}  // namespace cloudos

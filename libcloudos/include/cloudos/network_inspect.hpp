#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cloudos/ids.hpp"

/// What a trace asks a mechanism driver about one place on its host, and what the driver answers.
namespace cloudos::network {

struct Plan;

/// A packet as it is at one place of its way.
struct Packet {
  std::string source, destination;          ///< Addresses, canonical.
  std::string source_mac, destination_mac;  ///< Lower case; empty: not known yet.
  unsigned protocol = 1;                    ///< IP protocol number.
  std::uint32_t port = 0;                   ///< Destination port; of ICMP the type; 0: none.
  bool v6() const { return destination.find(':') != std::string::npos; }
  friend bool operator==(const Packet&, const Packet&) = default;
};

/// A question: is this place on your host as `plan` wants it, for this packet?
struct Inspection {
  enum class Place : std::uint8_t {
    Device,        ///< `port`'s device: there, up, in use, in its network's bridge.
    Sender,        ///< What keeps `port` from sending as somebody else.
    Egress,        ///< Rules for what `port` sends.
    Ingress,       ///< Rules for what `port` gets.
    Network,       ///< `network` itself: its bridge, and the filter in it.
    Forwarding,    ///< Does `network` lead to packet.destination_mac?
    Dhcp,          ///< Does `port` get its addresses on `network`?
    Router,        ///< `router` as a whole.
    Leg,           ///< `port`, a leg of `router`, with `addresses`.
    Route,         ///< packet.destination by leg `port`, next hop `via`.
    TranslateIn,   ///< `packet` becomes `translated` before it is routed.
    TranslateOut,  ///< `packet` becomes `translated` as it leaves by leg `port`.
  };
  Place place = Place::Device;
  /// What should be there, as far as the question is about it. For Egress and Ingress `group` names
  /// the group that lets the packet through and holds, in the plan, that one rule; without a group
  /// the packet needs no rule.
  std::shared_ptr<const Plan> plan;  // Shared by the questions about one host.
  Packet packet, translated;
  PortId port;
  NetworkId network;
  RouterId router;
  SecurityGroupId group;
  bool receives = false;               ///< Device: the packet comes out of it.
  std::string peer_device;             ///< Forwarding: the receiver's tap; empty: no guest's.
  std::string tunnel_address;          ///< Forwarding: of the receiver's host; empty: this host.
  std::vector<std::string> addresses;  ///< Leg: without prefix length.
  std::string via;                     ///< Route: empty when the destination is on the leg's link.
};

/// What was found. With nothing known the driver cannot say.
struct Finding {
  /// One difference between what should be and what is.
  struct Fault {
    std::string text;    ///< One sentence that names nothing of the host's: tenants may read it.
    std::string detail;  ///< Names of devices, chains, addresses: for operators.
    bool drops = true;   ///< False: the packet goes on all the same.
    std::string remedy = {};  ///< For who reads `text`; empty: the host repairs it by itself.
  };
  bool known = false;
  std::string device;                    ///< What was looked at: a device, namespace or chain.
  std::vector<Fault> faults;             ///< Empty: it is as it should be.
  std::string note;                      ///< Something worth knowing, for operators.
  std::optional<std::uint64_t> packets;  ///< Seen there since it was made.
  std::optional<std::uint64_t> dropped;  ///< Of those.
  std::optional<std::uint64_t>
      connections;  ///< That connection tracking knows of this packet's kind.
  void fault(std::string text, std::string detail = {}, bool drops = true) {
    faults.push_back({std::move(text), std::move(detail), drops});
  }
};

}  // namespace cloudos::network

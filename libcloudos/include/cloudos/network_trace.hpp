#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/networks.hpp"

/// Why a packet arrives, or does not: its way, hop by hop, through records and live state.
namespace cloudos {

/// Which packet, from where to where.
struct TraceSpec {
  /// A port's id or name, or an address: of a port the caller sees, else of somebody outside the
  /// cloud.
  std::string from;
  std::string to;                    ///< An address ("255.255.255.255" too), or a port's id.
  std::string protocol;              ///< A name or a number; empty: icmp, with a port tcp.
  std::optional<std::int64_t> port;  ///< Destination port; of ICMP the type (a ping's if absent).
  std::string source, source_mac;    ///< What it claims to come from; empty: the port's own.
};

enum class TraceState : std::uint8_t {
  Passes,    ///< It is as it should be, and the packet goes on.
  Noted,     ///< Something is not as it should be, but the packet goes on.
  Drops,     ///< Here it ends.
  NotKnown,  ///< Nobody can look there; taken as if it went on.
};

/// One thing the packet meets.
struct TraceHop {
  /// "port", "device", "addresses", "source", "egress", "network", "forwarding", "router", "leg",
  /// "route", "translation", "outside", "ingress", "receiver", "provider"
  std::string place;
  TraceState state = TraceState::Passes;
  std::string text;          ///< What was found, in sentences.
  std::string remedy;        ///< What to do about it; empty: nothing.
  std::string resource, id;  ///< What decides: "port", "security_group_rule", …; or empty.
  std::string packet;        ///< As it is here: "10.0.0.5 > 10.0.0.9 tcp 80".
  std::string host, device, detail;  ///< Admins: where it is on the host, and what was found there.
  // Where the host counts; since the place was made.
  std::optional<std::uint64_t> packets, dropped, connections;
};

struct NetworkTrace {
  bool delivered = false;
  bool certain = true;          ///< False: on the way were places that nobody could look at.
  std::string summary, remedy;  ///< Of the last hop: delivered, or what drops it.
  std::vector<TraceHop> hops;   ///< The last delivers or drops, or nobody can look behind it.
};

/// Follows packets that are not there. Thread-safe; part of Networks.
///
/// Reads records, and asks the driver of each host on the way for live state; sends no packet and
/// changes nothing. Where records say one thing and a host another, the hop names the difference.
/// Who is no admin sees his own part: hops of others' networks, ports and routers are "provider"
/// hops without ids, names or addresses.
class CLOUDOS_EXPORT NetworkTraces final {
 public:
  /// Blocks on drivers: call it on workers. Errors: InvalidArgument, NotFound (no such port),
  /// Conflict (several ports have the address), Forbidden (neither end is the caller's),
  /// Unavailable (too many at once), Timeout and what the store fails with.
  Result<NetworkTrace> trace(const Context& ctx, const TraceSpec& spec) const;

  explicit NetworkTraces(Networks::Impl& impl) : impl_(impl) {}
  NetworkTraces(const NetworkTraces&) = delete;
  NetworkTraces& operator=(const NetworkTraces&) = delete;

 private:
  Networks::Impl& impl_;
};

/// "passes", "noted", "drops", "unknown"
CLOUDOS_EXPORT std::string_view name_of(TraceState state);

}  // namespace cloudos

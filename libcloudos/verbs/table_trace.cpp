// The way of a packet.
#include "verbs/table.hpp"

namespace cloudos::verbs {
namespace table::trace {

constexpr Parameter kTrace[] = {
    must(text("from", "--from", "port that sends: its name, its id or an address")),
    must(text("to", "--to", "address that it is for, or a port's id")),
    text("protocol", "--proto", "tcp, udp, icmp (the default without a port) or a number"),
    number("port", "--port", "destination port; of ICMP the type"),
    text("source", "--source", "address that it claims to come from"),
    text("source_mac", "--source-mac", "MAC address that it claims to come from"),
};

constexpr Verb kTraceVerbs[] = {
    {"network_traces.show", "GET", "/network/v2.0/network-traces", "", "network_trace",
     "Follows a packet and says where it arrives, or what drops it.", "network trace", kTrace},
};

constexpr Column kHopColumns[] = {
    {"State", "state"},
    {"Hop", "place"},
    {"Found", "text"},
    {"Do", "remedy", Look::Plain, {}, {}, true},
    {"Packet", "packet", Look::Plain, {}, {}, true},
    {"Resource", "resource_type", Look::Plain, {}, {}, true},
    {"ID", "resource_id", Look::Plain, {}, {}, true},
    {"Host", "host", Look::Plain, {}, {}, true},
    {"Device", "device", Look::Plain, {}, {}, true},
    {"Detail", "detail", Look::Plain, {}, {}, true},
    {"Packets", "packets", Look::Plain, {}, {}, true},
    {"Dropped", "dropped", Look::Plain, {}, {}, true},
    {"Connections", "connections", Look::Plain, {}, {}, true},
};

constexpr Noun kTraceNouns[] = {
    {"network_traces", "network trace", "network", kHopColumns, "place", ""}};

}  // namespace table::trace

std::span<const Verb> trace_verbs() {
  return table::trace::kTraceVerbs;
}
std::span<const Noun> trace_nouns() {
  return table::trace::kTraceNouns;
}

}  // namespace cloudos::verbs

#include <algorithm>
#include <atomic>

#include "base/text.hpp"
#include "cloudos/network_trace.hpp"
#include "network/address.hpp"
#include "network/impl.hpp"
#include "network/ip.hpp"
#include "network/l3_records.hpp"
#include "network/trace_path.hpp"
#include "network/trace_rules.hpp"

namespace cloudos {
namespace network {

std::optional<Wiring::Carrier> Wiring::carrier(std::string_view driver,
                                               std::string_view host) const {
  for (std::size_t i = 0; i < drivers_.size(); ++i) {
    if (drivers_[i]->name() != driver) continue;
    if (hosts_[i].empty() || hosts_[i] == host) return Carrier{drivers_[i].get(), scope_of(i)};
  }
  return std::nullopt;
}

namespace tracing {
namespace {

struct Ends {
  Start start;
  ProjectId owner;  ///< Of the sending port; empty: it is outside.
};

Result<unsigned> protocol_number_of(const TraceSpec& spec, bool v6) {
  const std::string name =
      spec.protocol.empty() ? (spec.port ? "tcp" : "icmp") : fold_case(spec.protocol);
  if (name == "icmp" || name == "icmpv6" || name == "ipv6-icmp") return v6 ? 58U : 1U;
  constexpr std::pair<std::string_view, unsigned> kNames[] = {
      {"tcp", 6},  {"udp", 17}, {"sctp", 132}, {"dccp", 33},
      {"gre", 47}, {"esp", 50}, {"vrrp", 112}};
  for (const auto& [known, number] : kNames)
    if (name == known) return number;
  const auto number = parse_unsigned(name);
  if (!number || *number > 255)
    return invalid("protocol must be tcp, udp, icmp, another known name, or a number up to 255");
  return static_cast<unsigned>(*number);
}

Result<std::uint32_t> port_number_of(const TraceSpec& spec, unsigned protocol) {
  if (protocol == 1 || protocol == 58) {
    if (!spec.port) return protocol == 1 ? 8U : 128U;
    if (*spec.port < 0 || *spec.port > 255) return invalid("port: an ICMP type is 0 to 255");
    return static_cast<std::uint32_t>(*spec.port);
  }
  const bool has_ports = protocol == 6 || protocol == 17 || protocol == 33 || protocol == 132;
  if (!has_ports) {
    if (spec.port) return invalid("port: this protocol has none");
    return 0U;
  }
  if (!spec.port) return invalid("port: a tcp or udp packet needs one");
  if (*spec.port < 1 || *spec.port > 65535) return invalid("port must be 1 to 65535");
  return static_cast<std::uint32_t>(*spec.port);
}

/// A port that packets start at: a floating address stands for the port it leads to.
Result<Port> end_of(const store::Snapshot& snapshot, Port port) {
  if (!port.floating_ip.empty()) {
    const auto floating = records::get<FloatingIp>(snapshot, port.floating_ip);
    if (floating && !floating->port.empty()) return records::get<Port>(snapshot, floating->port);
  }
  return port;
}

Result<Port> port_named(const Networks::Impl& impl, const Context& ctx, const std::string& name) {
  NetworkListSpec spec;
  spec.filters = {{"name", name}};
  CLOUDOS_TRY(auto ports, impl.whole->ports(ctx, spec));
  if (ports.empty()) return missing<Port>(name);
  if (ports.size() > 1)
    return fail_as("NetworkTraceAmbiguous", ErrorCode::Conflict,
                   fmt::format("from: {} ports are called {}; name one by its id", ports.size(),
                               name.substr(0, 64)));
  return std::move(ports.front());
}

/// Nothing: it is somebody outside.
Result<std::optional<Port>> sender_of(const Networks::Impl& impl, const store::Snapshot& snapshot,
                                      const Context& ctx, const std::string& from) {
  const auto address = parse_ip(from);
  if (!address) {
    auto port = load_seen<Port>(snapshot, ctx, PortId{from});
    if (!port && port.error().code == ErrorCode::NotFound) port = port_named(impl, ctx, from);
    if (!port) return fail(std::move(port).error());
    CLOUDOS_TRY(auto end, end_of(snapshot, std::move(*port)));
    return std::optional<Port>(std::move(end));
  }
  NetworkListSpec spec;
  spec.filters = {{"fixed_ips", "ip_address=" + address->text()}};
  CLOUDOS_TRY(auto ports, impl.whole->ports(ctx, spec));
  if (ports.size() > 1)
    return fail_as("NetworkTraceAmbiguous", ErrorCode::Conflict,
                   fmt::format("from: {} ports have address {}; name one by its id", ports.size(),
                               address->text()));
  if (!ports.empty()) {
    CLOUDOS_TRY(auto end, end_of(snapshot, std::move(ports.front())));
    return std::optional<Port>(std::move(end));
  }
  // Of floating addresses their owners see no port.
  CLOUDOS_TRY(const auto floating,
              impl.whole->routers().floating_ips(
                  ctx, {{{"floating_ip_address", address->text()}}, {}, {}, SIZE_MAX, false}));
  if (floating.empty() || floating.front().port.empty()) return std::optional<Port>();
  CLOUDOS_TRY(auto port, records::get<Port>(snapshot, floating.front().port));
  return std::optional<Port>(std::move(port));
}

Result<std::string> destination_of(const store::Snapshot& snapshot, const Context& ctx,
                                   const TraceSpec& spec) {
  if (const auto address = parse_ip(spec.to)) return address->text();
  if (spec.to.empty()) return invalid("to: an address, or a port's id");
  CLOUDOS_TRY(const auto port, load_seen<Port>(snapshot, ctx, PortId{spec.to}));
  if (port.fixed_ips.empty()) return invalid("to: this port has no address");
  return port.fixed_ips.front().address;
}

Result<void> choose_source(const TraceSpec& spec, const std::optional<Port>& port, Packet& packet) {
  const auto given = spec.source.empty() ? std::optional<Ip>() : parse_ip(spec.source);
  if (!spec.source.empty() && !given) return invalid("source: not an address");
  const auto mac =
      spec.source_mac.empty() ? std::optional<std::string>("") : normalise_mac(spec.source_mac);
  if (!mac) return invalid("source_mac: not a MAC address");
  packet.source_mac = *mac;
  if (port) {
    if (mac->empty()) packet.source_mac = port->mac;
    for (const FixedIp& fixed : port->fixed_ips) {
      const auto address = parse_ip(fixed.address);
      if (!packet.source.empty() || !address || address->v6 != packet.v6()) continue;
      packet.source = fixed.address;
    }
  } else {
    packet.source = parse_ip(spec.from)->text();
  }
  if (given) packet.source = given->text();
  const bool v6 = packet.source.find(':') != std::string::npos;
  if (!packet.source.empty() && v6 != packet.v6())
    return invalid("from, source and to must be addresses of one kind, IPv4 or IPv6");
  return Result<void>();
}

Result<Ends> ends_of(const Networks::Impl& impl, const store::Snapshot& snapshot,
                     const Context& ctx, const TraceSpec& spec) {
  if (spec.from.empty()) return invalid("from: a port's id, or an address");
  Ends ends;
  Packet& packet = ends.start.packet;
  CLOUDOS_TRY(const auto port, sender_of(impl, snapshot, ctx, spec.from));
  if (port) {
    if (!port->router.empty() || port->device_owner == kDhcpOwner || !port->floating_ip.empty())
      return invalid("from: a port of a router or of a DHCP server: name the guest's that sends");
    if (!ctx.may_see(port->project)) return missing<Port>(port->id.value);
    ends.start.port = port->id;
    ends.owner = port->project;
  }
  CLOUDOS_TRY(packet.destination, destination_of(snapshot, ctx, spec));
  CLOUDOS_TRY(packet.protocol, protocol_number_of(spec, packet.v6()));
  CLOUDOS_TRY(packet.port, port_number_of(spec, packet.protocol));
  CLOUDOS_CHECK(choose_source(spec, port, packet));
  return ends;
}

/// One of the few traces that may run at once.
class TraceSlot {
 public:
  explicit TraceSlot(std::atomic<int>& running)
      : running_(running), has_(++running <= kMaxTraces) {}
  ~TraceSlot() { --running_; }
  TraceSlot(const TraceSlot&) = delete;
  TraceSlot& operator=(const TraceSlot&) = delete;
  bool has() const { return has_; }

 private:
  std::atomic<int>& running_;
  const bool has_;
};

// ---- what hosts say -----------------------------------------------------------------------------

/// What the host found, over what records say.
void judge(Step& step, const Result<Finding>& found) {
  TraceHop& hop = step.hop;
  if (!found || !found->known) {
    if (!found) hop.detail = found.error().message;
    if (hop.state == TraceState::Passes) hop.state = TraceState::NotKnown;
    return;
  }
  hop.device = found->device;
  const auto detail = [&](const std::string& text) {
    if (text.empty()) return;
    if (!hop.detail.empty()) hop.detail += "; ";
    hop.detail += text;
  };
  detail(found->note);
  hop.packets = found->packets;
  hop.dropped = found->dropped;
  hop.connections = found->connections;
  const Finding::Fault* worst = nullptr;
  for (const Finding::Fault& fault : found->faults) {
    if (worst == nullptr || (fault.drops && !worst->drops)) worst = &fault;
    detail(fault.detail);
  }
  if (worst == nullptr) return;
  const bool drops = worst->drops || step.strict;
  hop.state = drops ? TraceState::Drops : TraceState::Noted;
  hop.text = worst->text;
  hop.remedy = !worst->remedy.empty()
                   ? worst->remedy
                   : tell(
                         "Its host puts this right by itself within seconds; if it stays so, the "
                         "host's log says why.");
}

/// What others own is shown as somebody's part, and whether packets pass there.
TraceHop providers_part(TraceState state) {
  TraceHop hop;
  hop.place = "provider";
  hop.state = state;
  switch (state) {
    case TraceState::Passes:
      hop.text = tell("The provider's part: in order.");
      break;
    case TraceState::Noted:
      hop.text = tell("The provider's part: not all is in order, but the packet goes on.");
      break;
    case TraceState::NotKnown:
      hop.text = tell("The provider's part: nobody could look.");
      break;
    case TraceState::Drops:
      hop.text = tell("The provider's part: the packet is dropped here.");
      hop.remedy = tell("Ask your provider.");
      break;
  }
  return hop;
}

int weight(TraceState state) {
  switch (state) {
    case TraceState::Passes:
      return 0;
    case TraceState::NotKnown:
      return 1;
    case TraceState::Noted:
      return 2;
    case TraceState::Drops:
      return 3;
  }
  return 0;
}

void show(const Context& ctx, const Step& step, std::vector<TraceHop>& hops) {
  if (ctx.is_admin) {
    hops.push_back(step.hop);
    return;
  }
  if (!step.owner.empty() && ctx.may_see(step.owner)) {
    TraceHop hop = step.hop;
    hop.host.clear();
    hop.device.clear();
    hop.detail.clear();
    hops.push_back(std::move(hop));
    return;
  }
  if (hops.empty() || hops.back().place != "provider") {
    hops.push_back(providers_part(step.hop.state));
  } else if (weight(step.hop.state) > weight(hops.back().state)) {
    hops.back() = providers_part(step.hop.state);
  }
}

}  // namespace
}  // namespace tracing
}  // namespace network

std::string_view name_of(TraceState state) {
  switch (state) {
    case TraceState::Passes:
      return "passes";
    case TraceState::Noted:
      return "noted";
    case TraceState::Drops:
      return "drops";
    case TraceState::NotKnown:
      return "unknown";
  }
  return "unknown";
}

NetworkTraces& Networks::traces() {
  return impl_->traces;
}

Result<NetworkTrace> NetworkTraces::trace(const Context& ctx, const TraceSpec& spec) const {
  namespace tracing = network::tracing;
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  const tracing::TraceSlot slot(impl_.traces_running);
  if (!slot.has())
    return fail(ErrorCode::Unavailable,
                fmt::format("{} traces run already; try again in a moment", tracing::kMaxTraces));
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  CLOUDOS_TRY(const auto ends, tracing::ends_of(impl_, *snapshot, ctx, spec));
  const tracing::FindScope scope_of = [&](const std::string& driver, const std::string& host) {
    const auto carrier = impl_.wiring.carrier(driver, host);
    return carrier ? std::optional<network::PlanScope>(carrier->scope) : std::nullopt;
  };
  CLOUDOS_TRY(auto steps, tracing::way_of(*snapshot, ends.start, scope_of));
  const auto is_own = [&](const tracing::Step& step) {
    return !step.owner.empty() && ctx.may_see(step.owner);
  };
  if (!ctx.is_admin && ends.owner.empty() && std::none_of(steps.begin(), steps.end(), is_own))
    return network::forbidden("from, to: one of the two has to be yours");
  NetworkTrace trace;
  for (tracing::Step& step : steps) {
    if (step.ask && step.hop.state != TraceState::Drops) {
      CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
      const auto carrier = impl_.wiring.carrier(step.driver, step.hop.host);
      tracing::judge(step, carrier ? carrier->driver->inspect(*step.ask)
                                   : Result<network::Finding>(network::Finding()));
    }
    if (step.hop.state == TraceState::NotKnown) trace.certain = false;
    tracing::show(ctx, step, trace.hops);
    if (step.hop.state == TraceState::Drops) break;
  }
  if (trace.hops.empty()) return fail(ErrorCode::Internal, "a packet's way has no hop");
  const TraceHop& last = trace.hops.back();
  const auto& way_end = steps.back();
  const bool arrives = way_end.hop.place == "receiver" || way_end.hop.place == "outside";
  trace.delivered = last.state != TraceState::Drops && arrives;
  trace.summary = last.text;
  trace.remedy = last.remedy;
  return trace;
}

}  // namespace cloudos

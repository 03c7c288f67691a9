#include "network/linuxbridge/router_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace cloudos::network::linuxbridge {
namespace {

using RuleLines = std::vector<std::string>;

void set_chain(FilterTable& table, const std::string& name, RuleLines rules, std::string_view type,
               std::string_view hook, int priority) {
  table.chains[name] = {
      fmt::format("type {} hook {} priority {}; policy accept;", type, hook, priority),
      std::make_shared<const RuleLines>(std::move(rules))};
}

/// IPv4 only: IPv6 is routed as it is.
std::optional<std::string> ipv4_of(const std::string& text) {
  const auto ip = parse_ip(text);
  return ip && !ip->v6 ? std::optional(ip->address) : std::nullopt;
}

/// The gateway's own IPv4 address, which hides who has none of his own.
std::string outside_address(const RouterPlan& plan) {
  if (!plan.gateway) return {};
  for (const auto& text : plan.gateway->addresses) {
    const auto prefix = parse_ip_prefix(text);
    if (prefix && !prefix->v6) return prefix->address;
  }
  return {};
}

std::optional<std::string> forward_rule(const RouterPlan::Forward& forward) {
  const auto outer = ipv4_of(forward.floating);
  const auto inner = ipv4_of(forward.internal);
  if (!outer || !inner) return std::nullopt;
  const std::string& p = forward.protocol;
  if (p == "icmp") return fmt::format("ip daddr {} meta l4proto 1 dnat ip to {}", *outer, *inner);
  static const std::set<std::string> kWithPorts{"tcp", "udp", "sctp", "dccp", "udplite"};
  const bool sane = forward.external_first > 0 && forward.external_first <= forward.external_last &&
                    forward.external_last <= 65535 && forward.internal_first > 0 &&
                    forward.internal_first <= forward.internal_last &&
                    forward.internal_last <= 65535;
  if (!kWithPorts.count(p) || !sane) return std::nullopt;
  const auto range = [](std::uint32_t first, std::uint32_t last) {
    return first == last ? std::to_string(first) : fmt::format("{}-{}", first, last);
  };
  return fmt::format("ip daddr {} {} dport {} dnat ip to {}:{}", *outer, p,
                     range(forward.external_first, forward.external_last), *inner,
                     range(forward.internal_first, forward.internal_last));
}

/// One counter a label; what is excluded ends the counting of its label.
void add_meters(FilterTable& table, const Names& names, const RouterPlan& plan,
                std::vector<std::string>& rejected) {
  if (plan.meters.empty() || !plan.gateway) return;
  const std::string gateway = leg_inner(names, plan.gateway->port);
  std::map<std::string, RuleLines> labels;
  const auto add = [&](const RouterPlan::Meter& meter, bool excluded) {
    if (meter.excluded != excluded) return;
    const std::string brief = names.brief(meter.id.value);
    std::string rule = fmt::format("{} \"{}\"", meter.ingress ? "iifname" : "oifname", gateway);
    const auto match = [&](const std::string& text, std::string_view side) {
      if (text.empty()) return true;
      const auto prefix = parse_ip_prefix(text);
      if (!prefix) return false;
      if (prefix->length > 0)
        rule += fmt::format(" {} {} {}", prefix->v6 ? "ip6" : "ip", side, prefix->text());
      return true;
    };
    if (!match(meter.remote, meter.ingress ? "saddr" : "daddr") || !match(meter.source, "saddr") ||
        !match(meter.destination, "daddr")) {
      rejected.push_back(fmt::format("metering label {}: not a prefix", meter.id.value));
      return;
    }
    labels[brief].push_back(rule + (excluded ? " return" : " counter name m_" + brief + " return"));
  };
  for (const auto& meter : plan.meters) add(meter, true);
  for (const auto& meter : plan.meters) add(meter, false);
  RuleLines jumps;
  for (auto& [brief, rules] : labels) {
    table.counters.insert("m_" + brief);
    table.chains["meter_" + brief] = {{}, std::make_shared<const RuleLines>(std::move(rules))};
    jumps.push_back("jump meter_" + brief);
  }
  set_chain(table, "meters", std::move(jumps), "filter", "forward", -10);
}

/// Frames of a stream come in lumps of up to 64 KiB: less than two of them never passes.
constexpr std::uint64_t kLeastBurst = 131'072;

/// What is over the limit is dropped: as on other routers, and unlike a port's, nothing waits. To
/// the burst the kernel adds what is let through in a second.
std::string over_limit(std::uint32_t kbps, std::uint32_t burst_kb) {
  const std::uint64_t rate = std::uint64_t{kbps} * 1'000 / 8;
  const std::uint64_t burst = std::uint64_t{burst_kb} * 1'000 / 8;
  return fmt::format("limit rate over {} bytes/second burst {} bytes drop",
                     std::max<std::uint64_t>(rate, 1),
                     std::clamp<std::uint64_t>(burst, kLeastBurst, 1U << 30));
}

void add_limits(FilterTable& table, const RouterPlan& plan, const std::string& gateway) {
  RuleLines lines;
  for (const auto& one : plan.floating) {
    const auto inner = ipv4_of(one.fixed);
    if (!inner) continue;
    if (one.qos.ingress_kbps > 0)
      lines.push_back(fmt::format("iifname \"{}\" ip daddr {} {}", gateway, *inner,
                                  over_limit(one.qos.ingress_kbps, one.qos.ingress_burst)));
    if (one.qos.egress_kbps > 0)
      lines.push_back(fmt::format("oifname \"{}\" ip saddr {} {}", gateway, *inner,
                                  over_limit(one.qos.egress_kbps, one.qos.egress_burst)));
  }
  if (!lines.empty()) set_chain(table, "limits", std::move(lines), "filter", "forward", -5);
}

}  // namespace

std::string leg_outer(const Names& names, const PortId& port) {
  return "clr" + names.brief(port.value);
}
std::string leg_inner(const Names& names, const PortId& port) {
  return "clq" + names.brief(port.value);
}

std::vector<std::string> floating_addresses(const RouterPlan& plan) {
  std::set<std::string> found;
  for (const auto& one : plan.floating)
    if (const auto ip = ipv4_of(one.floating)) found.insert(*ip);
  for (const auto& one : plan.forwards)
    if (const auto ip = ipv4_of(one.floating)) found.insert(*ip);
  return {found.begin(), found.end()};
}

Ruleset router_ruleset(const Names& names, const RouterPlan& plan,
                       std::vector<std::string>& rejected) {
  Ruleset rules;
  rules.table = names.table();
  FilterTable& table = rules.inet;
  table.sets["floating"] = {true, "type ipv4_addr : ipv4_addr", {}};
  table.sets["fixed"] = {true, "type ipv4_addr : ipv4_addr", {}};
  const std::string gateway = plan.gateway ? leg_inner(names, plan.gateway->port) : "";
  RuleLines in;
  for (const auto& forward : plan.forwards) {
    if (auto rule = forward_rule(forward)) {
      in.push_back(std::move(*rule));
    } else {
      rejected.push_back(fmt::format("port forwarding {} makes no sense", forward.id.value));
    }
  }
  for (const auto& one : plan.floating) {
    const auto outer = ipv4_of(one.floating);
    const auto inner = ipv4_of(one.fixed);
    if (!outer || !inner) {
      rejected.push_back(fmt::format("floating address {} is none", one.id.value));
      continue;
    }
    table.sets["floating"].elements[*outer] = *inner;
    table.sets["fixed"].elements[*inner] = *outer;
  }
  in.emplace_back("dnat ip to ip daddr map @floating");
  set_chain(table, "translate_in", std::move(in), "nat", "prerouting", -100);
  if (!plan.gateway) return rules;

  const std::string outside = outside_address(plan);
  RuleLines out{fmt::format("iifname \"{}\" accept", gateway),
                // From leg to leg nobody changes; but who asks by a floating address gets his
                // answer by it, and so must not be seen by the one who answers.
                fmt::format("oifname != \"{}\" ct status & dnat == 0 accept", gateway)};
  for (const auto& text : plan.snat_excluded) {
    const auto prefix = parse_ip_prefix(text);
    if (prefix && !prefix->v6 && prefix->length > 0)
      out.push_back(fmt::format("oifname \"{}\" ip saddr {} ip saddr != @fixed_now accept", gateway,
                                prefix->text()));
  }
  if (out.size() > 2) {
    table.sets["fixed_now"] = {false, "type ipv4_addr", {}};
    for (const auto& [fixed, floating] : table.sets["fixed"].elements)
      table.sets["fixed_now"].elements[fixed] = "";
  }
  out.emplace_back("snat ip to ip saddr map @fixed");
  if (!outside.empty()) {
    if (plan.snat)
      out.push_back(
          fmt::format("oifname \"{}\" meta nfproto ipv4 snat ip to {}", gateway, outside));
    out.push_back(fmt::format("meta nfproto ipv4 ct status dnat snat ip to {}", outside));
  }
  set_chain(table, "translate_out", std::move(out), "nat", "postrouting", 100);
  // The router itself serves its own networks only.
  set_chain(table, "input",
            {"ct state established,related accept", "meta l4proto { 1, 58 } accept",
             fmt::format("iifname \"{}\" drop", gateway)},
            "filter", "input", 0);
  add_limits(table, plan, gateway);
  add_meters(table, names, plan, rejected);
  return rules;
}

std::vector<PlannedRoute> planned_routes(const RouterPlan& plan,
                                         std::vector<std::string>& rejected) {
  std::vector<PlannedRoute> routes;
  const auto leg_to = [&](const IpPrefix& hop) -> const RouterPortPlan* {
    const auto reaches = [&](const RouterPortPlan& leg) {
      for (const auto& text : leg.addresses) {
        const auto own = parse_ip_prefix(text);
        if (!own || own->v6 != hop.v6) continue;
        const auto cut = parse_ip_prefix(fmt::format("{}/{}", hop.address, own->length));
        if (cut && cut->network == own->network) return true;
      }
      return false;
    };
    for (const auto& leg : plan.legs)
      if (reaches(leg)) return &leg;
    return plan.gateway && reaches(*plan.gateway) ? &*plan.gateway : nullptr;
  };
  for (const auto& text : plan.gateway_hops) {
    const auto hop = parse_ip(text);
    if (!hop || !plan.gateway) continue;
    routes.push_back({hop->v6 ? "::/0" : "0.0.0.0/0", hop->address, plan.gateway->port});
  }
  for (const auto& [to, via] : plan.routes) {
    const auto destination = parse_ip_prefix(to);
    const auto hop = parse_ip(via);
    const auto* leg = destination && hop && destination->v6 == hop->v6 ? leg_to(*hop) : nullptr;
    if (!leg) {
      rejected.push_back(
          fmt::format("router {}: the route to {} has a next hop in no network of "
                      "the router",
                      plan.id.value, to));
      continue;
    }
    routes.push_back(
        {fmt::format("{}/{}", destination->network, destination->length), hop->address, leg->port});
  }
  return routes;
}

}  // namespace cloudos::network::linuxbridge

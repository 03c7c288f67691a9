#include <doctest/doctest.h>
#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <csignal>

#include "cloudos/trunks.hpp"
#include "dataplane/trace_support.hpp"
#include "dataplane/traffic.hpp"
#include "network/linuxbridge/dnsmasq.hpp"
#include "network/linuxbridge/entrances.hpp"
#include "network/linuxbridge/netns.hpp"
#include "network/linuxbridge/nft.hpp"
#include "network/linuxbridge/router_rules.hpp"
#include "network/linuxbridge/routes.hpp"

using namespace cloudos;
using namespace cloudos::network;
using namespace dataplane;

namespace {

const char* const kTable = "cloudos_0a1b2c3d";

/// One thing broken on a host, and what the trace has to say of it.
struct Breakage {
  std::string what;
  std::function<void(TracedHost&)> damage;
  std::string place, text;
  bool drops = true;
  std::optional<bool> arrives = false;         ///< What a real packet does; nothing: not asked.
  std::function<void(TracedHost&)> mend = {};  ///< Of what is none of ours.
  /// What the remedy says; of what the host does not repair it never is that the host does.
  std::string remedy = {};
};

void check_breakage(TracedHost& host, const Breakage& row, const std::string& from,
                    const std::string& to, const std::function<bool()>& packet) {
  CAPTURE(row.what);
  {
    const auto before = host.trace(from, to, 80);
    CAPTURE(trace_told(before));
    REQUIRE(before.delivered);
    REQUIRE(becomes(packet));
  }
  row.damage(host);
  const auto trace = host.trace(from, to, 80);
  CAPTURE(trace_told(trace));
  CHECK(trace.delivered == !row.drops);
  if (row.arrives) CHECK(packet() == *row.arrives);
  const auto names_it = [&](const TraceHop& hop) {
    return hop.place == row.place && hop.text.find(row.text) != std::string::npos &&
           hop.state == (row.drops ? TraceState::Drops : TraceState::Noted) && !hop.remedy.empty();
  };
  const auto itself = [](const TraceHop& hop) {
    return hop.remedy.find("puts this right by itself") != std::string::npos;
  };
  for (const TraceHop& hop : trace.hops) {
    if (!names_it(hop)) continue;
    CAPTURE(hop.remedy);
    CHECK(itself(hop) == !row.mend);
    CHECK(hop.remedy.find(row.remedy) != std::string::npos);
  }
  if (row.drops) {
    CHECK(names_it(trace.hops.back()));
    CHECK_FALSE(trace.hops.back().detail.empty());
  } else {
    CHECK(std::any_of(trace.hops.begin(), trace.hops.end(), names_it));
  }
  if (row.mend) row.mend(host);
  host.repair();
}

std::string in_table(const std::string& family) {
  return family + " " + kTable + " ";
}

/// Has the bridge believe for good that a MAC is behind a device, or forget that again.
void point_forwarding(const std::string& device, const std::string& mac, bool forget = false) {
  auto netlink = lb::Netlink::open(NETLINK_ROUTE);
  REQUIRE(netlink);
  const auto link = lb::find_link(*netlink, device);
  REQUIRE(*link);
  lb::NetlinkMessage message(forget ? RTM_DELNEIGH : RTM_NEWNEIGH,
                             forget ? 0 : NLM_F_CREATE | NLM_F_REPLACE);
  ndmsg head{};
  head.ndm_family = AF_BRIDGE;
  head.ndm_ifindex = (*link)->index;
  head.ndm_state = NUD_NOARP;
  head.ndm_flags = forget ? NTF_MASTER : NTF_MASTER | NTF_STICKY;
  message.header(head);
  const auto raw = mac_of(mac);
  message.attr(NDA_LLADDR, raw.data(), raw.size());
  REQUIRE(netlink->execute(message) == 0);
}

void set_switch(const char* path, const char* value) {
  REQUIRE(lb::write_sysctl(path, value));
}

const char* const kBridgeSwitch = "/proc/sys/net/bridge/bridge-nf-call-iptables";

}  // namespace

TEST_CASE("a trace between two guests names what is broken on their host, and packets agree") {
  on_private_host([] {
    TracedHost host(false);
    const std::string group = host.a.security_groups.at(0).value;
    const auto flush = [](const std::string& family, const std::string& chain) {
      return [=](TracedHost&) { nft("flush chain " + in_table(family) + chain); };
    };
    const std::string rule_missing = "A rule of the packet filter";
    {  // Who asks changes nothing, and nobody notices.
      auto context = lb::Nft::open();
      REQUIRE(context);
      const auto count = context->generation();
      const std::string before = host_state(host.dir.path());
      CHECK(host.trace(host.a.id.value, address_at(host.b), 80).delivered);
      CHECK(*context->generation() == *count);
      CHECK((host_state(host.dir.path()) == before));
    }
    const Breakage rows[] = {
        {"the sender's device is down", [](TracedHost& h) { set_device(h.a.tap, {.up = false}); },
         "device", "is down"},
        {"the sender's device is out of its bridge",
         [](TracedHost& h) { set_device(h.a.tap, {.master = 0}); }, "device", "in no bridge"},
        {"the sender's device is in another bridge",
         [](TracedHost& h) {
           auto netlink = lb::Netlink::open(NETLINK_ROUTE);
           set_device(h.a.tap, {.master = (*lb::find_link(*netlink, "br-out"))->index});
         },
         "device", "another network's bridge"},
        {"the sender's anti-spoofing is flushed",
         flush("bridge", host.chain("s_", host.a.id.value)), "source", rule_missing},
        {"the sender's place in the filter is gone",
         [](TracedHost& h) {
           nft(fmt::format("delete element {}spoof {{ \"{}\" }}", in_table("bridge"), h.a.tap));
         },
         "source", "An entry of the packet filter"},
        {"what the sender may send is flushed", flush("inet", host.chain("e_", host.a.id.value)),
         "egress", rule_missing},
        {"the group's rules for what goes out are flushed", flush("inet", host.chain("ge_", group)),
         "egress", rule_missing},
        {"the last stage of the filter is flushed", flush("inet", "passed"), "egress",
         rule_missing},
        {"the host's rules are deleted",
         [](TracedHost&) { nft("delete table " + in_table("inet")); }, "source",
         "rules of the host's packet filter are gone"},
        {"the bridge is down",
         [](TracedHost& h) {
           set_device(lb::Names(kFolder).bridge(h.inside.id.value), {.up = false});
         },
         "network", "bridge is down"},
        {"bridged packets pass no filter", [](TracedHost&) { set_switch(kBridgeSwitch, "0"); },
         "network", "do not pass the host's packet filter"},
        {"another filter drops all it sees",
         [](TracedHost&) {
           nft("add table inet stranger\nadd chain inet stranger f "
               "{ type filter hook forward priority 50; policy drop; }");
         },
         "network", "Another packet filter", true, false,
         [](TracedHost&) { nft("delete table inet stranger"); }},
        {"the bridge sends what is the receiver's elsewhere",
         [](TracedHost& h) { point_forwarding(h.a.tap, h.b.mac); }, "forwarding",
         "to another device", true, false,
         [](TracedHost& h) { point_forwarding(h.a.tap, h.b.mac, true); }},
        {"another device has the name of the receiver's",
         [](TracedHost& h) { set_device(h.b.tap, {.alias = "somebody's"}); }, "device",
         "Another device", true, std::nullopt,
         [](TracedHost& h) {
           set_device(h.b.tap, {.alias = lb::Names(kFolder).alias(h.b.id.value)});
         },
         "Rename or remove"},
        {"another device has the name of the bridge",
         [](TracedHost& h) {
           set_device(lb::Names(kFolder).bridge(h.inside.id.value), {.alias = "somebody's"});
         },
         "network", "Another device", true, std::nullopt,
         [](TracedHost& h) {
           const lb::Names names(kFolder);
           set_device(names.bridge(h.inside.id.value), {.alias = names.alias(h.inside.id.value)});
         },
         "Rename or remove"},
        {"what the receiver gets is flushed", flush("inet", host.chain("i_", host.b.id.value)),
         "ingress", rule_missing},
        {"the group's rules for what comes in are flushed", flush("inet", host.chain("gi_", group)),
         "ingress", rule_missing},
        {"the receiver's mark is gone",
         [](TracedHost& h) {
           nft(fmt::format("delete element {}out_mark {{ \"{}\" }}", in_table("bridge"), h.b.tap));
         },
         "ingress", "An entry of the packet filter"},
        {"somebody put a rule in front",
         [](TracedHost& h) {
           nft("insert rule " + in_table("inet") + h.chain("i_", h.b.id.value) + " drop comment x");
         },
         "ingress", "Somebody added a rule"},
        {"what comes in is not looked at any more", flush("bridge", "forward_to"), "ingress",
         "what they should drop passes", false, true},
        {"the receiver's device is down", [](TracedHost& h) { set_device(h.b.tap, {.up = false}); },
         "device", "is down"},
    };
    const auto packet = [&] {
      const bool arrived = host.guest_a->can_connect(address_at(host.b), 80);
      drain(host.web_b);
      return arrived;
    };
    for (const Breakage& row : rows)
      check_breakage(host, row, host.a.id.value, address_at(host.b), packet);

    drop_device(host.a.tap);
    const auto deleted = host.trace(host.a.id.value, address_at(host.b), 80);
    CHECK(deleted.hops.back().place == "device");
    CHECK(deleted.summary.find("is not there") != std::string::npos);
    host.repair();
    const auto nobody = host.trace(host.a.id.value, address_at(host.b), 80);  // A tap, no guest.
    CHECK(nobody.hops.back().place == "device");
    CHECK(nobody.summary.find("guest does not run") != std::string::npos);
  });
}

TEST_CASE("a trace of a trunk's sub-port names the program that is gone, and packets agree") {
  on_private_host([] {
    TracedHost host(false);
    const auto abilities = host.driver->abilities();
    const bool can = std::any_of(abilities.begin(), abilities.end(), [](const Ability& one) {
      return one.name == "trunk" && one.works;
    });
    if (!can) return;  // The suite about sub-ports says whether it has to.
    Networks& networks = *host.world->networks;
    const Network inner = host.world->network(host.p, "inner");
    host.world->subnet(host.p, inner, "10.5.0.0/24");
    const auto sub = host.world->port(host.p, inner.id);
    const auto other = host.world->server_port(host.p, inner.id, "s-other");
    const auto parent = host.world->port(host.p, host.inside.id);
    REQUIRE(parent);
    REQUIRE(sub);
    REQUIRE(other);
    constexpr std::uint16_t kTag = 77;
    TrunkCreate trunk;
    trunk.port = parent->id;
    trunk.sub_ports = {{sub->id, "vlan", kTag}};
    REQUIRE(networks.trunks().create(host.p, {trunk}));
    const ServerId server{"s-trunk"};
    REQUIRE(host.world->store->transact([&](store::Txn& txn) -> Result<void> {
      CLOUDOS_CHECK(networks.attach_port(txn, host.p, parent->id, server, "compute:nova"));
      return Result<void>();
    }));
    const Guest guest = guest_of(stand_in_for(*networks.port(host.p, parent->id)), "");
    REQUIRE(networks.plug(parent->id, server, "host-1"));
    const Guest there = guest_of(stand_in_for(*other), "");
    REQUIRE(networks.plug(other->id, ServerId{"s-other"}, "host-1"));
    SecurityGroupRuleCreate rule;
    rule.group = host.a.security_groups.at(0);
    rule.direction = "ingress";
    rule.protocol = "udp";
    rule.port_min = rule.port_max = 5000;
    REQUIRE(networks.create_rule(host.p, rule));
    host.repair();
    guest.await_carrier();
    there.await_carrier();
    const Port here = *networks.port(host.p, sub->id);
    REQUIRE(here.plugged);
    const auto heard = there.sniff();
    const auto back = guest.sniff();
    const auto packet = [&](bool out) {
      const Port& from = out ? here : *other;
      const Port& to = out ? *other : here;
      const auto frame = udp_frame(from.mac, to.mac, address_at(from), address_at(to), 5000, 5000,
                                   out ? "of-the-trunk" : "for-the-trunk");
      if (out) {
        guest.send_frame(with_tag(frame, kTag));
        return tag_of_next(heard, "of-the-trunk") == -1;
      }
      there.send_frame(frame);
      return tag_of_next(back, "for-the-trunk") == kTag;
    };
    const auto ask = [&](bool out) {
      TraceSpec spec;
      spec.from = (out ? here : *other).id.value;
      spec.to = address_at(out ? *other : here);
      spec.protocol = "udp";
      spec.port = 5000;
      const auto found = networks.traces().trace(network_test::admin(), spec);
      REQUIRE(found);
      return *found;
    };
    const std::string end = lb::Names(kFolder).sub_end(here.id.value);
    const auto drop = [](const std::string& device, std::uint32_t order) {
      auto netlink = lb::Netlink::open(NETLINK_ROUTE);
      const auto link = lb::find_link(*netlink, device);
      REQUIRE(*link);
      REQUIRE(lb::drop_entrance(*netlink, **link, order));
    };
    struct Row {
      std::string what;
      std::function<void()> damage;
      std::string text;
      bool out, in;  ///< Do packets of the sub-port's pass?
    };
    const Row rows[] = {
        {"the tag is not taken off", [&] { drop(networks.port(host.p, parent->id)->tap, kTag); },
         "takes the sub-port's tag off", false, true},
        {"the tag is not put on", [&] { drop(end, 1); }, "puts the sub-port's tag on", true, false},
        {"the pair is cut", [&] { set_device(end, {.up = false}); }, "What joins the sub-port",
         false, false},
    };
    for (const Row& row : rows) {
      CAPTURE(row.what);
      for (const bool out : {true, false}) {
        CAPTURE(out);
        const auto whole = ask(out);
        CAPTURE(trace_told(whole));
        CHECK(whole.delivered);
        CHECK(becomes([&] { return packet(out); }));
      }
      row.damage();
      for (const bool out : {true, false}) {
        CAPTURE(out);
        const auto trace = ask(out);
        CAPTURE(trace_told(trace));
        const bool passes = out ? row.out : row.in;
        CHECK(trace.delivered == passes);
        CHECK(packet(out) == passes);
        CHECK(std::any_of(trace.hops.begin(), trace.hops.end(), [&](const TraceHop& hop) {
          return hop.place == "device" && hop.text.find(row.text) != std::string::npos &&
                 hop.state == (passes ? TraceState::Noted : TraceState::Drops);
        }));
      }
      host.repair();
    }
  });
}

TEST_CASE("a trace names the address that a group's rule lacks on the host, and who is spoofing") {
  on_private_host([] {
    TracedHost host(false);
    SecurityGroupRuleCreate rule;
    rule.group = host.a.security_groups.at(0);
    rule.direction = "ingress";
    rule.protocol = "tcp";
    rule.port_min = rule.port_max = 90;
    rule.remote_group = rule.group;
    // The default group lets its members in already: that rule goes, this one stands alone.
    NetworkListSpec of_group;
    of_group.filters = {{"security_group_id", rule.group.value}, {"direction", "ingress"}};
    const auto rules = host.world->networks->rules(host.p, of_group);
    REQUIRE(rules);
    for (const auto& one : *rules)
      if (!one.remote_group.empty()) REQUIRE(host.world->networks->delete_rule(host.p, one.id));
    const auto made = host.world->networks->create_rule(host.p, rule);
    REQUIRE(made);
    host.repair();
    const auto listener = host.guest_b->listen(address_at(host.b), 90);
    CHECK(becomes([&] { return host.guest_a->can_connect(address_at(host.b), 90); }));
    const auto whole = host.trace(host.a.id.value, address_at(host.b), 90);
    CAPTURE(trace_told(whole));
    CHECK(whole.delivered);
    CHECK(std::any_of(whole.hops.begin(), whole.hops.end(),
                      [&](const TraceHop& hop) { return hop.id == made->id.value; }));
    nft(fmt::format("delete element {}{} {{ {} }}", in_table("inet"),
                    host.chain("m4_", rule.group.value), address_at(host.a)));
    const auto trace = host.trace(host.a.id.value, address_at(host.b), 90);
    CAPTURE(trace_told(trace));
    CHECK(trace.hops.back().place == "ingress");
    CHECK(trace.summary.find(address_at(host.a) + " is missing") != std::string::npos);
    CHECK_FALSE(host.guest_a->can_connect(address_at(host.b), 90));
    host.repair();

    const auto closed = [&] { return host.trace(host.a.id.value, address_at(host.b), 81); };
    const auto refused = closed();
    CHECK(refused.hops.back().place == "ingress");
    CHECK(refused.summary.find("No rule") != std::string::npos);
    CHECK_FALSE(host.guest_a->can_connect(address_at(host.b), 81));
    const auto again = host.trace(host.a.id.value, address_at(host.b), 80);
    const auto counted = [&](const TraceHop& hop) {
      return hop.place == "ingress" && hop.dropped.value_or(0) > 0;
    };
    CHECK(std::any_of(again.hops.begin(), again.hops.end(), counted));

    host.guest_a->add_address("10.0.0.99", 24);
    TraceSpec spoofed;
    spoofed.from = host.a.id.value;
    spoofed.to = address_at(host.b);
    spoofed.port = 80;
    spoofed.source = "10.0.0.99";
    const auto spoof = host.world->networks->traces().trace(network_test::admin(), spoofed);
    REQUIRE(spoof);
    CHECK(spoof->hops.back().place == "source");
    CHECK_FALSE(host.guest_a->can_connect(address_at(host.b), 80, "10.0.0.99"));
  });
}

TEST_CASE("a trace of IPv6 finds the rule, and the address that the host lacks") {
  on_private_host([] {
    TracedHost host(false);
    add_six(host);
    const std::string to = six_at(host, host.b);
    REQUIRE_FALSE(to.empty());
    TraceSpec ping;
    ping.from = host.a.id.value;
    ping.to = to;
    const auto ask = [&] {
      const auto found = host.world->networks->traces().trace(network_test::admin(), ping);
      REQUIRE(found);
      return *found;
    };
    const auto whole = ask();
    CAPTURE(trace_told(whole));
    CHECK(whole.delivered);
    CHECK(whole.hops.front().packet == six_at(host, host.a) + " > " + to + " ipv6-icmp 128");
    nft(fmt::format("delete element {}{} {{ {} }}", in_table("inet"),
                    host.chain("m6_", host.a.security_groups.at(0).value), six_at(host, host.a)));
    const auto lost = ask();
    CAPTURE(trace_told(lost));
    CHECK(lost.hops.back().place == "ingress");
    CHECK(lost.summary.find(six_at(host, host.a)) != std::string::npos);
    host.repair();
    CHECK(ask().delivered);
  });
}

TEST_CASE("a trace says whether the guest got its address, and whether its server lives") {
  on_private_host([] {
    TracedHost host(false);
    const auto hop_of = [&](const NetworkTrace& trace) {
      for (const TraceHop& hop : trace.hops)
        if (hop.place == "addresses") return hop;
      return TraceHop();
    };
    const auto ask = [&] { return host.trace(host.a.id.value, address_at(host.b), 80); };
    CHECK(hop_of(ask()).text.find("asked for no lease") != std::string::npos);
    REQUIRE(host.guest_a->dhcp());
    CHECK(hop_of(ask()).state == TraceState::Passes);
    CHECK(hop_of(ask()).detail.find("lease") != std::string::npos);
    const auto pid = lb::Dnsmasq("", host.dir.path() + "/networks/" + host.inside.id.value).pid();
    REQUIRE(pid);
    ::kill(*pid, SIGKILL);
    CHECK(becomes(
        [&] { return hop_of(ask()).text.find("DHCP server does not run") != std::string::npos; }));
    CHECK(hop_of(ask()).state == TraceState::Noted);
    TraceSpec request;
    request.from = host.a.id.value;
    request.to = "255.255.255.255";
    request.source = "0.0.0.0";
    request.protocol = "udp";
    request.port = 67;
    const auto asked = host.world->networks->traces().trace(network_test::admin(), request);
    REQUIRE(asked);
    CAPTURE(trace_told(*asked));
    CHECK_FALSE(asked->delivered);
    CHECK(asked->hops.back().place == "receiver");
    CHECK_FALSE(host.guest_a->dhcp());
    host.repair();
    CHECK(becomes([&] { return host.guest_a->dhcp().has_value(); }));
    CHECK(host.world->networks->traces().trace(network_test::admin(), request)->delivered);
  });
}

TEST_CASE("a trace through a router names what is broken there, and packets agree") {
  on_private_host([] {
    TracedHost host(true);
    FloatingIpCreate wanted;
    wanted.network = host.external.id;
    wanted.port = host.b.id;
    const auto floating = host.world->networks->routers().create_floating_ip(host.p, wanted);
    REQUIRE(floating);
    host.repair();
    const lb::Names names(kFolder);
    const PortId inner = host.router.interfaces.at(0);
    const PortId gateway = host.router.gateway_port;
    const auto in_router = [](const std::function<void()>& work) {
      return [=](TracedHost& h) { h.in_router(work); };
    };
    const auto lose_address = [](const std::string& device, const std::string& address) {
      auto inside = lb::Netlink::open(NETLINK_ROUTE);
      const auto link = lb::find_link(*inside, device);
      REQUIRE(*link);
      const auto has = lb::list_addresses(*inside, **link);
      for (const auto& one : *has)
        if (one.address == address) REQUIRE(lb::delete_address(*inside, **link, one));
    };
    const std::string own = host.router.gateway_ips.at(0).address;
    const Breakage out[] = {
        {"the inner leg is down",
         [&](TracedHost&) { set_device(lb::leg_outer(names, inner), {.up = false}); }, "leg",
         "leg is down"},
        {"the inner leg is out of its bridge",
         [&](TracedHost&) { set_device(lb::leg_outer(names, inner), {.master = 0}); }, "leg",
         "not in the bridge"},
        {"the inner leg has lost its address",
         in_router([&] { lose_address(lb::leg_inner(names, inner), "10.0.0.1"); }), "leg",
         "lost its address 10.0.0.1", true, std::nullopt},  // The guest still knows its MAC.
        {"the gateway's leg is down inside",
         in_router([&] { set_device(lb::leg_inner(names, gateway), {.up = false}); }), "route",
         "no route"},
        {"the gateway's leg is down outside",
         [&](TracedHost&) { set_device(lb::leg_outer(names, gateway), {.up = false}); }, "leg",
         "leg is down"},
        {"the operator's bridge is gone",
         [](TracedHost&) {
           auto netlink = lb::Netlink::open(NETLINK_ROUTE);
           REQUIRE(lb::delete_link(*netlink, **lb::find_link(*netlink, "br-out")));
         },
         "leg", "network's bridge is not there", true, false,
         [](TracedHost&) {
           auto netlink = lb::Netlink::open(NETLINK_ROUTE);
           make_bridge("br-out");
           set_device("out0", {.master = (*lb::find_link(*netlink, "br-out"))->index});
         },
         "Make the bridge"},
        {"the default route is missing", in_router([&] {
           auto inside = lb::Netlink::open(NETLINK_ROUTE);
           const auto routes = lb::list_routes(*inside);
           for (const auto& route : *routes) REQUIRE(lb::delete_route(*inside, route));
         }),
         "route", "no route to 198.51.100.9", true, std::nullopt},
        {"routing is switched off",
         in_router([] { set_switch("/proc/sys/net/ipv4/ip_forward", "0"); }), "router",
         "switched off", true, false,
         in_router([] { set_switch("/proc/sys/net/ipv4/ip_forward", "1"); })},
        {"translation on the way out is flushed",
         in_router([] { nft("flush chain " + in_table("inet") + "translate_out"); }), "translation",
         "A rule of the packet filter", true, std::nullopt},
        {"the router's rules are deleted",
         in_router([] { nft("delete table " + in_table("inet")); }), "translation",
         "translation is gone", true, std::nullopt},
    };
    host.outside->in([] {
      auto inside = lb::Netlink::open(NETLINK_ROUTE);
      const auto lo = lb::find_link(*inside, "lo");
      REQUIRE(lb::change_link(*inside, **lo, {.up = true}));
      REQUIRE(lb::add_address(*inside, **lo, {"198.51.100.9", 32}));
    });
    const auto far_off = host.outside->listen("198.51.100.9", 80);
    const auto leaves = [&] {
      const bool left = host.guest_a->can_connect("198.51.100.9", 80);
      drain(far_off);
      return left;
    };
    for (const Breakage& row : out)
      check_breakage(host, row, host.a.id.value, "198.51.100.9", leaves);

    const Breakage in[] = {
        {"the floating address is taken from the leg",
         in_router([&] { lose_address(lb::leg_inner(names, gateway), floating->address); }), "leg",
         "lost its address " + floating->address, true, std::nullopt},
        {"the translation of the floating address is gone", in_router([&] {
           nft(fmt::format("delete element {}floating {{ {} }}", in_table("inet"),
                           floating->address));
         }),
         "translation", "An entry of the packet filter"},
        {"translation on the way in is flushed",
         in_router([] { nft("flush chain " + in_table("inet") + "translate_in"); }), "translation",
         "A rule of the packet filter"},
        {"the receiver's rules are flushed",
         [](TracedHost& h) {
           nft("flush chain " + in_table("inet") + h.chain("i_", h.b.id.value));
         },
         "ingress", "A rule of the packet filter"},
        {"the router has lost its name",
         [&](TracedHost& h) { REQUIRE(lb::remove_netns(names.netns(h.router.id.value))); },
         "router", "lost its name", false, true},
    };
    const auto enters = [&] {
      const bool entered = host.outside->can_connect(floating->address, 80);
      drain(host.web_b);
      return entered;
    };
    for (const Breakage& row : in)
      check_breakage(host, row, "203.0.113.1", floating->address, enters);

    RouterUpdate extra;
    extra.routes = std::vector<HostRoute>{{"192.0.2.0/24", address_at(host.b)}};
    REQUIRE(host.world->networks->routers().update(host.p, host.router.id, extra));
    host.repair();
    CHECK(host.trace(host.a.id.value, "192.0.2.9", 80).delivered);
    host.in_router([] {
      auto inside = lb::Netlink::open(NETLINK_ROUTE);
      const auto routes = lb::list_routes(*inside);
      for (const auto& route : *routes)
        if (route.destination == "192.0.2.0/24") REQUIRE(lb::delete_route(*inside, route));
    });
    const auto astray = host.trace(host.a.id.value, "192.0.2.9", 80);
    CAPTURE(trace_told(astray));
    CHECK(astray.hops.back().place == "route");
    CHECK(astray.summary.find("another way") != std::string::npos);
    host.repair();
    CHECK(host.trace(host.a.id.value, "192.0.2.9", 80).delivered);

    // Gone for good: its name and its legs.
    REQUIRE(lb::remove_netns(names.netns(host.router.id.value)));
    drop_device(lb::leg_outer(names, inner));
    drop_device(lb::leg_outer(names, gateway));
    const auto trace = host.trace(host.a.id.value, "198.51.100.9", 80);
    CAPTURE(trace_told(trace));
    CHECK(trace.hops.back().place == "router");
    CHECK(trace.summary.find("namespace is not there") != std::string::npos);
    CHECK_FALSE(leaves());
    host.repair();
    CHECK(becomes(leaves));
    CHECK(host.trace(host.a.id.value, "198.51.100.9", 80).delivered);
  });
}

namespace {

/// A host of two, which are namespaces joined by a wire.
struct TunnelEnd {
  Guest space;
  TempDir dir;
  std::shared_ptr<LinuxBridgeDriver> driver;

  void start(const std::string& name, const std::string& address) {
    space.in([&] {
      set_device("wire0", {.up = true});
      auto inside = lb::Netlink::open(NETLINK_ROUTE);
      const auto wire = lb::find_link(*inside, "wire0");
      REQUIRE(lb::add_address(*inside, **wire, {address, 24}));
      LinuxBridgeSettings settings;
      settings.run_dir = dir.path();
      settings.host = name;
      settings.tunnel_address = address;
      settings.shared_machine = true;
      driver = l3_driver(settings);
    });
  }
};

void wire_ends(const TunnelEnd& one, const TunnelEnd& two) {
  auto netlink = lb::Netlink::open(NETLINK_ROUTE);
  REQUIRE(netlink);
  REQUIRE(lb::add_veth(*netlink, "wire1", "", "02:00:00:00:01:01", 1600, "wire0",
                       "02:00:00:00:01:02", one.space.netns()));
  lb::NetlinkMessage message(RTM_NEWLINK, 0);
  ifinfomsg head{};
  head.ifi_index = (*lb::find_link(*netlink, "wire1"))->index;
  message.header(head);
  message.attr(IFLA_IFNAME, "wire0");
  message.attr_u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(two.space.netns()));
  REQUIRE(netlink->execute(message) == 0);
}

}  // namespace

TEST_CASE("a trace over a tunnel names the entry that is missing, and packets agree") {
  on_private_host([] {
    TunnelEnd one, two;
    wire_ends(one, two);
    one.start("host-1", "192.0.2.1");
    two.start("host-2", "192.0.2.2");
    network_test::World world({"outside"}, {one.driver, two.driver});
    world.start();
    const Context p = network_test::member("p");
    NetworkCreate spec;
    spec.name = "wide";
    spec.network_type = "vxlan";
    spec.project = p.project;
    spec.mtu = 1450;
    const auto wide = world.networks->create_network(network_test::admin(), spec);
    REQUIRE(wide);
    world.subnet(p, *wide);
    const auto a = world.server_port(p, wide->id, "s-a");
    const auto b = world.server_port(p, wide->id, "s-b");
    REQUIRE(a);
    REQUIRE(b);
    std::optional<Guest> guest_a, guest_b;
    one.space.in([&] { guest_a.emplace(guest_of(stand_in_for(*a), "")); });
    two.space.in([&] { guest_b.emplace(guest_of(stand_in_for(*b), "")); });
    REQUIRE(world.networks->plug(a->id, ServerId{"s-a"}, "host-1"));
    REQUIRE(world.networks->plug(b->id, ServerId{"s-b"}, "host-2"));
    SecurityGroupRuleCreate rule;
    rule.group = a->security_groups.at(0);
    rule.direction = "ingress";
    rule.protocol = "tcp";
    rule.port_min = rule.port_max = 80;
    REQUIRE(world.networks->create_rule(p, rule));
    const auto repair = [&] { world.run(std::chrono::seconds(35)); };
    repair();
    one.space.in([&] { guest_a->await_carrier(); });
    two.space.in([&] { guest_b->await_carrier(); });
    const auto listener = guest_b->listen(address_at(*b), 80);
    const auto packet = [&] {
      const bool arrived = guest_a->can_connect(address_at(*b), 80);
      drain(listener);
      return arrived;
    };
    const auto ask = [&] {
      TraceSpec asked;
      asked.from = a->id.value;
      asked.to = address_at(*b);
      asked.port = 80;
      const auto found = world.networks->traces().trace(network_test::admin(), asked);
      CAPTURE(found ? "" : found.error().message);
      REQUIRE(found);
      return *found;
    };
    // A cloud of several hosts on one machine.
    const lb::Names names(kFolder, "host-1");
    const std::string tunnel = names.tunnel(wide->id.value);
    const auto forget = [&](bool own, bool flood) {
      one.space.in([&] {
        auto inside = lb::Netlink::open(NETLINK_ROUTE);
        const auto link = lb::find_link(*inside, tunnel);
        REQUIRE(*link);
        const auto has = lb::list_forwards(*inside, **link);
        for (const auto& entry : *has) {
          const bool is_flood = entry.mac == "00:00:00:00:00:00";
          if (is_flood ? flood : own) REQUIRE(lb::delete_forward(*inside, **link, entry));
        }
      });
    };
    struct Row {
      std::string what;
      std::function<void()> damage;
      std::string text;
      bool drops;
      bool arrives;
    };
    const Row rows[] = {
        {"the tunnel is down", [&] { one.space.in([&] { set_device(tunnel, {.up = false}); }); },
         "tunnel is down", true, false},
        {"the tunnel is out of its bridge",
         [&] { one.space.in([&] { set_device(tunnel, {.master = 0}); }); }, "not in its bridge",
         true, false},
        {"the receiver's entry is gone", [&] { forget(true, false); },
         "The receiver's forwarding entry is missing", false, true},
        {"broadcasts' entry is gone", [&] { forget(false, true); }, "Broadcasts do not reach",
         false, true},
        {"both entries are gone", [&] { forget(true, true); }, "does not know the receiver's host",
         true, false},
        {"the receiver's address is not answered for",
         [&] {
           one.space.in([&] {
             auto inside = lb::Netlink::open(NETLINK_ROUTE);
             const auto bridge = lb::find_link(*inside, names.bridge(wide->id.value));
             REQUIRE(*bridge);
             const auto known = lb::list_neighbours(*inside, **bridge);
             REQUIRE_FALSE(known->empty());
             for (const auto& entry : *known)
               REQUIRE(lb::delete_neighbour(*inside, **bridge, entry));
           });
         },
         "does not answer for the receiver's address", false, true},
        {"the tunnel is deleted", [&] { one.space.in([&] { drop_device(tunnel); }); },
         "tunnel is not there", true, false},
    };
    for (const Row& row : rows) {
      CAPTURE(row.what);
      {
        const auto before = ask();
        CAPTURE(trace_told(before));
        REQUIRE(before.delivered);
        REQUIRE(becomes(packet));
      }
      row.damage();
      const auto trace = ask();
      CAPTURE(trace_told(trace));
      CHECK(trace.delivered == !row.drops);
      CHECK(packet() == row.arrives);
      CHECK(std::any_of(trace.hops.begin(), trace.hops.end(), [&](const TraceHop& hop) {
        return hop.place == "forwarding" && hop.host == "host-1" &&
               hop.text.find(row.text) != std::string::npos;
      }));
      repair();
    }
    for (const auto* end : {&one, &two}) {
      end->driver->watch(nullptr);
      CHECK(end->driver->converge({}));
    }
  });
}

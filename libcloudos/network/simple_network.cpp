#include "cloudos/simple_network.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.hpp"
#include "network/auto_addresses.hpp"
#include "network/floating_txn.hpp"
#include "network/ip.hpp"
#include "network/l3_records.hpp"
#include "network/rules.hpp"
#include "network/sharing.hpp"
#include "network/topology_txn.hpp"

/// What is there is read and what is missing drawn over a snapshot; one commit makes it, if all of
/// it is still so.
namespace cloudos {
namespace network {
namespace {

std::string outside_name(const std::string& name) { return name + "-outside"; }
std::string router_name(const std::string& name) { return name + "-router"; }
std::string subnet_name(const std::string& name) { return name + "-subnet"; }

// ---- what a commit stands on --------------------------------------------------------------------

Failure simple_stale() {
  return fail(ErrorCode::Stale, "others changed the same network; try again");
}

/// What a plan did not find by its name is still not there: others may have been first. (Parts that
/// were made by hand are in no index that a transaction could look into; they are found, or there are
/// several of the name, when it is asked for again.)
template <class T>
Result<void> still_none(store::Txn& txn, const ProjectId& project, const std::string& name) {
  if (records::find_unique(txn, T::kKind, "simple", project.value, name)) return simple_stale();
  return Result<void>();
}

/// The record is as the snapshot showed it. Errors: Stale.
template <class T>
Result<T> still(store::Txn& txn, const T& seen) {
  auto now = load<T>(txn, seen.id);
  if (!now && now.error().code != ErrorCode::NotFound) return now;
  if (!now || now->generation != seen.generation) return simple_stale();
  return now;
}

/// The project's one of the name, or nothing. Errors: Conflict (several).
template <class T>
Result<std::optional<T>> only_one(const store::Snapshot& snapshot, const ProjectId& project,
                                  const std::string& name) {
  CLOUDOS_TRY(const auto all, records::all<T>(snapshot, "project", project.value));
  std::optional<T> found;
  for (const T& one : all) {
    if (one.name != name) continue;
    if (found) {
      return fail_as("NoUniqueMatch", ErrorCode::Conflict,
                     fmt::format("several {}s are named {}: rename one, or choose another name",
                                 T::kKind, name));
    }
    found = one;
  }
  return found;
}

Result<void> check_simple_name(const Context& ctx, const std::string& name) {
  if (ctx.project.empty()) return invalid("a simple network is a project's: name one");
  return check_name("name", name, 1, limits::kNameChars - outside_name("").size());
}

// ---- what is asked for against what is there ----------------------------------------------------

/// `parameter`: of SimpleNetworkSpec, as its caller named it.
Failure differs(std::string_view parameter, std::string_view what, std::string_view has,
                std::string_view asked) {
  return fail_as("SimpleNetworkDiffers", ErrorCode::Conflict,
                 fmt::format("{}: {} is there already with {}, not {}: ask for that, or choose "
                             "another name",
                             parameter, what, has, asked));
}

std::string dns_text(const Subnet& subnet) {
  if (subnet.dns_servers.empty()) return "no DNS servers";
  return fmt::format("DNS servers {}", fmt::join(subnet.dns_servers, ", "));
}

std::string range_text(const Subnet& subnet) {
  std::vector<std::string> ranges;
  for (const AddressPool& pool : subnet.pools)
    ranges.push_back(fmt::format("{}-{}", pool.start, pool.end));
  return fmt::format("addresses {}", fmt::join(ranges, ", "));
}

Result<void> same_dns(const Subnet& there, const Subnet& asked) {
  if (there.dns_servers == asked.dns_servers) return Result<void>();
  return differs("dns_servers", fmt::format("subnet {}", there.cidr), dns_text(there),
                 dns_text(asked));
}

Result<void> same_floating(const Subnet& there, const Subnet& asked) {
  const std::string what = fmt::format("subnet {}", there.cidr);
  if (there.gateway != asked.gateway) {
    return differs("floating_gateway", what, fmt::format("gateway {}", there.gateway),
                   fmt::format("gateway {}", asked.gateway));
  }
  if (there.pools == asked.pools) return Result<void>();
  const bool first = there.pools.empty() || asked.pools.empty() ||
                     there.pools.front().start != asked.pools.front().start;
  return differs(first ? "floating_first" : "floating_last", what, range_text(there),
                 range_text(asked));
}

/// All of it before anything is read.
Result<void> check_simple(const Context& ctx, const SimpleNetworkSpec& spec) {
  CLOUDOS_CHECK(check_simple_name(ctx, spec.name));
  const auto block = parse_ip_block(spec.cidr);
  if (!block) {
    return invalid(
        fmt::format("cidr: '{}' is not a block such as 10.0.0.0/24", spec.cidr.substr(0, 64)));
  }
  if (spec.physical_network.empty()) {
    const bool floats = !spec.floating_cidr.empty() || !spec.floating_gateway.empty() ||
                        !spec.floating_first.empty() || !spec.floating_last.empty();
    if (floats)
      return invalid("physical_network: floating addresses need to know where outside is");
    return Result<void>();
  }
  CLOUDOS_CHECK(admin_only(ctx, true, "physical_network"));
  const auto floating = parse_ip_block(spec.floating_cidr);
  if (!floating) {
    return invalid(fmt::format("floating_cidr: '{}' is not a block such as 203.0.113.0/24",
                               spec.floating_cidr.substr(0, 64)));
  }
  if (floating->overlaps(*block))
    return invalid("floating_cidr and cidr overlap: a router could not tell them apart");
  if (spec.floating_first.empty() != spec.floating_last.empty())
    return invalid("floating_first and floating_last are given both or neither");
  return Result<void>();
}

// ---- the plan -----------------------------------------------------------------------------------

/// A network with its subnet: what is there of it, and the drafts of what is not.
struct SimpleWing {
  std::optional<Network> network;
  std::optional<Subnet> subnet;
  NetworkDraft new_network;
  SubnetDraft new_subnet;  ///< Also of one that is there: what it would be.

  const NetworkId& id() const { return network ? network->id : new_network.network.id; }
};

struct OpenRule {
  std::string_view what;
  SecurityGroupRule rule;  ///< Its group is known to the commit.
};

struct SimplePlan {
  SimpleWing inside;
  std::optional<SimpleWing> outside;
  std::optional<Router> router;
  RouterDraft new_router;
  bool has_leg = false;
  LegDraft new_leg;
  Networks::Impl::GroupDraft group;
  std::vector<OpenRule> rules;
};

/// As many as a group begins with; ids of more follow from the group's.
constexpr std::size_t kSimpleGroupRules = 4;

class SimplePlanner {
 public:
  SimplePlanner(Networks::Impl& impl, const Context& ctx, const SimpleNetworkSpec& spec,
                const store::Snapshot& snapshot)
      : impl_(impl), ctx_(ctx), spec_(spec), snapshot_(snapshot) {}

  Result<SimplePlan> run() {
    CLOUDOS_CHECK(inside());
    if (!spec_.physical_network.empty()) {
      CLOUDOS_CHECK(outside());
      CLOUDOS_CHECK(router());
    }
    plan_.group = impl_.draft_group(kSimpleGroupRules);
    CLOUDOS_CHECK(open_to_all("ping", "icmp", {}));
    CLOUDOS_CHECK(open_to_all("ssh", "tcp", 22));
    return std::move(plan_);
  }

 private:
  Result<void> network_of(const NetworkCreate& asked, SimpleWing& wing) {
    CLOUDOS_TRY(wing.network, only_one<Network>(snapshot_, ctx_.project, asked.name));
    if (wing.network && wing.network->external != asked.external) {
      return differs("name", fmt::format("network {}", asked.name),
                     wing.network->external ? "a way outside" : "none",
                     asked.external ? "a way outside" : "none");
    }
    if (wing.network) return Result<void>();
    CLOUDOS_TRY(wing.new_network, draft_network(impl_, ctx_, asked));
    wing.new_network.network.simple = true;
    return Result<void>();
  }

  Result<void> subnet_of(SubnetCreate asked, SimpleWing& wing) {
    const auto block = parse_ip_block(asked.cidr);
    asked.network = wing.id();
    asked.ip_version = block->base.v6 ? 6 : 4;
    asked.cidr = block->text();
    CLOUDOS_TRY(wing.new_subnet, draft_subnet(impl_, ctx_, asked));
    if (!wing.network) return Result<void>();
    for (const SubnetId& id : wing.network->subnets) {
      CLOUDOS_TRY(const Subnet one, load<Subnet>(snapshot_, id));
      if (one.cidr == asked.cidr) {
        wing.subnet = one;
        return Result<void>();
      }
    }
    if (wing.network->subnets.empty()) return Result<void>();
    CLOUDOS_TRY(const Subnet first, load<Subnet>(snapshot_, wing.network->subnets.front()));
    return differs(wing.network->external ? "floating_cidr" : "cidr",
                   fmt::format("network {}", wing.network->name), first.cidr, asked.cidr);
  }

  Result<void> inside() {
    NetworkCreate network;
    network.name = spec_.name;
    CLOUDOS_CHECK(network_of(network, plan_.inside));
    SubnetCreate subnet;
    subnet.name = subnet_name(spec_.name);
    subnet.cidr = spec_.cidr;
    subnet.dns_servers = spec_.dns_servers;
    CLOUDOS_CHECK(subnet_of(subnet, plan_.inside));
    if (!plan_.inside.subnet) return Result<void>();
    return same_dns(*plan_.inside.subnet, plan_.inside.new_subnet.subnet);
  }

  Result<void> outside() {
    SimpleWing& wing = plan_.outside.emplace();
    NetworkCreate network;
    network.name = outside_name(spec_.name);
    network.external = true;
    network.network_type = "flat";
    network.physical_network = spec_.physical_network;
    CLOUDOS_CHECK(network_of(network, wing));
    if (wing.network && wing.network->physical_network != spec_.physical_network) {
      return differs("physical_network", fmt::format("network {}", network.name),
                     fmt::format("physical network {}", wing.network->physical_network),
                     spec_.physical_network);
    }
    SubnetCreate subnet;
    subnet.name = subnet_name(network.name);
    subnet.cidr = spec_.floating_cidr;
    subnet.dhcp = false;
    if (!spec_.floating_gateway.empty()) subnet.gateway = spec_.floating_gateway;
    if (!spec_.floating_first.empty())
      subnet.pools = std::vector<AddressPool>{{spec_.floating_first, spec_.floating_last}};
    CLOUDOS_CHECK(subnet_of(subnet, wing));
    if (!wing.subnet) return Result<void>();
    return same_floating(*wing.subnet, wing.new_subnet.subnet);
  }

  Result<void> router() {
    const std::string name = router_name(spec_.name);
    CLOUDOS_TRY(plan_.router, only_one<Router>(snapshot_, ctx_.project, name));
    plan_.new_leg = draft_leg(impl_);
    if (!plan_.router) {
      RouterCreate asked;
      asked.name = name;
      asked.gateway = GatewaySpec{plan_.outside->id(), {}, {}};
      CLOUDOS_TRY(plan_.new_router, draft_router(impl_, ctx_, asked));
      plan_.new_router.router.simple = true;
      return Result<void>();
    }
    if (plan_.router->gateway_network != plan_.outside->id()) {
      return differs("physical_network", fmt::format("router {}", name), "another way outside or none",
                     outside_name(spec_.name));
    }
    for (const PortId& id : plan_.router->interfaces) {
      CLOUDOS_TRY(const Port leg, load<Port>(snapshot_, id));
      plan_.has_leg = plan_.has_leg || leg.network == plan_.inside.id();
    }
    return Result<void>();
  }

  Result<void> open_to_all(std::string_view what, const std::string& protocol,
                           std::optional<std::int64_t> port) {
    SecurityGroupRuleCreate asked;
    asked.direction = "ingress";
    asked.ethertype = parse_ip_block(spec_.cidr)->base.v6 ? "IPv6" : "IPv4";
    asked.protocol = protocol;
    asked.port_min = asked.port_max = port;
    CLOUDOS_TRY(auto rule, make_rule(asked));
    rule.id = impl_.engine.ids.make<SecurityGroupRuleId>();
    rule.created_at = rule.updated_at = impl_.engine.clock.wall();
    plan_.rules.push_back({what, std::move(rule)});
    return Result<void>();
  }

  Networks::Impl& impl_;
  const Context& ctx_;
  const SimpleNetworkSpec& spec_;
  const store::Snapshot& snapshot_;
  SimplePlan plan_;
};

// ---- the commit ---------------------------------------------------------------------------------

/// One run of a transaction's body.
class SimpleMaker {
 public:
  SimpleMaker(Networks::Impl& impl, store::Txn& txn, const Context& ctx,
              const SimpleNetworkSpec& spec, const SimplePlan& plan)
      : impl_(impl), txn_(txn), ctx_(ctx), spec_(spec), plan_(plan) {}

  Result<SimpleNetwork> run() {
    CLOUDOS_CHECK(wing(plan_.inside, done_.network, done_.subnet));
    CLOUDOS_CHECK(group());
    if (plan_.outside) {
      CLOUDOS_CHECK(wing(*plan_.outside, done_.outside.emplace(), done_.outside_subnet.emplace()));
      CLOUDOS_CHECK(router());
    }
    // A subnet, a leg or a rule is a later thing of what it is of: what is shown is as it is now.
    CLOUDOS_TRY(done_.network, load<Network>(txn_, done_.network.id));
    if (done_.outside) {
      CLOUDOS_TRY(done_.outside, load<Network>(txn_, done_.outside->id));
    }
    return std::move(done_);
  }

 private:
  void made(std::string what) { done_.made.push_back(std::move(what)); }

  Result<void> wing(const SimpleWing& of, Network& network, Subnet& subnet) {
    if (of.network) {
      CLOUDOS_TRY(network, still(txn_, *of.network));
    } else {
      CLOUDOS_CHECK(still_none<Network>(txn_, ctx_.project, of.new_network.network.name));
      CLOUDOS_TRY(network, insert_network(impl_, txn_, ctx_, of.new_network));
      made(fmt::format("network {}", network.name));
    }
    if (of.subnet) {
      CLOUDOS_TRY(subnet, still(txn_, *of.subnet));
    } else {
      CLOUDOS_TRY(subnet, insert_subnet(impl_, ctx_, txn_, of.new_subnet));
      made(fmt::format("subnet {}", subnet.cidr));
    }
    return Result<void>();
  }

  Result<void> group() {
    CLOUDOS_TRY(const auto id, impl_.default_group(txn_, ctx_.project, plan_.group));
    for (const OpenRule& open : plan_.rules) {
      const bool there = records::find_unique(txn_, SecurityGroupRule::kKind, "rule", id.value,
                                              canonical_rule(open.rule))
                             .has_value();
      if (there && !spec_.open) {
        return fail_as("SimpleNetworkDiffers", ErrorCode::Conflict,
                       fmt::format("open: the default group lets {} in from everywhere: delete that "
                                   "rule, or ask for an open network",
                                   open.what));
      }
      if (there || !spec_.open) continue;
      SecurityGroupRule rule = open.rule;
      rule.group = id;
      CLOUDOS_CHECK(insert_rule(impl_, txn_, ctx_, rule));
      made(fmt::format("rule: {} from everywhere", open.what));
    }
    CLOUDOS_TRY(done_.group, load<SecurityGroup>(txn_, id));
    return Result<void>();
  }

  Result<void> router() {
    Router router;
    if (plan_.router) {
      CLOUDOS_TRY(router, still(txn_, *plan_.router));
    } else {
      CLOUDOS_CHECK(still_none<Router>(txn_, ctx_.project, plan_.new_router.router.name));
      CLOUDOS_TRY(router, insert_router(impl_, ctx_, txn_, plan_.new_router));
      made(fmt::format("router {}", router.name));
    }
    if (!plan_.has_leg) {
      CLOUDOS_CHECK(add_leg(impl_, txn_, ctx_, {done_.subnet.id, {}}, plan_.new_leg, router));
      CLOUDOS_CHECK(records::update(txn_, router));
      made(fmt::format("leg of router {} in network {}", router.name, spec_.name));
    }
    done_.router = std::move(router);
    return Result<void>();
  }

  Networks::Impl& impl_;
  store::Txn& txn_;
  const Context& ctx_;
  const SimpleNetworkSpec& spec_;
  const SimplePlan& plan_;
  SimpleNetwork done_;
};

/// Ports of before have addresses in a new subnet by its rules, as with any subnet.
void give_addresses_of(Networks::Impl& impl, const SimpleWing& wing) {
  if (!wing.subnet) give_auto_addresses(impl, wing.new_subnet.subnet.id);
}

// ---- gone again ---------------------------------------------------------------------------------

/// What a snapshot showed of a network beside it.
struct GoingNetwork {
  NetworkId id;
  std::string name;
  std::vector<RbacPolicyId> grants;
  std::vector<FloatingIpId> idle;
};

struct SimpleLeavings {
  std::string name;
  std::optional<Router> router;
  std::vector<GoingNetwork> networks;  ///< The outside first.

  std::vector<std::string> absent;     ///< Names of networks that were not there.

  bool nothing() const { return !router && networks.empty(); }
};

Result<SimpleLeavings> simple_leavings(const store::Snapshot& snapshot, const ProjectId& project,
                                       const std::string& name) {
  SimpleLeavings left;
  left.name = name;
  CLOUDOS_TRY(left.router, only_one<Router>(snapshot, project, router_name(name)));
  for (const std::string& each : {outside_name(name), name}) {
    CLOUDOS_TRY(const auto network, only_one<Network>(snapshot, project, each));
    if (!network) left.absent.push_back(each);
    if (!network) continue;
    GoingNetwork going;
    going.id = network->id;
    going.name = network->name;
    CLOUDOS_TRY(going.grants, grants_of(snapshot, network->id.value));
    CLOUDOS_TRY(going.idle, idle_floating(snapshot, network->id));
    left.networks.push_back(std::move(going));
  }
  return left;
}

/// What refers to others goes first.
Result<void> erase_simple(const Networks::Impl& impl, store::Txn& txn, const Context& ctx,
                          const SimpleLeavings& left) {
  for (const std::string& name : left.absent)
    CLOUDOS_CHECK(still_none<Network>(txn, ctx.project, name));
  if (!left.router) CLOUDOS_CHECK(still_none<Router>(txn, ctx.project, router_name(left.name)));
  if (left.router) {
    CLOUDOS_TRY(Router router, still(txn, *left.router));
    for (const PortId& leg : left.router->interfaces)
      CLOUDOS_CHECK(drop_leg(impl, txn, {{}, leg}, impl.engine.clock.wall(), router));
    CLOUDOS_CHECK(records::update(txn, router));
    CLOUDOS_CHECK(erase_router(impl, txn, router));
  }
  for (const GoingNetwork& going : left.networks) {
    const auto there = records::get<Network>(txn, going.id);
    if (!there || there->name != going.name) return simple_stale();
    CLOUDOS_CHECK(erase_network(impl, txn, ctx, going.id, going.grants, going.idle));
  }
  return Result<void>();
}

}  // namespace
}  // namespace network

SimpleNetworks& Networks::simple() { return impl_->simple; }

Result<SimpleNetwork> SimpleNetworks::ensure(const Context& ctx, const SimpleNetworkSpec& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(network::check_simple(ctx, spec));
  SimpleNetwork done;
  network::SimplePlan plan;
  CLOUDOS_CHECK(store::replan([&]() -> Result<void> {
    {
      CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
      CLOUDOS_TRY(plan, network::SimplePlanner(impl_, ctx, spec, *snapshot).run());
    }
    return impl_.transact([&](store::Txn& txn) -> Result<void> {
      CLOUDOS_TRY(done, network::SimpleMaker(impl_, txn, ctx, spec, plan).run());
      return Result<void>();
    });
  }));
  network::give_addresses_of(impl_, plan.inside);
  if (plan.outside) network::give_addresses_of(impl_, *plan.outside);
  return done;
}

Result<void> SimpleNetworks::remove(const Context& ctx, const std::string& name) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(network::check_simple_name(ctx, name));
  return store::replan([&]() -> Result<void> {
    network::SimpleLeavings left;
    {
      CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
      CLOUDOS_TRY(left, network::simple_leavings(*snapshot, ctx.project, name));
    }
    if (left.nothing()) return Result<void>();
    return impl_.transact([&](store::Txn& txn) -> Result<void> {
      return network::erase_simple(impl_, txn, ctx, left);
    });
  });
}

}  // namespace cloudos

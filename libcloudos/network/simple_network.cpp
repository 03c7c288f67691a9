#include "cloudos/simple_network.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "network/impl.hpp"
#include "network/ip.hpp"

/// Made of the same calls that anybody makes: nothing here is known to the rest.
namespace cloudos {
namespace network {
namespace {

std::string outside_name(const std::string& name) {
  return name + "-outside";
}
std::string router_name(const std::string& name) {
  return name + "-router";
}
std::string subnet_name(const std::string& name) {
  return name + "-subnet";
}

NetworkListSpec by_name(const Context& ctx, const std::string& name) {
  NetworkListSpec spec;
  spec.filters = {{"name", name}, {"project_id", ctx.project.value}};
  return spec;
}

/// The one of its name, or nothing. Errors: Conflict (several).
template <class T>
Result<std::optional<T>> only_one(Result<std::vector<T>> found, const std::string& name) {
  if (!found) return fail(std::move(found).error());
  if (found->size() > 1) {
    return fail_as("NoUniqueMatch", ErrorCode::Conflict,
                   fmt::format("several {}s are named {}: rename one, or choose another name",
                               T::kKind, name));
  }
  if (found->empty()) return std::optional<T>();
  return std::optional<T>(std::move(found->front()));
}

Failure differs(std::string_view what, std::string_view has, std::string_view asked) {
  return fail_as("SimpleNetworkDiffers", ErrorCode::Conflict,
                 fmt::format("{} is there already with {}, not {}: ask for that, or choose another "
                             "name",
                             what, has, asked));
}

/// One run of ensure(): the calls, and what they made.
class SimpleMaker {
 public:
  SimpleMaker(Networks& networks, const Context& ctx, const SimpleNetworkSpec& spec)
      : networks_(networks), ctx_(ctx), spec_(spec) {}

  Result<SimpleNetwork> run() {
    CLOUDOS_CHECK(check());
    CLOUDOS_CHECK(inside());
    CLOUDOS_CHECK(group());
    if (!spec_.physical_network.empty()) {
      CLOUDOS_CHECK(outside());
      CLOUDOS_CHECK(router());
    }
    return std::move(done_);
  }

 private:
  /// All of it before anything is made.
  Result<void> check() {
    if (ctx_.project.empty()) return invalid("a simple network is a project's: name one");
    CLOUDOS_CHECK(check_name("name", spec_.name, 1, limits::kNameChars - outside_name("").size()));
    const auto block = parse_ip_block(spec_.cidr);
    if (!block) {
      return invalid(
          fmt::format("cidr: '{}' is not a block such as 10.0.0.0/24", spec_.cidr.substr(0, 64)));
    }
    if (spec_.physical_network.empty()) {
      const bool floats = !spec_.floating_cidr.empty() || !spec_.floating_gateway.empty() ||
                          !spec_.floating_first.empty() || !spec_.floating_last.empty();
      if (floats)
        return invalid("physical_network: floating addresses need to know where outside is");
      return Result<void>();
    }
    CLOUDOS_CHECK(admin_only(ctx_, true, "physical_network"));
    const auto floating = parse_ip_block(spec_.floating_cidr);
    if (!floating) {
      return invalid(fmt::format("floating_cidr: '{}' is not a block such as 203.0.113.0/24",
                                 spec_.floating_cidr.substr(0, 64)));
    }
    if (floating->overlaps(*block))
      return invalid("floating_cidr and cidr overlap: a router could not tell them apart");
    if (spec_.floating_first.empty() != spec_.floating_last.empty())
      return invalid("floating_first and floating_last are given both or neither");
    return Result<void>();
  }

  void made(std::string what) { done_.made.push_back(std::move(what)); }

  Result<Network> network_of(const std::string& name, const NetworkCreate& spec) {
    CLOUDOS_TRY(auto there, only_one(networks_.networks(ctx_, by_name(ctx_, name)), name));
    if (there && there->external != spec.external) {
      return differs(fmt::format("network {}", name), there->external ? "a way outside" : "none",
                     spec.external ? "a way outside" : "none");
    }
    if (there) return std::move(*there);
    made(fmt::format("network {}", name));
    return networks_.create_network(ctx_, spec);
  }

  Result<Subnet> subnet_of(const Network& network, SubnetCreate spec) {
    NetworkListSpec of_network;
    of_network.filters = {{"network_id", network.id.value}};
    CLOUDOS_TRY(auto there, networks_.subnets(ctx_, of_network));
    const auto block = parse_ip_block(spec.cidr);
    for (Subnet& one : there)
      if (parse_ip_block(one.cidr)->text() == block->text()) return std::move(one);
    if (!there.empty())
      return differs(fmt::format("network {}", network.name), there.front().cidr, spec.cidr);
    spec.network = network.id;
    spec.ip_version = block->base.v6 ? 6 : 4;
    spec.cidr = block->text();
    made(fmt::format("subnet {}", spec.cidr));
    return networks_.create_subnet(ctx_, spec);
  }

  Result<void> inside() {
    NetworkCreate network;
    network.name = spec_.name;
    CLOUDOS_TRY(done_.network, network_of(spec_.name, network));
    SubnetCreate subnet;
    subnet.name = subnet_name(spec_.name);
    subnet.cidr = spec_.cidr;
    subnet.dns_servers = spec_.dns_servers;
    CLOUDOS_TRY(done_.subnet, subnet_of(done_.network, subnet));
    // The subnet is a later thing of the network: what is shown is as it is now.
    CLOUDOS_TRY(done_.network, networks_.network(ctx_, done_.network.id));
    return Result<void>();
  }

  Result<void> open_to_all(std::string_view what, const std::string& protocol,
                           std::optional<std::int64_t> port) {
    SecurityGroupRuleCreate rule;
    rule.group = done_.group.id;
    rule.direction = "ingress";
    rule.ethertype = parse_ip_block(spec_.cidr)->base.v6 ? "IPv6" : "IPv4";
    rule.protocol = protocol;
    rule.port_min = rule.port_max = port;
    const auto done = networks_.create_rule(ctx_, rule);
    if (done)
      made(fmt::format("rule: {} from everywhere", what));
    else if (done.error().code != ErrorCode::AlreadyExists)
      return fail(done.error());
    return Result<void>();
  }

  Result<void> group() {
    NetworkListSpec mine = by_name(ctx_, "default");
    CLOUDOS_TRY(auto found, only_one(networks_.groups(ctx_, mine), "default"));
    if (!found) return fail(ErrorCode::Internal, "the project has no default group");
    done_.group = std::move(*found);
    if (!spec_.open) return Result<void>();
    CLOUDOS_CHECK(open_to_all("ping", "icmp", {}));
    return open_to_all("ssh", "tcp", 22);
  }

  Result<void> outside() {
    NetworkCreate network;
    network.name = outside_name(spec_.name);
    network.external = true;
    network.network_type = "flat";
    network.physical_network = spec_.physical_network;
    CLOUDOS_TRY(done_.outside, network_of(network.name, network));
    if (done_.outside->physical_network != spec_.physical_network) {
      return differs(fmt::format("network {}", network.name),
                     fmt::format("physical network {}", done_.outside->physical_network),
                     spec_.physical_network);
    }
    SubnetCreate subnet;
    subnet.name = subnet_name(network.name);
    subnet.cidr = spec_.floating_cidr;
    subnet.dhcp = false;
    if (!spec_.floating_gateway.empty()) subnet.gateway = spec_.floating_gateway;
    if (!spec_.floating_first.empty())
      subnet.pools = std::vector<AddressPool>{{spec_.floating_first, spec_.floating_last}};
    CLOUDOS_TRY(done_.outside_subnet, subnet_of(*done_.outside, subnet));
    return Result<void>();
  }

  Result<void> router() {
    const std::string name = router_name(spec_.name);
    Routers& routers = networks_.routers();
    CLOUDOS_TRY(auto router, only_one(routers.routers(ctx_, by_name(ctx_, name)), name));
    if (!router) {
      RouterCreate asked;
      asked.name = name;
      asked.gateway = GatewaySpec{done_.outside->id, {}, {}};
      CLOUDOS_TRY(router, routers.create(ctx_, asked));
      made(fmt::format("router {}", name));
    } else if (router->gateway_network != done_.outside->id) {
      return differs(fmt::format("router {}", name), "another way outside or none",
                     done_.outside->name);
    }
    NetworkListSpec legs;
    legs.filters = {{"device_id", router->id.value}, {"network_id", done_.network.id.value}};
    CLOUDOS_TRY(const auto there, networks_.ports(ctx_, legs));
    if (there.empty()) {
      CLOUDOS_CHECK(routers.add_interface(ctx_, router->id, {done_.subnet.id, {}}));
      made(fmt::format("leg of router {} in network {}", name, spec_.name));
    }
    CLOUDOS_TRY(done_.router, routers.router(ctx_, router->id));
    return Result<void>();
  }

  Networks& networks_;
  const Context& ctx_;
  const SimpleNetworkSpec& spec_;
  SimpleNetwork done_;
};

/// What refers to others goes first.
Result<void> remove_router_of(Networks& networks, const Context& ctx, const std::string& name) {
  Routers& routers = networks.routers();
  CLOUDOS_TRY(const auto router, only_one(routers.routers(ctx, by_name(ctx, name)), name));
  if (!router) return Result<void>();
  for (const PortId& leg : router->interfaces)
    CLOUDOS_CHECK(routers.remove_interface(ctx, router->id, {{}, leg}));
  return routers.remove(ctx, router->id);
}

Result<void> remove_network_of(Networks& networks, const Context& ctx, const std::string& name) {
  CLOUDOS_TRY(const auto network, only_one(networks.networks(ctx, by_name(ctx, name)), name));
  if (!network) return Result<void>();
  return networks.delete_network(ctx, network->id);
}

}  // namespace
}  // namespace network

SimpleNetworks& Networks::simple() {
  return impl_->simple;
}

Result<SimpleNetwork> SimpleNetworks::ensure(const Context& ctx, const SimpleNetworkSpec& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  return network::SimpleMaker(*impl_.whole, ctx, spec).run();
}

Result<void> SimpleNetworks::remove(const Context& ctx, const std::string& name) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(network::remove_router_of(*impl_.whole, ctx, network::router_name(name)));
  CLOUDOS_CHECK(network::remove_network_of(*impl_.whole, ctx, network::outside_name(name)));
  return network::remove_network_of(*impl_.whole, ctx, name);
}

}  // namespace cloudos

#include <fmt/format.h>

#include <algorithm>

#include "network/abilities.hpp"
#include "network/derived_id.hpp"
#include "network/impl.hpp"
#include "network/l3_records.hpp"
#include "network/listing.hpp"
#include "network/plan_router.hpp"
#include "network/router_txn.hpp"

/// Who carries what: networks on DHCP agents, routers on L3 agents.
namespace cloudos {
namespace network {

std::string dhcp_agent_id(std::string_view driver, std::string_view host) {
  return derived_id({host.empty() ? driver : host, "neutron-dhcp-agent"});
}

namespace {

bool holds(const std::vector<std::string>& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

/// Where a network has a DHCP server, every DHCP agent serves it that was not told otherwise.
bool hands_out(const Network& network, const std::string& agent) {
  if (holds(network.no_dhcp_agents, agent)) return false;
  return !network.dhcp_port.empty() || holds(network.dhcp_agents, agent);
}

Failure not_of_topic(std::string_view type, const NetworkAgent& agent) {
  return fail_as(
      type, ErrorCode::Conflict,
      fmt::format("Agent {} is not able to do that: it is a {}.", agent.id.value, agent.type));
}

/// The id of the L3 agent that carries the router; empty: nobody does.
Result<std::string> carrier_of(const store::Snapshot& snapshot, const Networks::Impl& impl,
                               const Router& router) {
  if (router.unscheduled) return std::string();
  if (!router.agent.empty()) return router.agent;
  auto legs = router.interfaces;
  if (!router.gateway_port.empty()) legs.push_back(router.gateway_port);
  for (const PortId& id : legs) {
    const auto leg = records::get<Port>(snapshot, id);
    if (!leg || !leg->plugged) continue;
    for (const auto& host : impl.wiring.abilities()) {
      if (host.driver != leg->driver || (!host.host.empty() && host.host != leg->host)) continue;
      return derived_id({host.host.empty() ? host.driver : host.host, "neutron-l3-agent"});
    }
  }
  return std::string();
}

/// Who carries a router, and as of which state of it.
struct Carried {
  std::string by;
  std::uint64_t generation = 0;
};
Result<Carried> look_carried(const Networks::Impl& impl, const RouterId& id) {
  CLOUDOS_TRY(const auto snapshot, impl.snapshot());
  CLOUDOS_TRY(const auto router, load<Router>(*snapshot, id));
  CLOUDOS_TRY(auto by, carrier_of(*snapshot, impl, router));
  return Carried{std::move(by), router.generation};
}

/// The router as it was looked at. Errors: NotFound, Stale.
Result<Router> load_carried(store::Txn& txn, const RouterId& id, const Carried& seen) {
  CLOUDOS_TRY(Router router, load<Router>(txn, id));
  if (router.generation != seen.generation)
    return fail(ErrorCode::Stale, "the router has changed meanwhile");
  return router;
}

Result<std::vector<Port>> legs_of(store::Txn& txn, const Router& router) {
  auto ids = router.interfaces;
  if (!router.gateway_port.empty()) ids.push_back(router.gateway_port);
  std::vector<Port> legs;
  for (const PortId& id : ids) {
    CLOUDOS_TRY(auto leg, load<Port>(txn, id));
    legs.push_back(std::move(leg));
  }
  return legs;
}

Result<void> unplug_legs(const Networks::Impl& impl, store::Txn& txn, const Router& router) {
  CLOUDOS_TRY(auto legs, legs_of(txn, router));
  for (Port& leg : legs) {
    const auto before = std::exchange(leg.levels, {});
    leg.plugged = leg.wired = false;
    leg.host.clear();
    leg.driver.clear();
    leg.vif_type = "unbound";
    leg.vif_details.clear();
    CLOUDOS_CHECK(records::update(txn, leg));
    CLOUDOS_CHECK(impl.release_levels(txn, leg.network, before));
    CLOUDOS_CHECK(impl.precommit_gone(txn, Change::Kind::Port, leg.id.value, leg.generation));
  }
  return Result<void>();
}

Result<void> plug_legs(const Networks::Impl& impl, store::Txn& txn, Router& router) {
  CLOUDOS_TRY(auto legs, legs_of(txn, router));
  for (Port& leg : legs) {
    CLOUDOS_TRY(const Network network, load<Network>(txn, leg.network));
    CLOUDOS_CHECK(plug_leg(impl, txn, network, router, leg));
    CLOUDOS_CHECK(records::update(txn, leg));
    CLOUDOS_CHECK(impl.precommit_port(txn, leg, network));
  }
  return Result<void>();
}

/// The host of the agent, as its driver says it; nothing: it does not work on one alone.
std::string host_of_agent(const Networks::Impl& impl, const NetworkAgent& agent) {
  for (const auto& host : impl.wiring.abilities())
    if (host.host == agent.host) return host.host;
  return {};
}

}  // namespace
}  // namespace network

Result<std::vector<Network>> NetworkAgents::networks_of(const Context& ctx,
                                                        const std::string& id) const {
  CLOUDOS_TRY(const auto found, agent(ctx, id));
  std::vector<Network> served;
  if (found.topic != "dhcp_agent") return served;
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  CLOUDOS_TRY(auto all, records::all<Network>(*snapshot));
  for (Network& network : all)
    if (network::hands_out(network, id)) served.push_back(std::move(network));
  return served;
}

Result<std::vector<NetworkAgent>> NetworkAgents::dhcp_agents_of(const Context& ctx,
                                                                const NetworkId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  CLOUDOS_TRY(const auto network, network::load_seen<Network>(*snapshot, ctx, id));
  std::vector<NetworkAgent> serving;
  CLOUDOS_TRY(auto all, agents(ctx));
  for (NetworkAgent& agent : all)
    if (agent.topic == "dhcp_agent" && network::hands_out(network, agent.id.value))
      serving.push_back(std::move(agent));
  return serving;
}

Result<void> NetworkAgents::add_network(const Context& ctx, const std::string& id,
                                        const NetworkId& network_id) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(network::admin_only(ctx, true, "agents"));
  CLOUDOS_TRY(const auto found, agent(ctx, id));
  if (found.topic != "dhcp_agent") return network::not_of_topic("InvalidDHCPAgent", found);
  return impl_.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(Network network, network::load<Network>(txn, network_id));
    if (network::hands_out(network, id)) {
      return network::fail_as("NetworkHostedByDHCPAgent", ErrorCode::Conflict,
                              fmt::format("The network {} has been already hosted by the DHCP "
                                          "Agent {}.",
                                          network_id.value, id));
    }
    std::erase(network.no_dhcp_agents, id);
    network.dhcp_agents.push_back(id);
    CLOUDOS_CHECK(records::update(txn, network));
    return impl_.precommit_network(txn, network);
  });
}

Result<void> NetworkAgents::remove_network(const Context& ctx, const std::string& id,
                                           const NetworkId& network_id) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(network::admin_only(ctx, true, "agents"));
  CLOUDOS_TRY(const auto found, agent(ctx, id));
  if (found.topic != "dhcp_agent") return network::not_of_topic("InvalidDHCPAgent", found);
  return impl_.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(Network network, network::load<Network>(txn, network_id));
    if (!network::hands_out(network, id)) {
      return network::fail_as(
          "NetworkNotHostedByDhcpAgent", ErrorCode::Conflict,
          fmt::format("The network {} is not hosted by the DHCP agent {}.", network_id.value, id));
    }
    std::erase(network.dhcp_agents, id);
    network.no_dhcp_agents.push_back(id);
    CLOUDOS_CHECK(records::update(txn, network));
    return impl_.precommit_network(txn, network);
  });
}

Result<std::vector<Router>> NetworkAgents::routers_of(const Context& ctx,
                                                      const std::string& id) const {
  CLOUDOS_TRY(const auto found, agent(ctx, id));
  std::vector<Router> carried;
  if (found.topic != "l3_agent") return carried;
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  CLOUDOS_TRY(auto all, records::all<Router>(*snapshot));
  for (Router& router : all) {
    CLOUDOS_TRY(const auto carrier, network::carrier_of(*snapshot, impl_, router));
    if (carrier == id) carried.push_back(std::move(router));
  }
  return carried;
}

Result<std::vector<NetworkAgent>> NetworkAgents::l3_agents_of(const Context& ctx,
                                                              const RouterId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  CLOUDOS_TRY(const auto router, network::load_seen<Router>(*snapshot, ctx, id));
  CLOUDOS_TRY(const auto carrier, network::carrier_of(*snapshot, impl_, router));
  CLOUDOS_TRY(auto all, agents(ctx));
  std::erase_if(all, [&](const NetworkAgent& one) { return one.id.value != carrier; });
  return all;
}

Result<void> NetworkAgents::add_router(const Context& ctx, const std::string& id,
                                       const RouterId& router_id) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(network::admin_only(ctx, true, "agents"));
  CLOUDOS_TRY(const auto found, agent(ctx, id));
  if (found.topic != "l3_agent") return network::not_of_topic("InvalidL3Agent", found);
  const std::string host = network::host_of_agent(impl_, found);
  return store::replan([&]() -> Result<void> {
    CLOUDOS_TRY(const auto carried, network::look_carried(impl_, router_id));
    if (!carried.by.empty() && carried.by != id) {
      return network::fail_as("RouterHostedByL3Agent", ErrorCode::Conflict,
                              fmt::format("The router {} has been already hosted by the L3 Agent "
                                          "{}.",
                                          router_id.value, carried.by));
    }
    return impl_.transact([&](store::Txn& txn) -> Result<void> {
      CLOUDOS_TRY(Router router, network::load_carried(txn, router_id, carried));
      router.unscheduled = false;
      router.agent = id;
      router.host = host;
      CLOUDOS_CHECK(network::plug_legs(impl_, txn, router));
      return records::update(txn, router);
    });
  });
}

Result<void> NetworkAgents::remove_router(const Context& ctx, const std::string& id,
                                          const RouterId& router_id) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(network::admin_only(ctx, true, "agents"));
  CLOUDOS_CHECK(agent(ctx, id));
  CLOUDOS_CHECK(store::replan([&]() -> Result<void> {
    CLOUDOS_TRY(const auto carried, network::look_carried(impl_, router_id));
    if (carried.by != id) {
      return network::fail_as(
          "RouterNotHostedByL3Agent", ErrorCode::Conflict,
          fmt::format("The router {} is not hosted by L3 agent {}.", router_id.value, id));
    }
    return impl_.transact([&](store::Txn& txn) -> Result<void> {
      CLOUDOS_TRY(Router router, network::load_carried(txn, router_id, carried));
      router.unscheduled = true;
      router.agent.clear();
      router.host.clear();
      CLOUDOS_CHECK(network::unplug_legs(impl_, txn, router));
      return records::update(txn, router);
    });
  }));
  // Its floating addresses lead nowhere now. Should we die before: whoever converges finds them.
  return network::settle_router(impl_.engine.store, router_id, false);
}

}  // namespace cloudos

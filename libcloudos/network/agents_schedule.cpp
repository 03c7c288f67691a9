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

/// What an agent does, and what it is to be told of that it does not.
struct Topic {
  std::string_view name, wrong_type;
};
constexpr Topic kDhcpAgent = {"dhcp_agent", "InvalidDHCPAgent"};
constexpr Topic kL3Agent = {"l3_agent", "InvalidL3Agent"};

/// For who may tell it what to carry. Errors: Forbidden, NotFound, Conflict (it does other things).
Result<NetworkAgent> agent_of_topic(const NetworkAgents& agents, const Networks::Impl& impl,
                                    const Context& ctx, const std::string& id, const Topic& topic) {
  CLOUDOS_CHECK(check_call(ctx, impl.engine.clock));
  CLOUDOS_CHECK(admin_only(ctx, true, "agents"));
  CLOUDOS_TRY(auto agent, agents.agent(ctx, id));
  if (agent.topic != topic.name)
    return fail_as(
        topic.wrong_type, ErrorCode::Conflict,
        fmt::format("Agent {} is not able to do that: it is a {}.", agent.id.value, agent.type));
  return agent;
}

/// The agent hands out the network's addresses from now on, or does no more.
Result<void> serve(Networks::Impl& impl, const NetworkAgent& agent, const NetworkId& id, bool on) {
  const std::string& who = agent.id.value;
  return impl.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(Network network, load<Network>(txn, id));
    const bool does = hands_out(network, who);
    if (does && on)
      return fail_as("NetworkHostedByDHCPAgent", ErrorCode::Conflict,
                     fmt::format("The network {} has been already hosted by the DHCP Agent {}.",
                                 id.value, who));
    if (!does && !on)
      return fail_as(
          "NetworkNotHostedByDhcpAgent", ErrorCode::Conflict,
          fmt::format("The network {} is not hosted by the DHCP agent {}.", id.value, who));
    std::erase(on ? network.no_dhcp_agents : network.dhcp_agents, who);
    (on ? network.dhcp_agents : network.no_dhcp_agents).push_back(who);
    CLOUDOS_CHECK(records::update(txn, network));
    return impl.precommit_network(txn, network);
  });
}

/// The ports it routes between; its gateway's last.
std::vector<PortId> leg_ids(const Router& router) {
  auto ids = router.interfaces;
  if (!router.gateway_port.empty()) ids.push_back(router.gateway_port);
  return ids;
}

/// The id of the L3 agent that carries the router; empty: nobody does.
Result<std::string> carrier_of(const store::Snapshot& snapshot, const Networks::Impl& impl,
                               const Router& router) {
  if (router.unscheduled) return std::string();
  if (!router.agent.empty()) return router.agent;
  for (const PortId& id : leg_ids(router)) {
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
  std::vector<Port> legs;
  for (const PortId& id : leg_ids(router)) {
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
  if (found.topic != network::kDhcpAgent.name) return served;
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
    if (agent.topic == network::kDhcpAgent.name && network::hands_out(network, agent.id.value))
      serving.push_back(std::move(agent));
  return serving;
}

Result<void> NetworkAgents::add_network(const Context& ctx, const std::string& id,
                                        const NetworkId& network) {
  CLOUDOS_TRY(const auto found,
              network::agent_of_topic(*this, impl_, ctx, id, network::kDhcpAgent));
  return network::serve(impl_, found, network, true);
}

Result<void> NetworkAgents::remove_network(const Context& ctx, const std::string& id,
                                           const NetworkId& network) {
  CLOUDOS_TRY(const auto found,
              network::agent_of_topic(*this, impl_, ctx, id, network::kDhcpAgent));
  return network::serve(impl_, found, network, false);
}

Result<std::vector<Router>> NetworkAgents::routers_of(const Context& ctx,
                                                      const std::string& id) const {
  CLOUDOS_TRY(const auto found, agent(ctx, id));
  std::vector<Router> carried;
  if (found.topic != network::kL3Agent.name) return carried;
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
  CLOUDOS_TRY(const auto found, network::agent_of_topic(*this, impl_, ctx, id, network::kL3Agent));
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

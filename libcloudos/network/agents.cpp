#include "cloudos/network_agents.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "cloudos/network_limits.hpp"
#include "network/abilities.hpp"
#include "network/derived_id.hpp"
#include "network/impl.hpp"
#include "network/ip.hpp"
#include "network/listing.hpp"

namespace cloudos {

std::optional<network::Attribute> list_attribute(const NetworkAgent& a, std::string_view name) {
  using network::Attribute;
  if (name == "agent_type") return Attribute::text(a.type);
  if (name == "binary") return Attribute::text(a.binary);
  if (name == "host") return Attribute::text(a.host);
  if (name == "topic") return Attribute::text(a.topic);
  if (name == "availability_zone") return Attribute::text(a.zone);
  if (name == "admin_state_up") return Attribute::flag(a.admin_up);
  if (name == "alive") return Attribute::flag(a.alive);
  return network::common_attribute(a, name);
}

namespace network {
namespace {

std::string decimal(Ip128 amount) {
  std::string digits;
  do digits += static_cast<char>('0' + static_cast<int>(amount % 10));
  while ((amount /= 10) != 0);
  std::reverse(digits.begin(), digits.end());
  return digits;
}

/// The addresses that a subnet gives out: those of its pools, or of an IPv6 block all but the
/// routers' anycast one and the gateway.
Ip128 amount_of(const Subnet& subnet) {
  if (subnet.v6()) {
    const IpBlock block = block_of(subnet);
    const Ip128 beyond_first = block.last().value - block.base.value;
    const Ip128 kept = subnet.gateway.empty() ? 1 : 2;
    return beyond_first >= kept ? beyond_first - kept + 1 : beyond_first + 1;
  }
  Ip128 all = 0;
  for (const AddressPool& pool : subnet.pools) {
    const auto first = parse_ip(pool.start), last = parse_ip(pool.end);
    if (first && last) all += last->value - first->value + 1;
  }
  return all;
}

struct Worker {
  std::string_view type, binary, topic, ability;
};
constexpr Worker kWorkers[] = {
    {"DHCP agent", "neutron-dhcp-agent", "dhcp_agent", "dhcp"},
    {"L3 agent", "neutron-l3-agent", "l3_agent", "router"},
    {"Metadata agent", "neutron-metadata-agent", "N/A", "metadata"},
};

bool is_fresh(const std::optional<Wiring::Pulse>& pulse, const Clock& clock) {
  return pulse && clock.mono() - pulse->mono < limits::kAgentDown;
}

NetworkAgent agent_of(const Networks::Impl& impl, const Wiring::HostAbilities& host,
                      std::string_view type, std::string_view binary, std::string_view topic) {
  NetworkAgent agent;
  agent.type = type;
  agent.binary = binary;
  agent.topic = topic;
  // Of a driver that serves every host the id is the driver's, so that it outlives a new name.
  const std::string& serves = host.host.empty() ? host.driver : host.host;
  agent.id.value = derived_id({serves, binary});
  agent.host = host.host.empty() && !impl.settings.host.empty() ? impl.settings.host : serves;
  if (topic == "dhcp_agent" || topic == "l3_agent") agent.zone = impl.settings.zone;
  agent.created_at = impl.wiring.started();
  agent.updated_at = host.pulse ? host.pulse->at : agent.created_at;
  agent.alive = is_fresh(host.pulse, impl.engine.clock);
  for (const Ability& ability : host.abilities)
    agent.configurations[ability.name] = ability.works ? "works" : ability.reason;
  return agent;
}

/// What an admin wrote about an agent, kept beside what it says itself.
std::string note_key(const NetworkAgent& agent) { return "/network-agent/" + agent.id.value; }

std::vector<NetworkAgent> all_agents(const Networks::Impl& impl) {
  std::vector<NetworkAgent> agents;
  for (const auto& host : impl.wiring.abilities()) {
    const bool bridge = host.driver == "linuxbridge";
    agents.push_back(agent_of(impl, host,
                              bridge ? "Linux bridge agent"
                                     : fmt::format("{} agent", host.driver),
                              bridge ? "neutron-linuxbridge-agent"
                                     : fmt::format("neutron-{}-agent", host.driver),
                              "N/A"));
    for (const Worker& worker : kWorkers) {
      const bool works =
          std::any_of(host.abilities.begin(), host.abilities.end(), [&](const Ability& ability) {
            return ability.works && ability.name == worker.ability;
          });
      // The bridge driver's own: it starts a DHCP and a metadata server wherever it works.
      const bool with_bridge = bridge && worker.ability != "router";
      if (works || with_bridge)
        agents.push_back(agent_of(impl, host, worker.type, worker.binary, worker.topic));
    }
  }
  return agents;
}

Result<std::vector<NetworkAgent>> noted_agents(const Networks::Impl& impl) {
  auto agents = all_agents(impl);
  CLOUDOS_TRY(const auto snapshot, impl.snapshot());
  for (NetworkAgent& agent : agents) {
    CLOUDOS_TRY(const auto note, snapshot->get(note_key(agent)));
    if (!note || note->value.empty()) continue;
    agent.admin_up = note->value[0] == '1';
    agent.description = note->value.substr(1);
  }
  return agents;
}

}  // namespace
}  // namespace network

NetworkAgents& Networks::agents() { return impl_->agents; }

Result<std::vector<NetworkAgent>> NetworkAgents::agents(const Context& ctx,
                                                        const NetworkListSpec& spec) const {
  // Others see that there are none to see.
  if (!ctx.is_admin) return std::vector<NetworkAgent>();
  CLOUDOS_TRY(auto all, network::noted_agents(impl_));
  return network::list_these(std::move(all), ctx, spec);
}

Result<NetworkAgent> NetworkAgents::agent(const Context& ctx, const std::string& id) const {
  CLOUDOS_TRY(auto all, agents(ctx));
  for (NetworkAgent& agent : all)
    if (agent.id.value == id) return std::move(agent);
  return network::missing<NetworkAgent>(id);
}

Result<NetworkAgent> NetworkAgents::update(const Context& ctx, const std::string& id,
                                           const NetworkAgentUpdate& change) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(network::check_texts("", change.description.value_or("")));
  CLOUDOS_TRY(auto found, agent(ctx, id));
  if (change.admin_up == false) {
    return network::fail_as("InvalidInput", ErrorCode::Unsupported,
                            "admin_state_up: the drivers are parts of this process; take one out "
                            "of its configuration to stop it");
  }
  if (change.description) found.description = *change.description;
  CLOUDOS_CHECK(impl_.transact([&](store::Txn& txn) -> Result<void> {
    txn.put(network::note_key(found), (found.admin_up ? "1" : "0") + found.description);
    return Result<void>();
  }));
  return found;
}

Result<void> NetworkAgents::remove(const Context& ctx, const std::string& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(agent(ctx, id));
  return network::fail_as("AgentInUse", ErrorCode::Conflict,
                          fmt::format("Agent {} is a part of this process: it goes with its driver.",
                                      id));
}

Result<std::vector<NetworkZone>> NetworkAgents::zones(const Context&) const {
  std::vector<NetworkZone> zones;
  const bool alive = network::is_fresh(impl_.wiring.pulse(), impl_.engine.clock);
  for (const char* resource : {"network", "router"})
    zones.push_back({impl_.settings.zone, resource, alive});
  return zones;
}

bool NetworkAgents::able(std::string_view ability) const {
  return !network::able(impl_.wiring, ability, ability).empty();
}

std::optional<std::string> NetworkAgents::provider(std::string_view ability) const {
  const auto names = network::able(impl_.wiring, ability, ability);
  return names.empty() ? std::nullopt : std::optional(names.front());
}

// ---- addresses ----------------------------------------------------------------------------------

namespace network {
namespace {

Result<IpAvailability> availability_of(const store::Snapshot& snapshot, const Network& network,
                                       unsigned ip_version) {
  IpAvailability all;
  all.network = network.id;
  all.project = network.project;
  all.name = network.name;
  Ip128 total = 0, used = 0;
  for (const SubnetId& id : network.subnets) {
    const auto subnet = records::get<Subnet>(snapshot, id);
    if (!subnet || (ip_version != 0 && ip_version != (subnet->v6() ? 6U : 4U))) continue;
    IpAvailability::OfSubnet one;
    one.id = id;
    one.name = subnet->name;
    one.cidr = subnet->cidr;
    one.ip_version = subnet->v6() ? 6 : 4;
    const Ip128 of_subnet = amount_of(*subnet);
    one.total = decimal(of_subnet);
    total += of_subnet;
    CLOUDOS_TRY(const auto ports, records::all<Port>(snapshot, "subnet", id.value));
    std::uint64_t taken = 0;
    for (const Port& port : ports) {
      taken += static_cast<std::uint64_t>(
          std::count_if(port.fixed_ips.begin(), port.fixed_ips.end(),
                        [&](const FixedIp& fixed) { return fixed.subnet == id; }));
    }
    one.used = std::to_string(taken);
    used += taken;
    all.subnets.push_back(std::move(one));
  }
  all.total = decimal(total);
  all.used = decimal(used);
  return all;
}

}  // namespace
}  // namespace network

Result<std::vector<IpAvailability>> NetworkAgents::availabilities(
    const Context& ctx, const NetworkListSpec& spec) const {
  CLOUDOS_CHECK(network::admin_only(ctx, true, "network_ip_availability"));
  NetworkListSpec of_networks = spec;
  of_networks.filters.clear();
  const auto of_network = [](const std::string& name) -> std::string {
    return name == "network_id" ? "id" : name == "network_name" ? "name" : name;
  };
  for (auto& key : of_networks.sort) key.attribute = of_network(key.attribute);
  unsigned version = 0;
  for (const auto& [name, value] : spec.filters) {
    if (name == "ip_version") {
      const auto number = parse_unsigned(value);
      if (number != 4U && number != 6U) return network::invalid("ip_version must be 4 or 6");
      version = static_cast<unsigned>(*number);
      continue;
    }
    of_networks.filters.emplace_back(of_network(name), value);
  }
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  CLOUDOS_TRY(const auto networks,
              network::list_records<Network>(*snapshot, ctx, of_networks));
  std::vector<IpAvailability> all;
  for (const Network& network : networks) {
    CLOUDOS_TRY(auto one, network::availability_of(*snapshot, network, version));
    all.push_back(std::move(one));
  }
  return all;
}

Result<IpAvailability> NetworkAgents::availability(const Context& ctx, const NetworkId& id) const {
  CLOUDOS_CHECK(network::admin_only(ctx, true, "network_ip_availability"));
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  CLOUDOS_TRY(const auto network, network::load_seen<Network>(*snapshot, ctx, id));
  return network::availability_of(*snapshot, network, 0);
}

}  // namespace cloudos

// What hangs on the resources of networks: tags, agents, bindings, zones, prefixes of pools.
#include "verbs/table.hpp"

namespace cloudos::verbs {
namespace table::netparts {

constexpr Parameter kResource =
    word("resource", "RESOURCES", "kind of resource, as its path has it: networks, ports, ...");
constexpr Parameter kTagged = word("id", "ID", "id of the resource");
constexpr Parameter kTags[] = {kResource, kTagged};
constexpr Parameter kTag[] = {kResource, kTagged, word("tag", "TAG", "the tag")};
constexpr Parameter kTagSet[] = {
    kResource, kTagged, must(of(Kind::TextList, "tags", "--tag", "a tag (repeat for more)"))};

constexpr Parameter kBindings[] = {subject("PORT", "ports", "port_id")};
constexpr Parameter kBindingHost = word("host", "HOST", "name of the host");
constexpr Parameter kBinding[] = {subject("PORT", "ports", "port_id"), kBindingHost};
constexpr Parameter kBindingAdd[] = {subject("PORT", "ports", "port_id"),
                                     must(text("host", "--host", "name of the host")),
                                     text("vnic_type", "--vnic-type", "normal, direct, ...")};

constexpr Parameter kTopology[] = {
    ref("project_id", "--project", "projects", "project it is for", "project")};
constexpr Parameter kTopologyMake[] = {
    kTopology[0],
    set("fields", "--check-resources", "\"dry-run\"", "only say whether one could be made"),
    set("", "--or-show", "true", "show it when it is there already (the default)")};
constexpr Parameter kPoolAdd[] = {
    subject("POOL", "subnet_pools"),
    must(of(Kind::TextList, "prefixes", "--prefix", "a prefix (repeat for more)"))};

// ---- agents -------------------------------------------------------------------------------------

constexpr Parameter kAgentOne[] = {subject("AGENT", "network_agents")};
constexpr Parameter kAgentList[] = {text("agent_type", "--agent-type", "of this type"),
                                    text("host", "--host", "on this host")};
constexpr Parameter kAgentSet[] = {subject("AGENT", "network_agents"), kDescription, kUp, kDown};
constexpr Parameter kAgentNetwork[] = {
    subject("AGENT", "network_agents"), subject("NETWORK", "networks", "network_id"),
    set("", "--dhcp", "true", "as a DHCP agent (the only kind that takes networks)")};
constexpr Parameter kAgentRouter[] = {
    subject("AGENT", "network_agents"), subject("ROUTER", "routers", "router_id"),
    set("", "--l3", "true", "as an L3 agent (the only kind that takes routers)")};
constexpr Parameter kOfNetwork[] = {
    must(ref("id", "--network", "networks", "those that hand out this network's addresses"))};
constexpr Parameter kOfRouter[] = {
    must(ref("id", "--router", "routers", "the one that carries this router"))};
constexpr Parameter kOfAgent[] = {
    must(ref("id", "--agent", "network_agents", "those that this agent has"))};
constexpr Parameter kAgentMany[] = {subject("AGENT...", "network_agents")};
constexpr Parameter kPicked[] = {kOfNetworks};

constexpr Verb kNetpartsVerbs[] = {
    {"network_tags.list", "GET", "/network/v2.0/{resource}/{id}/tags", "", "tags",
     "Lists a resource's tags.", "network tag list", kTags},
    {"network_tags.check", "GET", "/network/v2.0/{resource}/{id}/tags/{tag}", "", "",
     "Fails unless a resource has a tag.", "network tag check", kTag},
    {"network_tags.add", "PUT", "/network/v2.0/{resource}/{id}/tags/{tag}", "", "",
     "Gives a resource a tag.", "network tag add", kTag},
    {"network_tags.remove", "DELETE", "/network/v2.0/{resource}/{id}/tags/{tag}", "", "",
     "Takes a tag from a resource.", "network tag remove", kTag},
    {"network_tags.extend", "POST", "/network/v2.0/{resource}/{id}/tags", "", "tags",
     "Gives a resource more tags at once.", "network tag extend", kTagSet},
    {"network_tags.replace", "PUT", "/network/v2.0/{resource}/{id}/tags", "", "tags",
     "Gives a resource these tags and no others.", "network tag replace", kTagSet},
    {"network_tags.clear", "DELETE", "/network/v2.0/{resource}/{id}/tags", "", "",
     "Takes all tags from a resource.", "network tag clear", kTags},
    {"network_agents.list", "GET", "/network/v2.0/agents", "", "agents",
     "Lists the drivers of networks and their signs of life.", "network agent list", kAgentList},
    {"network_agents.show", "GET", "/network/v2.0/agents/{id}", "", "agent",
     "Shows a driver of networks.", "network agent show", kAgentOne},
    {"network_agents.update", "PUT", "/network/v2.0/agents/{id}", "agent", "agent",
     "Describes a driver of networks.", "network agent set", kAgentSet},
    {"network_agents.delete", "DELETE", "/network/v2.0/agents/{id}", "", "",
     "Forgets a driver of networks that is gone.", "network agent delete", kAgentMany},
    {"network_agents.list_networks", "GET", "/network/v2.0/agents/{id}/dhcp-networks", "",
     "networks", "Lists the networks whose addresses a driver hands out.",
     "network list", kOfAgent},
    {"network_agents.list_of_network", "GET", "/network/v2.0/networks/{id}/dhcp-agents", "",
     "agents", "Lists the drivers that hand out a network's addresses.", "network agent list",
     kOfNetwork},
    {"network_agents.add_network", "POST", "/network/v2.0/agents/{id}/dhcp-networks", "", "",
     "Gives a network to a DHCP agent.", "network agent add network", kAgentNetwork},
    {"network_agents.remove_network", "DELETE",
     "/network/v2.0/agents/{id}/dhcp-networks/{network_id}", "", "",
     "Takes a network from a DHCP agent.", "network agent remove network", kAgentNetwork},
    {"network_agents.add_router", "POST", "/network/v2.0/agents/{id}/l3-routers", "", "",
     "Gives a router to an L3 agent.", "network agent add router", kAgentRouter},
    {"network_agents.remove_router", "DELETE", "/network/v2.0/agents/{id}/l3-routers/{router_id}",
     "", "", "Takes a router from an L3 agent: nobody carries it then.",
     "network agent remove router", kAgentRouter},
    {"network_agents.list_routers", "GET", "/network/v2.0/agents/{id}/l3-routers", "", "routers",
     "Lists the routers that a driver carries.", "router list", kOfAgent},
    {"network_agents.list_of_router", "GET", "/network/v2.0/routers/{id}/l3-agents", "", "agents",
     "Lists the driver that carries a router.", "network agent list", kOfRouter},
    {"network_zones.list", "GET", "/network/v2.0/availability_zones", "", "availability_zones",
     "Lists the availability zones of networks and routers.", "availability zone list", kPicked},
    {"network_providers.list", "GET", "/network/v2.0/service-providers", "", "service_providers",
     "Lists who provides services inside networks.", "network service provider list"},
    {"port_bindings.list", "GET", "/network/v2.0/ports/{port_id}/bindings", "", "bindings",
     "Lists the hosts a port is bound to.", "port binding list", kBindings},
    {"port_bindings.create", "POST", "/network/v2.0/ports/{port_id}/bindings", "binding", "binding",
     "Prepares a port on another host.", "port binding create", kBindingAdd},
    {"port_bindings.delete", "DELETE", "/network/v2.0/ports/{port_id}/bindings/{host}", "", "",
     "Takes a port's binding to a host away.", "port binding delete", kBinding},
    {"port_bindings.activate", "PUT", "/network/v2.0/ports/{port_id}/bindings/{host}/activate", "",
     "", "Moves a port to a host it is prepared on.", "port binding activate", kBinding},
    {"auto_topologies.show", "GET", "/network/v2.0/auto-allocated-topology/{project_id}", "",
     "auto_allocated_topology",
     "Shows a project's network that leads out, made when there is none.",
     "network auto allocated topology create", kTopologyMake},
    {"auto_topologies.delete", "DELETE", "/network/v2.0/auto-allocated-topology/{project_id}", "",
     "", "Deletes what was made for a project by itself.", "network auto allocated topology delete",
     kTopology},
    {"subnet_pools.add_prefixes", "PUT", "/network/v2.0/subnetpools/{id}/add_prefixes", "", "",
     "Gives a subnet pool prefixes.", "subnet pool add", kPoolAdd},
    {"network_quotas.list", "GET", "/network/v2.0/quotas", "", "quotas",
     "Lists the projects whose quotas of networks were set.", "quota list",
     kQuotasOfNetworks},
};

constexpr Column kAgentColumns[] = {{"ID", "id"},        {"Agent Type", "agent_type"},
                                    {"Host", "host"},    {"Availability Zone", "availability_zone"},
                                    {"Alive", "alive"},  {"State", "admin_state_up"},
                                    {"Binary", "binary"}};
constexpr Column kProviderColumns[] = {
    {"Service Type", "service_type"}, {"Name", "name"}, {"Default", "default"}};
constexpr Column kZoneColumns[] = {{"Zone Name", "name"},
                                   {"Zone Status", "state", Look::State},
                                   {"Zone Resource", "resource", Look::Plain, {}, {}, true}};
constexpr Column kBindingColumns[] = {
    {"Host", "host"}, {"Status", "status"}, {"VIF Type", "vif_type"}};
constexpr Column kTopologyColumns[] = {{"ID", "id"}};

constexpr Noun kNetpartsNouns[] = {
    {"network_tags", "network tag", "network", {}, "", ""},
    {"network_agents", "network agent", "network", kAgentColumns, "id", ""},
    {"network_zones", "network zone", "network", kZoneColumns, "name", "name"},
    {"network_providers", "network service provider", "network", kProviderColumns, "name", "name"},
    {"port_bindings", "port binding", "network", kBindingColumns, "host", ""},
    {"auto_topologies", "network auto allocated topology", "network", kTopologyColumns, "id", ""},
};

}  // namespace table::netparts

std::span<const Verb> netparts_verbs() {
  return table::netparts::kNetpartsVerbs;
}
std::span<const Noun> netparts_nouns() {
  return table::netparts::kNetpartsNouns;
}

}  // namespace cloudos::verbs

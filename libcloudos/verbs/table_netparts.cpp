// What hangs on the resources of networks: tags, sub-ports, bindings, zones, prefixes of pools.
#include "verbs/table.hpp"

namespace cloudos::verbs {
namespace netparts_table {

using make::must;
using make::of;
using make::ref;
using make::set;
using make::subject;
using make::text;
using make::word;

constexpr Parameter kResource =
    word("resource", "RESOURCES", "kind of resource, as its path has it: networks, ports, ...");
constexpr Parameter kTagged = word("id", "ID", "id of the resource");
constexpr Parameter kTags[] = {kResource, kTagged};
constexpr Parameter kTag[] = {kResource, kTagged, word("tag", "TAG", "the tag")};
constexpr Parameter kTagSet[] = {
    kResource, kTagged, must(of(Kind::TextList, "tags", "--tag", "a tag (repeat for more)"))};

constexpr Parameter kSubports =
    must(of(Kind::PairList, "sub_ports", "--subport",
            "port=ID,segmentation-type=vlan,segmentation-id=N (repeat for more)",
            "port:port_id,segmentation-type:segmentation_type,segmentation-id:segmentation_id"));
constexpr Parameter kTrunkParts[] = {subject("TRUNK", "trunks"), kSubports};

constexpr Parameter kBindings[] = {subject("PORT", "ports", "port_id")};
constexpr Parameter kBindingHost = word("host", "HOST", "name of the host");
constexpr Parameter kBinding[] = {subject("PORT", "ports", "port_id"), kBindingHost};
constexpr Parameter kBindingAdd[] = {subject("PORT", "ports", "port_id"),
                                     must(text("host", "--host", "name of the host")),
                                     text("vnic_type", "--vnic-type", "normal, direct, ...")};

constexpr Parameter kTopology[] = {
    ref("project_id", "--project", "projects", "project it is for", "project")};
constexpr Parameter kAgentParts[] = {subject("AGENT", "network_agents")};
constexpr Parameter kOfNetwork[] = {subject("NETWORK", "networks")};
constexpr Parameter kPoolAdd[] = {
    subject("POOL", "subnet_pools"),
    must(of(Kind::TextList, "prefixes", "--prefix", "a prefix (repeat for more)"))};

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
    {"trunks.add_subports", "PUT", "/network/v2.0/trunks/{id}/add_subports", "", "",
     "Gives a trunk sub-ports.", "network subport add", kTrunkParts},
    {"trunks.remove_subports", "PUT", "/network/v2.0/trunks/{id}/remove_subports", "", "",
     "Takes sub-ports from a trunk.", "network subport remove", kTrunkParts},
    {"network_agents.delete", "DELETE", "/network/v2.0/agents/{id}", "", "",
     "Forgets a driver of networks that is gone.", "network agent delete", kAgentParts},
    {"network_agents.networks", "GET", "/network/v2.0/agents/{id}/dhcp-networks", "", "networks",
     "Lists the networks whose addresses a driver hands out.", "network agent network list",
     kAgentParts},
    {"network_agents.of_network", "GET", "/network/v2.0/networks/{id}/dhcp-agents", "", "agents",
     "Lists the drivers that hand out a network's addresses.", "network dhcp agent list",
     kOfNetwork},
    {"network_zones.list",
     "GET",
     "/network/v2.0/availability_zones",
     "",
     "availability_zones",
     "Lists the availability zones of networks and routers.",
     "network zone list",
     {}},
    {"network_providers.list",
     "GET",
     "/network/v2.0/service-providers",
     "",
     "service_providers",
     "Lists who provides services inside networks.",
     "network service provider list",
     {}},
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
     "network auto allocated topology create", kTopology},
    {"auto_topologies.delete", "DELETE", "/network/v2.0/auto-allocated-topology/{project_id}", "",
     "", "Deletes what was made for a project by itself.", "network auto allocated topology delete",
     kTopology},
    {"subnet_pools.add_prefixes", "PUT", "/network/v2.0/subnetpools/{id}/add_prefixes", "", "",
     "Gives a subnet pool prefixes.", "subnet pool add", kPoolAdd},
    {"network_quotas.list",
     "GET",
     "/network/v2.0/quotas",
     "",
     "quotas",
     "Lists the projects whose quotas of networks were set.",
     "network quota list",
     {}},
};

constexpr Column kProviderColumns[] = {
    {"Service Type", "service_type"}, {"Name", "name"}, {"Default", "default"}};
constexpr Column kZoneColumns[] = {{"Name", "name"}, {"Resource", "resource"}, {"State", "state"}};
constexpr Column kBindingColumns[] = {
    {"Host", "host"}, {"Status", "status"}, {"VIF Type", "vif_type"}};
constexpr Column kTopologyColumns[] = {{"ID", "id"}};

constexpr Noun kNetpartsNouns[] = {
    {"network_tags", "network tag", "network", {}, "", ""},
    {"network_zones", "network zone", "network", kZoneColumns, "name", "name"},
    {"network_providers", "network service provider", "network", kProviderColumns, "name", "name"},
    {"port_bindings", "port binding", "network", kBindingColumns, "host", ""},
    {"auto_topologies", "network auto allocated topology", "network", kTopologyColumns, "id", ""},
};

}  // namespace netparts_table

std::span<const Verb> netparts_verbs() {
  return netparts_table::kNetpartsVerbs;
}
std::span<const Noun> netparts_nouns() {
  return netparts_table::kNetpartsNouns;
}

}  // namespace cloudos::verbs

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cloudos/network_agents.hpp"
#include "rest/network_views.hpp"

namespace cloudos::rest::network_api {
namespace {

struct Extension {
  std::string_view alias, name, description;
  /// What a driver here must be able to do; empty: nothing on hosts.
  std::string_view ability = {};
};

// What is here works as its extension says; nothing else is announced.
constexpr Extension kExtensions[] = {
    {"address-group", "Address Groups", "Prefixes that rules name together"},
    {"address-scope", "Address Scopes", "Where addresses of subnet pools mean one thing"},
    {"agent", "Agents", "The drivers of this cloud and their signs of life"},
    {"allowed-address-pairs", "Allowed Address Pairs", "More addresses a port may send from"},
    {"availability_zone", "Availability Zones", "Zones of networks and routers"},
    {"auto-allocated-topology", "Auto Allocated Topology",
     "A network with a way outside for those who have none", "router"},
    {"binding", "Port Binding", "Where and how a port is connected"},
    {"binding-extended", "Port Bindings Extended", "Bindings prepared on other hosts"},
    {"cloudos-network-trace", "Network Trace",
     "The way of a packet, with what drops it; this cloud's own"},
    {"default-subnetpools", "Default Subnet Pools", "Subnets cut from the cloud's default pool"},
    {"dhcp_agent_scheduler", "DHCP Agent Scheduler", "Which hosts hand out a network's addresses",
     "dhcp"},
    {"dns-domain-ports", "DNS Domains of Ports", "A port's own domain"},
    {"dns-integration", "DNS Integration", "Names that ports are known by"},
    {"empty-string-filtering", "Empty String Filtering", "Lists filtered by an empty value"},
    {"expose-port-forwarding-in-fip", "Port Forwardings of Floating IPs",
     "What a floating address forwards, shown with it", "router"},
    {"ext-gw-mode", "External Gateway Mode", "Routers with and without translation of sources",
     "router"},
    {"external-net", "External Network", "Networks that lead outside"},
    {"extra_dhcp_opt", "Extra DHCP Options", "Options a port's guest gets by DHCP"},
    {"extraroute", "Extra Routes", "Routes of routers beside those of their legs", "router"},
    {"extraroute-atomic", "Atomic Extra Routes", "Extra routes added and removed one by one",
     "router"},
    {"filter-validation", "Filter Validation", "Unknown filters are refused"},
    {"fip-port-details", "Floating IP Port Details", "The port a floating address leads to",
     "router"},
    {"floating-ip-port-forwarding", "Port Forwarding",
     "Ports of a floating address that lead inside", "router"},
    {"floating-ip-port-forwarding-description", "Port Forwarding Description",
     "Descriptions of port forwardings", "router"},
    {"floating-ip-port-forwarding-port-ranges", "Port Forwarding Ranges",
     "Ranges of ports in one forwarding", "router"},
    {"floatingip-pools", "Floating IP Pools", "The subnets that floating addresses come from",
     "router"},
    {"ip-substring-filtering", "IP Substring Filtering", "Ports listed by a part of an address"},
    {"ip_allocation", "IP Allocation", "When a port gets its addresses"},
    {"l2_adjacency", "L2 Adjacency", "Whether a network's guests reach each other without routers"},
    {"l3_agent_scheduler", "L3 Agent Scheduler", "Which host carries a router", "router"},
    {"metering", "Metering", "Labels that count routers' traffic", "metering"},
    {"multi-provider", "Multi Provider Network", "Networks of several segments"},
    {"net-mtu", "Network MTU", "The largest packet of a network"},
    {"net-mtu-writable", "Network MTU (writable)", "The MTU is set and changed by callers"},
    {"network-ip-availability", "Network IP Availability", "Addresses of networks: all and used"},
    {"network-segment-range", "Network Segment Range", "What segments' numbers come from"},
    {"network_availability_zone", "Network Availability Zones", "Zones that networks ask for"},
    {"pagination", "Pagination", "Lists in pages, both ways"},
    {"port-numa-affinity-policy", "Port NUMA Affinity Policy", "How near a guest is to its device"},
    {"port-security", "Port Security", "Anti-spoofing and groups switched per network and port"},
    {"port-security-groups-filtering", "Port Security Groups Filtering",
     "Ports listed by security group"},
    {"project-id", "Project Id", "project_id beside tenant_id"},
    {"provider", "Provider Network", "Network types and physical networks, for admins"},
    {"qos", "Quality of Service", "Limits and marks of traffic by policy", "qos"},
    {"qos-bw-limit-direction", "QoS Bandwidth Direction", "Limits to and from ports", "qos"},
    {"qos-fip", "QoS of Floating Addresses", "Limits of floating addresses", "qos"},
    {"qos-default", "QoS Default Policy", "What new networks of a project get", "qos"},
    {"qos-rule-type-details", "QoS Rule Type Details", "Who enforces which rules", "qos"},
    {"qos-rules-alias", "QoS Rule Aliases", "Rules addressed without their policy", "qos"},
    {"quota_details", "Quota Details", "Limits with what is used of them"},
    {"quotas", "Quota Management", "Limits per project"},
    {"rbac-address-group", "RBAC of Address Groups", "Address groups granted to projects"},
    {"rbac-address-scope", "RBAC of Address Scopes", "Address scopes granted to projects"},
    {"rbac-policies", "RBAC Policies", "Things of one project granted to another"},
    {"rbac-security-groups", "RBAC of Security Groups", "Security groups granted to projects"},
    {"rbac-subnetpool", "RBAC of Subnet Pools", "Subnet pools granted to projects"},
    {"revision-if-match", "If-Match", "Changes bound to a revision"},
    {"router", "Routers", "Routers, gateways and floating addresses", "router"},
    {"router_availability_zone", "Router Availability Zones", "Zones that routers ask for",
     "router"},
    {"security-group", "Security Groups", "Rules for what reaches and leaves ports"},
    {"security-groups-default-rules", "Default Security Group Rules", "What new groups begin with"},
    {"security-groups-normalized-cidr", "Normalized CIDR", "Prefixes of rules without host bits"},
    {"security-groups-remote-address-group", "Remote Address Groups",
     "Rules that name address groups"},
    {"segment", "Segment", "Segments of networks, and subnets on them"},
    {"service-type", "Service Providers", "Who provides services"},
    {"sorting", "Sorting", "Lists sorted by any attribute"},
    {"standard-attr-description", "Descriptions", "Descriptions on every resource"},
    {"standard-attr-revisions", "Revisions", "A number that counts each resource's changes"},
    {"standard-attr-segment", "Segments' Attributes",
     "Descriptions, revisions and times of segments"},
    {"standard-attr-tag", "Tags", "Tags on resources"},
    {"standard-attr-timestamp", "Timestamps", "When resources were made and changed"},
    {"stateful-security-group", "Stateful Security Groups",
     "Groups that track connections, or do not"},
    {"subnet-segmentid-writable", "Subnet Segment", "A subnet is put on a segment later"},
    {"subnet-service-types", "Subnet Service Types", "Subnets for ports of certain kinds"},
    {"subnet_allocation", "Subnet Allocation", "Subnets cut from pools"},
    {"subnet_onboard", "Subnet Onboard", "Subnets that a pool takes over"},
    {"subnetpool-prefix-ops", "Subnet Pool Prefixes", "Prefixes added to and taken from a pool"},
    {"tag", "Network Tags", "Tags on networks, as their first extension had them"},
    {"tag-ports-during-bulk-creation", "Tags of New Ports", "Ports are made with their tags"},
    {"trunk", "Trunks", "Ports that carry others by tags", "trunk"},
    {"trunk-details", "Trunk Details", "What a port's trunk carries", "trunk"},
    {"uplink-status-propagation", "Uplink Status Propagation", "Whether a port follows its link"},
};

bool announced(const Call& call, const Extension& extension) {
  return extension.ability.empty() || call.cloud.networks().agents().able(extension.ability);
}

void write_extension(JsonWriter& w, const Extension& extension) {
  w.open().member("alias", extension.alias).member("name", extension.name);
  w.member("description", extension.description).member("updated", "2014-04-17T00:00:00-00:00");
  w.key("links").open_list().close_list().close();
}

template <class Limits, class Write>
Response quota_response(const Limits& quotas, Write write) {
  JsonWriter w;
  w.open().key("quota").open();
  for (const auto& [name, quota] : quotas) {
    w.key(name);
    write(w, quota);
  }
  w.close().close();
  return json_response(200, std::move(w).take());
}

Response limits_response(const NetworkQuotas& quotas) {
  return quota_response(quotas, [](JsonWriter& w, const NetworkQuota& q) { w.value(q.limit); });
}

ProjectId quota_project(const Call& call) { return ProjectId{call.path("project_id")}; }

}  // namespace

Result<Response> list_extensions(Call& call) {
  JsonWriter w;
  w.open().key("extensions").open_list();
  for (const Extension& extension : kExtensions)
    if (announced(call, extension)) write_extension(w, extension);
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

Result<Response> show_extension(Call& call) {
  const std::string& alias = call.path("alias");
  for (const Extension& extension : kExtensions) {
    if (extension.alias != alias || !announced(call, extension)) continue;
    JsonWriter w;
    w.open().key("extension");
    write_extension(w, extension);
    w.close();
    return json_response(200, std::move(w).take());
  }
  Error error{ErrorCode::NotFound,
              fmt::format("Extension with alias {} does not exist", alias.substr(0, 64)), {}};
  error.type = "ExtensionNotFound";
  return fail(std::move(error));
}

/// Projects that have limits of their own.
Result<Response> list_quotas(Call& call) {
  CLOUDOS_TRY(const auto all, call.cloud.networks().agents().own_quotas(call.ctx));
  std::vector<nlohmann::ordered_json> rows;
  for (const auto& [project, quotas] : all) {
    rows.push_back({{"project_id", project.value}, {"tenant_id", project.value}});
    for (const auto& [name, quota] : quotas) rows.back()[name] = quota.limit;
  }
  return view_response(call, {"quotas", {"project_id", "tenant_id"}}, std::move(rows));
}

Result<Response> show_quota(Call& call) {
  CLOUDOS_TRY(const auto quotas, call.cloud.networks().quotas(call.ctx, quota_project(call)));
  return limits_response(quotas);
}

Result<Response> show_default_quota(Call& call) {
  CLOUDOS_TRY(const auto limits, call.cloud.networks().default_quotas());
  return quota_response(limits, [](JsonWriter& w, std::int64_t limit) { w.value(limit); });
}

Result<Response> show_quota_details(Call& call) {
  CLOUDOS_TRY(const auto quotas, call.cloud.networks().quotas(call.ctx, quota_project(call)));
  return quota_response(quotas, [](JsonWriter& w, const NetworkQuota& q) {
    w.open().member("limit", q.limit).member("used", q.in_use).member("reserved", 0).close();
  });
}

Result<Response> update_quota(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* object, call.json_object("quota"));
  const Members in(*object, "quota");
  NetworkLimits limits;
  for (const auto& [name, value] : object->items()) {
    if (name == "tenant_id" || name == "project_id" || name == "force" || name == "check_limit")
      continue;
    CLOUDOS_TRY(const auto limit, in.integer(name, -1, INT32_MAX));
    limits.emplace(name, limit);
  }
  CLOUDOS_TRY(const auto quotas,
              call.cloud.networks().set_quotas(call.ctx, quota_project(call), limits));
  return limits_response(quotas);
}

Result<Response> delete_quota(Call& call) {
  CLOUDOS_CHECK(call.cloud.networks().reset_quotas(call.ctx, quota_project(call)));
  return empty_response(204);
}

}  // namespace cloudos::rest::network_api

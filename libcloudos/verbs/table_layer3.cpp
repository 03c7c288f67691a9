// Routers, floating addresses, port forwardings, subnet pools and address scopes.
#include "verbs/table.hpp"

namespace cloudos::verbs {
namespace table::layer3 {

// ---- routers ------------------------------------------------------------------------------------

constexpr Parameter kRouterOne[] = {subject("ROUTER", "routers")};
constexpr Parameter kRouterMany[] = {subject("ROUTER...", "routers")};
constexpr Parameter kOutside =
    of(Kind::Map, "external_gateway_info", "--external-gateway-info",
       "network_id=ID of the external network, enable_snat=false (repeat)");
constexpr Parameter kGateway = {
    "external_gateway_info",        Kind::ReferenceIn, "--external-gateway",
    "external network it leads to", "networks",        "network_id"};
constexpr Parameter kSnat =
    set("external_gateway_info", "--enable-snat", R"({"enable_snat": true})",
        "translate what goes out (with --external-gateway)");
constexpr Parameter kNoSnat =
    set("external_gateway_info", "--disable-snat", R"({"enable_snat": false})",
        "pass it on as it is (with --external-gateway)");
constexpr Parameter kZoneHint = of(Kind::TextList, "availability_zone_hints",
                                   "--availability-zone-hint", "zone it should be in (repeat)");
constexpr Parameter kOutsideAddress = {
    "external_gateway_info/external_fixed_ips", Kind::PairList, "--fixed-ip",
    "subnet=NAME,ip-address=ADDR of the way outside (with --external-gateway)", "subnets",
    "subnet:subnet_id ip-address:ip_address"};
constexpr Parameter kRouterCreate[] = {
    kItsName,
    kDescription,
    kOwner,
    kUp,
    kDown,
    kGateway,
    kSnat,
    kNoSnat,
    kOutside,
    kOutsideAddress,
    kZoneHint,
};
constexpr Parameter kRouterList[] = {
    kNamed,
    kOwned,
    set("admin_state_up", "--enable", "true", "only those that carry traffic"),
    set("admin_state_up", "--disable", "false", "only those that carry none"),
    kHasTags,
    kHasAnyTag,
    kLacksTags,
    kLacksAnyTag,
    limit(),
    marker(),
};
constexpr Parameter kRouterRoutes =
    of(Kind::PairList, "routes", "--route", "destination=CIDR,gateway=ADDR (repeat for more)",
       "gateway:nexthop");
constexpr Parameter kRouterSet[] = {
    subject("ROUTER", "routers"),
    kNewName,
    kDescription,
    kUp,
    kDown,
    kGateway,
    kSnat,
    kNoSnat,
    kOutside,
    kOutsideAddress,
    set("external_gateway_info", "--no-external-gateway", "null", "lead nowhere outside"),
    append(kRouterRoutes),
    set("routes", "--no-route", "[]", "take all routes away first"),
};
constexpr Parameter kRouterSubnet[] = {
    subject("ROUTER", "routers"),
    {"subnet_id", Kind::Reference, "SUBNET", "name or id", "subnets", {}, true},
};
constexpr Parameter kRouterPort[] = {
    subject("ROUTER", "routers"),
    {"port_id", Kind::Reference, "PORT", "name or id", "ports", {}, true},
};
constexpr Parameter kRouterAddRoute[] = {subject("ROUTER", "routers"), must(kRouterRoutes)};

// ---- floating addresses -------------------------------------------------------------------------

constexpr Parameter kFloatingOne[] = {subject("ADDRESS", "floating_ips")};
constexpr Parameter kFloatingMany[] = {subject("ADDRESS...", "floating_ips")};
constexpr Parameter kFixedAddress =
    text("fixed_ip_address", "--fixed-ip-address", "address of the port");
constexpr Parameter kFloatingQos =
    ref("qos_policy_id", "--qos-policy", "qos_policies", "QoS policy it has");
constexpr Parameter kFloatingCreate[] = {
    {"floating_network_id", Kind::Reference, "NETWORK", "name or id", "networks", {}, true},
    ref("subnet_id", "--subnet", "subnets", "subnet the address is of"),
    ref("port_id", "--port", "ports", "port it leads to"),
    text("floating_ip_address", "--floating-ip-address", "the address itself"),
    kFixedAddress,
    kDescription,
    kOwner,
    text("dns_name", "--dns-name", "name of the address"),
    text("dns_domain", "--dns-domain", "domain of the name"),
    kFloatingQos,
};
constexpr Parameter kFloatingSet[] = {
    subject("ADDRESS", "floating_ips"),
    ref("port_id", "--port", "ports", "port it leads to"),
    set("port_id", "--no-port", "null", "lead nowhere"),
    kFixedAddress,
    kFloatingQos,
    set("qos_policy_id", "--no-qos-policy", "null", "have no QoS policy"),
    kDescription,
};
constexpr Parameter kFloatingList[] = {
    ref("floating_network_id", "--network", "networks", "of this external network"),
    ref("port_id", "--port", "ports", "that lead to this port"),
    ref("router_id", "--router", "routers", "that this router carries"),
    text("fixed_ip_address", "--fixed-ip-address", "that lead to this address"),
    text("floating_ip_address", "--floating-ip-address", "of this address"),
    text("status", "--status", "ACTIVE, DOWN or ERROR"),
    kOwned,
    kHasTags,
    kHasAnyTag,
    kLacksTags,
    kLacksAnyTag,
    limit(),
    marker(),
};

constexpr Parameter kOfFloating = {
    "floating_id", Kind::Reference, "ADDRESS", "floating address", "floating_ips", {}, true};
constexpr Parameter kForwardingPorts[] = {
    kOfFloating,
    must(ref("internal_port_id", "--port", "ports", "port it leads to")),
    text("internal_ip_address", "--internal-ip-address", "address of the port"),
    text("internal_port_range", "--internal-protocol-port", "port or FIRST:LAST inside"),
    text("external_port_range", "--external-protocol-port", "port or FIRST:LAST outside"),
    must(text("protocol", "--protocol", "tcp, udp, icmp, sctp, ...")),
    kDescription,
};
constexpr Parameter kForwardingList[] = {
    kOfFloating,
    text("protocol", "--protocol", "of this protocol"),
    ref("internal_port_id", "--port", "ports", "that lead to this port"),
    text("external_port", "--external-protocol-port", "of this port outside"),
};
constexpr Parameter kForwardingOne[] = {kOfFloating, word("id", "FORWARDING", "its id")};
constexpr Parameter kForwardingMany[] = {kOfFloating, word("id", "FORWARDING...", "its id")};
constexpr Parameter kForwardingSet[] = {
    kOfFloating,
    word("id", "FORWARDING", "its id"),
    ref("internal_port_id", "--port", "ports", "port it leads to"),
    text("internal_ip_address", "--internal-ip-address", "address of the port"),
    text("internal_port_range", "--internal-protocol-port", "port or FIRST:LAST inside"),
    text("external_port_range", "--external-protocol-port", "port or FIRST:LAST outside"),
    text("protocol", "--protocol", "tcp, udp, icmp, sctp, ..."),
    kDescription,
};

// ---- subnet pools and address scopes ------------------------------------------------------------

constexpr Parameter kPoolOne[] = {subject("POOL", "subnet_pools")};
constexpr Parameter kPoolMany[] = {subject("POOL...", "subnet_pools")};
constexpr Parameter kPoolPrefixes =
    of(Kind::TextList, "prefixes", "--pool-prefix", "block of addresses (repeat for more)");
constexpr Parameter kLeastLength = number("min_prefixlen", "--min-prefix-length", "shortest");
constexpr Parameter kMostLength = number("max_prefixlen", "--max-prefix-length", "longest");
constexpr Parameter kUsualLength =
    number("default_prefixlen", "--default-prefix-length", "of subnets that name none");
constexpr Parameter kPoolQuota =
    number("default_quota", "--default-quota", "addresses a project may take");
constexpr Parameter kIsDefault = set("is_default", "--default", "true", "for those who name none");
constexpr Parameter kNotDefault = set("is_default", "--no-default", "false", "only when named");
constexpr Parameter kOfScope =
    ref("address_scope_id", "--address-scope", "address_scopes", "scope it is of");
constexpr Parameter kPoolCreate[] = {
    kItsName,
    must(kPoolPrefixes),
    kLeastLength,
    kUsualLength,
    kMostLength,
    kPoolQuota,
    kIsDefault,
    kNotDefault,
    kShared,
    kUnshared,
    kOfScope,
    kDescription,
    kOwner,
};
constexpr Parameter kPoolSet[] = {
    subject("POOL", "subnet_pools"),
    kNewName,
    kDescription,
    append(kPoolPrefixes),
    kLeastLength,
    kUsualLength,
    kMostLength,
    kPoolQuota,
    kIsDefault,
    kNotDefault,
    kOfScope,
    set("address_scope_id", "--no-address-scope", "null", "of no scope"),
};
constexpr Parameter kPoolList[] = {
    kNamed,
    kOwned,
    set("is_default", "--default", "true", "only default ones"),
    set("is_default", "--no-default", "false", "only those that are named"),
    kOnlyShared,
    kOnlyUnshared,
    kOfScope,
    kHasTags,
    kHasAnyTag,
    kLacksTags,
    kLacksAnyTag,
    limit(),
    marker(),
};
constexpr Parameter kPoolRemove[] = {
    subject("POOL", "subnet_pools"),
    must(of(Kind::TextList, "prefixes", "--pool-prefix", "block to take away (repeat for more)"))};
constexpr Parameter kPoolOnboard[] = {
    {"network_id", Kind::Reference, "NETWORK", "whose subnets", "networks", {}, true},
    subject("POOL", "subnet_pools"),
};

constexpr Parameter kScopeOne[] = {subject("SCOPE", "address_scopes")};
constexpr Parameter kScopeMany[] = {subject("SCOPE...", "address_scopes")};
constexpr Parameter kScopeCreate[] = {
    kItsName,
    must(number("ip_version", "--ip-version", "4 or 6")),
    kShared,
    kUnshared,
    kOwner,
};
constexpr Parameter kScopeSet[] = {subject("SCOPE", "address_scopes"), kNewName, kShared,
                                   kUnshared};
constexpr Parameter kScopeList[] = {kNamed,
                                    number("ip_version", "--ip-version", "4 or 6"),
                                    kOwned,
                                    kOnlyShared,
                                    kOnlyUnshared,
                                    limit(),
                                    marker()};

#define CLOUDOS_L3 "/network/v2.0/"
constexpr Verb kLayer3Verbs[] = {
    {"routers.create", "POST", CLOUDOS_L3 "routers", "router", "router", "Makes a router.",
     "router create", kRouterCreate},
    {"routers.list", "GET", CLOUDOS_L3 "routers", "", "routers", "Lists routers.", "router list",
     kRouterList},
    {"routers.show", "GET", CLOUDOS_L3 "routers/{id}", "", "router", "Shows a router.",
     "router show", kRouterOne},
    {"routers.update", "PUT", CLOUDOS_L3 "routers/{id}", "router", "router", "Changes a router.",
     "router set", kRouterSet},
    {"routers.delete", "DELETE", CLOUDOS_L3 "routers/{id}", "", "", "Deletes a router.",
     "router delete", kRouterMany},
    {"routers.add_subnet", "PUT", CLOUDOS_L3 "routers/{id}/add_router_interface", "", "",
     "Gives a router a leg in a subnet.", "router add subnet", kRouterSubnet},
    {"routers.add_port", "PUT", CLOUDOS_L3 "routers/{id}/add_router_interface", "", "",
     "Makes a port a router's leg.", "router add port", kRouterPort},
    {"routers.remove_subnet", "PUT", CLOUDOS_L3 "routers/{id}/remove_router_interface", "", "",
     "Takes a router's leg in a subnet away.", "router remove subnet", kRouterSubnet},
    {"routers.remove_port", "PUT", CLOUDOS_L3 "routers/{id}/remove_router_interface", "", "",
     "Takes a router's leg away.", "router remove port", kRouterPort},
    {"routers.add_routes", "PUT", CLOUDOS_L3 "routers/{id}/add_extraroutes", "router", "router",
     "Adds routes to a router.", "router add route", kRouterAddRoute},
    {"routers.remove_routes", "PUT", CLOUDOS_L3 "routers/{id}/remove_extraroutes", "router",
     "router", "Takes routes from a router.", "router remove route", kRouterAddRoute},
    {"floating_ips.create", "POST", CLOUDOS_L3 "floatingips", "floatingip", "floatingip",
     "Takes a floating address.", "floating ip create", kFloatingCreate},
    {"floating_ips.list", "GET", CLOUDOS_L3 "floatingips", "", "floatingips",
     "Lists floating addresses.", "floating ip list", kFloatingList},
    {"floating_ips.show", "GET", CLOUDOS_L3 "floatingips/{id}", "", "floatingip",
     "Shows a floating address.", "floating ip show", kFloatingOne},
    {"floating_ips.update", "PUT", CLOUDOS_L3 "floatingips/{id}", "floatingip", "floatingip",
     "Changes where a floating address leads.", "floating ip set", kFloatingSet},
    {"floating_ips.delete", "DELETE", CLOUDOS_L3 "floatingips/{id}", "", "",
     "Gives a floating address back.", "floating ip delete", kFloatingMany},
    {"floating_ip_pools.list", "GET", CLOUDOS_L3 "floatingip_pools", "", "floatingip_pools",
     "Lists the subnets that floating addresses come from.", "floating ip pool list"},
    {"port_forwardings.create", "POST", CLOUDOS_L3 "floatingips/{floating_id}/port_forwardings",
     "port_forwarding", "port_forwarding", "Forwards ports of a floating address.",
     "floating ip port forwarding create", kForwardingPorts},
    {"port_forwardings.list", "GET", CLOUDOS_L3 "floatingips/{floating_id}/port_forwardings", "",
     "port_forwardings", "Lists port forwardings of a floating address.",
     "floating ip port forwarding list", kForwardingList},
    {"port_forwardings.show", "GET", CLOUDOS_L3 "floatingips/{floating_id}/port_forwardings/{id}",
     "", "port_forwarding", "Shows a port forwarding.", "floating ip port forwarding show",
     kForwardingOne},
    {"port_forwardings.update", "PUT", CLOUDOS_L3 "floatingips/{floating_id}/port_forwardings/{id}",
     "port_forwarding", "port_forwarding", "Changes a port forwarding.",
     "floating ip port forwarding set", kForwardingSet},
    {"port_forwardings.delete", "DELETE",
     CLOUDOS_L3 "floatingips/{floating_id}/port_forwardings/{id}", "", "",
     "Deletes a port forwarding.", "floating ip port forwarding delete", kForwardingMany},
    {"subnet_pools.create", "POST", CLOUDOS_L3 "subnetpools", "subnetpool", "subnetpool",
     "Makes a subnet pool.", "subnet pool create", kPoolCreate},
    {"subnet_pools.list", "GET", CLOUDOS_L3 "subnetpools", "", "subnetpools", "Lists subnet pools.",
     "subnet pool list", kPoolList},
    {"subnet_pools.show", "GET", CLOUDOS_L3 "subnetpools/{id}", "", "subnetpool",
     "Shows a subnet pool.", "subnet pool show", kPoolOne},
    {"subnet_pools.update", "PUT", CLOUDOS_L3 "subnetpools/{id}", "subnetpool", "subnetpool",
     "Changes a subnet pool.", "subnet pool set", kPoolSet},
    {"subnet_pools.remove_prefixes", "PUT", CLOUDOS_L3 "subnetpools/{id}/remove_prefixes", "", "",
     "Takes prefixes from a subnet pool.", "subnet pool unset", kPoolRemove},
    {"subnet_pools.onboard", "PUT", CLOUDOS_L3 "subnetpools/{id}/onboard_network_subnets", "", "",
     "Lets a subnet pool take over a network's subnets.", "network onboard subnets", kPoolOnboard},
    {"subnet_pools.delete", "DELETE", CLOUDOS_L3 "subnetpools/{id}", "", "",
     "Deletes a subnet pool.", "subnet pool delete", kPoolMany},
    {"address_scopes.create", "POST", CLOUDOS_L3 "address-scopes", "address_scope", "address_scope",
     "Makes an address scope.", "address scope create", kScopeCreate},
    {"address_scopes.list", "GET", CLOUDOS_L3 "address-scopes", "", "address_scopes",
     "Lists address scopes.", "address scope list", kScopeList},
    {"address_scopes.show", "GET", CLOUDOS_L3 "address-scopes/{id}", "", "address_scope",
     "Shows an address scope.", "address scope show", kScopeOne},
    {"address_scopes.update", "PUT", CLOUDOS_L3 "address-scopes/{id}", "address_scope",
     "address_scope", "Changes an address scope.", "address scope set", kScopeSet},
    {"address_scopes.delete", "DELETE", CLOUDOS_L3 "address-scopes/{id}", "", "",
     "Deletes an address scope.", "address scope delete", kScopeMany},
};
#undef CLOUDOS_L3

constexpr Column kRouterColumns[] = {
    {"ID", "id"},
    {"Name", "name"},
    {"Status", "status"},
    {"State", "admin_state_up", Look::State},
    {"Project", "project_id"},
    {"Routes", "routes", Look::Pairs, {}, {}, true},
    {"External gateway info", "external_gateway_info", Look::Plain, {}, {}, true},
    {"Availability zones", "availability_zones", Look::Plain, {}, {}, true},
    {"Tags", "tags", Look::Plain, {}, {}, true},
};
constexpr Column kFloatingColumns[] = {
    {"ID", "id"},
    {"Floating IP Address", "floating_ip_address"},
    {"Fixed IP Address", "fixed_ip_address"},
    {"Port", "port_id"},
    {"Floating Network", "floating_network_id"},
    {"Project", "project_id"},
    {"Router", "router_id", Look::Plain, {}, {}, true},
    {"Status", "status", Look::Plain, {}, {}, true},
    {"Description", "description", Look::Plain, {}, {}, true},
    {"Tags", "tags", Look::Plain, {}, {}, true},
    {"DNS Name", "dns_name", Look::Plain, {}, {}, true},
    {"DNS Domain", "dns_domain", Look::Plain, {}, {}, true},
};
constexpr Column kFloatingPoolColumns[] = {{"Subnet", "subnet_id"},
                                           {"Subnet Name", "subnet_name"},
                                           {"CIDR", "cidr"},
                                           {"Network", "network_id"}};
constexpr Column kForwardingColumns[] = {
    {"ID", "id"},
    {"Internal Port ID", "internal_port_id"},
    {"Internal IP Address", "internal_ip_address"},
    {"Internal Port Range", "internal_port_range"},
    {"External Port Range", "external_port_range"},
    {"Protocol", "protocol"},
    {"Description", "description"},
};
constexpr Column kPoolColumns[] = {
    {"ID", "id"},
    {"Name", "name"},
    {"Prefixes", "prefixes"},
    {"Default Prefix Length", "default_prefixlen", Look::Plain, {}, {}, true},
    {"Address Scope", "address_scope_id", Look::Plain, {}, {}, true},
    {"Default Subnet Pool", "is_default", Look::Plain, {}, {}, true},
    {"Shared", "shared", Look::Plain, {}, {}, true},
    {"Tags", "tags", Look::Plain, {}, {}, true},
};
constexpr Column kScopeColumns[] = {{"ID", "id"},
                                    {"Name", "name"},
                                    {"IP Version", "ip_version"},
                                    {"Shared", "shared"},
                                    {"Project", "project_id"}};

constexpr Noun kLayer3Nouns[] = {
    {"routers", "router", "network", kRouterColumns, "id", "name", "name"},
    {"floating_ips", "floating ip", "network", kFloatingColumns, "id", "floating_ip_address",
     "floating_ip_address"},
    {"floating_ip_pools", "floating ip pool", "network", kFloatingPoolColumns, "subnet_id",
     "subnet_name"},
    {"port_forwardings", "floating ip port forwarding", "network", kForwardingColumns, "id", ""},
    {"subnet_pools", "subnet pool", "network", kPoolColumns, "id", "name", "name"},
    {"address_scopes", "address scope", "network", kScopeColumns, "id", "name", "name"},
};

}  // namespace table::layer3

std::span<const Verb> layer3_verbs() {
  return table::layer3::kLayer3Verbs;
}

std::span<const Noun> layer3_nouns() {
  return table::layer3::kLayer3Nouns;
}

}  // namespace cloudos::verbs

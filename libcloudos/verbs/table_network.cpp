// Networks, subnets, ports, security groups and their rules.
#include "verbs/table.hpp"

namespace cloudos::verbs {
namespace table::network {

constexpr Parameter kMtu = number("mtu", "--mtu", "largest frame's payload, bytes");
constexpr Parameter kExternal = set("router:external", "--external", "true", "leads outside");
constexpr Parameter kInternal = set("router:external", "--internal", "false", "stays inside");
constexpr Parameter kSecured =
    set("port_security_enabled", "--enable-port-security", "true", "filter (the default)");
constexpr Parameter kUnsecured =
    set("port_security_enabled", "--disable-port-security", "false", "no filter");

constexpr Parameter kDefault = set("is_default", "--default", "true", "for those who name none");
constexpr Parameter kNotDefault = set("is_default", "--no-default", "false", "only when named");
constexpr Parameter kQos =
    ref("qos_policy_id", "--qos-policy", "qos_policies", "QoS policy it has");
constexpr Parameter kNoQos = set("qos_policy_id", "--no-qos-policy", "null", "have no QoS policy");
constexpr Parameter kDnsDomain = text("dns_domain", "--dns-domain", "domain of the name");
constexpr Parameter kDnsName = text("dns_name", "--dns-name", "name of the address");

constexpr Parameter kNetworkOne[] = {subject("NETWORK", "networks")};
constexpr Parameter kNetworkMany[] = {subject("NETWORK...", "networks")};
constexpr Parameter kNetworkCreate[] = {
    kItsName,
    kDescription,
    kOwner,
    kUp,
    kDown,
    kMtu,
    kShared,
    kUnshared,
    kExternal,
    kInternal,
    kSecured,
    kUnsecured,
    kDefault,
    kNotDefault,
    kQos,
    kDnsDomain,
    of(Kind::TextList, "availability_zone_hints", "--availability-zone-hint",
       "zone it should be in (repeat)"),
    text("provider:network_type", "--provider-network-type", "local, flat, vlan or vxlan"),
    text("provider:physical_network", "--provider-physical-network", "name of the wire"),
    number("provider:segmentation_id", "--provider-segment", "VLAN or tunnel id"),
    of(Kind::PairList, "segments", "--segment",
       "network-type=T,physical-network=WIRE,segmentation-id=N (repeat for more)",
       "network-type:provider:network_type physical-network:provider:physical_network "
       "segmentation-id:provider:segmentation_id"),
};
constexpr Parameter kNetworkSet[] = {subject("NETWORK", "networks"),
                                     kNewName,
                                     kDescription,
                                     kUp,
                                     kDown,
                                     kMtu,
                                     kShared,
                                     kUnshared,
                                     kExternal,
                                     kInternal,
                                     kSecured,
                                     kUnsecured,
                                     kDefault,
                                     kNotDefault,
                                     kQos,
                                     kNoQos,
                                     kDnsDomain};
constexpr Parameter kNetworkList[] = {
    kNamed,
    kOwned,
    set("router:external", "--external", "true", "only those that lead outside"),
    set("router:external", "--internal", "false", "only those that stay inside"),
    kOnlyShared,
    kOnlyUnshared,
    set("admin_state_up", "--enable", "true", "only those that carry traffic"),
    set("admin_state_up", "--disable", "false", "only those that carry none"),
    text("status", "--status", "in this status"),
    text("provider:network_type", "--provider-network-type", "of this type"),
    text("provider:physical_network", "--provider-physical-network", "on this wire"),
    number("provider:segmentation_id", "--provider-segment", "of this VLAN or tunnel id"),
    kHasTags,
    kHasAnyTag,
    kLacksTags,
    kLacksAnyTag,
    limit(),
    marker(),
};

constexpr Parameter kSubnetOne[] = {subject("SUBNET", "subnets")};
constexpr Parameter kSubnetMany[] = {subject("SUBNET...", "subnets")};
constexpr Parameter kGateway =
    of(Kind::TextOrNone, "gateway_ip", "--gateway", "address of the gateway, or none");
constexpr Parameter kPools = of(Kind::PairList, "allocation_pools", "--allocation-pool",
                                "start=ADDR,end=ADDR (repeat for more)");
constexpr Parameter kDns =
    of(Kind::TextList, "dns_nameservers", "--dns-nameserver", "name server (repeat for more)");
constexpr Parameter kRoutes =
    of(Kind::PairList, "host_routes", "--host-route",
       "destination=CIDR,gateway=ADDR (repeat for more)", "gateway:nexthop");
constexpr Parameter kDhcp = set("enable_dhcp", "--dhcp", "true", "hand out addresses");
constexpr Parameter kNoDhcp = set("enable_dhcp", "--no-dhcp", "false", "hand out no addresses");
constexpr Parameter kPublishes = set("dns_publish_fixed_ip", "--dns-publish-fixed-ip", "true",
                                     "names of ports go to the DNS outside");
constexpr Parameter kPublishesNot = set("dns_publish_fixed_ip", "--no-dns-publish-fixed-ip",
                                        "false", "names of ports stay inside");
constexpr Parameter kServiceTypes =
    of(Kind::TextList, "service_types", "--service-type", "owners of ports (repeat for more)");
constexpr Parameter kSubnetCreate[] = {
    kItsName,
    must(ref("network_id", "--network", "networks", "network it is on")),
    text("cidr", "--subnet-range", "addresses, such as 10.0.0.0/24"),
    number("ip_version", "--ip-version", "4 or 6"),
    ref("subnetpool_id", "--subnet-pool", "subnet_pools", "pool to cut it from"),
    ref("segment_id", "--network-segment", "network_segments", "segment of the network it is on"),
    set("use_default_subnetpool", "--use-default-subnet-pool", "true", "cut it from that one"),
    number("prefixlen", "--prefix-length", "of what the pool gives"),
    text("ipv6_ra_mode", "--ipv6-ra-mode", "slaac, dhcpv6-stateful or dhcpv6-stateless"),
    text("ipv6_address_mode", "--ipv6-address-mode", "slaac, dhcpv6-stateful, dhcpv6-stateless"),
    kServiceTypes,
    kPublishes,
    kPublishesNot,
    kGateway,
    kPools,
    kDns,
    kRoutes,
    kDhcp,
    kNoDhcp,
    kOwner,
    kDescription,
};
constexpr Parameter kSubnetSet[] = {
    subject("SUBNET", "subnets"),
    kNewName,
    kDescription,
    ref("segment_id", "--network-segment", "network_segments", "segment of the network it is on"),
    kGateway,
    append(kPools),
    append(kDns),
    append(kRoutes),
    append(kServiceTypes),
    kPublishes,
    kPublishesNot,
    set("allocation_pools", "--no-allocation-pool", "[]", "take all pools away first"),
    set("dns_nameservers", "--no-dns-nameservers", "[]", "take all name servers away first"),
    set("host_routes", "--no-host-route", "[]", "take all routes away first"),
    kDhcp,
    kNoDhcp,
};
constexpr Parameter kSubnetList[] = {
    kNamed,
    ref("network_id", "--network", "networks", "on this network"),
    kOwned,
    text("cidr", "--subnet-range", "of these addresses"),
    text("gateway_ip", "--gateway", "with this gateway"),
    number("ip_version", "--ip-version", "4 or 6"),
    set("enable_dhcp", "--dhcp", "true", "only those that hand addresses out"),
    set("enable_dhcp", "--no-dhcp", "false", "only those that do not"),
    ref("subnetpool_id", "--subnet-pool", "subnet_pools", "cut from this pool"),
    kHasTags,
    kHasAnyTag,
    kLacksTags,
    kLacksAnyTag,
    limit(),
    marker(),
};

constexpr std::string_view kFixedIpNames = "subnet:subnet_id ip-address:ip_address";
constexpr Parameter kFixedIps = {"fixed_ips",  Kind::PairList,
                                 "--fixed-ip", "subnet=NAME,ip-address=ADDR (repeat for more)",
                                 "subnets",    kFixedIpNames};
constexpr Parameter kPairs = of(Kind::PairList, "allowed_address_pairs", "--allowed-address",
                                "ip-address=ADDR[,mac-address=MAC] (repeat for more)",
                                "ip-address:ip_address mac-address:mac_address");
constexpr Parameter kGroups = refs("security_groups", "--security-group", "security_groups",
                                   "security group (repeat for more)");
constexpr Parameter kNoGroups = set("security_groups", "--no-security-group", "[]", "none at all");
constexpr Parameter kMac = text("mac_address", "--mac-address", "hardware address");
constexpr Parameter kDeviceOwner = text("device_owner", "--device-owner", "kind of its user");
constexpr Parameter kDevice = text("device_id", "--device", "id of its user");
constexpr Parameter kHost = text("binding:host_id", "--host", "host it is on");
constexpr Parameter kVnic = text("binding:vnic_type", "--vnic-type", "normal");
constexpr Parameter kProfile = of(Kind::Map, "binding:profile", "--binding-profile",
                                  "KEY=VALUE for the host's driver (repeat for more)");
constexpr Parameter kDhcpOptions =
    of(Kind::PairList, "extra_dhcp_opts", "--extra-dhcp-option",
       "name=NAME,value=VALUE[,ip-version=4] (repeat for more)",
       "name:opt_name value:opt_value ip-version:ip_version");
constexpr Parameter kUplink = set("propagate_uplink_status", "--enable-uplink-status-propagation",
                                  "true", "its link follows the wire's");
constexpr Parameter kNoUplink = set("propagate_uplink_status",
                                    "--disable-uplink-status-propagation", "false",
                                    "its link is up whatever the wire does");
constexpr std::string_view kNuma = "numa_affinity_policy";
constexpr Parameter kNumaRequired =
    set(kNuma, "--numa-policy-required", "\"required\"", "on the processors' node or nowhere");
constexpr Parameter kNumaPreferred =
    set(kNuma, "--numa-policy-preferred", "\"preferred\"", "on the processors' node if possible");
constexpr Parameter kNumaLegacy =
    set(kNuma, "--numa-policy-legacy", "\"legacy\"", "on the processors' node where it is known");
constexpr Parameter kPortOne[] = {subject("PORT", "ports")};
constexpr Parameter kPortMany[] = {subject("PORT...", "ports")};
constexpr Parameter kPortCreate[] = {
    kItsName,
    must(ref("network_id", "--network", "networks", "network it is on")),
    kFixedIps,
    set("fixed_ips", "--no-fixed-ip", "[]", "no address"),
    kGroups,
    kNoGroups,
    kPairs,
    kMac,
    kDevice,
    kDeviceOwner,
    kHost,
    kVnic,
    kProfile,
    kDhcpOptions,
    kDnsName,
    kDnsDomain,
    kQos,
    kUplink,
    kNumaRequired,
    kNumaPreferred,
    kNumaLegacy,
    kNoUplink,
    kUp,
    kDown,
    kSecured,
    kUnsecured,
    kOwner,
    kDescription,
};
constexpr Parameter kPortSet[] = {
    subject("PORT", "ports"),
    kNewName,
    kDescription,
    append(kFixedIps),
    set("fixed_ips", "--no-fixed-ip", "[]", "take all addresses away first"),
    append(kGroups),
    set("security_groups", "--no-security-group", "[]", "take all groups away first"),
    append(kPairs),
    set("allowed_address_pairs", "--no-allowed-address", "[]", "take all of them away first"),
    kMac,
    kDevice,
    kDeviceOwner,
    kHost,
    kVnic,
    kProfile,
    set("binding:profile", "--no-binding-profile", "{}", "take all of it away first"),
    kDhcpOptions,
    kDnsName,
    kDnsDomain,
    kQos,
    kUplink,
    kNoUplink,
    kNumaRequired,
    kNumaPreferred,
    kNumaLegacy,
    kUp,
    kDown,
    kSecured,
    kUnsecured,
};
constexpr Parameter kPortList[] = {
    kNamed,
    ref("network_id", "--network", "networks", "on this network"),
    ref("device_id", "--server", "servers", "of this server"),
    ref("device_id", "--router", "routers", "of this router"),
    text("device_id", "--device-id", "of the user with this id"),
    text("device_owner", "--device-owner", "of this kind of user"),
    text("mac_address", "--mac-address", "with this hardware address"),
    text("fixed_ips", "--fixed-ip", "ip_address=ADDR or subnet_id=ID"),
    ref("security_groups", "--security-group", "security_groups", "in this security group"),
    text("status", "--status", "ACTIVE or DOWN"),
    text("binding:host_id", "--host", "on this host"),
    kOwned,
    kHasTags,
    kHasAnyTag,
    kLacksTags,
    kLacksAnyTag,
    limit(),
    marker(),
};

constexpr Parameter kGroupOne[] = {subject("GROUP", "security_groups")};
constexpr Parameter kGroupMany[] = {subject("GROUP...", "security_groups")};
constexpr Parameter kStateful =
    set("stateful", "--stateful", "true", "let answers pass (the default)");
constexpr Parameter kStateless =
    set("stateful", "--stateless", "false", "judge each packet for itself");
constexpr Parameter kGroupCreate[] = {kItsName, kDescription, kOwner,
                                      kStateful, kStateless};
constexpr Parameter kGroupSet[] = {subject("GROUP", "security_groups"), kNewName, kDescription,
                                   kStateful, kStateless};

constexpr Parameter kRuleOne[] = {subject("RULE", "security_group_rules")};
constexpr Parameter kRuleMany[] = {subject("RULE...", "security_group_rules")};
constexpr Parameter kIngress =
    set("direction", "--ingress", "\"ingress\"", "into the guest (the default)");
constexpr Parameter kEgress = set("direction", "--egress", "\"egress\"", "out of the guest");
constexpr Parameter kRuleCreate[] = {
    subject("GROUP", "security_groups", "security_group_id"),
    text("protocol", "--protocol", "tcp, udp, icmp or a number"),
    of(Kind::PortRange, "", "--dst-port", "port, or FIRST:LAST"),
    number("port_range_min", "--icmp-type", "ICMP type"),
    number("port_range_max", "--icmp-code", "ICMP code"),
    kIngress,
    kEgress,
    text("ethertype", "--ethertype", "IPv4 or IPv6"),
    text("remote_ip_prefix", "--remote-ip", "other side, as CIDR"),
    ref("remote_group_id", "--remote-group", "security_groups", "other side, as group"),
    ref("remote_address_group_id", "--remote-address-group", "address_groups",
        "other side, as group of addresses"),
    kOwner,
    kDescription,
};
constexpr Parameter kRuleList[] = {
    {"security_group_id", Kind::Reference, "GROUP", "name or id", "security_groups"},
    text("protocol", "--protocol", "of this protocol"),
    set("direction", "--ingress", "\"ingress\"", "into the guest"),
    set("direction", "--egress", "\"egress\"", "out of the guest"),
    text("ethertype", "--ethertype", "IPv4 or IPv6"),
    kOwned,
    limit(),
    marker(),
};

constexpr Parameter kPicked[] = {kOfNetworks};
constexpr Parameter kExtensionOne[] = {word("alias", "ALIAS", "its alias")};
constexpr Parameter kQuotaSet[] = {
    kQuotaProject,
    number("network", "--networks", "networks; -1 is no limit"),
    number("subnet", "--subnets", "subnets"),
    number("port", "--ports", "ports"),
    number("security_group", "--secgroups", "security groups"),
    number("security_group_rule", "--secgroup-rules", "rules of security groups"),
    number("floatingip", "--floating-ips", "floating addresses"),
    number("router", "--routers", "routers"),
    number("rbac_policy", "--rbac-policies", "grants"),
    number("subnetpool", "--subnetpools", "subnet pools"),
};

constexpr Verb kNetworkVerbs[] = {
    {"networks.create", "POST", "/network/v2.0/networks", "network", "network", "Makes a network.",
     "network create", kNetworkCreate},
    {"networks.list", "GET", "/network/v2.0/networks", "", "networks", "Lists networks.",
     "network list", kNetworkList},
    {"networks.show", "GET", "/network/v2.0/networks/{id}", "", "network", "Shows a network.",
     "network show", kNetworkOne},
    {"networks.update", "PUT", "/network/v2.0/networks/{id}", "network", "network",
     "Changes a network.", "network set", kNetworkSet},
    {"networks.delete", "DELETE", "/network/v2.0/networks/{id}", "", "", "Deletes a network.",
     "network delete", kNetworkMany},
    {"subnets.create", "POST", "/network/v2.0/subnets", "subnet", "subnet",
     "Makes a subnet of a network.", "subnet create", kSubnetCreate},
    {"subnets.list", "GET", "/network/v2.0/subnets", "", "subnets", "Lists subnets.", "subnet list",
     kSubnetList},
    {"subnets.show", "GET", "/network/v2.0/subnets/{id}", "", "subnet", "Shows a subnet.",
     "subnet show", kSubnetOne},
    {"subnets.update", "PUT", "/network/v2.0/subnets/{id}", "subnet", "subnet", "Changes a subnet.",
     "subnet set", kSubnetSet},
    {"subnets.delete", "DELETE", "/network/v2.0/subnets/{id}", "", "", "Deletes a subnet.",
     "subnet delete", kSubnetMany},
    {"ports.create", "POST", "/network/v2.0/ports", "port", "port", "Makes a port of a network.",
     "port create", kPortCreate},
    {"ports.list", "GET", "/network/v2.0/ports", "", "ports", "Lists ports.", "port list",
     kPortList},
    {"ports.show", "GET", "/network/v2.0/ports/{id}", "", "port", "Shows a port.", "port show",
     kPortOne},
    {"ports.update", "PUT", "/network/v2.0/ports/{id}", "port", "port", "Changes a port.",
     "port set", kPortSet},
    {"ports.delete", "DELETE", "/network/v2.0/ports/{id}", "", "", "Deletes a port.", "port delete",
     kPortMany},
    {"security_groups.create", "POST", "/network/v2.0/security-groups", "security_group",
     "security_group", "Makes a security group.", "security group create", kGroupCreate},
    {"security_groups.list", "GET", "/network/v2.0/security-groups", "", "security_groups",
     "Lists security groups.", "security group list", kListOfTagged},
    {"security_groups.show", "GET", "/network/v2.0/security-groups/{id}", "", "security_group",
     "Shows a security group.", "security group show", kGroupOne},
    {"security_groups.update", "PUT", "/network/v2.0/security-groups/{id}", "security_group",
     "security_group", "Changes a security group.", "security group set", kGroupSet},
    {"security_groups.delete", "DELETE", "/network/v2.0/security-groups/{id}", "", "",
     "Deletes a security group.", "security group delete", kGroupMany},
    {"security_group_rules.create", "POST", "/network/v2.0/security-group-rules",
     "security_group_rule", "security_group_rule", "Adds a rule to a security group.",
     "security group rule create", kRuleCreate},
    {"security_group_rules.list", "GET", "/network/v2.0/security-group-rules", "",
     "security_group_rules", "Lists rules of security groups.", "security group rule list",
     kRuleList},
    {"security_group_rules.show", "GET", "/network/v2.0/security-group-rules/{id}", "",
     "security_group_rule", "Shows a rule of a security group.", "security group rule show",
     kRuleOne},
    {"security_group_rules.delete", "DELETE", "/network/v2.0/security-group-rules/{id}", "", "",
     "Deletes rules of security groups.", "security group rule delete", kRuleMany},
    {"network_extensions.list", "GET", "/network/v2.0/extensions", "", "extensions",
     "Lists the extensions of the Network API.", "extension list", kPicked},
    {"network_extensions.show", "GET", "/network/v2.0/extensions/{alias}", "", "extension",
     "Shows an extension of the Network API.", "extension show", kExtensionOne},
    {"network_quotas.show", "GET", "/network/v2.0/quotas/{id}", "", "quota",
     "Shows a project's quota of networks.", "quota show", kQuota},
    {"network_quotas.show_default", "GET", "/network/v2.0/quotas/{id}/default", "", "quota",
     "Shows the quota of networks that projects begin with.", "quota show", kQuotaDefault},
    {"network_quotas.show_usage", "GET", "/network/v2.0/quotas/{id}/details", "", "quota",
     "Shows a project's quota of networks with what is used of it.", "quota show", kQuotaUsage},
    {"network_quotas.update", "PUT", "/network/v2.0/quotas/{id}", "quota", "quota",
     "Changes a project's quota of networks.", "quota set", kQuotaSet},
    {"network_quotas.delete", "DELETE", "/network/v2.0/quotas/{id}", "", "",
     "Gives a project the quotas again that projects begin with.", "quota delete", kQuota},
};

constexpr Column kNetworkColumns[] = {
    {"ID", "id"},
    {"Name", "name"},
    {"Status", "status", Look::Plain, {}, {}, true},
    {"Project", "project_id", Look::Plain, {}, {}, true},
    {"State", "admin_state_up", Look::State, {}, {}, true},
    {"Shared", "shared", Look::Plain, {}, {}, true},
    {"Subnets", "subnets"},
    {"Network Type", "provider:network_type", Look::Plain, {}, {}, true},
    {"Router Type", "router:external", Look::State, {}, {}, true},
    {"Availability Zones", "availability_zones", Look::Plain, {}, {}, true},
    {"Tags", "tags", Look::Plain, {}, {}, true},
};
constexpr Column kSubnetColumns[] = {
    {"ID", "id"},
    {"Name", "name"},
    {"Network", "network_id"},
    {"Subnet", "cidr"},
    {"Project", "project_id", Look::Plain, {}, {}, true},
    {"DHCP", "enable_dhcp", Look::Plain, {}, {}, true},
    {"Name Servers", "dns_nameservers", Look::Plain, {}, {}, true},
    {"Allocation Pools", "allocation_pools", Look::Pairs, {}, {}, true},
    {"Host Routes", "host_routes", Look::Pairs, {}, {}, true},
    {"IP Version", "ip_version", Look::Plain, {}, {}, true},
    {"Gateway", "gateway_ip", Look::Plain, {}, {}, true},
    {"Service Types", "service_types", Look::Plain, {}, {}, true},
    {"Tags", "tags", Look::Plain, {}, {}, true},
};
constexpr Column kPortColumns[] = {
    {"ID", "id"},
    {"Name", "name"},
    {"MAC Address", "mac_address"},
    {"Fixed IP Addresses", "fixed_ips", Look::Pairs},
    {"Status", "status"},
    {"Security Groups", "security_groups", Look::Plain, {}, {}, true},
    {"Device Owner", "device_owner", Look::Plain, {}, {}, true},
    {"Tags", "tags", Look::Plain, {}, {}, true},
};
constexpr Column kGroupColumns[] = {
    {"ID", "id"},
    {"Name", "name"},
    {"Description", "description"},
    {"Project", "project_id"},
    {"Tags", "tags"},
};
constexpr Column kRuleColumns[] = {
    {"ID", "id"},
    {"IP Protocol", "protocol"},
    {"Ethertype", "ethertype"},
    {"IP Range", "remote_ip_prefix"},
    {"Port Range", "port_range_min", Look::PortRange},
    {"Direction", "direction"},
    {"Remote Security Group", "remote_group_id"},
    {"Remote Address Group", "remote_address_group_id"},
    {"Security Group", "security_group_id"},
};
constexpr Column kExtensionColumns[] = {
    {"Name", "name"},
    {"Alias", "alias"},
    {"Description", "description"},
    {"Namespace", "namespace", Look::Plain, {}, {}, true},
    {"Updated", "updated", Look::Plain, {}, {}, true},
    {"Links", "links", Look::Plain, {}, {}, true},
};
constexpr Column kQuotaColumns[] = {
    {"Project ID", "project_id"},
    {"Floating IPs", "floatingip"},
    {"Networks", "network"},
    {"Ports", "port"},
    {"RBAC Policies", "rbac_policy"},
    {"Routers", "router"},
    {"Security Groups", "security_group"},
    {"Security Group Rules", "security_group_rule"},
    {"Subnets", "subnet"},
    {"Subnet Pools", "subnetpool"},
};

constexpr Noun kNetworkNouns[] = {
    {"networks", "network", "network", kNetworkColumns, "id", "name", "name", "ACTIVE", "ERROR"},
    {"subnets", "subnet", "network", kSubnetColumns, "id", "name", "name"},
    {"ports", "port", "network", kPortColumns, "id", "name", "name"},
    {"security_groups", "security group", "network", kGroupColumns, "id", "name", "name"},
    {"security_group_rules", "security group rule", "network", kRuleColumns, "id", ""},
    {"network_extensions", "network extension", "network", kExtensionColumns, "alias", "name"},
    {"network_quotas", "network quota", "network", kQuotaColumns, "", ""},
};

}  // namespace table::network

std::span<const Verb> network_verbs() {
  return table::network::kNetworkVerbs;
}
std::span<const Noun> network_nouns() {
  return table::network::kNetworkNouns;
}

}  // namespace cloudos::verbs

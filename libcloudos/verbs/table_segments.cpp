// Segments and their ranges, what groups begin with, a network by one command.
#include "verbs/table.hpp"

namespace cloudos::verbs {
namespace table::segments {

constexpr Parameter kOfNetwork = ref("network_id", "--network", "networks", "of this network");
constexpr Parameter kPhysical = text("physical_network", "--physical-network", "name of the wire");
constexpr Parameter kSegmentOne[] = {subject("SEGMENT", "network_segments")};
constexpr Parameter kSegmentMany[] = {subject("SEGMENT...", "network_segments")};
constexpr Parameter kSegmentCreate[] = {
    kItsName,
    must(ref("network_id", "--network", "networks", "network it is of")),
    must(text("network_type", "--network-type", "local, flat, vlan or vxlan")),
    kPhysical,
    number("segmentation_id", "--segment", "VLAN or tunnel id"),
    kDescription};
constexpr Parameter kSegmentSet[] = {subject("SEGMENT", "network_segments"), kNewName,
                                     kDescription};
constexpr Parameter kSegmentList[] = {kOfNetwork, kNamed, limit(), marker()};

constexpr Parameter kMinimum = number("minimum", "--minimum", "the first number");
constexpr Parameter kMaximum = number("maximum", "--maximum", "the last number");
constexpr Parameter kForAll = set("shared", "--shared", "true", "for every project (the default)");
constexpr Parameter kForOne = set("shared", "--private", "false", "for one project");
constexpr Parameter kRangeOne[] = {subject("RANGE", "network_segment_ranges")};
constexpr Parameter kRangeMany[] = {subject("RANGE...", "network_segment_ranges")};
constexpr Parameter kRangeCreate[] = {
    kItsName,
    must(text("network_type", "--network-type", "vlan or vxlan")),
    kPhysical,
    must(kMinimum),
    must(kMaximum),
    kForAll,
    kForOne,
    ref("project_id", "--project", "projects", "project that alone gets its numbers"),
    kDescription};
constexpr Parameter kRangeSet[] = {subject("RANGE", "network_segment_ranges"), kNewName, kMinimum,
                                   kMaximum, kDescription};
constexpr Parameter kRangeList[] = {
    kNamed, kOwned, text("network_type", "--network-type", "of this type"), limit(), marker()};

constexpr Parameter kRuleOne[] = {subject("RULE", "default_rules")};
constexpr Parameter kRuleMany[] = {subject("RULE...", "default_rules")};
constexpr Parameter kRuleCreate[] = {
    set("direction", "--ingress", "\"ingress\"", "for what comes in"),
    set("direction", "--egress", "\"egress\"", "for what goes out"),
    text("ethertype", "--ethertype", "IPv4 or IPv6"),
    text("protocol", "--protocol", "tcp, udp, icmp, ... or a number"),
    of(Kind::PortRange, "", "--dst-port", "port, or FIRST:LAST"),
    text("remote_ip_prefix", "--remote-ip", "addresses such as 10.0.0.0/24"),
    text("remote_group_id", "--remote-group", "id of a group, or PARENT: the new group itself"),
    ref("remote_address_group_id", "--remote-address-group", "address_groups",
        "group of addresses"),
    set("used_in_default_sg", "--for-default-sg", "true", "projects' default groups get it"),
    set("used_in_non_default_sg", "--for-custom-sg", "true", "other groups get it (the default)"),
    set("used_in_non_default_sg", "--not-for-custom-sg", "false", "other groups do not get it"),
    kDescription};
constexpr Parameter kRuleList[] = {text("protocol", "--protocol", "of this protocol"),
                                   set("direction", "--ingress", "\"ingress\"", "of what comes in"),
                                   set("direction", "--egress", "\"egress\"", "of what goes out")};

constexpr Parameter kSimpleCreate[] = {
    text("name", "--name", "its name (simple)"),
    text("cidr", "--range", "addresses of servers (10.0.0.0/24)"),
    of(Kind::TextList, "dns_nameservers", "--dns-nameserver", "a name server (repeat for more)"),
    set("open", "--closed", "false", "add no rules: nobody reaches servers"),
    text("physical_network", "--physical-network", "the wire outside, for floating addresses"),
    text("floating_cidr", "--floating-range", "floating addresses, such as 203.0.113.0/24"),
    text("floating_gateway", "--floating-gateway", "the router outside"),
    text("floating_first", "--floating-first", "the first of them that is ours"),
    text("floating_last", "--floating-last", "the last of them that is ours")};
constexpr Parameter kSimpleDelete[] = {kItsName};

constexpr Verb kSegmentVerbs[] = {
    {"network_segments.create", "POST", "/network/v2.0/segments", "segment", "segment",
     "Gives a network another segment.", "network segment create", kSegmentCreate},
    {"network_segments.list", "GET", "/network/v2.0/segments", "", "segments",
     "Lists segments of networks.", "network segment list", kSegmentList},
    {"network_segments.show", "GET", "/network/v2.0/segments/{id}", "", "segment",
     "Shows a segment of a network.", "network segment show", kSegmentOne},
    {"network_segments.update", "PUT", "/network/v2.0/segments/{id}", "segment", "segment",
     "Names a segment of a network.", "network segment set", kSegmentSet},
    {"network_segments.delete", "DELETE", "/network/v2.0/segments/{id}", "", "",
     "Takes a segment from its network.", "network segment delete", kSegmentMany},
    {"network_segment_ranges.create", "POST", "/network/v2.0/network_segment_ranges",
     "network_segment_range", "network_segment_range", "Makes a range of numbers of segments.",
     "network segment range create", kRangeCreate},
    {"network_segment_ranges.list", "GET", "/network/v2.0/network_segment_ranges", "",
     "network_segment_ranges", "Lists ranges of numbers of segments.", "network segment range list",
     kRangeList},
    {"network_segment_ranges.show", "GET", "/network/v2.0/network_segment_ranges/{id}", "",
     "network_segment_range", "Shows a range: what of it is used, and what is free.",
     "network segment range show", kRangeOne},
    {"network_segment_ranges.update", "PUT", "/network/v2.0/network_segment_ranges/{id}",
     "network_segment_range", "network_segment_range", "Changes a range of numbers of segments.",
     "network segment range set", kRangeSet},
    {"network_segment_ranges.delete", "DELETE", "/network/v2.0/network_segment_ranges/{id}", "", "",
     "Deletes a range of numbers of segments.", "network segment range delete", kRangeMany},
    {"default_rules.create", "POST", "/network/v2.0/default-security-group-rules",
     "default_security_group_rule", "default_security_group_rule",
     "Adds a rule that new security groups begin with.", "default security group rule create",
     kRuleCreate},
    {"default_rules.list", "GET", "/network/v2.0/default-security-group-rules", "",
     "default_security_group_rules", "Lists the rules that new security groups begin with.",
     "default security group rule list", kRuleList},
    {"default_rules.show", "GET", "/network/v2.0/default-security-group-rules/{id}", "",
     "default_security_group_rule", "Shows a rule that new security groups begin with.",
     "default security group rule show", kRuleOne},
    {"default_rules.delete", "DELETE", "/network/v2.0/default-security-group-rules/{id}", "", "",
     "Takes a rule away that new security groups begin with.", "default security group rule delete",
     kRuleMany},
    {"simple_networks.create", "POST", "/network/v2.0/simple-networks", "simple_network",
     "simple_network",
     "Makes what is missing of a network with DHCP, open groups and floating addresses.",
     "network simple create", kSimpleCreate},
    {"simple_networks.delete", "DELETE", "/network/v2.0/simple-networks/{name}", "", "",
     "Takes a simple network away, with its router and the way outside.", "network simple delete",
     kSimpleDelete},
};

constexpr Column kSegmentColumns[] = {{"ID", "id"},
                                      {"Name", "name"},
                                      {"Network", "network_id"},
                                      {"Network Type", "network_type"},
                                      {"Segment", "segmentation_id"},
                                      {"Physical Network", "physical_network", Look::Plain, {}, {},
                                       true}};
constexpr Column kRangeColumns[] = {{"ID", "id"},
                                    {"Name", "name"},
                                    {"Default", "default"},
                                    {"Shared", "shared"},
                                    {"Project ID", "project_id"},
                                    {"Network Type", "network_type"},
                                    {"Physical Network", "physical_network"},
                                    {"Minimum ID", "minimum"},
                                    {"Maximum ID", "maximum"},
                                    {"Used", "used", Look::Pairs, {}, {}, true},
                                    {"Available", "available", Look::Plain, {}, {}, true}};
constexpr Column kRuleColumns[] = {{"ID", "id"},
                                   {"IP Protocol", "protocol"},
                                   {"Ethertype", "ethertype"},
                                   {"IP Range", "remote_ip_prefix"},
                                   {"Port Range", "port_range_min", Look::PortRange},
                                   {"Direction", "direction"},
                                   {"Remote Security Group", "remote_group_id"},
                                   {"Used in default Security Group", "used_in_default_sg"},
                                   {"Used in custom Security Group", "used_in_non_default_sg"}};
constexpr Column kSimpleColumns[] = {{"Name", "name"}, {"Network", "network_id"}};

constexpr Noun kSegmentNouns[] = {
    {"network_segments", "network segment", "network", kSegmentColumns, "id", "name", "name"},
    {"network_segment_ranges", "network segment range", "network", kRangeColumns, "id", "name",
     "name"},
    {"default_rules", "default security group rule", "network", kRuleColumns, "id", ""},
    {"simple_networks", "network simple", "network", kSimpleColumns, "name", ""},
};

}  // namespace table::segments

std::span<const Verb> segment_verbs() {
  return table::segments::kSegmentVerbs;
}
std::span<const Noun> segment_nouns() {
  return table::segments::kSegmentNouns;
}

}  // namespace cloudos::verbs

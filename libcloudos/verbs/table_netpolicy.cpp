// Quality of service, grants, trunks, address groups, metering, used addresses.
#include "verbs/recipes.hpp"
#include "verbs/table.hpp"

namespace cloudos::verbs {
namespace table::netpolicy {

// ---- quality of service -------------------------------------------------------------------------

constexpr Parameter kDefaultPolicy =
    set("is_default", "--default", "true", "its project's new networks get it");
constexpr Parameter kNoDefaultPolicy =
    set("is_default", "--no-default", "false", "only those that ask for it get it");
constexpr Parameter kPolicyOne[] = {subject("POLICY", "qos_policies")};
constexpr Parameter kPolicyMany[] = {subject("POLICY...", "qos_policies")};
constexpr Parameter kPolicyCreate[] = {kItsName,
                                       kDescription,
                                       kShared,
                                       kUnshared,
                                       kDefaultPolicy,
                                       kNoDefaultPolicy,
                                       kOwner};
constexpr Parameter kPolicySet[] = {subject("POLICY", "qos_policies"),
                                    kNewName,
                                    kDescription,
                                    kShared,
                                    kUnshared,
                                    kDefaultPolicy,
                                    kNoDefaultPolicy};
constexpr Parameter kPolicyList[] = {
    kNamed, kOwned, kOnlyShared, kOnlyUnshared, limit(), marker()};

constexpr Parameter kOfPolicy = subject("POLICY", "qos_policies", "policy_id");
constexpr Parameter kRuleId = must(text("id", "--rule", "id of the rule"));
constexpr Parameter kMaxKbps = number("max_kbps", "--max-kbps", "kilobits a second");
constexpr Parameter kBurst = number("max_burst_kbps", "--max-burst-kbits", "kilobits at once");
constexpr Parameter kOut = set("direction", "--egress", "\"egress\"", "from the port");
constexpr Parameter kIn = set("direction", "--ingress", "\"ingress\"", "to the port");
constexpr Parameter kMark = number("dscp_mark", "--dscp-mark", "mark of what the port sends");
constexpr Parameter kLimitCreate[] = {kOfPolicy, must(kMaxKbps), kBurst, kOut, kIn};
constexpr Parameter kLimitSet[] = {kOfPolicy, kRuleId, kMaxKbps, kBurst, kOut, kIn};
constexpr Parameter kMarkCreate[] = {kOfPolicy, must(kMark)};
constexpr Parameter kMarkSet[] = {kOfPolicy, kRuleId, must(kMark)};
constexpr Parameter kMinKbps = number("min_kbps", "--min-kbps", "kilobits a second");
constexpr Parameter kMinimumCreate[] = {kOfPolicy, must(kMinKbps), kOut, kIn};
constexpr Parameter kMinimumSet[] = {kOfPolicy, kRuleId, kMinKbps, kOut, kIn};
constexpr Parameter kRulesOf[] = {kOfPolicy};
constexpr Parameter kRuleOf[] = {kOfPolicy, kRuleId};
constexpr Parameter kAnyKind =
    must(text("type", "--type", "bandwidth-limit, dscp-marking or minimum-bandwidth"));
constexpr Parameter kAnyCreate[] = {kOfPolicy, kAnyKind, kMaxKbps, kBurst, kMinKbps,
                                    kMark,     kOut,     kIn};
constexpr Parameter kRulePlace = word("id", "RULE", "id of the rule");
constexpr Parameter kAnySet[] = {kOfPolicy, kRulePlace, kMaxKbps, kBurst, kMinKbps,
                                 kMark,     kOut,       kIn};
constexpr Parameter kAnyOne[] = {kOfPolicy, kRulePlace};
constexpr Parameter kAnyMany[] = {kOfPolicy, word("id", "RULE...", "id of the rule")};
constexpr Parameter kRuleType[] = {word("type", "TYPE", "such as bandwidth_limit")};

// ---- grants -------------------------------------------------------------------------------------

constexpr Parameter kGrantOne[] = {subject("POLICY", "rbac_policies")};
constexpr Parameter kGrantMany[] = {subject("POLICY...", "rbac_policies")};
constexpr Parameter kTarget =
    ref("target_tenant", "--target-project", "projects", "project that gets it");
constexpr Parameter kTargetAll =
    set("target_tenant", "--target-all-projects", "\"*\"", "every project gets it");
constexpr Parameter kGrantCreate[] = {
    word("object_id", "OBJECT", "id of what is granted"),
    must(text("object_type", "--type",
              "network, qos_policy, security_group, address_scope, subnetpool or address_group")),
    must(text("action", "--action", "access_as_shared or access_as_external")), kTarget,
    kTargetAll, kOwner};
constexpr Parameter kGrantSet[] = {subject("POLICY", "rbac_policies"), kTarget, kTargetAll};
constexpr Parameter kGrantList[] = {text("object_type", "--type", "of things of this type"),
                                    text("action", "--action", "of this action"),
                                    ref("target_tenant", "--target-project", "projects",
                                        "to this project"),
                                    limit(), marker()};

// ---- trunks -------------------------------------------------------------------------------------

constexpr std::string_view kSubPortNames =
    "port:port_id segmentation-type:segmentation_type segmentation-id:segmentation_id";
constexpr Parameter kSubPorts = {
    "sub_ports", Kind::PairList,
    "--subport", "port=PORT,segmentation-type=vlan,segmentation-id=N (repeat for more)",
    "ports",     kSubPortNames};
constexpr Parameter kTrunkOne[] = {subject("TRUNK", "trunks")};
constexpr Parameter kTrunkMany[] = {subject("TRUNK...", "trunks")};
constexpr Parameter kTrunkCreate[] = {
    kItsName,
    must(ref("port_id", "--parent-port", "ports", "port whose device carries the others")),
    kSubPorts,
    kDescription,
    kUp,
    kDown,
    kOwner};
constexpr Parameter kSubPortsOf[] = {
    must(ref("id", "--trunk", "trunks", "trunk that carries them"))};
constexpr Parameter kTrunkSet[] = {subject("TRUNK", "trunks"), kNewName, kDescription, kUp, kDown};
constexpr Parameter kTrunkMore[] = {subject("TRUNK", "trunks"), must(kSubPorts)};
constexpr Parameter kTrunkLess[] = {
    subject("TRUNK", "trunks"),
    must(refs("sub_ports", "--subport", "ports", "port it carries (repeat for more)", "port_id"))};

// ---- address groups -----------------------------------------------------------------------------

constexpr Parameter kPrefixes =
    of(Kind::TextList, "addresses", "--address", "address or CIDR (repeat for more)");
constexpr Parameter kAddressesOne[] = {subject("GROUP", "address_groups")};
constexpr Parameter kAddressesMany[] = {subject("GROUP...", "address_groups")};
constexpr Parameter kAddressesCreate[] = {kItsName, kPrefixes, kDescription,
                                          kOwner};
constexpr Parameter kAddressesSet[] = {subject("GROUP", "address_groups"), kNewName, kDescription};
constexpr Parameter kAddressesChange[] = {subject("GROUP", "address_groups"), must(kPrefixes)};

// ---- metering -----------------------------------------------------------------------------------

constexpr Parameter kMeterOne[] = {subject("METER", "metering_labels")};
constexpr Parameter kMeterMany[] = {subject("METER...", "metering_labels")};
constexpr Parameter kMeterCreate[] = {kItsName, kDescription, kShared,
                                      kUnshared, kOwner};
constexpr Parameter kMeterRuleOne[] = {subject("RULE", "metering_rules")};
constexpr Parameter kMeterRuleMany[] = {subject("RULE...", "metering_rules")};
constexpr Parameter kMeterRuleCreate[] = {
    subject("METER", "metering_labels", "metering_label_id"),
    text("remote_ip_prefix", "--remote-ip-prefix", "other side, as CIDR"),
    text("source_ip_prefix", "--source-ip-prefix", "where it comes from, as CIDR"),
    text("destination_ip_prefix", "--destination-ip-prefix", "where it goes, as CIDR"),
    kOwner,
    set("direction", "--ingress", "\"ingress\"", "into the project (the default)"),
    set("direction", "--egress", "\"egress\"", "out of the project"),
    set("excluded", "--exclude", "true", "not counted"),
    set("excluded", "--include", "false", "counted (the default)")};
constexpr Parameter kMeterRuleList[] = {limit(), marker()};

// ---- addresses ----------------------------------------------------------------------------------

constexpr Parameter kAvailable[] = {subject("NETWORK", "networks")};
constexpr Parameter kAvailableList[] = {number("ip_version", "--ip-version", "4 or 6"), kOwned};

constexpr Verb kNetpolicyVerbs[] = {
    {"qos_policies.create", "POST", "/network/v2.0/qos/policies", "policy", "policy",
     "Makes a QoS policy.", "network qos policy create", kPolicyCreate},
    {"qos_policies.list", "GET", "/network/v2.0/qos/policies", "", "policies",
     "Lists QoS policies.", "network qos policy list", kPolicyList},
    {"qos_policies.show", "GET", "/network/v2.0/qos/policies/{id}", "", "policy",
     "Shows a QoS policy with its rules.", "network qos policy show", kPolicyOne},
    {"qos_policies.update", "PUT", "/network/v2.0/qos/policies/{id}", "policy", "policy",
     "Changes a QoS policy.", "network qos policy set", kPolicySet},
    {"qos_policies.delete", "DELETE", "/network/v2.0/qos/policies/{id}", "", "",
     "Deletes a QoS policy.", "network qos policy delete", kPolicyMany},
    {"qos_bandwidth_rules.create", "POST",
     "/network/v2.0/qos/policies/{policy_id}/bandwidth_limit_rules", "bandwidth_limit_rule",
     "bandwidth_limit_rule", "Limits the bandwidth of a policy's ports.",
     "", kLimitCreate},
    {"qos_bandwidth_rules.list", "GET",
     "/network/v2.0/qos/policies/{policy_id}/bandwidth_limit_rules", "", "bandwidth_limit_rules",
     "Lists a policy's limits of bandwidth.", "", kRulesOf},
    {"qos_bandwidth_rules.show", "GET",
     "/network/v2.0/qos/policies/{policy_id}/bandwidth_limit_rules/{id}", "",
     "bandwidth_limit_rule", "Shows a limit of bandwidth.", "",
     kRuleOf},
    {"qos_bandwidth_rules.update", "PUT",
     "/network/v2.0/qos/policies/{policy_id}/bandwidth_limit_rules/{id}", "bandwidth_limit_rule",
     "bandwidth_limit_rule", "Changes a limit of bandwidth.", "",
     kLimitSet},
    {"qos_bandwidth_rules.delete", "DELETE",
     "/network/v2.0/qos/policies/{policy_id}/bandwidth_limit_rules/{id}", "", "",
     "Deletes a limit of bandwidth.", "", kRuleOf},
    {"qos_dscp_rules.create", "POST", "/network/v2.0/qos/policies/{policy_id}/dscp_marking_rules",
     "dscp_marking_rule", "dscp_marking_rule", "Marks what a policy's ports send.",
     "", kMarkCreate},
    {"qos_dscp_rules.list", "GET", "/network/v2.0/qos/policies/{policy_id}/dscp_marking_rules", "",
     "dscp_marking_rules", "Lists a policy's marks.", "", kRulesOf},
    {"qos_dscp_rules.show", "GET", "/network/v2.0/qos/policies/{policy_id}/dscp_marking_rules/{id}",
     "", "dscp_marking_rule", "Shows a mark.", "", kRuleOf},
    {"qos_dscp_rules.update", "PUT",
     "/network/v2.0/qos/policies/{policy_id}/dscp_marking_rules/{id}", "dscp_marking_rule",
     "dscp_marking_rule", "Changes a mark.", "", kMarkSet},
    {"qos_dscp_rules.delete", "DELETE",
     "/network/v2.0/qos/policies/{policy_id}/dscp_marking_rules/{id}", "", "", "Deletes a mark.",
     "", kRuleOf},
    {"qos_minimum_rules.create", "POST",
     "/network/v2.0/qos/policies/{policy_id}/minimum_bandwidth_rules", "minimum_bandwidth_rule",
     "minimum_bandwidth_rule", "Notes a least bandwidth in a policy that no port may have then.",
     "", kMinimumCreate},
    {"qos_minimum_rules.list", "GET",
     "/network/v2.0/qos/policies/{policy_id}/minimum_bandwidth_rules", "",
     "minimum_bandwidth_rules", "Lists a policy's least bandwidths.",
     "", kRulesOf},
    {"qos_minimum_rules.show", "GET",
     "/network/v2.0/qos/policies/{policy_id}/minimum_bandwidth_rules/{id}", "",
     "minimum_bandwidth_rule", "Shows a least bandwidth.", "",
     kRuleOf},
    {"qos_minimum_rules.update", "PUT",
     "/network/v2.0/qos/policies/{policy_id}/minimum_bandwidth_rules/{id}",
     "minimum_bandwidth_rule", "minimum_bandwidth_rule", "Changes a least bandwidth.",
     "", kMinimumSet},
    {"qos_minimum_rules.delete", "DELETE",
     "/network/v2.0/qos/policies/{policy_id}/minimum_bandwidth_rules/{id}", "", "",
     "Deletes a least bandwidth.", "", kRuleOf},
    {"qos_rules.create", "POST", "", "", "", "Adds a rule to a QoS policy.",
     "network qos rule create", kAnyCreate, Style::Json, create_qos_rule},
    {"qos_rules.list", "GET", "", "", "", "Lists the rules of a QoS policy.",
     "network qos rule list", kRulesOf, Style::Json, list_qos_rules},
    {"qos_rules.show", "GET", "", "", "", "Shows a rule of a QoS policy.", "network qos rule show",
     kAnyOne, Style::Json, show_qos_rule},
    {"qos_rules.update", "PUT", "", "", "", "Changes a rule of a QoS policy.",
     "network qos rule set", kAnySet, Style::Json, update_qos_rule},
    {"qos_rules.delete", "DELETE", "", "", "", "Takes rules from a QoS policy.",
     "network qos rule delete", kAnyMany, Style::Json, delete_qos_rule},
    {"qos_rule_types.list", "GET", "/network/v2.0/qos/rule-types", "", "rule_types",
     "Lists the kinds of QoS rules that are enforced here.", "network qos rule type list"},
    {"qos_rule_types.show", "GET", "/network/v2.0/qos/rule-types/{type}", "", "rule_type",
     "Shows who enforces a kind of QoS rule.", "network qos rule type show", kRuleType},
    {"rbac_policies.create", "POST", "/network/v2.0/rbac-policies", "rbac_policy", "rbac_policy",
     "Grants a thing of one project to another.", "network rbac create", kGrantCreate},
    {"rbac_policies.list", "GET", "/network/v2.0/rbac-policies", "", "rbac_policies",
     "Lists grants.", "network rbac list", kGrantList},
    {"rbac_policies.show", "GET", "/network/v2.0/rbac-policies/{id}", "", "rbac_policy",
     "Shows a grant.", "network rbac show", kGrantOne},
    {"rbac_policies.update", "PUT", "/network/v2.0/rbac-policies/{id}", "rbac_policy",
     "rbac_policy", "Gives a grant to another project.", "network rbac set", kGrantSet},
    {"rbac_policies.delete", "DELETE", "/network/v2.0/rbac-policies/{id}", "", "",
     "Takes a grant back.", "network rbac delete", kGrantMany},
    {"trunks.create", "POST", "/network/v2.0/trunks", "trunk", "trunk", "Makes a trunk of a port.",
     "network trunk create", kTrunkCreate},
    {"trunks.list", "GET", "/network/v2.0/trunks", "", "trunks", "Lists trunks.",
     "network trunk list", kListOfNamed},
    {"trunks.show", "GET", "/network/v2.0/trunks/{id}", "", "trunk", "Shows a trunk.",
     "network trunk show", kTrunkOne},
    {"trunks.update", "PUT", "/network/v2.0/trunks/{id}", "trunk", "trunk", "Changes a trunk.",
     "network trunk set", kTrunkSet},
    {"trunks.delete", "DELETE", "/network/v2.0/trunks/{id}", "", "", "Deletes a trunk.",
     "network trunk delete", kTrunkMany},
    {"trunks.list_sub_ports", "GET", "/network/v2.0/trunks/{id}/get_subports", "", "sub_ports",
     "Lists the ports that a trunk carries.", "network subport list", kSubPortsOf},
    {"trunks.add_sub_ports", "PUT", "/network/v2.0/trunks/{id}/add_subports", "", "",
     "Gives a trunk sub-ports.", "network trunk set", kTrunkMore},
    {"trunks.remove_sub_ports", "PUT", "/network/v2.0/trunks/{id}/remove_subports", "", "",
     "Takes sub-ports from a trunk.", "network trunk unset", kTrunkLess},
    {"address_groups.create", "POST", "/network/v2.0/address-groups", "address_group",
     "address_group", "Makes an address group.", "address group create", kAddressesCreate},
    {"address_groups.list", "GET", "/network/v2.0/address-groups", "", "address_groups",
     "Lists address groups.", "address group list", kListOfNamed},
    {"address_groups.show", "GET", "/network/v2.0/address-groups/{id}", "", "address_group",
     "Shows an address group.", "address group show", kAddressesOne},
    {"address_groups.update", "PUT", "/network/v2.0/address-groups/{id}", "address_group",
     "address_group", "Changes an address group.", "address group set", kAddressesSet},
    {"address_groups.delete", "DELETE", "/network/v2.0/address-groups/{id}", "", "",
     "Deletes an address group.", "address group delete", kAddressesMany},
    {"address_groups.add_addresses", "PUT", "/network/v2.0/address-groups/{id}/add_addresses", "",
     "address_group", "Adds addresses to an address group.", "address group add", kAddressesChange},
    {"address_groups.remove_addresses", "PUT", "/network/v2.0/address-groups/{id}/remove_addresses",
     "", "address_group", "Takes addresses from an address group.", "address group unset",
     kAddressesChange},
    {"metering_labels.create", "POST", "/network/v2.0/metering/metering-labels", "metering_label",
     "metering_label", "Makes a label that traffic is counted under.", "network meter create",
     kMeterCreate},
    {"metering_labels.list", "GET", "/network/v2.0/metering/metering-labels", "", "metering_labels",
     "Lists labels of traffic.", "network meter list", kListOfNamed},
    {"metering_labels.show", "GET", "/network/v2.0/metering/metering-labels/{id}", "",
     "metering_label", "Shows a label of traffic.", "network meter show", kMeterOne},
    {"metering_labels.delete", "DELETE", "/network/v2.0/metering/metering-labels/{id}", "", "",
     "Deletes a label of traffic with its rules.", "network meter delete", kMeterMany},
    {"metering_rules.create", "POST", "/network/v2.0/metering/metering-label-rules",
     "metering_label_rule", "metering_label_rule", "Says what a label counts.",
     "network meter rule create", kMeterRuleCreate},
    {"metering_rules.list", "GET", "/network/v2.0/metering/metering-label-rules", "",
     "metering_label_rules", "Lists what labels count.", "network meter rule list", kMeterRuleList},
    {"metering_rules.show", "GET", "/network/v2.0/metering/metering-label-rules/{id}", "",
     "metering_label_rule", "Shows what a label counts.", "network meter rule show", kMeterRuleOne},
    {"metering_rules.delete", "DELETE", "/network/v2.0/metering/metering-label-rules/{id}", "", "",
     "Deletes a rule of a label.", "network meter rule delete", kMeterRuleMany},
    {"ip_availability.list", "GET", "/network/v2.0/network-ip-availabilities", "",
     "network_ip_availabilities", "Lists how many addresses of networks are used.",
     "ip availability list", kAvailableList},
    {"ip_availability.show", "GET", "/network/v2.0/network-ip-availabilities/{id}", "",
     "network_ip_availability", "Shows how many addresses of a network are used.",
     "ip availability show", kAvailable},
};

constexpr Column kPolicyColumns[] = {{"ID", "id"},
                                     {"Name", "name"},
                                     {"Shared", "shared"},
                                     {"Default", "is_default"},
                                     {"Project", "project_id"}};
constexpr Column kQosRuleColumns[] = {{"ID", "id"},
                                      {"QoS Policy ID", "qos_policy_id"},
                                      {"Type", "type"},
                                      {"Max Kbps", "max_kbps"},
                                      {"Max Burst Kbits", "max_burst_kbps"},
                                      {"Min Kbps", "min_kbps"},
                                      {"DSCP mark", "dscp_mark"},
                                      {"Direction", "direction"}};
constexpr Column kTypeColumns[] = {{"Type", "type"}};
constexpr Column kGrantColumns[] = {{"ID", "id"},
                                    {"Object Type", "object_type"},
                                    {"Object ID", "object_id"},
                                    {"Action", "action", Look::Plain, {}, {}, true},
                                    {"Target", "target_tenant", Look::Plain, {}, {}, true}};
constexpr Column kTrunkColumns[] = {{"ID", "id"},
                                    {"Name", "name"},
                                    {"Parent Port", "port_id"},
                                    {"Description", "description"},
                                    {"Status", "status", Look::Plain, {}, {}, true},
                                    {"State", "admin_state_up", Look::State, {}, {}, true},
                                    {"Created At", "created_at", Look::Plain, {}, {}, true},
                                    {"Updated At", "updated_at", Look::Plain, {}, {}, true}};
constexpr Column kSubPortColumns[] = {{"Port", "port_id"},
                                      {"Segmentation Type", "segmentation_type"},
                                      {"Segmentation ID", "segmentation_id"}};
constexpr Column kAddressesColumns[] = {{"ID", "id"},
                                        {"Name", "name"},
                                        {"Description", "description"},
                                        {"Project", "project_id"},
                                        {"Addresses", "addresses"}};
constexpr Column kMeterColumns[] = {
    {"ID", "id"}, {"Name", "name"}, {"Description", "description"}, {"Shared", "shared"}};
constexpr Column kMeterRuleColumns[] = {{"ID", "id"},
                                        {"Excluded", "excluded"},
                                        {"Direction", "direction"},
                                        {"Remote IP Prefix", "remote_ip_prefix"},
                                        {"Source IP Prefix", "source_ip_prefix"},
                                        {"Destination IP Prefix", "destination_ip_prefix"}};
constexpr Column kAvailableColumns[] = {{"Network ID", "network_id"},
                                        {"Network Name", "network_name"},
                                        {"Total IPs", "total_ips"},
                                        {"Used IPs", "used_ips"}};

constexpr Noun kNetpolicyNouns[] = {
    {"qos_policies", "network qos policy", "network", kPolicyColumns, "id", "name", "name"},
    {"qos_rules", "network qos rule", "network", kQosRuleColumns, "id", ""},
    {"qos_bandwidth_rules", "network qos bandwidth rule", "network", kQosRuleColumns, "id", ""},
    {"qos_dscp_rules", "network qos dscp rule", "network", kQosRuleColumns, "id", ""},
    {"qos_minimum_rules", "network qos minimum rule", "network", kQosRuleColumns, "id", ""},
    {"qos_rule_types", "network qos rule type", "network", kTypeColumns, "type", ""},
    {"rbac_policies", "network rbac", "network", kGrantColumns, "id", ""},
    {"trunks", "network trunk", "network", kTrunkColumns, "id", "name", "name"},
    {"sub_ports", "network subport", "network", kSubPortColumns, "port_id", ""},
    {"address_groups", "address group", "network", kAddressesColumns, "id", "name", "name"},
    {"metering_labels", "network meter", "network", kMeterColumns, "id", "name", "name"},
    {"metering_rules", "network meter rule", "network", kMeterRuleColumns, "id", ""},
    {"ip_availability", "ip availability", "network", kAvailableColumns, "network_id", ""},
};

}  // namespace table::netpolicy

std::span<const Verb> netpolicy_verbs() {
  return table::netpolicy::kNetpolicyVerbs;
}
std::span<const Noun> netpolicy_nouns() {
  return table::netpolicy::kNetpolicyNouns;
}

}  // namespace cloudos::verbs

#include "audit/resources.hpp"

#include <algorithm>

namespace cloudos::audit {
namespace {

constexpr Attached kAssignment[] = {
    {"user", 4}, {"group", 5}, {"project", 6}, {"domain", 7}, {"roles", 8, true}};
constexpr Attached kTrust[] = {{"trustor", 3}, {"trustee", 4}, {"roles", 6, true}};

// Identity's names are Keystone's own; the others follow them.
constexpr Resource kResources[] = {
    {"access_rule", "data/security/access_rule", 0, 0},
    {"address_group", "data/network/address_group", 4, 3},
    {"address_scope", "data/network/address_scope", 4, 3},
    {"application_credential", "data/security/application_credential", 4, 6},
    {"certificate", "data/security/certificate", 3, 4},
    {"consumer", "data/security/oauth_consumer", 0, 0},
    {"credential", "data/security/credential", 0, 8},
    {"default_rule_set", "data/network/default_security_group_rules", 0, 0},
    {"domain", "data/security/domain", 3, 0},
    {"domain_config", "data/security/domain_config", 0, 0},
    {"endpoint", "data/security/endpoint", 0, 0},
    {"endpoint_choice", "data/security/endpoint_filter", 0, 3},
    {"endpoint_group", "data/security/endpoint_group", 3, 0},
    {"flavor", "data/compute/flavor", 3, 0},
    {"floating_ip", "data/network/floatingip", 0, 3},
    {"grant", "data/security/role_assignment", 0, 6, kAssignment},
    {"group", "data/security/group", 3, 0},
    {"host", "data/compute/host", 4, 0},
    {"image", "data/storage/image", 3, 4},
    {"keypair", "data/compute/keypair", 5, 0},
    {"limit", "data/security/limit", 0, 3},
    {"metadef-namespace", "data/storage/metadef_namespace", 3, 8},
    {"metadef-resource-type", "data/storage/metadef_resource_type", 0, 0},
    {"metering_label", "data/network/metering_label", 4, 3},
    {"metering_rule", "data/network/metering_rule", 0, 3},
    {"network", "data/network/network", 4, 3},
    {"policy", "data/security/policy", 0, 0},
    {"policy_use", "data/security/policy_association", 0, 0},
    {"port", "data/network/port", 5, 3},
    {"port_forwarding", "data/network/port_forwarding", 0, 3},
    {"project", "data/security/project", 3, 1},
    {"qos_policy", "data/network/qos_policy", 4, 3},
    {"quota-limit", "data/compute/quota", 0, 0},
    {"rbac_policy", "data/network/rbac_policy", 0, 3},
    {"region", "data/security/region", 0, 0},
    {"registered_limit", "data/security/registered_limit", 0, 0},
    {"revocation", "data/security/token", 0, 0},
    {"role", "data/security/role", 3, 0},
    {"router", "data/network/router", 4, 3},
    {"security_group", "data/network/security_group", 4, 3},
    {"security_group_rule", "data/network/security_group_rule", 0, 3},
    {"segment_range", "data/network/network_segment_range", 4, 3},
    {"server", "data/compute/server", 5, 3},
    {"service", "data/security/service", 4, 0},
    {"subnet", "data/network/subnet", 5, 3},
    {"subnet_pool", "data/network/subnetpool", 4, 3},
    {"trunk", "data/network/trunk", 4, 3},
    {"trust", "data/security/trust", 0, 5, kTrust},
    {"user", "data/security/account/user", 3, 0},
};

}  // namespace

std::span<const Resource> resources() {
  return kResources;
}

const Resource* resource_of_kind(std::string_view kind) {
  const auto found = std::lower_bound(
      std::begin(kResources), std::end(kResources), kind,
      [](const Resource& row, std::string_view wanted) { return row.kind < wanted; });
  return found != std::end(kResources) && found->kind == kind ? found : nullptr;
}

const Resource* resource_of_key(std::string_view key, std::string_view& id) {
  // Most writes are of indexes and unique values.
  if (key.size() < 4 || key[0] != '/' || key.starts_with("/ix/") || key.starts_with("/ux/"))
    return nullptr;
  const auto slash = key.find('/', 1);
  if (slash == std::string_view::npos) return nullptr;
  id = key.substr(slash + 1);
  return resource_of_kind(key.substr(1, slash - 1));
}

}  // namespace cloudos::audit

#include "identity/policy.hpp"

namespace cloudos::identity {
namespace {

constexpr PolicyRow kNetworkPolicies[] = {
    {"create_network", Rule::Member},
    {"create_network:shared", Rule::Admin},
    {"create_network:router:external", Rule::Admin},
    {"create_network:provider", Rule::Admin},
    {"get_network", Rule::Reader},
    {"get_networks", Rule::Reader},
    {"update_network", Rule::Member},
    {"delete_network", Rule::Member},
    {"create_subnet", Rule::Member},
    {"get_subnet", Rule::Reader},
    {"get_subnets", Rule::Reader},
    {"update_subnet", Rule::Member},
    {"delete_subnet", Rule::Member},
    {"create_port", Rule::Member},
    {"create_port:binding", Rule::Admin},
    {"get_port", Rule::Reader},
    {"get_ports", Rule::Reader},
    {"update_port", Rule::Member},
    {"update_port:binding", Rule::Admin},
    {"delete_port", Rule::Member},
    {"create_security_group", Rule::Member},
    {"get_security_group", Rule::Reader},
    {"get_security_groups", Rule::Reader},
    {"update_security_group", Rule::Member},
    {"delete_security_group", Rule::Member},
    {"create_security_group_rule", Rule::Member},
    {"get_security_group_rule", Rule::Reader},
    {"get_security_group_rules", Rule::Reader},
    {"delete_security_group_rule", Rule::Member},
    {"get_extension", Rule::Anyone},
    {"get_extensions", Rule::Anyone},
    {"get_quota", Rule::Reader},
    {"get_quotas", Rule::Admin},
    {"get_quota_defaults", Rule::Reader},
    {"update_quota", Rule::Admin},
    {"delete_quota", Rule::Admin},
    {"get_agent", Rule::Admin},
    {"get_agents", Rule::Admin},
    {"get_availability_zones", Rule::Reader},
    {"get_service_providers", Rule::Reader},
};

}  // namespace

std::span<const PolicyRow> network_policies() { return kNetworkPolicies; }

}  // namespace cloudos::identity

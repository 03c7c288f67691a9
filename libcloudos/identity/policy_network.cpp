#include "identity/policy.hpp"

namespace cloudos::identity {
namespace {

constexpr PolicyRow kNetworkPolicies[] = {
    {"create_network", kMember},
    {"create_network:shared", kAdmin},
    {"create_network:router:external", kAdmin},
    {"create_network:provider", kAdmin},
    {"get_network", kReader},
    {"get_networks", kReader},
    {"update_network", kMember},
    {"delete_network", kMember},
    {"create_subnet", kMember},
    {"get_subnet", kReader},
    {"get_subnets", kReader},
    {"update_subnet", kMember},
    {"delete_subnet", kMember},
    {"create_port", kMember},
    {"create_port:binding", kAdmin},
    {"get_port", kReader},
    {"get_ports", kReader},
    {"update_port", kMember},
    {"update_port:binding", kAdmin},
    {"delete_port", kMember},
    {"create_security_group", kMember},
    {"get_security_group", kReader},
    {"get_security_groups", kReader},
    {"update_security_group", kMember},
    {"delete_security_group", kMember},
    {"create_security_group_rule", kMember},
    {"get_security_group_rule", kReader},
    {"get_security_group_rules", kReader},
    {"delete_security_group_rule", kMember},
    {"get_extension", kAnyone},
    {"get_extensions", kAnyone},
    {"get_quota", kReader},
    {"get_quotas", kAdmin},
    {"get_quota_defaults", kReader},
    {"update_quota", kAdmin},
    {"delete_quota", kAdmin},
    {"get_agent", kAdmin},
    {"get_agents", kAdmin},
    {"get_availability_zones", kReader},
    {"get_service_providers", kReader},
};

}  // namespace

std::span<const PolicyRow> network_policies() { return kNetworkPolicies; }

}  // namespace cloudos::identity

#include "identity/policy.hpp"

namespace cloudos::identity {
namespace {

constexpr PolicyRow kComputePolicies[] = {
    {"os_compute_api:servers:create", Rule::Member},
    {"os_compute_api:servers:create:forced_host", Rule::Admin},
    {"os_compute_api:servers:index", Rule::Reader},
    {"os_compute_api:servers:index:get_all_tenants", Rule::Admin},
    {"os_compute_api:servers:detail", Rule::Reader},
    {"os_compute_api:servers:detail:get_all_tenants", Rule::Admin},
    {"os_compute_api:servers:show", Rule::Reader},
    {"os_compute_api:servers:show:host_status", Rule::Admin},
    {"os_compute_api:servers:update", Rule::Member},
    {"os_compute_api:servers:delete", Rule::Member},
    {"os_compute_api:servers:start", Rule::Member},
    {"os_compute_api:servers:stop", Rule::Member},
    {"os_compute_api:servers:reboot", Rule::Member},
    {"os_compute_api:servers:action", Rule::Member},
    {"os_compute_api:os-console-output", Rule::Member},
    {"os_compute_api:ips:index", Rule::Reader},
    {"os_compute_api:ips:show", Rule::Reader},
    {"os_compute_api:server-metadata:index", Rule::Reader},
    {"os_compute_api:server-metadata:show", Rule::Reader},
    {"os_compute_api:server-metadata:create", Rule::Member},
    {"os_compute_api:server-metadata:update", Rule::Member},
    {"os_compute_api:server-metadata:update_all", Rule::Member},
    {"os_compute_api:server-metadata:delete", Rule::Member},
    {"os_compute_api:os-instance-actions:list", Rule::Reader},
    {"os_compute_api:os-instance-actions:show", Rule::Reader},
    {"os_compute_api:os-security-groups:list", Rule::Reader},
    {"os_compute_api:os-security-groups:add", Rule::Member},
    {"os_compute_api:os-security-groups:remove", Rule::Member},
    {"os_compute_api:os-attach-interfaces:list", Rule::Reader},
    {"os_compute_api:os-attach-interfaces:show", Rule::Reader},
    {"os_compute_api:os-attach-interfaces:create", Rule::Member},
    {"os_compute_api:os-attach-interfaces:delete", Rule::Member},
    {"os_compute_api:os-volumes-attachments:index", Rule::Reader},

    {"os_compute_api:flavors", Rule::Reader},
    {"os_compute_api:os-flavor-manage:create", Rule::Admin},
    {"os_compute_api:os-flavor-manage:update", Rule::Admin},
    {"os_compute_api:os-flavor-manage:delete", Rule::Admin},
    {"os_compute_api:os-flavor-extra-specs:index", Rule::Reader},
    {"os_compute_api:os-flavor-extra-specs:show", Rule::Reader},
    {"os_compute_api:os-flavor-extra-specs:create", Rule::Admin},
    {"os_compute_api:os-flavor-extra-specs:update", Rule::Admin},
    {"os_compute_api:os-flavor-extra-specs:delete", Rule::Admin},
    {"os_compute_api:os-flavor-access", Rule::Admin},
    {"os_compute_api:os-flavor-access:add_tenant_access", Rule::Admin},
    {"os_compute_api:os-flavor-access:remove_tenant_access", Rule::Admin},

    // Key pairs belong to users, who manage their own with any token.
    {"os_compute_api:os-keypairs:index", Rule::Self},
    {"os_compute_api:os-keypairs:show", Rule::Self},
    {"os_compute_api:os-keypairs:create", Rule::Self},
    {"os_compute_api:os-keypairs:delete", Rule::Self},

    {"os_compute_api:os-server-groups:index", Rule::Reader},
    {"os_compute_api:os-server-groups:show", Rule::Reader},
    {"os_compute_api:os-server-groups:create", Rule::Member},
    {"os_compute_api:os-server-groups:delete", Rule::Member},

    {"os_compute_api:limits", Rule::Reader},
    {"os_compute_api:os-quota-sets:show", Rule::Reader},
    {"os_compute_api:os-quota-sets:defaults", Rule::Anyone},
    {"os_compute_api:os-quota-sets:detail", Rule::Reader},
    {"os_compute_api:os-quota-sets:update", Rule::Admin},
    {"os_compute_api:os-quota-sets:delete", Rule::Admin},
    {"os_compute_api:os-simple-tenant-usage:list", Rule::Admin},
    {"os_compute_api:os-simple-tenant-usage:show", Rule::Reader},

    {"os_compute_api:extensions", Rule::Anyone},
    {"os_compute_api:os-availability-zone:list", Rule::Reader},
    {"os_compute_api:os-availability-zone:detail", Rule::Admin},
    {"os_compute_api:os-aggregates:index", Rule::Admin},
    {"os_compute_api:os-aggregates:show", Rule::Admin},
    {"os_compute_api:os-hosts:list", Rule::Admin},
    {"os_compute_api:os-hosts:show", Rule::Admin},
    {"os_compute_api:os-hypervisors:list", Rule::Admin},
    {"os_compute_api:os-hypervisors:list-detail", Rule::Admin},
    {"os_compute_api:os-hypervisors:show", Rule::Admin},
    {"os_compute_api:os-hypervisors:statistics", Rule::Admin},
    {"os_compute_api:os-hypervisors:search", Rule::Admin},
    {"os_compute_api:os-hypervisors:servers", Rule::Admin},
    {"os_compute_api:os-hypervisors:uptime", Rule::Admin},
    {"os_compute_api:os-services:list", Rule::Admin},
    {"os_compute_api:os-services:update", Rule::Admin},
    {"os_compute_api:os-services:delete", Rule::Admin},
    {"os_compute_api:os-migrations:index", Rule::Admin},
};

}  // namespace

std::span<const PolicyRow> compute_policies() { return kComputePolicies; }

}  // namespace cloudos::identity

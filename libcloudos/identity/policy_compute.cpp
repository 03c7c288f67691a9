#include "identity/policy.hpp"

namespace cloudos::identity {
namespace {

constexpr PolicyRow kComputePolicies[] = {
    {"os_compute_api:servers:create", kMember},
    {"os_compute_api:servers:create:forced_host", kAdmin},
    {"os_compute_api:servers:index", kReader},
    {"os_compute_api:servers:index:get_all_tenants", kAdmin},
    {"os_compute_api:servers:detail", kReader},
    {"os_compute_api:servers:detail:get_all_tenants", kAdmin},
    {"os_compute_api:servers:show", kReader},
    {"os_compute_api:servers:show:host_status", kAdmin},
    {"os_compute_api:servers:update", kMember},
    {"os_compute_api:servers:delete", kMember},
    {"os_compute_api:servers:start", kMember},
    {"os_compute_api:servers:stop", kMember},
    {"os_compute_api:servers:reboot", kMember},
    {"os_compute_api:servers:action", kMember},
    {"os_compute_api:os-console-output", kMember},
    {"os_compute_api:ips:index", kReader},
    {"os_compute_api:ips:show", kReader},
    {"os_compute_api:server-metadata:index", kReader},
    {"os_compute_api:server-metadata:show", kReader},
    {"os_compute_api:server-metadata:create", kMember},
    {"os_compute_api:server-metadata:update", kMember},
    {"os_compute_api:server-metadata:update_all", kMember},
    {"os_compute_api:server-metadata:delete", kMember},
    {"os_compute_api:os-instance-actions:list", kReader},
    {"os_compute_api:os-instance-actions:show", kReader},
    {"os_compute_api:os-security-groups:list", kReader},
    {"os_compute_api:os-security-groups:add", kMember},
    {"os_compute_api:os-security-groups:remove", kMember},
    {"os_compute_api:os-attach-interfaces:list", kReader},
    {"os_compute_api:os-attach-interfaces:show", kReader},
    {"os_compute_api:os-attach-interfaces:create", kMember},
    {"os_compute_api:os-attach-interfaces:delete", kMember},
    {"os_compute_api:os-volumes-attachments:index", kReader},

    {"os_compute_api:flavors", kReader},
    {"os_compute_api:os-flavor-manage:create", kAdmin},
    {"os_compute_api:os-flavor-manage:update", kAdmin},
    {"os_compute_api:os-flavor-manage:delete", kAdmin},
    {"os_compute_api:os-flavor-extra-specs:index", kReader},
    {"os_compute_api:os-flavor-extra-specs:show", kReader},
    {"os_compute_api:os-flavor-extra-specs:create", kAdmin},
    {"os_compute_api:os-flavor-extra-specs:update", kAdmin},
    {"os_compute_api:os-flavor-extra-specs:delete", kAdmin},
    {"os_compute_api:os-flavor-access", kAdmin},
    {"os_compute_api:os-flavor-access:add_tenant_access", kAdmin},
    {"os_compute_api:os-flavor-access:remove_tenant_access", kAdmin},

    // Key pairs belong to users, who manage their own with any token.
    {"os_compute_api:os-keypairs:index", kSelf},
    {"os_compute_api:os-keypairs:show", kSelf},
    {"os_compute_api:os-keypairs:create", kSelf},
    {"os_compute_api:os-keypairs:delete", kSelf},

    {"os_compute_api:os-server-groups:index", kReader},
    {"os_compute_api:os-server-groups:show", kReader},
    {"os_compute_api:os-server-groups:create", kMember},
    {"os_compute_api:os-server-groups:delete", kMember},

    {"os_compute_api:limits", kReader},
    {"os_compute_api:os-quota-sets:show", kReader},
    {"os_compute_api:os-quota-sets:defaults", kAnyone},
    {"os_compute_api:os-quota-sets:detail", kReader},
    {"os_compute_api:os-quota-sets:update", kAdmin},
    {"os_compute_api:os-quota-sets:delete", kAdmin},
    {"os_compute_api:os-simple-tenant-usage:list", kAdmin},
    {"os_compute_api:os-simple-tenant-usage:show", kReader},

    {"os_compute_api:extensions", kAnyone},
    {"os_compute_api:os-availability-zone:list", kReader},
    {"os_compute_api:os-availability-zone:detail", kAdmin},
    {"os_compute_api:os-aggregates:index", kAdmin},
    {"os_compute_api:os-aggregates:show", kAdmin},
    {"os_compute_api:os-hosts:list", kAdmin},
    {"os_compute_api:os-hosts:show", kAdmin},
    {"os_compute_api:os-hypervisors:list", kAdmin},
    {"os_compute_api:os-hypervisors:list-detail", kAdmin},
    {"os_compute_api:os-hypervisors:show", kAdmin},
    {"os_compute_api:os-hypervisors:statistics", kAdmin},
    {"os_compute_api:os-hypervisors:search", kAdmin},
    {"os_compute_api:os-hypervisors:servers", kAdmin},
    {"os_compute_api:os-hypervisors:uptime", kAdmin},
    {"os_compute_api:os-services:list", kAdmin},
    {"os_compute_api:os-services:update", kAdmin},
    {"os_compute_api:os-services:delete", kAdmin},
    {"os_compute_api:os-migrations:index", kAdmin},
};

}  // namespace

std::span<const PolicyRow> compute_policies() { return kComputePolicies; }

}  // namespace cloudos::identity

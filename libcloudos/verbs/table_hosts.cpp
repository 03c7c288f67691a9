// Hypervisors, compute services, zones, quotas and limits.
#include "verbs/recipes.hpp"
#include "verbs/table.hpp"

namespace cloudos::verbs {
namespace table::hosts {

constexpr Parameter kHypervisorOne[] = {subject("HYPERVISOR", "hypervisors")};
constexpr Parameter kHypervisorPart[] = {
    must(text("id", "--matching", "whose name contains this"))};
constexpr Parameter kHypervisorAny[] = {must(text("id", {}, "part of its name"))};

constexpr Parameter kServiceList[] = {text("host", "--host", "on this host"),
                                      text("binary", "--service", "of this program")};
constexpr Parameter kHost = word("host", "HOST", "name of the host");
constexpr Parameter kBinary = word("binary", "SERVICE", "nova-compute");
constexpr Parameter kEnable[] = {kHost, kBinary,
                                 must(set("", "--enable", "true", "take new servers"))};
constexpr Parameter kDisable[] = {kHost, kBinary,
                                  must(set("", "--disable", "true", "take no new servers"))};
constexpr Parameter kDisableWhy[] = {
    kHost, kBinary,
    must(text("disabled_reason", "--disable-reason", "take no new servers, and why"))};
constexpr Parameter kForce[] = {
    kHost,
    kBinary,
    set("forced_down", "--down", "true", "believe that it is down"),
    set("forced_down", "--up", "false", "believe what it says"),
};

constexpr Parameter kHostList[] = {text("zone", "--zone", "in this zone")};
constexpr Parameter kHostOne[] = {word("id", "HOST", "name of the host")};
constexpr Parameter kGroupOne[] = {must(text("id", {}, "id"))};
constexpr Parameter kPicked[] = {kOfCompute};
constexpr Parameter kExtensionOne[] = {word("alias", "ALIAS", "its alias"), must(kOfCompute)};

constexpr Parameter kQuotaSet[] = {
    kQuotaProject,
    number("instances", "--instances", "servers; -1 is no limit"),
    number("cores", "--cores", "processors"),
    number("ram", "--ram", "memory, MiB"),
    number("key_pairs", "--key-pairs", "key pairs"),
    number("server_groups", "--server-groups", "groups of servers"),
    number("server_group_members", "--server-group-members", "servers of a group"),
    set("force", "--force", "true", "even below what is used"),
};
constexpr Parameter kLimits[] = {
    set("", "--absolute", "true", "limits and what is used of them (the default)"),
    ref("tenant_id", "--project", "projects", "of this project"),
};

constexpr Verb kHostVerbs[] = {
    {"hypervisors.list_brief", "GET", "/compute/v2.1/os-hypervisors", "", "hypervisors",
     "Lists hypervisors by id and name.", ""},
    {"hypervisors.list", "GET", "/compute/v2.1/os-hypervisors/detail", "", "hypervisors",
     "Lists hypervisors.", "hypervisor list"},
    {"hypervisors.statistics", "GET", "/compute/v2.1/os-hypervisors/statistics", "",
     "hypervisor_statistics", "Adds up what all hypervisors have and use.",
     "hypervisor stats show"},
    {"hypervisors.show", "GET", "/compute/v2.1/os-hypervisors/{id}", "", "hypervisor",
     "Shows a hypervisor.", "hypervisor show", kHypervisorOne},
    {"hypervisors.search", "GET", "/compute/v2.1/os-hypervisors/{id}/search", "", "hypervisors",
     "Lists the hypervisors whose names contain a text.", "hypervisor list", kHypervisorPart},
    {"hypervisors.list_servers", "GET", "/compute/v2.1/os-hypervisors/{id}/servers", "",
     "hypervisors", "Lists hypervisors whose names contain a text, with their servers.", "",
     kHypervisorAny},
    {"hypervisors.uptime", "GET", "/compute/v2.1/os-hypervisors/{id}/uptime", "", "hypervisor",
     "Tells how long a hypervisor has been up, where it says so.", "", kHypervisorOne},

    {"compute_services.list", "GET", "/compute/v2.1/os-services", "", "services",
     "Lists the programs that run servers.", "compute service list", kServiceList},
    {"compute_services.enable", "PUT", "/compute/v2.1/os-services/enable", "", "service",
     "Lets a host take new servers.", "compute service set", kEnable},
    {"compute_services.disable", "PUT", "/compute/v2.1/os-services/disable", "", "service",
     "Keeps new servers from a host.", "compute service set", kDisable},
    {"compute_services.disable_with_reason", "PUT", "/compute/v2.1/os-services/disable-log-reason",
     "", "service", "Keeps new servers from a host, and says why.", "compute service set",
     kDisableWhy},
    {"compute_services.force_down", "PUT", "/compute/v2.1/os-services/force-down", "", "service",
     "Says that a host is down, whatever it says itself.", "compute service set", kForce},

    {"zones.list", "GET", "/compute/v2.1/os-availability-zone", "", "availabilityZoneInfo",
     "Lists availability zones.", "availability zone list", kPicked},
    {"zones.list_detail", "GET", "/compute/v2.1/os-availability-zone/detail", "",
     "availabilityZoneInfo", "Lists availability zones with their hosts.", ""},
    {"hosts.list", "GET", "/compute/v2.1/os-hosts", "", "hosts", "Lists hosts.", "host list",
     kHostList},
    {"host_resources.list", "GET", "/compute/v2.1/os-hosts/{id}", "", "host",
     "Shows what a host has and what is used of it.", "host show", kHostOne},
    {"aggregates.list", "GET", "/compute/v2.1/os-aggregates", "", "aggregates",
     "Lists aggregates of hosts.", "aggregate list"},

    {"limits.show", "GET", "/compute/v2.1/limits", "", "limits",
     "Shows what a project may have, and has.", "limits show", kLimits},
    {"quotas.list", "GET", "", "", "", "Lists the projects whose quotas of servers were set.",
     "quota list", kQuotasOfCompute, Style::Json, list_quotas},
    {"quotas.show", "GET", "/compute/v2.1/os-quota-sets/{id}", "", "quota_set",
     "Shows a project's quota of servers.", "quota show", kQuota},
    {"quotas.show_default", "GET", "/compute/v2.1/os-quota-sets/{id}/defaults", "", "quota_set",
     "Shows the quota of servers that projects begin with.", "quota show", kQuotaDefault},
    {"quotas.show_usage", "GET", "/compute/v2.1/os-quota-sets/{id}/detail", "", "quota_set",
     "Shows a project's quota of servers with what is used of it.", "quota show", kQuotaUsage},
    {"quotas.update", "PUT", "/compute/v2.1/os-quota-sets/{id}", "quota_set", "quota_set",
     "Changes a project's quota of servers.", "quota set", kQuotaSet},
    {"quotas.delete", "DELETE", "/compute/v2.1/os-quota-sets/{id}", "", "",
     "Gives a project the quota of servers again that projects begin with.", "quota delete",
     kQuota},
    {"extensions.list", "GET", "/compute/v2.1/extensions", "", "extensions",
     "Lists the extensions of the Compute API.", "extension list", kPicked},
    {"extensions.show", "GET", "/compute/v2.1/extensions/{alias}", "", "extension",
     "Shows an extension of the Compute API.", "extension show", kExtensionOne},
    {"compute_security_groups.list", "GET", "/compute/v2.1/os-security-groups", "",
     "security_groups", "Lists security groups as Compute's clients see them.", ""},
    {"compute_security_groups.show", "GET", "/compute/v2.1/os-security-groups/{id}", "",
     "security_group", "Shows a security group as Compute's clients see it.", "", kGroupOne},
};

}  // namespace table::hosts

std::span<const Verb> host_verbs() {
  return table::hosts::kHostVerbs;
}

}  // namespace cloudos::verbs

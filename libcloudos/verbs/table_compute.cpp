// Servers, flavors and key pairs.
#include "verbs/recipes.hpp"
#include "verbs/table.hpp"

namespace cloudos::verbs {
namespace table::compute {

constexpr Parameter kServerOne[] = {subject("SERVER", "servers")};
constexpr Parameter kServerMany[] = {subject("SERVER...", "servers")};
constexpr Parameter kServerCreate[] = {
    kItsName,
    must(ref("flavorRef", "--flavor", "flavors", "size of the server")),
    must(ref("imageRef", "--image", "images", "image to boot from")),
    {"networks", Kind::ObjectList, "--network", "network to join (repeat for more)", "networks",
     "uuid"},
    {"networks", Kind::ObjectList, "--port", "port to use (repeat for more)", "ports", "port"},
    {"networks",
     Kind::PairList,
     "--nic",
     "net-id=ID[,v4-fixed-ip=ADDR] or port-id=ID (repeat)",
     {},
     "net-id:uuid v4-fixed-ip:fixed_ip port-id:port"},
    text("key_name", "--key-name", "key pair for ssh"),
    of(Kind::ObjectList, "security_groups", "--security-group", "security group (repeat for more)",
       "name"),
    of(Kind::FileBase64, "user_data", "--user-data", "file for the guest's first boot"),
    of(Kind::Map, "metadata", "--property", "KEY=VALUE for the metadata (repeat for more)"),
    text("availability_zone", "--availability-zone", "zone to run in"),
    kDescription,
    of(Kind::Secret, "adminPass", "--password", "password to note for the guest"),
    number("min_count", "--min", "servers to make at least"),
    number("max_count", "--max", "servers to make at most"),
};
constexpr Parameter kServerUpdate[] = {
    subject("SERVER", "servers"),
    kNewName,
    kDescription,
};
constexpr Parameter kServerState[] = {subject("SERVER", "servers"),
                                      must(text("state", "--state", "active or error"))};
constexpr Parameter kServerMetadata[] = {
    subject("SERVER", "servers"),
    must(of(Kind::Members, "", "--property", "KEY=VALUE for the metadata (repeat for more)")),
};
constexpr Parameter kReplaceMetadata[] = {subject("SERVER", "servers"),
                                          of(Kind::Members, "", {}, "every item, KEY: VALUE")};
constexpr Parameter kServerItem[] = {
    subject("SERVER", "servers"),
    must(text("key", "--property", "KEY to take away (repeat for more)"))};
constexpr Parameter kServerItemSet[] = {subject("SERVER", "servers"), must(text("key", {}, "key")),
                                        of(Kind::Members, "", {}, "the item, KEY: VALUE")};
constexpr Parameter kServerList[] = {
    set("all_tenants", "--all-projects", "1", "of every project"),
    text("name", "--name", "whose name contains this"),
    text("status", "--status", "in this status"),
    text("host", "--host", "on this host"),
    ref("flavor", "--flavor", "flavors", "of this flavor"),
    ref("image", "--image", "images", "made from this image"),
    text("ip", "--ip", "whose address contains this"),
    text("ip6", "--ip6", "whose IPv6 address contains this"),
    text("reservation_id", "--reservation-id", "made by one request"),
    text("vm_state", "--vm-state", "building, active, stopped or error"),
    text("task_state", "--task-state", "doing this: spawning, deleting, ..."),
    number("power_state", "--power-state", "of this number: 1 runs, 4 is off"),
    ref("project_id", "--project", "projects", "of this project"),
    ref("user_id", "--user", "users", "made by this user"),
    text("availability_zone", "--availability-zone", "in this zone"),
    text("key_name", "--key-name", "with this key pair"),
    text("changes-since", "--changes-since", "changed since this time (ISO 8601)"),
    limit(),
    marker(),
};
constexpr Parameter kReboot[] = {
    subject("SERVER...", "servers"),
    {"type", Kind::Constant, "--hard", "power off and on", {}, "\"HARD\""},
    {"type", Kind::Constant, "--soft", "ask the guest (the default)", {}, "\"SOFT\""},
};
constexpr Parameter kConsole[] = {subject("SERVER", "servers"),
                                  number("length", "--lines", "last lines only")};
constexpr Parameter kServerGroup[] = {subject("SERVER", "servers"),
                                      word("name", "GROUP", "security group")};
constexpr Parameter kServerAddress[] = {
    subject("SERVER", "servers"), subject("ADDRESS", "floating_ips", "floating_id"),
    text("fixed_ip_address", "--fixed-ip-address", "address of the server that it leads to")};
constexpr Parameter kServerNoAddress[] = {subject("SERVER", "servers"),
                                          subject("ADDRESS", "floating_ips", "floating_id")};
constexpr Parameter kServerPort[] = {subject("SERVER", "servers"),
                                     must(ref("port_id", {}, "ports", "port"))};
constexpr Parameter kServerAttach[] = {
    subject("SERVER", "servers"), ref("port_id", {}, "ports", "port"),
    ref("net_id", {}, "networks", "network, for a new port"),
    of(Kind::PairList, "fixed_ips", {}, "its address", "ip-address:ip_address")};
constexpr Parameter kServerDetach[] = {subject("SERVER", "servers"),
                                       subject("PORT", "ports", "port_id")};
constexpr Parameter kServerNoNetwork[] = {subject("SERVER", "servers"),
                                          subject("NETWORK", "networks", "net_id")};
constexpr Parameter kServerNetwork[] = {subject("SERVER", "servers"),
                                        must(text("network_label", {}, "name of a network"))};

constexpr Parameter kFlavorOne[] = {subject("FLAVOR", "flavors")};
constexpr Parameter kFlavorMany[] = {subject("FLAVOR...", "flavors")};
constexpr Parameter kFlavorCreate[] = {
    kItsName,
    must(number("ram", "--ram", "memory, MiB")),
    must(number("disk", "--disk", "root disk, GiB")),
    must(number("vcpus", "--vcpus", "processors")),
    text("id", "--id", "id of your choice"),
    number("OS-FLV-EXT-DATA:ephemeral", "--ephemeral", "second disk, GiB"),
    number("swap", "--swap", "swap, MiB"),
    text("rxtx_factor", "--rxtx-factor", "share of the network"),
    set("os-flavor-access:is_public", "--public", "true", "for every project (the default)"),
    set("os-flavor-access:is_public", "--private", "false", "for chosen projects"),
};
constexpr Parameter kFlavorList[] = {
    set("is_public", "--public", "\"true\"", "only those for every project"),
    set("is_public", "--private", "\"false\"", "only those for chosen projects"),
    set("is_public", "--all", "\"None\"", "both"),
    number("minDisk", "--min-disk", "with that much disk, GiB"),
    number("minRam", "--min-ram", "with that much memory, MiB"),
    limit(),
    marker(),
};
constexpr Parameter kFlavorProject[] = {
    subject("FLAVOR", "flavors"),
    must(ref("tenant", "--project", "projects", "project that may use it"))};
constexpr Parameter kFlavorSpecs[] = {
    subject("FLAVOR", "flavors"),
    must(kProperties),
};
constexpr Parameter kFlavorSpec[] = {
    subject("FLAVOR", "flavors"),
    must(text("key", "--property", "KEY to take away (repeat for more)"))};
constexpr Parameter kFlavorSpecSet[] = {subject("FLAVOR", "flavors"), must(text("key", {}, "key")),
                                        of(Kind::Members, "", {}, "the item, KEY: VALUE")};

constexpr Parameter kKeypairOne[] = {subject("KEYPAIR", "keypairs"),
                                     ref("user_id", "--user", "users", "of this user"),
                                     set("", "--public-key", "true", "only the public key")};
constexpr Parameter kKeypairMany[] = {subject("KEYPAIR...", "keypairs"),
                                      ref("user_id", "--user", "users", "of this user")};
constexpr Parameter kKeypairCreate[] = {
    kItsName,
    of(Kind::FileText, "public_key", "--public-key",
       "file of the public key; without: a pair is made"),
    of(Kind::File, "", "--private-key", "new file for the private key of the pair"),
    text("type", "--type", "ssh"),
    ref("user_id", "--user", "users", "for this user"),
};
constexpr Parameter kKeypairList[] = {ref("user_id", "--user", "users", "of this user"), limit()};
constexpr Parameter kKeypairsOfProject[] = {
    must(ref("id", "--project", "projects", "of users that have a role on this project"))};

#define CLOUDOS_ACTION "/compute/v2.1/servers/{id}/action"
constexpr Verb kComputeVerbs[] = {
    {"servers.create", "POST", "/compute/v2.1/servers", "server", "server",
     "Makes a server; it is BUILD until it runs.", "server create", kServerCreate},
    {"servers.list_brief", "GET", "/compute/v2.1/servers", "", "servers",
     "Lists servers by id and name.", "", kServerList},
    {"servers.list", "GET", "/compute/v2.1/servers/detail", "", "servers", "Lists servers.",
     "server list", kServerList},
    {"servers.show", "GET", "/compute/v2.1/servers/{id}", "", "server", "Shows a server.",
     "server show", kServerOne},
    {"servers.update", "PUT", "/compute/v2.1/servers/{id}", "server", "server",
     "Changes a server's name or description.", "server set", kServerUpdate},
    {"servers.delete", "DELETE", "/compute/v2.1/servers/{id}", "", "", "Deletes a server.",
     "server delete", kServerMany},
    {"servers.start", "POST", CLOUDOS_ACTION, "os-start", "", "Starts a server that is off.",
     "server start", kServerMany},
    {"servers.stop", "POST", CLOUDOS_ACTION, "os-stop", "", "Shuts a server down.", "server stop",
     kServerMany},
    {"servers.reboot", "POST", CLOUDOS_ACTION, "reboot", "", "Starts a server anew.",
     "server reboot", kReboot},
    {"servers.lock", "POST", CLOUDOS_ACTION, "lock", "", "Keeps a server from being changed.",
     "server lock", kServerMany},
    {"servers.unlock", "POST", CLOUDOS_ACTION, "unlock", "", "Lets a server be changed again.",
     "server unlock", kServerMany},
    {"servers.console_output", "POST", CLOUDOS_ACTION, "os-getConsoleOutput", "output",
     "Gives what a server wrote to its serial console.", "console log show", kConsole},
    {"servers.reset_state", "POST", CLOUDOS_ACTION, "os-resetState", "",
     "Says in which state a server is, for admins.", "server set", kServerState},
    {"servers.add_security_group", "POST", CLOUDOS_ACTION, "addSecurityGroup", "",
     "Puts a server's ports into a security group.", "server add security group", kServerGroup},
    {"servers.remove_security_group", "POST", CLOUDOS_ACTION, "removeSecurityGroup", "",
     "Takes a server's ports out of a security group.", "server remove security group",
     kServerGroup},
    {"servers.add_floating_ip", "POST", "", "", "", "Lets a floating address lead to a server.",
     "server add floating ip", kServerAddress, Style::Json, add_floating_ip},
    {"servers.remove_floating_ip", "POST", "", "", "", "Lets a floating address lead nowhere.",
     "server remove floating ip", kServerNoAddress, Style::Json, remove_floating_ip},
    {"servers.list_addresses", "GET", "/compute/v2.1/servers/{id}/ips", "", "addresses",
     "Lists a server's addresses by network.", "", kServerOne},
    {"servers.show_addresses", "GET", "/compute/v2.1/servers/{id}/ips/{network_label}", "", "",
     "Lists a server's addresses on one network.", "", kServerNetwork},
    {"servers.list_metadata", "GET", "/compute/v2.1/servers/{id}/metadata", "", "metadata",
     "Gives a server's metadata.", "", kServerOne},
    {"servers.update_metadata", "POST", "/compute/v2.1/servers/{id}/metadata", "metadata",
     "metadata", "Adds to a server's metadata.", "server set", kServerMetadata},
    {"servers.replace_metadata", "PUT", "/compute/v2.1/servers/{id}/metadata", "metadata",
     "metadata", "Gives a server this metadata and no other.", "", kReplaceMetadata},
    {"servers.show_metadata_item", "GET", "/compute/v2.1/servers/{id}/metadata/{key}", "", "meta",
     "Gives an item of a server's metadata.", "", kServerItem},
    {"servers.set_metadata_item", "PUT", "/compute/v2.1/servers/{id}/metadata/{key}", "meta",
     "meta", "Sets an item of a server's metadata.", "", kServerItemSet},
    {"servers.delete_metadata_item", "DELETE", "/compute/v2.1/servers/{id}/metadata/{key}", "", "",
     "Takes an item from a server's metadata.", "server unset", kServerItem},
    {"servers.list_interfaces", "GET", "/compute/v2.1/servers/{id}/os-interface", "",
     "interfaceAttachments", "Lists what a server is connected to.", "", kServerOne},
    {"servers.show_interface", "GET", "/compute/v2.1/servers/{id}/os-interface/{port_id}", "",
     "interfaceAttachment", "Shows how a server is connected to a port.", "", kServerPort},
    {"servers.attach_interface", "POST", "/compute/v2.1/servers/{id}/os-interface",
     "interfaceAttachment", "interfaceAttachment", "Gives a server one more interface.", "",
     kServerAttach},
    {"servers.detach_interface", "DELETE", "/compute/v2.1/servers/{id}/os-interface/{port_id}", "",
     "", "Takes a port from a server.", "server remove port", kServerDetach},
    {"servers.detach_network", "DELETE", "", "", "", "Takes a server's ports on a network away.",
     "server remove network", kServerNoNetwork, Style::Json, detach_network},
    {"servers.list_security_groups", "GET", "/compute/v2.1/servers/{id}/os-security-groups", "",
     "security_groups", "Lists a server's security groups.", "", kServerOne},
    {"servers.list_volumes", "GET", "/compute/v2.1/servers/{id}/os-volume_attachments", "",
     "volumeAttachments", "Lists a server's volumes.", "", kServerOne},

    {"flavors.create", "POST", "/compute/v2.1/flavors", "flavor", "flavor", "Makes a flavor.",
     "flavor create", kFlavorCreate},
    {"flavors.list_brief", "GET", "/compute/v2.1/flavors", "", "flavors",
     "Lists flavors by id and name.", "", kFlavorList},
    {"flavors.list", "GET", "/compute/v2.1/flavors/detail", "", "flavors", "Lists flavors.",
     "flavor list", kFlavorList},
    {"flavors.show", "GET", "/compute/v2.1/flavors/{id}", "", "flavor", "Shows a flavor.",
     "flavor show", kFlavorOne},
    {"flavors.delete", "DELETE", "/compute/v2.1/flavors/{id}", "", "", "Deletes a flavor.",
     "flavor delete", kFlavorMany},
    {"flavors.list_access", "GET", "/compute/v2.1/flavors/{id}/os-flavor-access", "",
     "flavor_access", "Lists the projects that may use a private flavor.", "", kFlavorOne},
    {"flavors.add_access", "POST", "/compute/v2.1/flavors/{id}/action", "addTenantAccess",
     "flavor_access", "Lets a project use a private flavor.", "flavor set", kFlavorProject},
    {"flavors.remove_access", "POST", "/compute/v2.1/flavors/{id}/action", "removeTenantAccess",
     "flavor_access", "Lets a project use a private flavor no longer.", "flavor unset",
     kFlavorProject},
    {"flavors.list_extra_specs", "GET", "/compute/v2.1/flavors/{id}/os-extra_specs", "",
     "extra_specs", "Gives a flavor's properties.", "", kFlavorOne},
    {"flavors.add_extra_specs", "POST", "/compute/v2.1/flavors/{id}/os-extra_specs", "extra_specs",
     "extra_specs", "Adds to a flavor's properties.", "flavor set", kFlavorSpecs},
    {"flavors.show_extra_spec", "GET", "/compute/v2.1/flavors/{id}/os-extra_specs/{key}", "", "",
     "Gives a property of a flavor.", "", kFlavorSpec},
    {"flavors.set_extra_spec", "PUT", "/compute/v2.1/flavors/{id}/os-extra_specs/{key}", "", "",
     "Sets a property of a flavor.", "", kFlavorSpecSet},
    {"flavors.delete_extra_spec", "DELETE", "/compute/v2.1/flavors/{id}/os-extra_specs/{key}", "",
     "", "Takes a property from a flavor.", "flavor unset", kFlavorSpec},

    {"keypairs.create", "POST", "/compute/v2.1/os-keypairs", "keypair", "keypair",
     "Makes a key pair, or takes a public key.", "keypair create", kKeypairCreate},
    {"keypairs.list", "GET", "/compute/v2.1/os-keypairs", "", "keypairs", "Lists key pairs.",
     "keypair list", kKeypairList},
    {"projects.list_keypairs", "GET", "", "", "",
     "Lists the key pairs of users that have a role on a project.", "keypair list",
     kKeypairsOfProject, Style::Json, list_project_keypairs},
    {"keypairs.show", "GET", "/compute/v2.1/os-keypairs/{id}", "", "keypair", "Shows a key pair.",
     "keypair show", kKeypairOne},
    {"keypairs.delete", "DELETE", "/compute/v2.1/os-keypairs/{id}", "", "", "Deletes a key pair.",
     "keypair delete", kKeypairMany},
};
#undef CLOUDOS_ACTION

constexpr Column kServerColumns[] = {
    {"ID", "id"},
    {"Name", "name"},
    {"Status", "status"},
    {"Task State", "OS-EXT-STS:task_state", Look::Plain, {}, {}, true},
    {"Power State", "OS-EXT-STS:power_state", Look::Plain, {}, {}, true},
    {"Networks", "addresses", Look::Addresses},
    {"Image", "image", Look::NameOf, "images", "name", false, true},
    {"Image Name", "image", Look::NameOf, "images", "name", true},
    {"Image ID", "image.id", Look::Plain, {}, {}, true},
    {"Flavor", "flavor", Look::NameOf, "flavors", "name", false, true},
    {"Flavor Name", "flavor", Look::NameOf, "flavors", "name", true},
    {"Flavor ID", "flavor.id", Look::Plain, {}, {}, true},
    {"Availability Zone", "OS-EXT-AZ:availability_zone", Look::Plain, {}, {}, true},
    {"Host", "OS-EXT-SRV-ATTR:host", Look::Plain, {}, {}, true},
    {"Properties", "metadata", Look::Pairs, {}, {}, true},
};
constexpr Column kFlavorColumns[] = {
    {"ID", "id"},
    {"Name", "name"},
    {"RAM", "ram"},
    {"Disk", "disk"},
    {"Ephemeral", "OS-FLV-EXT-DATA:ephemeral"},
    {"VCPUs", "vcpus"},
    {"Is Public", "os-flavor-access:is_public"},
    {"Swap", "swap", Look::Plain, {}, {}, true},
    {"RXTX Factor", "rxtx_factor", Look::Plain, {}, {}, true},
};
constexpr Column kKeypairColumns[] = {
    {"Name", "name"}, {"Fingerprint", "fingerprint"}, {"Type", "type"}};
constexpr Column kHypervisorColumns[] = {
    {"ID", "id"},
    {"Hypervisor Hostname", "hypervisor_hostname"},
    {"Hypervisor Type", "hypervisor_type"},
    {"Host IP", "host_ip"},
    {"State", "state"},
    {"vCPUs Used", "vcpus_used", Look::Plain, {}, {}, true},
    {"vCPUs", "vcpus", Look::Plain, {}, {}, true},
    {"Memory MB Used", "memory_mb_used", Look::Plain, {}, {}, true},
    {"Memory MB", "memory_mb", Look::Plain, {}, {}, true},
};
constexpr Column kServiceColumns[] = {
    {"ID", "id"},
    {"Binary", "binary"},
    {"Host", "host"},
    {"Zone", "zone"},
    {"Status", "status"},
    {"State", "state"},
    {"Updated At", "updated_at"},
    {"Disabled Reason", "disabled_reason", Look::Plain, {}, {}, true},
    {"Forced Down", "forced_down", Look::Plain, {}, {}, true},
};
constexpr Column kZoneColumns[] = {{"Zone Name", "zoneName"},
                                   {"Zone Status", "zoneState.available", Look::State},
                                   {"Zone Resource", "resource", Look::Plain, {}, {}, true}};
constexpr Column kHostColumns[] = {
    {"Host Name", "host_name"}, {"Service", "service"}, {"Zone", "zone"}};
constexpr Column kHostShowColumns[] = {{"Host", "resource.host"},
                                       {"Project", "resource.project"},
                                       {"CPU", "resource.cpu"},
                                       {"Memory MB", "resource.memory_mb"},
                                       {"Disk GB", "resource.disk_gb"}};
constexpr Column kAggregateColumns[] = {
    {"ID", "id"},
    {"Name", "name"},
    {"Availability Zone", "availability_zone"},
    {"Properties", "metadata", Look::Pairs, {}, {}, true},
    {"Hosts", "hosts", Look::Plain, {}, {}, true},
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
    {"Cores", "cores"},
    {"Fixed IPs", "fixed_ips"},
    {"Injected Files", "injected_files"},
    {"Injected File Content Bytes", "injected_file_content_bytes"},
    {"Injected File Path Bytes", "injected_file_path_bytes"},
    {"Instances", "instances"},
    {"Key Pairs", "key_pairs"},
    {"Metadata Items", "metadata_items"},
    {"Ram", "ram"},
    {"Server Groups", "server_groups"},
    {"Server Group Members", "server_group_members"},
};

constexpr Noun kComputeNouns[] = {
    {"servers", "server", "compute", kServerColumns, "id", "name", "name", "ACTIVE", "ERROR"},
    {"flavors", "flavor", "compute", kFlavorColumns, "id", "name"},
    {"keypairs", "keypair", "compute", kKeypairColumns, "name", "name"},
    {"hypervisors", "hypervisor", "compute", kHypervisorColumns, "id", "hypervisor_hostname"},
    {"compute_services", "compute service", "compute", kServiceColumns, "id", ""},
    {"zones", "availability zone", "compute", kZoneColumns, "zoneName", ""},
    {"hosts", "host", "compute", kHostColumns, "host_name", "host_name"},
    {"host_resources", "host resource", "compute", kHostShowColumns, "", ""},
    {"aggregates", "aggregate", "compute", kAggregateColumns, "id", "name"},
    {"quotas", "quota", "compute", kQuotaColumns, "", ""},
    {"limits", "limits", "compute", {}, "", ""},
    {"extensions", "extension", "compute", kExtensionColumns, "alias", "name"},
    {"compute_security_groups", "compute security group", "compute", {}, "id", "name"},
};

}  // namespace table::compute

std::span<const Verb> compute_verbs() {
  return table::compute::kComputeVerbs;
}
std::span<const Noun> compute_nouns() {
  return table::compute::kComputeNouns;
}

}  // namespace cloudos::verbs

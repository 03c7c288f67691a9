#include <string>
#include <vector>

#include "base/text.hpp"
#include "cloudos/limits.hpp"
#include "config/import.hpp"

/// What other services' options become, or why they become nothing. The first row that fits counts.
namespace cloudos::config {
namespace {

using Converted = std::optional<std::string>;

constexpr std::string_view kNoBus =
    "there is no message bus: all services are one process and call each other directly";
constexpr std::string_view kNoDatabase =
    "there is no database server: the store is a file in the data folder";
constexpr std::string_view kNoServiceUsers =
    "services do not log in to each other: tokens are checked in the process";
constexpr std::string_view kNoCache = "there is no cache to set up: validation reads the store";
constexpr std::string_view kOnePort =
    "all services answer on one port, under paths; the catalogue tells clients. Set listen in "
    "[server]";
constexpr std::string_view kOneAddress =
    "the address is taken; the port is 5000 for all services: set listen in [server] otherwise";
constexpr std::string_view kNoWorkers =
    "there are no processes per service: threads are set by workers in [cloud] and io_threads in "
    "[server]";
constexpr std::string_view kQuotas =
    "quotas are kept in the cloud: set them for a project by the quota API";
constexpr std::string_view kNoWsgi = "there is no WSGI pipeline: every part is built in";
constexpr std::string_view kProxyHeaders =
    "links begin with public_url in [cloud], whatever headers a proxy adds";
constexpr std::string_view kLogPlace =
    "the log goes to stderr, or to file in [log]; journald and syslog take it from there";
constexpr std::string_view kLogLook = "lines look as format in [log] says";
constexpr std::string_view kNotPresent = "this cannot be set: the service does not have this part";
constexpr std::string_view kUpgrade =
    "the store has one owner: records of older versions are rewritten while the cloud serves";
constexpr std::string_view kAgents = "there are no agents: the process wires its own host";
constexpr std::string_view kOneDomain =
    "guests search names in one domain: openstacklocal, when none is named";
constexpr std::string_view kOneRouter = "a router is on one host, whole";
constexpr std::string_view kFilters =
    "filters, weighers and their settings are the program's: the usual ones are built in";
constexpr std::string_view kTokenKeys =
    "tokens are sealed with keys in the data folder's keys/, which are made by themselves";
constexpr std::string_view kSecretOnce =
    "there is no such token: the first admin's password is made at the first start";

constexpr std::string_view kOneListLimit = "all lists have one limit: set list_limit in [identity]";
constexpr std::string_view kNotifications =
    "every change is an event of the audit log: cloudos audit list";
constexpr std::string_view kStaging = "staged and converted data lies in the data folder";
constexpr std::string_view kStores =
    "more places for data are stores and store_weights in [image]; nothing is read from old "
    "folders: upload the images that you want to keep";
constexpr std::string_view kAllowed = "name those that are allowed, in [image]";

constexpr std::string_view kPolicyFile =
    "one file holds the rules of all services: put what cloudos policy check takes of this one there, "
    "and name it in full as policy_file of [identity]";

bool is_true(const std::string& value) {
  for (const std::string_view yes : {"true", "1", "yes", "on"})
    if (equals_ignore_case(value, yes)) return true;
  return false;
}

Converted debug_level(const std::string& value) { return is_true(value) ? "debug" : "info"; }
Converted yes_or_no(const std::string& value) { return is_true(value) ? "yes" : "no"; }
/// Negative ones are without limit there.
Converted count_to_128(const std::string& value) {
  const auto count = parse_unsigned(value);
  if (count && *count <= 128) return value;
  if (value.starts_with('-')) return "128";
  return std::nullopt;
}
Converted locations_to_most(const std::string& value) {
  const auto count = parse_unsigned(value);
  if (count && *count >= 1 && *count <= limits::kImageLocations) return value;
  if (value.starts_with('-')) return std::to_string(limits::kImageLocations);
  return std::nullopt;
}
Converted json_format(const std::string& value) { return is_true(value) ? "json" : "text"; }

Converted listen_address(const std::string& value) {
  if (value.empty()) return std::nullopt;
  return value.find(':') == value.npos ? value + ":5000" : "[" + value + "]:5000";
}

Converted compute_backend(const std::string& value) {
  if (value.find("libvirt") != value.npos) return "libvirt";
  if (value.find("fake") != value.npos) return "simulated";
  return std::nullopt;
}

Converted mechanism(const std::string& value) {
  for (const std::string_view name : split(value, ','))
    if (trim(name) == "linuxbridge") return "linuxbridge";
  return std::nullopt;
}

/// Those of ML2's types that are here, when all are.
Converted tenant_types(const std::string& value) {
  std::string types;
  for (const std::string_view part : split(value, ',')) {
    const std::string_view type = trim(part);
    if (type != "local" && type != "vlan" && type != "vxlan") return std::nullopt;
    types += (types.empty() ? "" : ", ") + std::string(type);
  }
  return types;
}
Converted not_empty(const std::string& value) {
  return value.empty() ? Converted() : Converted(value);
}

Converted uri(const std::string& value) {
  return value.empty() ? Converted() : Converted(value);
}

Converted bcrypt_cost(const std::string& value) {
  const auto cost = parse_unsigned(value);
  if (!cost || *cost < 4 || *cost > 16) return std::nullopt;
  return value;
}

/// The links of versions are made from it.
Converted without_version(const std::string& value) {
  std::string_view url = value;
  while (url.ends_with('/')) url.remove_suffix(1);
  for (const std::string_view version : {"/v3", "/v2.0"})
    if (url.ends_with(version)) url.remove_suffix(version.size());
  return std::string(url);
}

Converted absolute_path(const std::string& value) {
  return value.starts_with('/') ? Converted(value) : Converted();
}

/// There is a key, but no value can be taken over.
Converted no_value(const std::string&) { return std::nullopt; }
Converted seconds(const std::string& value) { return value + "s"; }
Converted minutes(const std::string& value) { return value + "m"; }
Converted whole_number(const std::string& value) {
  return parse_unsigned(value) ? Converted(value) : Converted();
}
/// bcrypt_sha256 is what bcrypt is here for passwords that bcrypt would cut.
Converted hash_algorithm(const std::string& value) {
  if (value == "bcrypt" || value == "bcrypt_sha256") return "bcrypt";
  return value == "scrypt" ? Converted(value) : Converted();
}

/// A list of Glance's: in brackets or not, and of one kind of space.
std::vector<std::string> bracketed(std::string_view value) {
  value = trim(value);
  if (value.starts_with('[') && value.ends_with(']')) value = value.substr(1, value.size() - 2);
  std::vector<std::string> items;
  for (const std::string_view part : split(value, ','))
    if (!trim(part).empty()) items.emplace_back(trim(part));
  return items;
}
std::string joined(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ", ") + item;
  return text;
}
Converted list_of_any(const std::string& value) {
  const auto items = bracketed(value);
  return items.empty() ? Converted() : Converted(joined(items));
}
Converted import_methods(const std::string& value) {
  const auto items = bracketed(value);
  for (const std::string& item : items)
    if (item != "glance-direct" && item != "web-download" && item != "copy-image" &&
        item != "glance-download")
      return std::nullopt;
  return items.empty() ? Converted() : Converted(joined(items));
}
Converted has_decompression(const std::string& value) {
  for (const std::string& plugin : bracketed(value))
    if (plugin == "image_decompression") return "yes";
  return "no";
}
/// Types of stores have an older name, too.
Converted store_types(const std::string& value) {
  std::vector<std::string> types;
  for (const std::string& type : bracketed(value)) {
    if (type != "file" && type != "filesystem" && type != "http") return std::nullopt;
    types.push_back(type == "http" ? type : "file");
  }
  return types.empty() ? Converted() : Converted(joined(types));
}

constexpr ImportRule no(Service service, std::string_view section, std::string_view name,
                        std::string_view why) {
  return {.service = service, .section = section, .name = name, .why = why};
}
constexpr ImportRule same(Service service, std::string_view section, std::string_view name,
                          std::string_view why) {
  return {.service = service, .section = section, .name = name, .why = why, .same = true};
}

/// What every service has of the libraries they share.
#define CLOUDOS_SHARED_RULES(S)                                                                   \
  {.service = S, .section = "DEFAULT", .name = "debug", .target = "log.level",                    \
   .convert = debug_level},                                                                       \
  {.service = S, .section = "DEFAULT", .name = "use_json", .target = "log.format",                \
   .convert = json_format},                                                                       \
  no(S, "DEFAULT", "log_file", kLogPlace), no(S, "DEFAULT", "log_dir", kLogPlace),                \
  no(S, "DEFAULT", "use_syslog", kLogPlace), no(S, "DEFAULT", "use_journal", kLogPlace),          \
  no(S, "DEFAULT", "use_stderr", kLogPlace), no(S, "DEFAULT", "syslog_log_facility", kLogPlace),  \
  no(S, "DEFAULT", "watch_log_file", kLogPlace), no(S, "DEFAULT", "log_config_append", kLogPlace),\
  no(S, "DEFAULT", "log_date_format", kLogLook), no(S, "DEFAULT", "default_log_levels",           \
     "rooms are named otherwise: set level in [log], as in info,tasks=debug"),                    \
  no(S, "DEFAULT", "logging_context_format_string", kLogLook),                                    \
  no(S, "DEFAULT", "logging_default_format_string", kLogLook),                                    \
  no(S, "DEFAULT", "logging_exception_prefix", kLogLook),                                         \
  no(S, "DEFAULT", "logging_debug_format_suffix", kLogLook),                                      \
  no(S, "DEFAULT", "logging_user_identity_format", kLogLook),                                     \
  no(S, "DEFAULT", "transport_url", kNoBus), no(S, "DEFAULT", "rpc_backend", kNoBus),             \
  no(S, "DEFAULT", "rpc_response_timeout", kNoBus), no(S, "DEFAULT", "control_exchange", kNoBus), \
  no(S, "DEFAULT", "rpc_workers", kNoBus), no(S, "DEFAULT", "executor_thread_pool_size", kNoBus), \
  no(S, "DEFAULT", "notification_driver", kNoBus), no(S, "DEFAULT", "auth_strategy",              \
     "every call needs a token"),                                                                 \
  no(S, "DEFAULT", "api_paste_config", kNoWsgi), no(S, "paste_deploy", "*", kNoWsgi),             \
  no(S, "DEFAULT", "state_path",                                                                  \
     "everything is in data_dir of [cloud], a new folder; nothing is read from the old one"),     \
  no(S, "DEFAULT", "enable_proxy_headers_parsing", kProxyHeaders),                                \
  no(S, "oslo_middleware", "enable_proxy_headers_parsing", kProxyHeaders),                        \
  no(S, "oslo_middleware", "max_request_body_size",                                               \
     "bodies that are read whole have a fixed limit of 1 MiB; images have none of this kind"),    \
  no(S, "oslo_messaging_rabbit", "*", kNoBus), no(S, "oslo_messaging_amqp", "*", kNoBus),         \
  no(S, "oslo_messaging_kafka", "*", kNoBus), no(S, "oslo_messaging_notifications", "*", kNoBus), \
  no(S, "oslo_concurrency", "*", "locks between processes are not needed: one process runs a "    \
                                 "data folder"),                                                  \
  no(S, "oslo_reports", "*", "a report of the state is logged on SIGUSR1"),                       \
  no(S, "oslo_limit", "*", kQuotas),                                                              \
  no(S, "database", "*", kNoDatabase), no(S, "keystone_authtoken", "*", kNoServiceUsers),         \
  no(S, "service_user", "*", kNoServiceUsers), no(S, "cache", "*", kNoCache),                     \
  no(S, "cors", "*", "browsers are answered through a proxy that adds these headers"),            \
  no(S, "healthcheck", "*", "/healthz and /readyz are built in"),                                 \
  no(S, "profiler", "*", "requests are followed by W3C traceparent headers"),                     \
  {.service = S, .section = "ssl", .name = "cert_file", .target = "tls.certificate"},             \
  {.service = S, .section = "ssl", .name = "key_file", .target = "tls.key"},                      \
  no(S, "ssl", "*", "certificates of clients are not asked for"),                                 \
  {.service = S, .section = "oslo_policy", .name = "policy_file",                                 \
   .target = "identity.policy_file",                                                              \
   .convert = (S) == Service::Keystone ? absolute_path : no_value, .why = kPolicyFile},           \
  no(S, "oslo_policy", "policy_dirs", "one file holds the rules: put them all there"),            \
  no(S, "oslo_policy", "enforce_scope", "rules say by themselves which scopes they take"),        \
  no(S, "oslo_policy", "enforce_new_defaults", "the rules are those in force today")

constexpr Service kNova = Service::Nova;
constexpr Service kNeutron = Service::Neutron;
constexpr Service kKeystone = Service::Keystone;
constexpr Service kGlance = Service::Glance;

constexpr ImportRule kRules[] = {
    CLOUDOS_SHARED_RULES(kNova),
    {.service = kNova, .section = "libvirt", .name = "virt_type", .target = "hypervisor.virt_type",
     .why = "guests are run by KVM or QEMU only"},
    {.service = kNova, .section = "libvirt", .name = "connection_uri",
     .target = "hypervisor.libvirt_uri", .convert = uri,
     .why = "empty: without it guests run by qemu:///embed"},
    {.service = kNova, .section = "DEFAULT", .name = "compute_driver",
     .target = "hypervisor.backend", .convert = compute_backend,
     .why = "of compute drivers there are libvirt and a simulated one"},
    {.service = kNova, .section = "DEFAULT", .name = "host", .target = "hypervisor.host_names"},
    {.service = kNova, .section = "DEFAULT", .name = "osapi_compute_listen",
     .target = "server.listen", .convert = listen_address, .why = kOneAddress},
    {.service = kNova, .section = "wsgi", .name = "ssl_cert_file", .target = "tls.certificate"},
    {.service = kNova, .section = "wsgi", .name = "ssl_key_file", .target = "tls.key"},
    no(kNova, "wsgi", "*", kNoWsgi),
    no(kNova, "DEFAULT", "osapi_compute_listen_port", kOnePort),
    no(kNova, "DEFAULT", "metadata_listen",
       "metadata is served inside each network, at 169.254.169.254"),
    no(kNova, "DEFAULT", "metadata_listen_port",
       "metadata is served inside each network, at 169.254.169.254"),
    no(kNova, "DEFAULT", "metadata_workers", kNoWorkers),
    no(kNova, "DEFAULT", "osapi_compute_workers", kNoWorkers),
    no(kNova, "DEFAULT", "enabled_apis", "compute in [services] says if there is a Compute API"),
    no(kNova, "DEFAULT", "enabled_ssl_apis", "with a certificate in [tls] every service is by TLS"),
    {.service = kNova, .section = "DEFAULT", .name = "dhcp_domain",
     .target = "network.dns_domain", .convert = not_empty, .why = kOneDomain},
    no(kNova, "DEFAULT", "my_ip", "one host: nothing else connects to it by this address"),
    no(kNova, "DEFAULT", "my_block_storage_ip", "one host: nothing connects to it by this address"),
    no(kNova, "DEFAULT", "instances_path", "disks are in servers/ of the data folder"),
    no(kNova, "DEFAULT", "instance_name_template",
       "guests are named by the ids of their servers"),
    no(kNova, "DEFAULT", "pybasedir", "everything is in data_dir of [cloud], and the program"),
    no(kNova, "DEFAULT", "use_neutron", "networks are always Neutron's"),
    no(kNova, "DEFAULT", "linuxnet_interface_driver", "ports are wired by the network service"),
    no(kNova, "DEFAULT", "firewall_driver", "security groups are the network service's"),
    no(kNova, "DEFAULT", "vif_plugging_timeout", "a boot waits for its ports in the process"),
    no(kNova, "DEFAULT", "vif_plugging_is_fatal", "a port that cannot be wired fails the boot"),
    no(kNova, "DEFAULT", "cpu_allocation_ratio", "the ratio is fixed: 16 processors for each one"),
    no(kNova, "DEFAULT", "initial_cpu_allocation_ratio",
       "the ratio is fixed: 16 processors for each one"),
    no(kNova, "DEFAULT", "ram_allocation_ratio", "the ratio is fixed: 1.5"),
    no(kNova, "DEFAULT", "initial_ram_allocation_ratio", "the ratio is fixed: 1.5"),
    no(kNova, "DEFAULT", "disk_allocation_ratio", "the ratio is fixed: 1.0"),
    no(kNova, "DEFAULT", "initial_disk_allocation_ratio", "the ratio is fixed: 1.0"),
    no(kNova, "DEFAULT", "reserved_host_memory_mb", "nothing is reserved for the host"),
    no(kNova, "DEFAULT", "reserved_host_disk_mb", "nothing is reserved for the host"),
    no(kNova, "DEFAULT", "reserved_host_cpus", "nothing is reserved for the host"),
    {.service = kNova, .section = "DEFAULT", .name = "resume_guests_state_on_host_boot",
     .target = "compute.resume_guests_state_on_host_boot", .convert = yes_or_no},
    no(kNova, "DEFAULT", "force_config_drive", "there are no config drives: metadata is by HTTP"),
    no(kNova, "DEFAULT", "config_drive_format", "there are no config drives: metadata is by HTTP"),
    no(kNova, "DEFAULT", "force_raw_images", "images are used as they are, as a disk's backing"),
    no(kNova, "DEFAULT", "use_cow_images", "disks are always qcow2 over their image"),
    no(kNova, "DEFAULT", "default_availability_zone",
       "a server that names no zone may go to a host of any zone"),
    no(kNova, "DEFAULT", "allow_resize_to_same_host", kNotPresent),
    no(kNova, "DEFAULT", "scheduler_driver", kFilters),
    no(kNova, "DEFAULT", "scheduler_default_filters", kFilters),
    no(kNova, "filter_scheduler", "*", kFilters),
    no(kNova, "scheduler", "*", kFilters),
    no(kNova, "quota", "*", kQuotas),
    no(kNova, "api_database", "*", kNoDatabase),
    no(kNova, "placement_database", "*", kNoDatabase),
    no(kNova, "placement", "*", kNoServiceUsers),
    no(kNova, "neutron", "*", kNoServiceUsers),
    no(kNova, "glance", "*", "images are in the same process and folder"),
    no(kNova, "cinder", "*", "there is no block storage service"),
    no(kNova, "barbican", "*", "there is no key manager"),
    no(kNova, "key_manager", "*", "there is no key manager"),
    no(kNova, "ironic", "*", "there are no bare-metal hosts"),
    no(kNova, "vnc", "*", "there are no graphical consoles; the console's text is in its log"),
    no(kNova, "spice", "*", "there are no graphical consoles; the console's text is in its log"),
    no(kNova, "serial_console", "*", "the console is a log, not a connection"),
    no(kNova, "rdp", "*", "there are no graphical consoles; the console's text is in its log"),
    no(kNova, "conductor", "*", "there is no conductor: the process itself writes its store"),
    no(kNova, "upgrade_levels", "*", kUpgrade),
    no(kNova, "workarounds", "*", "these are for parts that are not here"),
    no(kNova, "notifications", "*", kNoBus),
    no(kNova, "libvirt", "cpu_mode", "the processor of guests is chosen by the machine's kind"),
    no(kNova, "libvirt", "cpu_models", "the processor of guests is chosen by the machine's kind"),
    no(kNova, "libvirt", "images_type", "disks are qcow2 files over their image"),
    no(kNova, "libvirt", "*", "this detail of guests cannot be set"),
    {.service = kNova, .section = "api", .name = "dhcp_domain",
     .target = "network.dns_domain", .convert = not_empty, .why = kOneDomain},
    no(kNova, "api", "*", "the Compute API has no such switches"),
    no(kNova, "compute", "*", "this detail of the host cannot be set"),
    no(kNova, "pci", "*", "there are no passed-through devices"),
    no(kNova, "devices", "*", "there are no passed-through devices"),

    CLOUDOS_SHARED_RULES(kNeutron),
    {.service = kNeutron, .section = "ml2", .name = "mechanism_drivers",
     .target = "network.backend", .convert = mechanism,
     .why = "of mechanism drivers there is linuxbridge, or one of your own in your own program"},
    {.service = kNeutron, .section = "linux_bridge", .name = "bridge_mappings",
     .target = "network.bridge_mappings"},
    {.service = kNeutron, .section = "ml2", .name = "tenant_network_types",
     .target = "network.tenant_network_types", .convert = tenant_types,
     .why = "projects' networks are local, vlan or vxlan"},
    {.service = kNeutron, .section = "ml2_type_flat", .name = "flat_networks",
     .target = "network.flat_networks", .convert = not_empty,
     .why = "no flat networks: leave bridge_mappings empty"},
    {.service = kNeutron, .section = "ml2_type_vlan", .name = "network_vlan_ranges",
     .target = "network.network_vlan_ranges", .convert = not_empty,
     .why = "without ranges every tag of each of bridge_mappings is given out"},
    {.service = kNeutron, .section = "ml2_type_vxlan", .name = "vni_ranges",
     .target = "network.vni_ranges", .convert = not_empty,
     .why = "without ranges numbers from 1 to 65535 are given out"},
    {.service = kNeutron, .section = "vxlan", .name = "local_ip",
     .target = "network.tunnel_address", .convert = not_empty,
     .why = "without an address vxlan networks stay on their host"},
    {.service = kNeutron, .section = "DEFAULT", .name = "host", .target = "network.host",
     .convert = not_empty, .why = "without a name it is the one host there is"},
    {.service = kNeutron, .section = "DEFAULT", .name = "global_physnet_mtu",
     .target = "network.mtu"},
    {.service = kNeutron, .section = "ml2", .name = "path_mtu", .target = "network.mtu",
     .why = "one number says what links between hosts carry"},
    {.service = kNeutron, .section = "DEFAULT", .name = "bind_host", .target = "server.listen",
     .convert = listen_address, .why = kOneAddress},
    no(kNeutron, "DEFAULT", "bind_port", kOnePort),
    same(kNeutron, "DEFAULT", "core_plugin", "networks are ML2's: types and mechanisms"),
    same(kNeutron, "DEFAULT", "service_plugins",
         "routers, QoS, trunks, metering, segments and tags are built in"),
    no(kNeutron, "DEFAULT", "api_workers", kNoWorkers),
    same(kNeutron, "DEFAULT", "allow_overlapping_ips", "subnets of different networks may overlap"),
    no(kNeutron, "DEFAULT", "dhcp_agents_per_network", kAgents),
    no(kNeutron, "DEFAULT", "network_scheduler_driver", kAgents),
    no(kNeutron, "DEFAULT", "agent_down_time", kAgents),
    no(kNeutron, "DEFAULT", "dhcp_lease_duration", "how long an address is leased is fixed"),
    {.service = kNeutron, .section = "DEFAULT", .name = "dns_domain",
     .target = "network.dns_domain", .convert = not_empty, .why = kOneDomain},
    no(kNeutron, "DEFAULT", "base_mac", "MACs begin with fa:16:3e"),
    same(kNeutron, "DEFAULT", "notify_nova_on_port_status_changes",
         "compute sees ports in the same store"),
    same(kNeutron, "DEFAULT", "notify_nova_on_port_data_changes",
         "compute sees ports in the same store"),
    no(kNeutron, "DEFAULT", "nova_metadata_host", "metadata is answered in the process"),
    no(kNeutron, "DEFAULT", "metadata_proxy_shared_secret", "metadata is answered in the process"),
    no(kNeutron, "DEFAULT", "interface_driver", "the linuxbridge backend wires ports"),
    no(kNeutron, "DEFAULT", "dhcp_driver", "DHCP is dnsmasq's, one for each network"),
    no(kNeutron, "DEFAULT", "dnsmasq_dns_servers",
       "name servers are a subnet's: set dns_nameservers there"),
    same(kNeutron, "experimental", "linuxbridge", "the linuxbridge backend is there"),
    no(kNeutron, "DEFAULT", "enable_isolated_metadata", "metadata is there in every network"),
    no(kNeutron, "DEFAULT", "l3_ha", kOneRouter),
    no(kNeutron, "DEFAULT", "max_l3_agents_per_router", kOneRouter),
    no(kNeutron, "DEFAULT", "router_distributed", kOneRouter),
    no(kNeutron, "DEFAULT", "external_network_bridge",
       "external networks name their physical network: map it in bridge_mappings of [network]"),
    no(kNeutron, "linux_bridge", "physical_interface_mappings",
       "bridges of physical networks are yours: make one over the interface and name it in "
       "bridge_mappings of [network]"),
    same(kNeutron, "ml2", "type_drivers", "local, flat, vlan and vxlan are all there"),
    no(kNeutron, "ml2", "extension_drivers", "port security is built in, others are not there"),
    no(kNeutron, "ml2", "*", "this detail of ML2 cannot be set"),
    no(kNeutron, "ml2_type_vxlan", "*", "tunnels know where ports are: there are no groups"),
    no(kNeutron, "ml2_type_gre", "*", "there are no gre networks"),
    no(kNeutron, "ml2_type_geneve", "*", "there are no geneve networks"),
    same(kNeutron, "vxlan", "enable_vxlan", "vxlan networks are there where the kernel has them"),
    same(kNeutron, "vxlan", "l2_population", "tunnels know where ports are"),
    no(kNeutron, "vxlan", "*", "this detail of tunnels cannot be set"),
    no(kNeutron, "ovs", "*", "there is no Open vSwitch"),
    no(kNeutron, "ovn", "*", "there is no OVN"),
    no(kNeutron, "securitygroup", "*", "security groups are always on, by nftables"),
    no(kNeutron, "quotas", "*", kQuotas),
    no(kNeutron, "nova", "*", kNoServiceUsers),
    no(kNeutron, "placement", "*", kNoServiceUsers),
    no(kNeutron, "agent", "*", kAgents),

    CLOUDOS_SHARED_RULES(kKeystone),
    {.service = kKeystone, .section = "token", .name = "expiration",
     .target = "identity.token_lifetime", .convert = seconds},
    {.service = kKeystone, .section = "identity", .name = "password_hash_rounds",
     .target = "identity.password_cost", .convert = bcrypt_cost,
     .why = "bcrypt's cost is 4 to 16; rounds of other algorithms are no such number"},
    {.service = kKeystone, .section = "DEFAULT", .name = "public_endpoint",
     .target = "cloud.public_url", .convert = without_version},
    {.service = kKeystone, .section = "eventlet_server", .name = "public_bind_host",
     .target = "server.listen", .convert = listen_address, .why = kOneAddress},
    no(kKeystone, "eventlet_server", "*", kOnePort),
    same(kKeystone, "token", "provider", "tokens are sealed, not stored"),
    no(kKeystone, "token", "*", "tokens are sealed, not stored; there is nothing to tune"),
    no(kKeystone, "fernet_tokens", "*", kTokenKeys),
    no(kKeystone, "fernet_receipts", "*", "receipts are sealed by the keys of tokens"),
    {.service = kKeystone, .section = "credential", .name = "auth_ttl",
     .target = "identity.signature_lifetime", .convert = minutes},
    no(kKeystone, "credential", "*", "credentials are sealed by keys/credentials"),
    no(kKeystone, "identity", "list_limit", kOneListLimit),
    no(kKeystone, "identity", "caching", kNoCache),
    no(kKeystone, "identity", "cache_time", kNoCache),
    same(kKeystone, "identity", "default_domain_id", "the first domain is 'default'"),
    no(kKeystone, "identity", "driver", "users are in the store; directories (LDAP) are not read"),
    {.service = kKeystone, .section = "identity", .name = "password_hash_algorithm",
     .target = "identity.password_algorithm", .convert = hash_algorithm,
     .why = "passwords are hashed by bcrypt, scrypt or argon2id"},
    no(kKeystone, "identity", "max_password_length", "passwords have at most 4096 bytes"),
    no(kKeystone, "identity", "*", "users are in the store; directories (LDAP) are not read"),
    no(kKeystone, "ldap", "*", "users are in the store; directories (LDAP) are not read"),
    no(kKeystone, "assignment", "list_limit", kOneListLimit),
    no(kKeystone, "assignment", "*", "there is one driver: the store"),
    no(kKeystone, "resource", "list_limit", kOneListLimit),
    no(kKeystone, "resource", "*", "there is one driver: the store"),
    no(kKeystone, "role", "*", "there is one driver: the store"),
    no(kKeystone, "catalog", "list_limit", kOneListLimit),
    no(kKeystone, "catalog", "*", "the catalogue is in the store"),
    {.service = kKeystone, .section = "DEFAULT", .name = "list_limit",
     .target = "identity.list_limit", .convert = whole_number, .why = "must be a whole number"},
    {.service = kKeystone, .section = "endpoint_filter",
     .name = "return_all_endpoints_if_no_filter",
     .target = "identity.return_all_endpoints_if_no_filter", .convert = yes_or_no},
    no(kKeystone, "endpoint_filter", "*", "there is one driver: the store"),
    no(kKeystone, "endpoint_policy", "*", "there is one driver: the store"),
    {.service = kKeystone, .section = "unified_limit", .name = "enforcement_model",
     .target = "identity.limit_model"},
    no(kKeystone, "unified_limit", "*", "limits are in the store"),
    no(kKeystone, "receipt", "*", "a receipt of a login in two steps is good for five minutes"),
    no(kKeystone, "application_credential", "*",
       "a user has at most 1000 application credentials"),
    no(kKeystone, "access_rules_config", "*", "access rules are the users' own, in the store"),
    no(kKeystone, "jwt_tokens", "*", kTokenKeys),
    no(kKeystone, "oauth1", "*", "there is no login by OAuth"),
    no(kKeystone, "oauth2", "*", "there is no login by OAuth"),
    no(kKeystone, "policy", "*", "there is one driver: the store"),
    no(kKeystone, "domain_config", "*", "there is one driver: the store"),
    no(kKeystone, "wsgi", "*", kNoWsgi),
    no(kKeystone, "shadow_users", "*", "there is no federated login"),
    no(kKeystone, "mapped", "*", "there is no federated login"),
    no(kKeystone, "DEFAULT", "notification_format", kNotifications),
    no(kKeystone, "DEFAULT", "notification_opt_out", kNotifications),
    no(kKeystone, "DEFAULT", "max_param_size", "names and ids have fixed limits"),
    no(kKeystone, "DEFAULT", "max_token_size", "names and ids have fixed limits"),
    no(kKeystone, "federation", "*", "there is no federated login"),
    no(kKeystone, "saml", "*", "there is no federated login"),
    no(kKeystone, "auth", "*", "every method of login that there is is on"),
    {.service = kKeystone, .section = "security_compliance", .name = "lockout_failure_attempts",
     .target = "security_compliance.lockout_failure_attempts", .convert = whole_number,
     .why = "must be a whole number"},
    {.service = kKeystone, .section = "security_compliance",
     .name = "disable_user_account_days_inactive",
     .target = "security_compliance.disable_user_account_days_inactive", .convert = whole_number,
     .why = "must be a whole number"},
    {.service = kKeystone, .section = "security_compliance", .name = "password_expires_days",
     .target = "security_compliance.password_expires_days", .convert = whole_number,
     .why = "must be a whole number"},
    {.service = kKeystone, .section = "security_compliance", .name = "minimum_password_age",
     .target = "security_compliance.minimum_password_age", .convert = whole_number,
     .why = "must be a whole number"},
    {.service = kKeystone, .section = "security_compliance", .name = "unique_last_password_count",
     .target = "security_compliance.unique_last_password_count", .convert = whole_number,
     .why = "must be a whole number"},
    {.service = kKeystone, .section = "security_compliance", .name = "password_regex",
     .target = "security_compliance.password_regex"},
    {.service = kKeystone, .section = "security_compliance", .name = "password_regex_description",
     .target = "security_compliance.password_regex_description"},
    {.service = kKeystone, .section = "security_compliance", .name = "lockout_duration",
     .target = "security_compliance.lockout_duration", .convert = seconds},
    {.service = kKeystone, .section = "security_compliance",
     .name = "change_password_upon_first_use",
     .target = "security_compliance.change_password_upon_first_use", .convert = yes_or_no},
    {.service = kKeystone, .section = "totp", .name = "included_previous_windows",
     .target = "identity.totp_previous_windows", .convert = whole_number,
     .why = "must be a whole number"},
    no(kKeystone, "security_compliance", "*", "passwords are asked for nothing of that kind"),
    no(kKeystone, "trust", "*", "trusts may be handed on three times"),
    no(kKeystone, "revoke", "*", "revoked tokens are refused at once"),
    no(kKeystone, "memcache", "*", kNoCache),
    no(kKeystone, "DEFAULT", "admin_token", kSecretOnce),
    no(kKeystone, "DEFAULT", "admin_endpoint", "there is one endpoint for everybody"),
    no(kKeystone, "DEFAULT", "max_project_tree_depth", "projects nest five levels deep"),
    no(kKeystone, "DEFAULT", "insecure_debug", "errors never tell callers more than they may know"),

    CLOUDOS_SHARED_RULES(kGlance),
    {.service = kGlance, .section = "DEFAULT", .name = "bind_host", .target = "server.listen",
     .convert = listen_address, .why = kOneAddress},
    no(kGlance, "DEFAULT", "bind_port", kOnePort),
    no(kGlance, "DEFAULT", "workers", kNoWorkers),
    no(kGlance, "DEFAULT", "backlog", "the queue of connections is as long as the system allows"),
    no(kGlance, "DEFAULT", "public_endpoint", "set public_url in [cloud] for all services"),
    no(kGlance, "DEFAULT", "registry_host", "there is no registry: images are in the store"),
    no(kGlance, "DEFAULT", "registry_port", "there is no registry: images are in the store"),
    no(kGlance, "DEFAULT", "image_size_cap", "an upload has at most 1 TiB"),
    no(kGlance, "DEFAULT", "user_storage_quota", kQuotas),
    no(kGlance, "DEFAULT", "use_keystone_limits", kQuotas),
    {.service = kGlance, .section = "DEFAULT", .name = "image_member_quota",
     .target = "image.member_quota", .convert = count_to_128,
     .why = "an image has at most 128 of them"},
    {.service = kGlance, .section = "DEFAULT", .name = "image_property_quota",
     .target = "image.property_quota", .convert = count_to_128,
     .why = "an image has at most 128 of them"},
    {.service = kGlance, .section = "DEFAULT", .name = "image_tag_quota",
     .target = "image.tag_quota", .convert = count_to_128,
     .why = "an image has at most 128 of them"},
    {.service = kGlance, .section = "DEFAULT", .name = "property_protection_file",
     .target = "image.property_protection_file", .convert = absolute_path,
     .why = "name it in full as property_protection_file of [image]"},
    {.service = kGlance, .section = "DEFAULT", .name = "property_protection_rule_format",
     .target = "image.property_protection_rule_format"},
    {.service = kGlance, .section = "DEFAULT", .name = "show_image_direct_url",
     .target = "image.show_image_direct_url", .convert = yes_or_no},
    {.service = kGlance, .section = "DEFAULT", .name = "show_multiple_locations",
     .target = "image.show_multiple_locations", .convert = yes_or_no},
    {.service = kGlance, .section = "DEFAULT", .name = "image_location_quota",
     .target = "image.location_quota", .convert = locations_to_most,
     .why = "an image has data in at least one place and at most 10"},
    {.service = kGlance, .section = "DEFAULT", .name = "enabled_import_methods",
     .target = "image.import_methods", .convert = import_methods,
     .why = "of methods name those that are here in import_methods of [image]"},
    {.service = kGlance, .section = "DEFAULT", .name = "delayed_delete",
     .target = "image.delayed_delete", .convert = yes_or_no},
    {.service = kGlance, .section = "DEFAULT", .name = "scrub_time",
     .target = "image.scrub_time", .convert = seconds},
    {.service = kGlance, .section = "DEFAULT", .name = "location_strategy",
     .target = "image.location_strategy"},
    {.service = kGlance, .section = "store_type_location_strategy",
     .name = "store_type_preference", .target = "image.store_type_preference",
     .convert = store_types, .why = "of types of stores there are file and http"},
    {.service = kGlance, .section = "DEFAULT", .name = "image_cache_max_size",
     .target = "image.cache_size"},
    {.service = kGlance, .section = "image_cache", .name = "image_cache_max_size",
     .target = "image.cache_size"},
    {.service = kGlance, .section = "image_format", .name = "require_image_format_match",
     .target = "image.require_format_match", .convert = yes_or_no},
    {.service = kGlance, .section = "image_conversion", .name = "output_format",
     .target = "image.conversion_format"},
    {.service = kGlance, .section = "taskflow_executor", .name = "conversion_format",
     .target = "image.conversion_format"},
    {.service = kGlance, .section = "image_import_opts", .name = "image_import_plugins",
     .target = "image.decompress", .convert = has_decompression},
    {.service = kGlance, .section = "inject_metadata_properties", .name = "inject",
     .target = "image.inject_properties"},
    {.service = kGlance, .section = "inject_metadata_properties", .name = "ignore_user_roles",
     .target = "image.inject_not_for", .convert = list_of_any, .why = "it names no role"},
    {.service = kGlance, .section = "import_filtering_opts", .name = "allowed_schemes",
     .target = "image.web_schemes", .convert = list_of_any, .why = kAllowed},
    {.service = kGlance, .section = "import_filtering_opts", .name = "allowed_ports",
     .target = "image.web_ports", .convert = list_of_any, .why = kAllowed},
    {.service = kGlance, .section = "import_filtering_opts", .name = "allowed_hosts",
     .target = "image.web_allowed_hosts", .convert = list_of_any, .why = kAllowed},
    {.service = kGlance, .section = "import_filtering_opts", .name = "disallowed_hosts",
     .target = "image.web_denied_hosts", .convert = list_of_any,
     .why = "it names none"},
    {.service = kGlance, .section = "glance_download_properties", .name = "extra_properties",
     .target = "image.download_properties", .convert = list_of_any, .why = "it names none"},
    no(kGlance, "import_filtering_opts", "*", kAllowed),
    no(kGlance, "DEFAULT", "enabled_backends", kStores),
    no(kGlance, "*", "filesystem_store_datadir", kStores),
    no(kGlance, "*", "filesystem_store_datadirs", kStores),
    no(kGlance, "*", "filesystem_store_metadata_file", kStores),
    no(kGlance, "*", "filesystem_store_file_perm", "permissions of the files are fixed"),
    no(kGlance, "glance_store", "*", kStores),
    no(kGlance, "DEFAULT", "node_staging_uri", kStaging),
    no(kGlance, "DEFAULT", "worker_self_reference_url", "staged data is in the one data folder"),
    no(kGlance, "DEFAULT", "image_cache_dir", "the cache is in the data folder"),
    no(kGlance, "DEFAULT", "cache_prefetcher_interval",
       "images are brought into the cache when they are asked for: cloudos cached image queue"),
    no(kGlance, "image_cache", "*", "the cache is in the data folder, and clears itself"),
    no(kGlance, "image_format", "*", "formats are inspected: raw, qcow2 and others by their header"),
    no(kGlance, "task", "work_dir", kStaging),
    no(kGlance, "task", "*", "tasks run in the process, and their history is bounded"),
    no(kGlance, "taskflow_executor", "*", "tasks run in the process, and their history is bounded"),
    no(kGlance, "wsgi", "*", kNoWsgi),
    no(kGlance, "DEFAULT", "digest_algorithm", "signatures name their own digest"),
    no(kGlance, "DEFAULT", "hashing_algorithm", "data is hashed by SHA-512, and MD5"),
    no(kGlance, "DEFAULT", "metadata_encryption_key", "locations hold no passwords"),
    no(kGlance, "DEFAULT", "limit_param_default", "pages have fixed limits"),
    no(kGlance, "DEFAULT", "api_limit_max", "pages have fixed limits"),
};
#undef CLOUDOS_SHARED_RULES

}  // namespace

std::span<const ImportRule> import_rules() { return kRules; }

}  // namespace cloudos::config

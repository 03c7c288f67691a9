#include "nouns.hpp"

#include "base/assert.hpp"

namespace cli {
namespace {

constexpr Column kServerColumns[] = {
    {"ID", "id"},
    {"Name", "name"},
    {"Status", "status"},
    {"Networks", "addresses", Look::Addresses},
    {"Image", "image", Look::NameOf, "image"},
    {"Flavor", "flavor", Look::NameOf, "flavor"},
};
constexpr OptionSpec kServerOptions[] = {
    {"--image", Kind::Reference, "imageRef", "image to boot from", {}, "image", true},
    {"--flavor", Kind::Reference, "flavorRef", "size of the server", {}, "flavor", true},
    {"--network", Kind::ObjectList, "networks", "network to join (repeat for more)", "uuid",
     "network"},
    {"--port", Kind::ObjectList, "networks", "port to use (repeat for more)", "port", "port"},
    {"--key-name", Kind::Text, "key_name", "key pair for ssh"},
    {"--security-group", Kind::ObjectList, "security_groups", "security group (repeat for more)",
     "name"},
    {"--user-data", Kind::FileBase64, "user_data", "file for the guest's first boot"},
    {"--property", Kind::Map, "metadata", "KEY=VALUE for the metadata (repeat for more)"},
    {"--availability-zone", Kind::Text, "availability_zone", "zone to run in"},
    {"--min", Kind::Integer, "min_count", "servers to make at least"},
    {"--max", Kind::Integer, "max_count", "servers to make at most"},
};

constexpr Column kImageColumns[] = {
    {"ID", "id"},
    {"Name", "name"},
    {"Status", "status"},
    {"Format", "disk_format"},
    {"Size", "size", Look::Size},
    {"Visibility", "visibility"},
};
constexpr OptionSpec kImageOptions[] = {
    {"--file", Kind::FileUpload, "", "file to upload"},
    {"--disk-format", Kind::Text, "disk_format", "raw, qcow2, vmdk, vhd, vdi or iso"},
    {"--container-format", Kind::Text, "container_format", "bare"},
    {"--min-disk", Kind::Integer, "min_disk", "least disk of a flavor, GiB"},
    {"--min-ram", Kind::Integer, "min_ram", "least memory of a flavor, MiB"},
    {"--public", Kind::Constant, "visibility", "for every project", "\"public\""},
    {"--private", Kind::Constant, "visibility", "for this project", "\"private\""},
    {"--community", Kind::Constant, "visibility", "for whoever knows its id", "\"community\""},
    {"--shared", Kind::Constant, "visibility", "for this project and members", "\"shared\""},
    {"--protected", Kind::Constant, "protected", "refuse to delete it", "true"},
    {"--property", Kind::Members, "", "KEY=VALUE (repeat for more)"},
    {"--tag", Kind::TextList, "tags", "tag (repeat for more)"},
};

constexpr Column kNetworkColumns[] = {
    {"ID", "id"},           {"Name", "name"},     {"Status", "status"},
    {"Subnets", "subnets"}, {"Shared", "shared"},
};
constexpr OptionSpec kNetworkOptions[] = {
    {"--description", Kind::Text, "description", "a text"},
    {"--mtu", Kind::Integer, "mtu", "largest frame's payload, bytes"},
    {"--disable", Kind::Constant, "admin_state_up", "carry no traffic", "false"},
    {"--share", Kind::Constant, "shared", "for every project", "true"},
    {"--external", Kind::Constant, "router:external", "leads outside", "true"},
    {"--disable-port-security", Kind::Constant, "port_security_enabled", "no filter on its ports",
     "false"},
    {"--provider-network-type", Kind::Text, "provider:network_type", "local or flat"},
    {"--provider-physical-network", Kind::Text, "provider:physical_network", "name of the wire"},
    {"--provider-segment", Kind::Integer, "provider:segmentation_id", "VLAN or tunnel id"},
};

constexpr Column kSubnetColumns[] = {
    {"ID", "id"},       {"Name", "name"},          {"Network", "network_id"},
    {"Subnet", "cidr"}, {"Gateway", "gateway_ip"},
};
constexpr OptionSpec kSubnetOptions[] = {
    {"--network", Kind::Reference, "network_id", "network it is on", {}, "network", true},
    {"--subnet-range", Kind::Text, "cidr", "addresses, such as 10.0.0.0/24", {}, {}, true},
    {"--ip-version", Kind::Integer, "ip_version", "4"},
    {"--gateway", Kind::TextOrNone, "gateway_ip", "address of the gateway, or none"},
    {"--allocation-pool", Kind::PairList, "allocation_pools",
     "start=ADDR,end=ADDR (repeat for more)"},
    {"--dns-nameserver", Kind::TextList, "dns_nameservers", "name server (repeat for more)"},
    {"--host-route", Kind::PairList, "host_routes",
     "destination=CIDR,nexthop=ADDR (repeat for more)"},
    {"--no-dhcp", Kind::Constant, "enable_dhcp", "hand out no addresses", "false"},
    {"--dhcp", Kind::Constant, "enable_dhcp", "hand out addresses (the default)", "true"},
    {"--description", Kind::Text, "description", "a text"},
};

constexpr Column kPortColumns[] = {
    {"ID", "id"},
    {"Name", "name"},
    {"MAC Address", "mac_address"},
    {"Fixed IP Addresses", "fixed_ips"},
    {"Status", "status"},
};
constexpr OptionSpec kPortOptions[] = {
    {"--network", Kind::Reference, "network_id", "network it is on", {}, "network", true},
    {"--fixed-ip", Kind::PairList, "fixed_ips", "subnet=NAME,ip-address=ADDR (repeat for more)",
     "subnet:subnet_id ip-address:ip_address", "subnet"},
    {"--security-group",
     Kind::ReferenceList,
     "security_groups",
     "security group (repeat for more)",
     {},
     "security group"},
    {"--no-security-group", Kind::Constant, "security_groups", "none at all", "[]"},
    {"--mac-address", Kind::Text, "mac_address", "hardware address"},
    {"--disable-port-security", Kind::Constant, "port_security_enabled", "no filter", "false"},
    {"--disable", Kind::Constant, "admin_state_up", "carry no traffic", "false"},
    {"--description", Kind::Text, "description", "a text"},
};

constexpr Column kGroupColumns[] = {
    {"ID", "id"},
    {"Name", "name"},
    {"Description", "description"},
    {"Project", "project_id"},
};
constexpr OptionSpec kGroupOptions[] = {
    {"--description", Kind::Text, "description", "a text"},
};

constexpr Column kRuleColumns[] = {
    {"ID", "id"},
    {"Direction", "direction"},
    {"Ethertype", "ethertype"},
    {"Protocol", "protocol"},
    {"From Port", "port_range_min"},
    {"To Port", "port_range_max"},
    {"Remote IP", "remote_ip_prefix"},
    {"Remote Group", "remote_group_id"},
    {"Security Group", "security_group_id"},
};
constexpr OptionSpec kRuleOptions[] = {
    {"--protocol", Kind::Text, "protocol", "tcp, udp, icmp or a number"},
    {"--dst-port", Kind::PortRange, "", "port, or FIRST:LAST"},
    {"--ingress", Kind::Constant, "direction", "into the guest (the default)", "\"ingress\""},
    {"--egress", Kind::Constant, "direction", "out of the guest", "\"egress\""},
    {"--ethertype", Kind::Text, "ethertype", "IPv4 or IPv6"},
    {"--remote-ip", Kind::Text, "remote_ip_prefix", "other side, as CIDR"},
    {"--remote-group",
     Kind::Reference,
     "remote_group_id",
     "other side, as group",
     {},
     "security group"},
    {"--description", Kind::Text, "description", "a text"},
};

constexpr Column kFlavorColumns[] = {
    {"ID", "id"},     {"Name", "name"},   {"RAM", "ram"},
    {"Disk", "disk"}, {"VCPUs", "vcpus"}, {"Is Public", "os-flavor-access:is_public"},
};
constexpr OptionSpec kFlavorOptions[] = {
    {"--ram", Kind::Integer, "ram", "memory, MiB", {}, {}, true},
    {"--disk", Kind::Integer, "disk", "root disk, GiB", {}, {}, true},
    {"--vcpus", Kind::Integer, "vcpus", "processors", {}, {}, true},
    {"--id", Kind::Text, "id", "id of your choice"},
    {"--private", Kind::Constant, "os-flavor-access:is_public", "for chosen projects", "false"},
    {"--public", Kind::Constant, "os-flavor-access:is_public", "for every project (the default)",
     "true"},
};

constexpr Column kKeypairColumns[] = {
    {"Name", "name"},
    {"Fingerprint", "fingerprint"},
};
constexpr OptionSpec kKeypairOptions[] = {
    {"--public-key", Kind::FileText, "public_key",
     "file of the public key; without: a pair is made"},
};

constexpr Noun kNouns[] = {
    {.words = "server",
     .service = "compute",
     .path = "/servers",
     .list_path = "/servers/detail",
     .single = "server",
     .plural = "servers",
     .columns = kServerColumns,
     .options = kServerOptions,
     .ready = "ACTIVE",
     .broken = "ERROR"},
    {.words = "image",
     .service = "image",
     .path = "/images",
     .list_path = "/images",
     .single = "",
     .plural = "images",
     .columns = kImageColumns,
     .options = kImageOptions,
     .ready = "active",
     .broken = "killed"},
    {.words = "network",
     .service = "network",
     .path = "/networks",
     .list_path = "/networks",
     .single = "network",
     .plural = "networks",
     .columns = kNetworkColumns,
     .options = kNetworkOptions,
     .ready = "ACTIVE",
     .broken = "ERROR"},
    {.words = "subnet",
     .service = "network",
     .path = "/subnets",
     .list_path = "/subnets",
     .single = "subnet",
     .plural = "subnets",
     .columns = kSubnetColumns,
     .options = kSubnetOptions},
    {.words = "port",
     .service = "network",
     .path = "/ports",
     .list_path = "/ports",
     .single = "port",
     .plural = "ports",
     .columns = kPortColumns,
     .options = kPortOptions},
    {.words = "security group",
     .service = "network",
     .path = "/security-groups",
     .list_path = "/security-groups",
     .single = "security_group",
     .plural = "security_groups",
     .columns = kGroupColumns,
     .options = kGroupOptions},
    {.words = "security group rule",
     .service = "network",
     .path = "/security-group-rules",
     .list_path = "/security-group-rules",
     .single = "security_group_rule",
     .plural = "security_group_rules",
     .columns = kRuleColumns,
     .options = kRuleOptions,
     .subject = "GROUP",
     .subject_field = "security_group_id",
     .subject_noun = "security group"},
    {.words = "flavor",
     .service = "compute",
     .path = "/flavors",
     .list_path = "/flavors/detail",
     .single = "flavor",
     .plural = "flavors",
     .columns = kFlavorColumns,
     .options = kFlavorOptions},
    {.words = "keypair",
     .service = "compute",
     .path = "/os-keypairs",
     .list_path = "/os-keypairs",
     .single = "keypair",
     .plural = "keypairs",
     .columns = kKeypairColumns,
     .options = kKeypairOptions,
     .key = "name"},
};

}  // namespace

std::span<const Noun> all_nouns() {
  return kNouns;
}

const Noun& noun_of(std::string_view words) {
  for (const Noun& noun : kNouns)
    if (noun.words == words) return noun;
  CLOUDOS_ASSERT(false);
  return kNouns[0];
}

}  // namespace cli

// Second ways to type a verb.
#include "verbs/table.hpp"

namespace cloudos::verbs {
namespace table::faces {

constexpr Parameter kImageUnset[] = {
    subject("IMAGE", "images"),
    remove(of(Kind::Members, "", "--property", "KEY to take away (repeat for more)")),
};
constexpr Parameter kSubnetUnset[] = {
    subject("SUBNET", "subnets"),
    set("gateway_ip", "--gateway", "null", "the address of the gateway"),
    remove(of(Kind::TextList, "service_types", "--service-type", "owners of ports")),
    remove(of(Kind::PairList, "allocation_pools", "--allocation-pool", "start=ADDR,end=ADDR")),
    remove(of(Kind::TextList, "dns_nameservers", "--dns-nameserver", "name server")),
    remove(of(Kind::PairList, "host_routes", "--host-route", "destination=CIDR,gateway=ADDR",
              "gateway:nexthop")),
};
constexpr Parameter kPortUnset[] = {
    subject("PORT", "ports"),
    {"fixed_ips", Kind::PairList, "--fixed-ip", "subnet=NAME,ip-address=ADDR", "subnets",
     "subnet:subnet_id ip-address:ip_address", false, Merge::Remove},
    remove(refs("security_groups", "--security-group", "security_groups", "security group")),
    remove(of(Kind::PairList, "allowed_address_pairs", "--allowed-address",
              "ip-address=ADDR[,mac-address=MAC]",
              "ip-address:ip_address mac-address:mac_address")),
    set("qos_policy_id", "--qos-policy", "null", "the QoS policy"),
    set("binding:host_id", "--host", "\"\"", "the host"),
    set("numa_affinity_policy", "--numa-policy", "null", "the policy of NUMA nodes"),
};
constexpr Parameter kRouterUnset[] = {
    subject("ROUTER", "routers"),
    remove(of(Kind::PairList, "routes", "--route", "destination=CIDR,gateway=ADDR",
              "gateway:nexthop")),
    set("external_gateway_info", "--external-gateway", "null", "the way outside"),
};
constexpr Parameter kFloatingUnset[] = {
    subject("ADDRESS", "floating_ips"),
    set("port_id", "--port", "null", "the port it leads to"),
    set("qos_policy_id", "--qos-policy", "null", "the QoS policy"),
};
constexpr Parameter kServerUnset[] = {
    subject("SERVER", "servers"),
    must(set("description", "--description", "null", "the description"))};
constexpr Parameter kAttachPort[] = {subject("SERVER", "servers"),
                                     subject("PORT", "ports", "port_id")};
constexpr Parameter kAttachNetwork[] = {subject("SERVER", "servers"),
                                        subject("NETWORK", "networks", "net_id")};
constexpr Parameter kNewSpecs[] = {
    made("id"), must(kProperties)};
constexpr Parameter kNewAccess[] = {
    made("id"), must(ref("tenant", "--project", "projects", "project that may use it"))};
constexpr Parameter kMyProject =
    must(mine("id", "--auth-project", "project", "the project of the login"));
constexpr Parameter kPurgeMine[] = {kMyProject, kDryRun, kKeepProject, kTimeout};
constexpr Parameter kCleanUpMine[] = {kMyProject, kDryRun, kMadeBefore, kChangedBefore, kTimeout};

// ---- tags of what networks are made of ----------------------------------------------------------

constexpr Parameter kTag =
    must(of(Kind::TextList, "tags", "--tag", "tag to add (repeat for more)"));
constexpr Parameter kNoTag = must(set("", "--no-tag", "true", "take all tags away first"));
constexpr Parameter kAllTags = must(set("", "--all-tag", "true", "take all tags away"));
#define CLOUDOS_TAGGED(kind, place, noun, path)                                              \
  constexpr Parameter k##kind##New[] = {made("id"), fixed("resource", path), kTag};          \
  constexpr Parameter k##kind##Tag[] = {subject(place, noun), fixed("resource", path), kTag}; \
  constexpr Parameter k##kind##NoTag[] = {subject(place, noun), fixed("resource", path),     \
                                          kNoTag};                                           \
  constexpr Parameter k##kind##Untag[] = {subject(place, noun), fixed("resource", path),     \
                                          must(kGoneTag)};                                   \
  constexpr Parameter k##kind##AllTag[] = {subject(place, noun), fixed("resource", path), kAllTags}
CLOUDOS_TAGGED(Network, "NETWORK", "networks", "\"networks\"");
CLOUDOS_TAGGED(Subnet, "SUBNET", "subnets", "\"subnets\"");
CLOUDOS_TAGGED(Port, "PORT", "ports", "\"ports\"");
CLOUDOS_TAGGED(Router, "ROUTER", "routers", "\"routers\"");
CLOUDOS_TAGGED(Floating, "ADDRESS", "floating_ips", "\"floatingips\"");
CLOUDOS_TAGGED(Pool, "POOL", "subnet_pools", "\"subnetpools\"");
CLOUDOS_TAGGED(Group, "GROUP", "security_groups", "\"security-groups\"");
#undef CLOUDOS_TAGGED
#define CLOUDOS_TAG_FACES(kind, words)                                                    \
  {words " create", "network_tags.replace", "Gives it tags.", k##kind##New},              \
      {words " set", "network_tags.clear", "Takes all tags away.", k##kind##NoTag},       \
      {words " set", "network_tags.extend", "Adds tags.", k##kind##Tag},                  \
      {words " unset", "network_tags.remove", "Takes tags away.", k##kind##Untag},        \
  {                                                                                       \
    words " unset", "network_tags.clear", "Takes all tags away.", k##kind##AllTag         \
  }

constexpr Face kFaces[] = {
    {"image unset", "images.update", "Takes properties from an image.", kImageUnset},
    {"subnet unset", "subnets.update", "Takes parts of a subnet away.", kSubnetUnset},
    {"port unset", "ports.update", "Takes parts of a port away.", kPortUnset},
    {"router unset", "routers.update", "Takes parts of a router away.", kRouterUnset},
    {"floating ip unset", "floating_ips.update", "Takes parts of a floating address away.",
     kFloatingUnset},
    {"server unset", "servers.update", "Takes a server's description away.", kServerUnset},
    {"server add port", "servers.attach_interface", "Gives a server a port.", kAttachPort},
    {"server add network", "servers.attach_interface", "Gives a server a port on a network.",
     kAttachNetwork},
    {"flavor create", "flavors.add_extra_specs", "Adds to a flavor's properties.", kNewSpecs},
    {"flavor create", "flavors.add_access", "Lets a project use a private flavor.", kNewAccess},
    {"project purge", "projects.purge", "Deletes what a project has, and then the project.",
     kPurgeMine},
    {"project cleanup", "projects.cleanup", "Deletes what a project has.", kCleanUpMine},
    CLOUDOS_TAG_FACES(Network, "network"),
    CLOUDOS_TAG_FACES(Subnet, "subnet"),
    CLOUDOS_TAG_FACES(Port, "port"),
    CLOUDOS_TAG_FACES(Router, "router"),
    CLOUDOS_TAG_FACES(Floating, "floating ip"),
    CLOUDOS_TAG_FACES(Pool, "subnet pool"),
    CLOUDOS_TAG_FACES(Group, "security group"),
};
#undef CLOUDOS_TAG_FACES

}  // namespace table::faces

std::span<const Face> faces() {
  return table::faces::kFaces;
}

}  // namespace cloudos::verbs

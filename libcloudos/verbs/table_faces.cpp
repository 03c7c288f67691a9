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
};

constexpr Face kFaces[] = {
    {"image unset", "images.update", "Takes properties from an image.", kImageUnset},
    {"subnet unset", "subnets.update", "Takes parts of a subnet away.", kSubnetUnset},
    {"port unset", "ports.update", "Takes parts of a port away.", kPortUnset},
};

}  // namespace table::faces

std::span<const Face> faces() {
  return table::faces::kFaces;
}

}  // namespace cloudos::verbs

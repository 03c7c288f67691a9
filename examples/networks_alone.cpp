// Networking alone: a network, a subnet, and ports until its addresses run out.
#include <cstdio>

#include "cloudos/cloud.hpp"
#include "cloudos/networks.hpp"

int main() {
  using namespace cloudos;
  auto cloud = Cloud::open({});
  if (!cloud) return std::fprintf(stderr, "%s\n", cloud.error().message.c_str()), 1;
  Context me = Context::system();
  me.project = ProjectId{"my-project"};
  Networks& networks = (*cloud)->networks();
  const auto network = networks.create_network(me, {.name = "tiny"});
  if (!network) return std::fprintf(stderr, "%s\n", network.error().message.c_str()), 1;
  if (!networks.create_subnet(me, {.network = network->id, .cidr = "10.0.0.0/29"})) return 1;
  int ports = 0;
  for (;; ++ports) {
    const auto port = networks.create_port(me, {.network = network->id});
    if (port)
      std::printf("port %s\n", port->fixed_ips.front().address.c_str());
    else
      return std::printf("%d ports, then: %s\n", ports, port.error().message.c_str()), ports != 4;
  }
}

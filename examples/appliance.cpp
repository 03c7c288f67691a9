// A cloud as an appliance runs it: small, everything under one folder, nothing written elsewhere.
//   example_appliance FOLDER      (examples/appliance/run does so on a read-only root)
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "cloudos/cloud.hpp"
#include "cloudos/images.hpp"
#include "cloudos/networks.hpp"
#include "cloudos/servers.hpp"
#include "cloudos/tasks.hpp"

using namespace cloudos;

/// Memory that is ours alone, in MiB: the store's mapping is file pages, which the kernel may drop.
long anonymous_mib() {
  long kib = 0;
  char line[256];
  std::FILE* status = std::fopen("/proc/self/status", "r");
  while (status && std::fgets(line, sizeof line, status))
    if (std::sscanf(line, "RssAnon: %ld", &kib) == 1) break;
  if (status) std::fclose(status);
  return kib / 1024;
}

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]), 2;
  Options options;
  options.data_dir = argv[1];
  options.host_names = {"appliance"};
  options.workers = 2;
  options.store_limit_bytes = 64 << 20;  // The most that records may grow to.
  auto opened = Cloud::open(options);
  if (!opened) return std::fprintf(stderr, "%s\n", opened.error().message.c_str()), 1;
  Cloud& cloud = **opened;
  Context me = Context::system();
  me.project = ProjectId{"my-project"};
  const auto image = cloud.images().create(
      me,
      {.name = "image", .disk_format = DiskFormat::Raw, .container_format = ContainerFormat::Bare});
  TextSource bytes(std::string(16 << 20, 'x'));
  if (!image || !cloud.images().upload(me, image->id, bytes)) return 1;
  const auto network = cloud.networks().create_network(me, {.name = "net"});
  if (!network ||
      !cloud.networks().create_subnet(me, {.network = network->id, .cidr = "10.0.0.0/22"}))
    return 1;
  const auto flavors = cloud.servers().flavors().list(me);
  int active = 0;
  for (int i = 0; i < 10; ++i) {
    const auto server =
        cloud.servers().create(me, {.name = "s" + std::to_string(i),
                                    .flavor = flavors->front().id,
                                    .image = image->id,
                                    .networks = std::vector<ServerNetwork>{{network->id, {}, {}}}});
    if (!server) return std::fprintf(stderr, "%s\n", server.error().message.c_str()), 1;
    const auto task = cloud.tasks().wait(server->task, std::chrono::seconds{30});
    active += task && task->state == TaskState::Done;
  }
  std::printf("%d servers ACTIVE, %ld MiB of memory\n", active, anonymous_mib());
  return active == 10 && anonymous_mib() < 128 ? 0 : 1;
}

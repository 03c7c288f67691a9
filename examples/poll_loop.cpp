// A cloud without a thread of its own: this program's poll() loop drives it, beside its own input.
#include <poll.h>
#include <unistd.h>

#include <cstdio>

#include "cloudos/cloud.hpp"
#include "cloudos/images.hpp"
#include "cloudos/servers.hpp"

using namespace cloudos;

/// Milliseconds until the cloud has work; at most a second, for whatever else the loop does.
int patience(const Cloud& cloud) {
  const auto due = cloud.next_deadline();
  if (!due) return 1000;
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(*due - cloud.clock().mono()).count();
  return left <= 0 ? 0 : static_cast<int>(std::min<long>(left, 1000));
}

int main() {
  auto opened = Cloud::open({.workers = 0, .host_names = {"host-1"}});
  if (!opened) return std::fprintf(stderr, "%s\n", opened.error().message.c_str()), 1;
  Cloud& cloud = **opened;
  Context me = Context::system();
  me.project = ProjectId{"my-project"};
  auto image = cloud.images().create(
      me,
      {.name = "image", .disk_format = DiskFormat::Raw, .container_format = ContainerFormat::Bare});
  TextSource bytes(std::string(512, 'x'));
  if (!image || !cloud.images().upload(me, image->id, bytes)) return 1;
  const auto flavors = cloud.servers().flavors().list(me);
  const auto server = cloud.servers().create(me, {.name = "driven",
                                                  .flavor = flavors->front().id,
                                                  .image = image->id,
                                                  .networks = std::vector<ServerNetwork>{}});
  if (!server) return std::fprintf(stderr, "%s\n", server.error().message.c_str()), 1;

  int turns = 0;
  bool active = false;
  const auto changes = cloud.subscribe({.kinds = {"server"}}, [&](const ChangeBatch&) {
    const auto now = cloud.servers().get(me, server->id);
    active = now && now->vm_state == VmState::Active;
  });
  const auto fd = cloud.wake_fd();
  if (!fd || !changes) return 1;
  pollfd waits[] = {{*fd, POLLIN, 0}};  // … and the program's own descriptors.
  while (!active && ++turns < 1000) {
    cloud.run_pending(cloud.clock().mono() + std::chrono::milliseconds{10});
    if (!active && poll(waits, 1, patience(cloud)) < 0) return 1;
  }
  std::printf("server %s is %s\n", server->id.value.c_str(), active ? "ACTIVE" : "lost");
  return active ? 0 : 1;
}

// A whole cloud inside this program: in memory, simulated host, no root, no thread to manage.
#include <cstdio>

#include "cloudos/cloud.hpp"
#include "cloudos/images.hpp"
#include "cloudos/servers.hpp"
#include "cloudos/tasks.hpp"

int main() {
  using namespace cloudos;
  auto cloud = Cloud::open({.host_names = {"host-1"}});
  if (!cloud) return std::fprintf(stderr, "%s\n", cloud.error().message.c_str()), 1;
  Context me = Context::system();
  me.project = ProjectId{"my-project"};
  auto image = (*cloud)->images().create(
      me,
      {.name = "image", .disk_format = DiskFormat::Raw, .container_format = ContainerFormat::Bare});
  TextSource bytes(std::string(512, 'x'));
  if (!image || !(*cloud)->images().upload(me, image->id, bytes)) return 1;
  auto& servers = (*cloud)->servers();
  const auto flavors = servers.flavors().list(me);
  auto server = servers.create(me, {.name = "first",
                                    .flavor = flavors->front().id,
                                    .image = image->id,
                                    .networks = std::vector<ServerNetwork>{}});
  if (!server) return std::fprintf(stderr, "%s\n", server.error().message.c_str()), 1;
  if (!(*cloud)->tasks().wait(server->task, std::chrono::seconds{10})) return 1;
  server = servers.get(me, server->id);
  std::printf("server %s is %.*s on %s\n", server->name.c_str(),
              static_cast<int>(server->status().size()), server->status().data(),
              server->host.c_str());
  return server->vm_state == VmState::Active ? 0 : 1;
}

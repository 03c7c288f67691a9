// A program that knows the library only as it is installed: runs a simulated cloud, boots a server,
// and brings a driver of its own, whose type crosses the border of the shared library.
#include <cloudos/cloud.hpp>
#include <cloudos/images.hpp>
#include <cloudos/scheduler.hpp>
#include <cloudos/servers.hpp>
#include <cloudos/tasks.hpp>
#include <cstdio>

namespace {

class EvenHosts final : public cloudos::scheduler::Filter {
 public:
  std::string_view name() const override { return "EvenHosts"; }
  bool pass(const cloudos::scheduler::HostState& host,
            const cloudos::scheduler::Request&) const override {
    return host.name == "host-2";
  }
  std::string explain(const cloudos::scheduler::HostState&,
                      const cloudos::scheduler::Request&) const override {
    return "it is odd";
  }
};

int complain(const char* what, const cloudos::Error& error) {
  std::fprintf(stderr, "%s: %s\n", what, error.message.c_str());
  return 1;
}

}  // namespace

int main() {
  using namespace cloudos;
  Options options;
  options.host_names = {"host-1", "host-2"};
  options.placement = scheduler::default_policy();
  options.placement->filters.push_back(std::make_shared<EvenHosts>());
  auto cloud = Cloud::open(std::move(options));
  if (!cloud) return complain("open", cloud.error());

  Context me = Context::system();
  me.project = ProjectId{"my-project"};
  ImageCreate spec;
  spec.name = "image";
  spec.disk_format = DiskFormat::Raw;
  spec.container_format = ContainerFormat::Bare;
  const auto image = (*cloud)->images().create(me, spec);
  if (!image) return complain("image", image.error());
  TextSource bytes(std::string(512, 'x'));
  const auto uploaded = (*cloud)->images().upload(me, image->id, bytes);
  if (!uploaded) return complain("upload", uploaded.error());

  Servers& servers = (*cloud)->servers();
  const auto flavors = servers.flavors().list(me);
  if (!flavors || flavors->empty()) return 1;
  ServerCreate wanted;
  wanted.name = "first";
  wanted.flavor = flavors->front().id;
  wanted.image = image->id;
  wanted.networks.emplace();
  auto server = servers.create(me, wanted);
  if (!server) return complain("server", server.error());
  const auto task = (*cloud)->tasks().wait(server->task, std::chrono::seconds{30});
  if (!task) return complain("wait", task.error());
  server = servers.get(me, server->id);
  if (!server) return complain("get", server.error());
  std::printf("server %s is %s on %s\n", server->name.c_str(),
              std::string(server->status()).c_str(), server->host.c_str());
  return server->vm_state == VmState::Active && server->host == "host-2" ? 0 : 1;
}

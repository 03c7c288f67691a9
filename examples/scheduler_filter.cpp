// A filter and a weigher of your own: no server in odd racks, and quiet hosts come first.
#include <cstdio>

#include "cloudos/cloud.hpp"
#include "cloudos/images.hpp"
#include "cloudos/servers.hpp"
#include "cloudos/tasks.hpp"

using namespace cloudos;

struct RackFilter final : scheduler::Filter {
  std::string_view name() const override { return "RackFilter"; }
  bool pass(const scheduler::HostState& host, const scheduler::Request&) const override {
    return (host.name.back() - '0') % 2 == 0;
  }
  std::string explain(const scheduler::HostState& host, const scheduler::Request&) const override {
    return host.name + " stands in an odd rack";
  }
};

struct QuietWeigher final : scheduler::Weigher {
  std::string_view name() const override { return "QuietWeigher"; }
  double weigh(const scheduler::HostState& host, const scheduler::Request&) const override {
    return host.servers == 0 ? 1 : 0;
  }
};

int main() {
  Options options;
  options.host_names = {"rack-1", "rack-2", "rack-3", "rack-4"};
  options.placement = scheduler::default_policy();
  options.placement->filters.push_back(std::make_shared<RackFilter>());
  options.placement->weighers.push_back({std::make_shared<QuietWeigher>(), 100});
  auto cloud = Cloud::open(options);
  if (!cloud) return std::fprintf(stderr, "%s\n", cloud.error().message.c_str()), 1;
  Context me = Context::system();
  me.project = ProjectId{"my-project"};
  auto& servers = (*cloud)->servers();
  const auto image = (*cloud)->images().create(
      me,
      {.name = "image", .disk_format = DiskFormat::Raw, .container_format = ContainerFormat::Bare});
  TextSource bytes(std::string(512, 'x'));
  if (!image || !(*cloud)->images().upload(me, image->id, bytes)) return 1;
  const auto flavors = servers.flavors().list(me);
  for (const char* name : {"first", "second"}) {
    const auto made = servers.create(me, {.name = name,
                                          .flavor = flavors->front().id,
                                          .image = image->id,
                                          .networks = std::vector<ServerNetwork>{}});
    if (!made || !(*cloud)->tasks().wait(made->task, std::chrono::seconds{10})) return 1;
    const auto server = servers.get(me, made->id);
    std::printf("%s is on %s\n", name, server->host.c_str());
    if (server->host != "rack-2" && server->host != "rack-4") return 1;
  }
  return 0;
}

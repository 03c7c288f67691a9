// A mechanism driver of your own: it takes the ports of one host, and keeps its switch as told.
#include <cstdio>
#include <map>
#include <mutex>

#include "cloudos/cloud.hpp"
#include "cloudos/images.hpp"
#include "cloudos/network_driver.hpp"
#include "cloudos/networks.hpp"
#include "cloudos/servers.hpp"
#include "cloudos/tasks.hpp"

using namespace cloudos;

struct SwitchDriver final : network::MechanismDriver {
  std::mutex mutex;
  std::map<std::string, std::string> lines;  // MAC -> device: what the switch holds.

  std::string_view name() const override { return "my-switch"; }
  Result<void> precommit(store::Txn&, const network::Change&) override { return Result<void>(); }
  Result<void> postcommit(const network::Change& change) override {
    const std::lock_guard lock(mutex);
    if (change.port) lines[change.port->mac] = change.port->tap;
    return Result<void>();  // A port that is gone is told by its id; converge() clears the rest.
  }
  Result<void> converge(const network::Plan& plan) override {
    const std::lock_guard lock(mutex);
    lines.clear();
    for (const auto& [id, port] : plan.ports) lines[port.mac] = port.tap;
    return Result<void>();
  }
  std::optional<network::Binding> bind_port(const network::PortContext& port) const override {
    if (port.host != "switched-host") return std::nullopt;  // The next driver may try.
    return network::Binding{"my-switch", "tap", {{"rack", "7"}}};
  }
};

int main() {
  const auto driver = std::make_shared<SwitchDriver>();
  Options options;
  options.host_names = {"switched-host"};
  options.mechanism_drivers = {driver};
  auto cloud = Cloud::open(options);
  if (!cloud) return std::fprintf(stderr, "%s\n", cloud.error().message.c_str()), 1;
  Context me = Context::system();
  me.project = ProjectId{"my-project"};
  const auto network = (*cloud)->networks().create_network(me, {.name = "net"});
  if (!network ||
      !(*cloud)->networks().create_subnet(me, {.network = network->id, .cidr = "10.0.0.0/24"}))
    return 1;
  const auto port =
      (*cloud)->networks().create_port(me, {.network = network->id, .host = "switched-host"});
  if (!port) return std::fprintf(stderr, "%s\n", port.error().message.c_str()), 1;
  std::printf("port %s: driver %s, vif %s, rack %s\n", port->mac.c_str(), port->driver.c_str(),
              port->vif_type.c_str(), port->vif_details.at("rack").c_str());
  return port->driver == "my-switch" ? 0 : 1;
}

#pragma once
#include <memory>
#include <set>
#include <string>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "compute/servers_room.hpp"
#include "hypervisor/simulated.hpp"
#include "image/images_room.hpp"
#include "network/networks_room.hpp"
#include "network/simulated.hpp"
#include "records/table.hpp"
#include "support/task_proofs.hpp"

/// The compute room with everything it stands on, in memory and on one thread.
namespace compute_test {

using namespace cloudos;

/// What outlives our process: the hosts, their time, and what is given to each new life.
struct Outside {
  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
  std::shared_ptr<hypervisor::Simulated> hypervisor;
  std::shared_ptr<network::SimulatedDriver> plane = std::make_shared<network::SimulatedDriver>();
  std::vector<std::string> hosts = {"host-a"};
  std::filesystem::path data_dir;
  bool resume_guests = true;
  ImageId image;
  NetworkId network;

  explicit Outside(hypervisor::SimulatedSettings settings = {}) {
    settings.clock = clock.get();
    hypervisor = hypervisor::make_simulated(settings);
  }
};

inline Context user_of(std::string project) {
  Context ctx;
  ctx.user = UserId{"user-of-" + project};
  ctx.project = ProjectId{std::move(project)};
  ctx.roles = {"member", "reader"};
  ctx.request_id = "req-test";
  return ctx;
}

/// One life of the process over a store that may have been there before.
class World : public cloudos::test::Life {
 public:
  World(Outside& outside, std::shared_ptr<store::Store> store, RunnerFaults faults = {})
      : out(outside), store_(std::move(store)),
        runner(*store_, executor, *out.clock, random, Log{}, {.faults = std::move(faults)}) {
    auto made_images = make_images(engine);
    REQUIRE(made_images);
    images = std::move(*made_images);
    NetworkSettings net;
    net.physical_networks = {"physnet1"};
    networks = make_networks(engine, std::move(net), {out.plane});
    ComputeSettings settings;
    for (const std::string& host : out.hosts) settings.drivers[host] = out.hypervisor;
    settings.resume_guests = out.resume_guests;
    placement::PlacementSettings placed;
    placed.hosts = host_sources(settings.drivers);
    auto made_hosts = placement::make_hosts(engine, placed);
    // A store that has crashed already makes no services: such a life has nothing to do.
    if (!made_hosts) return;
    hosts = std::move(*made_hosts);
    auto made = make_servers(engine, settings, *hosts, *images, *networks);
    if (!made) return;
    servers = std::move(*made);
    metadata = make_metadata_source(*servers);
    owner = make_device_owner(*servers);
    networks->set_metadata_source(metadata.get());
    networks->set_device_owner(owner.get());
    (void)runner.start();
  }
  ~World() override {
    runner.stop();
    executor.stop(std::chrono::seconds{1});
  }

  void settle() override { run(std::chrono::minutes{10}); }
  void run(std::chrono::microseconds most) {
    const MonoTime end = out.clock->mono() + most;
    for (;;) {
      executor.run_pending();
      const auto next = executor.next_due();
      if (!next || *next > end) break;
      if (*next > out.clock->mono()) out.clock->advance(*next - out.clock->mono());
    }
    if (out.clock->mono() < end) out.clock->advance(end - out.clock->mono());
  }
  /// Runs what is due now, without time passing.
  void step() { executor.run_pending(); }

  /// A network with a subnet and an image, once in the life of a store.
  void furnish(std::uint64_t image_bytes = 4096) {
    NetworkCreate network;
    network.name = "net-a";
    out.network = networks->create_network(user, network)->id;
    SubnetCreate subnet;
    subnet.network = out.network;
    subnet.cidr = "10.0.0.0/24";
    subnet.dns_servers = {"9.9.9.9"};
    REQUIRE(networks->create_subnet(user, subnet));
    out.image = add_image(image_bytes);
  }
  ImageId add_image(std::uint64_t bytes, std::uint32_t min_ram_mib = 0, bool with_data = true) {
    ImageCreate image;
    image.name = "an image";
    image.disk_format = DiskFormat::Raw;
    image.container_format = ContainerFormat::Bare;
    image.min_ram_mib = min_ram_mib;
    const auto made = images->create(user, image);
    REQUIRE(made);
    TextSource data(std::string(bytes, 'x'));
    if (with_data) REQUIRE(images->upload(user, made->id, data));
    return made->id;
  }
  ServerCreate spec(std::string name = "vm") const {
    ServerCreate create;
    create.name = std::move(name);
    create.flavor = FlavorId{"42"};
    create.image = out.image;
    create.networks = std::vector<ServerNetwork>{{out.network, {}, {}}};
    return create;
  }
  Server boot(std::string name = "vm") {
    const auto server = servers->create(user, spec(std::move(name)));
    const std::string why = server ? "" : server.error().message;
    INFO(why);
    REQUIRE(server);
    run(std::chrono::seconds{20});
    return *servers->get(user, server->id);
  }
  Server get(const ServerId& id) const {
    const auto server = servers->get(Context::system(), id);
    REQUIRE(server);
    return *server;
  }
  std::int64_t used(std::string_view resource) const {
    return (*servers->quota(Context::system(), user.project))[std::string(resource)].in_use;
  }
  std::unique_ptr<store::Snapshot> snapshot() const { return *store_->snapshot(); }
  /// Every key but those of tasks: what a server leaves behind, if it leaves anything.
  std::set<std::string> keys() const {
    std::set<std::string> all;
    const auto now = snapshot();
    store::ScanOptions scan;
    scan.keys_only = true;
    for (;;) {
      const auto page = *now->scan("/", scan);
      for (const auto& entry : page) {
        if (entry.key.starts_with("/task/") || entry.key.starts_with("/ix/task/")) continue;
        all.insert(entry.key);
      }
      if (page.size() < limits::kScanPage) return all;
      scan.after = page.back().key;
    }
  }
  TaskState task_state(const TaskId& id) const {
    return (*runner.tasks().get(Context::system(), id)).state;
  }

  Outside& out;
  Context user = user_of("p1");
  SeededRandom random{11};
  std::shared_ptr<store::Store> store_;
  Executor executor{*out.clock, 0};
  mutable TaskRunner runner;
  IdSource ids{*out.clock, random};
  Engine engine{*store_, executor, runner, *out.clock, random, ids, Log{}, out.data_dir,
                "0123abcd"};
  std::unique_ptr<Images> images;
  std::unique_ptr<Networks> networks;
  std::unique_ptr<Hosts> hosts;
  std::unique_ptr<Servers> servers;
  std::unique_ptr<network::MetadataSource> metadata;
  std::unique_ptr<network::DeviceOwner> owner;
};

/// A furnished world on a store of its own.
struct Furnished : Outside, World {
  explicit Furnished(hypervisor::SimulatedSettings settings = {})
      : Outside(std::move(settings)), World(*this, store::open_memory()) {
    furnish();
    step();
  }
};

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != text.npos;
}

}  // namespace compute_test

#include "cloudos/cloud.hpp"

#include <unistd.h>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/executor.hpp"
#include "cloud/backends.hpp"
#include "cloud/folder.hpp"
#include "compute/servers_room.hpp"
#include "identity/identity.hpp"
#include "image/images_room.hpp"
#include "network/networks_room.hpp"
#include "placement/placement.hpp"
#include "cloudos/store.hpp"
#include "tasks/engine.hpp"

namespace cloudos {

/// Members are destroyed last to first: services before the engine, the store after its users.
struct Cloud::Impl {
  Options options;
  Log log;
  std::unique_ptr<IdSource> ids;
  std::unique_ptr<Folder> folder;
  std::unique_ptr<Executor> executor;
  std::unique_ptr<TaskRunner> runner;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<Identity> identity;
  std::unique_ptr<Images> images;
  std::unique_ptr<Networks> networks;
  std::map<std::string, std::shared_ptr<hypervisor::Driver>> drivers;
  std::unique_ptr<Hosts> hosts;
  std::unique_ptr<Servers> servers;
  std::unique_ptr<network::MetadataSource> metadata;
  std::unique_ptr<network::DeviceOwner> device_owner;
  std::function<void(network::MetadataHandler)> serve_metadata;  // Of the data plane; may be empty.

  Result<void> open_ground();
  Result<void> open_services();
  /// No work starts any more; false when a step still runs after ten seconds.
  bool stop();
};

namespace {

Result<void> check_options(const Options& options) {
  if (options.workers > limits::kWorkers) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("workers is {}, at most {}", options.workers, limits::kWorkers));
  }
  const bool real = options.hypervisor == Backend::Real || options.network == Backend::Real;
  if (real && options.data_dir.empty()) {
    return fail(ErrorCode::InvalidArgument,
                "real guests and networks need a data folder: set Options::data_dir");
  }
  if (options.password_cost < 4 || options.password_cost > 16) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("password_cost is {}, must be 4 to 16", options.password_cost));
  }
  return Result<void>();
}

RunnerOptions runner_options(const Options& options) {
  RunnerOptions runner;
  if (options.faults) runner.faults = *options.faults;
  return runner;
}

std::string machine_name() {
  char name[256] = {};
  if (gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "localhost";
  return name;
}

}  // namespace

Result<void> Cloud::Impl::open_ground() {
  if (!options.clock) options.clock = std::make_shared<SystemClock>();
  if (!options.random) options.random = std::make_shared<SystemRandom>();
  if (options.host_names.empty()) options.host_names = {machine_name()};
  log = Log(options.log, "cloud", options.log_level);
  ids = std::make_unique<IdSource>(*options.clock, *options.random);
  if (!options.data_dir.empty()) {
    CLOUDOS_TRY(folder, Folder::open(options.data_dir, *options.random));
    options.data_dir = folder->path();
  }
  if (!options.store && folder) {
    store::LmdbOptions lmdb;
    lmdb.directory = folder->path() / "store";
    lmdb.map_bytes = options.store_limit_bytes;
    CLOUDOS_TRY(options.store, store::open_lmdb(lmdb));
  }
  if (!options.store) options.store = store::open_memory();
  executor = std::make_unique<Executor>(*options.clock, options.workers);
  runner = std::make_unique<TaskRunner>(*options.store, *executor, *options.clock, *options.random,
                                        log.for_room("tasks"), runner_options(options));
  engine = std::make_unique<Engine>(Engine{*options.store, *executor, *runner, *options.clock,
                                           *options.random, *ids, log, options.data_dir,
                                           folder ? folder->id() : "00000000"});
  return Result<void>();
}

Result<void> Cloud::Impl::open_services() {
  IdentitySettings identity_settings;
  identity_settings.public_url = options.public_url;
  identity_settings.admin_password = options.admin_password;
  identity_settings.token_lifetime = options.token_lifetime;
  identity_settings.password_cost = options.password_cost;
  CLOUDOS_TRY(identity, make_identity(*engine, identity_settings));
  CLOUDOS_TRY(images, make_images(*engine, {}));

  CLOUDOS_TRY(auto mechanism, open_mechanism(options, *engine));
  NetworkSettings network_settings;
  for (const auto& [name, bridge] : options.bridge_mappings)
    network_settings.physical_networks.push_back(name);
  networks = make_networks(*engine, network_settings, {mechanism.driver});
  serve_metadata = mechanism.serve_metadata;
  if (serve_metadata) serve_metadata(network::metadata_handler(*networks));

  CLOUDOS_TRY(const auto driver, open_hypervisor(options, *engine));
  for (const std::string& name : options.host_names) drivers[name] = driver;
  placement::PlacementSettings placement_settings;
  placement_settings.hosts = host_sources(drivers);
  CLOUDOS_TRY(hosts, placement::make_hosts(*engine, placement_settings));
  ComputeSettings compute_settings;
  compute_settings.drivers = drivers;
  CLOUDOS_TRY(servers, make_servers(*engine, compute_settings, *hosts, *images, *networks));

  metadata = make_metadata_source(*servers);
  device_owner = make_device_owner(*servers);
  networks->set_metadata_source(metadata.get());
  networks->set_device_owner(device_owner.get());
  return runner->start();
}

bool Cloud::Impl::stop() {
  // The data plane answers guests on a thread of its own: no question may come in once services go.
  if (serve_metadata) serve_metadata(nullptr);
  if (runner) runner->stop();
  return !executor || executor->stop(std::chrono::seconds{10});
}

Result<std::unique_ptr<Cloud>> Cloud::open(Options options) {
  CLOUDOS_CHECK(check_options(options));
  auto impl = std::make_unique<Impl>();
  impl->options = std::move(options);
  std::unique_ptr<Cloud> cloud(new Cloud(std::move(impl)));
  CLOUDOS_CHECK(cloud->impl_->open_ground());
  CLOUDOS_CHECK(cloud->impl_->open_services());
  return cloud;
}

Cloud::Cloud(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Cloud::~Cloud() {
  if (impl_->stop()) return;
  // A driver call hangs and cannot be cancelled. Its thread keeps what it uses; freeing that would
  // turn a hang into a crash of the host program.
  impl_->log.error("a driver call still runs after ten seconds; its memory is left behind");
  (void)impl_.release();
}

Identity& Cloud::identity() { return *impl_->identity; }
Images& Cloud::images() { return *impl_->images; }
Networks& Cloud::networks() { return *impl_->networks; }
Servers& Cloud::servers() { return *impl_->servers; }
Hosts& Cloud::hosts() { return *impl_->hosts; }
Tasks& Cloud::tasks() { return impl_->runner->tasks(); }

std::size_t Cloud::run_pending(std::optional<MonoTime> deadline) {
  return impl_->executor->run_pending(deadline);
}
std::optional<MonoTime> Cloud::next_deadline() const { return impl_->executor->next_due(); }

const Options& Cloud::options() const { return impl_->options; }
const Clock& Cloud::clock() const { return *impl_->options.clock; }
IdSource& Cloud::ids() { return *impl_->ids; }
Log Cloud::log(std::string_view room) const { return impl_->log.for_room(room); }

}  // namespace cloudos

#include "cloudos/cloud.hpp"

#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "audit/log.hpp"
#include "base/actor.hpp"
#include "base/assert.hpp"
#include "base/caught.hpp"
#include "base/executor.hpp"
#include "cloud/folder.hpp"
#include "cloud/languages.hpp"
#include "cloud/observatory.hpp"
#include "cloud/services.hpp"
#include "cloud/subscriptions.hpp"
#include "cloud/wake.hpp"
#include "identity/identity.hpp"
#include "maintenance/folder.hpp"
#include "maintenance/kinds.hpp"
#include "cloudos/store.hpp"
#include "tasks/engine.hpp"

namespace cloudos {

/// Members are destroyed last to first: services before the engine, the store after its users.
struct Cloud::Impl {
  Options options;
  std::unique_ptr<const locale::Catalogues> catalogues;
  Log log;
  std::unique_ptr<IdSource> ids;
  std::unique_ptr<Observatory> observatory;
  std::unique_ptr<Folder> folder;
  std::unique_ptr<Executor> executor;
  std::unique_ptr<audit::AuditedStore> audited;  // What the rooms commit through.
  std::unique_ptr<audit::Recorder> recorder;
  AuditLog::Impl* audit_impl = nullptr;  // Of `audit`, for its retention.
  std::unique_ptr<AuditLog> audit;
  std::unique_ptr<TaskRunner> runner;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<records::Migrator> migrator;
  std::unique_ptr<Identity> identity;
  std::shared_ptr<Images> images;
  NetworksParts networks;
  ComputeParts compute;

  std::unique_ptr<store::GuestService> guests;  // Served by the runner of a folder.
  WakeFd wake_fd;

  bool own_store = false;  // Opened by us, in the folder.
  bool guest() const { return engine && engine->guest; }
  Result<void> open_ground();
  Result<void> open_store(bool as_guest);
  Result<void> open_schemas(bool as_guest);
  store::Store& open_audit();
  Result<void> open_services();
  /// No work starts any more; false when a step still runs after `patience`.
  bool stop(std::chrono::milliseconds patience);
};

namespace {

Result<void> check_other_hosts(const Options& options) {
  if (options.other_hosts.empty()) return Result<void>();
  if (options.hypervisor != Backend::Real || !options.services.compute)
    return fail(ErrorCode::InvalidArgument, "other_hosts are for real guests");
  if (options.host_names.empty())
    return fail(ErrorCode::InvalidArgument,
                "other_hosts are beside this one: say its name, by host_names");
  std::set<std::string> daemons{options.libvirt_uri};
  for (const auto& [host, uri] : options.other_hosts) {
    const auto& names = options.host_names;
    if (std::find(names.begin(), names.end(), host) != names.end() ||
        options.hypervisor_drivers.count(host) > 0)
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("host {} is in other_hosts and has another driver", host));
    if (uri.empty() || uri.starts_with("qemu:///embed"))
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("host {} of other_hosts needs the URI of a libvirt daemon: "
                              "qemu:///embed is this process's own",
                              host));
    // Each would take the other's guests for strays, and destroy them.
    if (!daemons.insert(uri).second)
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("host {} of other_hosts has the libvirt daemon of another host",
                              host));
  }
  return Result<void>();
}

/// One that does not even say who it is would throw in the middle of what is opened.
Result<void> check_hypervisors(const Options& options) {
  const auto check = [](std::string_view what, hypervisor::Driver& driver) {
    return caught(ErrorCode::InvalidArgument,
                  fmt::format("{} throws when it is asked who it is", what), [&]() -> Result<void> {
                    static_cast<void>(driver.name());
                    return Result<void>();
                  });
  };
  if (options.hypervisor_driver)
    CLOUDOS_CHECK(check("the hypervisor_driver", *options.hypervisor_driver));
  for (const auto& [host, driver] : options.hypervisor_drivers)
    if (driver) CLOUDOS_CHECK(check(fmt::format("the driver of host {}", host), *driver));
  return Result<void>();
}

/// The same.
Result<void> check_mechanisms(const Options& options) {
  for (const auto& driver : options.mechanism_drivers) {
    if (!driver) return fail(ErrorCode::InvalidArgument, "one of the mechanism_drivers is null");
    const auto who = [&]() -> Result<void> {
      static_cast<void>(driver->name());
      static_cast<void>(driver->host());
      static_cast<void>(driver->tunnel_address());
      return Result<void>();
    };
    CLOUDOS_CHECK(caught(ErrorCode::InvalidArgument,
                         "one of the mechanism_drivers throws when it is asked who it is", who));
  }
  return Result<void>();
}

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
  if (options.services.compute && !(options.services.images && options.services.networks)) {
    return fail(ErrorCode::InvalidArgument,
                "compute needs the services images and networks: leave it out too, or have them");
  }
  for (const std::string& host : options.host_names) {
    if (options.hypervisor_drivers.count(host)) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("host {} is in host_names and has a driver of its own", host));
    }
  }
  CLOUDOS_CHECK(check_other_hosts(options));
  CLOUDOS_CHECK(check_hypervisors(options));
  CLOUDOS_CHECK(check_mechanisms(options));
  if (options.role == FolderRole::Guest && options.data_dir.empty()) {
    return fail(ErrorCode::InvalidArgument,
                "a guest joins the process that runs a data folder: set Options::data_dir");
  }
  if (options.hypervisor == Backend::User)
    return fail(ErrorCode::InvalidArgument,
                "user mode is for networks: the hypervisor is simulated or real");
  CLOUDOS_CHECK(check_built(options));
  if (options.password_cost < 4 || options.password_cost > 16) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("password_cost is {}, must be 4 to 16", options.password_cost));
  }
  return Result<void>();
}

RunnerOptions runner_options(const Options& options, Observatory& observatory) {
  RunnerOptions runner;
  runner.metrics = &observatory.metrics;
  runner.tracer = &observatory.tracer;
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
  log = Log(options.log, "cloud", options.log_level);
  log.set_levels({options.log_level, options.room_log_levels});
  ids = std::make_unique<IdSource>(*options.clock, *options.random);
  observatory = std::make_unique<Observatory>(options);
  bool as_guest = false;
  if (!options.data_dir.empty()) {
    CLOUDOS_TRY(folder, Folder::open(options.data_dir, options.role, *options.random));
    options.data_dir = folder->path();
    as_guest = !folder->runs();
  }
  options.role = as_guest ? FolderRole::Guest : FolderRole::Runner;
  CLOUDOS_CHECK(open_store(as_guest));
  CLOUDOS_CHECK(open_schemas(as_guest));
  executor = std::make_unique<Executor>(*options.clock, options.workers);
  store::Store& rooms_store = open_audit();
  runner =
      std::make_unique<TaskRunner>(rooms_store, *executor, *options.clock, *options.random,
                                   log.for_room("tasks"), runner_options(options, *observatory));
  engine = std::make_unique<Engine>(Engine{rooms_store, *executor, *runner, *options.clock,
                                           *options.random, *ids, log, options.data_dir,
                                           folder ? folder->id() : "00000000",
                                           &observatory->metrics, &observatory->tracer, as_guest,
                                           recorder.get()});
  observatory->watch(*options.store, *executor, *runner);
  return Result<void>();
}

/// The store that the rooms get.
store::Store& Cloud::Impl::open_audit() {
  AuditGround ground{*options.store, *options.clock, nullptr, nullptr, {}};
  if (options.audit.on) {
    audited = std::make_unique<audit::AuditedStore>(*options.store, *options.clock, *ids,
                                                    &observatory->metrics);
    recorder = std::make_unique<audit::Recorder>(
        audit::Recorder::Ground{*options.store, *executor, *options.clock, *ids,
                                log.for_room("audit"), &observatory->metrics});
    ground.audited = audited.get();
    ground.recorder = recorder.get();
  }
  ground.enforce = [this](const Context& ctx, std::string_view rule) {
    return identity->enforce(ctx, rule);
  };
  const AuditKeep& keep = options.audit;
  audit = make_audit_log(std::move(ground),
                         {keep.changes, keep.logins, keep.failures, keep.age}, audit_impl);
  if (audited) return *audited;
  return *options.store;
}

Result<void> Cloud::Impl::open_store(bool as_guest) {
  if (!options.store && folder) {
    store::LmdbOptions lmdb;
    lmdb.directory = folder->path() / "store";
    lmdb.map_bytes = options.store_limit_bytes;
    lmdb.owner = !as_guest;
    lmdb.metrics = observatory->shared_metrics;
    if (as_guest) lmdb.socket = folder->guest_socket();
    CLOUDOS_TRY(options.store, store::open_lmdb(lmdb));
    own_store = true;
  }
  if (!options.store) options.store = store::open_memory();
  return Result<void>();
}

/// Refuses what a newer program wrote; then, as the runner, lets the numbers of records go up.
Result<void> Cloud::Impl::open_schemas(bool as_guest) {
  records::Migrator::Save save;
  if (folder && own_store)
    save = [path = folder->path()](const std::string& name) {
      return maintenance::save_store(path, name);
    };
  migrator = std::make_unique<records::Migrator>(*options.store, maintenance::schema_kinds(),
                                                 log.for_room("records"), std::move(save));
  CLOUDOS_CHECK(migrator->check());
  if (as_guest) return Result<void>();
  return migrator->raise();
}

Result<void> Cloud::Impl::open_services() {
  IdentitySettings identity_settings;
  identity_settings.public_url = options.public_url;
  identity_settings.admin_password = options.admin_password;
  identity_settings.token_lifetime = options.token_lifetime;
  identity_settings.password_cost = options.password_cost;
  identity_settings.password_hashing = options.password_hashing;
  identity_settings.account_rules = options.account_rules;
  identity_settings.policy_file = options.policy_file;
  identity_settings.policy = options.policy;
  identity_settings.key_rotation = options.token_key_age;
  identity_settings.list_limit = options.list_limit;
  identity_settings.show_all_endpoints = options.show_all_endpoints;
  identity_settings.limit_model = options.limit_model;
  if (!options.services.images) identity_settings.left_out.insert("image");
  if (!options.services.networks) identity_settings.left_out.insert("network");
  if (!options.services.compute) identity_settings.left_out.insert("compute");
  CLOUDOS_TRY(identity, make_identity(*engine, identity_settings));
  const ServiceGround ground{options, *engine, *observatory, *identity};
  if (options.services.images) {
    CLOUDOS_TRY(images, images_service::open(ground));
  }
  if (options.services.compute && options.host_names.empty() &&
      options.hypervisor_drivers.empty()) {
    CLOUDOS_TRY(options.host_names, compute_service::known_hosts(*options.store, machine_name()));
  }
  if (options.services.networks) {
    CLOUDOS_TRY(networks, networks_service::open(ground));
  }
  if (options.services.compute) {
    CLOUDOS_TRY(compute, compute_service::open(ground, *images, *networks.networks));
  }
  if (guest()) return Result<void>();  // The runner of the folder does the work.
  runner->add(Reconciler{"audit", std::chrono::minutes{10}, "",
                         [self = audit_impl] { return self->prune(); }});
  if (audited) audited->on_many([self = runner.get()] { self->wake_reconciler("audit"); });
  runner->add(Reconciler{"schemas", std::chrono::hours{1}, "",
                         [self = migrator.get()] { return self->pass(); }});
  CLOUDOS_CHECK(runner->start());
  // Guests are served by threads, so a cloud that may start none has none.
  if (folder && options.workers > 0) {
    CLOUDOS_TRY(guests, store::serve_guests(*options.store, folder->guest_socket()));
  }
  return Result<void>();
}

bool Cloud::Impl::stop(std::chrono::milliseconds patience) {
  guests.reset();
  // The data plane answers guests on a thread of its own: no question may come in once services go.
  if (observatory) observatory->stop();
  if (networks.serve_metadata) networks.serve_metadata(nullptr);
  if (runner) runner->stop();
  if (recorder) {
    const auto written = recorder->flush();
    if (!written) log.for_room("audit").warn("the last logins: " + written.error().message);
  }
  return !executor || executor->stop(patience);
}

Result<std::unique_ptr<Cloud>> Cloud::open(Options options) {
  CLOUDOS_CHECK(check_options(options));
  CLOUDOS_TRY(auto catalogues, read_languages(options));
  auto impl = std::make_unique<Impl>();
  impl->options = std::move(options);
  impl->catalogues = std::move(catalogues);
  std::unique_ptr<Cloud> cloud(new Cloud(std::move(impl)));
  const ActorScope ours(Actor::Kind::Work);  // What the first start makes, nobody asked for.
  CLOUDOS_CHECK(cloud->impl_->open_ground());
  CLOUDOS_CHECK(cloud->impl_->open_services());
  return cloud;
}

Cloud::Cloud(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Cloud::~Cloud() {
  if (impl_->stop(std::chrono::seconds{10})) return;
  // A driver call hangs and cannot be cancelled. Its thread keeps what it uses; freeing that would
  // turn a hang into a crash of the host program.
  impl_->log.error("a driver call still runs after ten seconds; its memory is left behind");
  (void)impl_.release();
}

Result<void> Cloud::close(std::chrono::milliseconds patience) {
  if (impl_->stop(patience)) return Result<void>();
  return fail(ErrorCode::Timeout, "a step of a task still runs: its driver does not answer");
}

const Services& Cloud::services() const { return impl_->options.services; }
FolderRole Cloud::role() const { return impl_->options.role; }
Identity& Cloud::identity() { return *impl_->identity; }
AuditLog& Cloud::audit() { return *impl_->audit; }
Images& Cloud::images() {
  CLOUDOS_ASSERT(impl_->images && "Options::services.images is false: this cloud has no images");
  return *impl_->images;
}
Networks& Cloud::networks() {
  CLOUDOS_ASSERT(impl_->networks.networks && "Options::services.networks is false: this cloud has none");
  return *impl_->networks.networks;
}
Servers& Cloud::servers() {
  CLOUDOS_ASSERT(impl_->compute.servers && "Options::services.compute is false: this cloud has no servers");
  return *impl_->compute.servers;
}
Hosts& Cloud::hosts() {
  CLOUDOS_ASSERT(impl_->compute.hosts && "Options::services.compute is false: this cloud has no hosts");
  return *impl_->compute.hosts;
}
Tasks& Cloud::tasks() { return impl_->runner->tasks(); }

std::size_t Cloud::run_pending(std::optional<MonoTime> deadline) {
  const std::size_t count = impl_->executor->run_pending(deadline);
  // Behind the work, which posts more: whatever came so far, next_deadline() tells.
  impl_->wake_fd.drain();
  return count;
}

Result<int> Cloud::wake_fd() const { return impl_->wake_fd.open(*impl_->executor); }

Result<std::unique_ptr<Subscription>> Cloud::subscribe(
    SubscribeOptions what, std::function<void(const ChangeBatch&)> tell) {
  FeedGround ground{*impl_->options.store, *impl_->executor, *impl_->options.clock,
                    impl_->log.for_room("cloud")};
  // A guest's store tells of changes by a thread of its own; without workers there is none.
  if (impl_->guest() && impl_->options.workers == 0) ground.poll = limits::kGuestWatchPoll;
  return make_subscription(ground, what, std::move(tell));
}

std::optional<MonoTime> Cloud::next_deadline() const { return impl_->executor->next_due(); }

Metrics& Cloud::metrics() { return impl_->observatory->metrics; }
std::string Cloud::metrics_text() const { return impl_->observatory->metrics.text(); }
const Tracer& Cloud::tracer() const { return impl_->observatory->tracer; }
Health Cloud::health() { return impl_->observatory->health(); }
std::string Cloud::dump_state() const { return impl_->observatory->dump(); }
void Cloud::set_log_levels(const LogLevels& levels) { impl_->log.set_levels(levels); }

const Options& Cloud::options() const { return impl_->options; }
const locale::Catalogues& Cloud::catalogues() const {
  return impl_->catalogues ? *impl_->catalogues : locale::Catalogues::built_in();
}
const Clock& Cloud::clock() const { return *impl_->options.clock; }
IdSource& Cloud::ids() { return *impl_->ids; }
Log Cloud::log(std::string_view room) const { return impl_->log.for_room(room); }

}  // namespace cloudos

#include "world.hpp"

#include <unistd.h>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "base/text.hpp"
#include "cloudos/hosts.hpp"
#include "cloudos/identity.hpp"
#include "compute/records.hpp"
#include "identity/quota.hpp"
#include "network/record.hpp"
#include "placement/placement.hpp"
#include "records/table.hpp"
#include "tasks/task.hpp"

namespace cloudos::sim {

using namespace std::chrono_literals;

/// A network back end in memory; like the hypervisor, it outlives the process.
class World::Mechanism final : public network::MechanismDriver {
 public:
  explicit Mechanism(World& world) : world_(world) {}
  std::string_view name() const override { return "sim"; }
  Result<void> precommit(store::Txn&, const network::Change&) override { return Result<void>(); }
  Result<void> postcommit(const network::Change& change) override {
    if (auto error = world_.driver_fault("postcommit")) return fail(std::move(*error));
    if (change.kind == network::Change::Kind::Port) {
      if (change.gone()) ports.erase(change.id);
      else ports.insert(change.id);
    }
    return Result<void>();
  }
  Result<void> converge(const network::Plan& plan) override {
    if (auto error = world_.driver_fault("converge")) return fail(std::move(*error));
    ports.clear();
    for (const auto& [id, port] : plan.ports) ports.insert(id.value);
    return Result<void>();
  }
  std::optional<network::Binding> bind_port(const network::PortContext&) const override {
    return network::Binding{"sim", "tap", {}};
  }
  std::set<std::string> ports;

 private:
  World& world_;
};

World::World(std::uint64_t seed, Chaos chaos, unsigned hosts)
    : fate_(seed), chaos_(chaos), hosts_(hosts) {
  std::string pattern = (std::filesystem::temp_directory_path() / "cloudos-sim-XXXXXX").string();
  REQUIRE(mkdtemp(pattern.data()) != nullptr);
  folder_ = pattern;
  clock_ = std::make_shared<ManualClock>();
  random_ = std::make_shared<SeededRandom>(seed + 1);
  store_ = store::open_memory();
  hypervisor::SimulatedSettings settings;
  settings.clock = clock_.get();
  settings.guest_shutdown = 2s;
  settings.hooks.before = [this](std::string_view verb, const ServerId&) {
    return driver_fault(verb);
  };
  settings.hooks.after = [this](std::string_view, const ServerId&) -> std::optional<Error> {
    if (calm_ || !chance(chaos_.forget)) return std::nullopt;
    return Error{ErrorCode::Timeout, "the answer was lost", {}};
  };
  settings.hooks.delay = [this](std::string_view, const ServerId&) {
    return std::chrono::milliseconds{calm_ || !chance(chaos_.slow) ? 0 : fate_.below(10'000)};
  };
  hypervisor_ = hypervisor::make_simulated(settings);
  mechanism_ = std::make_shared<Mechanism>(*this);
  start();
  prepare();
  calm_ = false;
}

World::~World() {
  cloud_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

bool World::chance(unsigned in_a_thousand) { return fate_.below(1'000) < in_a_thousand; }

std::optional<Error> World::driver_fault(std::string_view verb) {
  if (calm_ || !chance(chaos_.fail)) return std::nullopt;
  // Most failures pass; some are final.
  const bool passes = chance(700);
  return Error{passes ? ErrorCode::Unavailable : ErrorCode::Internal,
               fmt::format("{} was made to fail", verb), {}};
}

void World::start() {
  faulty_ = std::make_shared<store::FaultyStore>(store_);
  Options options;
  options.data_dir = folder_;
  options.workers = 0;
  options.clock = clock_;
  options.random = random_;
  options.store = faulty_;
  options.hypervisor_driver = hypervisor_;
  options.mechanism_driver = mechanism_;
  options.password_cost = 4;
  options.admin_password = "secret";
  for (unsigned i = 0; i < hosts_; ++i) options.host_names.push_back(fmt::format("host-{}", i));
  auto opened = Cloud::open(options);
  const std::string why = opened ? "" : opened.error().message + " " + opened.error().detail;
  INFO(why);
  REQUIRE(opened);
  cloud_ = std::move(*opened);
}

void World::prepare() {
  const Context system = Context::system();
  ProjectCreate project;
  project.name = "tenant";
  project.domain = DomainId{"default"};
  const auto made = cloud_->identity().create_project(system, project);
  REQUIRE(made);
  tenant_.project = made->id;
  tenant_.user = UserId{"tenant-user"};
  tenant_.roles = {"member", "reader"};
  // Small enough to be reached by the storms.
  REQUIRE(store_->transact([&](store::Txn& txn) {
    return Quota::set_limit(txn, tenant_.project, "servers", 8);
  }));
  ImageCreate image;
  image.name = "image";
  image.disk_format = DiskFormat::Raw;
  image.container_format = ContainerFormat::Bare;
  const auto recorded = cloud_->images().create(tenant_, image);
  REQUIRE(recorded);
  image_ = recorded->id;
  TextSource bytes(std::string(4'096, 'x'));
  REQUIRE(cloud_->images().upload(tenant_, image_, bytes));
  NetworkCreate network;
  network.name = "net";
  const auto net = cloud_->networks().create_network(tenant_, network);
  REQUIRE(net);
  network_ = net->id;
  SubnetCreate subnet;
  subnet.network = network_;
  subnet.cidr = "10.0.0.0/28";  // 16 addresses: storms run it dry.
  REQUIRE(cloud_->networks().create_subnet(tenant_, subnet));
  const auto flavors = cloud_->servers().flavors().list(tenant_);
  REQUIRE(flavors);
  for (const Flavor& flavor : *flavors)
    if (flavor.name == "m1.nano") flavor_ = flavor.id;
  REQUIRE(!flavor_.empty());
}

Result<Server> World::create(const std::string& name) {
  ServerCreate spec;
  spec.name = name;
  spec.image = image_;
  spec.flavor = flavor_;
  spec.networks = std::vector<ServerNetwork>{{network_, {}, {}}};
  return cloud_->servers().create(tenant_, spec);
}

std::vector<Server> World::servers() {
  auto list = cloud_->servers().list(tenant_);
  return list ? std::move(*list) : std::vector<Server>();
}

void World::act() {
  ++actions_;
  reopen_if_crashed();
  if (chance(chaos_.crash)) faulty_->crash_after(fate_.below(6));
  const auto list = servers();
  const auto some = [&]() -> const Server& { return list[fate_.below(list.size())]; };
  const auto choice = fate_.below(100);
  auto& api = cloud_->servers();
  // What a call answers is the tenant's business; what it leaves behind is checked.
  if (list.empty() || choice < 35) (void)create(fmt::format("s{}", actions_)).has_value();
  else if (choice < 60) (void)api.remove(tenant_, some().id).has_value();
  else if (choice < 70) (void)api.stop(tenant_, some().id).has_value();
  else if (choice < 78) (void)api.start(tenant_, some().id).has_value();
  else if (choice < 86)
    (void)api.reboot(tenant_, some().id, chance(500) ? RebootMode::Soft : RebootMode::Hard)
        .has_value();
  else if (choice < 90) hypervisor_->power_off(some().id, chance(300));
  else clock_->advance(std::chrono::milliseconds{fate_.below(5'000)});
}

void World::run(std::size_t closures) {
  for (std::size_t i = 0; i < closures; ++i) {
    reopen_if_crashed();
    // A deadline that has passed lets one closure run at a time.
    if (cloud_->run_pending(clock_->mono()) == 0) {
      const auto due = cloud_->next_deadline();
      if (!due) return;
      if (*due > clock_->mono()) clock_->advance(*due - clock_->mono());
    }
    check_step();
  }
}

void World::crash() {
  ++crashes_;
  cloud_.reset();
  start();
}

void World::reopen_if_crashed() {
  if (faulty_->crashed()) crash();
}

void World::rest() {
  faulty_->crash_after(1'000'000);
  calm_ = true;
  reopen_if_crashed();
  const MonoTime end = clock_->mono() + 30min;
  while (clock_->mono() < end) {
    cloud_->run_pending();
    const auto due = cloud_->next_deadline();
    if (!due) break;
    if (*due > clock_->mono()) clock_->advance(*due - clock_->mono());
  }
  check_step();
  check_rest();
  calm_ = false;
}

void World::check_step() {
  const auto snapshot = *store_->snapshot();
  const auto servers = *records::all<Server>(*snapshot);
  std::map<std::string, const Server*> by_id;
  std::int64_t count = 0, cores = 0;
  for (const Server& server : servers) {
    by_id[server.id.value] = &server;
    if (server.project != tenant_.project) continue;
    ++count;
    cores += server.flavor.vcpus;
  }
  const auto use = *Quota::usage(*snapshot, tenant_.project);
  CHECK(use.at("servers").in_use == count);
  CHECK(use.at("cores").in_use == cores);

  const auto differences = placement::audit(*snapshot);
  REQUIRE(differences);
  for (const std::string& difference : *differences) FAIL_CHECK(difference);

  std::set<std::pair<std::string, std::string>> addresses, macs;
  std::int64_t ports = 0;
  const auto all_ports = *records::all<Port>(*snapshot);
  for (const Port& port : all_ports) {
    if (port.project == tenant_.project && port.device_owner != "network:dhcp") ++ports;
    CHECK(macs.emplace(port.network.value, port.mac).second);
    for (const FixedIp& fixed : port.fixed_ips)
      CHECK(addresses.emplace(fixed.subnet.value, fixed.address).second);
    if (port.device_owner.starts_with("compute:")) CHECK(by_id.contains(port.device_id));
  }
  CHECK(use.at("ports").in_use >= ports);

  for (const ServerId& id : hypervisor_->domains()) CHECK(by_id.contains(id.value));
}

void World::check_rest() {
  const auto snapshot = *store_->snapshot();
  const auto all_tasks = *records::all<tasks::TaskRecord>(*snapshot);
  for (const auto& task : all_tasks) {
    CAPTURE(task.type);
    CAPTURE(task.step);
    CAPTURE(task.error_message);
    CHECK(is_final(task.state));
  }
  std::size_t running = 0;
  const auto all_servers = *records::all<Server>(*snapshot);
  for (const Server& server : all_servers) {
    CAPTURE(server.name);
    CHECK(server.vm_state != VmState::Building);
    if (server.vm_state == VmState::Error) CHECK(server.fault);
    CAPTURE(server.status());
    CHECK(server.task_state == ServerTask::None);
    if (server.vm_state == VmState::Active) ++running;
    const auto claim = placement::claim_of(*snapshot, server.id);
    REQUIRE(claim);
    if (server.vm_state == VmState::Active || server.vm_state == VmState::Stopped)
      CHECK(*claim);
  }
  const auto domains = hypervisor_->list();
  REQUIRE(domains);
  const auto on = std::count_if(domains->begin(), domains->end(), [](const auto& domain) {
    return domain.power == hypervisor::PowerState::Running;
  });
  CHECK(static_cast<std::size_t>(on) == running);
  std::set<std::string> wired;
  const auto all_ports = *records::all<Port>(*snapshot);
  for (const Port& port : all_ports)
    if (port.plugged && port.device_owner != "network:dhcp") wired.insert(port.id.value);
  for (const std::string& id : wired) {
    CAPTURE(id);
    CHECK(mechanism_->ports.contains(id));
  }
  for (const std::string& id : mechanism_->ports) {
    CAPTURE(id);
    CHECK(wired.contains(id));
  }
}

World::Ended World::ended() const {
  Ended ended;
  const auto snapshot = *store_->snapshot();
  const auto all_tasks = *records::all<tasks::TaskRecord>(*snapshot);
  for (const auto& task : all_tasks) {
    ended.tasks += is_final(task.state);
    ended.failed += task.state == TaskState::Failed;
    ended.superseded += !task.superseded_by.empty();
  }
  return ended;
}

std::string World::digest() const {
  const auto snapshot = *store_->snapshot();
  std::string all;
  store::ScanOptions scan;
  for (;;) {
    const auto entries = *snapshot->scan("/", scan);
    for (const auto& entry : entries)
      all += fmt::format("{}={}@{}\n", entry.key, entry.value, entry.revision);
    if (entries.size() < limits::kScanPage) break;
    scan.after = entries.back().key;
  }
  const std::string digest = sha256(all);
  return to_hex({reinterpret_cast<const std::uint8_t*>(digest.data()), digest.size()}) +
         fmt::format("/{}", hypervisor_->domain_count());
}

}  // namespace cloudos::sim

#include "world.hpp"

#include <unistd.h>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "base/text.hpp"
#include "cloudos/hosts.hpp"
#include "cloudos/identity.hpp"
#include "identity/quota.hpp"
#include "records/table.hpp"
#include "sim/disks.hpp"
#include "tasks/task.hpp"

namespace cloudos::sim {

using namespace std::chrono_literals;

World::World(std::uint64_t seed, Chaos chaos, unsigned hosts, std::optional<WallTime> begin)
    : fate_(seed), chaos_(chaos), hosts_(hosts) {
  std::string pattern = (std::filesystem::temp_directory_path() / "cloudos-sim-XXXXXX").string();
  REQUIRE(mkdtemp(pattern.data()) != nullptr);
  folder_ = pattern;
  clock_ = begin ? std::make_shared<ManualClock>(*begin) : std::make_shared<ManualClock>();
  random_ = std::make_shared<SeededRandom>(seed + 1);
  store_ = store::open_memory();
  const auto away = [this](bool edge) { return edge && edge_lost_; };
  const Error lost{ErrorCode::Unavailable, "the host is not heard of", {}};
  const auto hypervisor_of = [&](bool edge) {
    hypervisor::SimulatedSettings settings;
    settings.clock = clock_.get();
    settings.guest_shutdown = 2s;
    settings.hooks.before = [=, this](std::string_view verb,
                                      const ServerId& id) -> std::optional<Error> {
      ++driver_calls_;
      if (away(edge)) return lost;
      if (unreachable_ && (verb == "define" || verb == "start"))
        return Error{ErrorCode::Unavailable, "out of reach", {}};
      meddle(&id);
      return driver_fault(verb);
    };
    settings.hooks.after = [this](std::string_view, const ServerId& id) {
      meddle(&id);
      return lost_answer();
    };
    settings.hooks.delay = [this](std::string_view, const ServerId&) {
      return std::chrono::milliseconds{calm_ || !chance(chaos_.slow) ? 0 : fate_.below(10'000)};
    };
    return hypervisor::make_simulated(settings);
  };
  const auto plane_of = [&](bool edge) {
    return std::make_shared<Mechanism>(
        [=, this](std::string_view verb) -> std::optional<Error> {
          if (away(edge)) return lost;
          meddle(nullptr);
          return driver_fault(verb);
        },
        [this](std::string_view) {
          meddle(nullptr);
          return lost_answer();
        },
        edge ? "edge" : "");
  };
  hypervisor_ = hypervisor_of(false);
  mechanism_ = plane_of(false);
  if (chaos_.lose != 0) {
    edge_ = hypervisor_of(true);
    edge_plane_ = plane_of(true);
  }
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

/// What threads would do while this one is in a driver: another caller, and other workers. The data
/// plane (no `guest`) tells drivers one after the other, so that no work may run inside its calls.
void World::meddle(const ServerId* guest) {
  if (calm_ || meddling_ || !cloud_ || !chance(chaos_.meddle)) return;
  meddling_ = true;
  if (guest != nullptr && !guest->empty() && chance(300))
    (void)cloud_->servers().remove(tenant_, *guest).has_value();
  else act_of_tenant();
  if (guest != nullptr) {
    for (auto closures = fate_.below(40); closures > 0; --closures)
      cloud_->run_pending(clock_->mono());
  }
  meddling_ = false;
}

std::optional<Error> World::lost_answer() {
  if (calm_ || !chance(chaos_.forget)) return std::nullopt;
  return Error{ErrorCode::Timeout, "the answer was lost", {}};
}

void World::start() {
  faulty_ = std::make_shared<store::FaultyStore>(store_);
  Options options;
  options.data_dir = folder_;
  options.workers = 0;
  options.clock = clock_;
  options.random = random_;
  options.store = faulty_;
  options.hypervisor_driver = std::make_shared<DisksInFolders>(hypervisor_);
  options.mechanism_driver = mechanism_;
  if (edge_) {
    options.hypervisor_drivers["edge"] = std::make_shared<DisksInFolders>(edge_);
    options.mechanism_drivers = {edge_plane_};
  }
  options.password_cost = 4;
  options.admin_password = "secret";
  options.image_stores.folders["second"] = {folder_ / "second-store", "", 0, 0};
  options.image_stores.folders["third"] = {folder_ / "third-store", "", 0, 1 << 20};
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
  project.name = "neighbour";
  const auto beside = cloud_->identity().create_project(system, project);
  REQUIRE(beside);
  neighbour_ = tenant_;
  neighbour_.project = beside->id;
  neighbour_.user = UserId{"neighbour-user"};
  // Small enough to be reached by the storms.
  REQUIRE(store_->transact([&](store::Txn& txn) -> Result<void> {
    for (const auto& [resource, limit] : {std::pair{"servers", 8}, std::pair{"networks", 4},
                                          std::pair{"subnets", 5}, std::pair{"ports", 24},
                                          std::pair{"security_groups", 5},
                                          std::pair{"security_group_rules", 24},
                                          std::pair{"image_count_total", 12},
                                          std::pair{"image_size_total", 2},
                                          std::pair{"image_count_uploading", 2}})
      CLOUDOS_CHECK(Quota::set_limit(txn, tenant_.project, resource, limit));
    return Result<void>();
  }));
  image_ = make_image("image");
  REQUIRE(!image_.empty());
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

Result<Token> World::log_in_as_admin() {
  Login login;
  login.password = Login::Password{{"", "admin", "default", ""}, "secret"};
  login.scope.kind = Scope::Kind::Project;
  login.scope.target = {"", "admin", "default", ""};
  return cloud_->identity().authenticate(login);
}

ImageId World::make_image(const std::string& name) {
  ImageCreate image;
  image.name = name;
  image.disk_format = DiskFormat::Raw;
  image.container_format = ContainerFormat::Bare;
  const auto recorded = cloud_->images().create(tenant_, image);
  if (!recorded) return {};
  TextSource bytes(std::string(4'096, 'x'));
  (void)cloud_->images().upload(tenant_, recorded->id, bytes).has_value();
  return recorded->id;
}

ServerCreate World::wish(const std::string& name) const {
  ServerCreate spec;
  spec.name = name;
  spec.image = image_;
  spec.flavor = flavor_;
  spec.networks = std::vector<ServerNetwork>{{network_, {}, {}}};
  return spec;
}

Result<Server> World::create(const std::string& name) {
  return cloud_->servers().create(tenant_, wish(name));
}

std::vector<Server> World::servers() {
  auto list = cloud_->servers().list(tenant_);
  return list ? std::move(*list) : std::vector<Server>();
}

void World::run(std::size_t closures) {
  for (std::size_t i = 0; i < closures; ++i) {
    reopen_if_crashed();
    // A deadline that has passed lets one closure run at a time.
    if (cloud_->run_pending(clock_->mono()) == 0) {
      check_idle();
      const auto due = cloud_->next_deadline();
      if (!due) return;
      if (*due > clock_->mono()) clock_->advance(*due - clock_->mono());
    }
    check_step();
  }
}

void World::reset_host() {
  hypervisor_->power_cut();
  mechanism_->inner().reboot();
  crash();
}

void World::jump_clock(std::chrono::hours by) {
  clock_->jump_wall(by);
  jumped_at_ = clock_->mono();
}

void World::crash() {
  ++crashes_;
  cloud_.reset();
  start();
}

void World::reopen_if_crashed() {
  if (faulty_->crashed()) crash();
}

std::vector<ServerId> World::domains() const {
  auto all = hypervisor_->domains();
  if (!edge_) return all;
  const auto more = edge_->domains();
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

void World::rest() {
  faulty_->crash_after(1'000'000);
  calm_ = true;
  reopen_if_crashed();
  if (edge_lost_) {
    // It may never come back: the others go on. Then it does.
    settle();
    check_step();
    check_without_edge();
    edge_lost_ = false;
  }
  settle();
  check_step();
  check_rest();
  calm_ = false;
}

void World::settle() {
  const MonoTime end = clock_->mono() + 30min;
  while (clock_->mono() < end) {
    cloud_->run_pending();
    const auto due = cloud_->next_deadline();
    if (!due) break;
    if (*due > clock_->mono()) clock_->advance(*due - clock_->mono());
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
         fmt::format("/{}", domains().size());
}

}  // namespace cloudos::sim

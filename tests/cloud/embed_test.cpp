// What a host program brings, leaves out and drives: Options, wake_fd, deadlines, pages, changes.
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/wait.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <future>
#include <mutex>
#include <semaphore>
#include <set>
#include <thread>

#include "cloud/support.hpp"
#include "cloudos/hosts.hpp"
#include "cloudos/hypervisor.hpp"
#include "cloudos/identity.hpp"
#include "cloudos/network_driver.hpp"
#include "cloudos/networks.hpp"
#include "cloudos/pages.hpp"
#include "cloudos/store.hpp"
#include "hypervisor/simulated.hpp"

using namespace cloudos;
using namespace std::chrono_literals;
using cloud_test::boot_server;
using cloud_test::make_server;
using cloud_test::member;
using cloud_test::Scratch;
using cloud_test::small_options;

namespace {

std::set<std::string> threads_now() {
  std::set<std::string> ids;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task"))
    ids.insert(entry.path().filename().string());
  return ids;
}

bool readable(int fd) {
  pollfd wait{fd, POLLIN, 0};
  return poll(&wait, 1, 0) == 1;
}

/// Counts what it is asked; binds nothing but what `takes` says.
class NamedMechanism final : public network::MechanismDriver {
 public:
  NamedMechanism(std::string name, std::string takes)
      : name_(std::move(name)), takes_(std::move(takes)) {}
  std::string_view name() const override { return name_; }
  Result<void> precommit(store::Txn&, const network::Change& change) override {
    if (veto && change.kind == network::Change::Kind::Network)
      return fail(ErrorCode::Conflict, "not on my switch");
    return Result<void>();
  }
  Result<void> postcommit(const network::Change&) override { return Result<void>(); }
  Result<void> converge(const network::Plan&) override { return Result<void>(); }
  std::optional<network::Binding> bind_port(const network::PortContext& port) const override {
    asked.push_back(name_);
    if (port.host != takes_) return std::nullopt;
    return network::Binding{name_, "tap", {}};
  }
  bool veto = false;
  static inline std::vector<std::string> asked;

 private:
  std::string name_, takes_;
};

class OnlyOn final : public scheduler::Filter {
 public:
  explicit OnlyOn(std::string host) : host_(std::move(host)) {}
  std::string_view name() const override { return "OnlyOn"; }
  bool pass(const scheduler::HostState& host, const scheduler::Request&) const override {
    return host.name == host_;
  }
  std::string explain(const scheduler::HostState&, const scheduler::Request&) const override {
    return "not the one";
  }

 private:
  std::string host_;
};

/// Gathers batches from whichever thread tells them.
struct Heard {
  std::mutex mutex;
  std::condition_variable more;
  std::vector<ChangeBatch> batches;
  std::function<void(const ChangeBatch&)> ear() {
    return [this](const ChangeBatch& batch) {
      const std::lock_guard lock(mutex);
      batches.push_back(batch);
      more.notify_all();
    };
  }
  bool knows(const std::string& kind, const std::string& id) {
    for (const auto& batch : batches)
      for (const auto& change : batch.changes)
        if (change.kind == kind && change.id == id) return true;
    return false;
  }
  bool hears(const std::string& kind, const std::string& id) {
    std::unique_lock lock(mutex);
    return more.wait_for(lock, 10s, [&] { return knows(kind, id); });
  }
};

/// The machine's clock, which tells that a thread asked it.
class AskedClock final : public Clock {
 public:
  WallTime wall() const override { return real_.wall(); }
  MonoTime mono() const override {
    if (by.load() == std::this_thread::get_id()) asked.release();
    return real_.mono();
  }
  std::atomic<std::thread::id> by{};
  mutable std::counting_semaphore<> asked{0};

 private:
  SystemClock real_;
};

}  // namespace

TEST_CASE("hosts with drivers of their own stand beside the built-in ones, each used for itself") {
  const auto own = std::shared_ptr<hypervisor::Driver>(hypervisor::make_simulated({}));
  const auto other = std::shared_ptr<hypervisor::Driver>(hypervisor::make_simulated({}));
  Options options = small_options();
  options.host_names = {"built-in"};
  options.hypervisor_drivers = {{"mine", own}, {"other", other}};
  options.placement = scheduler::default_policy();
  options.placement->filters.push_back(std::make_shared<OnlyOn>("mine"));
  auto cloud = Cloud::open(options);
  REQUIRE(cloud);
  const auto server = boot_server(**cloud, "s");
  REQUIRE(server);
  CHECK(server->vm_state == VmState::Active);
  CHECK(server->host == "mine");
  CHECK(own->list()->size() == 1);
  CHECK(other->list()->empty());
  std::set<std::string> names;
  const auto hosts = (*cloud)->hosts().list(Context::system());
  REQUIRE(hosts);
  for (const auto& host : *hosts) names.insert(host.name);
  CHECK(names == std::set<std::string>{"built-in", "mine", "other"});
}

TEST_CASE("a cloud may have no host but those that its program brings") {
  Options options = small_options();
  options.host_names.clear();
  options.hypervisor_drivers = {{"mine", hypervisor::make_simulated({})}};
  auto cloud = Cloud::open(options);
  REQUIRE(cloud);
  CHECK((*cloud)->hosts().list(Context::system())->size() == 1);
  CHECK(boot_server(**cloud, "s")->host == "mine");
}

TEST_CASE("a filter that lets no host pass is named in the server's fault") {
  Options options = small_options();
  options.placement = scheduler::default_policy();
  options.placement->filters.push_back(std::make_shared<OnlyOn>("nowhere"));
  auto cloud = Cloud::open(options);
  REQUIRE(cloud);
  const auto server = boot_server(**cloud, "s");
  REQUIRE(server);
  CHECK(server->vm_state == VmState::Error);
  REQUIRE(server->fault);
  CHECK(server->fault->message.find("OnlyOn") != std::string::npos);
}

TEST_CASE("mechanism drivers are asked in their order before the built-in one, and each may veto") {
  const auto first = std::make_shared<NamedMechanism>("first", "a");
  const auto second = std::make_shared<NamedMechanism>("second", "b");
  NamedMechanism::asked.clear();
  Options options = small_options();
  options.workers = 0;  // `asked` is this thread's.
  options.mechanism_drivers = {first, second};
  auto cloud = Cloud::open(options);
  REQUIRE(cloud);
  auto& networks = (*cloud)->networks();
  const auto net = networks.create_network(member(), {.name = "n"});
  REQUIRE(net);
  REQUIRE(networks.create_subnet(member(), {.network = net->id, .cidr = "10.0.0.0/24"}));
  struct Row {
    std::string host, driver;
    std::vector<std::string> asked;
  };
  const Row rows[] = {{"a", "first", {"first"}},
                      {"b", "second", {"first", "second"}},
                      {"c", "simulated", {"first", "second"}}};
  for (const Row& row : rows) {
    CAPTURE(row.host);
    NamedMechanism::asked.clear();
    const auto port = networks.create_port(member(), {.network = net->id, .host = row.host});
    REQUIRE(port);
    CHECK(port->driver == row.driver);
    CHECK(NamedMechanism::asked == row.asked);
  }
  second->veto = true;
  const auto refused = networks.create_network(member(), {.name = "m"});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("not on my switch") != std::string::npos);
  CHECK(networks.networks(member())->size() == 1);
}

TEST_CASE("drivers and services that do not go together are refused with what to do") {
  const Scratch folder;
  struct Row {
    std::string what;
    std::function<void(Options&)> change;
    std::string says;
  };
  const Row rows[] = {
      {"compute without images", [](Options& o) { o.services.images = false; }, "compute needs"},
      {"compute without networks", [](Options& o) { o.services.networks = false; },
       "compute needs"},
      {"one host, two drivers",
       [](Options& o) {
         o.hypervisor_drivers = {{"host-1", hypervisor::make_simulated({})}};
       },
       "host-1"},
      {"no driver",
       [](Options& o) {
         o.hypervisor_drivers = {{"mine", nullptr}};
       },
       "mine"},
      {"no mechanism driver", [](Options& o) { o.mechanism_drivers = {nullptr}; }, "null"},
      {"a type that projects' networks cannot be of",
       [](Options& o) { o.networks.tenant_types = {"flat"}; }, "flat"},
      {"tags out of range",
       [](Options& o) {
         o.networks.vlan_ranges = std::map<std::string, NetworkOptions::Ranges>{{"p", {{1, 5000}}}};
       },
       "vlan_ranges"},
      {"tunnels that overlap",
       [](Options& o) {
         o.networks.vni_ranges = NetworkOptions::Ranges{{1, 10}, {5, 20}};
       },
       "vni_ranges"},
      {"a domain that is none",
       [](Options& o) { o.networks.dns_domain = "a b"; }, "networks.dns_domain"},
      {"a tunnel of nobody's",
       [](Options& o) { o.networks.tunnel_address = "192.0.2.7"; }, "networks.host"},
      {"other hosts that nobody real runs",
       [](Options& o) {
         o.other_hosts = {{"two", "qemu+tcp://192.0.2.8/system"}};
       },
       "real guests"},
      {"two hosts of one daemon",
       [](Options& o) {
         o.hypervisor = Backend::Real;
         o.other_hosts = {{"three", "qemu+tcp://192.0.2.8/system"},
                          {"two", "qemu+tcp://192.0.2.8/system"}};
       },
       "host two of other_hosts has the libvirt daemon of another host"},
      {"another host of this one's daemon",
       [](Options& o) {
         o.hypervisor = Backend::Real;
         o.libvirt_uri = "qemu:///system";
         o.other_hosts = {{"two", "qemu:///system"}};
       },
       "has the libvirt daemon of another host"},
      {"another host whose name is a path",
       [](Options& o) {
         o.network = Backend::Real;
         o.networks.host = "one";
         o.networks.other_hosts = {{"../two", {"space-2", ""}}};
       },
       "another host's name"},
      {"a namespace that is a path",
       [](Options& o) {
         o.network = Backend::Real;
         o.networks.host = "one";
         o.networks.other_hosts = {{"two", {"../../proc/1/ns/net", ""}}};
       },
       "another host's name"},
      {"a namespace that is two hosts",
       [](Options& o) {
         o.network = Backend::Real;
         o.networks.host = "one";
         o.networks.other_hosts = {{"three", {"space", ""}}, {"two", {"space", ""}}};
       },
       "one host, not two"},
      {"other hosts' networks that are not real",
       [](Options& o) {
         o.networks.other_hosts = {{"two", {"space-2", ""}}};
       },
       "real networks"},
      {"a guest of nothing", [](Options& o) { o.role = FolderRole::Guest; }, "data_dir"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Options options = small_options();
    row.change(options);
    if (options.hypervisor == Backend::Real || options.network == Backend::Real)
      options.data_dir = folder.path;
    const auto cloud = Cloud::open(options);
    REQUIRE_FALSE(cloud);
    const std::string said = cloud.error().message;
    CAPTURE(said);
    CHECK(cloud.error().code == ErrorCode::InvalidArgument);
    CHECK(cloud.error().message.find(row.says) != std::string::npos);
  }
}

TEST_CASE("services that are left out leave nothing behind: catalogue, reconcilers, records") {
  struct Row {
    std::string what;
    Services services;
    std::set<std::string> types;
  };
  const Row rows[] = {
      {"identity alone", {false, false, false}, {"identity"}},
      {"images", {true, false, false}, {"identity", "image"}},
      {"networks", {false, true, false}, {"identity", "network"}},
      {"no compute", {true, true, false}, {"identity", "image", "network"}},
      {"all", {}, {"compute", "identity", "image", "network"}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Options options = small_options();
    options.services = row.services;
    auto cloud = Cloud::open(options);
    REQUIRE(cloud);
    CHECK((*cloud)->services() == row.services);
    std::set<std::string> types;
    const auto catalog = (*cloud)->identity().catalog(ProjectId{"p"}, UserId{"u"});
    REQUIRE(catalog);
    for (const auto& entry : *catalog) types.insert(entry.service.type);
    CHECK(types == row.types);
  }
}

TEST_CASE("asking for a service that was left out aborts, with a sentence that names the option") {
  Options options = small_options();
  options.services = {false, false, false};
  options.workers = 0;
  auto cloud = Cloud::open(options);
  REQUIRE(cloud);
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    ::dup2(ends[1], 2);
    std::signal(SIGABRT, SIG_DFL);  // doctest's own handler would report into the test's output.
    (*cloud)->servers();
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string said(1024, '\0');
  const ssize_t got = ::read(ends[0], said.data(), said.size());
  ::close(ends[0]);
  int status = 0;
  ::waitpid(pid, &status, 0);
  REQUIRE(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGABRT);
  CHECK(said.substr(0, static_cast<std::size_t>(std::max<ssize_t>(got, 0)))
            .find("Options::services.compute") != std::string::npos);
}

TEST_CASE("a service left out at one start is there again at the next, catalogue and all") {
  Scratch folder;
  const auto types = [&](Services services) {
    Options options = small_options(folder.path);
    options.services = services;
    std::set<std::string> found;
    auto cloud = Cloud::open(options);
    REQUIRE(cloud);
    const auto catalog = (*cloud)->identity().catalog(ProjectId{"p"}, UserId{"u"});
    REQUIRE(catalog);
    for (const auto& entry : *catalog) found.insert(entry.service.type);
    return found;
  };
  CHECK(types({true, false, false}) == std::set<std::string>{"identity", "image"});
  CHECK(types({}).size() == 4);
  CHECK(types({false, false, false}) == std::set<std::string>{"identity"});
}

TEST_CASE("with no workers a cloud in a folder starts no thread, whatever it is asked") {
  Scratch folder;
  const auto before = threads_now();
  Options options = small_options(folder.path);
  options.workers = 0;
  auto cloud = Cloud::open(options);
  REQUIRE(cloud);
  CHECK((*cloud)->wake_fd());
  Heard heard;
  const auto subscription = (*cloud)->subscribe({}, heard.ear());
  CHECK(boot_server(**cloud, "s")->vm_state == VmState::Active);
  CHECK(threads_now() == before);
}

TEST_CASE("wake_fd is readable exactly when work may have come earlier than told") {
  Options options = small_options();
  options.workers = 0;
  options.clock = std::make_shared<ManualClock>();
  auto cloud = Cloud::open(options);
  REQUIRE(cloud);
  const auto fd = (*cloud)->wake_fd();
  REQUIRE(fd);
  CHECK(*(*cloud)->wake_fd() == *fd);
  CHECK(readable(*fd));  // For whatever came before the first call.
  (*cloud)->run_pending();
  CHECK_FALSE(readable(*fd));
  const auto idle_until = (*cloud)->next_deadline();
  REQUIRE(idle_until);  // Reconcilers have their periods.
  CHECK(*idle_until > (*cloud)->clock().mono());
  // A call on another thread, as a host program makes them.
  std::thread caller([&] { CHECK(make_server(**cloud, "s")); });
  pollfd wait{*fd, POLLIN, 0};
  CHECK(poll(&wait, 1, 10'000) == 1);
  caller.join();
  CHECK(*(*cloud)->next_deadline() <= (*cloud)->clock().mono());
  (*cloud)->run_pending();
  CHECK_FALSE(readable(*fd));
}

TEST_CASE("a loop of poll, wake_fd and next_deadline alone brings a server up") {
  Options options = small_options();
  options.workers = 0;
  auto cloud = Cloud::open(options);
  REQUIRE(cloud);
  // A call on another thread, as a host program makes them.
  auto making = std::async(std::launch::async, [&] { return make_server(**cloud, "s"); });
  std::optional<ServerId> made;
  const auto is_up = [&] {
    if (!made && making.wait_for(0s) == std::future_status::ready) {
      const auto server = making.get();
      REQUIRE(server);
      made = server->id;
    }
    return made && (*cloud)->servers().get(member(), *made)->vm_state == VmState::Active;
  };
  CHECK(cloud_test::loop_until(**cloud, is_up));
}

TEST_CASE("close ends a cloud's work for good, twice is as good as once, and reads go on") {
  Scratch folder;
  auto cloud = Cloud::open(small_options(folder.path));
  REQUIRE(cloud);
  const auto server = boot_server(**cloud, "s");
  REQUIRE(server);
  CHECK((*cloud)->close());
  CHECK((*cloud)->close(0ms));
  CHECK((*cloud)->servers().get(member(), server->id));
  const auto later = make_server(**cloud, "later");
  REQUIRE(later);
  CHECK((*cloud)->tasks().wait(later->task, 200ms).error().code == ErrorCode::Timeout);
  cloud->reset();
  auto next = Cloud::open(small_options(folder.path));
  REQUIRE(next);
  CHECK((*next)->tasks().wait(later->task, 20s)->state == TaskState::Done);
}

TEST_CASE("a call whose deadline has passed, or that was cancelled, changes nothing") {
  const auto clock = std::make_shared<ManualClock>();
  Options options = small_options();
  options.workers = 0;
  options.clock = clock;
  auto cloud = Cloud::open(options);
  REQUIRE(cloud);
  const auto image = cloud_test::make_image(**cloud);
  REQUIRE(image);
  Context late = member();
  late.deadline = clock->mono();
  Context gone = member();
  gone.cancel = CancelToken::make();
  gone.cancel.cancel();
  struct Row {
    std::string what;
    std::function<std::optional<ErrorCode>(const Context&)> call;
  };
  const auto code = [](const auto& result) {
    return result ? std::nullopt : std::optional(result.error().code);
  };
  Cloud& c = **cloud;
  const Row rows[] = {
      {"image", [&](const Context& x) { return code(c.images().create(x, {.name = "x"})); }},
      {"image removed", [&](const Context& x) { return code(c.images().remove(x, image->id)); }},
      {"network", [&](const Context& x) { return code(c.networks().create_network(x, {})); }},
      {"group",
       [&](const Context& x) { return code(c.networks().create_group(x, {.name = "g"})); }},
      {"server", [&](const Context& x) { return code(c.servers().create(x, {})); }},
      {"keypair", [&](const Context& x) { return code(c.servers().keypairs().generate(x, "k")); }},
      {"flavor", [&](const Context& x) { return code(c.servers().flavors().create(x, {})); }},
      {"host", [&](const Context& x) { return code(c.hosts().disable(x, "host-1")); }},
      {"project", [&](const Context& x) { return code(c.identity().create_project(x, {})); }},
      {"user", [&](const Context& x) { return code(c.identity().create_user(x, {})); }},
      {"task", [&](const Context& x) { return code(c.tasks().retry(x, TaskId{"t"})); }},
  };
  const auto revision = [&] { return (*(*c.options().store).snapshot())->revision(); };
  const auto before = revision();
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(row.call(late) == ErrorCode::Timeout);
    CHECK(row.call(gone) == ErrorCode::Cancelled);
  }
  CHECK(revision() == before);
  late.deadline = clock->mono() + 1s;
  CHECK_FALSE(rows[0].call(late));
}

TEST_CASE("waiting for a task ends at the call's deadline, and soon after it is cancelled") {
  Options options = small_options();
  hypervisor::SimulatedSettings slow;
  slow.hooks.before = [](std::string_view verb, const ServerId&) -> std::optional<Error> {
    if (verb == "define") return Error{ErrorCode::Unavailable, "not now", {}};
    return std::nullopt;
  };
  options.hypervisor_driver = hypervisor::make_simulated(slow);
  const auto clock = std::make_shared<AskedClock>();
  options.clock = clock;
  auto cloud = Cloud::open(options);
  REQUIRE(cloud);
  const auto server = make_server(**cloud, "never");
  REQUIRE(server);
  Context ctx = member();
  ctx.deadline = (*cloud)->clock().mono() + 50ms;
  const auto began = std::chrono::steady_clock::now();
  CHECK((*cloud)->tasks().wait(ctx, server->task, 30s).error().code == ErrorCode::Timeout);
  ctx.deadline.reset();
  ctx.cancel = CancelToken::make();
  clock->by = std::this_thread::get_id();
  std::thread canceller([&] {
    // The first time for when it ends, the second for whether it has: it waits by then.
    const bool waits = clock->asked.try_acquire_for(10s) && clock->asked.try_acquire_for(10s);
    ctx.cancel.cancel();
    CHECK(waits);
  });
  CHECK((*cloud)->tasks().wait(ctx, server->task, 30s).error().code == ErrorCode::Cancelled);
  canceller.join();
  CHECK(std::chrono::steady_clock::now() - began < 10s);
  Context stranger;
  stranger.project = ProjectId{"another"};
  CHECK((*cloud)->tasks().wait(stranger, server->task, 1s).error().code == ErrorCode::NotFound);
}

TEST_CASE(
    "an upload and a download that are cancelled midway end there, and leave the image queued") {
  auto cloud = Cloud::open(small_options());
  REQUIRE(cloud);
  struct Endless final : ByteSource {
    explicit Endless(CancelToken token) : cancel(std::move(token)) {}
    Result<std::size_t> read(std::span<std::byte> buffer) override {
      if (++reads == 3) cancel.cancel();
      return buffer.size();
    }
    CancelToken cancel;
    int reads = 0;
  };
  Context ctx = member();
  ctx.cancel = CancelToken::make();
  auto& images = (*cloud)->images();
  const auto image = images.create(
      member(),
      {.name = "i", .disk_format = DiskFormat::Raw, .container_format = ContainerFormat::Bare});
  REQUIRE(image);
  Endless endless(ctx.cancel);
  CHECK(images.upload(ctx, image->id, endless).error().code == ErrorCode::Cancelled);
  CHECK(endless.reads == 3);
  CHECK(images.get(member(), image->id)->status == ImageStatus::Queued);
  TextSource good(std::string(4096, 'x'));
  REQUIRE(images.upload(member(), image->id, good));
  ctx.cancel = CancelToken::make();
  const auto source = images.read(ctx, image->id);
  REQUIRE(source);
  std::vector<std::byte> piece(1024);
  CHECK(*(*source)->read(piece) == 1024);
  ctx.cancel.cancel();
  CHECK((*source)->read(piece).error().code == ErrorCode::Cancelled);
}

TEST_CASE("pages go through whole lists, each thing once, in as many calls as it takes") {
  auto cloud = Cloud::open(small_options());
  REQUIRE(cloud);
  auto& images = (*cloud)->images();
  for (int i = 0; i < 7; ++i) REQUIRE(images.create(member(), {.name = std::to_string(i)}));
  struct Row {
    std::string what;
    std::size_t page, limit, calls, items;
  };
  const Row rows[] = {{"one page", 100, SIZE_MAX, 1, 7}, {"pages of one", 1, SIZE_MAX, 8, 7},
                      {"uneven", 3, SIZE_MAX, 3, 7},     {"even", 7, SIZE_MAX, 2, 7},
                      {"the first five", 2, 5, 3, 5},    {"none", 2, 0, 0, 0}};
  for (const Row& row : rows) {
    CAPTURE(row.what);
    std::set<std::string> seen;
    std::size_t calls = 0, items = 0;
    ImageQuery query;
    query.limit = row.limit;
    for (auto& image : pages(
             query,
             [&](const ImageQuery& page) {
               ++calls;
               return images.list(member(), page);
             },
             row.page)) {
      REQUIRE(image);
      seen.insert(image->name);
      ++items;
    }
    CHECK(items == row.items);
    CHECK(seen.size() == row.items);
    CHECK(calls == row.calls);
  }
  std::size_t hosts = 0;
  for (auto& host : pages(
           [&](const std::string&marker, std::size_t limit) {
             return (*cloud)->hosts().list(Context::system(), marker, limit);
           },
           1)) {
    REQUIRE(host);
    ++hosts;
  }
  CHECK(hosts == 1);
  Context somebody = member();
  somebody.user = UserId{"somebody"};
  auto& keypairs = (*cloud)->servers().keypairs();
  for (const char* name : {"a", "b", "c"}) REQUIRE(keypairs.generate(somebody, name));
  std::string names;
  for (auto& pair : pages([&](const std::string&marker,
                              std::size_t limit) { return keypairs.list(somebody, marker, limit); },
                          1)) {
    REQUIRE(pair);
    names += pair->name;
  }
  CHECK(names == "abc");  // Key pairs are told apart by their names, and go by them.
}

TEST_CASE("an error ends the pages as their last item, and a list that does not go on is one") {
  int calls = 0;
  std::vector<std::string> told;
  struct Thing {
    std::string id;
  };
  for (auto& thing : Pages<Thing>(
           [&](const std::string&, std::size_t) -> Result<std::vector<Thing>> {
             if (++calls == 2) return fail(ErrorCode::Unavailable, "gone");
             return std::vector<Thing>{{"a"}, {"b"}};
           },
           2)) {
    told.push_back(thing ? thing->id : thing.error().message);
  }
  CHECK(told == std::vector<std::string>{"a", "b", "gone"});
  calls = 0;
  for (auto& thing : Pages<Thing>(
           [&](const std::string&, std::size_t) -> Result<std::vector<Thing>> {
             ++calls;
             return std::vector<Thing>{{"a"}};
           },
           1)) {
    if (!thing) CHECK(thing.error().code == ErrorCode::Internal);
  }
  CHECK(calls == 2);
}

TEST_CASE(
    "subscribers hear of changes that calls and tasks make, and only of what they asked for") {
  auto cloud = Cloud::open(small_options());
  REQUIRE(cloud);
  Heard servers, all;
  const auto narrow = (*cloud)->subscribe({.kinds = {"server"}}, servers.ear());
  const auto wide = (*cloud)->subscribe({}, all.ear());
  REQUIRE(narrow);
  REQUIRE(wide);
  const auto server = boot_server(**cloud, "s");
  REQUIRE(server);
  CHECK(servers.hears("server", server->id.value));
  CHECK(all.hears("server", server->id.value));
  CHECK(all.hears("task", server->task.value));
  CHECK(all.hears("image", server->image.value));
  const std::lock_guard lock(servers.mutex);
  std::uint64_t last = 0;
  for (const auto& batch : servers.batches) {
    CHECK_FALSE(batch.rescan);
    CHECK(batch.revision >= last);
    last = batch.revision;
    for (const auto& change : batch.changes) CHECK(change.kind == "server");
  }
}

TEST_CASE(
    "changes are coalesced, told after they can be read, and heard again from a revision on") {
  Options options = small_options();
  options.workers = 0;
  auto cloud = Cloud::open(options);
  REQUIRE(cloud);
  (*cloud)->run_pending();
  Heard heard;
  auto subscription = (*cloud)->subscribe({.kinds = {"network"}}, heard.ear());
  REQUIRE(subscription);
  const auto net = (*cloud)->networks().create_network(member(), {.name = "n"});
  REQUIRE(net);
  for (int i = 0; i < 20; ++i) {
    NetworkUpdate change;
    change.name = std::to_string(i);
    REQUIRE((*cloud)->networks().update_network(member(), net->id, change));
  }
  CHECK(heard.batches.empty());  // No thread of ours: nothing is told but in run_pending().
  (*cloud)->run_pending();
  REQUIRE(heard.batches.size() == 1);
  CHECK(heard.batches[0].changes.size() == 1);
  CHECK(heard.batches[0].changes[0].id == net->id.value);
  const std::uint64_t known = heard.batches[0].revision;
  subscription->reset();
  REQUIRE((*cloud)->networks().delete_network(member(), net->id));
  (*cloud)->run_pending();
  CHECK(heard.batches.size() == 1);
  auto again = (*cloud)->subscribe({.kinds = {"network"}, .since = known}, heard.ear());
  (*cloud)->run_pending();
  REQUIRE(heard.batches.size() == 2);
  CHECK(heard.knows("network", net->id.value));
  CHECK((*cloud)->networks().network(member(), net->id).error().code == ErrorCode::NotFound);
}

TEST_CASE("a subscriber who was away for longer than the log reaches is told to read all again") {
  Options options = small_options();
  options.workers = 0;
  options.store = store::open_memory({.change_log_entries = 50});
  auto cloud = Cloud::open(options);
  REQUIRE(cloud);
  for (int i = 0; i < 60; ++i) REQUIRE((*cloud)->images().create(member(), {.name = "i"}));
  Heard heard;
  const auto subscription = (*cloud)->subscribe({.kinds = {"image"}, .since = 1}, heard.ear());
  (*cloud)->run_pending();
  REQUIRE(heard.batches.size() == 1);
  CHECK(heard.batches[0].rescan);
  const auto image = (*cloud)->images().create(member(), {.name = "after"});
  (*cloud)->run_pending();
  CHECK(heard.knows("image", image->id.value));
}

TEST_CASE("kinds that are not known are refused; ids come as they are; a callback may end itself") {
  auto cloud = Cloud::open(small_options());
  REQUIRE(cloud);
  CHECK((*cloud)->subscribe({.kinds = {"sever"}}, {}).error().code == ErrorCode::InvalidArgument);
  Heard heard;
  const auto subscription = (*cloud)->subscribe({.kinds = {"region"}}, heard.ear());
  REQUIRE((*cloud)->identity().create_region(Context::system(), {.id = "a/b %c"}));
  CHECK(heard.hears("region", "a/b %c"));
  std::mutex mutex;
  std::unique_ptr<Subscription> self;
  std::atomic<int> calls{0};
  std::binary_semaphore called{0};
  {
    const std::lock_guard lock(mutex);
    self = *(*cloud)->subscribe({.kinds = {"region"}}, [&](const ChangeBatch&) {
      const std::lock_guard inner(mutex);
      ++calls;
      self.reset();
      called.release();
    });
  }
  REQUIRE((*cloud)->identity().create_region(Context::system(), {.id = "one"}));
  REQUIRE(called.try_acquire_for(10s));
  REQUIRE((*cloud)->identity().create_region(Context::system(), {.id = "two"}));
  CHECK(heard.hears("region", "two"));
  CHECK(calls == 1);
}

// What a cloud does, and keeps, for services that were left out: nothing.
#include <dirent.h>

#include <mutex>
#include <set>

#include "cloud/support.hpp"
#include "cloudos/network_agents.hpp"
#include "cloudos/store.hpp"

using namespace cloudos;
using namespace std::chrono_literals;
using cloud_test::Scratch;
using cloud_test::small_options;

namespace {

/// A store that remembers the first words of every key and prefix that anybody touches.
class Watched final : public store::Store {
 public:
  Result<std::unique_ptr<store::Snapshot>> snapshot() override {
    CLOUDOS_TRY(auto at, inner_->snapshot());
    return std::unique_ptr<store::Snapshot>(std::make_unique<Look>(*this, std::move(at)));
  }
  Result<store::Revision> transact(const store::Body& body) override {
    return inner_->transact([&](store::Txn& txn) {
      Change change(*this, txn);
      return body(change);
    });
  }
  std::unique_ptr<store::Watch> watch(std::string prefix, std::function<void()> wake) override {
    touch(prefix);
    return inner_->watch(std::move(prefix), std::move(wake));
  }
  Result<store::Changes> changes(std::string_view prefix, store::Revision since) override {
    touch(prefix);
    return inner_->changes(prefix, since);
  }

  std::set<std::string> touched() const {
    const std::lock_guard lock(mutex_);
    return touched_;
  }

 private:
  struct Look final : store::Snapshot {
    Look(Watched& a_store, std::unique_ptr<store::Snapshot> an_inner)
        : store(a_store), inner(std::move(an_inner)) {}
    store::Revision revision() const override { return inner->revision(); }
    Result<std::optional<store::Entry>> get(std::string_view key) const override {
      store.touch(key);
      return inner->get(key);
    }
    Result<std::vector<store::Entry>> scan(std::string_view prefix,
                                           const store::ScanOptions& options) const override {
      store.touch(prefix);
      return inner->scan(prefix, options);
    }
    Watched& store;
    std::unique_ptr<store::Snapshot> inner;
  };
  struct Change final : store::Txn {
    Change(Watched& a_store, store::Txn& an_inner) : store(a_store), inner(an_inner) {}
    std::optional<std::string_view> get(std::string_view key) override {
      store.touch(key);
      return inner.get(key);
    }
    void put(std::string_view key, std::string_view value) override {
      store.touch(key);
      inner.put(key, value);
    }
    void erase(std::string_view key) override {
      store.touch(key);
      inner.erase(key);
    }
    bool none(std::string_view prefix) override {
      store.touch(prefix);
      return inner.none(prefix);
    }
    Watched& store;
    store::Txn& inner;
  };

  void touch(std::string_view key) {
    const std::lock_guard lock(mutex_);
    // "/r/server/<id>": the words before what is somebody's own.
    std::size_t end = 0;
    for (int word = 0; word < 2 && end != key.npos; ++word) end = key.find('/', end + 1);
    touched_.insert(std::string(key.substr(0, end)));
  }

  const std::shared_ptr<store::Store> inner_ = store::open_memory();
  mutable std::mutex mutex_;
  std::set<std::string> touched_;
};

bool touches(const std::set<std::string>& touched, const std::vector<std::string>& words) {
  for (const std::string& key : touched)
    for (const std::string& word : words)
      if (key.find(word) != key.npos) return true;
  return false;
}

std::size_t threads() {
  std::size_t count = 0;
  DIR* const folder = ::opendir("/proc/self/task");
  while (const dirent* entry = ::readdir(folder)) count += entry->d_name[0] != '.';
  ::closedir(folder);
  return count;
}

}  // namespace

TEST_CASE("of a service that was left out no record is read, watched or written, all day") {
  const std::vector<std::string> image{"image", "metadef", "certificate"},
      network{"/network", "subnet",  "/port", "router", "floating",
              "security", "segment", "trunk", "qos",    "metering"},
      compute{"server", "flavor", "keypair", "host", "allocation"};
  struct Row {
    std::string what;
    Services services;
  };
  const Row rows[] = {{"identity alone", {false, false, false}},
                      {"images", {true, false, false}},
                      {"networks", {false, true, false}},
                      {"no compute", {true, true, false}},
                      {"all", {}}};
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto watched = std::make_shared<Watched>();
    const auto clock = std::make_shared<ManualClock>();
    Options options = small_options();
    options.services = row.services;
    options.store = watched;
    options.clock = clock;
    options.workers = 0;
    auto cloud = Cloud::open(options);
    REQUIRE(cloud);
    const MonoTime end = clock->mono() + 24h;
    std::size_t pieces = 0;
    while (clock->mono() < end) {
      pieces += (*cloud)->run_pending();
      const auto due = (*cloud)->next_deadline();
      clock->advance(due && *due > clock->mono() ? *due - clock->mono() : 1s);
    }
    CHECK(pieces > 24);  // Reconcilers went their rounds.
    const auto touched = watched->touched();
    std::string all;
    for (const std::string& key : touched) all += key + " ";
    CAPTURE(all);
    CHECK(touches(touched, image) == row.services.images);
    CHECK(touches(touched, network) == row.services.networks);
    CHECK(touches(touched, compute) == row.services.compute);
  }
}

TEST_CASE("a service that was left out has no thread, and no file or folder of its own") {
  Scratch all, less;
  const std::size_t before = threads();
  const auto open = [](const std::filesystem::path& folder, Services services) {
    Options options = small_options(folder);
    options.services = services;
    options.workers = 0;
    return Cloud::open(options);
  };
  {
    auto cloud = open(less.path, {false, false, false});
    REQUIRE(cloud);
    CHECK(threads() == before);
  }
  {
    auto cloud = open(all.path, {});
    REQUIRE(cloud);
    REQUIRE(cloud_test::make_image(**cloud));
  }
  CHECK(std::filesystem::exists(all.path / "images"));
  CHECK_FALSE(std::filesystem::exists(less.path / "images"));
  CHECK_FALSE(std::filesystem::exists(less.path / "servers"));
}

TEST_CASE("agents of a driver that serves every host are on the cloud's one host, as servers are") {
  const Scratch folder;
  const auto hosts_of_agents = [&](std::vector<std::string> names) {
    Options options = small_options(folder.path);
    options.host_names = std::move(names);
    const auto cloud = Cloud::open(options);
    REQUIRE(cloud);
    const auto agents = (*cloud)->networks().agents().agents(Context::system());
    REQUIRE(agents);
    CHECK_FALSE(agents->empty());
    std::set<std::string> hosts, ids;
    for (const NetworkAgent& agent : *agents) {
      hosts.insert(agent.host);
      ids.insert(agent.id.value);
    }
    return std::pair{hosts, ids};
  };
  const auto one = hosts_of_agents({"box"});
  CHECK(one.first == std::set<std::string>{"box"});
  const auto two = hosts_of_agents({"box", "crate"});
  CHECK(two.first == std::set<std::string>{"simulated"});  // Neither of them alone.
  CHECK(one.second == two.second);
}

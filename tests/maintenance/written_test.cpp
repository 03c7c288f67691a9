// How much a cloud writes to its disk: flash wears out, and an idle appliance must not do that.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <fstream>

#include "cloudos/store.hpp"
#include "cloudos/tasks.hpp"
#include "support.hpp"

using namespace cloudos;
using namespace std::chrono_literals;
using test::WorkFolder;

namespace {

/// Bytes that this process gave to write calls; LMDB writes by those, not through its map.
std::uint64_t written_bytes() {
  std::ifstream io("/proc/self/io");
  std::string name;
  std::uint64_t value = 0;
  while (io >> name >> value)
    if (name == "wchar:") return value;
  FAIL("no /proc/self/io");
  return 0;
}

/// A cloud on one thread, whose clock we move.
struct Slow {
  explicit Slow(const std::filesystem::path& folder) : clock(std::make_shared<ManualClock>()) {
    Options options = test::cloud_options(folder);
    options.workers = 0;
    options.clock = clock;
    options.random = std::make_shared<SeededRandom>(1);
    cloud = test::open_cloud(options);
  }
  void pass(std::chrono::seconds time) {
    const MonoTime end = clock->mono() + time;
    for (;;) {
      cloud->run_pending();
      const auto due = cloud->next_deadline();
      if (!due || *due >= end) break;
      clock->advance(std::max(*due - clock->mono(), 1us));
    }
    clock->advance(end - clock->mono());
  }
  std::shared_ptr<ManualClock> clock;
  std::unique_ptr<Cloud> cloud;
};

}  // namespace

TEST_CASE("an idle cloud writes next to nothing, a busy one a bounded amount for each server") {
  const WorkFolder work;
  Slow slow(work / "a");
  const auto small = test::fill(*slow.cloud);
  const auto make = [&](int i) {
    ServerCreate spec;
    spec.name = fmt::format("s{}", i);
    spec.image = small.image;
    spec.flavor = small.flavor;
    spec.networks = std::vector<ServerNetwork>{{small.network, {}, {}}};
    const auto server = slow.cloud->servers().create(small.tenant, spec);
    REQUIRE(server);
    return server->id;
  };
  make(0);
  slow.pass(120s);

  const auto before_idle = written_bytes();
  slow.pass(3'600s);
  const auto idle = written_bytes() - before_idle;

  // A server made and removed every half a minute.
  constexpr int kServers = 120;
  const auto before_busy = written_bytes();
  for (int i = 1; i <= kServers; ++i) {
    const ServerId id = make(i);
    slow.pass(15s);
    CHECK(slow.cloud->servers().get(small.tenant, id)->vm_state == VmState::Active);
    REQUIRE(slow.cloud->servers().remove(small.tenant, id));
    slow.pass(15s);
  }
  const auto busy = written_bytes() - before_busy;

  MESSAGE(
      fmt::format("bytes written in an hour: {} idle, {} with {} servers made and removed "
                  "({} KiB each)",
                  idle, busy, kServers, busy / kServers / 1024));
  // Now and then a record of housekeeping; nothing periodic.
  CHECK(idle < 64 << 10);
  // Some twelve commits of some eight pages of 4 KiB, and the disk's small files.
  CHECK(busy / kServers < 2 << 20);
}

// Simulated hosts are those of a folder: what runs on them outlives the process.
#include "support.hpp"

using namespace cloudos;
using namespace std::chrono_literals;

namespace {

/// A cloud on this thread, with a clock of its own.
struct Quiet {
  explicit Quiet(const std::filesystem::path& folder) {
    Options options = cloud_test::small_options(folder);
    options.workers = 0;
    options.clock = clock;
    auto opened = Cloud::open(options);
    REQUIRE(opened);
    cloud = std::move(*opened);
  }
  /// Long enough for tasks, and for several looks at the hosts.
  void settle() const {
    const MonoTime end = clock->mono() + 60s;
    while (clock->mono() < end) {
      cloud->run_pending();
      const auto due = cloud->next_deadline();
      const MonoTime next = due ? std::min(*due, end) : end;
      clock->advance(std::max(next - clock->mono(), std::chrono::microseconds{1}));
    }
  }
  std::string status(const ServerId& id) const {
    const auto server = cloud->servers().get(cloud_test::member(), id);
    return server ? std::string(server->status()) : "gone";
  }
  std::shared_ptr<ManualClock> clock = std::make_shared<ManualClock>();
  std::unique_ptr<Cloud> cloud;
};

}  // namespace

TEST_CASE("simulated guests live on while no process runs, and are what they were") {
  const cloud_test::Scratch folder;
  ServerId ran, off, building, starting;
  {
    const Quiet first(folder.path);
    const auto make = [&](const std::string& name) {
      const auto server = cloud_test::make_server(*first.cloud, name);
      REQUIRE(server);
      return server->id;
    };
    ran = make("ran");
    off = make("off");
    starting = make("starting");
    first.settle();
    REQUIRE(first.cloud->servers().stop(cloud_test::member(), off));
    REQUIRE(first.cloud->servers().stop(cloud_test::member(), starting));
    first.settle();
    CHECK(first.status(ran) == "ACTIVE");
    CHECK(first.status(off) == "SHUTOFF");
    // Promised, and not begun.
    building = make("building");
    REQUIRE(first.cloud->servers().start(cloud_test::member(), starting));
  }
  for (int restart = 0; restart < 2; ++restart) {
    CAPTURE(restart);
    const Quiet next(folder.path);
    next.settle();
    CHECK(next.status(ran) == "ACTIVE");
    CHECK(next.status(off) == "SHUTOFF");
    CHECK(next.status(building) == "ACTIVE");
    CHECK(next.status(starting) == "ACTIVE");
  }
  const Quiet last(folder.path);
  REQUIRE(last.cloud->servers().start(cloud_test::member(), off));
  REQUIRE(last.cloud->servers().stop(cloud_test::member(), ran));
  REQUIRE(last.cloud->servers().remove(cloud_test::member(), building));
  last.settle();
  CHECK(last.status(off) == "ACTIVE");
  CHECK(last.status(ran) == "SHUTOFF");
  CHECK(last.status(building) == "gone");
}

#include "hypervisor/simulated.hpp"

#include <doctest/doctest.h>

#include <thread>

#include "hypervisor/contract.hpp"

using namespace cloudos;
using namespace cloudos::hypervisor;
using namespace std::chrono_literals;

namespace {

const ServerId kServer{"0192f0c1-8a00-7000-8000-000000000001"};
const std::filesystem::path kNowhere = "/nowhere";

std::optional<std::uint64_t> real_file_size(const std::filesystem::path& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return error ? std::nullopt : std::optional<std::uint64_t>(size);
}

PowerState simulated_power(Simulated& driver) {
  const auto states = driver.list(kServer);
  REQUIRE(states);
  return states->empty() ? PowerState::NoState : states->front().power;
}

}  // namespace

TEST_CASE("the simulated driver keeps the contract of drivers") {
  test::TempFolder folder;
  SimulatedSettings settings;
  settings.file_size = real_file_size;
  const auto driver = make_simulated(std::move(settings));
  const auto count = driver->domain_count();
  test::check_driver_contract({*driver, folder.path(),
                               [&](const ServerId& id) { driver->add_foreign(id); },
                               [&](const ServerId&) { return true; }});
  CHECK(driver->domain_count() == count);
}

TEST_CASE("a fault before a verb leaves nothing done, a fault after it leaves it done") {
  const auto driver = make_simulated();
  const Error lost{ErrorCode::Unavailable, "lost", {}};
  const auto on_define = [&](std::string_view verb, const ServerId&) {
    return verb == "define" ? std::optional<Error>(lost) : std::nullopt;
  };
  driver->set_hooks({on_define, {}, {}});
  CHECK_FALSE(driver->define(test::small_domain(kServer.value, kNowhere)));
  CHECK(driver->domain_count() == 0);
  driver->set_hooks({{}, on_define, {}});
  const auto answer = driver->define(test::small_domain(kServer.value, kNowhere));
  REQUIRE_FALSE(answer);
  CHECK(answer.error() == lost);
  CHECK(driver->domain_count() == 1);
  driver->set_hooks({});
  CHECK(driver->define(test::small_domain(kServer.value, kNowhere)));
  CHECK(driver->domain_count() == 1);
}

TEST_CASE("a slow verb answers Timeout until its time has passed, then does its work once") {
  ManualClock clock;
  SimulatedSettings settings;
  settings.clock = &clock;
  settings.hooks.delay = [](std::string_view verb, const ServerId&) {
    return verb == "start" ? 2'000ms : 0ms;
  };
  const auto driver = make_simulated(std::move(settings));
  REQUIRE_OK(driver->define(test::small_domain(kServer.value, kNowhere)));
  for (int second = 0; second < 2; ++second) {
    const auto started = driver->start(kServer);
    REQUIRE_FALSE(started);
    CHECK(started.error().code == ErrorCode::Timeout);
    CHECK(simulated_power(*driver) == PowerState::Shutdown);
    clock.advance(1s);
  }
  CHECK(driver->start(kServer));
  CHECK(simulated_power(*driver) == PowerState::Running);
}

TEST_CASE("a guest takes its time to power off, may ignore the button, and never ignores a cut") {
  ManualClock clock;
  SimulatedSettings settings;
  settings.clock = &clock;
  settings.guest_shutdown = 3s;
  SUBCASE("takes its time") {
    const auto driver = make_simulated(settings);
    REQUIRE_OK(driver->define(test::small_domain(kServer.value, kNowhere)));
    REQUIRE_OK(driver->start(kServer));
    REQUIRE_OK(driver->stop(kServer, StopMode::Graceful));
    clock.advance(2s);
    REQUIRE_OK(driver->stop(kServer, StopMode::Graceful));  // Pressed again: the clock runs on.
    CHECK(simulated_power(*driver) == PowerState::Running);
    clock.advance(1s);
    CHECK(simulated_power(*driver) == PowerState::Shutdown);
  }
  SUBCASE("ignores the button") {
    settings.no_power_button = true;
    const auto driver = make_simulated(settings);
    REQUIRE_OK(driver->define(test::small_domain(kServer.value, kNowhere)));
    REQUIRE_OK(driver->start(kServer));
    REQUIRE_OK(driver->stop(kServer, StopMode::Graceful));
    clock.advance(1h);
    CHECK(simulated_power(*driver) == PowerState::Running);
    REQUIRE_OK(driver->stop(kServer, StopMode::Hard));
    CHECK(simulated_power(*driver) == PowerState::Shutdown);
  }
}

TEST_CASE("the world outside powers off, crashes, cuts the power of the host, and forgets") {
  const auto driver = make_simulated();
  REQUIRE_OK(driver->define(test::small_domain(kServer.value, kNowhere)));
  REQUIRE_OK(driver->start(kServer));
  driver->power_off(kServer, /*crashed=*/true);
  CHECK(simulated_power(*driver) == PowerState::Crashed);
  REQUIRE_OK(driver->start(kServer));
  driver->power_off(kServer);
  CHECK(simulated_power(*driver) == PowerState::Shutdown);
  REQUIRE_OK(driver->start(kServer));
  driver->power_cut();
  CHECK(simulated_power(*driver) == PowerState::Shutdown);
  driver->forget(kServer);
  CHECK(simulated_power(*driver) == PowerState::NoState);
  CHECK(driver->start(kServer).error().code == ErrorCode::NotFound);
}

TEST_CASE("the simulated driver may be used from many threads at once") {
  const auto driver = make_simulated();
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const auto id = fmt::format("0192f0c1-8a00-7000-8000-{:012x}", t * 1000 + i);
        const bool ok = driver->define(test::small_domain(id, kNowhere)) &&
                        driver->start(ServerId{id}) && driver->list() &&
                        driver->destroy(ServerId{id});
        failures += ok ? 0 : 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == 0);
  CHECK(driver->domain_count() == 0);
}

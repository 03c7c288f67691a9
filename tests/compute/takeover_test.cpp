// Bad moments: calls that come while a driver works, and a calendar that is set back.
#include <doctest/doctest.h>

#include "world.hpp"

using namespace compute_test;
using namespace std::chrono_literals;

TEST_CASE("a guest that ignores the power button is off in time when the calendar is set back") {
  hypervisor::SimulatedSettings stubborn;
  stubborn.no_power_button = true;
  Furnished world(stubborn);
  const Server server = world.boot();
  REQUIRE(world.servers->stop(world.user, server.id));
  world.run(5s);
  world.clock->jump_wall(-24h);
  world.run(2min);
  CHECK(world.get(server.id).vm_state == VmState::Stopped);
}

TEST_CASE("a deletion waits for every task that still touches the guest, not only for the last") {
  Furnished world;
  const Server server = world.boot();
  bool amid = false, still_there = false;
  hypervisor::SimulatedHooks hooks;
  hooks.before = [&](std::string_view verb, const ServerId& id) -> std::optional<Error> {
    if (verb != "define" || id != server.id || amid) return std::nullopt;
    amid = true;
    // While the soft reboot defines the domain, a hard one takes over, and a deletion from that.
    CHECK(world.servers->reboot(world.user, server.id, RebootMode::Hard));
    CHECK(world.servers->remove(world.user, server.id));
    for (int i = 0; i < 20; ++i) {
      world.step();
      world.clock->advance(100ms);
    }
    still_there = world.servers->get(world.user, server.id).has_value();
    return std::nullopt;
  };
  world.hypervisor->set_hooks(hooks);
  REQUIRE(world.servers->reboot(world.user, server.id, RebootMode::Soft));
  world.run(5s);
  CHECK(amid);
  CHECK(still_there);
  world.run(5s);
  CHECK_FALSE(world.servers->get(world.user, server.id));
  CHECK(world.hypervisor->domain_count() == 0);
}

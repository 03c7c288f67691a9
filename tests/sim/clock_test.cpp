// Calendars that lie: set back and forth by a day, begun in 1970, slept through.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "cloudos/application_credentials.hpp"
#include "cloudos/identity.hpp"
#include "cloudos/network_agents.hpp"
#include "cloudos/tasks.hpp"
#include "maintenance/check.hpp"
#include "records/table.hpp"
#include "tasks/task.hpp"
#include "world.hpp"

using namespace cloudos;
using namespace std::chrono_literals;

namespace {

void check_sound(sim::World& world) {
  const auto report = maintenance::check_snapshot(*world.snapshot());
  REQUIRE(report);
  for (const std::string& problem : report->problems) FAIL_CHECK(problem);
}

/// Moves both clocks on, piece by piece, running what is due.
void let_pass(sim::World& world, std::chrono::seconds time) {
  const MonoTime end = world.clock().mono() + time;
  while (world.clock().mono() < end) {
    world.cloud().run_pending();
    const auto due = world.cloud().next_deadline();
    const MonoTime next = due ? std::min(*due, end) : end;
    world.clock().advance(std::max(next - world.clock().mono(), 1us));
  }
}

std::size_t open_tasks(sim::World& world) {
  std::size_t open = 0;
  const auto all = *records::all<tasks::TaskRecord>(*world.snapshot());
  for (const auto& task : all) open += !is_final(task.state);
  return open;
}

}  // namespace

TEST_CASE("storms with a clock that jumps every few actions leave the cloud whole") {
  for (const std::uint64_t seed : {1, 2, 3}) {
    CAPTURE(seed);
    // Half of all fates are jumps; drivers fail, so that tasks back off while the clock moves.
    sim::World world(seed, {.fail = 120, .forget = 40, .slow = 40, .crash = 40});
    SeededRandom pace(seed);
    for (int i = 0; i < 50; ++i) {
      world.act();
      world.run(pace.below(25));
      switch (pace.below(8)) {
        case 0:
          world.jump_clock(24h);
          break;
        case 1:
          world.jump_clock(-24h);
          break;
        case 2:
          world.jump_clock(-30 * 24h);
          break;
        default:
          break;
      }
    }
    world.rest();
    check_sound(world);
  }
}

TEST_CASE("a machine that begins in 1970 boots servers, and goes on once its clock is set") {
  sim::World world(7, {.fail = 60}, 3, WallTime{});
  CHECK(world.clock().wall() < WallTime{24h});
  for (int i = 0; i < 15; ++i) {
    world.act();
    world.run(20);
  }
  // NTP answers: fifty years in one step, amid the work.
  world.jump_clock(24h * 365 * 50);
  for (int i = 0; i < 15; ++i) {
    world.act();
    world.run(20);
  }
  world.rest();
  check_sound(world);
  REQUIRE(world.create("after"));
  world.rest();
}

TEST_CASE("tasks that back off wait by the clock that never jumps: no stall, no stampede") {
  struct Row {
    std::string what;
    std::chrono::hours jump;
    std::chrono::seconds settled;  ///< By the clock that never jumps.
  };
  const Row rows[] = {
      {"no jump", 0h, 400s},
      {"a day forth, or a night of suspend", 24h, 400s},
      {"a day back", -24h, 400s},
      {"to 1970", -24h * 365 * 50, 400s},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    sim::World world(3, {});
    world.fail_drivers(true);
    std::vector<Server> made;
    for (int i = 0; i < 6; ++i)
      if (auto server = world.create(fmt::format("s{}", i))) made.push_back(*server);
    REQUIRE(made.size() == 6);
    let_pass(world, 3s);  // Some attempts have failed: all of them back off now.
    const auto calls = world.driver_calls();
    CHECK(open_tasks(world) == 6);
    world.jump_clock(row.jump);
    // A jump lets a pause end early, once: not a call for each moment of the day.
    let_pass(world, 10s);
    CHECK(world.driver_calls() - calls <= 6 * 24);
    world.fail_drivers(false);
    const MonoTime healed = world.clock().mono();
    let_pass(world, row.settled);
    CHECK(open_tasks(world) == 0);
    CHECK(world.clock().mono() - healed <= row.settled + 1s);
    for (const Server& server : made)
      CHECK(world.cloud().servers().get(world.tenant(), server.id)->vm_state == VmState::Active);
    check_sound(world);
  }
}

TEST_CASE("a token is valid until its own time by the calendar, whenever it says it was issued") {
  sim::World world(5, {});
  const auto token = world.log_in_as_admin();
  REQUIRE(token);
  const auto valid = [&] { return world.cloud().identity().validate(token->text).has_value(); };
  CHECK(valid());
  // The clock is set back: it was issued in the future now. As in Keystone, only the end counts.
  world.jump_clock(-24h);
  CHECK(valid());
  let_pass(world, 3'700s);
  CHECK(valid());
  // Forth again, and over its end: by the calendar it has had its time.
  world.jump_clock(24h);
  CHECK_FALSE(valid());
  // Revoking holds though the clock went back behind it.
  const auto second = world.log_in_as_admin();
  REQUIRE(second);
  world.jump_clock(-24h);
  REQUIRE(world.cloud().identity().revoke(Context::system(), second->text));
  CHECK_FALSE(world.cloud().identity().validate(second->text));
  let_pass(world, 7'200s);
  CHECK_FALSE(world.cloud().identity().validate(second->text));
}

TEST_CASE("hosts are alive by the clock that never jumps") {
  sim::World world(9, {});
  for (const auto jump : {24h, -24h, -24h * 365 * 50, 24h * 365 * 50}) {
    world.jump_clock(jump);
    const auto server = world.create(fmt::format("s{}", jump.count()));
    REQUIRE(server);
    let_pass(world, 60s);
    CHECK(world.cloud().servers().get(world.tenant(), server->id)->vm_state == VmState::Active);
  }
  world.rest();
}

TEST_CASE("agents and zones of networks are alive by the clock that never jumps") {
  sim::World world(11, {});
  const auto dead = [&] {
    std::vector<std::string> all;
    const auto agents = world.cloud().networks().agents().agents(Context::system());
    REQUIRE(agents);
    REQUIRE_FALSE(agents->empty());
    for (const NetworkAgent& one : *agents)
      if (!one.alive) all.push_back(one.type);
    for (const NetworkZone& zone : *world.cloud().networks().agents().zones(Context::system()))
      if (!zone.available) all.push_back(zone.resource);
    return all;
  };
  let_pass(world, 60s);
  CHECK(dead() == std::vector<std::string>{});
  for (const auto jump : {24h, -24h, -24h * 365 * 50, 24h * 365 * 50, 9h}) {
    CAPTURE(jump.count());
    world.jump_clock(jump);
    CHECK(dead() == std::vector<std::string>{});  // Before any pass, and after many.
    let_pass(world, 300s);
    CHECK(dead() == std::vector<std::string>{});
  }
  world.rest();
}

TEST_CASE("a folder is one process's for as long as that lives, whatever the calendar says") {
  sim::World world(13, {});
  Options other;
  other.data_dir = world.folder();
  other.workers = 0;
  other.password_cost = 4;
  for (const auto jump : {0h, 24h, -24h, -24h * 365 * 50, 24h * 365 * 50}) {
    CAPTURE(jump.count());
    world.jump_clock(jump);
    const auto taken = Cloud::open(other);
    REQUIRE_FALSE(taken);
    CHECK(taken.error().code == ErrorCode::Conflict);
    // Killed, it holds nothing: the next life has the folder at once.
    world.crash();
    REQUIRE(world.create(fmt::format("s{}", jump.count())));
    world.rest();
  }
  check_sound(world);
}

TEST_CASE("a machine that sleeps at any moment of a boot, a stop or a deletion ends it as begun") {
  struct Row {
    std::string what;
    std::function<void(sim::World&, const ServerId&)> begin;
    std::string status;  ///< In the end; empty: it is gone.
  };
  const Row rows[] = {
      {"boot", [](sim::World&, const ServerId&) {}, "ACTIVE"},
      {"stop",
       [](sim::World& world, const ServerId& id) {
         world.rest();
         REQUIRE(world.cloud().servers().stop(world.tenant(), id));
       },
       "SHUTOFF"},
      {"deletion",
       [](sim::World& world, const ServerId& id) {
         world.rest();
         REQUIRE(world.cloud().servers().remove(world.tenant(), id));
       },
       ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    for (std::size_t moment = 0; moment < 12; ++moment) {
      CAPTURE(moment);
      sim::World world(21, {});
      const auto server = world.create("sleeper");
      REQUIRE(server);
      row.begin(world, server->id);
      world.run(moment);
      // Suspended: the calendar goes on, the clock that never jumps stands still.
      world.jump_clock(9h);
      world.run(moment);
      world.jump_clock(9h);
      world.rest();
      const auto now = world.cloud().servers().get(world.tenant(), server->id);
      CHECK((now ? std::string(now->status()) : std::string()) == row.status);
      check_sound(world);  // Claims, addresses and quotas are those of what there is.
    }
  }
}

TEST_CASE("a secret lent for a night ends with it by the calendar, asleep or awake") {
  sim::World world(23, {});
  const auto admin = world.log_in_as_admin();
  REQUIRE(admin);
  const Context me = admin->context("req-sim");
  Identity& identity = world.cloud().identity();
  ApplicationCredentialCreate spec;
  spec.user = me.user;
  spec.name = "night";
  spec.expires_at = world.clock().wall() + 8h;
  const auto made = identity.application_credentials().create(me, spec);
  REQUIRE(made);
  const auto log_in = [&] {
    Login login;
    login.application_credential.emplace();
    login.application_credential->id = made->id.value;
    login.application_credential->secret = made->secret;
    return identity.authenticate(login);
  };
  const auto early = log_in();
  REQUIRE(early);
  CHECK(early->expires_at <= *spec.expires_at);
  world.jump_clock(7h);
  CHECK_FALSE(identity.validate(early->text));
  const auto late = log_in();
  REQUIRE(late);
  CHECK(late->expires_at <= *spec.expires_at);
  let_pass(world, 3'700s);
  CHECK_FALSE(log_in());
  CHECK_FALSE(identity.validate(late->text));
  // Set back, as tokens: by the calendar its time is not over.
  world.jump_clock(-24h);
  CHECK(log_in());
}

#include "world.hpp"

using namespace cloudos;
using namespace compute_test;

namespace {

/// What the proofs of every task of this room share.
struct Proof {
  std::unique_ptr<Outside> outside;
  std::set<std::string> empty_slate;
  ServerId server;
  test::Scenario scenario;

  explicit Proof(std::string type) {
    scenario.task_type = std::move(type);
    scenario.reset = [this] { outside = std::make_unique<Outside>(); };
    scenario.live = [this](std::shared_ptr<store::Store> store, RunnerFaults faults) {
      return std::make_unique<World>(*outside, std::move(store), std::move(faults));
    };
  }
  static World& world(test::Life& life) { return static_cast<World&>(life); }

  World& furnish(test::Life& life) {
    World& w = world(life);
    w.furnish();
    REQUIRE(w.networks->groups(w.user));
    w.settle();
    return w;
  }
  void boot(test::Life& life) {
    const auto made = world(life).servers->create(world(life).user, world(life).spec());
    REQUIRE(made);
    server = made->id;
    life.settle();
    REQUIRE(world(life).get(server).status() == "ACTIVE");
  }
  /// The server goes, and leaves nothing.
  void remove(World& w) {
    REQUIRE(w.servers->remove(w.user, server));
    w.settle();
    if (empty_slate.empty()) empty_slate = w.keys();
    check_gone(w);
  }
  void check_gone(World& w) {
    CHECK(w.servers->get(w.user, server).error().code == ErrorCode::NotFound);
    CHECK(w.out.hypervisor->domain_count() == 0);
    CHECK(w.out.plane->state().ports.empty());
    CHECK(w.out.plane->complaints().empty());
    CHECK(w.used("servers") == 0);
    CHECK(w.used("cores") == 0);
    CHECK(w.used("ram_mib") == 0);
    CHECK(placement::audit(*w.snapshot())->empty());
    std::string left;
    for (const std::string& key : w.keys()) {
      if (!empty_slate.contains(key) || contains(key, server.value) ||
          key.starts_with("/allocation/") || key.starts_with("/host_usage/")) {
        left += key + "\n";
      }
    }
    CHECK(left == "");
  }
};

}  // namespace

TEST_CASE("create-server fails clean, repeats and survives a crash after every commit") {
  Proof proof("create-server");
  proof.scenario.prepare = [&](test::Life& life) {
    proof.furnish(life);
  };
  proof.scenario.begin = [&](test::Life& life) {
    const auto made = Proof::world(life).servers->create(Proof::world(life).user,
                                                         Proof::world(life).spec());
    REQUIRE(made);
    proof.server = made->id;
  };
  proof.scenario.check = [&](test::Life& life, bool failed) {
    World& w = Proof::world(life);
    const auto found = w.servers->get(w.user, proof.server);
    if (!found) {  // The crash came before the first commit: nothing was promised.
      CHECK(found.error().code == ErrorCode::NotFound);
      return;
    }
    if (failed) {
      CHECK(found->status() == "ERROR");
      CHECK(found->host.empty());
      CHECK(found->ports.empty());
      REQUIRE(found->fault);
      CHECK(contains(found->fault->message, "was made to fail"));
      CHECK(w.out.hypervisor->domain_count() == 0);
      CHECK(w.out.plane->state().ports.empty());
      CHECK_FALSE(placement::claim_of(*w.snapshot(), proof.server)->has_value());
    } else {
      CHECK(found->status() == "ACTIVE");
      CHECK(found->addresses.size() == 1);
      CHECK(w.out.hypervisor->list(proof.server)->front().power == hypervisor::PowerState::Running);
      CHECK(w.out.plane->state().ports.size() == 1);
    }
    CHECK(placement::audit(*w.snapshot())->empty());
    proof.remove(w);
  };
  test::prove_task(proof.scenario);
}

TEST_CASE("delete-server gets stuck at worst, repeats and survives a crash after every commit") {
  Proof proof("delete-server");
  proof.scenario.prepare = [&](test::Life& life) {
    proof.furnish(life);
    proof.boot(life);
  };
  proof.scenario.begin = [&](test::Life& life) {
    REQUIRE(Proof::world(life).servers->remove(Proof::world(life).user, proof.server));
  };
  proof.scenario.check = [&](test::Life& life, bool failed) {
    World& w = Proof::world(life);
    CHECK_FALSE(failed);
    // A crash before the first commit: the call was never answered, so it is made again.
    if (w.servers->get(w.user, proof.server)) {
      REQUIRE(w.servers->remove(w.user, proof.server));
      w.settle();
    }
    if (proof.empty_slate.empty()) proof.empty_slate = w.keys();
    proof.check_gone(w);
  };
  test::prove_task(proof.scenario);
}

namespace {
/// Start, stop and reboot differ in how they begin and in what they leave.
void prove_power(std::string type, bool stop_first,
                 const std::function<Result<TaskId>(World&, const ServerId&)>& call,
                 std::string_view done, std::string_view failed_status) {
  Proof proof(std::move(type));
  proof.scenario.prepare = [&](test::Life& life) {
    World& w = proof.furnish(life);
    proof.boot(life);
    if (!stop_first) return;
    REQUIRE(w.servers->stop(w.user, proof.server));
    w.settle();
  };
  proof.scenario.begin = [&](test::Life& life) {
    REQUIRE(call(Proof::world(life), proof.server));
  };
  proof.scenario.check = [&](test::Life& life, bool failed) {
    World& w = Proof::world(life);
    const Server server = w.get(proof.server);
    CHECK(server.task_state == ServerTask::None);
    const bool runs = w.out.hypervisor->list(proof.server)->front().power ==
                      hypervisor::PowerState::Running;
    if (failed && failed_status == "ERROR") {
      CHECK(server.status() == "ERROR");
      REQUIRE(server.fault);
      CHECK(contains(server.fault->message, "was made to fail"));
    } else if (failed) {
      // Where only the record failed, the reconciler has mended it since: what is shown is so.
      CHECK(server.status() == (runs ? "ACTIVE" : "SHUTOFF"));
    } else {
      CHECK(server.status() == done);
      CHECK(runs == (done == "ACTIVE"));
      CHECK(server.power_state == (runs ? PowerState::Running : PowerState::Shutdown));
    }
    proof.remove(w);
  };
  test::prove_task(proof.scenario);
}
}  // namespace

TEST_CASE("stop-server proves itself") {
  prove_power("stop-server", false,
              [](World& w, const ServerId& id) { return w.servers->stop(w.user, id); }, "SHUTOFF",
              "ACTIVE");
}
TEST_CASE("start-server proves itself") {
  prove_power("start-server", true,
              [](World& w, const ServerId& id) { return w.servers->start(w.user, id); }, "ACTIVE",
              "SHUTOFF");
}
TEST_CASE("reboot-server proves itself, soft and hard") {
  for (const RebootMode mode : {RebootMode::Soft, RebootMode::Hard}) {
    prove_power("reboot-server", false,
                [mode](World& w, const ServerId& id) {
                  return w.servers->reboot(w.user, id, mode);
                },
                "ACTIVE", "ERROR");
  }
}

namespace {
/// Attaching and detaching an interface; `attached_first`: the one that goes is there already.
void prove_interface(std::string type, bool attached_first) {
  Proof proof(std::move(type));
  const auto attach = [&](World& w) {
    return w.servers->attach_interface(w.user, proof.server, {w.out.network, {}, {}});
  };
  proof.scenario.prepare = [&](test::Life& life) {
    World& w = proof.furnish(life);
    proof.boot(life);
    if (!attached_first) return;
    REQUIRE(attach(w));
    w.settle();
  };
  proof.scenario.begin = [&](test::Life& life) {
    World& w = Proof::world(life);
    if (attached_first) {
      REQUIRE(w.servers->detach_interface(w.user, proof.server,
                                          w.get(proof.server).ports.back().port));
    } else {
      REQUIRE(attach(w));
    }
  };
  proof.scenario.check = [&](test::Life& life, bool failed) {
    World& w = Proof::world(life);
    const Server server = w.get(proof.server);
    CHECK(server.status() == "ACTIVE");
    CHECK(server.task_state == ServerTask::None);
    // A crash before the first commit promised nothing; a failed task has changed nothing.
    const bool answered = !server.task.empty() &&
                          w.runner.tasks().get(Context::system(), server.task)->type ==
                              proof.scenario.task_type;
    const bool done = answered && !failed;
    CHECK(server.ports.size() == (done != attached_first ? 2 : 1));
    CHECK(w.networks->ports_of(proof.server)->size() == server.ports.size());
    CHECK(w.out.hypervisor->interfaces(proof.server).size() == server.ports.size());
    CHECK(w.out.plane->state().ports.size() == server.ports.size());
    proof.remove(w);
  };
  test::prove_task(proof.scenario);
}
}  // namespace

TEST_CASE("attach-interface proves itself") { prove_interface("attach-interface", false); }
TEST_CASE("detach-interface proves itself") { prove_interface("detach-interface", true); }

// Interfaces that come and go while a server lives.
#include <doctest/doctest.h>

#include "support/capture.hpp"
#include "world.hpp"

using namespace compute_test;
using namespace std::chrono_literals;

namespace {

ServerNetwork on_network(const World& world) { return {world.out.network, {}, {}}; }

std::vector<std::string> macs_in_guest(const World& world, const ServerId& id) {
  std::vector<std::string> macs;
  for (const auto& nic : world.out.hypervisor->interfaces(id)) macs.push_back(nic.mac);
  return macs;
}

std::vector<std::string> macs_in_record(const World& world, const ServerId& id) {
  std::vector<std::string> macs;
  const Server server = world.get(id);
  for (const ServerPort& used : server.ports)
    macs.push_back(world.networks->port(Context::system(), used.port)->mac);
  return macs;
}

Port given_port(World& world) {
  PortCreate create;
  create.network = world.out.network;
  create.name = "given";
  const auto port = world.networks->create_port(world.user, create);
  REQUIRE(port);
  return *port;
}

bool exists(const World& world, const PortId& port) {
  return world.networks->port(Context::system(), port).has_value();
}

}  // namespace

TEST_CASE("a running guest is given an interface at once, and gives it up again") {
  Furnished world;
  const Server server = world.boot();
  const auto more = world.servers->attach_interface(world.user, server.id, on_network(world));
  REQUIRE(more);
  REQUIRE(more->ports.size() == 2);
  CHECK(more->status() == "ACTIVE");
  CHECK(more->addresses.size() == 2);
  const PortId port = more->ports[1].port;
  CHECK(world.networks->port(world.user, port)->device_id == server.id.value);
  world.run(5s);
  CHECK(world.task_state(more->task) == TaskState::Done);
  CHECK(macs_in_guest(world, server.id) == macs_in_record(world, server.id));
  CHECK(macs_in_guest(world, server.id).size() == 2);
  CHECK(world.out.plane->state().ports.size() == 2);

  const auto less = world.servers->detach_interface(world.user, server.id, port);
  REQUIRE(less);
  world.run(5s);
  CHECK(world.task_state(*less) == TaskState::Done);
  CHECK(macs_in_guest(world, server.id).size() == 1);
  CHECK(world.get(server.id).ports == server.ports);
  CHECK_FALSE_MESSAGE(exists(world, port), "a port that was made for the server stayed");
  CHECK(world.out.plane->state().ports.size() == 1);
  CHECK(world.out.plane->complaints().empty());
  CHECK(world.get(server.id).status() == "ACTIVE");
}

TEST_CASE("a given port is lent to a server, and set free") {
  Furnished world;
  const Server server = world.boot();
  const Port port = given_port(world);
  REQUIRE(world.servers->attach_interface(world.user, server.id, {{}, port.id, {}}));
  const auto again = world.servers->attach_interface(world.user, server.id, {{}, port.id, {}});
  REQUIRE_FALSE(again);
  CHECK(again.error().code == ErrorCode::Conflict);
  world.run(5s);
  CHECK(macs_in_guest(world, server.id).back() == port.mac);
  REQUIRE(world.servers->detach_interface(world.user, server.id, port.id));
  world.run(5s);
  REQUIRE(exists(world, port.id));
  const auto left = world.networks->port(world.user, port.id);
  CHECK(left->device_id.empty());
  CHECK(left->vif_type == "unbound");
  CHECK(macs_in_guest(world, server.id).size() == 1);
}

TEST_CASE("a server that is off has its interfaces changed for its next start") {
  Furnished world;
  const Server server = world.boot();
  REQUIRE(world.servers->stop(world.user, server.id));
  world.run(2min);
  REQUIRE(world.servers->attach_interface(world.user, server.id, on_network(world)));
  world.run(5s);
  REQUIRE(world.servers->detach_interface(world.user, server.id, server.ports[0].port));
  world.run(5s);
  CHECK(world.get(server.id).status() == "SHUTOFF");
  CHECK(macs_in_guest(world, server.id).empty());
  REQUIRE(world.servers->start(world.user, server.id));
  world.run(20s);
  CHECK(world.get(server.id).ports.size() == 1);
  CHECK(macs_in_guest(world, server.id) == macs_in_record(world, server.id));
}

TEST_CASE("what is asked of a server while its interfaces change comes after that") {
  using Call = std::function<Result<TaskId>(World&, const ServerId&)>;
  struct Row {
    std::string what;
    Call call;
    std::string_view status;
  };
  const Row rows[] = {
      {"stop", [](World& w, const ServerId& id) { return w.servers->stop(w.user, id); }, "SHUTOFF"},
      {"soft reboot",
       [](World& w, const ServerId& id) { return w.servers->reboot(w.user, id, RebootMode::Soft); },
       "ACTIVE"},
      {"hard reboot",
       [](World& w, const ServerId& id) { return w.servers->reboot(w.user, id, RebootMode::Hard); },
       "ACTIVE"},
  };
  for (const auto& [what, call, status] : rows) {
    CAPTURE_BOUND(what);
    Furnished world;
    const Server server = world.boot();
    const auto first = world.servers->attach_interface(world.user, server.id, on_network(world));
    const auto second = world.servers->attach_interface(world.user, server.id, on_network(world));
    REQUIRE(second);
    REQUIRE(world.servers->detach_interface(world.user, server.id, first->ports.back().port));
    REQUIRE(call(world, server.id));
    const auto late = world.servers->attach_interface(world.user, server.id, on_network(world));
    REQUIRE_FALSE(late);
    CHECK(late.error().code == ErrorCode::Conflict);
    world.run(3min);
    CHECK(world.get(server.id).status() == status);
    CHECK(world.get(server.id).ports.size() == 2);
    CHECK_FALSE(exists(world, first->ports.back().port));
    if (status == "ACTIVE")
      CHECK(macs_in_guest(world, server.id) == macs_in_record(world, server.id));
    CHECK(world.out.plane->complaints().empty());
  }
}

TEST_CASE("a deletion that comes while interfaces change leaves nothing") {
  for (const bool willing : {true, false}) {
    CAPTURE(willing);
    Furnished world;
    const Server server = world.boot();
    const Port port = given_port(world);
    REQUIRE(world.servers->attach_interface(world.user, server.id, {{}, port.id, {}}));
    world.run(5s);
    world.out.hypervisor->let_go(willing);
    REQUIRE(world.servers->attach_interface(world.user, server.id, on_network(world)));
    REQUIRE(world.servers->detach_interface(world.user, server.id, server.ports[0].port));
    if (!willing) world.run(2s);
    REQUIRE(world.servers->remove(world.user, server.id));
    world.run(5s);
    CHECK(world.servers->get(world.user, server.id).error().code == ErrorCode::NotFound);
    CHECK(world.out.hypervisor->domain_count() == 0);
    CHECK(world.networks->ports_of(server.id)->empty());
    CHECK_FALSE(exists(world, server.ports[0].port));
    CHECK(world.networks->port(world.user, port.id)->device_id.empty());
    CHECK(world.out.plane->state().ports.empty());
  }
}

TEST_CASE("a guest that does not let go keeps its interface, and a hard reboot does not wait for it") {
  Furnished world;
  const Server server = world.boot();
  const PortId port = server.ports[0].port;
  world.out.hypervisor->let_go(false);
  auto task = world.servers->detach_interface(world.user, server.id, port);
  REQUIRE(task);
  world.run(30s);
  const auto twice = world.servers->detach_interface(world.user, server.id, port);
  REQUIRE(twice);
  CHECK_MESSAGE(*twice == *task, "once is enough");
  CHECK(world.get(server.id).ports.empty());
  world.run(60s);
  CHECK(world.task_state(*task) == TaskState::Failed);
  const auto failed = world.runner.tasks().get(Context::system(), *task);
  REQUIRE(failed);
  REQUIRE(failed->error);
  CHECK(contains(failed->error->message, "did not let go"));
  CHECK(world.get(server.id).ports == server.ports);
  CHECK(world.get(server.id).status() == "ACTIVE");
  CHECK(world.out.plane->state().ports.size() == 1);

  task = world.servers->detach_interface(world.user, server.id, port);
  REQUIRE(task);
  world.run(2s);
  REQUIRE(world.servers->reboot(world.user, server.id, RebootMode::Hard));
  world.run(10s);
  CHECK(world.task_state(*task) == TaskState::Done);
  CHECK(world.get(server.id).status() == "ACTIVE");
  CHECK(macs_in_guest(world, server.id).empty());
  CHECK_FALSE(exists(world, port));
}

TEST_CASE("an interface that the host refuses is given back, and the server runs on") {
  Furnished world;
  const Server server = world.boot();
  hypervisor::SimulatedHooks hooks;
  hooks.before = [](std::string_view verb, const ServerId&) -> std::optional<Error> {
    if (verb != "attach_interface" && verb != "detach_interface") return std::nullopt;
    return Error{ErrorCode::Unsupported, "no slot is left", {}};
  };
  world.hypervisor->set_hooks(hooks);
  const auto more = world.servers->attach_interface(world.user, server.id, on_network(world));
  REQUIRE(more);
  const Port port = given_port(world);
  const auto lent = world.servers->attach_interface(world.user, server.id, {{}, port.id, {}});
  REQUIRE(lent);
  world.run(30s);
  CHECK(world.task_state(more->task) == TaskState::Failed);
  CHECK(world.task_state(lent->task) == TaskState::Failed);
  CHECK(world.get(server.id).ports == server.ports);
  CHECK_FALSE(exists(world, more->ports.back().port));
  CHECK(world.networks->port(world.user, port.id)->device_id.empty());
  CHECK(world.get(server.id).status() == "ACTIVE");
  CHECK(world.out.plane->state().ports.size() == 1);
}

TEST_CASE("a port that its own API deletes leaves the running guest as well") {
  Furnished world;
  const Server server = world.boot();
  const auto more = world.servers->attach_interface(world.user, server.id, on_network(world));
  REQUIRE(more);
  world.run(5s);
  REQUIRE(world.networks->delete_port(world.user, more->ports.back().port));
  world.run(5s);
  CHECK(world.get(server.id).ports == server.ports);
  CHECK(macs_in_guest(world, server.id).size() == 1);
  CHECK(world.out.plane->state().ports.size() == 1);
}

TEST_CASE("interfaces that cannot be are refused, and nothing changes") {
  Furnished world;
  const Server server = world.boot();
  const Port port = given_port(world);
  const std::string taken = world.networks->port(world.user, port.id)->fixed_ips.at(0).address;
  const Context stranger = user_of("another");
  struct Row {
    std::string what;
    Context ctx;
    ServerNetwork wanted;
    ErrorCode code;
  };
  const Row rows[] = {
      {"network and port", world.user, {world.out.network, port.id, {}},
       ErrorCode::InvalidArgument},
      {"an address without a network", world.user, {{}, {}, "10.0.0.9"},
       ErrorCode::InvalidArgument},
      {"an address of no subnet", world.user, {world.out.network, {}, "192.0.2.1"},
       ErrorCode::InvalidArgument},
      {"an address in use", world.user, {world.out.network, {}, taken}, ErrorCode::Conflict},
      {"an unknown network", world.user, {NetworkId{"nothing"}, {}, {}}, ErrorCode::NotFound},
      {"an unknown port", world.user, {{}, PortId{"nothing"}, {}}, ErrorCode::NotFound},
      {"a port in use", world.user, {{}, server.ports[0].port, {}}, ErrorCode::Conflict},
      {"another project's server", stranger, {{}, port.id, {}}, ErrorCode::NotFound},
  };
  const auto before = world.keys();
  for (const auto& [what, ctx, wanted, code] : rows) {
    CAPTURE_BOUND(what);
    const auto done = world.servers->attach_interface(ctx, server.id, wanted);
    REQUIRE_FALSE(done);
    CHECK(done.error().code == code);
    CHECK(world.keys() == before);
  }
  CHECK(world.servers->detach_interface(world.user, server.id, port.id).error().code ==
        ErrorCode::NotFound);
  REQUIRE(world.servers->lock(world.user, server.id));
  Context mate = world.user;
  mate.user = UserId{"somebody else"};
  CHECK(world.servers->attach_interface(mate, server.id, on_network(world)).error().code ==
        ErrorCode::Conflict);
  CHECK(world.servers->detach_interface(mate, server.id, server.ports[0].port).error().code ==
        ErrorCode::Conflict);
  REQUIRE(world.servers->unlock(world.user, server.id));
  for (std::size_t i = 1; i < limits::kServerPorts; ++i)
    REQUIRE(world.servers->attach_interface(world.user, server.id, on_network(world)));
  CHECK(world.servers->attach_interface(world.user, server.id, on_network(world)).error().code ==
        ErrorCode::Conflict);
  world.run(1min);
  CHECK(macs_in_guest(world, server.id) == macs_in_record(world, server.id));
  CHECK(macs_in_guest(world, server.id).size() == limits::kServerPorts);
}

TEST_CASE("what a guest holds of a port that is no more is asked for until it is given up") {
  Furnished world;
  const Server server = world.boot();
  const PortId port = server.ports[0].port;
  world.out.hypervisor->let_go(false);
  REQUIRE(world.servers->detach_interface(world.user, server.id, port));
  world.run(10s);
  REQUIRE(world.networks->delete_port(world.user, port));
  world.run(5min);
  CHECK(macs_in_guest(world, server.id).size() == 1);
  CHECK(world.get(server.id).ports.empty());
  CHECK(world.get(server.id).status() == "ACTIVE");
  world.out.hypervisor->let_go(true);
  world.run(2min);
  CHECK(macs_in_guest(world, server.id).empty());
  CHECK(world.get(server.id).leaving_macs.empty());
}

// Drivers of embedders that throw: each call that does counts as one that failed.
#include <set>
#include <stdexcept>

#include "cloudos/network_trace.hpp"
#include "network/fake_driver.hpp"
#include "network/guarded.hpp"
#include "network/support.hpp"

using namespace network_test;
using namespace std::chrono_literals;

namespace {

/// Throws in the calls that a test names, by turns an exception and something else.
class ThrowingDriver final : public network::MechanismDriver {
 public:
  std::set<std::string> throws;
  mutable std::map<std::string, int> calls;

  std::string_view name() const override { return "thrower"; }
  std::string host() const override { return "h1"; }
  std::vector<network::Ability> abilities() const override {
    maybe("abilities");
    return {{"router", true, {}}};
  }
  void watch(std::function<void()> disturbed) override {
    maybe("watch");
    ears = std::move(disturbed);
  }
  std::function<void()> ears;
  Result<void> precommit(store::Txn&, const network::Change&) override {
    maybe("precommit");
    return Result<void>();
  }
  Result<void> postcommit(const network::Change&) override {
    maybe("postcommit");
    return Result<void>();
  }
  Result<void> converge(const network::Plan& plan) override {
    maybe("converge");
    held = plan;
    return Result<void>();
  }
  std::optional<network::Binding> bind_port(const network::PortContext&) const override {
    maybe("bind_port");
    return network::Binding{"thrower", "fake", {}, {}};
  }
  Result<network::Finding> inspect(const network::Inspection&) override {
    maybe("inspect");
    return network::Finding();
  }
  network::Plan held;

 private:
  void maybe(const std::string& call) const {
    const int count = ++calls[call];
    if (throws.count(call) == 0) return;
    if (count % 2 == 0) throw 42;
    throw std::runtime_error("the plug-in fell over");
  }
};

struct ThrowingWorld : World {
  std::shared_ptr<ThrowingDriver> bad;
  std::shared_ptr<FakeDriver> good;
  Context boss = admin();
  ThrowingWorld() : ThrowingWorld(std::make_shared<ThrowingDriver>()) {}
  explicit ThrowingWorld(std::shared_ptr<ThrowingDriver> thrower)
      : ThrowingWorld(thrower,
                      std::make_shared<FakeDriver>("good", "h2", std::set<std::string>{"local"})) {}
  ThrowingWorld(std::shared_ptr<ThrowingDriver> first, std::shared_ptr<FakeDriver> second)
      : World({}, {first, second}), bad(std::move(first)), good(std::move(second)) {}
  Result<PortWiring> plugged(const Network& net, const std::string& server,
                             const std::string& host) {
    const auto port = server_port(boss, net.id, server);
    REQUIRE(port);
    return networks->plug(port->id, ServerId{server}, host);
  }
};

}  // namespace

TEST_CASE("each call of a driver that throws is an error that names it, and a line of the log") {
  std::vector<std::string> lines;
  const Log log([&](const LogRecord& record) { lines.emplace_back(record.message); }, "network");
  const auto driver = std::make_shared<ThrowingDriver>();
  driver->throws = {"abilities", "watch",     "precommit", "postcommit",
                    "converge",  "bind_port", "inspect"};
  network::GuardedDriver guarded(driver, log);
  const auto store = store::open_memory();
  struct Row {
    std::string what;
    std::function<std::optional<Error>()> call;
  };
  const auto error_of = [](const auto& result) {
    return result ? std::optional<Error>() : std::optional<Error>(result.error());
  };
  const std::vector<Row> rows = {
      {"precommit",
       [&] {
         return error_of(store->transact(
             [&](store::Txn& txn) { return guarded.precommit(txn, network::Change{}); }));
       }},
      {"postcommit", [&] { return error_of(guarded.postcommit({})); }},
      {"converge", [&] { return error_of(guarded.converge({})); }},
      {"bind_port", [&] { return error_of(guarded.bind_port({})); }},
      {"inspect", [&] { return error_of(guarded.inspect({})); }},
  };
  for (int turn = 0; turn < 2; ++turn) {  // An exception, and what is none.
    for (const Row& row : rows) {
      CAPTURE(row.what);
      lines.clear();
      const auto error = row.call();
      REQUIRE(error);
      CHECK(error->code == ErrorCode::Unavailable);
      CHECK(error->message.find("thrower") != std::string::npos);
      CHECK(error->message.find("fell over") == std::string::npos);
      REQUIRE(lines.size() == 1);
      CHECK(lines[0].find(row.what) != std::string::npos);
      if (turn == 0) CHECK(lines[0].find("the plug-in fell over") != std::string::npos);
    }
    lines.clear();
    CHECK(guarded.abilities().empty());
    guarded.watch(nullptr);
    CHECK(lines.size() == 2);
  }
  driver->throws.clear();
  CHECK(guarded.abilities().size() == 1);
  CHECK(guarded.bind_port({}));
}

TEST_CASE("a driver that throws when it is told something is told again; nobody waits for ever") {
  ThrowingWorld world;
  const Network net = world.network(world.boss);
  world.start();
  world.run(1s);
  world.bad->throws = {"postcommit"};
  const auto failed = world.plugged(net, "s1", "h1");
  CHECK(code_of(failed) == ErrorCode::Unavailable);
  CHECK(code_of(world.plugged(net, "s2", "h1")) == ErrorCode::Unavailable);
  // The other host's driver works all the while.
  CHECK(world.plugged(net, "s3", "h2"));
  world.bad->throws.clear();
  world.run(10s);
  CHECK(world.bad->held.ports.size() == 2);
  for (const Port& port : *world.networks->ports(world.boss))
    CHECK(port.status() == PortStatus::Active);
  CHECK(world.plugged(net, "s4", "h1"));
}

TEST_CASE("a driver whose whole plan throws is tried again, ever more seldom, and others are not") {
  ThrowingWorld world;
  const Network net = world.network(world.boss);
  world.bad->throws = {"converge", "watch"};
  world.start();
  world.run(1s);
  const int first = world.bad->calls["converge"];
  CHECK(first > 0);
  world.run(1min);
  CHECK(world.bad->calls["converge"] > first + 1);
  CHECK(world.bad->calls["converge"] < first + 20);
  CHECK(world.plugged(net, "s1", "h2"));
  world.run(1s);
  CHECK(world.good->ports().size() == 1);
  world.bad->throws.clear();
  world.run(1min);
  CHECK(world.plugged(net, "s2", "h1"));
  world.bad->throws = {"watch"};  // As the networks go, too.
}

TEST_CASE("a driver that throws within a transaction stops it, and nothing is written") {
  ThrowingWorld world;
  const Network net = world.network(world.boss);
  world.subnet(world.boss, net);
  const auto before = world.used("admin", "ports");
  world.bad->throws = {"precommit"};
  for (int turn = 0; turn < 2; ++turn) {
    const auto made = world.port(world.boss, net.id);
    CHECK(code_of(made) == ErrorCode::Unavailable);
    CHECK(made.error().message.find("thrower") != std::string::npos);
  }
  CHECK(world.used("admin", "ports") == before);
  world.bad->throws.clear();
  CHECK(world.port(world.boss, net.id));
}

TEST_CASE("a driver that throws binds nothing: the next one may, and a plug is tried again") {
  const auto bad = std::make_shared<ThrowingDriver>();
  const auto second = std::make_shared<FakeDriver>("second", "h1", std::set<std::string>{"vxlan"});
  World world({}, {bad, second});
  const Context boss = admin();
  NetworkCreate spec;
  spec.network_type = "vxlan";
  const auto tunnelled = world.networks->create_network(boss, spec);
  REQUIRE(tunnelled);
  const Network local = world.network(boss);
  bad->throws = {"bind_port"};
  PortCreate asked;
  asked.network = tunnelled->id;
  asked.host = "h1";
  CHECK(world.networks->create_port(boss, asked)->driver == "second");
  asked.network = local.id;
  const auto port = world.networks->create_port(boss, asked);
  REQUIRE(port);
  CHECK(port->vif_type == "binding_failed");
  CHECK(port->vif_details.at("reason").find("thrower") != std::string::npos);
  // What is tried again by itself is told that it may be.
  const auto of_server = world.server_port(boss, local.id, "s1");
  REQUIRE(of_server);
  const auto plugged = world.networks->plug(of_server->id, ServerId{"s1"}, "h1");
  REQUIRE_FALSE(plugged);
  CHECK(is_retryable(plugged.error().code));
  bad->throws.clear();
  CHECK(world.networks->plug(of_server->id, ServerId{"s1"}, "h1"));
}

TEST_CASE("a driver that throws when asked what it can do can do nothing; routers wait for it") {
  ThrowingWorld world;
  world.bad->throws = {"abilities"};
  const Network net = world.network(world.boss);
  const Subnet subnet = world.subnet(world.boss, net);
  auto& routers = world.networks->routers();
  const auto router = routers.create(world.boss, {});
  REQUIRE(router);
  REQUIRE(routers.add_interface(world.boss, router->id, {subnet.id, {}}));
  CHECK(world.networks->agents().agents(world.boss));
  world.start();
  world.run(1min);
  CHECK(routers.router(world.boss, router->id)->host.empty());
  world.bad->throws.clear();
  world.run(1min);
  CHECK(routers.router(world.boss, router->id)->host == "h1");
}

TEST_CASE("a driver that will not be told to be silent is not heard any more") {
  const auto driver = std::make_shared<ThrowingDriver>();
  int heard = 0;
  std::function<void()> late;
  {
    network::GuardedDriver guarded(driver, Log{});
    guarded.watch([&] { ++heard; });
    late = driver->ears;
    REQUIRE(late);
    late();
    CHECK(heard == 1);
    driver->throws = {"watch"};
    guarded.watch(nullptr);
    late();
  }
  late();
  CHECK(heard == 1);
}

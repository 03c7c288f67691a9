#include <fstream>

#include "base/text.hpp"
#include "compute/state.hpp"
#include "world.hpp"

using namespace cloudos;
using namespace compute_test;

TEST_CASE("a server goes from BUILD to ACTIVE with an address, a claim and its quota") {
  Furnished w;
  const auto made = w.servers->create(w.user, w.spec("My Web"));
  REQUIRE(made);
  CHECK(made->status() == "BUILD");
  CHECK(made->task_state == ServerTask::Scheduling);
  CHECK(w.hypervisor->domain_count() == 0);
  CHECK(w.used("servers") == 1);
  CHECK(w.used("ram_mib") == 128);
  w.run(std::chrono::seconds{5});
  const Server server = w.get(made->id);
  CHECK(server.status() == "ACTIVE");
  CHECK(server.task_state == ServerTask::None);
  CHECK(server.power_state == PowerState::Running);
  CHECK(server.host == "host-a");
  CHECK(server.host_zone == "nova");
  CHECK(server.host_name == "my-web");
  CHECK(server.launched_at.has_value());
  REQUIRE(server.addresses.size() == 1);
  CHECK(server.addresses[0].network_name == "net-a");
  CHECK(server.addresses[0].address.starts_with("10.0.0."));
  CHECK(server.security_group_names == std::vector<std::string>{"default"});
  const auto domain = w.hypervisor->spec(server.id);
  REQUIRE(domain);
  CHECK(domain->ram_mib == 128);
  CHECK(domain->nics.size() == 1);
  CHECK(domain->nics[0].mac == server.addresses[0].mac);
  CHECK(domain->task == server.task.value);
  CHECK(w.task_state(server.task) == TaskState::Done);
}

TEST_CASE("what cannot become a server is refused before anything is recorded") {
  Furnished w;
  const ImageId big = w.add_image(4096);
  const ImageId hungry = w.add_image(4096, 4096);
  const ImageId empty = w.add_image(0, 0, false);
  ImageUpdate two_gib;
  two_gib.min_disk_gib = 2;
  REQUIRE(w.images->update(w.user, big, two_gib));
  REQUIRE(w.networks->groups(w.user));
  NetworkCreate bare;
  bare.name = "bare";
  const NetworkId no_subnet = w.networks->create_network(w.user, bare)->id;
  const auto foreign = w.networks->create_network(user_of("p2"), bare)->id;
  PortCreate port;
  port.network = w.network;
  port.device_id = "somebody";
  const PortId taken = w.networks->create_port(w.user, port)->id;

  struct Row {
    std::string what;
    std::function<void(ServerCreate&)> change;
    ErrorCode code;
    const char* says;
  };
  const auto bad = ErrorCode::InvalidArgument;
  const Row rows[] = {
      {"no name", [](auto& s) { s.name = ""; }, bad, "name"},
      {"a name of 256", [](auto& s) { s.name = std::string(256, 'n'); }, bad, "name"},
      {"a megabyte of a name", [](auto& s) { s.name = std::string(1 << 20, 'n'); }, bad, "name"},
      {"unknown flavor", [](auto& s) { s.flavor = FlavorId{"none"}; }, bad, "flavor none"},
      {"unknown image", [](auto& s) { s.image = ImageId{"none"}; }, bad, "image"},
      {"image without data", [&](auto& s) { s.image = empty; }, bad, "is not active"},
      {"image that needs more RAM", [&](auto& s) { s.image = hungry; }, bad, "memory is too small"},
      {"unknown key", [](auto& s) { s.key_name = "none"; }, bad, "Invalid key_name"},
      {"user data that is no base64", [](auto& s) { s.user_data = "###"; }, bad, "base64"},
      {"too much user data", [](auto& s) { s.user_data = std::string(65'536, 'A'); }, bad,
       "user_data"},
      {"129 metadata items", [](auto& s) {
         for (int i = 0; i < 129; ++i) s.metadata[std::to_string(i)] = "v";
       }, ErrorCode::QuotaExceeded, "at most 128"},
      {"a long metadata value", [](auto& s) { s.metadata["k"] = std::string(256, 'v'); }, bad,
       "metadata"},
      {"an empty metadata key", [](auto& s) { s.metadata[""] = "v"; }, bad, "metadata key"},
      {"unknown network", [](auto& s) { s.networks = {{{NetworkId{"none"}, {}, {}}}}; }, bad,
       "none"},
      {"another project's network", [&](auto& s) { s.networks = {{{foreign, {}, {}}}}; }, bad,
       "could not be found"},
      {"a network without subnet", [&](auto& s) { s.networks = {{{no_subnet, {}, {}}}}; }, bad,
       "requires a subnet"},
      {"an address outside", [&](auto& s) { s.networks = {{{w.network, {}, "192.0.2.1"}}}; }, bad,
       ""},
      {"no address at all", [&](auto& s) { s.networks = {{{w.network, {}, "abc"}}}; }, bad, ""},
      {"a port in use", [&](auto& s) { s.networks = {{{{}, taken, {}}}}; }, ErrorCode::Conflict,
       "still in use"},
      {"unknown port", [](auto& s) { s.networks = {{{{}, PortId{"none"}, {}}}}; }, bad, "none"},
      {"17 networks", [&](auto& s) {
         s.networks = std::vector<ServerNetwork>(17, {w.network, {}, {}});
       }, bad, "at most 16"},
      {"unknown group", [](auto& s) { s.security_groups = {"none"}; }, bad, "none"},
      {"unknown zone", [](auto& s) { s.availability_zone = "mars"; }, bad, "zone"},
      {"a host, by no admin", [](auto& s) { s.availability_zone = "nova:host-a"; },
       ErrorCode::Forbidden, "administrators"},
      {"an access address", [](auto& s) { s.access_ipv4 = "1.2.3"; }, bad, "accessIPv4"},
      {"disk smaller than the image needs", [&](auto& s) { s.image = big; }, bad,
       "disk is too small"},
  };
  const auto before = w.keys();
  for (const Row& row : rows) {
    const std::string what = row.what;
    CAPTURE(what);
    ServerCreate spec = w.spec();
    row.change(spec);
    const auto made = w.servers->create(w.user, spec);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == row.code);
    CHECK(contains(made.error().message, row.says));
  }
  ServerCreate several = w.spec();
  several.networks = {{{w.network, {}, "10.0.0.9"}}};
  several.max_count = 2;
  CHECK(w.servers->create_many(w.user, several).error().code == bad);
  CHECK(w.used("servers") == 0);
  CHECK(w.keys() == before);
}

TEST_CASE("without networks named, the project's only one is meant, and several are ambiguous") {
  Furnished w;
  ServerCreate spec = w.spec();
  spec.networks.reset();
  const auto one = w.servers->create(w.user, spec);
  REQUIRE(one);
  CHECK(one->networks.size() == 1);
  const Context other = user_of("p2");
  ImageUpdate open;
  open.visibility = ImageVisibility::Public;
  REQUIRE(w.images->update(Context::system(), w.image, open));
  const auto none = w.servers->create(other, spec);
  REQUIRE(none);
  CHECK(none->networks.empty());
  NetworkCreate second;
  second.name = "net-b";
  SubnetCreate subnet;
  subnet.network = w.networks->create_network(w.user, second)->id;
  subnet.cidr = "10.1.0.0/24";
  REQUIRE(w.networks->create_subnet(w.user, subnet));
  const auto ambiguous = w.servers->create(w.user, spec);
  REQUIRE_FALSE(ambiguous);
  CHECK(ambiguous.error().code == ErrorCode::Conflict);
  w.run(std::chrono::seconds{5});
  CHECK(w.get(none->id).status() == "ACTIVE");
  CHECK(w.get(none->id).addresses.empty());
}

TEST_CASE("a refused placement says which filter removed how many, and where only to admins") {
  hypervisor::SimulatedSettings small;
  small.ram_mib = 64;
  Furnished w(small);
  const Server server = w.boot();
  CHECK(server.status() == "ERROR");
  REQUIRE(server.fault);
  CHECK(server.fault->code == 500);
  CHECK(server.fault->message ==
        "The server could not be created: place: No valid host was found. 1 host: RamFilter "
        "removed 1");
  CHECK_FALSE(contains(server.fault->message, "host-a"));
  CHECK(contains(server.fault->details,
                 "host-a: RamFilter: 96 MiB of RAM free of 96, 128 asked"));
  CHECK(server.host.empty());
  REQUIRE(w.servers->remove(w.user, server.id));
  w.run(std::chrono::seconds{5});
  CHECK(w.used("servers") == 0);
}

TEST_CASE("a guest that cannot boot leaves an ERROR that names step and reason, and nothing else") {
  Furnished w;
  w.hypervisor->set_hooks({.before = [](std::string_view verb, const ServerId&) {
    return verb == "start" ? std::optional<Error>(Error{ErrorCode::Internal, "no such CPU", "d"})
                           : std::nullopt;
  }});
  const Server server = w.boot();
  CHECK(server.status() == "ERROR");
  REQUIRE(server.fault);
  CHECK(server.fault->message == "The server could not be created: boot: no such CPU");
  CHECK(server.fault->details == "host host-a: d");
  CHECK(w.hypervisor->domain_count() == 0);
  CHECK(w.plane->state().ports.empty());
  CHECK(w.servers->start(w.user, server.id).error().code == ErrorCode::Conflict);
  CHECK(w.servers->reboot(w.user, server.id, RebootMode::Hard).error().code ==
        ErrorCode::Conflict);
}

TEST_CASE("a deletion overtakes a creation at every step and nothing is left") {
  for (int turns = 0; turns < 8; ++turns) {
    CAPTURE(turns);
    Furnished w;
    REQUIRE(w.networks->groups(w.user));
    const auto made = w.servers->create(w.user, w.spec());
    REQUIRE(made);
    // The boot hangs so long that every turn ends inside the creation.
    w.hypervisor->set_hooks({.delay = [](std::string_view verb, const ServerId&) {
      return std::chrono::milliseconds(verb == "start" ? 5'000 : 0);
    }});
    w.run(std::chrono::milliseconds{turns * 250});
    const auto first = w.servers->remove(w.user, made->id);
    REQUIRE(first);
    CHECK(w.get(made->id).task_state == ServerTask::Deleting);
    CHECK(*w.servers->remove(w.user, made->id) == *first);
    w.settle();
    CHECK(w.servers->get(w.user, made->id).error().code == ErrorCode::NotFound);
    CHECK(w.hypervisor->domain_count() == 0);
    CHECK(w.plane->state().ports.empty());
    CHECK(w.used("servers") == 0);
    CHECK(placement::audit(*w.World::snapshot())->empty());
  }
}

TEST_CASE("a port that was given is let go, one that was made is deleted") {
  Furnished w;
  PortCreate mine;
  mine.network = w.network;
  mine.name = "mine";
  const Port given = *w.networks->create_port(w.user, mine);
  ServerCreate spec = w.spec();
  spec.networks = {{{{}, given.id, {}}, {w.network, {}, "10.0.0.77"}}};
  const auto made = w.servers->create(w.user, spec);
  REQUIRE(made);
  w.run(std::chrono::seconds{5});
  const Server server = w.get(made->id);
  REQUIRE(server.ports.size() == 2);
  CHECK(server.ports[0].port == given.id);
  CHECK_FALSE(server.ports[0].made);
  CHECK(server.addresses[1].address == "10.0.0.77");
  CHECK(w.networks->port(w.user, given.id)->device_owner == "compute:nova");
  REQUIRE(w.servers->remove(w.user, server.id));
  w.run(std::chrono::seconds{5});
  CHECK(w.networks->port(w.user, given.id)->device_id.empty());
  CHECK(w.networks->port(w.user, server.ports[1].port).error().code == ErrorCode::NotFound);
}

TEST_CASE("a port deleted by its own API leaves the server, unless the server is busy") {
  Furnished w;
  const auto made = w.servers->create(w.user, w.spec());
  REQUIRE(made);
  const Server server = [&] {
    w.run(std::chrono::seconds{5});
    return w.get(made->id);
  }();
  REQUIRE(w.servers->stop(w.user, server.id));
  CHECK(w.networks->delete_port(w.user, server.ports[0].port).error().code == ErrorCode::Conflict);
  w.settle();
  REQUIRE(w.networks->delete_port(w.user, server.ports[0].port));
  CHECK(w.get(server.id).ports.empty());
  REQUIRE(w.servers->start(w.user, server.id));
  w.run(std::chrono::seconds{5});
  CHECK(w.get(server.id).status() == "ACTIVE");
  CHECK(w.hypervisor->spec(server.id)->nics.empty());
}

TEST_CASE("stop presses the button, waits a minute and then cuts the power") {
  hypervisor::SimulatedSettings stubborn;
  stubborn.no_power_button = true;
  Furnished w(stubborn);
  const Server server = w.boot();
  REQUIRE(w.servers->stop(w.user, server.id));
  CHECK(w.get(server.id).task_state == ServerTask::PoweringOff);
  CHECK(w.servers->start(w.user, server.id).error().code == ErrorCode::Conflict);
  w.run(std::chrono::seconds{55});
  CHECK(w.get(server.id).status() == "ACTIVE");
  w.run(std::chrono::seconds{10});
  CHECK(w.get(server.id).status() == "SHUTOFF");
  CHECK(w.hypervisor->list(server.id)->front().power == hypervisor::PowerState::Shutdown);
}

TEST_CASE("a hard reboot takes over from a soft one that waits for the guest") {
  hypervisor::SimulatedSettings stubborn;
  stubborn.no_power_button = true;
  Furnished w(stubborn);
  const Server server = w.boot();
  const auto soft = w.servers->reboot(w.user, server.id, RebootMode::Soft);
  REQUIRE(soft);
  w.run(std::chrono::seconds{5});
  CHECK(w.get(server.id).status() == "REBOOT");
  const auto hard = w.servers->reboot(w.user, server.id, RebootMode::Hard);
  REQUIRE(hard);
  CHECK(w.get(server.id).status() == "HARD_REBOOT");
  w.run(std::chrono::seconds{5});
  CHECK(w.get(server.id).status() == "ACTIVE");
  CHECK(w.task_state(*soft) == TaskState::Failed);
  CHECK(w.task_state(*hard) == TaskState::Done);
}

TEST_CASE("what happens to guests behind our back is recorded or undone") {
  Furnished w;
  const Server off = w.boot("off"), crashed = w.boot("crashed"), gone = w.boot("gone"),
               stopped = w.boot("stopped");
  REQUIRE(w.servers->stop(w.user, stopped.id));
  w.run(std::chrono::seconds{20});
  w.hypervisor->power_off(off.id);
  w.hypervisor->power_off(crashed.id, true);
  w.hypervisor->forget(gone.id);
  REQUIRE(w.hypervisor->start(stopped.id));
  hypervisor::DomainSpec stray;
  stray.id = ServerId{"0192f0c1-8a00-7000-8000-00000000dead"};
  stray.name = "stray";
  REQUIRE(w.hypervisor->define(stray));
  REQUIRE(w.hypervisor->start(stray.id));
  w.hypervisor->add_foreign(ServerId{"0192f0c1-8a00-7000-8000-00000000beef"});
  w.run(std::chrono::seconds{40});
  CHECK(w.get(off.id).status() == "SHUTOFF");
  CHECK(w.get(crashed.id).status() == "SHUTOFF");
  CHECK(w.get(crashed.id).power_state == PowerState::Crashed);
  CHECK(w.get(gone.id).status() == "SHUTOFF");
  CHECK(w.get(stopped.id).status() == "SHUTOFF");
  CHECK(w.hypervisor->list(stopped.id)->front().power == hypervisor::PowerState::Shutdown);
  CHECK(w.hypervisor->list(stray.id)->empty());
  REQUIRE(w.servers->start(w.user, gone.id));
  w.run(std::chrono::seconds{20});
  CHECK(w.get(gone.id).status() == "ACTIVE");
}

TEST_CASE("a machine that sleeps while a guest shuts down leaves the guest its time, not for ever") {
  for (const bool answers : {true, false}) {
    CAPTURE(answers);
    hypervisor::SimulatedSettings settings;
    settings.guest_shutdown = std::chrono::seconds{30};
    settings.no_power_button = !answers;
    Furnished w(settings);
    const Server server = w.boot();
    const auto power = [&] { return w.hypervisor->list(server.id)->front().power; };
    REQUIRE(w.servers->stop(w.user, server.id));
    w.run(std::chrono::seconds{5});
    w.clock->jump_wall(std::chrono::hours{8});
    w.run(std::chrono::seconds{5});
    CHECK(power() == hypervisor::PowerState::Running);
    for (int night = 0; night < 8 && !answers; ++night) {
      w.clock->jump_wall(std::chrono::hours{8});
      w.run(std::chrono::seconds{30});
    }
    w.run(std::chrono::seconds{60});
    CHECK(power() == hypervisor::PowerState::Shutdown);
    CHECK(w.get(server.id).status() == "SHUTOFF");
  }
}

TEST_CASE("what ran when its host went down is started again, and nothing else is") {
  Furnished w;
  const Server ran = w.boot("ran"), off = w.boot("off"), stopped = w.boot("stopped");
  REQUIRE(w.servers->stop(w.user, stopped.id));
  w.hypervisor->power_off(off.id);
  w.run(std::chrono::seconds{40});
  CHECK(w.get(off.id).status() == "SHUTOFF");
  for (int i = 0; i < 2; ++i) {
    w.hypervisor->power_cut();
    w.run(std::chrono::seconds{40});
    CHECK(w.get(ran.id).status() == "ACTIVE");
    CHECK(w.hypervisor->list(ran.id)->front().power == hypervisor::PowerState::Running);
    for (const Server& other : {off, stopped}) {
      CHECK(w.get(other.id).status() == "SHUTOFF");
      CHECK(w.hypervisor->list(other.id)->front().power == hypervisor::PowerState::Shutdown);
    }
  }
  // By itself, in the new start of its host, it is the guest's wish.
  w.hypervisor->power_off(ran.id);
  w.run(std::chrono::seconds{40});
  CHECK(w.get(ran.id).status() == "SHUTOFF");
}

TEST_CASE("the host goes down with us: the next start finds what ran, forgotten or off") {
  for (const bool forgotten : {false, true}) {
    CAPTURE(forgotten);
    Outside outside;
    std::shared_ptr<store::Store> store = store::open_memory();
    ServerId id;
    {
      World w(outside, store);
      w.furnish();
      id = w.boot().id;
    }
    outside.hypervisor->power_cut();
    if (forgotten) outside.hypervisor->forget(id);
    World w(outside, store);
    w.run(std::chrono::seconds{40});
    CHECK(w.get(id).status() == "ACTIVE");
    CHECK(outside.hypervisor->list(id)->front().power == hypervisor::PowerState::Running);
  }
}

TEST_CASE("where guests are not to be resumed, what ran is stopped when its host is back") {
  Outside outside;
  outside.resume_guests = false;
  World w(outside, store::open_memory());
  w.furnish();
  const Server server = w.boot();
  outside.hypervisor->power_cut();
  w.run(std::chrono::seconds{40});
  CHECK(w.get(server.id).status() == "SHUTOFF");
  REQUIRE(w.servers->start(w.user, server.id));
  w.run(std::chrono::seconds{20});
  CHECK(w.get(server.id).status() == "ACTIVE");
}

TEST_CASE("a guest that cannot be started again after its host's restart says so, once") {
  Furnished w;
  const Server server = w.boot();
  w.hypervisor->set_hooks({.before = [](std::string_view verb, const ServerId&) {
    return verb == "start" ? std::optional(Error{ErrorCode::InvalidArgument, "no machine", {}})
                           : std::nullopt;
  }, .after = {}, .delay = {}});
  w.hypervisor->power_cut();
  w.settle();
  const Server failed = w.get(server.id);
  CHECK(failed.status() == "ERROR");
  REQUIRE(failed.fault);
  CHECK(failed.fault->message.find("after its host's restart") != std::string::npos);
  const auto revision = w.World::snapshot()->revision();
  w.settle();
  CHECK(w.World::snapshot()->revision() == revision);
  w.hypervisor->set_hooks({});
  REQUIRE(w.servers->reboot(w.user, server.id, RebootMode::Hard));
  w.run(std::chrono::seconds{40});
  CHECK(w.get(server.id).status() == "ACTIVE");
}

TEST_CASE("an idle cloud with running servers commits nothing") {
  Furnished w;
  (void)w.boot();
  w.settle();
  const auto revision = w.World::snapshot()->revision();
  w.settle();
  CHECK(w.World::snapshot()->revision() == revision);
}

TEST_CASE("guests that run through our restart are adopted as they are") {
  Outside outside;
  const std::shared_ptr<store::Store> store = store::open_memory();
  ServerId id;
  {
    World w(outside, store);
    w.furnish();
    w.step();
    id = w.boot().id;
  }
  outside.clock->advance(std::chrono::hours{1});
  World again(outside, store);
  again.run(std::chrono::seconds{30});
  CHECK(again.get(id).status() == "ACTIVE");
  CHECK(outside.hypervisor->list(id)->front().power == hypervisor::PowerState::Running);
  CHECK(again.get(id).updated_at == again.get(id).launched_at);
}

TEST_CASE("a stuck deletion shows as ERROR with its reason and is tried again when asked") {
  Furnished w;
  const Server server = w.boot();
  bool broken = true;
  w.hypervisor->set_hooks({.before = [&](std::string_view verb, const ServerId&) {
    return broken && verb == "destroy"
               ? std::optional<Error>(Error{ErrorCode::Internal, "device busy", {}})
               : std::nullopt;
  }});
  const auto task = w.servers->remove(w.user, server.id);
  REQUIRE(task);
  w.run(std::chrono::seconds{30});
  CHECK(w.task_state(*task) == TaskState::Stuck);
  const Server stuck = w.get(server.id);
  CHECK(stuck.status() == "ERROR");
  CHECK(stuck.task_state == ServerTask::Deleting);
  CHECK(stuck.fault->message == "The server could not be deleted yet: power-off: device busy");
  broken = false;
  CHECK(*w.servers->remove(w.user, server.id) == *task);
  w.run(std::chrono::seconds{30});
  CHECK(w.servers->get(w.user, server.id).error().code == ErrorCode::NotFound);
}

TEST_CASE("as many servers as the quota lets are made, and none below the least") {
  Furnished w;
  REQUIRE(w.servers->set_quota(Context::system(), w.user.project, {{"servers", 3}}));
  ServerCreate spec = w.spec("many");
  spec.min_count = 2;
  spec.max_count = 5;
  const auto made = w.servers->create_many(w.user, spec);
  REQUIRE(made);
  CHECK(made->size() == 3);
  CHECK((*made)[0].name == "many-1");
  CHECK((*made)[2].launch_index == 2);
  CHECK((*made)[2].reservation == (*made)[0].reservation);
  const auto refused = w.servers->create_many(w.user, spec);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::QuotaExceeded);
  CHECK(w.used("servers") == 3);
  spec.max_count = limits::kServersPerCall + 1;
  CHECK(w.servers->create_many(w.user, spec).error().code == ErrorCode::InvalidArgument);
}

TEST_CASE("servers spread over hosts, an admin may name one, and a full host is passed over") {
  hypervisor::SimulatedSettings tight;
  tight.ram_mib = 200;  // Two nanos a host, at a ratio of 1.5.
  Outside outside(tight);
  outside.hosts = {"host-a", "host-b", "host-c"};
  World w(outside, store::open_memory());
  w.furnish();
  w.step();
  std::map<std::string, int> count;
  for (int i = 0; i < 3; ++i) ++count[w.boot().host];
  CHECK(count.size() == 3);
  ServerCreate chosen = w.spec();
  chosen.availability_zone = "nova:host-b";
  Context admin = Context::system();
  admin.project = w.user.project;
  const auto placed = w.servers->create(admin, chosen);
  REQUIRE(placed);
  w.run(std::chrono::seconds{5});
  CHECK(w.get(placed->id).host == "host-b");
  for (int i = 0; i < 2; ++i) CHECK(w.boot().status() == "ACTIVE");
  CHECK(w.boot().status() == "ERROR");
}

TEST_CASE("other projects' servers are not there, and a locked one is only an administrator's") {
  Furnished w;
  const Server server = w.boot();
  const Context stranger = user_of("p2");
  CHECK(w.servers->get(stranger, server.id).error().code == ErrorCode::NotFound);
  CHECK(w.servers->remove(stranger, server.id).error().code == ErrorCode::NotFound);
  CHECK(w.servers->stop(stranger, server.id).error().code == ErrorCode::NotFound);
  CHECK(w.servers->console_output(stranger, server.id).error().code == ErrorCode::NotFound);
  CHECK(w.servers->list(stranger)->empty());
  REQUIRE(w.servers->lock(w.user, server.id));
  CHECK(w.servers->stop(w.user, server.id).error().code == ErrorCode::Conflict);
  REQUIRE(w.servers->unlock(w.user, server.id));
  REQUIRE(w.servers->lock(Context::system(), server.id));
  CHECK(w.servers->unlock(w.user, server.id).error().code == ErrorCode::Forbidden);
  CHECK(w.servers->remove(w.user, server.id).error().code == ErrorCode::Conflict);
  REQUIRE(w.servers->remove(Context::system(), server.id));
}

TEST_CASE("lists are filtered, sorted and paged") {
  Furnished w;
  for (const char* name : {"alpha", "beta", "gamma"}) (void)w.boot(name);
  const auto names = [&](const std::function<void(ServerQuery&)>& change) {
    ServerQuery query;
    change(query);
    std::string text;
    const auto found = w.servers->list(w.user, query);
    if (!found) return "error: " + found.error().message;
    for (const Server& server : *found) text += server.name + " ";
    return text;
  };
  const Server beta = (*w.servers->list(w.user, {.name = "beta"}))[0];
  REQUIRE(w.servers->stop(w.user, beta.id));
  w.run(std::chrono::seconds{20});
  CHECK(names([](auto&) {}) == "gamma beta alpha ");
  CHECK(names([](auto& q) { q.name = "a$"; }) == "gamma beta alpha ");
  CHECK(names([](auto& q) { q.name = "^al"; }) == "alpha ");
  CHECK(names([](auto& q) { q.statuses = {"shutoff"}; }) == "beta ");
  CHECK(names([](auto& q) { q.statuses = {"ACTIVE", "SHUTOFF"}; }) == "gamma beta alpha ");
  CHECK(names([](auto& q) { q.flavor = "1"; }) == "");
  CHECK(names([&](auto& q) { q.image = w.image.value; }) == "gamma beta alpha ");
  CHECK(names([&](auto& q) { q.ip = "^" + beta.addresses[0].address + "$"; }) == "beta ");
  CHECK(names([](auto& q) { q.sort = {{"display_name", false}}; }) == "alpha beta gamma ");
  CHECK(names([](auto& q) { q.sort = {{"vm_state", true}, {"name", true}}; }) ==
        "beta gamma alpha ");
  CHECK(names([](auto& q) { q.sort = {{"shoe_size", true}}; }).starts_with("error: sort_key"));
  CHECK(names([](auto& q) { q.limit = 2; }) == "gamma beta ");
  CHECK(names([&](auto& q) { q.marker = beta.id.value; }) == "alpha ");
  CHECK(names([](auto& q) { q.marker = "none"; }).starts_with("error: marker"));
  CHECK(names([&](auto& q) { q.changed_since = w.clock->wall(); }) == "");
}

TEST_CASE("metadata is merged, replaced, dropped and bounded") {
  Furnished w;
  const Server server = w.boot();
  const auto change = [&](std::map<std::string, std::string> set, bool replace,
                          std::vector<std::string> unset = {}) {
    return w.servers->change_metadata(w.user, server.id, set, replace, unset);
  };
  CHECK(change({{"a", "1"}, {"b", "2"}}, false)->metadata.size() == 2);
  CHECK(change({{"a", "3"}}, false)->metadata.at("a") == "3");
  CHECK(change({{"c", ""}}, true)->metadata.size() == 1);
  CHECK(change({}, false, {"c"})->metadata.empty());
  CHECK(change({}, false, {"c"}).error().code == ErrorCode::NotFound);
  std::map<std::string, std::string> many;
  for (int i = 0; i < 128; ++i) many[std::to_string(i)] = "v";
  CHECK(change(many, false));
  CHECK(change({{"one more", "v"}}, false).error().code == ErrorCode::QuotaExceeded);
}

TEST_CASE("with a data folder there are disks and a console, and deletion removes them") {
  char name[] = "/tmp/cloudos-compute-XXXXXX";
  const std::filesystem::path folder = mkdtemp(name);
  {
    Outside outside;
    outside.data_dir = folder;
    World w(outside, store::open_memory());
    w.furnish();
    w.step();
    const Server server = w.boot();
    CHECK(server.status() == "ACTIVE");
    const auto domain = w.out.hypervisor->spec(server.id);
    REQUIRE(domain->disks.size() == 1);
    CHECK(domain->disks[0].backing_format == "raw");
    // The overlay lies on the stored file itself: booting copied no byte of it.
    CHECK(domain->disks[0].backing == folder / "images" / server.image.value);
    CHECK_FALSE(std::filesystem::exists(folder / "image-cache"));
    CHECK(domain->disks[0].size_bytes == 1ULL << 30);
    CHECK(w.servers->console_output(w.user, server.id) == "");
    // A simulated host makes no file; a real one's are in the server's folder.
    REQUIRE_FALSE(std::filesystem::exists(domain->console_log.parent_path()));
    std::filesystem::create_directories(domain->console_log.parent_path());
    std::ofstream log(domain->console_log);
    for (int i = 0; i < 20'000; ++i) log << "line " << i << "\n";
    log << "login: ";
    log.close();
    CHECK(*w.servers->console_output(w.user, server.id, 2) == "line 19999\nlogin: ");
    CHECK(*w.servers->console_output(w.user, server.id, 0) == "");
    CHECK(w.servers->console_output(w.user, server.id)->size() == limits::kConsoleBytes);
    CHECK(w.servers->console_output(w.user, server.id, 1'000'000)->size() ==
          limits::kConsoleBytes);
    REQUIRE(w.servers->remove(w.user, server.id));
    w.run(std::chrono::seconds{5});
    CHECK_FALSE(std::filesystem::exists(folder / "servers" / server.id.value));
  }
  std::filesystem::remove_all(folder);
}

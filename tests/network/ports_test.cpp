#include <thread>

#include "network/support.hpp"

using namespace network_test;

TEST_CASE("a port gets an address, a MAC, the default group and a device name of its own") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  world.subnet(ctx, net);
  const auto a = world.port(ctx, net.id), b = world.port(ctx, net.id);
  REQUIRE(a);
  REQUIRE(b);
  CHECK(a->fixed_ips[0].address == "10.0.0.3");
  CHECK(b->fixed_ips[0].address == "10.0.0.4");
  CHECK(a->mac.substr(0, 9) == "fa:16:3e:");
  CHECK(a->mac != b->mac);
  CHECK(a->tap != b->tap);
  CHECK(a->tap.size() == 14);
  CHECK(a->security_groups == b->security_groups);
  CHECK(a->security_groups.size() == 1);
  CHECK(a->status() == PortStatus::Down);
  CHECK(a->vif_type == "unbound");
}

TEST_CASE("a network gives its last address and then says that none is left") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  world.subnet(ctx, net);
  std::set<std::string> seen = {"10.0.0.1", "10.0.0.2"};  // The gateway's and the DHCP server's.
  std::vector<PortId> ports;
  for (int i = 0; i < 252; ++i) {
    const auto port = world.port(ctx, net.id);
    REQUIRE(port);
    REQUIRE(seen.insert(port->fixed_ips[0].address).second);
    ports.push_back(port->id);
  }
  const auto full = world.port(ctx, net.id);
  CHECK(type_of(full) == "IpAddressGenerationFailure");
  CHECK(code_of(full) == ErrorCode::NoCapacity);
  CHECK(world.used("p", "ports") == 253);
  REQUIRE(world.networks->delete_port(ctx, ports[100]));
  CHECK(world.port(ctx, net.id));
  world.subnet(ctx, net, "10.0.1.0/30", false);
  CHECK(world.port(ctx, net.id)->fixed_ips[0].address == "10.0.1.2");
}

TEST_CASE("threads that race for a network's addresses get each once, and the quota counts them") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  world.subnet(ctx, net, "10.0.0.0/25");  // 126 hosts, less gateway and DHCP server.
  std::atomic<int> made{0}, refused{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        const auto port = world.networks->create_port(ctx, PortCreate{net.id});
        if (port) ++made;
        else if (port.error().code == ErrorCode::NoCapacity) ++refused;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(made == 124);
  CHECK(refused == 36);
  const auto ports = world.networks->ports(ctx);
  std::set<std::string> addresses, macs;
  for (const Port& port : *ports) {
    addresses.insert(port.fixed_ips[0].address);
    macs.insert(port.mac);
  }
  CHECK(addresses.size() == 125);
  CHECK(macs.size() == 125);
  CHECK(world.used("p", "ports") == 125);
}

TEST_CASE("threads that make and delete leave exactly what is there") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  world.subnet(ctx, net, "10.0.0.0/27");
  std::vector<std::thread> threads;
  std::atomic<int> kept{0};
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 40; ++i) {
        const auto port = world.networks->create_port(ctx, PortCreate{net.id});
        if (!port) continue;
        if (i % 10 == 9) ++kept;
        else if (!world.networks->delete_port(ctx, port->id)) kept = 1'000;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(static_cast<int>(world.networks->ports(ctx)->size()) == kept + 1);
  CHECK(world.used("p", "ports") == kept + 1);
  const auto left = world.networks->ports(ctx);
  for (const Port& port : *left)
    if (port.device_owner.empty()) CHECK(world.networks->delete_port(ctx, port.id));
  CHECK(world.networks->delete_network(ctx, net.id));
  CHECK((*world.store->snapshot())->scan("/ip-")->empty());
}

TEST_CASE("addresses asked for by subnet, by address or both are checked and exclusive") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  const Subnet one = world.subnet(ctx, net, "10.0.0.0/24", false);
  const Subnet two = world.subnet(ctx, net, "10.0.1.0/24", false);
  struct Row {
    std::string what;
    std::vector<FixedIpRequest> asked;
    const char* type;
    std::vector<std::string> addresses = {};
  };
  const Row rows[] = {
      {"none", {}, "", {}},
      {"by subnet", {{two.id, ""}}, "", {"10.0.1.2"}},
      {"by address", {{{}, "10.0.1.77"}}, "", {"10.0.1.77"}},
      {"by both", {{one.id, "10.0.0.77"}}, "", {"10.0.0.77"}},
      {"the gateway's", {{one.id, "10.0.0.1"}}, "", {"10.0.0.1"}},
      {"any of one and a named one of the same", {{one.id, ""}, {one.id, "10.0.0.2"}}, "",
       {"10.0.0.2", "10.0.0.3"}},
      {"neither", {{{}, ""}}, "InvalidInput"},
      {"a word", {{one.id, "ten"}}, "InvalidInput"},
      {"of the other subnet", {{one.id, "10.0.1.5"}}, "InvalidIpForSubnet"},
      {"of no subnet", {{{}, "10.9.0.1"}}, "InvalidIpForNetwork"},
      {"the network's", {{one.id, "10.0.0.0"}}, "InvalidIpForSubnet"},
      {"broadcast", {{{}, "10.0.0.255"}}, "InvalidIpForNetwork"},
      {"the same twice", {{{}, "10.0.0.9"}, {{}, "10.0.0.9"}}, "IpAddressAlreadyAllocated"},
      {"a foreign subnet", {{SubnetId{"elsewhere"}, ""}}, "InvalidInput"},
      {"too many", std::vector<FixedIpRequest>(limits::kPortFixedIps + 1, {one.id, ""}),
       "InvalidInput"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    PortCreate spec;
    spec.network = net.id;
    spec.fixed_ips = row.asked;
    const auto port = world.networks->create_port(ctx, spec);
    CHECK(port.has_value() == (*row.type == '\0'));
    if (!port) {
      CHECK(port.error().type == row.type);
      continue;
    }
    std::vector<std::string> addresses;
    for (const FixedIp& fixed : port->fixed_ips) addresses.push_back(fixed.address);
    CHECK(addresses == row.addresses);
    REQUIRE(world.networks->delete_port(ctx, port->id));
  }
  CHECK((*world.store->snapshot())->scan("/ip-")->empty());
}

TEST_CASE("a MAC is unique on its network and free again after delete") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx), other = world.network(ctx);
  PortCreate spec;
  spec.network = net.id;
  spec.mac = "FA:16:3E:11:22:33";
  const auto first = world.networks->create_port(ctx, spec);
  REQUIRE(first);
  CHECK(first->mac == "fa:16:3e:11:22:33");
  CHECK(type_of(world.networks->create_port(ctx, spec)) == "MacAddressInUse");
  spec.network = other.id;
  CHECK(world.networks->create_port(ctx, spec));
  REQUIRE(world.networks->delete_port(ctx, first->id));
  spec.network = net.id;
  CHECK(world.networks->create_port(ctx, spec));
  spec.mac = "ff:ff:ff:ff:ff:ff";
  CHECK(code_of(world.networks->create_port(ctx, spec)) == ErrorCode::InvalidArgument);
}

TEST_CASE("no port comes onto a network that is being deleted") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  const auto prep = world.networks->prepare_port(**world.store->snapshot(), ctx, {net.id});
  REQUIRE(prep);
  REQUIRE(world.networks->delete_network(ctx, net.id));
  const auto done = world.store->transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(world.networks->create_port(txn, ctx, *prep));
    return Result<void>();
  });
  CHECK(done.error().type == "NetworkNotFound");
}

TEST_CASE("a prepared port is the same port however often its transaction runs") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  world.subnet(ctx, net);
  const auto prep = world.networks->prepare_port(**world.store->snapshot(), ctx, {net.id});
  REQUIRE(prep);
  std::vector<Port> made;
  const auto failed = world.store->transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(auto port, world.networks->create_port(txn, ctx, *prep));
    made.push_back(port);
    return fail(ErrorCode::Stale, "again");
  });
  CHECK_FALSE(failed);
  CHECK(world.networks->groups(ctx)->size() == 1);
  REQUIRE(world.store->transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(auto port, world.networks->create_port(txn, ctx, *prep));
    made.push_back(port);
    return Result<void>();
  }));
  CHECK(made[0].id == made[1].id);
  CHECK(made[0].mac == made[1].mac);
  CHECK(made[0].fixed_ips == made[1].fixed_ips);
}

TEST_CASE("other projects' networks, groups and ports are out of reach") {
  World world;
  const Context ctx = member("p"), stranger = member("q");
  const Network net = world.network(ctx), shared = world.network(admin(), "s", true);
  world.subnet(admin(), shared, "10.5.0.0/24");
  const auto port = world.port(ctx, net.id);
  REQUIRE(port);
  CHECK(type_of(world.port(stranger, net.id)) == "NetworkNotFound");
  CHECK(type_of(world.networks->port(stranger, port->id)) == "PortNotFound");
  CHECK(type_of(world.networks->delete_port(stranger, port->id)) == "PortNotFound");
  CHECK(type_of(world.networks->update_port(stranger, port->id, {})) == "PortNotFound");
  CHECK(world.networks->ports(stranger)->empty());
  const auto foreign_group = world.networks->groups(ctx)->front().id;
  PortCreate spec;
  spec.network = shared.id;
  spec.security_groups = std::vector<SecurityGroupId>{foreign_group};
  CHECK(type_of(world.networks->create_port(stranger, spec)) == "SecurityGroupNotFound");
  CHECK(world.store->transact([&](store::Txn& txn) -> Result<void> {
          CLOUDOS_CHECK(world.networks->attach_port(txn, stranger, port->id, ServerId{"s"},
                                                    "compute:nova"));
          return Result<void>();
        }).error().code == ErrorCode::NotFound);
  struct Row {
    std::string what;
    PortCreate spec;
    bool good;
  };
  const auto with = [&](auto change) {
    PortCreate create;
    create.network = shared.id;
    change(create);
    return create;
  };
  const Row rows[] = {
      {"plain", with([](auto&) {}), true},
      {"mac", with([](auto& s) { s.mac = "fa:16:3e:00:00:01"; }), false},
      {"address", with([](auto& s) { s.fixed_ips = {{{{}, "10.5.0.9"}}}; }), false},
      {"no port security", with([](auto& s) { s.port_security = false; }), false},
      {"pairs", with([](auto& s) { s.allowed_address_pairs = {{"0.0.0.0/0", ""}}; }), false},
      {"router's owner", with([](auto& s) { s.device_owner = "network:router_interface"; }), false},
      {"host", with([](auto& s) { s.host = "host-1"; }), false},
      {"profile", with([](auto& s) { s.profile = "{\"pci_slot\":1}"; }), false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto made = world.networks->create_port(stranger, row.spec);
    CHECK(made.has_value() == row.good);
    if (!made) CHECK(made.error().code == ErrorCode::Forbidden);
  }
}

TEST_CASE("port security, groups and address pairs fit together or are refused") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  PortCreate spec;
  spec.network = net.id;
  spec.port_security = false;
  const auto open = world.networks->create_port(ctx, spec);
  REQUIRE(open);
  CHECK(open->security_groups.empty());
  spec.security_groups = std::vector<SecurityGroupId>{world.networks->groups(ctx)->front().id};
  CHECK(code_of(world.networks->create_port(ctx, spec)) == ErrorCode::Conflict);
  spec.security_groups.reset();
  spec.allowed_address_pairs = {{"10.0.0.0/24", ""}};
  CHECK(code_of(world.networks->create_port(ctx, spec)) == ErrorCode::Conflict);
  spec.port_security = true;
  spec.allowed_address_pairs = {{"10.0.0.9/24", "FA:16:3E:00:00:01"}};
  const auto paired = world.networks->create_port(ctx, spec);
  REQUIRE(paired);
  CHECK(paired->allowed_address_pairs[0].address == "10.0.0.0/24");
  CHECK(paired->allowed_address_pairs[0].mac == "fa:16:3e:00:00:01");
  PortUpdate off;
  off.port_security = false;
  CHECK(code_of(world.networks->update_port(ctx, paired->id, off)) == ErrorCode::Conflict);
  off.security_groups = std::vector<SecurityGroupId>{};
  off.allowed_address_pairs = std::vector<AllowedAddressPair>{};
  CHECK(world.networks->update_port(ctx, paired->id, off));
  spec.allowed_address_pairs.assign(limits::kPortAddressPairs + 1, {"10.0.0.1", ""});
  CHECK(type_of(world.networks->create_port(ctx, spec)) == "AllowedAddressPairExhausted");
  spec.allowed_address_pairs.assign(2, {"10.0.0.1", ""});
  CHECK(type_of(world.networks->create_port(ctx, spec)) == "DuplicateAddressPairInRequest");
  PortCreate many;
  many.network = net.id;
  many.security_groups.emplace();
  for (std::size_t i = 0; i <= limits::kPortGroups; ++i)
    many.security_groups->push_back(SecurityGroupId{std::to_string(i)});
  CHECK(code_of(world.networks->create_port(ctx, many)) == ErrorCode::InvalidArgument);
}

TEST_CASE("an update keeps the addresses it names and gives back the rest") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  const Subnet sub = world.subnet(ctx, net, "10.0.0.0/24", false);
  const auto port = world.port(ctx, net.id);
  REQUIRE(port);
  PortUpdate change;
  change.fixed_ips = {{{sub.id, ""}, {sub.id, "10.0.0.50"}}};
  const auto two = world.networks->update_port(ctx, port->id, change);
  REQUIRE(two);
  CHECK(two->fixed_ips == std::vector<FixedIp>{{sub.id, "10.0.0.2"}, {sub.id, "10.0.0.50"}});
  change.fixed_ips = {{{sub.id, "10.0.0.50"}}};
  REQUIRE(world.networks->update_port(ctx, port->id, change));
  CHECK(world.port(ctx, net.id)->fixed_ips[0].address == "10.0.0.2");
  change.fixed_ips = {{{sub.id, "10.0.0.2"}}};
  CHECK(type_of(world.networks->update_port(ctx, port->id, change)) ==
        "IpAddressAlreadyAllocated");
  CHECK(world.networks->port(ctx, port->id)->fixed_ips[0].address == "10.0.0.50");
}

TEST_CASE("a name that DHCP hands out is a label and nothing that could be an option") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  for (const char* name : {"web-1", "A", ""}) {
    CAPTURE(name);
    PortCreate spec;
    spec.network = net.id;
    spec.dns_name = name;
    CHECK(world.networks->create_port(ctx, spec));
  }
  for (const char* name : {"-a", "a-", "a b", "a\n", "a,b", "a.b", "ä"}) {
    CAPTURE(name);
    PortCreate spec;
    spec.network = net.id;
    spec.dns_name = name;
    CHECK(code_of(world.networks->create_port(ctx, spec)) == ErrorCode::InvalidArgument);
  }
}

TEST_CASE("all ports of a bulk request are made, or none") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx);
  world.subnet(ctx, net, "10.0.0.0/29", false);  // Five addresses beside the gateway.
  const std::vector<PortCreate> five(5, PortCreate{net.id}), six(6, PortCreate{net.id});
  CHECK(code_of(world.networks->create_ports(ctx, six)) == ErrorCode::NoCapacity);
  CHECK(world.networks->ports(ctx)->empty());
  CHECK(world.used("p", "ports") == 0);
  CHECK(world.networks->create_ports(ctx, five)->size() == 5);
}

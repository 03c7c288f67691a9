#include "network/support.hpp"

using namespace network_test;

namespace {
template <class T>
std::string names_of(const Result<std::vector<T>>& records) {
  if (!records) return "error " + std::string(to_string(records.error().code));
  std::string names;
  for (const T& record : *records) names += (names.empty() ? "" : " ") + record.name;
  return names;
}
}  // namespace

TEST_CASE("lists are filtered by any attribute, sorted by any, paged both ways") {
  World world;
  const Context ctx = member("p");
  std::map<std::string, std::string> ids;
  for (const char* name : {"d", "a", "c", "b", "e"}) {
    NetworkCreate spec;
    spec.name = name;
    spec.admin_up = *name != 'c';
    spec.mtu = static_cast<std::uint32_t>(1'400 + (*name == 'a' ? 100 : *name == 'b' ? -500 : 0));
    ids[name] = world.networks->create_network(ctx, spec)->id.value;
  }
  world.network(member("q"), "other");
  struct Row {
    std::string what;
    NetworkListSpec spec;
    const char* names;
  };
  const Row rows[] = {
      {"all, oldest first", {}, "d a c b e"},
      {"by name", {{{"name", "c"}}, {}, {}, SIZE_MAX, false}, "c"},
      {"two names", {{{"name", "c"}, {"name", "e"}}, {}, {}, SIZE_MAX, false}, "c e"},
      {"name and flag", {{{"name", "c"}, {"admin_state_up", "True"}}, {}, {}, SIZE_MAX, false}, ""},
      {"flag as 0", {{{"admin_state_up", "0"}}, {}, {}, SIZE_MAX, false}, "c"},
      {"by id", {{{"id", ids["b"]}}, {}, {}, SIZE_MAX, false}, "b"},
      {"own project", {{{"project_id", "p"}}, {}, {}, SIZE_MAX, false}, "d a c b e"},
      {"other project", {{{"tenant_id", "q"}}, {}, {}, SIZE_MAX, false}, ""},
      {"unknown", {{{"colour", "red"}}, {}, {}, SIZE_MAX, false}, "error InvalidArgument"},
      {"sorted", {{}, {{"name", false}}, {}, SIZE_MAX, false}, "a b c d e"},
      {"sorted downwards", {{}, {{"name", true}}, {}, SIZE_MAX, false}, "e d c b a"},
      {"numbers as numbers", {{}, {{"mtu", false}, {"name", false}}, {}, SIZE_MAX, false},
       "b c d e a"},
      {"sorted by nothing known", {{}, {{"colour", false}}, {}, SIZE_MAX, false},
       "error InvalidArgument"},
      {"first page", {{}, {{"name", false}}, {}, 2, false}, "a b"},
      {"next page", {{}, {{"name", false}}, ids["b"], 2, false}, "c d"},
      {"last page", {{}, {{"name", false}}, ids["d"], 2, false}, "e"},
      {"behind the last", {{}, {{"name", false}}, ids["e"], 2, false}, ""},
      {"page before", {{}, {{"name", false}}, ids["d"], 2, true}, "b c"},
      {"last page backwards", {{}, {{"name", false}}, {}, 2, true}, "d e"},
      {"unknown marker", {{}, {}, "nothing", 2, false}, "error NotFound"},
      {"none", {{}, {}, {}, 0, false}, ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(names_of(world.networks->networks(ctx, row.spec)) == row.names);
  }
}

TEST_CASE("ports are found by address, subnet, device and network") {
  World world;
  const Context ctx = member("p");
  const Network net = world.network(ctx), other = world.network(ctx);
  const Subnet sub = world.subnet(ctx, net, "10.0.0.0/24", false);
  world.subnet(ctx, other, "10.0.0.0/24", false);
  const auto a = world.port(ctx, net.id, "server-a"), b = world.port(ctx, net.id, "server-b");
  const auto c = world.port(ctx, other.id, "server-a");
  REQUIRE(c);
  const auto found = [&](std::vector<std::pair<std::string, std::string>> filters) {
    const auto ports = world.networks->ports(ctx, {std::move(filters), {}, {}, SIZE_MAX, false});
    REQUIRE(ports);
    std::set<std::string> ids;
    for (const Port& port : *ports) ids.insert(port.id.value);
    return ids;
  };
  using Ids = std::set<std::string>;
  CHECK(found({{"device_id", "server-a"}}) == Ids{a->id.value, c->id.value});
  CHECK(found({{"network_id", net.id.value}}) == Ids{a->id.value, b->id.value});
  CHECK(found({{"fixed_ips", "ip_address=10.0.0.2"}}) == Ids{a->id.value, c->id.value});
  CHECK(found({{"fixed_ips", "subnet_id=" + sub.id.value}}) == Ids{a->id.value, b->id.value});
  CHECK(found({{"fixed_ips", "ip_address=10.0.0.2"}, {"fixed_ips", "subnet_id=" + sub.id.value}}) ==
        Ids{a->id.value});
  CHECK(found({{"mac_address", b->mac}}) == Ids{b->id.value});
  CHECK(found({{"status", "ACTIVE"}}).empty());
  CHECK(found({{"device_id", ""}}).empty());
  CHECK_FALSE(world.networks->ports(ctx, {{{"fixed_ips", "10.0.0.2"}}, {}, {}, SIZE_MAX, false}));
}

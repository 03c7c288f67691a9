#include "network/user.hpp"

#include <doctest/doctest.h>

using namespace cloudos;

TEST_CASE("a user-mode NAT takes the subnet's gateway and three different addresses of it") {
  struct Row {
    std::string what, cidr, gateway, address;
    std::string host, resolver;  ///< Empty host: refused.
  };
  const Row rows[] = {
      {"usual", "10.0.0.0/24", "10.0.0.1", "10.0.0.5", "10.0.0.1", "10.0.0.254"},
      {"the guest has the last address", "10.0.0.0/24", "10.0.0.1", "10.0.0.254", "10.0.0.1",
       "10.0.0.253"},
      {"the gateway is the last", "10.0.0.0/24", "10.0.0.254", "10.0.0.253", "10.0.0.254",
       "10.0.0.252"},
      {"no gateway", "10.0.0.0/24", "", "10.0.0.5", "10.0.0.254", "10.0.0.253"},
      {"a gateway elsewhere", "10.0.0.0/24", "192.0.2.1", "10.0.0.5", "10.0.0.254", "10.0.0.253"},
      {"the guest is the gateway", "10.0.0.0/24", "10.0.0.1", "10.0.0.1", "10.0.0.254",
       "10.0.0.253"},
      {"small", "10.0.0.8/29", "10.0.0.9", "10.0.0.14", "10.0.0.9", "10.0.0.13"},
      {"too small", "10.0.0.8/30", "10.0.0.9", "10.0.0.10", "", ""},
      {"large", "10.0.0.0/8", "10.0.0.1", "10.9.8.7", "10.0.0.1", "10.255.255.254"},
      {"IPv6", "fd00::/64", "fd00::1", "fd00::5", "", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Subnet subnet;
    subnet.cidr = row.cidr;
    subnet.gateway = row.gateway;
    const auto wiring = network::user_mode_wiring(subnet, row.address);
    REQUIRE(wiring.has_value() == !row.host.empty());
    if (!wiring) {
      CHECK(wiring.error().code == ErrorCode::Unsupported);
      continue;
    }
    CHECK(wiring->cidr == row.cidr);
    CHECK(wiring->address == row.address);
    CHECK(wiring->gateway == row.host);
    CHECK(wiring->resolver == row.resolver);
  }
}

TEST_CASE("user mode binds what is no device of the host's and says that groups are not enforced") {
  const network::UserModeDriver driver;
  const auto binding = driver.bind_port({"host", "local", "", "normal"});
  REQUIRE(binding);
  CHECK(binding->vif_type == "user");
  CHECK(binding->vif_details.at("port_filter") == "false");
  CHECK_FALSE(driver.bind_port({"host", "local", "", "direct"}));
}

#include "base/text.hpp"
#include "cloudos/routers.hpp"
#include "world.hpp"

using namespace cloudos;
using namespace compute_test;

namespace {
constexpr const char* kGuestKey =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me";

Server boot_guest(World& w, bool plain) {
  ServerCreate spec = w.spec("Web \"1\"");
  if (!plain) {
    REQUIRE(w.servers->keypairs().import(w.user, "my key", kGuestKey));
    spec.key_name = "my key";
    spec.user_data = to_base64("#!/bin/sh\necho hi\n");
    spec.metadata = {{"role", "front\n\"end\""}};
  }
  const auto made = w.servers->create(w.user, spec);
  REQUIRE(made);
  w.run(std::chrono::seconds{5});
  return w.get(made->id);
}
}  // namespace

TEST_CASE("a guest reads its own documents, in the OpenStack tree and in the EC2 tree") {
  Furnished w;
  const Server server = boot_guest(w, false);
  const std::string address = server.addresses[0].address;
  struct Row { std::string path, body; };
  const Row rows[] = {
      {"/openstack/latest/user_data", "#!/bin/sh\necho hi\n"},
      {"/openstack/2018-08-27/vendor_data.json", "{}"},
      {"/openstack/latest/",
       "meta_data.json\nnetwork_data.json\nuser_data\nvendor_data.json\nvendor_data2.json"},
      {"/latest/user-data", "#!/bin/sh\necho hi\n"},
      {"/latest", "meta-data/\nuser-data"},
      {"/2009-04-04/meta-data/hostname", "web-1"},
      {"//latest//meta-data/local-ipv4/", address},
      {"/latest/meta-data/local-hostname", "web-1"},
      {"/latest/meta-data/instance-type", "m1.nano"},
      {"/latest/meta-data/instance-id", "i-" + server.id.value.substr(28)},
      {"/latest/meta-data/public-keys/", "0=my key"},
      {"/latest/meta-data/public-keys/0/", "openssh-key"},
      {"/latest/meta-data/public-keys/0/openssh-key", std::string(kGuestKey) + "\n"},
      {"/latest/meta-data/placement/availability-zone", "nova"},
      {"/latest/meta-data/security-groups", "default"},
      {"/latest/meta-data/block-device-mapping/root", "/dev/vda"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.path);
    const auto answer = w.metadata->document(server.id, row.path);
    REQUIRE(answer);
    CHECK(answer->status == 200);
    CHECK(answer->body == row.body);
  }
  CHECK(contains(w.metadata->document(server.id, "/openstack")->body, "2018-08-27\nlatest"));
  CHECK(w.metadata->document(server.id, "/")->body.ends_with("2009-04-04\nlatest"));
}

TEST_CASE("an address from outside is shown behind the server's own, and its guest reads it") {
  Furnished w;
  const Server server = boot_guest(w, true);
  REQUIRE(server.addresses.size() == 1);
  CHECK(w.metadata->document(server.id, "/latest/meta-data/public-ipv4")->body.empty());
  Context admin = user_of("admins");
  admin.is_admin = true;
  NetworkCreate outside;
  outside.name = "outside";
  outside.external = true;
  const auto ext = w.networks->create_network(admin, outside);
  const std::string why = ext ? "" : ext.error().message;
  INFO(why);
  REQUIRE(ext);
  SubnetCreate around;
  around.network = ext->id;
  around.cidr = "203.0.113.0/24";
  REQUIRE(w.networks->create_subnet(admin, around));
  RouterCreate between;
  between.gateway = GatewaySpec{ext->id, {}, {}};
  const auto router = w.networks->routers().create(w.user, between);
  REQUIRE(router);
  const auto port = w.networks->port(w.user, server.ports[0].port);
  REQUIRE(port);
  REQUIRE(w.networks->routers().add_interface(w.user, router->id,
                                              {port->fixed_ips[0].subnet, {}}));
  FloatingIpCreate asked;
  asked.network = ext->id;
  asked.port = port->id;
  const auto floating = w.networks->routers().create_floating_ip(w.user, asked);
  REQUIRE(floating);
  const Server seen = w.get(server.id);
  REQUIRE(seen.addresses.size() == 2);
  CHECK(seen.addresses[0].address == server.addresses[0].address);
  CHECK_FALSE(seen.addresses[0].floating);
  CHECK(seen.addresses[1].address == floating->address);
  CHECK(seen.addresses[1].floating);
  CHECK(seen.addresses[1].mac == port->mac);
  CHECK(seen.addresses[1].network_name == seen.addresses[0].network_name);
  CHECK(w.metadata->document(server.id, "/latest/meta-data/public-ipv4")->body ==
        floating->address);
  CHECK(w.metadata->document(server.id, "/latest/meta-data/local-ipv4")->body ==
        server.addresses[0].address);
  ServerQuery by_address;
  by_address.ip = floating->address;
  CHECK(w.servers->list(w.user, by_address)->empty());
  FloatingIpUpdate away;
  away.port = PortId{};
  REQUIRE(w.networks->routers().update_floating_ip(w.user, floating->id, away));
  CHECK(w.get(server.id).addresses.size() == 1);
}

TEST_CASE("meta_data.json and network_data.json are JSON that tells the truth") {
  Furnished w;
  const Server server = boot_guest(w, false);
  const auto meta = nlohmann::json::parse(
      w.metadata->document(server.id, "/openstack/latest/meta_data.json")->body);
  CHECK(meta["uuid"] == server.id.value);
  CHECK(meta["name"] == "Web \"1\"");
  CHECK(meta["hostname"] == "web-1");
  CHECK(meta["availability_zone"] == "nova");
  CHECK(meta["project_id"] == "p1");
  CHECK(meta["meta"]["role"] == "front\n\"end\"");
  CHECK(meta["public_keys"]["my key"] == std::string(kGuestKey) + "\n");
  CHECK(meta["keys"][0]["data"] == std::string(kGuestKey) + "\n");
  CHECK(from_base64(meta["random_seed"].get<std::string>())->size() == 512);
  const auto net = nlohmann::json::parse(
      w.metadata->document(server.id, "/openstack/latest/network_data.json")->body);
  CHECK(net["links"][0]["ethernet_mac_address"] == server.addresses[0].mac);
  CHECK(net["networks"][0]["type"] == "ipv4_dhcp");
  CHECK(net["networks"][0]["link"] == net["links"][0]["id"]);
  CHECK(net["services"][0]["address"] == "9.9.9.9");
}

TEST_CASE("what is not there is NotFound, whatever the path") {
  Furnished w;
  const Server server = boot_guest(w, true);
  const std::string paths[] = {
      "/openstack/latest/user_data", "/latest/user-data", "/latest/meta-data/public-keys/",
      "/latest/meta-data/public-keys/0/openssh-key", "/openstack/1999-01-01/meta_data.json",
      "/openstack/latest/meta_data.json/x", "/openstack/latest/../latest", "/latest/meta-data/x",
      "/3000-01-01/meta-data/", "/latest/meta-data/hostname/x", "/etc/passwd",
      "/latest/meta-data/placement/x", std::string(1 << 20, '/') + "x",
  };
  for (const std::string& path : paths) {
    CAPTURE(path.substr(0, 80));
    const auto answer = w.metadata->document(server.id, path);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ErrorCode::NotFound);
  }
  CHECK(w.metadata->document(ServerId{"none"}, "/latest").error().code == ErrorCode::NotFound);
}

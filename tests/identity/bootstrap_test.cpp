#include <sys/stat.h>

#include "identity/private_file.hpp"
#include "identity/support.hpp"

using namespace cloudos;
using identity_test::World;

namespace {
std::string file_text(const std::filesystem::path& path) {
  const auto text = identity::read_private_file(path);
  REQUIRE(text);
  REQUIRE(*text);
  return **text;
}
bool only_owner_reads(const std::filesystem::path& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && (info.st_mode & 07777) == 0600;
}
std::string catalog_urls(Identity& identity, const ProjectId& project = {}) {
  const auto catalog = identity.catalog(project, {});
  REQUIRE(catalog);
  std::string urls;
  for (const CatalogEntry& entry : *catalog) {
    CHECK(entry.endpoints.size() == 3);
    urls += entry.service.type + "=" + entry.endpoints.front().url + " ";
  }
  return urls;
}
}  // namespace

TEST_CASE("the first start makes admin, roles and catalog, and later ones change nothing") {
  World world;
  const auto keys = world.keys();
  const auto revision = world.revision();
  CHECK(catalog_urls(*world.identity) ==
        "identity=http://127.0.0.1:5000/identity/v3 compute=http://127.0.0.1:5000/compute/v2.1 "
        "image=http://127.0.0.1:5000/image network=http://127.0.0.1:5000/network ");
  CHECK(world.identity->list_domains(world.system, {})->size() == 1);
  CHECK(world.identity->list_roles(world.system, {})->size() == 3);
  world.settings.admin_password = "ignored later";
  world.start();
  CHECK(world.keys() == keys);
  CHECK(world.revision() == revision);
  CHECK_FALSE(world.login("admin", "ignored later"));
  CHECK(world.login("admin", identity_test::kAdminPassword));
}

TEST_CASE("the first roles are immutable until an admin says otherwise, also after a restart") {
  World world;
  for (const char* name : {"admin", "member", "reader"}) {
    CAPTURE(name);
    const auto refused = world.identity->remove_role(world.system, world.role(name));
    CHECK(refused.error().code == ErrorCode::Forbidden);
  }
  IdentityUpdate unset;
  unset.immutable = std::optional<bool>();
  REQUIRE(world.identity->update_role(world.system, world.role("reader"), unset));
  world.start();
  CHECK(world.identity->remove_role(world.system, world.role("reader")));
}

TEST_CASE("what an operator deletes stays deleted after a restart") {
  World world;
  const auto services = world.identity->list_services(world.system, {});
  for (const CatalogService& service : *services)
    if (service.type == "network")
      REQUIRE(world.identity->remove_service(world.system, service.id));
  world.start();
  CHECK(catalog_urls(*world.identity).find("network") == std::string::npos);
}

TEST_CASE("catalog, clouds.yaml and openrc follow the public URL") {
  identity_test::TempFolder folder;
  World world(folder.path);
  const auto yaml = folder.path / "clouds.yaml", rc = folder.path / "openrc";
  CHECK(only_owner_reads(yaml));
  CHECK(only_owner_reads(rc));
  CHECK(only_owner_reads(folder.path / "keys" / "admin-password"));
  CHECK(file_text(yaml).find("auth_url: \"http://127.0.0.1:5000/identity/v3\"") !=
        std::string::npos);
  CHECK(file_text(yaml).find("password: \"first password\"") != std::string::npos);
  const Token token = world.admin_token();

  world.settings.public_url = "https://cloud.example.org/";
  world.start();
  CHECK(file_text(yaml).find("auth_url: \"https://cloud.example.org/identity/v3\"") !=
        std::string::npos);
  CHECK(file_text(rc).find("OS_AUTH_URL='https://cloud.example.org/identity/v3'") !=
        std::string::npos);
  CHECK(file_text(rc).find("OS_PASSWORD='first password'") != std::string::npos);
  CHECK(catalog_urls(*world.identity).find("image=https://cloud.example.org/image ") !=
        std::string::npos);
  CHECK(world.identity->validate(token.text));  // Keys are in the folder: tokens live on.

  REQUIRE(identity::write_private_file(
      yaml, "# mine\nauth_url: \"https://cloud.example.org/identity/v3\"\n"));
  world.start();
  CHECK(file_text(yaml).starts_with("# mine"));  // Same address: an edited file is left alone.
}

TEST_CASE("without a password one is made, kept 0600, and works after a crash before the commit") {
  identity_test::TempFolder folder;
  World world;
  world.store = store::open_memory();
  world.data_dir = folder.path;
  world.settings.admin_password.clear();
  world.start();
  std::string made = file_text(folder.path / "keys" / "admin-password");
  made.pop_back();
  CHECK(made.size() >= 24);
  CHECK(world.login("admin", made));

  world.store = store::open_memory();  // The same folder, but the first commit never came.
  world.start();
  CHECK(world.login("admin", made));
}

TEST_CASE("passwords of any kind survive shell and YAML quoting") {
  identity_test::TempFolder folder;
  World world;
  world.store = store::open_memory();
  world.data_dir = folder.path;
  world.settings.admin_password = " it's \"a\" $(pass) \\ word ";
  world.start();
  CHECK(file_text(folder.path / "openrc").find(
            "OS_PASSWORD=' it'\\''s \"a\" $(pass) \\ word '\n") != std::string::npos);
  CHECK(file_text(folder.path / "clouds.yaml")
            .find(R"(password: " it's \"a\" $(pass) \\ word ")") != std::string::npos);
}

TEST_CASE("settings out of range are refused before anything is written") {
  World world;
  world.store = store::open_memory();
  const Engine engine{*world.store,  world.executor, *world.runner, world.clock, world.random,
                      world.ids,     Log(),          {},            "00000000"};
  const auto refused = [&](IdentitySettings settings) {
    const auto made = make_identity(engine, settings);
    return !made && made.error().code == ErrorCode::InvalidArgument;
  };
  CHECK(refused({.password_cost = 3}));
  CHECK(refused({.password_cost = 17}));
  CHECK(refused({.token_lifetime = std::chrono::seconds(0)}));
  CHECK(refused({.public_url = "ftp://here"}));
  CHECK(refused({.admin_password = std::string(5'000, 'x')}));
  CHECK(world.keys() == 0);
}

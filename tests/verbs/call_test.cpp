#include <algorithm>

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "cloudos/identity.hpp"
#include "cloudos/servers.hpp"
#include "cloudos/tasks.hpp"
#include "rest/support.hpp"
#include "verbs/request.hpp"

using namespace cloudos;
using nlohmann::json;

namespace {

struct Caller {
  rest_test::Site site;
  Context who = admin_of(site);

  static Context admin_of(rest_test::Site& site) {
    const auto token = site.cloud->identity().validate(site.admin);
    REQUIRE(token);
    return token->context("");
  }
  Result<std::string> call(std::string_view verb, const json& parameters) {
    return verbs::call(*site.router, who, verb, parameters.dump());
  }
  json ok(std::string_view verb, const json& parameters) {
    const auto reply = call(verb, parameters);
    const std::string why = reply ? "" : std::string(verb) + ": " + reply.error().message;
    INFO(why);
    REQUIRE(reply);
    return json::parse(*reply);
  }
};

std::string temp_file(const std::string& text) {
  std::string name = (std::filesystem::temp_directory_path() / "verbs-test-XXXXXX").string();
  const int fd = ::mkstemp(name.data());
  REQUIRE(fd >= 0);
  ::close(fd);
  std::ofstream(name, std::ios::binary) << text;
  return name;
}

}  // namespace

TEST_CASE("a server is made, changed, watched and deleted by verbs alone") {
  Caller c;
  const std::string disk = temp_file(std::string(4096, 'd')), copy = temp_file("");
  const json image =
      c.ok("images.create", {{"name", "im"}, {"disk_format", "raw"}, {"container_format", "bare"}});
  CHECK(image["status"] == "queued");
  CHECK(c.ok("images.upload", {{"id", image["id"]}, {"file", disk}}).is_null());
  CHECK(c.ok("images.show", {{"id", image["id"]}})["status"] == "active");
  CHECK(c.ok("images.download", {{"id", image["id"]}, {"file", copy}}).is_null());
  CHECK(std::filesystem::file_size(copy) == 4096);
  std::filesystem::remove(disk);
  std::filesystem::remove(copy);
  const json changed =
      c.ok("images.update", {{"id", image["id"]}, {"name", "im/2"}, {"a~b/c", "x"}});
  CHECK(changed["name"] == "im/2");
  CHECK(changed["a~b/c"] == "x");
  CHECK_FALSE(c.ok("images.update", {{"id", image["id"]}, {"a~b/c", nullptr}}).contains("a~b/c"));

  const json flavor =
      c.ok("flavors.create", {{"name", "f"}, {"ram", 64}, {"disk", 1}, {"vcpus", 1}});
  const json server = c.ok("servers.create", {{"name", "s"},
                                              {"imageRef", image["id"]},
                                              {"flavorRef", flavor["id"]},
                                              {"metadata", {{"k", "v"}}}});
  c.site.settle();
  const json id = {{"id", server["id"]}};
  CHECK(c.ok("servers.show", id)["status"] == "ACTIVE");
  CHECK(c.ok("servers.list", {{"name", "s"}}).size() == 1);
  CHECK(c.ok("servers.list", {{"name", "another"}}).empty());
  CHECK(c.ok("servers.stop", id).is_null());
  c.site.settle();
  CHECK(c.ok("servers.show", id)["status"] == "SHUTOFF");
  CHECK(c.ok("servers.update_metadata", {{"id", server["id"]}, {"a", "b"}}) ==
        json({{"a", "b"}, {"k", "v"}}));
  CHECK(c.ok("servers.delete_metadata_item", {{"id", server["id"]}, {"key", "k"}}).is_null());
  CHECK(c.ok("servers.set_metadata_item", {{"id", server["id"]}, {"key", "n"}, {"n", "1"}}) ==
        json({{"n", "1"}}));
  CHECK(c.ok("servers.update",
             {{"id", server["id"]}, {"description", "of a test"}})["description"] == "of a test");
  CHECK(c.ok("servers.delete", id).is_null());
  c.site.settle();
  const auto gone = c.call("servers.show", id);
  REQUIRE_FALSE(gone);
  CHECK(gone.error().code == ErrorCode::NotFound);
}

TEST_CASE("names in paths are escaped, so no value leaves its place") {
  Caller c;
  const json pair = c.ok("keypairs.create", {{"name", "a b"}});
  CHECK(pair.contains("private_key"));
  CHECK(c.ok("keypairs.show", {{"id", "a b"}})["name"] == "a b");
  CHECK(c.ok("keypairs.list", json::object())[0]["name"] == "a b");
  for (const char* bad : {"../servers", "a/b", "a?x=1", "%2e%2e"}) {
    CAPTURE(bad);
    const auto reply = c.call("keypairs.show", {{"id", bad}});
    REQUIRE_FALSE(reply);
    CHECK(reply.error().code == ErrorCode::NotFound);
  }
  CHECK(c.ok("keypairs.delete", {{"id", "a b"}}).is_null());
}

TEST_CASE("a login by verb gives its token as the id, and a revoked one is worthless") {
  Caller c;
  const json user = {
      {"name", "admin"}, {"domain", {{"id", "default"}}}, {"password", rest_test::kAdminPassword}};
  const json token = c.ok(
      "tokens.create", {{"identity", {{"methods", {"password"}}, {"password", {{"user", user}}}}}});
  const std::string text = token["id"];
  CHECK(c.ok("tokens.show", {{"token", text}})["user"]["name"] == "admin");
  CHECK(c.ok("tokens.revoke", {{"token", text}}).is_null());
  CHECK_FALSE(c.call("tokens.show", {{"token", text}}));
}

TEST_CASE("errors say what is wrong, with the code of the service") {
  Caller c;
  struct Row {
    std::string what, verb, parameters;
    ErrorCode code;
    std::string says;
  };
  const Row rows[] = {
      {"unknown verb", "servers.crate", "{}", ErrorCode::InvalidArgument, "servers.create"},
      {"no object", "servers.list", "[]", ErrorCode::InvalidArgument, "JSON object"},
      {"no JSON", "servers.list", "{", ErrorCode::InvalidArgument, ""},
      {"member twice", "servers.list", R"({"a":1,"a":2})", ErrorCode::InvalidArgument, ""},
      {"path member missing", "servers.show", "{}", ErrorCode::InvalidArgument, "'id'"},
      {"path member empty", "servers.show", R"({"id":""})", ErrorCode::InvalidArgument, "empty"},
      {"path member of dots", "servers.show", R"({"id":".."})", ErrorCode::InvalidArgument, "dots"},
      {"path member no text", "servers.show", R"({"id":{}})", ErrorCode::InvalidArgument, "'id'"},
      {"not there", "networks.show", R"({"id":"x"})", ErrorCode::NotFound, "x"},
      {"file not there", "images.upload", R"({"id":"x","file":"/no/such"})",
       ErrorCode::InvalidArgument, "/no/such"},
      {"there already", "projects.create", R"({"name":"admin"})", ErrorCode::AlreadyExists, ""},
      {"unknown filter", "networks.list", R"({"colour":"red"})", ErrorCode::InvalidArgument,
       "colour"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto reply = verbs::call(*c.site.router, c.who, row.verb, row.parameters);
    REQUIRE_FALSE(reply);
    CAPTURE(reply.error().message);
    CHECK(reply.error().code == row.code);
    CHECK(reply.error().message.find(row.says) != std::string::npos);
  }
}

TEST_CASE("policy holds for verbs as for requests") {
  Caller c;
  const auto token = c.site.cloud->identity().validate(c.site.add_user("rosa", "reader"));
  REQUIRE(token);
  c.who = token->context("");
  CHECK(c.ok("networks.list", json::object()).is_array());
  const auto refused = c.call("networks.create", {{"name", "n"}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::Forbidden);
}

TEST_CASE("every read that needs no thing answers with JSON, for the program itself too") {
  Caller c;
  std::size_t count = 0;
  for (const verbs::Verb& verb : verbs::all()) {
    if (verb.method != "GET" || verb.path.find('{') != verb.path.npos) continue;
    if (verb.style != verbs::Style::Json) continue;
    const auto required = [](const verbs::Parameter& parameter) { return parameter.required; };
    if (std::any_of(verb.parameters.begin(), verb.parameters.end(), required)) continue;
    CAPTURE(verb.name);
    const auto reply = verbs::call(*c.site.router, c.who, verb.name, "");
    const std::string why = reply ? *reply : reply.error().message;
    CAPTURE(why);
    REQUIRE(reply);
    CHECK_FALSE(json::parse(*reply, nullptr, false).is_discarded());
    // Nobody in particular has no key pairs and no projects; that is said, and is no bug.
    const auto host = verbs::call(*c.site.router, Context::system(), verb.name, "");
    if (!host) CHECK(host.error().code != ErrorCode::Internal);
    ++count;
  }
  CHECK(count > 30);
}

TEST_CASE("a recipe does several requests in this process, and lets the cloud's work go on") {
  Caller c;
  const std::string disk = temp_file(std::string(4096, 'd'));
  const json image =
      c.ok("images.create", {{"name", "im"}, {"disk_format", "raw"}, {"container_format", "bare"}});
  CHECK(c.ok("images.upload", {{"id", image["id"]}, {"file", disk}}).is_null());
  std::filesystem::remove(disk);
  const json flavor =
      c.ok("flavors.create", {{"name", "f"}, {"ram", 64}, {"disk", 1}, {"vcpus", 1}});
  (void)c.ok("servers.create",
             {{"name", "s"}, {"imageRef", image["id"]}, {"flavorRef", flavor["id"]}});
  c.site.settle();
  const json other = c.ok("projects.create", {{"name", "other"}});
  const json kept = c.ok("networks.create", {{"name", "kept"}, {"project_id", other["id"]}});
  const json mine = c.ok("networks.create", {{"name", "mine"}});
  const json project = {{"id", c.who.project.value}};
  int pauses = 0;
  const auto reply = verbs::call(*c.site.router, c.who, "projects.cleanup", project.dump(),
                                 [&](std::chrono::milliseconds) {
                                   ++pauses;
                                   c.site.settle();
                                 });
  REQUIRE(reply);
  CHECK(pauses > 0);
  std::vector<std::string> types;
  for (const json& row : json::parse(*reply)) {
    types.push_back(row["type"].get<std::string>());
    CHECK(row["status"] == "deleted");
  }
  // Servers before what they hold on to.
  CHECK(types == std::vector<std::string>{"server", "network", "image"});
  CHECK(c.ok("networks.show", {{"id", kept["id"]}})["name"] == "kept");
  CHECK_FALSE(c.call("networks.show", {{"id", mine["id"]}}));

  // Nobody does the work: what waits for it is said, and time is not without end.
  CHECK(c.ok("projects.purge", {{"id", other["id"]}, {"dry_run", true}}).size() == 3);
  CHECK(c.ok("networks.show", {{"id", kept["id"]}})["name"] == "kept");
  const auto without = c.call("projects.purge", json::object());
  REQUIRE_FALSE(without);
  CHECK(without.error().message.find("'id'") != std::string::npos);
  CHECK_FALSE(verbs::call(*c.site.router, c.who, "projects.purge", "[]"));
}

TEST_CASE("a purge stops waiting for a server when its time is over, and leaves the project") {
  Caller c;
  const std::string disk = temp_file(std::string(4096, 'd'));
  const json image =
      c.ok("images.create", {{"name", "im"}, {"disk_format", "raw"}, {"container_format", "bare"}});
  CHECK(c.ok("images.upload", {{"id", image["id"]}, {"file", disk}}).is_null());
  std::filesystem::remove(disk);
  const json flavor =
      c.ok("flavors.create", {{"name", "f"}, {"ram", 64}, {"disk", 1}, {"vcpus", 1}});
  (void)c.ok("servers.create",
             {{"name", "s"}, {"imageRef", image["id"]}, {"flavorRef", flavor["id"]}});
  const json rows = c.ok("projects.purge", {{"id", c.who.project.value}, {"timeout", 0}});
  REQUIRE(rows.size() > 1);
  CHECK(rows.front()["type"] == "server");
  CHECK(rows.front()["status"] == "deleting");
  CHECK(rows.back()["type"] == "project");
  CHECK(rows.back()["status"] == "kept");
}

TEST_CASE("a recipe is given what it knows, as it knows it: a purge is no slip of the pen") {
  Caller c;
  const json network = c.ok("networks.create", {{"name", "n"}});
  const std::string id = c.who.project.value;
  struct Row {
    std::string what, verb;
    json parameters;
    std::string says;
  };
  const Row rows[] = {
      {"misspelt", "projects.purge", {{"id", id}, {"dry-run", true}}, "no parameter 'dry-run'"},
      {"as text", "projects.cleanup", {{"id", id}, {"dry_run", "true"}}, "'dry_run' cannot"},
      {"as number", "projects.cleanup", {{"id", id}, {"dry_run", 1}}, "'dry_run' cannot"},
      {"as nothing", "projects.cleanup", {{"id", id}, {"dry_run", nullptr}}, "'dry_run' cannot"},
      {"kept, as text", "projects.purge", {{"id", id}, {"keep_project", "yes"}}, "'keep_project'"},
      {"another's", "projects.purge", {{"id", id}, {"created_before", "2001-01-01"}}, "no parameter"},
      {"time as text", "projects.cleanup", {{"id", id}, {"timeout", "0"}}, "no integer"},
      {"no time", "projects.cleanup", {{"id", id}, {"updated_before", "now"}}, "no time"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto reply = c.call(row.verb, row.parameters);
    REQUIRE_FALSE(reply);
    CHECK(reply.error().code == ErrorCode::InvalidArgument);
    CAPTURE(reply.error().message);
    CHECK(reply.error().message.find(row.says) != std::string::npos);
  }
  CHECK(c.ok("networks.show", {{"id", network["id"]}})["name"] == "n");
  CHECK(c.ok("projects.cleanup", {{"id", id}, {"dry_run", false}}).size() == 1);
  CHECK_FALSE(c.call("networks.show", {{"id", network["id"]}}));
}

TEST_CASE("what stays keeps its parts: no server that is left loses its ports to a clean-up") {
  Caller c;
  const std::string disk = temp_file(std::string(4096, 'd'));
  const json image =
      c.ok("images.create", {{"name", "im"}, {"disk_format", "raw"}, {"container_format", "bare"}});
  CHECK(c.ok("images.upload", {{"id", image["id"]}, {"file", disk}}).is_null());
  std::filesystem::remove(disk);
  const json flavor =
      c.ok("flavors.create", {{"name", "f"}, {"ram", 64}, {"disk", 1}, {"vcpus", 1}});
  const json network = c.ok("networks.create", {{"name", "n"}});
  (void)c.ok("subnets.create",
             {{"network_id", network["id"]}, {"cidr", "10.9.0.0/24"}, {"ip_version", 4}});
  const json held = c.ok("ports.create", {{"network_id", network["id"]}, {"name", "held"}});
  (void)c.ok("ports.create", {{"network_id", network["id"]}, {"name", "loose"}});
  (void)c.ok("trunks.create", {{"port_id", held["id"]}, {"name", "bundle"}});
  (void)c.ok("metering_labels.create", {{"name", "ageless"}});
  c.site.clock->advance(std::chrono::hours(2));
  const std::string between = c.ok("networks.create", {{"name", "mark"}})["created_at"];
  const json router = c.ok("routers.create", {{"name", "r"}});
  c.site.clock->advance(std::chrono::hours(2));
  const json server = c.ok("servers.create", {{"name", "s"},
                                              {"imageRef", image["id"]},
                                              {"flavorRef", flavor["id"]},
                                              {"networks", {{{"port", held["id"]}}}}});
  c.site.settle();
  const auto gone = [&](const json& more) {
    json parameters = {{"id", c.who.project.value}};
    parameters.update(more);
    std::vector<std::string> names;
    for (const json& row : c.ok("projects.cleanup", parameters))
      if (row["status"] == "deleted") names.push_back(row["name"]);
    return names;
  };
  using Names = std::vector<std::string>;
  CHECK(gone({{"created_before", between}}) == Names{"loose", "im"});
  CHECK(c.ok("ports.show", {{"id", held["id"]}})["device_id"] == server["id"]);
  // One that cannot be deleted in time is one that stays.
  CHECK(gone({{"timeout", 0}}) == Names{"r", "mark", "ageless"});
  CHECK(c.ok("ports.show", {{"id", held["id"]}})["device_id"] == server["id"]);
  c.site.settle();
  CHECK(gone(json::object()) == Names{"bundle", "held", "", "n"});
}

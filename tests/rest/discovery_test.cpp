#include "rest/microversion.hpp"
#include "rest/support.hpp"

using namespace cloudos;

TEST_CASE("version documents are where clients look, and link to where they are answered") {
  rest_test::Site site;
  const std::string base = "http://cloud.test:5000";
  struct Row {
    const char* path;
    int status;
    const char* list;  // JSON pointer to the version to look at
    std::string id, self;
  };
  const Row rows[] = {
      {"/", 300, "/versions/values/0", "v3.14", base + "/identity/v3/"},
      {"/identity", 300, "/versions/values/0", "v3.14", base + "/identity/v3/"},
      {"/identity/", 300, "/versions/values/0", "v3.14", base + "/identity/v3/"},
      {"/identity/v3", 200, "/version", "v3.14", base + "/identity/v3/"},
      {"/v3", 200, "/version", "v3.14", base + "/v3/"},
      {"/v3/", 200, "/version", "v3.14", base + "/v3/"},
      {"/compute", 200, "/versions/0", "v2.1", base + "/compute/v2.1/"},
      {"/compute/v2.1", 200, "/version", "v2.1", base + "/compute/v2.1/"},
      {"/image", 300, "/versions/0", "v2.17", base + "/image/v2/"},
      {"/image/versions", 200, "/versions/0", "v2.17", base + "/image/v2/"},
      {"/network", 200, "/versions/0", "v2.0", base + "/network/v2.0/"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.path);
    const auto answer = site.send("GET", row.path, "", "");
    CHECK(answer.status == row.status);
    const auto body = answer.json();
    const nlohmann::json::json_pointer at(row.list);
    REQUIRE(body.contains(at));
    CHECK(body[at]["id"] == row.id);
    CHECK(body[at]["links"][0]["rel"] == "self");
    CHECK(body[at]["links"][0]["href"] == row.self);
    CHECK(body[at].contains("status"));
  }
}

TEST_CASE("Compute says which microversions there are") {
  rest_test::Site site;
  const auto version = site.send("GET", "/compute/v2.1", "", "").json()["version"];
  CHECK(version["min_version"] == "2.1");
  CHECK(version["version"] == rest::to_string(rest::kComputeMax));
}

TEST_CASE("the root lists Identity's versions only where clients read versions of Identity") {
  rest_test::Site site;
  const auto body = site.send("GET", "/", "", "").json();
  CHECK(body["versions"]["values"].size() == 1);
  CHECK(body["services"]["compute"] == "http://cloud.test:5000/compute");
}

TEST_CASE("the network service lists the resources it has") {
  rest_test::Site site;
  const auto resources = site.send("GET", "/network/v2.0", "", "").json()["resources"];
  for (const auto& resource : resources) {
    CAPTURE(resource.dump());
    CHECK(resource["links"][0]["href"].get<std::string>().find("/network/v2.0/") !=
          std::string::npos);
    // Each of them answers (401: it is there, and wants a token).
    const std::string path = "/network/v2.0/" + resource["collection"].get<std::string>();
    CHECK(site.send("GET", path, "", "").status == 401);
  }
  CHECK(resources.size() == 5);
}

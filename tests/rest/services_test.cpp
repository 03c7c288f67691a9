// A cloud without some of the services: what its router still answers, and how it says the rest.
#include "rest/support.hpp"

using namespace cloudos;

TEST_CASE("routes of services that are left out answer 404 and say why, in their own dialect") {
  struct Row {
    std::string what, path;
    Services services;
    std::string says;
  };
  const Services none{false, false, false}, no_compute{true, true, false};
  const Row rows[] = {
      {"compute list", "/compute/v2.1/servers", no_compute, "no compute service"},
      {"compute versions", "/compute", no_compute, "no compute service"},
      {"something below it", "/compute/v2.1/nothing/like/it", no_compute, "no compute service"},
      {"image list", "/image/v2/images", none, "no image service"},
      {"image versions", "/image/versions", none, "no image service"},
      {"network list", "/network/v2.0/ports", none, "no network service"},
      {"network versions", "/network/v2.0", none, "no network service"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Options options;
    options.services = row.services;
    rest_test::Site site(std::move(options));
    const auto answer = site.get(row.path);
    CHECK(answer.status == 404);
    CHECK(answer.text.find(row.says) != std::string::npos);
    CHECK(site.get("/identity/v3/projects").status == 200);
  }
}

TEST_CASE("discovery and catalogue name the services that are there, and no other") {
  Options options;
  options.services = {true, false, false};
  rest_test::Site site(std::move(options));
  const auto root = site.get("/").json()["services"];
  CHECK(root.contains("identity"));
  CHECK(root.contains("image"));
  CHECK_FALSE(root.contains("compute"));
  CHECK_FALSE(root.contains("network"));
  const auto catalog = site.get("/identity/v3/auth/catalog").json()["catalog"];
  REQUIRE(catalog.size() == 2);
  for (const auto& entry : catalog) {
    const std::string type = entry["type"];
    CHECK((type == "identity" || type == "image"));
  }
  CHECK(site.get("/image/v2/images").status == 200);
}

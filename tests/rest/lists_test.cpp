#include <doctest/doctest.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "rest/support.hpp"

using namespace cloudos;
using namespace rest_test;
using nlohmann::json;

// Rows of these lists are kept as text: what they say must be what the thing says by itself, for
// whoever asks and whatever happened before.
namespace {

const std::string kProjects = "/identity/v3/projects";
const std::string kImageList = "/image/v2/images";
const HeaderList kJsonPatch{{"Content-Type", "application/openstack-images-v2.1-json-patch"}};

/// The ids of a list, each of whose rows was compared with what GET of it alone says.
std::vector<std::string> compared_ids(Site& site, const std::string& token,
                                      const std::string& target, const std::string& many,
                                      const std::string& one) {
  CAPTURE(target);
  const Answer list = site.send("GET", target, "", token);
  INFO(list.text);
  REQUIRE(list.status == 200);
  const json rows = list.json()[many];
  REQUIRE(rows.is_array());
  std::vector<std::string> ids;
  for (const json& row : rows) {
    ids.push_back(row["id"]);
    const std::string path = target.substr(0, target.find('?')) + "/" + ids.back();
    const Answer alone = site.send("GET", path, "", token);
    REQUIRE(alone.status == 200);
    const json body = alone.json();
    CHECK(row == (one.empty() ? body : body[one]));
  }
  return ids;
}

std::string new_project(Site& site, const std::string& name, json more = json::object()) {
  more["name"] = name;
  const Answer made = site.post(kProjects, {{"project", more}});
  INFO(made.text);
  REQUIRE(made.status == 201);
  return made.json()["project"]["id"];
}

}  // namespace

TEST_CASE("lists of projects say what each project says, after every change of one") {
  Site site;
  const std::string parent = new_project(site, "parent", {{"tags", {"a", "b"}}});
  const std::string child = new_project(
      site, "child", {{"parent_id", parent}, {"colour", "red"}, {"description", "\"q\"\n서버"}});
  const std::string off = new_project(site, "off", {{"enabled", false}});
  const auto ids = [&](const std::string& query) {
    return compared_ids(site, site.admin, kProjects + query, "projects", "project");
  };
  const auto have = [&](const std::string& query) {
    const auto all = ids(query);
    CHECK(all == ids(query));  // The second time from what was kept.
    return std::set<std::string>(all.begin(), all.end());
  };
  CHECK(ids("").size() == 4);  // One of them is the admin's own.
  CHECK(have("?name=child") == std::set{child});
  CHECK(have("?enabled=false") == std::set{off});
  CHECK(have("?parent_id=" + parent) == std::set{child});
  CHECK(have("?tags=a,b") == std::set{parent});
  CHECK(have("?domain_id=default").size() == 4);
  CHECK(have("?domain_id=another").empty());

  // Pages follow one another to the end.
  std::vector<std::string> paged;
  for (std::string next = kProjects + "?limit=3"; !next.empty();) {
    const json body = site.get(next).json();
    for (const json& row : body["projects"]) paged.push_back(row["id"]);
    const json& link = body["links"]["next"];
    CHECK(body.contains("truncated") == !link.is_null());
    const std::size_t host = std::string("http://cloud.test:5000").size();
    next = link.is_null() ? "" : link.get<std::string>().substr(host);
    REQUIRE(paged.size() <= 4);
  }
  CHECK(paged == ids(""));

  REQUIRE(site.send("PATCH", kProjects + "/" + child, R"({"project":{"name":"renamed"}})",
                    site.admin).status == 200);
  CHECK(have("?name=child").empty());
  CHECK(have("?name=renamed") == std::set{child});
  REQUIRE(site.send("PUT", kProjects + "/" + off + "/tags/new", "", site.admin).status == 201);
  CHECK(have("?tags=new") == std::set{off});
  REQUIRE(site.send("DELETE", kProjects + "/" + off, "", site.admin).status == 204);
  CHECK_FALSE(have("").contains(off));
  const std::string again = new_project(site, "off");
  CHECK(have("").contains(again));
}

TEST_CASE("links in lists begin with the address that was asked") {
  Site site;
  const auto self_at = [&](const std::string& base) {
    rest::Request request;
    request.method = "GET";
    request.target = kProjects;
    request.base_url = base;
    request.headers.add("X-Auth-Token", site.admin);
    const auto response = site.router->handle(request);
    const json body = json::parse(std::get<std::string>(response.body));
    return body["projects"][0]["links"]["self"].get<std::string>();
  };
  for (const char* base : {"http://a:5000", "https://b", "http://a:5000"})
    CHECK(self_at(base).starts_with(std::string(base) + "/identity/v3/projects/"));
}

TEST_CASE("lists of images say what each image says, to each who may see it") {
  Site site;
  const std::string alice = site.add_user("alice"), bob = site.add_user("bob");
  const auto image = [&](const std::string& token, const json& body) -> std::string {
    const Answer made = site.send("POST", kImageList, body.dump(), token);
    INFO(made.text);
    REQUIRE(made.status == 201);
    return made.json()["id"];
  };
  const std::string open = image(site.admin, {{"name", "open"}, {"visibility", "public"}});
  const std::string own = image(alice, {{"name", "own"}, {"visibility", "private"},
                                        {"colour", "\\red\t"}, {"tags", {"t"}}});
  const std::string hidden = image(alice, {{"name", "hidden"}, {"os_hidden", true}});
  const auto ids = [&](const std::string& token, const std::string& query = "") {
    const auto all = compared_ids(site, token, kImageList + query, "images", "");
    CHECK(all == compared_ids(site, token, kImageList + query, "images", ""));
    return all;
  };
  using Ids = std::vector<std::string>;
  CHECK(ids(bob) == Ids{open});
  CHECK(ids(alice) == Ids{own, open});
  CHECK(ids(site.admin) == Ids{own, open});
  CHECK(ids(bob) == Ids{open});
  CHECK(ids(alice, "?sort=name:asc") == Ids{open, own});
  CHECK(ids(alice, "?sort=name:desc&limit=1") == Ids{own});
  CHECK(ids(alice, "?os_hidden=true") == Ids{hidden});
  CHECK(ids(alice, "?tag=t") == Ids{own});
  REQUIRE(site.send("PATCH", kImageList + "/" + own,
                    R"([{"op":"replace","path":"/name","value":"a name"},)"
                    R"({"op":"remove","path":"/colour"}])",
                    alice, kJsonPatch).status == 200);
  CHECK(ids(alice, "?sort=name:asc") == Ids{own, open});
  CHECK(ids(alice, "?colour=%5Cred%09").empty());
  REQUIRE(site.send("PATCH", kImageList + "/" + open,
                    R"([{"op":"replace","path":"/visibility","value":"private"}])", site.admin,
                    kJsonPatch).status == 200);
  CHECK(ids(bob).empty());
  REQUIRE(site.send("DELETE", kImageList + "/" + own, "", alice).status == 204);
  CHECK(ids(alice).empty());
}

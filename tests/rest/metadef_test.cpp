#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "cloudos/metadefs.hpp"
#include "rest/metadef_codec.hpp"
#include "rest/support.hpp"
#include "support/capture.hpp"

using namespace cloudos;
using namespace rest_test;
using nlohmann::json;

namespace {

const std::string kSpaces = "/image/v2/metadefs/namespaces";

json cpu_space() {
  return {{"namespace", "Our::CPU"},
          {"display_name", "CPU"},
          {"description", "Ours"},
          {"visibility", "public"},
          {"protected", false},
          {"resource_type_associations", {{{"name", "OS::Glance::Image"}, {"prefix", "hw_"}}}},
          {"properties",
           {{"cores", {{"title", "Cores"}, {"type", "integer"}, {"minimum", 1}}},
            {"bus", {{"title", "Bus"}, {"type", "string"}, {"enum", {"a", "b"}}}}}},
          {"objects",
           {{{"name", "Limits"},
             {"required", {"share"}},
             {"properties", {{"share", {{"title", "Share"}, {"type", "integer"}}}}}}}},
          {"tags", {{{"name", "fast"}}}}};
}

std::vector<std::string> names_in(const json& list, const char* member) {
  std::vector<std::string> names;
  for (const json& each : list) names.push_back(each.value(member, "?"));
  return names;
}

}  // namespace

TEST_CASE("metadefs: a namespace is created with its parts, shown, and told where it is") {
  Site site;
  const Answer made = site.post(kSpaces, cpu_space());
  CAPTURE(made.text);
  REQUIRE(made.status == 201);
  CHECK(made.headers.get("Location") ==
        "http://cloud.test:5000/image/v2/metadefs/namespaces/Our%3A%3ACPU");
  const json body = made.json();
  CHECK(body["self"] == "/v2/metadefs/namespaces/Our::CPU");
  CHECK(body["schema"] == "/v2/schemas/metadefs/namespace");
  CHECK(body["properties"]["cores"]["minimum"] == 1);
  CHECK(body["objects"][0]["required"] == json{"share"});
  CHECK(site.get(kSpaces + "/Our::CPU").json() == body);
  CHECK(site.post(kSpaces, cpu_space()).status == 409);

  const json seen = site.get(kSpaces + "/Our::CPU?resource_type=OS::Glance::Image").json();
  CHECK(seen["properties"].contains("hw_cores"));
  CHECK(seen["objects"][0]["properties"].contains("hw_share"));
  CHECK(seen["objects"][0]["required"] == json{"hw_share"});
  CHECK(site.get(kSpaces + "/Our::CPU?resource_type=OS::Nova::Flavor").json() == body);
}

TEST_CASE("metadefs: every request answers as the reference says") {
  Site site;
  REQUIRE(site.post(kSpaces, cpu_space()).status == 201);
  const std::string cpu = kSpaces + "/Our::CPU";
  struct Row {
    std::string what, method, path;
    json body;
    int status;
    std::string pointer;
    json value;
  };
  const json whole = {{"name", "n"}, {"title", "T"}, {"type", "string"}};
  const Row rows[] = {
      {"objects", "GET", cpu + "/objects", {}, 200, "/objects/0/name", "Limits"},
      {"new object", "POST", cpu + "/objects", {{"name", "o"}, {"properties", json::object()}},
       201, "/self", "/v2/metadefs/namespaces/Our::CPU/objects/o"},
      {"object twice", "POST", cpu + "/objects", {{"name", "o"}}, 409, "", {}},
      {"object without a name", "POST", cpu + "/objects", json::object(), 400, "", {}},
      {"object with a date", "POST", cpu + "/objects", {{"name", "p"}, {"created_at", "x"}}, 403,
       "", {}},
      {"one object", "GET", cpu + "/objects/o", {}, 200, "/name", "o"},
      {"renamed object", "PUT", cpu + "/objects/o", {{"name", "q"}}, 200, "/name", "q"},
      {"gone object", "GET", cpu + "/objects/o", {}, 404, "", {}},
      {"object over another", "PUT", cpu + "/objects/q", {{"name", "Limits"}}, 409, "", {}},
      {"deleted object", "DELETE", cpu + "/objects/q", {}, 204, "", {}},
      {"deleted twice", "DELETE", cpu + "/objects/q", {}, 404, "", {}},
      {"properties", "GET", cpu + "/properties", {}, 200, "/properties/bus/enum/1", "b"},
      {"new property", "POST", cpu + "/properties", whole, 201, "/name", "n"},
      {"property twice", "POST", cpu + "/properties", whole, 409, "", {}},
      {"property without type", "POST", cpu + "/properties", {{"name", "m"}, {"title", "T"}}, 400,
       "", {}},
      {"property of no type", "POST", cpu + "/properties",
       {{"name", "m"}, {"title", "T"}, {"type", "date"}}, 400, "", {}},
      {"property without a name", "POST", cpu + "/properties",
       {{"title", "T"}, {"type", "string"}}, 400, "", {}},
      {"property with nonsense", "POST", cpu + "/properties",
       {{"name", "m"}, {"title", "T"}, {"type", "string"}, {"colour", "red"}}, 400, "", {}},
      {"property with a bad enum", "POST", cpu + "/properties",
       {{"name", "m"}, {"title", "T"}, {"type", "string"}, {"enum", "a"}}, 400, "", {}},
      {"one property", "GET", cpu + "/properties/n", {}, 200, "/title", "T"},
      {"by its name on images", "GET",
       cpu + "/properties/hw_n?resource_type=OS::Glance::Image", {}, 200, "/name", "n"},
      {"without the prefix", "GET", cpu + "/properties/n?resource_type=OS::Glance::Image", {}, 404,
       "", {}},
      {"for no such type", "GET", cpu + "/properties/n?resource_type=None", {}, 404, "", {}},
      {"changed property", "PUT", cpu + "/properties/n",
       {{"name", "n"}, {"title", "U"}, {"type", "integer"}, {"default", 7}}, 200, "/default", 7},
      {"a part of a property", "PUT", cpu + "/properties/n", {{"title", "V"}}, 200, "/default", 7},
      {"deleted property", "DELETE", cpu + "/properties/n", {}, 204, "", {}},
      {"tags", "GET", cpu + "/tags", {}, 200, "/tags/0/name", "fast"},
      {"new tag", "POST", cpu + "/tags/new", {}, 201, "/name", "new"},
      {"tag twice", "POST", cpu + "/tags/new", {}, 409, "", {}},
      {"one tag", "GET", cpu + "/tags/new", {}, 200, "/name", "new"},
      {"renamed tag", "PUT", cpu + "/tags/new", {{"name", "newer"}}, 200, "/name", "newer"},
      {"tag over another", "PUT", cpu + "/tags/newer", {{"name", "fast"}}, 409, "", {}},
      {"deleted tag", "DELETE", cpu + "/tags/newer", {}, 204, "", {}},
      {"all tags anew", "POST", cpu + "/tags", {{"tags", {{{"name", "x"}}, {{"name", "y"}}}}}, 201,
       "/tags/1/name", "y"},
      {"the same twice", "POST", cpu + "/tags", {{"tags", {{{"name", "x"}}, {{"name", "x"}}}}}, 409,
       "", {}},
      {"no tags", "POST", cpu + "/tags", json::object(), 400, "", {}},
      {"all tags gone", "DELETE", cpu + "/tags", {}, 204, "", {}},
      {"types", "GET", "/image/v2/metadefs/resource_types", {}, 200, "", {}},
      {"associations", "GET", cpu + "/resource_types", {}, 200,
       "/resource_type_associations/0/prefix", "hw_"},
      {"new association", "POST", cpu + "/resource_types",
       {{"name", "X::Y"}, {"prefix", "x:"}, {"properties_target", "image"}}, 201,
       "/properties_target", "image"},
      {"association twice", "POST", cpu + "/resource_types", {{"name", "X::Y"}}, 409, "", {}},
      {"deleted association", "DELETE", cpu + "/resource_types/X::Y", {}, 204, "", {}},
      {"deleted again", "DELETE", cpu + "/resource_types/X::Y", {}, 404, "", {}},
      {"objects gone", "DELETE", cpu + "/objects", {}, 204, "", {}},
      {"properties gone", "DELETE", cpu + "/properties", {}, 204, "", {}},
      {"bad visibility", "PUT", cpu, {{"namespace", "Our::CPU"}, {"visibility", "all"}}, 400, "",
       {}},
      {"read-only", "PUT", cpu, {{"namespace", "Our::CPU"}, {"self", "x"}}, 403, "", {}},
      {"renamed", "PUT", cpu, {{"namespace", "Our::CPU2"}, {"protected", true}}, 200, "/self",
       "/v2/metadefs/namespaces/Our::CPU2"},
      {"under the old name", "GET", cpu, {}, 404, "", {}},
      {"what was not said stays", "GET", cpu + "2", {}, 200, "/visibility", "public"},
      {"protected", "DELETE", cpu + "2", {}, 403, "", {}},
      {"open again", "PUT", cpu + "2", {{"protected", false}}, 200, "/protected", false},
      {"deleted", "DELETE", cpu + "2", {}, 204, "", {}},
      {"no namespace", "POST", kSpaces, {{"display_name", "x"}}, 400, "", {}},
      {"a long name", "POST", kSpaces, {{"namespace", std::string(81, 'a')}}, 400, "", {}},
      {"objects of none", "GET", kSpaces + "/none/objects", {}, 404, "", {}},
      {"bad sort", "GET", kSpaces + "?sort_key=size", {}, 400, "", {}},
      {"bad direction", "GET", kSpaces + "?sort_dir=up", {}, 400, "", {}},
      {"bad filter", "GET", kSpaces + "?visibility=shared", {}, 400, "", {}},
      {"unknown schema", "GET", "/image/v2/schemas/metadefs/none", {}, 404, "", {}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Answer answer = site.send(row.method, row.path, row.body.is_null() ? "" : row.body.dump(),
                                    site.admin, {{"Accept", "application/json"}});
    CAPTURE(answer.text);
    CHECK(answer.status == row.status);
    if (!row.pointer.empty())
      CHECK(answer.json().value(json::json_pointer(row.pointer), json()) == row.value);
  }
}

TEST_CASE("metadefs: everyone with a role reads public ones, only admins write") {
  Site site;
  REQUIRE(site.post(kSpaces, cpu_space()).status == 201);
  json priv = cpu_space();
  priv["namespace"] = "Secret";
  priv["visibility"] = "private";
  REQUIRE(site.post(kSpaces, priv).status == 201);
  const std::string reader = site.add_user("rosa", "reader");
  const std::string member = site.add_user("mia");
  CHECK(site.send("GET", kSpaces + "/Our::CPU", "", reader).status == 200);
  CHECK(site.send("GET", kSpaces + "/Secret", "", reader).status == 404);
  CHECK(site.send("GET", kSpaces + "/Secret/tags", "", member).status == 404);
  CHECK(site.send("DELETE", kSpaces + "/Our::CPU", "", member).status == 403);
  CHECK(site.send("POST", kSpaces, R"({"namespace":"x"})", member).status == 403);
  CHECK(site.send("POST", kSpaces + "/Our::CPU/tags/x", "", member).status == 403);
}

TEST_CASE("metadefs: lists of namespaces and of parts have pages") {
  Site site;
  for (const char* name : {"b", "a", "c"}) {
    json body = {{"namespace", name},
                 {"resource_type_associations", {{{"name", "Our::Type"}}}},
                 {"tags", {{{"name", "1"}}, {{"name", "2"}}, {{"name", "3"}}}}};
    REQUIRE(site.post(kSpaces, body).status == 201);
    site.clock->advance(std::chrono::seconds(1));
  }
  const std::string ours = kSpaces + "?resource_types=Our::Type&sort_key=namespace&sort_dir=asc";
  const json first = site.get(ours + "&limit=2").json();
  CHECK(names_in(first["namespaces"], "namespace") == std::vector<std::string>{"a", "b"});
  REQUIRE(first.contains("next"));
  const json next = site.get("/image" + first["next"].get<std::string>()).json();
  CHECK(names_in(next["namespaces"], "namespace") == std::vector<std::string>{"c"});
  CHECK_FALSE(next.contains("next"));
  CHECK(site.get(ours + "&marker=none").status == 404);
  const std::string tags = kSpaces + "/a/tags?sort_key=name&sort_dir=asc&limit=2";
  CHECK(names_in(site.get(tags).json()["tags"], "name") == std::vector<std::string>{"1", "2"});
  CHECK(names_in(site.get(tags + "&marker=2").json()["tags"], "name") ==
        std::vector<std::string>{"3"});
  CHECK(site.get(tags + "&marker=none").status == 404);
  const HeaderList append{{"X-Openstack-Append", "True"}};
  const json more = {{"tags", {{{"name", "4"}}}}};
  CHECK(site.send("POST", kSpaces + "/a/tags", more.dump(), site.admin, append).status == 201);
  CHECK(site.get(kSpaces + "/a/tags").json()["tags"].size() == 4);
}

TEST_CASE("metadefs: schemas say what the service takes and gives") {
  Site site;
  for (const char* name : {"namespace", "namespaces", "object", "objects", "property", "properties",
                           "tag", "tags", "resource_type", "resource_types"}) {
    CAPTURE(name);
    const Answer answer = site.get(std::string("/image/v2/schemas/metadefs/") + name);
    REQUIRE(answer.status == 200);
    const json schema = answer.json();
    REQUIRE(schema.is_object());
    CHECK(schema.contains("properties"));
    const std::string text = schema.dump();
    CHECK((text.find("#/definitions/") != std::string::npos) == schema.contains("definitions"));
  }
  const json schema = site.get("/image/v2/schemas/metadefs/namespace").json();
  REQUIRE(site.post(kSpaces, cpu_space()).status == 201);
  const json shown = site.get(kSpaces + "/Our::CPU").json();
  for (const auto& [name, value] : shown.items()) {
    CAPTURE_BOUND(name);
    CHECK(schema["properties"].contains(name));
  }
  // Every member that a definition may have is one that is read.
  const json members = schema["definitions"]["property"]["additionalProperties"]["properties"];
  for (const auto& [name, value] : members.items()) {
    CAPTURE_BOUND(name);
    json property = {{"title", "T"}, {"type", "array"}};
    if (name == "items") property[name] = {{"type", "string"}, {"enum", {"a"}}};
    else if (name == "enum" || name == "operators" || name == "required") property[name] = {"a"};
    else if (name == "readonly" || name == "uniqueItems" || name == "additionalItems")
      property[name] = true;
    else if (name.find("ength") != name.npos || name.find("Items") != name.npos ||
             name.find("imum") != name.npos)
      property[name] = 1;
    else if (name != "title" && name != "type") property[name] = "text";
    const auto read = rest::decode_metadef_property(property);
    const std::string why = read ? "" : read.error().message;
    CAPTURE(why);
    CHECK(read);
  }
}

#include <doctest/doctest.h>

#include "body.hpp"
#include "clouds_yaml.hpp"
#include "login.hpp"
#include "output.hpp"
#include "support/program.hpp"

using namespace cli;
using program_test::TempDir;

namespace {

Environment environment_of(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
    const auto it = variables.find(name);
    return it == variables.end() ? std::nullopt : std::optional(it->second);
  };
}

constexpr const char* kTwoClouds = R"(
clouds:
  one:
    auth:
      auth_url: http://one:5000/
      username: "ann"
      password: 'p: #1'
      project_name: a
      user_domain_name: Default
    region_name: RegionOne
    verify: false
    networks: [{name: x, nat: true}, y]
  two:
    auth: {auth_url: "http://two", username: bob, password: x}
other: {clouds: {three: {auth: {username: eve}}}}
)";

std::string no_names(std::string_view, const std::string& id) {
  return "name of " + id;
}

}  // namespace

TEST_CASE("clouds.yaml is read by path, and hostile files are refused") {
  const auto clouds = parse_clouds(kTwoClouds);
  REQUIRE(clouds);
  CHECK(clouds->size() == 2);
  CHECK(clouds->at("one").at("auth.password") == "p: #1");
  CHECK(clouds->at("one").at("verify") == "false");
  CHECK(clouds->at("two").at("auth.username") == "bob");
  std::string deep = "clouds: ";
  for (int i = 0; i < 10'000; ++i) deep += "{a: ";
  struct Row {
    std::string what;
    std::string text;
  };
  const Row rows[] = {
      {"not YAML", "clouds: [\n"},
      {"tabs", "clouds:\n\tone: x\n"},
      {"alias bomb", "a: &a [x, x]\nb: &b [*a, *a]\nclouds: *b\n"},
      {"deep", deep},
      {"deep list", "clouds: " + std::string(10'000, '[')},
      {"list as a name", "clouds: {[a]: b}\n"},
      {"large", std::string((1 << 20) + 1, '#')},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK_FALSE(parse_clouds(row.text).has_value());
  }
  for (const char* harmless : {"", "x", "[]", "clouds:\n", "clouds: []\n", "---\n"}) {
    CAPTURE(harmless);
    const auto read = parse_clouds(harmless);
    REQUIRE(read);
    CHECK(read->empty());
  }
}

TEST_CASE("the cloud is found where the caller says, else where there is only one") {
  TempDir dir;
  const std::string two = dir.file("two.yaml", kTwoClouds);
  const std::string single =
      dir.file("single.yaml",
               "clouds: {only: {auth: {auth_url: http://only/, username: u, password: p}}}\n");
  const std::string poor = dir.file(
      "poor.yaml", "clouds: {x: {auth: {username: u}}, y: {auth: {auth_url: http://y}}}\n");
  const std::string bad = dir.file("bad.yaml", "clouds: [");
  const std::string none = (dir.path() / "none").string();
  struct Row {
    std::string what;
    std::string wanted;
    std::map<std::string, std::string> variables;
    const char* url;  // Null: an error
    const char* says;
  };
  const Row rows[] = {
      {"by option",
       "one",
       {{"OS_CLIENT_CONFIG_FILE", two}, {"OS_CLOUD", "two"}},
       "http://one:5000",
       ""},
      {"by OS_CLOUD", "", {{"OS_CLIENT_CONFIG_FILE", two}, {"OS_CLOUD", "two"}}, "http://two", ""},
      {"the only one", "", {{"OS_CLIENT_CONFIG_FILE", single}}, "http://only", ""},
      {"environment", "", {{"OS_AUTH_URL", "http://env/"}, {"OS_USERNAME", "u"}}, "http://env", ""},
      {"several", "", {{"OS_CLIENT_CONFIG_FILE", two}}, nullptr, "several clouds: one, two"},
      {"no such cloud", "three", {{"OS_CLIENT_CONFIG_FILE", two}}, nullptr, "it has: one, two"},
      {"no file", "one", {{"OS_CLIENT_CONFIG_FILE", none}}, nullptr, "no clouds.yaml"},
      {"nothing at all", "", {{"OS_CLIENT_CONFIG_FILE", none}}, nullptr, "No cloud is chosen"},
      {"no URL", "x", {{"OS_CLIENT_CONFIG_FILE", poor}}, nullptr, "no auth_url"},
      {"no user", "y", {{"OS_CLIENT_CONFIG_FILE", poor}}, nullptr, "no username"},
      {"malformed", "x", {{"OS_CLIENT_CONFIG_FILE", bad}}, nullptr, "malformed: line"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto found = find_credentials(row.wanted, environment_of(row.variables));
    REQUIRE(found.has_value() == (row.url != nullptr));
    if (found)
      CHECK(found->auth_url == row.url);
    else
      CHECK(found.error().message.find(row.says) != std::string::npos);
  }
}

TEST_CASE("option values of several parts are read strictly") {
  struct PortRow {
    const char* text;
    int first, last;
  };  // first -1: refused
  const PortRow ports[] = {{"22", 22, 22},    {"80:443", 80, 443}, {"0", 0, 0},
                           {"443:80", -1, 0}, {"65536", -1, 0},    {"ssh", -1, 0},
                           {":", -1, 0},      {"-1", -1, 0},       {"", -1, 0}};
  for (const PortRow& row : ports) {
    CAPTURE(row.text);
    const auto range = parse_port_range(row.text);
    CHECK(range.has_value() == (row.first >= 0));
    if (range) CHECK(*range == std::pair(row.first, row.last));
  }
  const auto pairs = parse_pairs("start=10.0.0.2,end=10.0.0.9", "--allocation-pool");
  REQUIRE(pairs);
  CHECK(pairs->at(1) == std::pair<std::string, std::string>("end", "10.0.0.9"));
  for (const char* bad : {"", "start", "=x", "a=b,,c=d"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_pairs(bad, "--allocation-pool").has_value());
  }
}

TEST_CASE("tables line up whatever script names are in, and show no control characters") {
  CHECK(display_width("abc") == 3);
  CHECK(display_width("äöü") == 3);
  CHECK(display_width("雲") == 2);
  const std::vector<json> things = {
      {{"id", "1"}, {"name", "雲"}, {"subnets", json::array({"a", "b"})}, {"shared", false}},
      {{"id", "22"}, {"name", "a\x1b[2J\nb"}, {"status", "ACTIVE"}, {"shared", nullptr}},
  };
  const Sheet sheet = list_sheet(noun_of("network"), things);
  const std::string table = render(sheet, Format::Table, no_names);
  CHECK(table ==
        "+----+----------+--------+---------+--------+\n"
        "| ID | Name     | Status | Subnets | Shared |\n"
        "+----+----------+--------+---------+--------+\n"
        "| 1  | 雲       |        | a, b    | false  |\n"
        "| 22 | a?[2J\\nb | ACTIVE |         |        |\n"
        "+----+----------+--------+---------+--------+\n");
  CHECK(render(sheet, Format::Value, no_names).substr(0, 6) == "1 雲 ");
  const json back = json::parse(render(sheet, Format::Json, no_names));
  CHECK(back[1]["Name"] == "a\x1b[2J\nb");
  CHECK(back[0]["Status"].is_null());
}

TEST_CASE("columns are kept by title or field, in the order asked for") {
  const json server = {
      {"id", "1"},
      {"name", "web"},
      {"status", "ACTIVE"},
      {"image", {{"id", "i"}}},
      {"addresses", {{"net", json::array({{{"addr", "10.0.0.5"}}, {{"addr", "10.0.0.6"}}})}}}};
  std::string missing;
  Sheet list = list_sheet(noun_of("server"), std::vector<json>{server});
  CHECK(keep_columns(list, std::vector<std::string>{"networks", "ID", "image"}, missing));
  CHECK(render(list, Format::Value, no_names) == "net=10.0.0.5, 10.0.0.6 1 name of i\n");
  Sheet show = show_sheet(noun_of("server"), server);
  CHECK(keep_columns(show, std::vector<std::string>{"Name", "addresses"}, missing));
  CHECK(render(show, Format::Value, no_names) == "web\nnet=10.0.0.5, 10.0.0.6\n");
  CHECK_FALSE(keep_columns(show, std::vector<std::string>{"colour"}, missing));
  CHECK(missing == "colour");
}

TEST_CASE("every service's error body gives up its words") {
  struct Row {
    const char* body;
    const char* text;
  };
  const Row rows[] = {
      {R"({"error": {"code": 404, "title": "Not Found", "message": "no user"}})", "no user"},
      {R"({"itemNotFound": {"code": 404, "message": "no server"}})", "no server"},
      {R"({"NeutronError": {"type": "x", "message": "no port", "detail": ""}})", "no port"},
      {"<html><head><title>404 Not Found</title></head><body>\n<h1>404</h1> no image</body></html>",
       "404 Not Found 404 no image"},
      {"", "status 500 without words"},
      {"{}", "status 500 without words"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.body);
    CHECK(error_text(HttpReply{500, row.body, {}}) == row.text);
  }
}

#include <doctest/doctest.h>

#include "args.hpp"
#include "clouds_yaml.hpp"
#include "login.hpp"
#include "output.hpp"
#include "run.hpp"
#include "support/program.hpp"
#include "token_cache.hpp"
#include "transport.hpp"
#include "tree.hpp"
#include "values.hpp"

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

std::string no_names(const Column&, const std::string& id) {
  return "name of " + id;
}

std::span<const Column> columns_of(const char* noun) {
  const auto* found = cloudos::verbs::find_noun(noun);
  REQUIRE(found);
  return found->columns;
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
      {"named file is none", "one", {{"OS_CLIENT_CONFIG_FILE", none}}, nullptr, "is not there"},
      {"no file", "one", {{"HOME", none}}, nullptr, "no clouds.yaml"},
      {"nothing at all", "", {{"HOME", none}}, nullptr, "No cloud is chosen"},
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
      {{"id", "1"}, {"name", "雲"}, {"subnets", json::array({"a", "b"})}},
      {{"id", "22"}, {"name", "a\x1b[2J\nb"}},
  };
  Sheet sheet = list_sheet(columns_of("networks"), things);
  std::string missing;
  REQUIRE(keep_columns(sheet, {}, false, missing));
  CHECK(render(sheet, Format::Table, no_names) ==
        "+----+----------+---------+\n"
        "| ID | Name     | Subnets |\n"
        "+----+----------+---------+\n"
        "| 1  | 雲       | a, b    |\n"
        "| 22 | a?[2J\\nb |         |\n"
        "+----+----------+---------+\n");
  CHECK(render(sheet, Format::Value, no_names).substr(0, 6) == "1 雲 ");
  const json back = json::parse(render(sheet, Format::Json, no_names));
  CHECK(back[1]["Name"] == "a\x1b[2J\nb");
  CHECK(back[1]["Subnets"].is_null());
}

TEST_CASE("CSV keeps quotes, commas and line ends within its cells") {
  const std::vector<json> things = {
      {{"id", "1"}, {"name", "a \"b\", c\nd"}, {"ram", 64}, {"disk", nullptr}}};
  const Column columns[] = {{"ID", "id"}, {"Name", "name"}, {"RAM", "ram"}, {"Disk", "disk"}};
  CHECK(render(list_sheet(columns, things), Format::Csv, no_names) ==
        "\"ID\",\"Name\",\"RAM\",\"Disk\"\n\"1\",\"a \"\"b\"\", c\nd\",64,\"\"\n");
}

TEST_CASE("YAML quotes whatever could be read as something else") {
  struct Row {
    const char* text;
    const char* yaml;
  };
  const Row rows[] = {
      {"web", "web\n"},
      {"a b/c-d.e", "a b/c-d.e\n"},
      {"yes", "\"yes\"\n"},
      {"Null", "\"Null\"\n"},
      {"12", "\"12\"\n"},
      {"", "\"\"\n"},
      {"a: b", "\"a: b\"\n"},
      {"- a", "\"- a\"\n"},
      {"a ", "\"a \"\n"},
      {"#", "\"#\"\n"},
      {"a\nb", "\"a\\nb\"\n"},
      {"é", "\"\\u00e9\"\n"},
      {"😀\\", "\"\\U0001f600\\\\\"\n"},
      {"a\x7f", "\"a\\u007f\"\n"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(to_yaml(row.text) == row.yaml);
  }
  const auto nested =
      nlohmann::ordered_json::parse(R"([{"a": [1, {"b": []}], "c": {}}, [], "x", [[true]]])");
  CHECK(to_yaml(nested) == "- a:\n    - 1\n    - b: []\n  c: {}\n- []\n- x\n- - - true\n");
}

TEST_CASE("columns are kept by title or field, in the order asked for") {
  const json server = {
      {"id", "1"},
      {"name", "web"},
      {"status", "ACTIVE"},
      {"image", {{"id", "i"}}},
      {"addresses", {{"net", json::array({{{"addr", "10.0.0.5"}}, {{"addr", "10.0.0.6"}}})}}}};
  std::string missing;
  Sheet list = list_sheet(columns_of("servers"), std::vector<json>{server});
  CHECK(keep_columns(list, std::vector<std::string>{"networks", "ID", "image"}, false, missing));
  CHECK(render(list, Format::Value, no_names) == "net=10.0.0.5, 10.0.0.6 1 name of i\n");
  CHECK(json::parse(render(list, Format::Json, no_names)) ==
        json::parse(R"([{"Networks": {"net": ["10.0.0.5", "10.0.0.6"]}, "ID": "1",
                         "Image": "name of i"}])"));
  Sheet show = show_sheet(columns_of("servers"), server);
  CHECK(keep_columns(show, std::vector<std::string>{"Name", "addresses"}, false, missing));
  CHECK(render(show, Format::Value, no_names) == "web\nnet=10.0.0.5, 10.0.0.6\n");
  CHECK_FALSE(keep_columns(show, std::vector<std::string>{"colour"}, false, missing));
  CHECK(missing == "colour");
}

TEST_CASE("rows are ordered by columns: numbers as numbers, what is absent first") {
  const Column columns[] = {{"Name", "name"}, {"RAM", "ram"}};
  const std::vector<json> things = {{{"name", "b"}, {"ram", 9}},
                                    {{"name", "a"}, {"ram", 10}},
                                    {{"name", "c"}},
                                    {{"name", "d"}, {"ram", 9}}};
  struct Row {
    std::vector<std::string> keys;
    std::string names;
  };
  const Row rows[] = {
      {{"RAM"}, "cbda"},           {{"ram:desc"}, "abdc"},
      {{"name:asc"}, "abcd"},      {{"RAM", "Name:desc"}, "cdba"},
      {{"RAM,Name:desc"}, "cdba"}, {{}, "bacd"},
  };
  for (const Row& row : rows) {
    Sheet sheet = list_sheet(columns, things);
    std::string missing, names;
    CHECK(sort_rows(sheet, row.keys, missing));
    for (const auto& cells : sheet.rows) names += cells[0].get<std::string>();
    CHECK(names == row.names);
  }
  Sheet sheet = list_sheet(columns, things);
  std::string missing;
  CHECK_FALSE(sort_rows(sheet, std::vector<std::string>{"colour:desc"}, missing));
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
      {"", "The cloud refused without words."},
      {"{}", "The cloud refused without words."},
  };
  for (const Row& row : rows) {
    CAPTURE(row.body);
    CHECK(error_text(row.body) == row.text);
  }
}

TEST_CASE("words are taken apart by the options of their command") {
  const Option options[] = {{"NAME", "", {}, true},
                            {"OTHERS...", ""},
                            {"--size", "how large", "NUMBER"},
                            {"--tag", "", "TEXT", false, true},
                            {"--quick", ""},
                            {"--format", "", "FORMAT", false, false, 'f'}};
  struct Row {
    std::string what;
    std::vector<std::string> words;
    std::string says;  // Of an error; empty: none.
    std::string flag, value;
  };
  const Row rows[] = {
      {"a place", {"x"}, "", "NAME", "x"},
      {"places behind it", {"x", "y", "z"}, "", "OTHERS", "z"},
      {"value apart", {"x", "--size", "3"}, "", "--size", "3"},
      {"value by =", {"--size=3", "x"}, "", "--size", "3"},
      {"empty value", {"x", "--size="}, "", "--size", ""},
      {"a value like an option", {"x", "--size", "-3"}, "", "--size", "-3"},
      {"short", {"x", "-f", "json"}, "", "--format", "json"},
      {"short together", {"x", "-fjson"}, "", "--format", "json"},
      {"the last counts", {"x", "--size", "1", "--size", "2"}, "", "--size", "2"},
      {"end of options", {"--", "--size"}, "", "NAME", "--size"},
      {"a dash is a word", {"-"}, "", "NAME", "-"},
      {"a switch", {"x", "--quick"}, "", "--quick", ""},
      {"value missing", {"x", "--size"}, "needs a value", "", ""},
      {"value for a switch", {"x", "--quick=1"}, "takes no value", "", ""},
      {"place missing", {"--quick"}, "NAME is missing", "", ""},
      {"typo", {"x", "--sise", "1"}, "is it --size?", "", ""},
      {"nonsense", {"x", "--qqqqqqqqqqqqqq"}, "there is no option --q", "", ""},
      {"short unknown", {"x", "-z"}, "-z", "", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto given = parse_args(options, row.words);
    REQUIRE(given.has_value() == row.says.empty());
    if (!given) {
      CHECK(given.error().message.find(row.says) != std::string::npos);
      continue;
    }
    CHECK(has(*given, row.flag));
    CHECK(value_of(*given, row.flag) == row.value);
  }
}

TEST_CASE("words lead to a command wherever global options stand, and typos to what was meant") {
  struct Row {
    std::string what;
    std::vector<std::string> words;
    std::string leads, says;
  };
  const Row rows[] = {
      {"plain", {"server", "list"}, "server list", ""},
      {"option first", {"--os-cloud", "x", "server", "list"}, "server list", ""},
      {"a name like a command", {"server", "show", "list"}, "server show", ""},
      {"three words", {"security", "group", "rule", "list", "web"}, "security group rule list", ""},
      {"noun typo", {"sevrer", "list"}, "", "is it 'cloudos server'?"},
      {"verb typo", {"server", "crate", "x"}, "", "is it 'cloudos server create'?"},
      {"nothing near", {"server", "qqqqqqqq"}, "", "cloudos server --help"},
      {"group alone", {"server"}, "", "create, "},
      {"nothing", {}, "", "needs one of"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Resolved resolved = resolve(row.words);
    CHECK((resolved.leaf ? resolved.leaf->words : "") == row.leads);
    if (!resolved.leaf) CHECK(no_such_command(resolved).find(row.says) != std::string::npos);
  }
}

TEST_CASE("a command of several verbs runs those that were asked for") {
  struct Row {
    std::string what, words;
    Given given;
    std::string verbs;  // Apart by blanks; empty: an error that says
    std::string says;
  };
  const Row rows[] = {
      {"one", "server set", {{"SERVER", {"s"}}, {"--name", {"n"}}}, "servers.update", ""},
      {"two",
       "server set",
       {{"SERVER", {"s"}}, {"--name", {"n"}}, {"--state", {"error"}}},
       "servers.reset_state servers.update",
       ""},
      {"none", "server set", {{"SERVER", {"s"}}}, "", "--property"},
      {"read, plain", "quota show", {}, "network_quotas.show quotas.show", ""},
      {"read, chosen",
       "quota show",
       {{"--default", {""}}},
       "network_quotas.show_default quotas.show_default",
       ""},
      {"by what it needs",
       "role add",
       {{"ROLE", {"r"}}, {"--project", {"p"}}, {"--group", {"g"}}},
       "roles.grant_project_group",
       ""},
      {"a part missing", "role add", {{"ROLE", {"r"}}, {"--project", {"p"}}}, "", "--user"},
      {"another list", "user list", {{"--group", {"g"}}}, "groups.list_users", ""},
      {"both lists",
       "user list",
       {{"--group", {"g"}}, {"--name", {"n"}}},
       "",
       "do not go together"},
      {"only places", "quota delete", {}, "network_quotas.delete quotas.delete", ""},
      {"nothing to change", "project set", {{"PROJECT", {"p"}}}, "", "nothing to change"},
      {"of one service", "extension list", {{"--compute", {""}}}, "extensions.list", ""},
      {"of both",
       "extension list",
       {{"--compute", {""}}, {"--network", {""}}},
       "extensions.list network_extensions.list",
       ""},
      {"usage is no pick of services",
       "quota show",
       {{"--default", {""}}, {"--usage", {""}}},
       "",
       "do not go together"},
      {"makes, then tags",
       "network create",
       {{"NAME", {"n"}}, {"--tag", {"t"}}},
       "networks.create network_tags.replace",
       ""},
      {"tags gone, then others",
       "network set",
       {{"NETWORK", {"n"}}, {"--no-tag", {""}}, {"--tag", {"t"}}},
       "network_tags.clear network_tags.extend",
       ""},
      {"one verb in two ways",
       "project purge",
       {{"--project", {"p"}}, {"--auth-project", {""}}},
       "",
       "do not go together"},

  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Leaf* leaf = find_leaf(row.words);
    REQUIRE(leaf);
    const auto chosen = chosen_verbs(*leaf, row.given);
    REQUIRE(chosen.has_value() == !row.verbs.empty());
    if (!chosen) {
      CHECK(chosen.error().message.find(row.says) != std::string::npos);
      continue;
    }
    std::string names;
    for (const auto* command : *chosen)
      names += (names.empty() ? "" : " ") + std::string(command->verb->name);
    CHECK(names == row.verbs);
  }
}

TEST_CASE("a token is kept for its login alone, and never where others could read or plant it") {
  namespace fs = std::filesystem;
  TempDir dir;
  Credentials login;
  login.auth_url = "http://one";
  login.username = "ann";
  login.password = "right";
  const std::string folder = (dir.path() / "cache" / "cloudos").string();
  const TokenCache cache(folder, login);
  const json token = {{"id", "t-1"}, {"expires_at", "2030-01-01T00:00:00.000000Z"}};
  constexpr std::int64_t kBefore = 1'893'455'000;  // 2029-12-31T23:43:20Z
  CHECK_FALSE(cache.load(kBefore));
  cache.store(token);
  REQUIRE(cache.load(kBefore));
  CHECK(cache.load(kBefore) == token);
  fs::path file;
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(folder)) file = entry.path(), ++files;
  CHECK(files == 1);
  CHECK((fs::status(file).permissions() & fs::perms::all) ==
        (fs::perms::owner_read | fs::perms::owner_write));
  const std::string text = program_test::text_of(file);
  CHECK(text.find("right") == std::string::npos);
  CHECK(text.find("ann") == std::string::npos);

  CHECK_FALSE(cache.load(kBefore + 1'000));  // About to expire.
  Credentials other = login;
  other.password = "wrong";
  CHECK_FALSE(TokenCache(folder, other).load(kBefore));
  other = login;
  other.project_name = "p";
  CHECK_FALSE(TokenCache(folder, other).load(kBefore));
  CHECK_FALSE(TokenCache("", login).load(kBefore));

  fs::permissions(file, fs::perms::others_read, fs::perm_options::add);
  CHECK_FALSE(cache.load(kBefore));
  cache.store(token);
  CHECK(cache.load(kBefore));
  fs::permissions(folder, fs::perms::group_exec, fs::perm_options::add);
  CHECK_FALSE(cache.load(kBefore));
  fs::permissions(folder, fs::perms::owner_all);

  // A link in its place is neither followed nor written through.
  const std::string victim = dir.file("victim", program_test::text_of(file));
  fs::permissions(victim, fs::perms::owner_read | fs::perms::owner_write);
  fs::remove(file);
  fs::create_symlink(victim, file);
  CHECK_FALSE(cache.load(kBefore));
  cache.store({{"id", "t-2"}, {"expires_at", "2030-01-01T00:00:00Z"}});
  CHECK(cache.load(kBefore).value()["id"] == "t-2");
  CHECK(program_test::text_of(victim).find("t-2") == std::string::npos);

  for (const char* broken : {"", "{", "[]", "{\"token\": 1}", "{\"token\": {}, \"salt\": 5}"}) {
    CAPTURE(broken);
    std::ofstream(file, std::ios::trunc) << broken;
    CHECK_FALSE(cache.load(kBefore));
  }
  cache.drop();
  CHECK_FALSE(fs::exists(file));
  const TokenCache nowhere("/proc/no/such", login);
  nowhere.store(token);
  CHECK_FALSE(nowhere.load(kBefore));
}

TEST_CASE("no command about folders and files has the words of a verb") {
  for (const cli::AdminCommand& admin : cli::admin_commands()) {
    CAPTURE(std::string(admin.words));
    const auto verbs = cloudos::verbs::all();
    const auto same = std::count_if(verbs.begin(), verbs.end(),
                                    [&](const auto& verb) { return verb.words == admin.words; });
    CHECK(same == 0);
  }
}

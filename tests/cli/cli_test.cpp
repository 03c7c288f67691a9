#include <fstream>

#include "site.hpp"
#include "support/capture.hpp"
#include "yaml_json.hpp"

using namespace program_test;
using cli_test::shared_site;
using cli_test::Site;
using nlohmann::json;

namespace {

/// "security group rule create x" as words.
std::vector<std::string> words_of(const std::string& noun, std::vector<std::string> more) {
  std::vector<std::string> words = Site::words_of(noun);
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// What every format says about one list is the same.
void check_formats(Site& site, const std::string& noun) {
  const json rows = site.ask(words_of(noun, {"list", "--long"}));
  const auto in = [&](const char* format) {
    const Ran ran = site.cloudos(words_of(noun, {"list", "--long", "-f", format}));
    CHECK(ran.code == 0);
    return ran.out;
  };
  const auto yaml = cli_test::YamlReader(in("yaml")).read();
  REQUIRE(yaml);
  CHECK(*yaml == rows);
  const auto csv = cli_test::read_csv(in("csv"));
  REQUIRE(csv);
  REQUIRE(csv->size() == rows.size() + 1);
  for (const auto& row : *csv) CHECK(row.size() == rows[0].size());
  const std::string table = in("table");
  for (const auto& [title, value] : rows[0].items()) {
    CAPTURE_BOUND(title);
    CHECK(table.find("| " + title) != std::string::npos);
  }
  const std::string first = (*csv)[1][0];
  CHECK(in("value").find(first) != std::string::npos);
  const Ran sorted = site.cloudos(words_of(
      noun, {"list", "-f", "value", "-c", (*csv)[0][0], "--sort", (*csv)[0][0] + ":desc"}));
  std::vector<std::string> ids;
  std::stringstream lines(sorted.out);
  for (std::string id; std::getline(lines, id);) ids.push_back(id);
  CHECK(ids.size() == rows.size());
  CHECK(std::is_sorted(ids.rbegin(), ids.rend()));
}

constexpr const char* kPublicKey =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1AyCeXdTbNWXZ0jfNMzZl0cFLy7wMVZTuiOsOJ6eqz a@b\n";

}  // namespace

TEST_CASE("each noun is made, listed, shown and deleted, in every format") {
  Site& site = shared_site();
  const std::string key = site.dir.file("key.pub", kPublicKey);
  const std::string image = site.dir.file("disk.raw", std::string(1 << 20, '\x5a'));
  struct Row {
    const char* noun;
    const char* name;
    std::vector<std::string> options;
    const char* field;
    const char* value;
  };
  // In an order in which each finds what it needs; deleted the other way round.
  const Row rows[] = {
      {"domain", "do-a", {"--description", "d", "--disable"}, "description", "d"},
      {"project", "pr-a", {"--description", "p", "--tag", "t"}, "description", "p"},
      {"group", "gr-a", {"--description", "g"}, "description", "g"},
      {"user", "us-a", {"--password", "a secret", "--project", "pr-a"}, "name", "us-a"},
      {"role", "ro-a", {"--description", "r"}, "description", "r"},
      {"region", "re-a", {"--description", "r"}, "description", "r"},
      {"service", "metering", {"--name", "se-a"}, "type", "metering"},
      {"endpoint",
       "se-a public http://127.0.0.1:1/x",
       {"--region", "re-a"},
       "url",
       "http://127.0.0.1:1/x"},
      {"image",
       "im-a",
       {"--file", image, "--min-disk", "1", "--property", "os=none"},
       "status",
       "active"},
      {"network", "net-a", {"--description", "of a test"}, "description", "of a test"},
      {"subnet",
       "sub-a",
       {"--network", "net-a", "--subnet-range", "10.1.0.0/24", "--allocation-pool",
        "start=10.1.0.10,end=10.1.0.99"},
       "cidr",
       "10.1.0.0/24"},
      {"security group", "sg-a", {"--description", "web"}, "description", "web"},
      {"security group rule",
       "sg-a",
       {"--protocol", "tcp", "--dst-port", "80:443"},
       "protocol",
       "tcp"},
      {"port",
       "port-a",
       {"--network", "net-a", "--fixed-ip", "subnet=sub-a,ip-address=10.1.0.20", "--security-group",
        "sg-a"},
       "name",
       "port-a"},
      {"flavor", "fl-a", {"--ram", "64", "--disk", "1", "--vcpus", "1", "--id", "77"}, "id", "77"},
      {"keypair", "key-a", {"--public-key", key}, "name", "key-a"},
      {"server",
       "srv-a",
       {"--image", "im-a", "--flavor", "fl-a", "--port", "port-a", "--key-name", "key-a",
        "--property", "role=web", "--wait"},
       "status",
       "ACTIVE"},
  };
  std::vector<std::pair<const Row*, std::string>> made;
  for (const Row& row : rows) {
    CAPTURE(row.noun);
    auto words = words_of(row.noun, {"create"});
    for (const auto& word : Site::words_of(row.name)) words.push_back(word);
    words.insert(words.end(), row.options.begin(), row.options.end());
    const json thing = site.ask(words);
    CHECK(thing[row.field] == row.value);
    const std::string id =
        std::string(row.noun) == "keypair" ? row.name : thing["id"].get<std::string>();
    made.emplace_back(&row, id);

    const std::string noun = row.noun;
    const std::string wanted = noun == "security group rule" || noun == "endpoint" ? id : row.name;
    CHECK(site.ask(words_of(row.noun, {"show", wanted}))[row.field] == row.value);
    const Ran value =
        site.cloudos(words_of(row.noun, {"show", wanted, "-f", "value", "-c", row.field}));
    CHECK(value.out == std::string(row.value) + "\n");
    const Ran table = site.cloudos(words_of(row.noun, {"show", wanted}));
    CHECK(table.out.find("| Field") != std::string::npos);
    CHECK(table.out.find(row.value) != std::string::npos);

    const Ran list = site.cloudos(words_of(row.noun, {"list"}));
    CHECK(list.code == 0);
    CHECK(list.out.find(id) != std::string::npos);
    bool found = false;
    for (const json& each : site.ask(words_of(row.noun, {"list"})))
      found = found || each.value("ID", "") == id || each.value("Name", "") == id ||
              each.value("Region", "") == id;
    CHECK(found);
    check_formats(site, row.noun);
  }
  for (auto it = made.rbegin(); it != made.rend(); ++it) {
    const auto& [row, id] = *it;
    const auto& bound_noun = row->noun;
    CAPTURE(bound_noun);
    const Ran gone = site.cloudos(words_of(row->noun, {"delete", "--wait", id}));
    CAPTURE(gone.err);
    CHECK(gone.code == 0);
    CHECK(gone.out.empty());
    const Ran shown = site.cloudos(words_of(row->noun, {"show", id}));
    CHECK(shown.code == 4);
    CHECK(site.cloudos(words_of(row->noun, {"delete", id})).code == 4);
  }
}

TEST_CASE("a login shows its token") {
  const json token = shared_site().ask({"token", "issue"});
  CHECK(token["id"].get<std::string>().size() > 50);
  CHECK_FALSE(token["project_id"].get<std::string>().empty());
}

TEST_CASE("a generated key pair's private half is printed once, alone") {
  Site& site = shared_site();
  const Ran made = site.cloudos({"keypair", "create", "made-here"});
  CHECK(made.code == 0);
  CHECK(made.out.substr(0, 10) == "-----BEGIN");
  CHECK(site.ask({"keypair", "show", "made-here"}).contains("private_key") == false);
  CHECK(site.cloudos({"keypair", "delete", "made-here"}).code == 0);
}

TEST_CASE("names that are not unique must be told apart by id") {
  Site& site = shared_site();
  const json one = site.ask({"network", "create", "twin"}),
             two = site.ask({"network", "create", "twin"});
  const Ran shown = site.cloudos({"network", "show", "twin"});
  CHECK(shown.code == 1);
  CHECK(shown.err.find(one["id"].get<std::string>()) != std::string::npos);
  CHECK(shown.err.find(two["id"].get<std::string>()) != std::string::npos);
  const Ran both = site.cloudos({"network", "delete", one["id"], two["id"], "no-such"});
  CHECK(both.code == 4);
  CHECK(site.ask({"network", "list"}).dump().find("twin") == std::string::npos);
}

TEST_CASE("errors say what is wrong and what to do, under their exit code") {
  Site& site = shared_site();
  const std::string closed = site.dir.file(
      "closed.yaml",
      "clouds: {c: {auth: {auth_url: 'http://127.0.0.1:1', username: u, password: p}}}\n");
  const std::string wrong = site.dir.file(
      "wrong.yaml",
      "clouds: {c: {auth: {auth_url: 'http://127.0.0.1:" + std::to_string(site.server.port) +
          "', username: admin, password: wrong, project_name: admin}}}\n");
  struct Row {
    std::string what;
    std::vector<std::string> words;
    std::string file;
    int code;
    const char* says;
  };
  const Row rows[] = {
      {"no such thing", {"server", "show", "nobody"}, "", 4, "cloudos server list"},
      {"no such reference",
       {"server", "create", "x", "--image", "none", "--flavor", "1"},
       "",
       4,
       "image list"},
      {"the cloud says no",
       {"subnet", "create", "x", "--network", "none", "--subnet-range", "10.0.0.0/24"},
       "",
       4,
       "network"},
      {"option missing", {"server", "create", "x"}, "", 2, "--image"},
      {"unknown option", {"server", "list", "--colour"}, "", 2, "--colour"},
      {"unknown noun", {"volume", "list"}, "", 2, ""},
      {"unknown format", {"server", "list", "-f", "xml"}, "", 2, "xml"},
      {"unknown column", {"flavor", "list", "-c", "colour"}, "", 2, "there are: ID, Name"},
      {"unknown column to sort by", {"flavor", "list", "--sort", "colour:desc"}, "", 2, "'colour'"},
      {"both ways to sort",
       {"flavor", "list", "--sort-column", "RAM", "--sort-ascending", "--sort-descending"},
       "",
       2,
       "--sort-descending"},
      {"limit of words", {"server", "list", "--limit", "all"}, "", 2, "--limit needs a number"},
      {"no number",
       {"flavor", "create", "x", "--ram", "much", "--disk", "1", "--vcpus", "1"},
       "",
       2,
       "--ram needs a number"},
      {"no file", {"image", "create", "x", "--file", "/no/such/file"}, "", 1, "/no/such/file"},
      {"nobody answers", {"server", "list"}, closed, 3, "Is cloudosd running"},
      {"wrong password", {"server", "list"}, wrong, 3, "check user, password"},
      {"no cloud", {"--os-cloud", "other", "server", "list"}, "", 3, "it has: cloudos"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    auto words = row.words;
    words.insert(words.begin(), CLOUDOS_PROGRAM);
    auto variables = site.server.client_variables();
    if (!row.file.empty()) variables = {{"OS_CLIENT_CONFIG_FILE", row.file}};
    const Ran ran = run_program(words, variables);
    CAPTURE(ran.err);
    CHECK(ran.code == row.code);
    CHECK(ran.out.empty());
    CHECK_FALSE(ran.err.empty());
    CHECK(ran.err.find(row.says) != std::string::npos);
  }
  CHECK(site.cloudos({"image", "list"}).out.find(" x ") == std::string::npos);
}

TEST_CASE("a large image streams through in little memory") {
  Site& site = shared_site();
  const std::string file = (site.dir.path() / "large.raw").string();
  std::ofstream(file, std::ios::binary).put('\x01');
  std::filesystem::resize_file(file, 96 << 20);
  const json made = site.ask({"image", "create", "large", "--file", file});
  CHECK(made["size"] == (96 << 20));
  std::ifstream status("/proc/" + std::to_string(site.server.process().pid()) + "/status");
  for (std::string line; std::getline(status, line);)
    if (program_test::kMeasuresMemory && line.substr(0, 8) == "RssAnon:")
      CHECK(std::atol(line.c_str() + 8) < 64 * 1024);
  CHECK(site.cloudos({"image", "delete", "large"}).code == 0);
}

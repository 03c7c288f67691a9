#include <doctest/doctest.h>

#include <map>
#include <set>

#include "base/text.hpp"
#include "rest/match.hpp"
#include "rest/router.hpp"
#include "rest/target.hpp"
#include "verbs/commands.hpp"

using namespace cloudos;

namespace {

std::vector<rest::Route> every_route() {
  std::vector<rest::Route> all;
  for (const auto table : {rest::identity_routes(), rest::identity_registry_routes(),
                           rest::image_routes(), rest::network_routes(), rest::compute_routes(),
                           rest::task_routes(), rest::audit_routes(), rest::discovery_routes()})
    all.insert(all.end(), table.begin(), table.end());
  return all;
}

/// "/a/{b}/c" as "/a/{}/c".
std::string shape_of(std::string_view path) {
  std::string out;
  bool inside = false;
  for (const char c : path) {
    if (c == '}') inside = false;
    if (!inside) out += c;
    if (c == '{') inside = true;
  }
  return out;
}

struct Exception {
  std::string_view method, path, why;
};
constexpr Exception kWithoutVerb[] = {
    {"DELETE", "/image/v2/images", "refuses always, for clients whose id is empty"},
    {"GET", "/image/v2/schemas/image", "describes JSON to clients that check it"},
    {"GET", "/image/v2/schemas/images", "describes JSON to clients that check it"},
    {"GET", "/image/v2/schemas/member", "describes JSON to clients that check it"},
    {"GET", "/image/v2/schemas/members", "describes JSON to clients that check it"},
    {"GET", "/image/v2/schemas/task", "describes JSON to clients that check it"},
    {"GET", "/image/v2/schemas/tasks", "describes JSON to clients that check it"},
    {"GET", "/image/v2/schemas/metadefs/{}", "describes JSON to clients that check it"},
    {"GET", "/network/v2.0/quotas/{}/details.json", "an older spelling of details"},
    {"GET", "/network/v2.0/qos/alias_bandwidth_limit_rules/{}", "a rule by another path"},
    {"PUT", "/network/v2.0/qos/alias_bandwidth_limit_rules/{}", "a rule by another path"},
    {"DELETE", "/network/v2.0/qos/alias_bandwidth_limit_rules/{}", "a rule by another path"},
    {"GET", "/network/v2.0/qos/alias_dscp_marking_rules/{}", "a rule by another path"},
    {"PUT", "/network/v2.0/qos/alias_dscp_marking_rules/{}", "a rule by another path"},
    {"DELETE", "/network/v2.0/qos/alias_dscp_marking_rules/{}", "a rule by another path"},
    {"GET", "/network/v2.0/qos/alias_minimum_bandwidth_rules/{}", "a rule by another path"},
    {"PUT", "/network/v2.0/qos/alias_minimum_bandwidth_rules/{}", "a rule by another path"},
    {"DELETE", "/network/v2.0/qos/alias_minimum_bandwidth_rules/{}", "a rule by another path"},
    {"POST", "/identity/v3/ec2tokens", "for services that were shown a signature"},
    {"POST", "/identity/v3/s3tokens", "for services that were shown a signature"},
    {"POST", "/compute/v2.1/servers/{}/remote-consoles",
     "refuses always: there are no such consoles"},
};

/// Nobody logs in for these: versions, health, metrics.
bool is_discovery(const rest::Route& route) {
  return !route.auth && route.pattern != "/identity/v3/auth/tokens";
}

}  // namespace

TEST_CASE("every verb's request resolves to a route of its own shape") {
  rest::RouteTree tree;
  const auto routes = every_route();
  for (const auto& route : routes) tree.add(route);
  for (const verbs::Verb& verb : verbs::all()) {
    CAPTURE(verb.name);
    CAPTURE(verb.path);
    // What is several requests has a recipe for them, and none of its own.
    CHECK(verb.path.empty() == (verb.recipe != nullptr));
    if (verb.recipe) continue;
    const auto match = tree.find(verb.method, rest::path_segments(verb.path));
    REQUIRE(match.route);
    CHECK(match.route->method == verb.method);
    CHECK(shape_of(match.route->pattern) == shape_of(verb.path));
  }
}

TEST_CASE("every route has a verb, or stands among the exceptions with its reason") {
  std::set<std::string> done;
  for (const verbs::Verb& verb : verbs::all())
    done.insert(std::string(verb.method) + " " + shape_of(verb.path));
  std::set<std::string> excepted;
  for (const Exception& row : kWithoutVerb) {
    CHECK(row.why.size() > 10);
    excepted.insert(std::string(row.method) + " " + std::string(row.path));
  }
  std::size_t used = 0;
  for (const rest::Route& route : every_route()) {
    if (is_discovery(route)) continue;
    const std::string key = std::string(route.method) + " " + shape_of(route.pattern);
    CAPTURE(key);
    used += excepted.count(key);
    CHECK(done.count(key) + excepted.count(key) == 1);
  }
  CHECK(used == excepted.size());  // An exception for a route that is gone is none.
}

TEST_CASE("verbs have unique names of noun and verb, a noun, and a sentence of help") {
  std::string last;
  std::set<std::pair<std::string_view, std::string>> services;
  for (const auto& service : verbs::service_paths())
    services.emplace(service.service, std::string(service.path));
  for (const verbs::Verb& verb : verbs::all()) {
    CAPTURE(verb.name);
    CHECK(last < verb.name);
    last = verb.name;
    CHECK(verbs::find(verb.name) == &verb);
    const auto dot = verb.name.find('.');
    REQUIRE(dot != verb.name.npos);
    const verbs::Noun* noun = verbs::find_noun(verb.name.substr(0, dot));
    REQUIRE(noun);
    const auto place = verb.path.find('/', 1);
    const std::string start(verb.path.substr(0, verb.path.find('/', place + 1)));
    const bool tells_versions = verb.name.starts_with("versions.");
    if (!verb.recipe && !tells_versions) CHECK(services.count({noun->service, start}) == 1);
    REQUIRE(verb.help.size() > 8);
    CHECK(verb.help.back() == '.');
    CHECK(verb.help.size() < 90);
  }
  CHECK(verbs::all().size() > 180);
}

TEST_CASE(
    "a command that lists things of another noun is a verb list_ and that noun: so its rows show") {
  std::map<std::string_view, std::set<std::string_view>> nouns_of_reply;
  for (const verbs::Verb& verb : verbs::all())
    if (verb.name.ends_with(".list") && !verb.reply.empty())
      nouns_of_reply[verb.reply].insert(verbs::noun_of(verb).name);
  int others = 0;
  for (const verbs::Verb& verb : verbs::all()) {
    const auto nouns = nouns_of_reply.find(verb.reply);
    if (verb.method != "GET" || verb.words.empty() || verb.name.ends_with(".show") ||
        nouns == nouns_of_reply.end() || nouns->second.count(verbs::noun_of(verb).name) > 0)
      continue;
    CAPTURE(verb.name);
    ++others;
    const auto at = verb.name.find(".list_");
    REQUIRE(at != verb.name.npos);
    CHECK(verbs::find_noun(verb.name.substr(at + 6)));
  }
  CHECK(others > 3);
}

TEST_CASE("every member of a path is a parameter, and what refers to a noun names one") {
  for (const verbs::Verb& verb : verbs::all()) {
    CAPTURE(verb.name);
    std::set<std::string_view> names;
    for (const verbs::Parameter& parameter : verb.parameters) {
      CAPTURE(parameter.flag);
      CAPTURE(parameter.name);
      names.insert(parameter.name);
      CHECK_FALSE(parameter.help.empty());
      if (!parameter.noun.empty()) {
        const verbs::Noun* noun = verbs::find_noun(parameter.noun);
        REQUIRE(noun);
        CHECK_FALSE(noun->key.empty());
      }
      if (parameter.kind == verbs::Kind::Reference) CHECK_FALSE(parameter.noun.empty());
      if (parameter.kind == verbs::Kind::PairList) {
        for (const std::string_view entry : split(parameter.extra, ' ')) {
          CAPTURE(entry);
          CHECK((entry.find(':') == entry.npos) == parameter.extra.empty());
          CHECK(entry.find(',') == entry.npos);
        }
      }
    }
    for (const auto member : rest::pattern_names(verb.path)) {
      CAPTURE(member);
      CHECK(names.count(member) == 1);
    }
  }
}

TEST_CASE("a command's words lead to one command, and its options are told apart") {
  std::set<std::string_view> words;
  for (const verbs::Command& command : verbs::commands()) {
    CAPTURE(command.words);
    REQUIRE(command.verb);
    words.insert(command.words);
    std::set<std::string_view> flags;
    bool optional_place = false;
    for (const verbs::Parameter& parameter : command.parameters) {
      CAPTURE(parameter.flag);
      if (parameter.flag.empty()) {
        CHECK(command.verb->words != command.words);
        continue;
      }
      CHECK(flags.insert(parameter.flag).second);
      if (parameter.flag.starts_with("-")) continue;
      CHECK_FALSE(optional_place);  // Nothing stands behind a place that may be empty.
      optional_place = !parameter.required;
    }
  }
  // One command's words are never the beginning of another's: what follows would be ambiguous.
  for (const auto one : words)
    for (const auto other : words)
      if (one != other) CHECK_FALSE(other.starts_with(std::string(one) + " "));
  for (const char* known : {"server create", "server list", "role add", "quota show", "image save",
                            "console log show", "task retry", "security group rule list"})
    CHECK(words.count(known) == 1);
}

TEST_CASE("a typo finds the name that was meant, nonsense finds none") {
  struct Row {
    std::string what;
    std::string_view given, nearest;
  };
  const Row rows[] = {
      {"a letter dropped", "server.create", "servers.create"},
      {"letters swapped", "servers.craete", "servers.create"},
      {"exact", "images.list", "images.list"},
      {"another word", "flavours.list", "flavors.list"},
      {"nonsense", "qqqqqqqqqqqqqq", ""},
      {"empty", "", ""},
      {"no end",
       std::string_view("servers.create servers.create servers.create servers.create "
                        "servers.create servers.create"),
       ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(verbs::nearest(row.given) == row.nearest);
  }
}

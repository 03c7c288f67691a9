#include "rest/json.hpp"
#include "rest/match.hpp"
#include "rest/microversion.hpp"
#include "rest/support.hpp"
#include "rest/target.hpp"

using namespace cloudos;
using rest::Service;

namespace {

Result<rest::Response> answer_nothing(rest::Call&) {
  return rest::empty_response(204);
}

rest::Route plain_route(std::string_view method, std::string_view pattern,
                        Service service = Service::None) {
  return {.method = method,
          .pattern = pattern,
          .handler = answer_nothing,
          .policy = {},
          .service = service,
          .cls = rest::RouteClass::Inline,
          .auth = false};
}

Result<rest::Response> echo_call(rest::Call& call) {
  rest::JsonWriter w;
  w.open().member("id", call.path("id")).member("service_url", call.service_url);
  w.member("user", call.ctx.user.value).member("request_id", call.ctx.request_id);
  w.member("version", rest::to_string(call.microversion)).key("query").open();
  for (const auto& [name, value] : call.query_all()) w.member(name, value);
  w.close().close();
  return rest::json_response(200, std::move(w).take());
}
Result<rest::Response> read_body(rest::Call& call) {
  CLOUDOS_TRY(const auto* body, call.json_object("thing"));
  return rest::json_response(200, body->dump());
}
Result<rest::Response> read_page(rest::Call& call) {
  CLOUDOS_TRY(const auto page, call.page());
  rest::JsonWriter w;
  w.open().member("marker", page.marker).member("limit", page.limit).close();
  return rest::json_response(200, std::move(w).take());
}
Result<rest::Response> throw_up(rest::Call&) {
  throw std::runtime_error("secret/path");
}

constexpr rest::Route kTestRoutes[] = {
    {"GET", "/compute/v2.1/things/{id}", echo_call, "", Service::Compute},
    {"GET", "/compute/v2.1/pages", read_page, "", Service::Compute},
    {"POST", "/network/v2.0/things", read_body, "", Service::Network, rest::RouteClass::Commits},
    {"PUT", "/image/v2/things/{id}/file", echo_call, "", Service::Image, rest::RouteClass::Streams},
    {"GET", "/identity/v3/things/{id}", echo_call, "", Service::Identity, rest::RouteClass::Inline,
     false},
    {"GET", "/compute/v2.1/throws", throw_up, "", Service::Compute},
};

/// The site with these routes instead of the services'.
struct RouterSite : rest_test::Site {
  RouterSite() {
    router = std::make_unique<rest::Router>(
        *cloud, std::vector<std::span<const rest::Route>>{
                    kTestRoutes, rest::discovery_routes(), rest::operation_routes()});
  }
};

}  // namespace

TEST_CASE("a path finds the route whose literals fit best, and its parameters in order") {
  static const rest::Route routes[] = {
      plain_route("GET", "/a/{x}"),        plain_route("GET", "/a/detail"),
      plain_route("PUT", "/a/{x}"),        plain_route("GET", "/a/{x}/b/{y}"),
      plain_route("GET", "/a/detail/c"),   plain_route("GET", "/"),
      plain_route("HEAD", "/a/{x}/b/{y}"), plain_route("POST", "/a"),
  };
  rest::RouteTree tree;
  for (const auto& route : routes) tree.add(route);
  struct Row {
    std::string what;
    const char* method;
    const char* path;
    int route;  // -1: none
    std::vector<std::string_view> parameters;
    const char* allow;
  };
  const Row rows[] = {
      {"root", "GET", "/", 5, {}, ""},
      {"parameter", "GET", "/a/1", 0, {"1"}, ""},
      {"literal before parameter", "GET", "/a/detail", 1, {}, ""},
      {"literal lacks the method, parameter has it", "PUT", "/a/detail", 2, {"detail"}, ""},
      {"trailing slash", "GET", "/a/1/", 0, {"1"}, ""},
      {"back from a literal that leads nowhere", "GET", "/a/detail/b/2", 3, {"detail", "2"}, ""},
      {"deeper literal", "GET", "/a/detail/c", 4, {}, ""},
      {"HEAD by GET", "HEAD", "/a/1", 0, {"1"}, ""},
      {"HEAD of its own", "HEAD", "/a/1/b/2", 6, {"1", "2"}, ""},
      {"wrong method", "DELETE", "/a/1", -1, {}, "GET, HEAD, PUT"},
      {"wrong method of a literal", "GET", "/a", -1, {}, "POST"},
      {"unknown path", "GET", "/b", -1, {}, ""},
      {"too deep", "GET", "/a/1/b", -1, {}, ""},
      {"empty segment is no parameter", "GET", "/a//b/1", -1, {}, ""},
      {"case matters", "GET", "/A/1", -1, {}, ""},
      {"two trailing slashes", "GET", "/a/1//", -1, {}, ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto match = tree.find(row.method, rest::path_segments(row.path));
    CHECK(match.route == (row.route < 0 ? nullptr : &routes[row.route]));
    CHECK(match.parameters == row.parameters);
    CHECK(match.allow == row.allow);
  }
  const std::string deep(200, '/');
  CHECK(tree.find("GET", rest::path_segments(deep)).route == nullptr);
}

TEST_CASE("escapes in URLs are undone strictly") {
  struct Row {
    std::string what;
    std::string text;
    bool plus;
    std::optional<std::string> decoded;
  };
  const Row rows[] = {
      {"plain", "abc-._~", false, "abc-._~"},
      {"slash stays in its segment", "a%2Fb", false, "a/b"},
      {"lower case digits", "%c3%a4", false, "ä"},
      {"plus in a query", "a+b%2Bc", true, "a b+c"},
      {"plus in a path", "a+b", false, "a+b"},
      {"cut off", "abc%4", false, std::nullopt},
      {"bare percent", "100%", false, std::nullopt},
      {"no digits", "%zz", false, std::nullopt},
      {"zero byte", "a%00b", false, std::nullopt},
      {"not UTF-8", "%ff%fe", false, std::nullopt},
      {"overlong UTF-8", "%c0%af", false, std::nullopt},
      {"encoded surrogate", "%ed%a0%80", false, std::nullopt},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto decoded = rest::percent_decode(row.text, row.plus);
    CHECK(decoded.has_value() == row.decoded.has_value());
    if (decoded && row.decoded) CHECK(*decoded == *row.decoded);
    if (!decoded) CHECK(decoded.error().code == ErrorCode::InvalidArgument);
  }
  const std::string odd = "ä/ %&?=\n";
  const auto back = rest::percent_decode(rest::percent_encode(odd), false);
  REQUIRE(back);
  CHECK(*back == odd);
}

TEST_CASE("queries keep order and repetition, up to a limit") {
  const auto query = rest::parse_query("b=2&a=1&a=&flag&&c=x%26y");
  REQUIRE(query);
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"b", "2"}, {"a", "1"}, {"a", ""}, {"flag", ""}, {"c", "x&y"}};
  CHECK(*query == expected);
  std::string many;
  for (std::size_t i = 0; i <= limits::kQueryParameters; ++i) many += "a=1&";
  const auto over = rest::parse_query(many);
  REQUIRE(!over);
  CHECK(over.error().code == ErrorCode::TooLarge);
}

TEST_CASE("bodies that are not exactly one JSON value are refused, with the place") {
  const std::string deep_ok(limits::kJsonDepth, '['), deep_bad(limits::kJsonDepth + 1, '[');
  struct Row {
    std::string what;
    std::string text;
    bool good;
    const char* says;
  };
  const Row rows[] = {
      {"object", R"({"a": {"b": [1, 2.5, "x", null, true]}})", true, ""},
      {"scalar", "1", true, ""},
      {"as deep as may be", deep_ok + std::string(limits::kJsonDepth, ']'), true, ""},
      {"one deeper", deep_bad + std::string(limits::kJsonDepth + 1, ']'), false, "levels deep"},
      {"very deep", std::string(500'000, '['), false, "levels deep"},
      {"deep objects",
       [] {
         std::string text;
         for (int i = 0; i < 100; ++i) text += "{\"a\":";
         return text;
       }(),
       false, "levels deep"},
      {"twice", R"({"a": 1, "b": {}, "a": 2})", false, "named twice: 'a'"},
      {"twice inside", R"({"a": {"x": 1, "x": 2}})", false, "named twice: 'x'"},
      {"same name in two objects", R"({"a": {"x": 1}, "b": {"x": 2}})", true, ""},
      {"cut off", R"({"a": )", false, "line 1"},
      {"second line", "{\n  \"a\": oops}", false, "line 2"},
      {"two values", "{} {}", false, "JSON"},
      {"trailing comma", "[1,]", false, "JSON"},
      {"single quotes", "{'a': 1}", false, "JSON"},
      {"comment", "/* x */ {}", false, "JSON"},
      {"not UTF-8", "\"\xff\"", false, "UTF-8"},
      {"lone surrogate", R"("\ud800")", false, "JSON"},
      {"number too large", "1e999", false, "number is too large"},
      {"infinity", "[Infinity]", false, "JSON"},
      {"empty", "", false, "JSON"},
      {"zero byte", std::string("{}\0garbage", 10), false, "a zero byte"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto parsed = rest::parse_json(row.text);
    CHECK(parsed.has_value() == row.good);
    if (parsed || row.good) continue;
    CAPTURE(parsed.error().message);
    CHECK(parsed.error().code == ErrorCode::InvalidArgument);
    CHECK(parsed.error().message.find(row.says) != std::string::npos);
  }
}

TEST_CASE("members are read by type, and what nobody asked for is refused") {
  const auto body = rest::parse_json(
      R"({"text": "x", "number": 7, "digits": "-8", "half": 1.5, "huge": 18446744073709551615,
          "yes": "True", "no": 0, "null": null, "list": ["a", "b"], "mixed": ["a", 1],
          "map": {"k": "v"}, "bad_map": {"k": 1}})");
  REQUIRE(body);
  const rest::Members in(*body, "thing");
  CHECK(*in.text("text") == "x");
  CHECK(*in.integer("number") == 7);
  CHECK(*in.integer("digits") == -8);
  CHECK(**in.maybe_flag("yes") == true);
  CHECK(**in.maybe_flag("no") == false);
  CHECK(!*in.maybe_flag("absent"));
  CHECK(!*in.maybe_text("null"));
  CHECK(in.is_null("null"));
  CHECK(!in.has("absent"));
  CHECK((**in.maybe_text_list("list")).size() == 2);
  CHECK((**in.maybe_text_map("map")).at("k") == "v");
  CHECK(in.id<ServerId>("text")->value == "x");

  struct Row {
    std::string what;
    Result<void> result;
    const char* says;
  };
  const auto outcome = [](auto&& result) {
    return result ? Result<void>() : Result<void>(fail(result.error()));
  };
  const Row rows[] = {
      {"absent", outcome(in.text("absent")), "thing.absent is required"},
      {"null", outcome(in.text("null")), "thing.null is required"},
      {"number as text", outcome(in.text("number")), "thing.number must be text"},
      {"text as number", outcome(in.integer("text")), "thing.text must be a whole number"},
      {"half", outcome(in.integer("half")), "thing.half must be a whole number"},
      {"huge", outcome(in.integer("huge")), "thing.huge is out of range"},
      {"too small", outcome(in.integer("number", 8, 9)), "thing.number must be between 8 and 9"},
      {"too small, open", outcome(in.integer("number", 8)), "thing.number must be at least 8"},
      {"not a flag", outcome(in.maybe_flag("text")), "thing.text must be true or false"},
      {"seven is no flag", outcome(in.maybe_flag("number")), "thing.number must be true or false"},
      {"mixed list", outcome(in.maybe_text_list("mixed")), "thing.mixed must be a list of texts"},
      {"bad map", outcome(in.maybe_text_map("bad_map")), "thing.bad_map must have text under 'k'"},
      {"not an object", outcome(in.object("list")), "thing.list must be an object"},
      {"not a list", outcome(in.array("map")), "thing.map must be a list"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    REQUIRE(!row.result);
    CHECK(row.result.error().code == ErrorCode::InvalidArgument);
    CHECK(row.result.error().message == row.says);
  }
  const rest::Members few(*body, "");
  CHECK(few.text("text"));
  const auto others = few.no_others();
  REQUIRE(!others);
  CHECK(others.error().message.find("is not known here") != std::string::npos);
  CHECK(in.no_others().has_value());
}

TEST_CASE("the writer puts commas, quotes and escapes where they belong") {
  rest::JsonWriter w;
  w.open().member("a", 1).member("b", true).member("c", "q\"\\\n\x01").key("d").open_list();
  w.value("x").open().close().open_list().close_list().null().close_list();
  w.member("e", std::optional<int>()).member("f", std::vector<std::string>{"1", "2"});
  w.member("g", std::map<std::string, std::string>{{"k", "v"}}).member_or_null("h", "");
  w.member("i", ServerId{"id"}).close();
  const std::string text = std::move(w).take();
  const auto back = rest::parse_json(text);
  CAPTURE(text);
  REQUIRE(back);
  CHECK((*back)["c"] == "q\"\\\n\x01");
  CHECK(
      back->dump() ==
      R"({"a":1,"b":true,"c":"q\"\\\n\u0001","d":["x",{},[],null],"e":null,"f":["1","2"],"g":{"k":"v"},"h":null,"i":"id"})");
}

TEST_CASE("Compute's microversion is what the client asked for, or a refusal") {
  const std::string most = rest::to_string(rest::kComputeMax);
  struct Row {
    std::string what;
    rest_test::HeaderList headers;
    std::optional<std::string> version;
    ErrorCode code = ErrorCode::Internal;
  };
  const Row rows[] = {
      {"silence is the oldest", {}, "2.1"},
      {"new header", {{"OpenStack-API-Version", "compute 2.1"}}, "2.1"},
      {"old header", {{"X-OpenStack-Nova-API-Version", "2.1"}}, "2.1"},
      {"latest", {{"OpenStack-API-Version", "compute latest"}}, most},
      {"another service's", {{"OpenStack-API-Version", "volume 3.50"}}, "2.1"},
      {"ours among several", {{"OpenStack-API-Version", "volume 3.50, compute 2.1"}}, "2.1"},
      {"new one wins",
       {{"OpenStack-API-Version", "compute 2.1"}, {"X-OpenStack-Nova-API-Version", "9.9"}},
       "2.1"},
      {"too new", {{"OpenStack-API-Version", "compute 2.9999"}}, {}, ErrorCode::Unsupported},
      {"too old", {{"OpenStack-API-Version", "compute 2.0"}}, {}, ErrorCode::Unsupported},
      {"other major", {{"OpenStack-API-Version", "compute 3.0"}}, {}, ErrorCode::Unsupported},
      {"no minor", {{"OpenStack-API-Version", "compute 2"}}, {}, ErrorCode::InvalidArgument},
      {"three parts", {{"OpenStack-API-Version", "compute 2.1.1"}}, {}, ErrorCode::InvalidArgument},
      {"leading zero", {{"OpenStack-API-Version", "compute 2.01"}}, {}, ErrorCode::InvalidArgument},
      {"words", {{"X-OpenStack-Nova-API-Version", "two"}}, {}, ErrorCode::InvalidArgument},
      {"endless",
       {{"X-OpenStack-Nova-API-Version", "2.99999999999999"}},
       {},
       ErrorCode::InvalidArgument},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    rest::Headers headers;
    for (const auto& [name, value] : row.headers) headers.add(name, value);
    const auto version = rest::negotiate_compute(headers);
    CHECK(version.has_value() == row.version.has_value());
    if (version && row.version) CHECK(rest::to_string(*version) == *row.version);
    if (!version) CHECK(version.error().code == row.code);
  }
}

TEST_CASE("each service answers errors in its own words and status") {
  rest::Request request;
  request.base_url = "http://cloud.test:5000";
  struct Row {
    std::string what;
    Service service;
    Error error;
    int status;
    const char* body;
  };
  const Row rows[] = {
      {"identity",
       Service::Identity,
       {ErrorCode::NotFound, "no such user", "secret"},
       404,
       R"({"error":{"code":404,"title":"Not Found","message":"no such user"}})"},
      {"compute",
       Service::Compute,
       {ErrorCode::Conflict, "busy", ""},
       409,
       R"({"conflictingRequest":{"code":409,"message":"busy"}})"},
      {"compute quota",
       Service::Compute,
       {ErrorCode::QuotaExceeded, "full", ""},
       403,
       R"({"forbidden":{"code":403,"message":"full"}})"},
      {"compute bug",
       Service::Compute,
       {ErrorCode::Internal, "oh", ""},
       500,
       R"({"computeFault":{"code":500,"message":"oh"}})"},
      {"network quota",
       Service::Network,
       {ErrorCode::QuotaExceeded, "full", ""},
       409,
       R"({"NeutronError":{"type":"OverQuota","message":"full","detail":""}})"},
      {"network noun",
       Service::Network,
       {ErrorCode::NotFound, "subnet 'a' is not known on network 'b'", ""},
       404,
       R"({"NeutronError":{"type":"SubnetNotFound","message":"subnet 'a' is not known on network 'b'","detail":""}})"},
      {"longest noun",
       Service::Network,
       {ErrorCode::AlreadyExists, "Security group rule r is there", ""},
       409,
       R"({"NeutronError":{"type":"SecurityGroupRuleExists","message":"Security group rule r is there","detail":""}})"},
      {"noun inside a word",
       Service::Network,
       {ErrorCode::NotFound, "airport not found", ""},
       404,
       R"({"NeutronError":{"type":"HTTPNotFound","message":"airport not found","detail":""}})"},
      {"type of the room's own",
       Service::Network,
       {ErrorCode::Conflict, "x", "", "RouterInUse"},
       409,
       R"({"NeutronError":{"type":"RouterInUse","message":"x","detail":""}})"},
      {"no token, network",
       Service::Network,
       {ErrorCode::Unauthenticated, "who", ""},
       401,
       R"({"error":{"code":401,"title":"Unauthorized","message":"who"}})"},
      {"image quota", Service::Image, {ErrorCode::QuotaExceeded, "full", ""}, 413, nullptr},
      {"disk full",
       Service::Compute,
       {ErrorCode::StorageFull, "full", ""},
       507,
       R"({"computeFault":{"code":507,"message":"full"}})"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto response = rest::error_response(row.service, row.error, request);
    CHECK(response.status == row.status);
    if (row.body) CHECK(std::get<std::string>(response.body) == row.body);
    CHECK(std::get<std::string>(response.body).find("secret") == std::string::npos);
    CHECK(response.headers.has("WWW-Authenticate") == (row.status == 401));
  }
}

TEST_CASE("Image errors come in the kind of text the client accepts") {
  struct Row {
    const char* accept;
    const char* type;
    const char* holds;
  };
  const Row rows[] = {
      {"", "text/html", "<h1>404 Not Found</h1>"},
      {"*/*", "text/html", "&lt;b&gt;"},
      {"application/json", "application/json", "\"code\":\"404 Not Found\""},
      {"text/plain", "text/plain", "404 Not Found\n\n<b>"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.accept);
    rest::Request request;
    if (*row.accept) request.headers.add("Accept", row.accept);
    const auto response =
        rest::error_response(Service::Image, {ErrorCode::NotFound, "<b>", ""}, request);
    CHECK(response.headers.get("Content-Type").substr(0, std::strlen(row.type)) == row.type);
    CHECK(std::get<std::string>(response.body).find(row.holds) != std::string::npos);
  }
}

TEST_CASE("the router finds, authenticates, negotiates and names every request") {
  RouterSite site;
  const std::string& token = site.admin;
  struct Row {
    std::string what;
    const char* method;
    std::string target;
    std::string token;
    rest_test::HeaderList headers;
    int status;
    const char* holds;
  };
  const Row rows[] = {
      {"found", "GET", "/compute/v2.1/things/a%2Fb?x=1&y=%20", token, {}, 200, R"("id":"a/b")"},
      {"query",
       "GET",
       "/compute/v2.1/things/a?x=1&y=%20z",
       token,
       {},
       200,
       R"("query":{"x":"1","y":" z"})"},
      {"links",
       "GET",
       "/compute/v2.1/things/a",
       token,
       {},
       200,
       R"("service_url":"http://cloud.test:5000/compute/v2.1")"},
      {"alias", "GET", "/v3/things/a", "", {}, 200, R"("service_url":"http://cloud.test:5000/v3")"},
      {"no alias",
       "GET",
       "/identity/v3/things/a",
       "",
       {},
       200,
       R"("service_url":"http://cloud.test:5000/identity/v3")"},
      {"trailing slash", "GET", "/compute/v2.1/things/a/", token, {}, 200, R"("id":"a")"},
      {"HEAD", "HEAD", "/compute/v2.1/things/a", token, {}, 200, ""},
      {"no token", "GET", "/compute/v2.1/things/a", "", {}, 401, "requires authentication"},
      {"wrong token",
       "GET",
       "/compute/v2.1/things/a",
       "gAAAAAB" + std::string(100, 'x'),
       {},
       401,
       "401"},
      {"garbled token", "GET", "/compute/v2.1/things/a", "\x01\x02", {}, 401, "401"},
      {"huge token", "GET", "/compute/v2.1/things/a", std::string(30'000, 'A'), {}, 401, "401"},
      {"unknown path", "GET", "/compute/v2.1/nothing", token, {}, 404, "itemNotFound"},
      {"unknown service", "GET", "/volume", token, {}, 404, "error"},
      {"unknown path needs no token", "GET", "/network/v2.0/nothing", "", {}, 404, "NeutronError"},
      {"wrong method", "DELETE", "/compute/v2.1/things/a", token, {}, 405, "badMethod"},
      {"bad escape", "GET", "/compute/v2.1/things/%zz", token, {}, 400, "badRequest"},
      {"bad query", "GET", "/compute/v2.1/things/a?%", token, {}, 400, "badRequest"},
      {"version too new",
       "GET",
       "/compute/v2.1/things/a",
       token,
       {{"OpenStack-API-Version", "compute 2.9999"}},
       406,
       "2.9999"},
      {"version malformed",
       "GET",
       "/compute/v2.1/things/a",
       token,
       {{"OpenStack-API-Version", "compute x"}},
       400,
       "badRequest"},
      {"forged identity",
       "GET",
       "/v3/things/a",
       "",
       {{"X-User-Id", "root"}, {"X-Roles", "admin"}},
       200,
       R"("user":"")"},
      {"limit",
       "GET",
       "/compute/v2.1/pages?limit=5&marker=m",
       token,
       {},
       200,
       R"({"marker":"m","limit":5})"},
      {"limit above the most",
       "GET",
       "/compute/v2.1/pages?limit=99999",
       token,
       {},
       200,
       R"("limit":1000})"},
      {"negative limit", "GET", "/compute/v2.1/pages?limit=-1", token, {}, 400, "limit"},
      {"limit of words", "GET", "/compute/v2.1/pages?limit=ten", token, {}, 400, "limit"},
      {"a bug costs one request", "GET", "/compute/v2.1/throws", token, {}, 500, "computeFault"},
      {"healthz", "GET", "/healthz", "", {}, 200, "OK"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto answer = site.send(row.method, row.target, "", row.token, row.headers);
    CAPTURE(answer.text);
    CHECK(answer.status == row.status);
    CHECK(answer.text.find(row.holds) != std::string::npos);
    CHECK(answer.text.find("secret/path") == std::string::npos);
    CHECK(answer.headers.get("X-Openstack-Request-Id").substr(0, 4) == "req-");
    CHECK(answer.headers.has("Allow") == (row.status == 405));
    const bool compute = row.target.substr(0, 8) == "/compute";
    CHECK(answer.headers.has("x-compute-request-id") == compute);
  }
  const auto echoed = site.get("/compute/v2.1/things/a");
  CHECK(echoed.headers.get("OpenStack-API-Version") == "compute 2.1");
  CHECK(echoed.headers.get("X-OpenStack-Nova-API-Version") == "2.1");
  CHECK(echoed.headers.get("Vary").find("OpenStack-API-Version") != std::string_view::npos);
}

TEST_CASE("a JSON body is read once, within its limits") {
  RouterSite site;
  struct Row {
    std::string what;
    std::string body;
    int status;
    const char* holds;
  };
  const Row rows[] = {
      {"good", R"({"thing": {"a": 1}})", 200, R"({"a":1})"},
      {"none", "", 400, "needs a JSON body"},
      {"blank", "  ", 400, "needs a JSON body"},
      {"not an object", "[1]", 400, "must be a JSON object"},
      {"no such member", R"({"other": {}})", 400, "thing is required"},
      {"member of another type", R"({"thing": []})", 400, "thing must be an object"},
      {"a name of 1 MB", R"({"thing": {"name": ")" + std::string(1 << 20, 'x') + "\"}}", 413,
       "larger than"},
      {"deep", std::string(100, '['), 400, "levels deep"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto answer = site.send("POST", "/network/v2.0/things", row.body, site.admin);
    CAPTURE(answer.text);
    CHECK(answer.status == row.status);
    CHECK(answer.text.find(row.holds) != std::string::npos);
  }
}

TEST_CASE("a route's class is known before anything is read") {
  RouterSite site;
  using rest::RouteClass;
  CHECK(site.router->classify("PUT", "/image/v2/things/1/file") == RouteClass::Streams);
  CHECK(site.router->classify("POST", "/network/v2.0/things?x=1") == RouteClass::Commits);
  CHECK(site.router->classify("GET", "/compute/v2.1/things/1") == RouteClass::Inline);
  CHECK(site.router->classify("PUT", "/nowhere") == RouteClass::Inline);
}

TEST_CASE("a foreign request id is logged only when it is one") {
  std::vector<std::string> lines;
  Options options;
  options.log = [&](const LogRecord& record) { lines.emplace_back(record.message); };
  rest_test::Site site(options);
  const std::string good = "req-0192f0c1-8a00-7000-8000-000000000001";
  for (const std::string& id : {good, std::string("req-evil\nline")}) {
    lines.clear();
    const auto answer =
        site.send("GET", "/healthz?secret=1", "", "", {{"X-Openstack-Request-Id", id}});
    CHECK(answer.headers.get("X-Openstack-Request-Id") != id);
    REQUIRE(!lines.empty());
    CHECK((lines.back().find(id) != std::string::npos) == (id == good));
    CHECK(lines.back().find("secret") == std::string::npos);
  }
}

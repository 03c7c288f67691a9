#include <algorithm>
#include <map>
#include <set>

#include "cloudos/hypervisor.hpp"
#include "cloudos/trace.hpp"
#include "hypervisor/simulated.hpp"
#include "rest/support.hpp"

using namespace cloudos;
using namespace rest_test;
using nlohmann::json;

namespace {

const std::string kTrace = "0af7651916cd43dd8448eb211c80319c", kCaller = "b7ad6b7169203331";
const std::string kTraceparent = "00-" + kTrace + "-" + kCaller + "-01";

/// Sends as a client at `address` would.
Answer ask(Site& site, const std::string& path, const std::string& address,
           const HeaderList& headers = {}) {
  rest::Request request;
  request.method = "GET";
  request.target = path;
  request.base_url = "http://cloud.test:5000";
  request.remote_address = address;
  for (const auto& [name, value] : headers) request.headers.add(name, value);
  auto response = site.router->handle(request);
  return {response.status, std::move(response.headers), std::get<std::string>(response.body)};
}

struct Kept {
  std::string name, trace, id, parent, request;
  bool ok = true;
  std::map<std::string, std::string> attributes;
};

/// A sink that keeps what it hears.
struct Ear {
  std::vector<Kept> spans;
  SpanSink sink() {
    return [this](const Span& span) {
      Kept kept{std::string(span.name),
                std::string(span.trace_id),
                std::string(span.span_id),
                std::string(span.parent_id),
                std::string(span.request_id),
                span.ok,
                {}};
      for (const auto& [name, value] : span.attributes) kept.attributes[name] = value;
      spans.push_back(std::move(kept));
    };
  }
  const Kept* find(const std::string& name) const {
    const auto found = std::find_if(spans.begin(), spans.end(),
                                    [&](const Kept& span) { return span.name == name; });
    return found == spans.end() ? nullptr : &*found;
  }
  const Kept* by_id(const std::string& id) const {
    const auto found =
        std::find_if(spans.begin(), spans.end(), [&](const Kept& span) { return span.id == id; });
    return found == spans.end() ? nullptr : &*found;
  }
};

/// Boots a server on a network with an image; returns the reply to the create call.
Answer boot(Site& site, const HeaderList& headers) {
  const auto image = site.post(
      "/image/v2/images", {{"name", "img"}, {"disk_format", "raw"}, {"container_format", "bare"}});
  REQUIRE(image.status == 201);
  const std::string image_id = image.json()["id"];
  REQUIRE(site.send("PUT", "/image/v2/images/" + image_id + "/file", "x", site.admin,
                    {{"Content-Type", "application/octet-stream"}})
              .status == 204);
  const auto net = site.post("/network/v2.0/networks", {{"network", {{"name", "net-a"}}}});
  REQUIRE(net.status == 201);
  const std::string network = net.json()["network"]["id"];
  REQUIRE(
      site.post("/network/v2.0/subnets",
                {{"subnet", {{"network_id", network}, {"cidr", "10.0.0.0/24"}, {"ip_version", 4}}}})
          .status == 201);
  site.settle();
  const json body = {{"server",
                      {{"name", "vm"},
                       {"imageRef", image_id},
                       {"flavorRef", "42"},
                       {"networks", {{{"uuid", network}}}}}}};
  auto answer = site.send("POST", "/compute/v2.1/servers", body.dump(), site.admin, headers);
  REQUIRE(answer.status == 202);
  site.settle();
  return answer;
}

}  // namespace

TEST_CASE("metrics are for admins and for monitors on the same machine, unless told otherwise") {
  struct Row {
    std::string what;
    MetricsAccess access;
    std::string address, token;
    HeaderList headers;
    int status;
  };
  const auto kLocal = MetricsAccess::Loopback;
  const Row rows[] = {
      {"from this machine", kLocal, "127.0.0.1", "", {}, 200},
      {"from this machine by IPv6", kLocal, "::1", "", {}, 200},
      {"IPv4 told as IPv6", kLocal, "::ffff:127.0.0.2", "", {}, 200},
      {"from elsewhere", kLocal, "192.0.2.7", "", {}, 401},
      {"an address that only begins alike", kLocal, "12.7.0.0", "", {}, 401},
      {"no address", kLocal, "", "", {}, 401},
      {"by a proxy", kLocal, "127.0.0.1", "", {{"X-Forwarded-For", "192.0.2.7"}}, 401},
      {"by another proxy", kLocal, "127.0.0.1", "", {{"forwarded", "for=192.0.2.7"}}, 401},
      {"an admin from elsewhere", kLocal, "192.0.2.7", "admin", {}, 200},
      {"an admin by a proxy", kLocal, "127.0.0.1", "admin", {{"Via", "1.1 x"}}, 200},
      {"a member from elsewhere", kLocal, "192.0.2.7", "member", {}, 403},
      {"a bad token from elsewhere", kLocal, "192.0.2.7", "nonsense", {}, 401},
      {"admins only, from this machine", MetricsAccess::Admin, "127.0.0.1", "", {}, 401},
      {"admins only, an admin", MetricsAccess::Admin, "192.0.2.7", "admin", {}, 200},
      {"everyone", MetricsAccess::Everyone, "192.0.2.7", "", {}, 200},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Options options;
    options.metrics_access = row.access;
    Site site(options);
    HeaderList headers = row.headers;
    if (row.token == "admin") headers.emplace_back("X-Auth-Token", site.admin);
    if (row.token == "member") headers.emplace_back("X-Auth-Token", site.add_user("tenant"));
    if (row.token == "nonsense") headers.emplace_back("X-Auth-Token", "nonsense");
    const auto answer = ask(site, "/metrics", row.address, headers);
    CAPTURE(answer.text);
    CHECK(answer.status == row.status);
    CHECK((answer.text.find("cloudos_") != std::string::npos) == (row.status == 200));
  }
}

TEST_CASE("guests on user-mode networks, who look local, do not read the metrics") {
  Options options;
  options.network = Backend::User;
  Site site(options);
  CHECK(ask(site, "/metrics", "127.0.0.1").status == 401);
  CHECK(ask(site, "/metrics", "127.0.0.1", {{"X-Auth-Token", site.admin}}).status == 200);
}

TEST_CASE("metrics tell of requests by route, of steps, of drivers and of the process") {
  Site site;
  boot(site, {});
  for (int i = 0; i < 50; ++i) ask(site, "/nowhere/" + std::to_string(i), "127.0.0.1");
  const auto answer = ask(site, "/metrics", "127.0.0.1");
  CHECK(answer.headers.get("Content-Type") == "text/plain; version=0.0.4; charset=utf-8");
  const char* const wanted[] = {
      "cloudos_http_request_seconds_count{service=\"compute\",method=\"POST\","
      "route=\"/compute/v2.1/servers\",status=\"2xx\"} 1\n",
      "cloudos_http_request_seconds_count{service=\"image\",method=\"PUT\","
      "route=\"/image/v2/images/{image_id}/file\",status=\"2xx\"} 1\n",
      "cloudos_http_request_seconds_count{service=\"none\",method=\"other\",route=\"none\","
      "status=\"4xx\"} 50\n",
      "cloudos_task_step_seconds_count{type=\"create-server\",step=\"boot\",way=\"run\","
      "outcome=\"done\"} 1\n",
      "cloudos_tasks_total{type=\"create-server\",state=\"done\"} 1\n",
      "cloudos_driver_call_seconds_count{driver=\"simulated\",verb=\"start\",outcome=\"ok\"} 1\n",
      "cloudos_tasks_open 0\n",
      "cloudos_tasks_stuck 0\n",
      "cloudos_driver_up{driver=\"hypervisor simulated\"} 1\n",
      "# TYPE process_open_fds gauge\n",
  };
  for (const char* line : wanted) {
    CAPTURE(line);
    CHECK(answer.text.find(line) != std::string::npos);
  }
}

TEST_CASE("every line of the metrics is one that Prometheus takes") {
  Site site;
  boot(site, {});
  const std::string text = ask(site, "/metrics", "127.0.0.1").text;
  std::set<std::string> series, typed;
  std::size_t begin = 0, count = 0;
  while (begin < text.size()) {
    const std::size_t end = text.find('\n', begin);
    REQUIRE(end != std::string::npos);
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    CAPTURE(line);
    if (line.starts_with("# TYPE "))
      CHECK(typed.insert(line.substr(7, line.find(' ', 7) - 7)).second);
    if (line.starts_with("#")) continue;
    ++count;
    const std::size_t blank = line.rfind(' ');
    REQUIRE(blank != std::string::npos);
    CHECK(series.insert(line.substr(0, blank)).second);
    CHECK_NOTHROW((void)std::stod(line.substr(blank + 1)));
    CHECK(std::all_of(line.begin(), line.begin() + 8,
                      [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; }));
  }
  CHECK(count > 100);
}

TEST_CASE("readyz says what is not ready, and why to those who may know") {
  hypervisor::SimulatedSettings settings;
  bool broken = false;
  settings.hooks.before = [&](std::string_view, const ServerId&) -> std::optional<Error> {
    if (broken) return Error{ErrorCode::Unavailable, "no connection to the hypervisor", {}};
    return std::nullopt;
  };
  Options options;
  options.hypervisor_driver = hypervisor::make_simulated(settings);
  Site site(options);
  const auto fresh = ask(site, "/readyz", "127.0.0.1");
  CHECK(fresh.status == 503);  // No driver has answered yet.
  site.settle();
  const auto ready = ask(site, "/readyz", "192.0.2.7");
  CAPTURE(ready.text);
  CHECK(ready.status == 200);
  CHECK(ready.json()["ready"] == true);
  CHECK(ready.json()["checks"].size() == 4);
  CHECK(ready.headers.get("Cache-Control") == "no-store");

  broken = true;
  site.clock->advance(std::chrono::seconds(11));
  site.settle();
  const auto local = ask(site, "/readyz", "127.0.0.1"), foreign = ask(site, "/readyz", "192.0.2.7");
  CHECK(local.status == 503);
  CHECK(local.text.find("no connection to the hypervisor") != std::string::npos);
  CHECK(foreign.status == 503);
  CHECK(foreign.json()["ready"] == false);
  CHECK(foreign.text.find("no connection") == std::string::npos);
  CHECK(ask(site, "/healthz", "192.0.2.7").status == 200);  // It lives all the same.

  broken = false;
  site.clock->advance(std::chrono::seconds(61));
  site.settle();
  CHECK(ask(site, "/readyz", "127.0.0.1").status == 200);
}

TEST_CASE("a runner that nobody drives is not ready") {
  Site site;
  site.settle();
  CHECK(ask(site, "/readyz", "127.0.0.1").status == 200);
  site.clock->advance(std::chrono::seconds(30));
  const auto idle = ask(site, "/readyz", "127.0.0.1");
  CHECK(idle.status == 503);
  CHECK(idle.text.find("run_pending") != std::string::npos);
  site.settle();
  CHECK(ask(site, "/readyz", "127.0.0.1").status == 200);
}

TEST_CASE("one create call is one tree of spans down to the driver's start") {
  Ear ear;
  Options options;
  options.span_sink = ear.sink();
  Site site(options);
  ear.spans.clear();
  const auto answer = boot(site, {{"traceparent", kTraceparent}});

  std::vector<Kept> ours;
  for (const Kept& span : ear.spans)
    if (span.trace == kTrace) ours.push_back(span);
  for (const Kept& span : ours) {
    CAPTURE(span.name);
    CHECK(span.ok);
    CHECK(span.request == answer.headers.get("X-Openstack-Request-Id"));
    // Up to the request, and from there to whoever called.
    const Kept* at = &span;
    for (int depth = 0; at && at->parent != kCaller && depth < 8; ++depth)
      at = ear.by_id(at->parent);
    REQUIRE(at != nullptr);
    CHECK(at->name == "POST /compute/v2.1/servers");
  }
  for (const char* name : {"POST /compute/v2.1/servers", "create-server/place",
                           "create-server/boot", "simulated define", "simulated start"}) {
    CAPTURE(name);
    CHECK(std::any_of(ours.begin(), ours.end(), [&](const Kept& s) { return s.name == name; }));
  }
  const Kept* const start = ear.find("simulated start");
  const Kept* const step = ear.by_id(start->parent);
  REQUIRE(step != nullptr);
  CHECK(step->name == "create-server/boot");
  CHECK(start->attributes.at("server.id") == step->attributes.at("task.resource").substr(7));
  CHECK(ear.find("POST /compute/v2.1/servers")->attributes.at("http.response.status_code") ==
        "202");
  CHECK(answer.headers.get("traceresponse").substr(0, 36) == "00-" + kTrace + "-");
  CHECK(answer.headers.get("traceresponse").substr(36, 16) ==
        ear.find("POST /compute/v2.1/servers")->id);
}

TEST_CASE("traces begin at the edge only when somebody listens, and obey the sampling flag") {
  Ear ear;
  Options options;
  options.span_sink = ear.sink();
  Site listened(options);
  ear.spans.clear();
  const auto own = ask(listened, "/healthz", "127.0.0.1");
  REQUIRE(ear.spans.size() == 1);
  CHECK(ear.spans[0].parent.empty());
  CHECK(own.headers.get("traceresponse").size() == 55);
  ear.spans.clear();
  std::string unsampled = kTraceparent;
  unsampled.back() = '0';
  const auto quiet = ask(listened, "/healthz", "127.0.0.1", {{"traceparent", unsampled}});
  CHECK(ear.spans.empty());
  CHECK(quiet.headers.get("traceresponse").substr(0, 35) == "00-" + kTrace);
  const auto twice = ask(listened, "/healthz", "127.0.0.1",
                         {{"traceparent", kTraceparent}, {"Traceparent", kTraceparent}});
  REQUIRE(ear.spans.size() == 1);  // Two are as good as none: a trace of its own.
  CHECK(ear.spans[0].trace != kTrace);

  Site alone;
  CHECK_FALSE(ask(alone, "/healthz", "127.0.0.1").headers.has("traceresponse"));
  CHECK_FALSE(ask(alone, "/healthz", "127.0.0.1", {{"traceparent", "00-1-2-3"}})
                  .headers.has("traceresponse"));
  CHECK(ask(alone, "/healthz", "127.0.0.1", {{"traceparent", kTraceparent}})
            .headers.get("traceresponse")
            .substr(0, 35) == "00-" + kTrace);
}

TEST_CASE("log lines of a task's steps name the request and the trace that it came from") {
  std::vector<std::pair<std::string, std::string>> ids;  // Of the lines of steps.
  Options options;
  options.room_log_levels = {{"tasks", LogLevel::Debug}};
  options.log = [&](const LogRecord& record) {
    if (record.room == "tasks" && record.message.find("(create-server), step") != std::string::npos)
      ids.emplace_back(record.request_id, record.trace_id);
  };
  Site site(options);
  const auto answer = boot(site, {{"traceparent", kTraceparent}});
  CHECK(ids.size() >= 6);
  for (const auto& [request, trace] : ids) {
    CHECK(request == answer.headers.get("X-Openstack-Request-Id"));
    CHECK(trace == kTrace);
  }
}

TEST_CASE("the dump of the state names what is under way") {
  Site site;
  boot(site, {});
  const std::string text = site.cloud->dump_state();
  CAPTURE(text);
  for (const char* part :
       {"tasks: 0 open", "executor: 0 threads", "driver: hypervisor simulated: up",
        "driver: network simulated: up", "process: "})
    CHECK(text.find(part) != std::string::npos);
}

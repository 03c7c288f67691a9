// The log of a whole cloud.
#include "audit/log.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <set>

#include "audit/resources.hpp"
#include "cloudos/audit.hpp"
#include "cloudos/flavors.hpp"
#include "cloudos/images.hpp"
#include "cloudos/keypairs.hpp"
#include "cloudos/networks.hpp"
#include "cloudos/servers.hpp"
#include "codec/binary.hpp"
#include "maintenance/kinds.hpp"
#include "rest/support.hpp"

using namespace cloudos;
using rest_test::Answer;
using rest_test::Site;

namespace {

std::vector<AuditEvent> events_of(Site& site, const AuditQuery& query = {}) {
  auto events = site.cloud->audit().list(Context::system(), query);
  REQUIRE(events);
  return *events;
}

Answer ask(Site& site, const std::string& method, const std::string& target,
           const std::string& token, const std::string& body = {},
           const rest_test::HeaderList& headers = {}) {
  return site.send(method, target, body, token, headers);
}

AuditQuery by_kind(const std::string& kind, AuditAction action) {
  AuditQuery query;
  query.kind = kind;
  query.action = action;
  return query;
}

}  // namespace

TEST_CASE("every kind of record is a resource that is told of, or said to be none") {
  const std::set<std::string_view> kNone = {
      "allocation",    "audit_change", "audit_failure", "audit_login",       "host_usage",
      "image-payload", "task",         "image-task",    "metadef-catalogue", "signature",
      "revoke_event",  "subnet_pool_use", "segment_range_table"};
  for (const auto& kind : maintenance::all_kinds()) {
    CAPTURE(kind.name);
    CHECK((audit::resource_of_kind(kind.name) != nullptr) != (kNone.count(kind.name) > 0));
  }
}

TEST_CASE("a request's change is told with who, from where and by what call") {
  Site site;
  const Answer made = ask(site, "POST", "/v3/projects", site.admin,
                          R"({"project": {"name": "seen", "domain_id": "default"}})",
                          {{"User-Agent", "openstacksdk/4.0"}});
  REQUIRE(made.status == 201);
  const std::string id = made.json()["project"]["id"];
  const auto events = events_of(site, by_kind("project", AuditAction::Create));
  REQUIRE_FALSE(events.empty());
  const AuditEvent& event = events.front();
  CHECK(event.target.id == id);
  CHECK(event.target.name == "seen");
  CHECK(event.target.type_uri == "data/security/project");
  CHECK(event.outcome == AuditOutcome::Success);
  CHECK_FALSE(event.initiator.user.empty());
  CHECK_FALSE(event.initiator.project.empty());
  CHECK(event.initiator.agent == "openstacksdk/4.0");
  CHECK(event.initiator.request_id == made.headers.get("X-Openstack-Request-Id"));
  CHECK(event.operation == "identity:create_project");
  CHECK(event.path == "/v3/projects");

  const Answer shown = ask(site, "GET", "/audit/v1/events/" + event.id, site.admin);
  REQUIRE(shown.status == 200);
  const auto cadf = shown.json()["event"];
  CHECK(cadf["typeURI"] == "http://schemas.dmtf.org/cloud/audit/1.0/event");
  CHECK(cadf["eventType"] == "activity");
  CHECK(cadf["action"] == "create");
  CHECK(cadf["outcome"] == "success");
  CHECK(cadf["target"]["id"] == id);
  CHECK(cadf["initiator"]["id"] == event.initiator.user.value);
  CHECK(cadf["initiator"]["host"]["agent"] == "openstacksdk/4.0");
  CHECK(cadf["observer"]["typeURI"] == "service/security");
  CHECK(std::string(cadf["eventTime"]).ends_with("+00:00"));
  const auto note = nlohmann::json::parse(notification_json(event, "identity.here"));
  CHECK(note["event_type"] == "identity.project.created");
  CHECK(note["publisher_id"] == "identity.here");
  CHECK(note["payload"]["id"] == event.id);
}

TEST_CASE("the cloud's own first start is told as its own") {
  Site site;
  for (const AuditEvent& event : events_of(site)) {
    if (event.action == AuditAction::Authenticate) continue;
    CAPTURE(event.target.kind);
    CHECK(event.action == AuditAction::Create);
    CHECK(event.initiator.user.empty());
  }
  CHECK(events_of(site, by_kind("domain", AuditAction::Create)).size() == 1);
}

TEST_CASE("logins are told, good ones and bad ones, and never a secret or an unknown name") {
  Site site;
  REQUIRE(site.cloud->audit().flush());
  AuditQuery logins;
  logins.action = AuditAction::Authenticate;
  const auto good = events_of(site, logins);
  REQUIRE(good.size() == 1);
  CHECK(good[0].outcome == AuditOutcome::Success);
  CHECK(good[0].methods == "password");
  CHECK(good[0].target.name == "admin");
  CHECK(good[0].target.id == good[0].initiator.user.value);

  struct Row {
    std::string what, user, password, reason;
    bool named;
  };
  const Row rows[] = {
      {"a wrong password", "admin", "hunter2 of nobody", "wrong credentials or scope", true},
      {"a password in place of a name", "my secret passphrase", "x", "no such user", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    nlohmann::json body;
    body["auth"]["identity"]["methods"] = {"password"};
    body["auth"]["identity"]["password"]["user"] = {
        {"name", row.user}, {"password", row.password}, {"domain", {{"id", "default"}}}};
    const Answer answer = ask(site, "POST", "/v3/auth/tokens", "", body.dump());
    CHECK(answer.status == 401);
    REQUIRE(site.cloud->audit().flush());
    logins.outcome = AuditOutcome::Failure;
    const auto failed = events_of(site, logins);
    REQUIRE_FALSE(failed.empty());
    CHECK(failed[0].reason == row.reason);
    CHECK(failed[0].initiator.user.empty() == !row.named);
    const std::string text = cadf_json(failed[0]);
    CHECK(text.find(row.password) == std::string::npos);
    if (!row.named) CHECK(text.find(row.user) == std::string::npos);
  }
}

TEST_CASE("a token that does not hold and a call without the right to it are refusals") {
  Site site;
  const std::string member = site.add_user("anna");
  CHECK(ask(site, "GET", "/v3/users", "gAAAAA-garbled").status == 401);
  CHECK(ask(site, "GET", "/v3/users", "").status == 401);
  CHECK(ask(site, "POST", "/v3/domains", member, R"({"domain": {"name": "d"}})").status == 403);
  REQUIRE(site.cloud->audit().flush());
  AuditQuery query;
  query.action = AuditAction::Deny;
  const auto events = events_of(site, query);
  REQUIRE(events.size() == 2);
  CHECK(events[0].reason == "Forbidden");
  CHECK(events[0].operation == "identity:create_domain");
  CHECK_FALSE(events[0].initiator.user.empty());
  CHECK(events[1].reason == "Unauthenticated");
  CHECK(events[1].initiator.user.empty());
}

TEST_CASE("keys that are rotated are told, though no record of the cloud changes") {
  Site site;
  for (const char* const kind : {"token_keys", "credential_keys"}) {
    CAPTURE(kind);
    AuditQuery query;
    query.action = AuditAction::Update;
    const std::string operation = fmt::format("identity:rotate_{}", kind);
    const auto told = [&] {
      REQUIRE(site.cloud->audit().flush());
      std::vector<AuditEvent> found;
      for (AuditEvent& event : events_of(site, query))
        if (event.operation == operation) found.push_back(std::move(event));
      return found;
    };
    CHECK(told().empty());
    std::string path;
    for (const rest::Route& route : rest::identity_registry_routes())
      if (route.policy == operation) path = route.pattern;
    for (const rest::Route& route : rest::identity_routes())
      if (route.policy == operation) path = route.pattern;
    REQUIRE_FALSE(path.empty());
    CHECK(ask(site, "POST", path, site.admin).status == 201);
    const auto events = told();
    REQUIRE(events.size() == 1);
    CHECK(events[0].outcome == AuditOutcome::Success);
    CHECK_FALSE(events[0].initiator.user.empty());
    CHECK(events[0].initiator.address == "192.0.2.1");
  }
}

TEST_CASE("events are found by what they say, page by page") {
  Site site;
  for (const char* name : {"a1", "a2", "a3", "a4", "a5"}) site.add_user(name);
  REQUIRE(site.cloud->audit().flush());
  const auto all = events_of(site);
  REQUIRE(all.size() > 15);
  for (std::size_t i = 1; i < all.size(); ++i)
    CHECK(all[i - 1].id.substr(0, 36) >= all[i].id.substr(0, 36));

  std::vector<std::string> paged;
  std::string target = "/audit/v1/events?limit=4";
  while (!target.empty()) {
    const Answer page = ask(site, "GET", target, site.admin);
    REQUIRE(page.status == 200);
    const auto json = page.json();
    CHECK(json["events"].size() <= 4);
    for (const auto& event : json["events"]) paged.push_back(event["id"]);
    target.clear();
    if (json.contains("events_links")) {
      const std::string href = json["events_links"][0]["href"];
      target = href.substr(href.find("/audit"));
    }
  }
  REQUIRE(paged.size() == all.size());
  for (std::size_t i = 0; i < all.size(); ++i) CHECK(paged[i] == all[i].id);

  struct Row {
    std::string what, query;
    std::size_t count;
  };
  const Row rows[] = {
      {"kind", "kind=project&action=create&target=a3", 1},
      {"outcome", "outcome=failure", 0},
      {"an action that is none of changes", "action=deny", 0},
      {"a time that is over", "until=2000-01-01T00:00:00Z", 0},
      {"a time to come", "since=2100-01-01T00:00:00Z", 0},
      {"nobody", "initiator=nobody", 0},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Answer answer = ask(site, "GET", "/audit/v1/events?" + row.query, site.admin);
    REQUIRE(answer.status == 200);
    CHECK(answer.json()["events"].size() == row.count);
  }
  for (const char* wrong : {"action=x", "outcome=x", "since=x", "colour=red", "marker=x"}) {
    CAPTURE(wrong);
    CHECK(ask(site, "GET", std::string("/audit/v1/events?") + wrong, site.admin).status == 400);
  }
  CHECK(ask(site, "GET", "/audit/v1/events/nothing", site.admin).status == 404);
  CHECK(ask(site, "GET", "/audit/v1/events", "").status == 401);
}

TEST_CASE("a project sees its own events, and no addresses of others") {
  Site site;
  const std::string anna = site.add_user("anna");
  const std::string bert = site.add_user("bert");
  const auto make = [&](const std::string& token, const std::string& name) {
    const Answer made = ask(site, "POST", "/network/v2.0/networks", token,
                            R"({"network": {"name": ")" + name + "\"}}");
    REQUIRE(made.status == 201);
    return std::string(made.json()["network"]["id"]);
  };
  const std::string hers = make(anna, "hers");
  make(bert, "his");
  REQUIRE(ask(site, "DELETE", "/network/v2.0/networks/" + hers, site.admin).status == 204);
  const Answer seen = ask(site, "GET", "/audit/v1/events?kind=network", anna);
  REQUIRE(seen.status == 200);
  const auto events = seen.json()["events"];
  REQUIRE(events.size() == 2);
  CHECK(events[0]["action"] == "delete");
  CHECK_FALSE(events[0]["initiator"].contains("host"));
  CHECK(events[1]["action"] == "create");
  const auto others = events_of(site, by_kind("network", AuditAction::Create));
  REQUIRE(others.size() == 2);
  CHECK(ask(site, "GET", "/audit/v1/events/" + others[0].id, anna).status == 404);
  CHECK(ask(site, "GET", "/audit/v1/events/" + others[1].id, anna).status == 200);
}

TEST_CASE("each kind of event is bounded by number and by age") {
  Options options;
  options.audit.changes = 50;
  options.audit.logins = 5;
  options.audit.age = std::chrono::hours{24};
  Site site(std::move(options));
  for (int i = 0; i < 40; ++i) site.add_user("user" + std::to_string(i));
  REQUIRE(site.cloud->audit().flush());
  site.clock->advance(std::chrono::hours{2});
  site.cloud->run_pending();
  AuditQuery logins;
  logins.action = AuditAction::Authenticate;
  CHECK(events_of(site, logins).size() == 5);
  const auto kept = events_of(site).size();
  CHECK(kept >= 50);
  CHECK(kept < 120);  // A commit may be several events.
  site.clock->advance(std::chrono::hours{48});
  site.cloud->run_pending();
  CHECK(events_of(site).empty());
}

TEST_CASE("an audit that is off records nothing and is still there to ask") {
  Options options;
  options.audit.on = false;
  Site site(std::move(options));
  site.add_user("anna");
  REQUIRE(site.cloud->audit().flush());
  CHECK(events_of(site).empty());
}

TEST_CASE("who subscribes to audit_event hears of each and can read it") {
  Site site;
  site.cloud->run_pending();
  std::vector<std::string> heard;
  SubscribeOptions what;
  what.kinds = {"audit_event"};
  auto subscription = site.cloud->subscribe(what, [&](const ChangeBatch& batch) {
    for (const auto& change : batch.changes) {
      CHECK(change.kind == "audit_event");
      const auto event = site.cloud->audit().get(Context::system(), change.id);
      if (event) heard.push_back(notification_type(*event));
    }
  });
  REQUIRE(subscription);
  site.add_user("anna");
  REQUIRE(site.cloud->audit().flush());
  site.cloud->run_pending();
  for (const char* type : {"identity.project.created", "identity.user.created",
                           "identity.role_assignment.created", "identity.authenticate"}) {
    CAPTURE(type);
    CHECK(std::count(heard.begin(), heard.end(), type) >= 1);
  }
}

TEST_CASE("the log counts what it records") {
  Site site;
  const std::string text = site.cloud->metrics_text();
  CHECK(text.find("cloudos_audit_events_total{kind=\"change\"}") != std::string::npos);
  CHECK(text.find("cloudos_audit_events_total{kind=\"login\"} 1") != std::string::npos);
}

TEST_CASE("an assignment is told with who got which role where, and what came and went") {
  Site site;
  const auto projects = site.cloud->identity().list_projects(Context::system(), {});
  REQUIRE(projects);
  const std::string project = projects->front().id.value;
  UserCreate spec;
  spec.name = "una";
  spec.domain = DomainId{"default"};
  const auto user = site.cloud->identity().create_user(Context::system(), spec);
  REQUIRE(user);
  std::map<std::string, std::string> roles;
  const auto all_roles = site.cloud->identity().list_roles(Context::system(), {});
  REQUIRE(all_roles);
  for (const Role& role : *all_roles) roles[role.name] = role.id.value;
  const std::string place = "/v3/projects/" + project + "/users/" + user->id.value + "/roles/";
  REQUIRE(ask(site, "PUT", place + roles["member"], site.admin).status == 204);
  REQUIRE(ask(site, "PUT", place + roles["reader"], site.admin).status == 204);
  REQUIRE(ask(site, "DELETE", place + roles["member"], site.admin).status == 204);
  AuditQuery query;
  query.kind = "grant";
  query.initiator = UserId{};
  const auto events = site.cloud->audit().list(Context::system(), query);
  REQUIRE(events);
  REQUIRE(events->size() >= 3);
  const auto& taken = events->at(0).target;
  CHECK(taken.project.value == project);
  CHECK(taken.attached.at("user") == user->id.value);
  CHECK(taken.attached.at("project") == project);
  CHECK(taken.attached.at("roles") == roles["reader"]);
  CHECK(taken.attached.at("roles_removed") == roles["member"]);
  CHECK(events->at(1).target.attached.at("roles_added") == roles["reader"]);
  CHECK(events->at(2).action == AuditAction::Create);
  CHECK(events->at(2).target.attached.at("roles") == roles["member"]);
  const std::string cadf = cadf_json(events->at(0));
  CHECK(cadf.find("\"attachments\"") != std::string::npos);
  CHECK(cadf.find(roles["member"]) != std::string::npos);
}

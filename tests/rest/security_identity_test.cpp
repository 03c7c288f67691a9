// What attackers have done to others, tried here over REST.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "cloudos/audit.hpp"
#include "cloudos/credentials.hpp"
#include "identity/ec2_signature.hpp"
#include "rest/support.hpp"

using namespace cloudos;
using namespace rest_test;
using Json = nlohmann::json;

namespace {

const std::string kApi = "/identity/v3";

using Victim = Site::Person;

Json password_body(const Json& user, const Json& scope = nullptr) {
  Json auth = {{"identity", {{"methods", {"password"}}, {"password", {{"user", user}}}}}};
  if (!scope.is_null()) auth["scope"] = scope;
  return {{"auth", auth}};
}

Answer login_with(Site& site, const Json& body) {
  return site.send("POST", kApi + "/auth/tokens", body.dump(), "");
}

std::string issued_text(const Answer& answer) {
  CAPTURE(answer.text);
  REQUIRE(answer.status == 201);
  return std::string(answer.headers.get("X-Subject-Token"));
}

Json application_credential(Site& site, const Victim& of, bool unrestricted) {
  const Json spec = {{"name", unrestricted ? "free" : "bound"}, {"unrestricted", unrestricted}};
  const Answer made = site.send("POST", kApi + "/users/" + of.id + "/application_credentials",
                                Json{{"application_credential", spec}}.dump(), of.token);
  CAPTURE(made.text);
  REQUIRE(made.status == 201);
  return made.json()["application_credential"];
}

Json ec2_key(Site& site, const Victim& of, const std::string& token) {
  const Answer made = site.send("POST", kApi + "/users/" + of.id + "/credentials/OS-EC2",
                                Json{{"tenant_id", of.project}}.dump(), token);
  CAPTURE(made.text);
  REQUIRE(made.status == 201);
  return made.json()["credential"];
}

/// A request signed with the key at that time, as a service would show it.
Json signed_body(const Json& key, WallTime at) {
  SignedRequest request;
  request.access = key["access"];
  request.host = "cloud.test";
  request.verb = "GET";
  request.path = "/";
  request.params = {{"Action", "X"}, {"SignatureVersion", "2"}, {"Timestamp", format_time(at)}};
  const auto signature =
      identity::ec2_signature(request, request.host, key["secret"].get<std::string>());
  REQUIRE(signature);
  return {{"credentials",
           {{"access", request.access},
            {"signature", signature->text},
            {"host", request.host},
            {"verb", request.verb},
            {"path", request.path},
            {"params", request.params},
            {"headers", Json::object()},
            {"body_hash", ""}}}};
}

/// How many password hashes were computed so far.
long hashes(Site& site) {
  const std::string text = site.cloud->metrics_text();
  const std::string name = "\ncloudos_password_hashes_total ";
  const auto at = text.find(name);
  REQUIRE(at != std::string::npos);
  return std::stol(text.substr(at + name.size()));
}

}  // namespace

TEST_CASE("headers of a proxy that there is not are believed by no service") {
  Site site;
  const HeaderList forged = {{"X-Identity-Status", "Confirmed"},
                             {"X-Roles", "admin"},
                             {"X-User-Id", "admin"},
                             {"X-Project-Id", "admin"},
                             {"X-Is-Admin-Project", "True"},
                             {"X-Service-Roles", "admin"},
                             {"OpenStack-System-Scope", "all"},
                             {"X-Domain-Id", "default"}};
  for (const char* path : {"/identity/v3/users", "/image/v2/images", "/network/v2.0/networks",
                           "/compute/v2.1/servers", "/tasks/v1/tasks", "/audit/v1/events"}) {
    CAPTURE(path);
    CHECK(site.send("GET", path, "", "", forged).status == 401);
  }
}

TEST_CASE("a restricted application credential mints no credential of any kind") {
  Site site;
  const Victim una = site.person("una"), bob = site.person("bob");
  struct Row {
    std::string what, path;
    Json body;
  };
  const std::string user = kApi + "/users/" + una.id;
  const Row rows[] = {
      {"another application credential",
       user + "/application_credentials",
       {{"application_credential", {{"name", "next"}}}}},
      {"an EC2 key", user + "/credentials/OS-EC2", {{"tenant_id", una.project}}},
      {"a credential",
       kApi + "/credentials",
       {{"credential",
         {{"type", "ec2"},
          {"blob", R"({"access": "a", "secret": "s"})"},
          {"project_id", una.project},
          {"user_id", una.id}}}}},
      {"a trust",
       kApi + "/OS-TRUST/trusts",
       {{"trust",
         {{"trustor_user_id", una.id},
          {"trustee_user_id", bob.id},
          {"project_id", una.project},
          {"impersonation", true},
          {"roles", Json::array({{{"name", "member"}}})}}}}},
      {"another password",
       user + "/password",
       {{"user", {{"original_password", "password of una"}, {"password", "mine now"}}}}},
  };
  const Json bound = application_credential(site, una, false);
  const std::string token = issued_text(site.log_in_by_credential(bound["id"], bound["secret"]));
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Answer answer = site.send("POST", row.path, row.body.dump(), token);
    CAPTURE(answer.text);
    // One's own password is changed without a token: whoever knows it may.
    if (row.path.ends_with("/password")) {
      CHECK(answer.status != 200);
      CHECK(answer.status < 500);
      continue;
    }
    CHECK(answer.status == 403);
  }
  CHECK(site.send("DELETE", user + "/application_credentials/" + bound["id"].get<std::string>(), "",
                  token)
            .status == 403);
  CHECK(site.send("GET", kApi + "/credentials?user_id=" + una.id, "", una.token)
            .json()["credentials"]
            .empty());
}

TEST_CASE("a signed request gives a token once, while it is fresh, and to services only") {
  Site site;
  const Victim una = site.person("una");
  const Json key = ec2_key(site, una, una.token);
  const auto show = [&](const Json& body, const std::string& token) {
    return site.send("POST", kApi + "/ec2tokens", body.dump(), token).status;
  };
  const Json fresh = signed_body(key, site.clock->wall());
  CHECK(show(fresh, "") == 401);
  CHECK(show(fresh, una.token) == 403);
  CHECK(show(fresh, site.admin) == 200);
  CHECK(show(fresh, site.admin) == 401);
  const Json old = signed_body(key, site.clock->wall() - std::chrono::hours{25});
  CHECK(show(old, site.admin) == 401);
  const Json future = signed_body(key, site.clock->wall() + std::chrono::hours{25});
  CHECK(show(future, site.admin) == 401);
  Json changed = signed_body(key, site.clock->wall() + std::chrono::seconds{1});
  changed["credentials"]["params"]["Action"] = "TerminateInstances";
  CHECK(show(changed, site.admin) == 401);
}

TEST_CASE("what is handed on by trust and EC2 key never gains roles or life") {
  Site site;
  const Victim una = site.person("una"), bob = site.person("bob");
  const WallTime end = site.clock->wall() + std::chrono::minutes{10};
  const Json spec = {
      {"trustor_user_id", una.id},      {"trustee_user_id", bob.id},
      {"project_id", una.project},      {"impersonation", false},
      {"expires_at", format_time(end)}, {"roles", Json::array({{{"name", "reader"}}})}};
  const Answer made =
      site.send("POST", kApi + "/OS-TRUST/trusts", Json{{"trust", spec}}.dump(), una.token);
  CAPTURE(made.text);
  REQUIRE(made.status == 201);
  const std::string trust = made.json()["trust"]["id"];
  const Json by_trust = password_body(
      {{"name", "bob"}, {"domain", {{"id", "default"}}}, {"password", "password of bob"}},
      {{"OS-TRUST:trust", {{"id", trust}}}});
  const Answer first = login_with(site, by_trust);
  const std::string token = issued_text(first);
  const auto roles_of = [](const Json& body) {
    std::vector<std::string> names;
    for (const auto& role : body["token"]["roles"]) names.push_back(role["name"]);
    return names;
  };
  CHECK(roles_of(first.json()) == std::vector<std::string>{"reader"});
  CHECK(first.json()["token"]["expires_at"].get<std::string>() <= format_time(end, true));

  // A key made by the trust keeps to it.
  Victim project_of_una = bob;
  project_of_una.project = una.project;
  const Json key = ec2_key(site, project_of_una, token);
  const auto by_key = [&](std::chrono::seconds later) {
    return site.send("POST", kApi + "/ec2tokens",
                     signed_body(key, site.clock->wall() + later).dump(), site.admin);
  };
  const Answer second = by_key(std::chrono::seconds{0});
  CAPTURE(second.text);
  REQUIRE(second.status == 200);
  CHECK(roles_of(second.json()) == std::vector<std::string>{"reader"});
  CHECK(second.json()["token"]["expires_at"].get<std::string>() <= format_time(end, true));
  const std::string text(second.headers.get("X-Subject-Token"));
  // Neither is exchanged for anything, a trust least of all.
  for (const std::string& held : {token, text}) {
    const Json exchange = {
        {"auth", {{"identity", {{"methods", {"token"}}, {"token", {{"id", held}}}}}}}};
    const int status = login_with(site, exchange).status;
    CHECK((status == 401 || status == 403));
    CHECK(site.send("POST", kApi + "/OS-TRUST/trusts", Json{{"trust", spec}}.dump(), held).status ==
          403);
  }
  // With the trust everything ends.
  REQUIRE(site.send("DELETE", kApi + "/OS-TRUST/trusts/" + trust, "", una.token).status == 204);
  CHECK(site.send("GET", kApi + "/auth/catalog", "", token).status == 401);
  CHECK(site.send("GET", kApi + "/auth/catalog", "", text).status == 401);
  CHECK(by_key(std::chrono::seconds{1}).status == 401);
}

TEST_CASE("a credential stays its user's, its project's and of its type") {
  Site site;
  const Victim una = site.person("una"), bob = site.person("bob");
  const Json spec = {{"type", "ec2"},
                     {"blob", R"({"access": "aa", "secret": "ss"})"},
                     {"project_id", una.project},
                     {"user_id", una.id}};
  const Answer made =
      site.send("POST", kApi + "/credentials", Json{{"credential", spec}}.dump(), una.token);
  CAPTURE(made.text);
  REQUIRE(made.status == 201);
  const std::string path =
      kApi + "/credentials/" + made.json()["credential"]["id"].get<std::string>();
  for (const Json& change :
       {Json{{"project_id", bob.project}}, Json{{"user_id", bob.id}}, Json{{"type", "cert"}}}) {
    CAPTURE(change.dump());
    const Answer answer = site.send("PATCH", path, Json{{"credential", change}}.dump(), una.token);
    CHECK((answer.status == 403 || answer.status == 400));
  }
  const Json kept = site.send("GET", path, "", una.token).json()["credential"];
  CHECK(kept["project_id"] == una.project);
  CHECK(kept["user_id"] == una.id);
  CHECK(kept["type"] == "ec2");
  CHECK(site.send("GET", path, "", bob.token).status == 404);
}

TEST_CASE("wrong logins are told apart by neither words nor work") {
  Site site;
  const Victim una = site.person("una"), off = site.person("off");
  REQUIRE(
      site.send("PATCH", kApi + "/users/" + off.id, R"({"user": {"enabled": false}})", site.admin)
          .status == 200);
  const Json home = {{"id", "default"}};
  struct Row {
    std::string what;
    Json user, scope;
  };
  const Row rows[] = {
      {"a wrong password", {{"name", "una"}, {"domain", home}, {"password", "x"}}, nullptr},
      {"no such name", {{"name", "nobody"}, {"domain", home}, {"password", "x"}}, nullptr},
      {"no such id", {{"id", "0123456789abcdef0123456789abcdef"}, {"password", "x"}}, nullptr},
      {"a wrong password, by id", {{"id", una.id}, {"password", "x"}}, nullptr},
      {"no such domain",
       {{"name", "una"}, {"domain", {{"name", "none"}}}, {"password", "x"}},
       nullptr},
      {"disabled, and the password is right",
       {{"name", "off"}, {"domain", home}, {"password", "password of off"}},
       nullptr},
      {"disabled, and it is wrong",
       {{"name", "off"}, {"domain", home}, {"password", "x"}},
       nullptr},
      {"a project of another",
       {{"name", "una"}, {"domain", home}, {"password", "password of una"}},
       {{"project", {{"id", off.project}}}}},
      {"no such project",
       {{"name", "una"}, {"domain", home}, {"password", "password of una"}},
       {{"project", {{"id", "0123456789abcdef0123456789abcdef"}}}}},
  };
  std::string told;
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const long before = hashes(site);
    const Answer answer = login_with(site, password_body(row.user, row.scope));
    CHECK(answer.status == 401);
    CHECK(hashes(site) - before == 1);
    const std::string message = answer.json()["error"]["message"];
    if (told.empty()) told = message;
    CHECK(message == told);
  }
}

TEST_CASE("a password of a megabyte costs no hash") {
  Site site;
  const Victim una = site.person("una");
  const std::string huge(1 << 20, 'p');
  const long before = hashes(site);
  const auto status = [&](const std::string& method, const std::string& path, const Json& body,
                          const std::string& token) {
    return site.send(method, kApi + path, body.dump(), token).status;
  };
  const Json login =
      password_body({{"name", "una"}, {"domain", {{"id", "default"}}}, {"password", huge}});
  const int refused = status("POST", "/auth/tokens", login, "");
  CHECK((refused == 401 || refused == 400 || refused == 413));
  for (const std::size_t size : {limits::kPasswordBytes + 1, std::size_t{1} << 19}) {
    const std::string large(size, 'p');
    const Json create = {{"user", {{"name", "big"}, {"password", large}}}};
    const Json change = {{"user", {{"password", large}}}};
    const Json own = {{"user", {{"original_password", large}, {"password", "n"}}}};
    CHECK(status("POST", "/users", create, site.admin) == 400);
    CHECK(status("PATCH", "/users/" + una.id, change, site.admin) == 400);
    const int wrong = status("POST", "/users/" + una.id + "/password", own, una.token);
    CHECK((wrong == 401 || wrong == 400 || wrong == 413));
  }
  CHECK(hashes(site) == before);
}

TEST_CASE("what is disabled above takes along what is below") {
  Site site;
  const auto made = [&](const std::string& path, const Json& body) {
    const Answer answer = site.send("POST", kApi + path, body.dump(), site.admin);
    CAPTURE(answer.text);
    REQUIRE(answer.status == 201);
    return answer.json();
  };
  const Json domain = made("/domains", {{"domain", {{"name", "branch"}}}})["domain"];
  const Json project =
      made("/projects", {{"project", {{"name", "p"}, {"domain_id", domain["id"]}}}})["project"];
  const Json user = made(
      "/users",
      {{"user", {{"name", "u"}, {"domain_id", domain["id"]}, {"password", "secret"}}}})["user"];
  const Json roles = site.get(kApi + "/roles?name=member").json()["roles"];
  const std::string grant = kApi + "/projects/" + project["id"].get<std::string>() + "/users/" +
                            user["id"].get<std::string>() + "/roles/" +
                            roles[0]["id"].get<std::string>();
  REQUIRE(site.send("PUT", grant, "", site.admin).status == 204);
  const Json login = password_body({{"id", user["id"]}, {"password", "secret"}},
                                   {{"project", {{"id", project["id"]}}}});
  struct Row {
    std::string what, path, wrapper;
  };
  const Row rows[] = {{"the domain", "/domains/" + domain["id"].get<std::string>(), "domain"},
                      {"the project", "/projects/" + project["id"].get<std::string>(), "project"},
                      {"the user", "/users/" + user["id"].get<std::string>(), "user"}};
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const std::string token = issued_text(login_with(site, login));
    const auto set = [&](bool enabled) {
      const Answer answer = site.send(
          "PATCH", kApi + row.path, Json{{row.wrapper, {{"enabled", enabled}}}}.dump(), site.admin);
      CAPTURE(answer.text);
      REQUIRE(answer.status == 200);
    };
    set(false);
    CHECK(login_with(site, login).status == 401);
    CHECK(site.send("GET", kApi + "/auth/catalog", "", token).status == 401);
    set(true);
    CHECK(site.send("GET", kApi + "/auth/catalog", "", token).status == 401);  // It stays dead.
  }
}

TEST_CASE("a token made of a token ends with it, however often that is done") {
  Site site;
  const Victim una = site.person("una");
  std::string token = una.token;
  const auto end_of = [&](const std::string& text) {
    const Answer shown =
        site.send("GET", kApi + "/auth/tokens", "", text, {{"X-Subject-Token", text}});
    REQUIRE(shown.status == 200);
    return shown.json()["token"]["expires_at"].get<std::string>();
  };
  const std::string end = end_of(token);
  for (int i = 0; i < 5; ++i) {
    site.clock->advance(std::chrono::minutes{5});
    const Json exchange = {{"auth",
                            {{"identity", {{"methods", {"token"}}, {"token", {{"id", token}}}}},
                             {"scope", {{"project", {{"id", una.project}}}}}}}};
    token = issued_text(login_with(site, exchange));
    CHECK(end_of(token) == end);
  }
  site.clock->advance(std::chrono::hours{1});
  CHECK(site.send("GET", kApi + "/auth/catalog", "", token).status == 401);
}

TEST_CASE("each of these leaves its mark in the audit log, and no secret in it") {
  Site site;
  const Victim una = site.person("una");
  const Json key = ec2_key(site, una, una.token);
  login_with(site, password_body({{"id", una.id}, {"password", "guess of mine"}}));
  CHECK(site.send("GET", kApi + "/users", "", una.token).status == 403);
  CHECK(site.send("POST", kApi + "/ec2tokens", signed_body(key, site.clock->wall()).dump(),
                  site.admin)
            .status == 200);
  Json wrong = signed_body(key, site.clock->wall());
  wrong["credentials"]["signature"] = "no";
  CHECK(site.send("POST", kApi + "/ec2tokens", wrong.dump(), site.admin).status == 401);
  REQUIRE(site.cloud->audit().flush());
  const auto events = site.cloud->audit().list(Context::system(), {});
  REQUIRE(events);
  int guesses = 0, denials = 0, keys = 0, refused_keys = 0;
  for (const AuditEvent& event : *events) {
    guesses += event.action == AuditAction::Authenticate &&
               event.outcome == AuditOutcome::Failure && event.methods == "password";
    denials += event.action == AuditAction::Deny;
    keys += event.methods == "ec2credential" && event.outcome == AuditOutcome::Success;
    refused_keys += event.methods == "ec2credential" && event.outcome == AuditOutcome::Failure;
    const std::string text = cadf_json(event);
    CHECK(text.find("guess of mine") == std::string::npos);
    CHECK(text.find(key["secret"].get<std::string>()) == std::string::npos);
  }
  CHECK(guesses == 1);
  CHECK(denials >= 1);
  CHECK(keys == 1);
  CHECK(refused_keys == 1);
}

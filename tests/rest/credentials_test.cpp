#include "cloudos/credentials.hpp"

#include "base/text.hpp"
#include "identity/ec2_signature.hpp"
#include "rest/support.hpp"

using namespace cloudos;
using namespace rest_test;
using nlohmann::json;

namespace {

const std::string kCredsV3 = "/identity/v3";

json made(Site& site, const std::string& path, const json& body, const std::string& token) {
  const Answer answer = site.send("POST", kCredsV3 + path, body.dump(), token);
  CAPTURE(answer.text);
  REQUIRE(answer.status == 201);
  return answer.json();
}

json new_password(const std::string& original, const std::string& password) {
  return {{"user", {{"original_password", original}, {"password", password}}}};
}

}  // namespace

TEST_CASE("users: options are set one by one, null takes one away, unknown ones are refused") {
  Site site;
  json user = made(site, "/users",
                   {{"user",
                     {{"name", "una"},
                      {"password", "p"},
                      {"email", "u@x"},
                      {"options", {{"lock_password", true}, {"ignore_password_expiry", false}}}}}},
                   site.admin)["user"];
  CHECK(user["options"] == json{{"lock_password", true}, {"ignore_password_expiry", false}});
  CHECK(user["email"] == "u@x");
  CHECK(user["password_expires_at"].is_null());
  const std::string path = kCredsV3 + "/users/" + user["id"].get<std::string>();
  const auto patch = [&](const json& options) {
    return site.send("PATCH", path, json{{"user", {{"options", options}}}}.dump(), site.admin);
  };
  const json rules = {{"password", "totp"}, {"password"}};
  const Answer changed = patch({{"lock_password", nullptr},
                                {"multi_factor_auth_enabled", true},
                                {"multi_factor_auth_rules", rules}});
  REQUIRE(changed.status == 200);
  const json want = {{"ignore_password_expiry", false},
                     {"multi_factor_auth_enabled", true},
                     {"multi_factor_auth_rules", rules}};
  CHECK(changed.json()["user"]["options"] == want);
  CHECK(site.get(path).json()["user"]["options"] == want);
  for (const json& wrong :
       {json{{"immutable", true}}, json{{"lock_password", "yes"}}, json{{"lock_password", 1}},
        json{{"multi_factor_auth_rules", "password"}}, json{{"multi_factor_auth_rules", {1}}},
        json{{"multi_factor_auth_rules", {{1}}}},
        json{{"multi_factor_auth_rules", json::object()}}}) {
    CAPTURE(wrong.dump());
    CHECK(patch(wrong).status == 400);
  }
  CHECK(site.get(path).json()["user"]["options"] == want);
}

TEST_CASE("users: a password that expired is told, filtered by, and changed without a token") {
  Options options;
  options.account_rules.password_days = 10;
  Site site(std::move(options));
  const json user =
      made(site, "/users", {{"user", {{"name", "una"}, {"password", "old"}}}}, site.admin)["user"];
  CHECK(user["password_expires_at"] == "2023-11-24T22:13:20.000000");
  const auto count = [&](const std::string& filter) {
    const Answer answer = site.get(kCredsV3 + "/users?name=una&password_expires_at=" + filter);
    return answer.status == 200 ? answer.json()["users"].size() : 99;
  };
  CHECK(count("lt:2023-11-25T00:00:00Z") == 1);
  CHECK(count("gte:2023-11-25T00:00:00Z") == 0);
  CHECK(count("lt:never") == 99);
  site.clock->advance(std::chrono::hours(24 * 10));
  const json login = {{"auth",
                       {{"identity",
                         {{"methods", {"password"}},
                          {"password", {{"user", {{"id", user["id"]}, {"password", "old"}}}}}}}}}};
  CHECK(site.send("POST", kCredsV3 + "/auth/tokens", login.dump(), "").status == 401);
  const std::string path = kCredsV3 + "/users/" + user["id"].get<std::string>() + "/password";
  const auto change = [&](const json& body, const std::string& token) {
    return site.send("POST", path, body.dump(), token).status;
  };
  CHECK(change(new_password("wrong", "new"), "") == 401);
  CHECK(change(json{{"user", {{"password", "new"}}}}, "") == 400);
  CHECK(change(new_password("old", std::string(60'000, 'p')), "") == 400);
  CHECK(change(new_password("old", "new"), "garbled") == 204);
  CHECK(site.send("POST", kCredsV3 + "/users/0123/password", new_password("old", "new").dump(), "")
            .status == 401);
}

TEST_CASE("credentials: as Tempest makes, changes and reads them") {
  Site site;
  site.add_user("una");
  const std::string user = site.id_of_user("una");
  const std::string one = site.id_of_project("una"), two = site.id_of_project("admin");
  const json credential = made(site, "/credentials",
                               {{"credential",
                                 {{"user_id", user},
                                  {"project_id", one},
                                  {"blob", R"({"access": "A1", "secret": "S1"})"},
                                  {"type", "ec2"}}}},
                               site.admin)["credential"];
  CHECK(credential["links"]["self"].get<std::string>().ends_with(
      "/credentials/" + credential["id"].get<std::string>()));
  const std::string path = kCredsV3 + "/credentials/" + credential["id"].get<std::string>();
  const Answer changed = site.send(
      "PATCH", path,
      json{
          {"credential",
           {{"blob", R"({"access": "A2", "secret": "S2"})"}, {"project_id", two}, {"type", "ec2"}}}}
          .dump(),
      site.admin);
  REQUIRE(changed.status == 200);
  const json now = site.get(path).json()["credential"];
  CHECK(now == changed.json()["credential"]);
  CHECK(now["project_id"] == two);
  CHECK(json::parse(now["blob"].get<std::string>()) == json{{"access", "A2"}, {"secret", "S2"}});
  CHECK(site.get(kCredsV3 + "/credentials?type=ec2").json()["credentials"].size() == 1);
  CHECK(site.get(kCredsV3 + "/credentials?type=totp").json()["credentials"].empty());
  CHECK(site.get(kCredsV3 + "/credentials?user_id=" + user).json()["credentials"].size() == 1);
  CHECK(site.send("DELETE", path, "", site.admin).status == 204);
  CHECK(site.get(path).status == 404);
}

TEST_CASE("credentials: what is wrong in shape is 400, another's 404, others' to make 403") {
  Site site;
  const std::string una = site.add_user("una"), otto = site.add_user("otto");
  const std::string user = site.id_of_user("una"), project = site.id_of_project("una");
  const json good = {{"type", "cert"}, {"blob", "x"}, {"user_id", user}, {"project_id", project}};
  const auto status = [&](json body, const std::string& token) {
    return site.send("POST", kCredsV3 + "/credentials", json{{"credential", body}}.dump(), token)
        .status;
  };
  for (const char* missing : {"type", "blob", "user_id"}) {
    CAPTURE(missing);
    json body = good;
    body.erase(missing);
    CHECK(status(body, una) == 400);
  }
  for (const char* blob : {"x", "[]", "{}", R"({"access":"a"})", R"({"access":1,"secret":"s"})"}) {
    CAPTURE(blob);
    json body = good;
    body["type"] = "ec2";
    body["blob"] = blob;
    CHECK(status(body, una) == 400);
  }
  CHECK(status(good, otto) == 403);
  CHECK(status(good, "") == 401);
  const json credential = made(site, "/credentials", {{"credential", good}}, una)["credential"];
  const std::string path = kCredsV3 + "/credentials/" + credential["id"].get<std::string>();
  for (const char* method : {"GET", "DELETE"})
    CHECK(site.send(method, path, "", otto).status == 404);
  CHECK(site.send("PATCH", path, R"({"credential":{"blob":"y"}})", otto).status == 404);
  CHECK(site.send("PATCH", path, R"({"credential":{"type":"ec2","blob":"{}"}})", una).status ==
        400);
  CHECK(site.send("PATCH", path, R"({"credential":{"type":"other"}})", una).status == 403);
  CHECK(site.send("PATCH", path, R"({"credential":{"blob":"y"}})", una).status == 200);
  CHECK(site.send("GET", kCredsV3 + "/credentials", "", otto).json()["credentials"].empty());
}

TEST_CASE("EC2 keys: made, listed and shown to their user; signatures are for services") {
  Site site;
  const std::string una = site.add_user("una");
  const std::string service = site.add_user("nova", "member");
  const std::string user = site.id_of_user("una"), project = site.id_of_project("una");
  const std::string path = "/users/" + user + "/credentials/OS-EC2";
  const json key = made(site, path, {{"tenant_id", project}}, una)["credential"];
  CHECK(key["user_id"] == user);
  CHECK(key["tenant_id"] == project);
  CHECK(key["trust_id"].is_null());
  const std::string access = key["access"], secret = key["secret"];
  CHECK(site.send("GET", kCredsV3 + path, "", una).json()["credentials"] == json::array({key}));
  CHECK(site.send("GET", kCredsV3 + path + "/" + access, "", una).json()["credential"] == key);
  CHECK(site.send("GET", kCredsV3 + path, "", service).status == 403);
  CHECK(site.send("POST", kCredsV3 + path, "{}", una).status == 400);

  SignedRequest request;
  request.access = access;
  request.host = "cloud.test";
  request.verb = "GET";
  request.path = "/";
  request.params = {
      {"Action", "X"}, {"SignatureVersion", "2"}, {"Timestamp", format_time(site.clock->wall())}};
  const auto signature = identity::ec2_signature(request, request.host, secret);
  REQUIRE(signature);
  const json body = {{"credentials",
                      {{"access", access},
                       {"signature", signature->text},
                       {"host", request.host},
                       {"verb", request.verb},
                       {"path", request.path},
                       {"params", request.params},
                       {"headers", json::object()},
                       {"body_hash", ""}}}};
  const auto show = [&](const json& shown, const std::string& token) {
    return site.send("POST", kCredsV3 + "/ec2tokens", shown.dump(), token);
  };
  CHECK(show(body, "").status == 401);
  CHECK(show(body, una).status == 403);
  CHECK(show(json::object(), site.admin).status == 400);
  CHECK(show({{"credentials", {{"access", access}}}}, site.admin).status == 401);
  const Answer token = show(body, site.admin);
  REQUIRE(token.status == 200);
  CHECK(token.json()["token"]["user"]["id"] == user);
  CHECK(token.json()["token"]["project"]["id"] == project);
  const std::string text(token.headers.get("X-Subject-Token"));
  CHECK(site.send("GET", kCredsV3 + "/users/" + user, "", text).status == 200);
  CHECK(show(body, site.admin).status == 401);

  SignedRequest s3;
  s3.string_to_sign = "GET\n\n\nTue, 14 Nov 2023 22:13:20 GMT\n/bucket";
  const json shown = {{"credentials",
                       {{"access", access},
                        {"signature", identity::s3_signature(s3, secret)->text},
                        {"token", to_base64(s3.string_to_sign, true)}}}};
  CHECK(site.send("POST", kCredsV3 + "/s3tokens", shown.dump(), "").status == 401);
  CHECK(site.send("POST", kCredsV3 + "/s3tokens", shown.dump(), una).status == 403);
  CHECK(site.send("POST", kCredsV3 + "/s3tokens", shown.dump(), site.admin).status == 200);
  CHECK(site.send("DELETE", kCredsV3 + path + "/" + access, "", una).status == 204);
  CHECK(site.send("GET", kCredsV3 + path + "/" + access, "", una).status == 404);
}

#pragma once
#include <doctest/doctest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cloudos/cloud.hpp"
#include "cloudos/identity.hpp"
#include "rest/router.hpp"

/// A cloud in memory and its router, for tests that are tables of requests and replies.
namespace rest_test {

inline constexpr const char* kAdminPassword = "a secret of the admin's";

struct Answer {
  int status = 0;
  cloudos::rest::Headers headers;
  std::string text;
  /// The body as JSON; a discarded value when it is none.
  nlohmann::json json() const { return nlohmann::json::parse(text, nullptr, false); }
};

using HeaderList = std::vector<std::pair<std::string, std::string>>;

class Site {
 public:
  explicit Site(cloudos::Options options = {}) {
    clock = std::make_shared<cloudos::ManualClock>();
    options.clock = clock;
    options.random = std::make_shared<cloudos::SeededRandom>(7);
    options.workers = 0;
    options.password_cost = 4;
    options.admin_password = kAdminPassword;
    auto opened = cloudos::Cloud::open(std::move(options));
    const std::string why = opened ? "" : opened.error().message + " " + opened.error().detail;
    INFO(why);
    REQUIRE(opened);
    cloud = std::move(*opened);
    router = std::make_unique<cloudos::rest::Router>(*cloud);
    admin = login("admin", kAdminPassword, "admin");
  }

  /// A token of this user for this project, both of the domain Default.
  std::string login(const std::string& user, const std::string& password,
                    const std::string& project) {
    cloudos::Login login;
    login.password = cloudos::Login::Password{{"", user, "default", ""}, password};
    login.scope.kind = cloudos::Scope::Kind::Project;
    login.scope.target = {"", project, "default", ""};
    const auto token = cloud->identity().authenticate(login);
    REQUIRE(token);
    return token->text;
  }

  std::string id_of_user(const std::string& name) {
    return get("/identity/v3/users?name=" + name).json()["users"][0]["id"];
  }
  std::string id_of_project(const std::string& name) {
    return get("/identity/v3/projects?name=" + name).json()["projects"][0]["id"];
  }
  /// A new user who is a member of a new project; both are called `name`.
  struct Person {
    std::string token, id, project;
  };
  Person person(const std::string& name) {
    std::string token = add_user(name);
    return {std::move(token), id_of_user(name), id_of_project(name)};
  }
  /// By an application credential.
  Answer log_in_by_credential(const std::string& id, const std::string& secret) {
    const nlohmann::json method = {{"id", id}, {"secret", secret}};
    const nlohmann::json identity = {{"methods", {"application_credential"}},
                                     {"application_credential", method}};
    return send("POST", "/identity/v3/auth/tokens",
                nlohmann::json{{"auth", {{"identity", identity}}}}.dump(), "");
  }

  /// A token of a new user with this role on a new project; both are called `name`.
  std::string add_user(const std::string& name, std::string_view role = "member") {
    const auto system = cloudos::Context::system();
    auto& identity = cloud->identity();
    cloudos::ProjectCreate project;
    project.name = name;
    project.domain = cloudos::DomainId{"default"};
    const auto made = identity.create_project(system, project);
    REQUIRE(made);
    cloudos::UserCreate user;
    user.name = name;
    user.domain = cloudos::DomainId{"default"};
    user.password = "password of " + name;
    const auto who = identity.create_user(system, user);
    REQUIRE(who);
    const auto roles = identity.list_roles(system, {});
    REQUIRE(roles);
    cloudos::Assignment assignment;
    assignment.user = who->id;
    assignment.project = made->id;
    for (const auto& each : *roles)
      if (each.name == role) assignment.role = each.id;
    REQUIRE(!assignment.role.empty());
    REQUIRE(identity.grant(system, assignment));
    return login(name, "password of " + name, name);
  }

  /// Sends a request as whoever holds `token`; empty: nobody.
  Answer send(std::string method, std::string target, std::string body, const std::string& token,
              const HeaderList& headers = {}) {
    cloudos::TextSource source(body);
    cloudos::rest::Request request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.base_url = "http://cloud.test:5000";
    request.remote_address = "192.0.2.1";
    for (const auto& [name, value] : headers) request.headers.add(name, value);
    if (!token.empty()) request.headers.add("X-Auth-Token", token);
    request.caller = caller;
    if (!body.empty()) {
      if (!request.headers.has("Content-Type"))
        request.headers.add("Content-Type", "application/json");
      request.body = &source;
    }
    auto response = router->handle(request);
    return {response.status, std::move(response.headers), body_text(response.body)};
  }
  Answer get(std::string target) { return send("GET", std::move(target), "", admin); }
  Answer post(std::string target, const nlohmann::json& body) {
    return send("POST", std::move(target), body.dump(), admin);
  }

  /// Runs the cloud's pending work until none is due, `most` rounds of virtual time at most.
  void settle(int most = 64) {
    for (int i = 0; i < most; ++i) {
      cloud->run_pending();
      const auto next = cloud->next_deadline();
      if (!next || *next > clock->mono() + std::chrono::seconds(5)) return;
      if (*next > clock->mono()) clock->advance(*next - clock->mono());
    }
  }

  std::shared_ptr<cloudos::ManualClock> clock;
  std::unique_ptr<cloudos::Cloud> cloud;
  std::unique_ptr<cloudos::rest::Router> router;
  std::string admin;  ///< Token of the admin on project admin.
  std::optional<cloudos::Context> caller;  ///< Whom a host program vouches for; tokens count not.

 private:
  static std::string body_text(decltype(cloudos::rest::Response::body)& body) {
    if (auto* text = std::get_if<std::string>(&body)) return std::move(*text);
    std::string out;
    if (auto* source = std::get_if<std::unique_ptr<cloudos::ByteSource>>(&body)) {
      char buffer[4096];
      while (true) {
        const auto count = (*source)->read(std::as_writable_bytes(std::span(buffer)));
        REQUIRE(count);
        if (*count == 0) break;
        out.append(buffer, *count);
      }
    } else {
      const auto& range = std::get<cloudos::rest::FileRange>(body);
      std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(range.path.c_str(), "rb"),
                                                           &std::fclose);
      REQUIRE(file);
      REQUIRE(std::fseek(file.get(), static_cast<long>(range.offset), SEEK_SET) == 0);
      out.resize(range.length);
      REQUIRE(std::fread(out.data(), 1, out.size(), file.get()) == out.size());
    }
    return out;
  }
};

}  // namespace rest_test

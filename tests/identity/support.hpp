#pragma once
#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/executor.hpp"
#include "identity/identity.hpp"
#include "cloudos/store.hpp"
#include "tasks/engine.hpp"
#include "tasks/runner.hpp"

/// Identity on a store in memory, a clock that stands still and seeded randomness.
namespace identity_test {

inline constexpr const char* kAdminPassword = "first password";

/// A folder that goes when the test ends.
class TempFolder {
 public:
  TempFolder() {
    std::string name = std::filesystem::temp_directory_path() / "cloudos-identity-XXXXXX";
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::filesystem::path path;
};

class World {
 public:
  explicit World(std::filesystem::path folder = {}) : data_dir(std::move(folder)) {
    settings.admin_password = kAdminPassword;
    settings.password_cost = 4;
    start();
  }

  /// Opens identity anew on the same store, as a restart does.
  void start() {
    identity.reset();
    runner = std::make_unique<cloudos::TaskRunner>(*store, executor, clock, random, cloudos::Log());
    const cloudos::Engine engine{*store, executor,        *runner,  clock, random,
                                 ids,    cloudos::Log(log_sink, "identity"), data_dir, "00000000"};
    auto made = cloudos::make_identity(engine, settings);
    const std::string why = made ? "" : made.error().message + made.error().detail;
    INFO(why);
    REQUIRE(made);
    identity = std::move(*made);
    REQUIRE(runner->start());
  }

  cloudos::Result<cloudos::Token> login(const std::string& user, const std::string& password,
                                        cloudos::Scope scope = {}) {
    cloudos::Login login;
    login.password = cloudos::Login::Password{{"", user, "default", ""}, password};
    login.scope = std::move(scope);
    return identity->authenticate(login);
  }
  static cloudos::Scope project_scope(const std::string& name) {
    return {cloudos::Scope::Kind::Project, {"", name, "default", ""}};
  }
  static cloudos::Scope unscoped() { return {cloudos::Scope::Kind::Unscoped, {}}; }
  cloudos::Token admin_token() {
    auto token = login("admin", settings.admin_password, project_scope("admin"));
    REQUIRE(token);
    return *token;
  }
  cloudos::Result<cloudos::Token> rescope(const std::string& text, cloudos::Scope scope = {}) {
    cloudos::Login login;
    login.token = text;
    login.scope = std::move(scope);
    return identity->authenticate(login);
  }

  cloudos::Project add_project(const std::string& name, const std::string& domain = "default") {
    cloudos::ProjectCreate spec;
    spec.name = name;
    spec.domain = cloudos::DomainId{domain};
    auto made = identity->create_project(system, spec);
    REQUIRE(made);
    return *made;
  }
  cloudos::User add_user(const std::string& name, const std::string& domain = "default") {
    cloudos::UserCreate spec;
    spec.name = name;
    spec.domain = cloudos::DomainId{domain};
    spec.password = "password of " + name;
    auto made = identity->create_user(system, spec);
    REQUIRE(made);
    return *made;
  }
  cloudos::Domain add_domain(const std::string& name) {
    cloudos::DomainCreate spec;
    spec.name = name;
    auto made = identity->create_domain(system, spec);
    REQUIRE(made);
    return *made;
  }
  cloudos::RoleId role(const std::string& name) {
    const auto roles = identity->list_roles(system, {});
    REQUIRE(roles);
    for (const auto& each : *roles)
      if (each.name == name) return each.id;
    cloudos::RoleCreate spec;
    spec.name = name;
    auto made = identity->create_role(system, spec);
    REQUIRE(made);
    return made->id;
  }
  /// Also one that is immutable.
  cloudos::Result<void> remove_role(const cloudos::RoleId& id) {
    cloudos::IdentityUpdate unset;
    unset.immutable = std::optional<bool>();
    auto allowed = identity->update_role(system, id, unset);
    if (!allowed) return cloudos::fail(allowed.error());
    return identity->remove_role(system, id);
  }
  void grant(const cloudos::UserId& user, const cloudos::ProjectId& project,
             const std::string& name) {
    REQUIRE(identity->grant(system, {user, {}, project, {}, role(name)}));
  }
  /// What is told of ended tokens goes by itself, when those would have expired.
  std::size_t keys(std::string_view prefix = "/") {
    const auto at = store->snapshot();
    REQUIRE(at);
    const auto entries = (*at)->scan(prefix);
    return static_cast<std::size_t>(
        std::count_if(entries->begin(), entries->end(), [](const cloudos::store::Entry& entry) {
          return entry.key.find("/revoke_event/") == std::string::npos;
        }));
  }
  cloudos::store::Revision revision() { return (*store->snapshot())->revision(); }

  cloudos::ManualClock clock;
  cloudos::SeededRandom random{42};
  cloudos::IdSource ids{clock, random};
  std::unique_ptr<cloudos::store::Store> store = cloudos::store::open_memory();
  cloudos::Executor executor{clock, 0};
  std::vector<std::string> log_lines;
  cloudos::LogSink log_sink = [this](const cloudos::LogRecord& line) {
    log_lines.emplace_back(line.message);
  };
  std::filesystem::path data_dir;
  cloudos::IdentitySettings settings;
  std::unique_ptr<cloudos::TaskRunner> runner;
  std::unique_ptr<cloudos::Identity> identity;
  const cloudos::Context system = cloudos::Context::system();
};

inline std::vector<std::string> role_names(const cloudos::Token& token) {
  std::vector<std::string> names;
  for (const auto& role : token.roles) names.push_back(role.name);
  return names;
}

}  // namespace identity_test

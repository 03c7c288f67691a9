#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <thread>

#include "cloudos/cloud.hpp"
#include "rest/router.hpp"
#include "transport.hpp"
#include "verbs/verbs.hpp"

// The one file of the program that opens a cloud.
namespace cli {
namespace {

using cloudos::Context;
using cloudos::ErrorCode;
using cloudos::fail;
using cloudos::Result;
namespace verbs = cloudos::verbs;

class LocalTransport final : public Transport {
 public:
  LocalTransport(std::unique_ptr<cloudos::Cloud> cloud, LocalSettings settings)
      : cloud_(std::move(cloud)), router_(*cloud_), settings_(std::move(settings)) {}

  /// The administrator of a new cloud, in the project that was asked for.
  Result<void> log_in() {
    caller_ = Context::system();
    const std::string project = settings_.project.empty() ? "admin" : settings_.project;
    CLOUDOS_TRY(const json user, only("users.list", {{"name", "admin"}, {"domain_id", "default"}}));
    CLOUDOS_TRY(const json target, only("projects.list", {{"name", project}}));
    if (!target.is_object())
      return fail(ErrorCode::NotFound, fmt::format("No project is called '{}'. See: cloudos "
                                                   "project list",
                                                   project));
    caller_.project = cloudos::ProjectId{target.value("id", "")};
    caller_.project_domain = cloudos::DomainId{target.value("domain_id", "")};
    if (user.is_object()) {
      caller_.user = cloudos::UserId{user.value("id", "")};
      caller_.user_domain = cloudos::DomainId{user.value("domain_id", "")};
    }
    login_ = {{"project", target}, {"user", user}, {"roles", caller_.roles}};
    return Result<void>();
  }

  Result<Reply> send(const verbs::Verb& verb, const verbs::Request& request) override {
    if (verb.method != "GET" && !before_) before_ = newest_open_task();
    return verbs::send(router_, caller_, verb, request);
  }

  Result<json> login() override { return login_; }

  bool pause(std::chrono::milliseconds time) override {
    if (cloud_->role() == cloudos::FolderRole::Runner && settings_.simulated) {
      const auto until = cloud_->clock().mono() + time;
      cloud_->run_pending(until);
    }
    std::this_thread::sleep_for(std::min(time, kLook));
    return settings_.simulated || cloud_->role() == cloudos::FolderRole::Guest;
  }

  std::string left_undone() override {
    if (!before_ || cloud_->role() == cloudos::FolderRole::Guest) return {};
    const std::string newest = newest_open_task();
    if (newest.empty() || newest == *before_) return {};
    // l10n: "Nobody runs {}: what takes work waits for the next cloudosd on it."
    return fmt::format("Nobody runs {}: what takes work waits for the next cloudosd on it.",
                       settings_.folder);
  }

 private:
  static constexpr std::chrono::milliseconds kLook{20};

  /// The one thing that a list has; null when it has none.
  Result<json> only(std::string_view verb, const json& parameters) {
    CLOUDOS_TRY(const std::string text, verbs::call(router_, caller_, verb, parameters.dump()));
    json list = json::parse(text, nullptr, false);
    return list.is_array() && !list.empty() ? json(std::move(list[0])) : json();
  }

  std::string newest_open_task() {
    const auto task = only("tasks.list", {{"open", true}, {"limit", 1}});
    return task && task->is_object() ? task->value("id", "") : std::string();
  }

  std::unique_ptr<cloudos::Cloud> cloud_;
  cloudos::rest::Router router_;
  const LocalSettings settings_;
  Context caller_;
  json login_;
  std::optional<std::string> before_;  // That task, before the first change.
};

/// A word mistyped makes no cloud, neither beside the one that was meant nor among other files.
Result<void> check_folder(const LocalSettings& settings) {
  namespace fs = std::filesystem;
  std::error_code error;
  // A folder that cannot be looked into is for who opens it to complain about.
  if (fs::exists(fs::path(settings.folder) / "store", error) || error) return Result<void>();
  if (settings.reads)
    return fail(ErrorCode::NotFound,
                fmt::format("There is no cloud in {}. The first command that makes something makes "
                            "one there.",
                            settings.folder));
  for (fs::directory_iterator at(settings.folder, error), end; !error && at != end;
       at.increment(error))
    if (at->path().filename() != "lost+found")
      return fail(ErrorCode::Conflict,
                  fmt::format("There is no cloud in {}, but other things are: name a new folder, or "
                              "an empty one.",
                              settings.folder));
  return Result<void>();
}

}  // namespace

Result<std::unique_ptr<Transport>> local_transport(const LocalSettings& settings) {
  CLOUDOS_CHECK(check_folder(settings));
  cloudos::Options options;
  options.data_dir = settings.folder;
  options.role = cloudos::FolderRole::Any;
  // Work is done only while something is waited for, and only on simulated hosts: a folder's own
  // guests and networks are for the daemon that knows how it was set up.
  options.workers = 0;
  CLOUDOS_TRY(auto cloud, cloudos::Cloud::open(std::move(options)));
  auto transport = std::make_unique<LocalTransport>(std::move(cloud), settings);
  CLOUDOS_CHECK(transport->log_in());
  return std::unique_ptr<Transport>(std::move(transport));
}

}  // namespace cli

#pragma once
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cloudos/clock.hpp"
#include "cloudos/export.hpp"
#include "cloudos/ids.hpp"
#include "cloudos/result.hpp"

namespace cloudos {

/// Ends calls that are under way from another thread. Copies share one state; a default-made one
/// never fires. Thread-safe.
class CancelToken {
 public:
  CancelToken() = default;
  static CancelToken make() {
    CancelToken token;
    token.fired_ = std::make_shared<std::atomic<bool>>(false);
    return token;
  }
  void cancel() const {
    if (fired_) fired_->store(true, std::memory_order_release);
  }
  bool cancelled() const { return fired_ && fired_->load(std::memory_order_acquire); }

 private:
  std::shared_ptr<std::atomic<bool>> fired_;
};

/// Who calls, for which project, under which request id. A plain value: made by
/// Identity::authenticate for a token, or by Context::system() for the program that embeds us.
struct Context {
  UserId user;
  DomainId user_domain;
  ProjectId project;               ///< Empty: unscoped, or the system itself.
  DomainId project_domain;
  DomainId domain;                 ///< Scoped to a domain instead of a project; else empty.
  bool system_scope = false;       ///< Scoped to the whole cloud instead of a project.
  std::vector<std::string> roles;  ///< Names, implied roles included, sorted.
  bool is_admin = false;           ///< Holds role `admin`: sees and changes every project's things.
  TrustId trust;                   ///< The token acts by a trust; else empty.
  ApplicationCredentialId application_credential;  ///< It acts by one of those; else empty.
  /// By a restricted one: whatever its roles, it may make no credentials and change no user's own.
  bool restricted = false;
  std::string request_id;          ///< "req-<uuid>"; goes to every log line and task.
  /// W3C trace context whose span is the parent of what the call does; empty: no trace. Kept with
  /// the call's task, so that its steps and their driver calls belong to the same trace.
  std::string traceparent;
  std::optional<MonoTime> deadline;  ///< Calls that would wait longer end with Timeout.
  CancelToken cancel;                ///< Calls that wait or stream end with Cancelled once it fires.

  /// The host program itself: admin, no user.
  static Context system(std::string request_id = {}) {
    Context context;
    context.is_admin = true;
    context.roles = {"admin", "member", "reader"};
    context.request_id = std::move(request_id);
    return context;
  }
  /// May this caller see something of `owner`?
  bool may_see(const ProjectId& owner) const { return is_admin || owner == project; }
};

/// What every call that changes something begins with, and every wait and stream asks between two
/// steps: may this caller's call go on? One that answers an error has changed nothing.
/// Errors: Timeout (the deadline has passed), Cancelled.
CLOUDOS_EXPORT Result<void> check_call(const Context& ctx, const Clock& clock);

}  // namespace cloudos

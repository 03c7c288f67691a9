#pragma once
#include <string>
#include <string_view>

#include "cloudos/context.hpp"

/// For whom this thread works: what the audit log says of a change.
namespace cloudos {

/// One stretch of work of a thread. The strings that views point to outlive it.
struct Actor {
  enum class Kind {
    Call,  ///< Of the host program, made straight into the typed API.
    Edge,  ///< A request that came in from outside.
    Work,  ///< Our own: a task's step, a reconciler, a login's bookkeeping.
  } kind = Kind::Call;
  const Context* caller = nullptr;  ///< Who called, where an edge knows it; else as told.
  bool told = false;                ///< By check_call: the copies below.
  UserId user;
  DomainId user_domain, domain;
  ProjectId project;
  bool system_scope = false;
  std::string request_id;
  std::string_view address, agent, operation, path;
};

/// The innermost ActorScope of this thread, or the thread's own, which begins without a caller.
///
/// Thread-local, like current_work(), and for the same reason: a commit is far below the call that
/// makes it, and what lies between has no use for who calls.
const Actor& current_actor();

/// What check_call() tells: from here on this stretch of work is done for `ctx`. An edge's own word
/// holds against it.
void tell_caller(const Context& ctx);

class ActorScope final {
 public:
  explicit ActorScope(Actor::Kind kind);
  /// An edge's. `caller` is null while nobody is known.
  ActorScope(const Context* caller, std::string_view address, std::string_view agent,
             std::string_view operation, std::string_view path);
  ~ActorScope();
  ActorScope(const ActorScope&) = delete;
  ActorScope& operator=(const ActorScope&) = delete;
  void called_by(const Context* caller) { actor_.caller = caller; }

 private:
  Actor actor_;
  Actor* const outer_;
};

}  // namespace cloudos

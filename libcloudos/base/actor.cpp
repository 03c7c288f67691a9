#include "base/actor.hpp"

namespace cloudos {
namespace {

thread_local Actor* innermost_actor = nullptr;

Actor& actor_of_thread() {
  thread_local Actor own;
  return innermost_actor ? *innermost_actor : own;
}

}  // namespace

const Actor& current_actor() {
  return actor_of_thread();
}

void tell_caller(const Context& ctx) {
  Actor& actor = actor_of_thread();
  if (actor.caller) return;
  actor.told = true;
  actor.user = ctx.user;  // Assigned in place: a thread's next call finds its memory there.
  actor.user_domain = ctx.user_domain;
  actor.domain = ctx.domain;
  actor.project = ctx.project;
  actor.system_scope = ctx.system_scope;
  actor.request_id = ctx.request_id;
}

ActorScope::ActorScope(Actor::Kind kind) : outer_(innermost_actor) {
  if (outer_) {  // Work for a request comes from where the request came from.
    actor_.address = outer_->address;
    actor_.agent = outer_->agent;
    actor_.operation = outer_->operation;
    actor_.path = outer_->path;
    if (kind == Actor::Kind::Work && outer_->caller) actor_.request_id = outer_->caller->request_id;
  }
  actor_.kind = kind;
  innermost_actor = &actor_;
}

ActorScope::ActorScope(const Context* caller, std::string_view address, std::string_view agent,
                       std::string_view operation, std::string_view path)
    : outer_(innermost_actor) {
  actor_.kind = Actor::Kind::Edge;
  actor_.caller = caller;
  actor_.address = address;
  actor_.agent = agent;
  actor_.operation = operation;
  actor_.path = path;
  innermost_actor = &actor_;
}

ActorScope::~ActorScope() {
  innermost_actor = outer_;
}

}  // namespace cloudos

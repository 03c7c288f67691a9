#include "cloudos/context.hpp"

#include "base/actor.hpp"

namespace cloudos {

Result<void> check_call(const Context& ctx, const Clock& clock) {
  if (ctx.cancel.cancelled())
    return fail(ErrorCode::Cancelled, "the call was cancelled by its caller");
  if (ctx.deadline && clock.mono() >= *ctx.deadline)
    return fail(ErrorCode::Timeout, "the call's deadline has passed; what it was to change was not");
  tell_caller(ctx);
  return Result<void>();
}

}  // namespace cloudos

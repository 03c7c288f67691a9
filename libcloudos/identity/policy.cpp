#include "identity/policy.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/assert.hpp"

namespace cloudos::identity {
namespace {

bool policy_has_role(const Context& ctx, std::string_view role) {
  return std::find(ctx.roles.begin(), ctx.roles.end(), role) != ctx.roles.end();
}

bool policy_allows(const Context& ctx, Rule rule, const PolicyTarget& target) {
  if (ctx.is_admin) return true;
  const bool in_project = !ctx.project.empty() &&
                          (target.project.empty() || target.project == ctx.project);
  switch (rule) {
    case Rule::Anyone: return true;
    case Rule::Reader:
      return in_project && (policy_has_role(ctx, "reader") || policy_has_role(ctx, "member"));
    case Rule::Member: return in_project && policy_has_role(ctx, "member");
    case Rule::Self:
      return !ctx.user.empty() && (target.user.empty() || target.user == ctx.user);
    case Rule::Admin: return false;
  }
  return false;
}

}  // namespace

PolicyTable::PolicyTable() {
  for (const auto rows : {identity_policies(), compute_policies(), image_policies(),
                          network_policies()}) {
    for (const PolicyRow& row : rows) {
      // A name given twice would hide one of two rules.
      CLOUDOS_ASSERT(rules_.emplace(row.name, row.rule).second);
    }
  }
}

Result<void> PolicyTable::enforce(const Context& ctx, std::string_view name,
                                  const PolicyTarget& target) const {
  const auto rule = rules_.find(name);
  if (rule == rules_.end()) {
    return fail(ErrorCode::Internal, "this request has no policy rule, so nobody may make it",
                fmt::format("policy '{}' is not in the table", name));
  }
  if (policy_allows(ctx, rule->second, target)) return Result<void>();
  return fail(ErrorCode::Forbidden,
              fmt::format("you are not allowed to do this: policy {} needs another role, or a "
                          "token for the project it is about",
                          name));
}

}  // namespace cloudos::identity

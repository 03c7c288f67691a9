#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/context.hpp"
#include "cloudos/export.hpp"
#include "cloudos/ids.hpp"
#include "cloudos/result.hpp"

namespace cloudos {

/// Whose thing a rule is asked about; a rule reads it as %(name)s.
///
/// What is empty is not known (yet), and whatever hangs on it is taken in the caller's favour: so
/// an edge asks before it has read the thing, and the service asks again with all of it.
struct PolicyTarget {
  ProjectId project;              ///< project_id, tenant_id, target.project.id
  UserId user;                    ///< user_id, target.user.id
  DomainId domain{};              ///< domain_id, target.domain.id, target.domain_id
  DomainId project_domain{};      ///< target.project.domain_id
  DomainId user_domain{};         ///< target.user.domain_id
  DomainId group_domain{};        ///< target.group.domain_id
  std::string role_name{};        ///< target.role.name
  std::optional<bool> enabled{};  ///< enabled: "True" or "False"
  /// All is said: what is empty does not exist, and equals nothing (but None).
  bool complete = false;
};

/// One rule as a policy has it.
struct PolicyRule {
  std::string name;                 ///< "identity:create_user"
  std::string rule;                 ///< In force: "rule:admin_required"
  std::string default_rule;         ///< Empty for a helper that only the policy file has.
  std::vector<std::string> scopes;  ///< "project", "domain", "system" that a token may have; any.
  bool guards = false;              ///< Asked by an API; false: a helper that other rules refer to.
  bool changed = false;             ///< By the policy file, by meaning and not by blanks.
};

/// Yes or no, and how it came about: one line for each check that was looked at, indented by depth.
struct PolicyAnswer {
  bool allowed = false;
  std::vector<std::string> lines;
};

/// Who may do what: the default rules with those of a policy file over them.
///
/// Rules are written in the language of OpenStack's policy files: `role:`, `rule:`, `is_admin:`,
/// `user_id:`, `project_id:`, `domain_id:`, `user_domain_id:`, `project_domain_id:`,
/// `system_scope:all`, literals such as `'member':%(target.role.name)s`, `@` (everyone), `!`
/// (nobody), `and`, `or`, `not` and parentheses. They are compiled once.
/// Constant after construction, hence thread-safe; copies share one table.
/// Source: oslo.policy.
class CLOUDOS_EXPORT Policy final {
 public:
  /// The default rules.
  Policy();
  /// The default rules with those of `text`, a YAML or JSON map of name to rule, over them.
  /// Errors: InvalidArgument, naming line, column and rule: not the language, a name that is
  /// neither one of ours nor used by another rule (with the nearest one), a circle, a part of the
  /// target that is not known where the rule is asked; TooLarge.
  static Result<Policy> parse(std::string_view text);

  /// May this caller? A rule says no for certain, or the answer is yes. The host program itself
  /// (Context::system()) always may. Takes well under a microsecond.
  /// Errors: Forbidden, Internal (no such rule).
  Result<void> enforce(const Context& ctx, std::string_view name,
                       const PolicyTarget& target = {}) const;
  /// The same, told step by step. Errors: NotFound (no such rule; names the nearest).
  Result<PolicyAnswer> explain(const Context& ctx, std::string_view name,
                               const PolicyTarget& target = {}) const;
  /// Rule context_is_admin: does this caller see and change every project's things?
  bool is_admin(const Context& ctx) const;
  /// All rules by name.
  std::vector<PolicyRule> rules() const;
  /// Errors: NotFound (names the nearest).
  Result<PolicyRule> rule(std::string_view name) const;

  struct CLOUDOS_LOCAL Impl;

 private:
  explicit Policy(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;  // Shared by copies; constant.
};

}  // namespace cloudos

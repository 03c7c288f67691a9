#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/result.hpp"
#include "identity/policy.hpp"

/// From the text of a rule to a tree of checks, and from a policy file to a list of rules.
namespace cloudos::identity {

/// What the caller is compared by.
enum class PolicyCredential : std::uint8_t {
  User,
  Project,
  Domain,
  UserDomain,
  ProjectDomain,
  SystemScope
};

struct PolicyNode {
  enum class Op : std::uint8_t {
    Everyone,  ///< @
    Nobody,    ///< !
    And,
    Or,          ///< Of `kids`.
    Not,         ///< Of the one kid.
    Role,        ///< `text` is among the roles.
    IsAdmin,     ///< Context::is_admin is `flag`.
    Rule,        ///< What rule `text` says; `rule` once it is found.
    Credential,  ///< `credential` is `text`, or what `part` of the target says.
    Literal,     ///< `part` of the target is `text`.
    Absent,      ///< `part` of the target does not exist: None:%(...)s
  };
  Op op = Op::Everyone;
  bool flag = false;
  bool by_part = false;  ///< Credential: compared with `part` and not with `text`.
  PolicyCredential credential = PolicyCredential::User;
  PolicyPart part = PolicyPart::Project;
  std::size_t rule = 0;
  std::string text;
  std::vector<PolicyNode> kids;
};

/// Reads one rule. Errors: InvalidArgument ("column 12: …"), TooLarge.
Result<PolicyNode> parse_rule(std::string_view text);
/// The rule in one spelling, whatever the blanks and parentheses it was written with.
std::string rule_text(const PolicyNode& node);
/// "target.user.domain_id"
std::string_view part_name(PolicyPart part);

/// A rule of a policy file and where it stands.
struct PolicyLine {
  std::string name, rule;
  std::size_t line = 0;  ///< From 1.
};
/// Reads a map of names to rules, in JSON or in the part of YAML that policy files use: one
/// `name: rule` per line, plain or quoted, rules continued on deeper lines, comments.
/// Errors: InvalidArgument ("line 3: …"), TooLarge.
Result<std::vector<PolicyLine>> parse_policy_file(std::string_view text);

}  // namespace cloudos::identity

#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/networks.hpp"

namespace cloudos {

/// A rule that new security groups begin with.
struct DefaultRule {
  static constexpr std::string_view kKind = "default_security_group_rule";
  static constexpr std::string_view kNoun = "DefaultSecurityGroupRule";
  static constexpr std::uint32_t kSchema = 1;
  SecurityGroupRuleId id;
  std::uint64_t generation = 0;
  ProjectId project;                   ///< Nobody's.
  std::string description;
  bool ingress = true, ipv6 = false;
  std::string protocol;
  std::optional<std::uint32_t> port_min, port_max;
  std::string remote_cidr;
  SecurityGroupId remote_group;
  bool from_own_group = false;         ///< remote_group_id "PARENT": the group itself.
  AddressGroupId remote_address_group;
  bool in_default = true;              ///< For the default group of a project.
  bool in_others = true;               ///< For every other new group.
  WallTime created_at, updated_at;
  std::string unknown;
};

struct DefaultRuleCreate {
  SecurityGroupRuleCreate rule;  ///< Without a group; remote_group "PARENT": the new group itself.
  bool in_default = false, in_others = true;
};

/// The rules that new security groups begin with: those of default groups, and those of the others.
///
/// A cloud starts with four: everything out, for both; in only from the group itself, for default
/// groups. What is changed here is for groups made after. Thread-safe.
/// Source: Networking API, security-groups-default-rules.
class CLOUDOS_EXPORT DefaultRules final {
 public:
  /// Oldest first. Every project reads them.
  Result<std::vector<DefaultRule>> rules(const Context& ctx,
                                         const NetworkListSpec& spec = {}) const;
  Result<DefaultRule> rule(const Context& ctx, const SecurityGroupRuleId& id) const;
  /// Admins. Errors: Forbidden, InvalidArgument, Conflict (the same rule is there), TooLarge.
  Result<std::vector<DefaultRule>> create(const Context& ctx,
                                          const std::vector<DefaultRuleCreate>& specs);
  /// Admins. Errors: Forbidden, NotFound.
  Result<void> remove(const Context& ctx, const SecurityGroupRuleId& id);

  explicit DefaultRules(Networks::Impl& impl) : impl_(impl) {}

 private:
  Networks::Impl& impl_;
};

}  // namespace cloudos

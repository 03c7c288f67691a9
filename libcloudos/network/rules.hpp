#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/networks.hpp"
#include "cloudos/network_driver.hpp"

/// Security group rules as pure functions: what is a rule, when are two the same, what does a
/// driver see of it. Whatever is not understood is refused here, so nothing fails open below.
namespace cloudos::network {

/// Checks what a caller asks for and fills a rule with it: addresses normalised, protocol in lower
/// case. Ids, project and times are the caller's. Errors: InvalidArgument.
Result<SecurityGroupRule> make_rule(const SecurityGroupRuleCreate& spec);

/// The protocol's number; nothing when the rule is for all of them.
std::optional<unsigned> protocol_number(const SecurityGroupRule& rule);

/// The same text for two rules that let the same packets through by the same words: protocol names
/// and numbers, and "no prefix" and 0.0.0.0/0, are one.
std::string canonical_rule(const SecurityGroupRule& rule);

RulePlan plan_rule(const SecurityGroupRule& rule);

}  // namespace cloudos::network

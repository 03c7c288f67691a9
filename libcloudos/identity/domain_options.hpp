#pragma once
#include <span>
#include <string_view>

#include "cloudos/domain_configs.hpp"

/// Which options a domain may set, and what they are set to.
namespace cloudos::identity {

enum class OptionType : std::uint8_t { Text, Integer, Real, Switch, List, Secret };

struct OptionRule {
  std::string_view group, name;
  OptionType type;
  std::string_view fallback = {};  ///< As a text; none where it is empty, except for lists.
  std::string_view choices = {};   ///< "one,sub"; any text where it is empty.
  std::int64_t least = INT64_MIN;
};

std::span<const OptionRule> option_rules();
/// Null when there is none of that name.
const OptionRule* option_rule(std::string_view group, std::string_view name);
/// Names of groups and options that there are. Errors: Forbidden.
Result<void> check_part(const DomainConfigPart& part);
/// The value in the option's own type: a text may stand for any of them, as in a file of settings.
/// Errors: InvalidArgument.
Result<DomainOption> option_value(const OptionRule& rule, const DomainOption& given);
/// What holds where nobody sets it.
DomainOption option_fallback(const OptionRule& rule);

}  // namespace cloudos::identity

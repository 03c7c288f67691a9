#include "identity/domain_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.hpp"
#include "identity/impl.hpp"

namespace cloudos::identity {
namespace {

// Names, types and defaults are Keystone's, so that its configurations can be taken over.
constexpr OptionRule kDomainOptions[] = {
    {"identity", "driver", OptionType::Text, "sql"},
    {"identity", "list_limit", OptionType::Integer, "", "", 0},
    {"ldap", "alias_dereferencing", OptionType::Text, "default",
     "never,searching,always,finding,default"},
    {"ldap", "auth_pool_connection_lifetime", OptionType::Integer, "60", "", 1},
    {"ldap", "auth_pool_size", OptionType::Integer, "100", "", 1},
    {"ldap", "chase_referrals", OptionType::Switch},
    {"ldap", "debug_level", OptionType::Integer, "", "", -1},
    {"ldap", "group_additional_attribute_mapping", OptionType::List},
    {"ldap", "group_attribute_ignore", OptionType::List},
    {"ldap", "group_desc_attribute", OptionType::Text, "description"},
    {"ldap", "group_filter", OptionType::Text},
    {"ldap", "group_id_attribute", OptionType::Text, "cn"},
    {"ldap", "group_member_attribute", OptionType::Text, "member"},
    {"ldap", "group_members_are_ids", OptionType::Switch, "false"},
    {"ldap", "group_name_attribute", OptionType::Text, "ou"},
    {"ldap", "group_objectclass", OptionType::Text, "groupOfNames"},
    {"ldap", "group_tree_dn", OptionType::Text},
    {"ldap", "page_size", OptionType::Integer, "0", "", 0},
    {"ldap", "password", OptionType::Secret},
    {"ldap", "pool_connection_lifetime", OptionType::Integer, "600", "", 1},
    {"ldap", "pool_connection_timeout", OptionType::Integer, "-1", "", -1},
    {"ldap", "pool_retry_delay", OptionType::Real, "0.1"},
    {"ldap", "pool_retry_max", OptionType::Integer, "3", "", 1},
    {"ldap", "pool_size", OptionType::Integer, "10", "", 1},
    {"ldap", "query_scope", OptionType::Text, "one", "one,sub"},
    {"ldap", "suffix", OptionType::Text, "cn=example,cn=com"},
    {"ldap", "tls_cacertdir", OptionType::Text},
    {"ldap", "tls_cacertfile", OptionType::Text},
    {"ldap", "tls_req_cert", OptionType::Text, "demand", "demand,never,allow"},
    {"ldap", "url", OptionType::Text, "ldap://localhost"},
    {"ldap", "use_auth_pool", OptionType::Switch, "true"},
    {"ldap", "use_pool", OptionType::Switch, "true"},
    {"ldap", "use_tls", OptionType::Switch, "false"},
    {"ldap", "user", OptionType::Text},
    {"ldap", "user_additional_attribute_mapping", OptionType::List},
    {"ldap", "user_attribute_ignore", OptionType::List, "default_project_id"},
    {"ldap", "user_default_project_id_attribute", OptionType::Text},
    {"ldap", "user_description_attribute", OptionType::Text, "description"},
    {"ldap", "user_enabled_attribute", OptionType::Text, "enabled"},
    {"ldap", "user_enabled_default", OptionType::Text, "True"},
    {"ldap", "user_enabled_emulation", OptionType::Switch, "false"},
    {"ldap", "user_enabled_emulation_dn", OptionType::Text},
    {"ldap", "user_enabled_emulation_use_group_config", OptionType::Switch, "false"},
    {"ldap", "user_enabled_invert", OptionType::Switch, "false"},
    {"ldap", "user_enabled_mask", OptionType::Integer, "0", "", 0},
    {"ldap", "user_filter", OptionType::Text},
    {"ldap", "user_id_attribute", OptionType::Text, "cn"},
    {"ldap", "user_mail_attribute", OptionType::Text, "mail"},
    {"ldap", "user_name_attribute", OptionType::Text, "sn"},
    {"ldap", "user_objectclass", OptionType::Text, "inetOrgPerson"},
    {"ldap", "user_pass_attribute", OptionType::Text, "userPassword"},
    {"ldap", "user_tree_dn", OptionType::Text},
};

std::string domain_option_name(const OptionRule& rule) {
  return fmt::format("{}.{}", rule.group, rule.name);
}

Failure wrong_domain_option(const OptionRule& rule, std::string_view must) {
  // l10n: "{}: must be a text"
  // l10n: "{}: must be a number"
  // l10n: "{}: must be a whole number"
  // l10n: "{}: must be true or false"
  // l10n: "{}: must be a list of texts"
  return fail(ErrorCode::InvalidArgument, fmt::format("{}: {}", domain_option_name(rule), must));
}

Result<DomainOption> text_option(const OptionRule& rule, const DomainOption& given) {
  const std::string* const text = std::get_if<std::string>(&given);
  if (text == nullptr || (rule.type == OptionType::Secret && text->empty()))
    return wrong_domain_option(rule, "must be a text");
  CLOUDOS_CHECK(check_text(domain_option_name(rule), *text));
  const auto choices = split(rule.choices, ',');
  if (!rule.choices.empty() && std::find(choices.begin(), choices.end(), *text) == choices.end())
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{}: is one of {}", domain_option_name(rule), rule.choices));
  return DomainOption(*text);
}

Result<DomainOption> integer_option(const OptionRule& rule, const DomainOption& given) {
  std::optional<std::int64_t> number;
  if (const auto* const whole = std::get_if<std::int64_t>(&given)) number = *whole;
  if (const auto* const text = std::get_if<std::string>(&given)) number = parse_signed(*text);
  if (!number) return wrong_domain_option(rule, "must be a whole number");
  if (*number < rule.least || *number > INT32_MAX)
    return fail(
        ErrorCode::InvalidArgument,
        fmt::format("{}: must be {} to {}", domain_option_name(rule), rule.least, INT32_MAX));
  return DomainOption(*number);
}

Result<DomainOption> real_option(const OptionRule& rule, const DomainOption& given) {
  if (const auto* const whole = std::get_if<std::int64_t>(&given))
    return DomainOption(static_cast<double>(*whole));
  if (const auto* const real = std::get_if<double>(&given); real != nullptr && std::isfinite(*real))
    return given;
  if (const auto* const text = std::get_if<std::string>(&given)) {
    const auto point = std::min(text->find('.'), text->size());
    const std::string digits = text->substr(point + (point < text->size() ? 1 : 0));
    const auto whole = parse_unsigned(text->substr(0, point));
    const auto part = digits.empty() ? std::optional<std::uint64_t>(0) : parse_unsigned(digits);
    if (whole && part && digits.size() <= 9) {
      double scale = 1;
      for (std::size_t i = 0; i < digits.size(); ++i) scale *= 10;
      return DomainOption(static_cast<double>(*whole) + static_cast<double>(*part) / scale);
    }
  }
  return wrong_domain_option(rule, "must be a number");
}

Result<DomainOption> switch_option(const OptionRule& rule, const DomainOption& given) {
  if (std::holds_alternative<bool>(given)) return given;
  if (const auto* const text = std::get_if<std::string>(&given)) {
    if (equals_ignore_case(*text, "true")) return DomainOption(true);
    if (equals_ignore_case(*text, "false")) return DomainOption(false);
  }
  return wrong_domain_option(rule, "must be true or false");
}

Result<DomainOption> list_option(const OptionRule& rule, const DomainOption& given) {
  std::vector<std::string> list;
  if (const auto* const texts = std::get_if<std::vector<std::string>>(&given)) {
    list = *texts;
  } else if (const auto* const text = std::get_if<std::string>(&given)) {
    for (const std::string_view one : split(*text, ','))
      if (!one.empty()) list.emplace_back(one);
  } else {
    return wrong_domain_option(rule, "must be a list of texts");
  }
  std::string all;
  for (const std::string& one : list) all += one + ',';
  CLOUDOS_CHECK(check_text(domain_option_name(rule), all));
  return DomainOption(std::move(list));
}

}  // namespace

std::span<const OptionRule> option_rules() {
  return kDomainOptions;
}

const OptionRule* option_rule(std::string_view group, std::string_view name) {
  for (const OptionRule& rule : kDomainOptions)
    if (rule.group == group && rule.name == name) return &rule;
  return nullptr;
}

Result<void> check_part(const DomainConfigPart& part) {
  const bool known = std::any_of(std::begin(kDomainOptions), std::end(kDomainOptions),
                                 [&](const OptionRule& rule) { return rule.group == part.group; });
  if (!known && !(part.group.empty() && part.option.empty()))
    return fail(ErrorCode::Forbidden,
                fmt::format("a domain's configuration has no group {}", part.group));
  if (!part.option.empty() && option_rule(part.group, part.option) == nullptr)
    return fail(ErrorCode::Forbidden, fmt::format("group {} of a domain's configuration has no "
                                                  "option {}",
                                                  part.group, part.option));
  return Result<void>();
}

Result<DomainOption> option_value(const OptionRule& rule, const DomainOption& given) {
  switch (rule.type) {
    case OptionType::Integer:
      return integer_option(rule, given);
    case OptionType::Real:
      return real_option(rule, given);
    case OptionType::Switch:
      return switch_option(rule, given);
    case OptionType::List:
      return list_option(rule, given);
    case OptionType::Text:
    case OptionType::Secret:
      break;
  }
  return text_option(rule, given);
}

DomainOption option_fallback(const OptionRule& rule) {
  if (rule.fallback.empty() && rule.type != OptionType::List) return DomainOption();
  auto value = option_value(rule, DomainOption(std::string(rule.fallback)));
  return value ? std::move(*value) : DomainOption();
}

}  // namespace cloudos::identity

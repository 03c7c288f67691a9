#include "cloudos/domain_configs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "identity/domain_options.hpp"
#include "identity/domain_records.hpp"
#include "identity/impl.hpp"

namespace cloudos {

using identity::DomainConfigRecord;
using identity::DomainRecord;
using identity::OptionRule;
using identity::OptionType;
using identity::StoredOption;

namespace {

bool is_in_part(const DomainConfigPart& part, std::string_view group, std::string_view option) {
  return (part.group.empty() || part.group == group) &&
         (part.option.empty() || part.option == option);
}

/// The domain's configuration, with nothing in it where there is none. Errors: NotFound (the
/// domain).
template <class Source>
Result<DomainConfigRecord> config_record(Source& from, const DomainId& domain) {
  CLOUDOS_CHECK(records::get<DomainRecord>(from, domain));
  auto record = records::get<DomainConfigRecord>(from, domain);
  if (record) return record;
  if (record.error().code != ErrorCode::NotFound) return record;
  DomainConfigRecord none;
  none.id = domain;
  return none;
}

Result<void> keep_config(store::Txn& txn, DomainConfigRecord& record) {
  const bool kept = record.generation > 0;
  if (record.options.empty())
    return kept ? records::erase<DomainConfigRecord>(txn, record.id) : Result<void>();
  return kept ? records::update(txn, record) : records::insert(txn, record);
}

DomainConfig shown_config(const DomainConfigRecord& record, const DomainConfigPart& part) {
  DomainConfig config;
  for (const StoredOption& option : record.options)
    if (option.sealed.empty() && is_in_part(part, option.group, option.name))
      config[option.group][option.name] = option.value;
  return config;
}

Failure part_not_set(const DomainConfigPart& part) {
  if (part.group.empty()) return fail(ErrorCode::NotFound, "the domain has no configuration");
  if (part.option.empty())
    return fail(ErrorCode::NotFound,
                fmt::format("the domain's configuration has no group {}", part.group));
  return fail(ErrorCode::NotFound, fmt::format("the domain's configuration does not set {}.{}",
                                               part.group, part.option));
}

Result<void> check_part_set(const DomainConfigRecord& record, const DomainConfigPart& part) {
  for (const StoredOption& option : record.options)
    if (is_in_part(part, option.group, option.name)) return Result<void>();
  return part_not_set(part);
}

/// What is to be kept of a configuration, secrets sealed, by group and name.
Result<std::vector<StoredOption>> stored_options(const Identity::Impl& impl,
                                                 const DomainConfig& config) {
  if (config.empty())
    return fail(ErrorCode::Forbidden, "the configuration holds no group of options");
  std::vector<StoredOption> all;
  for (const auto& [group, options] : config) {
    CLOUDOS_CHECK(identity::check_part({group, ""}));
    if (options.empty())
      return fail(ErrorCode::Forbidden, fmt::format("group {} holds no options", group));
    for (const auto& [name, given] : options) {
      const OptionRule* const rule = identity::option_rule(group, name);
      if (rule == nullptr) return fail(identity::check_part({group, name}).error());
      StoredOption option{group, name, {}, {}};
      CLOUDOS_TRY(option.value, identity::option_value(*rule, given));
      if (rule->type == OptionType::Secret) {
        CLOUDOS_TRY(option.sealed, impl.credential_keys.seal(std::get<std::string>(option.value),
                                                             impl.engine.random));
        option.value = {};
      }
      all.push_back(std::move(option));
    }
  }
  return all;
}

/// A change to a part holds that part and nothing else.
Result<void> check_part_only(const DomainConfigPart& part, const DomainConfig& config) {
  for (const auto& [group, options] : config)
    for (const auto& [name, value] : options)
      if (!is_in_part(part, group, name))
        return fail(ErrorCode::Forbidden,
                    fmt::format("{}.{} is not of the part that is to be changed", group, name));
  return Result<void>();
}

}  // namespace

Result<DomainConfigs::Replaced> DomainConfigs::replace(const Context& ctx, const DomainId& domain,
                                                       const DomainConfig& config) {
  CLOUDOS_CHECK(check_call(ctx, of_.engine.clock));
  CLOUDOS_CHECK(of_.allow(ctx, "identity:create_domain_config"));
  CLOUDOS_TRY(const auto options, stored_options(of_, config));
  Replaced after;
  CLOUDOS_CHECK(of_.commit_quietly([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(auto record, config_record(txn, domain));
    after.was_set = record.generation > 0;
    record.options = options;
    after.config = shown_config(record, {});
    return keep_config(txn, record);
  }));
  return after;
}

Result<DomainConfig> DomainConfigs::get(const Context& ctx, const DomainId& domain,
                                        const DomainConfigPart& part) const {
  CLOUDOS_CHECK(of_.allow(ctx, "identity:get_domain_config"));
  CLOUDOS_CHECK(identity::check_part(part));
  CLOUDOS_TRY(const auto record, of_.by_snapshot([&](const store::Snapshot& at) {
    return config_record(at, domain);
  }));
  auto config = shown_config(record, part);
  if (config.empty()) return part_not_set(part);
  return config;
}

Result<DomainConfig> DomainConfigs::update(const Context& ctx, const DomainId& domain,
                                           const DomainConfigPart& part,
                                           const DomainConfig& config) {
  CLOUDOS_CHECK(check_call(ctx, of_.engine.clock));
  CLOUDOS_CHECK(of_.allow(ctx, "identity:update_domain_config"));
  CLOUDOS_CHECK(identity::check_part(part));
  CLOUDOS_TRY(const auto options, stored_options(of_, config));
  CLOUDOS_CHECK(check_part_only(part, config));
  DomainConfig after;
  CLOUDOS_CHECK(of_.commit_quietly([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(auto record, config_record(txn, domain));
    if (!part.group.empty()) CLOUDOS_CHECK(check_part_set(record, part));
    std::map<std::pair<std::string, std::string>, StoredOption> merged;
    for (const auto* const list : {&std::as_const(record.options), &options})
      for (const StoredOption& option : *list) merged[{option.group, option.name}] = option;
    record.options.clear();
    for (auto& [name, option] : merged) record.options.push_back(std::move(option));
    after = shown_config(record, {});
    return keep_config(txn, record);
  }));
  return after;
}

Result<void> DomainConfigs::remove(const Context& ctx, const DomainId& domain,
                                   const DomainConfigPart& part) {
  CLOUDOS_CHECK(check_call(ctx, of_.engine.clock));
  CLOUDOS_CHECK(of_.allow(ctx, "identity:delete_domain_config"));
  CLOUDOS_CHECK(identity::check_part(part));
  return of_.commit_quietly([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(auto record, config_record(txn, domain));
    if (!part.group.empty()) CLOUDOS_CHECK(check_part_set(record, part));
    std::erase_if(record.options, [&](const StoredOption& option) {
      return is_in_part(part, option.group, option.name);
    });
    return keep_config(txn, record);
  });
}

Result<DomainConfig> DomainConfigs::defaults(const Context& ctx,
                                             const DomainConfigPart& part) const {
  CLOUDOS_CHECK(of_.allow(ctx, "identity:get_domain_config_default"));
  CLOUDOS_CHECK(identity::check_part(part));
  DomainConfig config;
  for (const OptionRule& rule : identity::option_rules()) {
    if (!is_in_part(part, rule.group, rule.name) || rule.type == OptionType::Secret) continue;
    config[std::string(rule.group)][std::string(rule.name)] = identity::option_fallback(rule);
  }
  if (config.empty())
    return fail(ErrorCode::Forbidden,
                fmt::format("{}.{} is a secret, which has no default", part.group, part.option));
  const auto own = config.find("identity");
  if (own != config.end() && own->second.contains("list_limit") && of_.settings.list_limit > 0)
    own->second["list_limit"] = static_cast<std::int64_t>(of_.settings.list_limit);
  return config;
}

Result<DomainConfig> DomainConfigs::password_rules(const Context& ctx, const DomainId& domain,
                                                   const std::string& option) const {
  CLOUDOS_CHECK(of_.allow(ctx, "identity:get_security_compliance_domain_config"));
  if (domain.value != "default")
    return fail(ErrorCode::Forbidden, "the rules for passwords are told of the domain default");
  const auto told = [](const std::string& text) {
    return text.empty() ? DomainOption() : DomainOption(text);
  };
  const AccountRules in_force = of_.rules.now()->rules;
  std::map<std::string, DomainOption> all{
      {"password_regex", told(in_force.password_regex)},
      {"password_regex_description", told(in_force.password_regex_description)}};
  if (!option.empty()) {
    std::erase_if(all, [&](const auto& row) { return row.first != option; });
    if (all.empty())
      return fail(ErrorCode::Forbidden,
                  fmt::format("of the rules for passwords, {} is not told", option));
  }
  return DomainConfig{{"security_compliance", std::move(all)}};
}

Result<std::size_t> DomainConfigs::list_limit(const DomainId& domain) const {
  const auto record = of_.by_snapshot(
      [&](const store::Snapshot& at) { return records::get<DomainConfigRecord>(at, domain); });
  if (!record && record.error().code != ErrorCode::NotFound) return fail(record.error());
  if (record)
    for (const StoredOption& option : record->options)
      if (option.group == "identity" && option.name == "list_limit")
        if (const auto* const most = std::get_if<std::int64_t>(&option.value))
          return static_cast<std::size_t>(*most);
  return of_.settings.list_limit;
}

}  // namespace cloudos

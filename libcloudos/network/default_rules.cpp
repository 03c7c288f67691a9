#include "network/default_rules.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cloudos/network_limits.hpp"
#include "network/bulk.hpp"
#include "network/derived_id.hpp"
#include "network/extra_records.hpp"
#include "network/impl.hpp"
#include "network/listing.hpp"
#include "network/rules.hpp"

namespace cloudos {
namespace network {

void fields(codec::FieldVisitor& v, DefaultRuleSet& s) {
  v.field({1, "id"}, s.id);
  v.field({2, "generation"}, s.generation);
  v.field({3, "rules"}, s.rules);
  v.unknown(s.unknown);
}

void keys(records::Keys&, const DefaultRuleSet&) {}

namespace {

constexpr std::string_view kOwnGroup = "PARENT";

/// Everything out; in from the group itself, of default groups.
std::vector<DefaultRule> first_rules() {
  std::vector<DefaultRule> all;
  for (const bool ingress : {false, true}) {
    for (const bool ipv6 : {false, true}) {
      DefaultRule rule;
      rule.id.value = derived_id({"default-rule", ingress ? "in" : "out", ipv6 ? "6" : "4"});
      rule.generation = 1;
      rule.ingress = ingress;
      rule.ipv6 = ipv6;
      rule.from_own_group = ingress;
      rule.in_default = true;
      rule.in_others = !ingress;
      all.push_back(std::move(rule));
    }
  }
  return all;
}

template <class Source>
Result<DefaultRuleSet> load_set(Source& source) {
  auto set = records::get<DefaultRuleSet>(source, std::string_view("all"));
  if (set || set.error().code != ErrorCode::NotFound) return set;
  DefaultRuleSet fresh;
  fresh.rules = first_rules();
  return fresh;
}

Result<void> write_set(store::Txn& txn, DefaultRuleSet& set) {
  return set.generation == 0 ? records::insert(txn, set) : records::update(txn, set);
}

/// As a rule of `group`; what the template does not say is the caller's.
SecurityGroupRule rule_like(const DefaultRule& from, const SecurityGroup& group) {
  SecurityGroupRule rule;
  rule.project = group.project;
  rule.group = group.id;
  rule.description = from.description;
  rule.ingress = from.ingress;
  rule.ipv6 = from.ipv6;
  rule.protocol = from.protocol;
  rule.port_min = from.port_min;
  rule.port_max = from.port_max;
  rule.remote_cidr = from.remote_cidr;
  rule.remote_group = from.from_own_group ? group.id : from.remote_group;
  rule.remote_address_group = from.remote_address_group;
  rule.created_at = rule.updated_at = group.created_at;
  return rule;
}

std::string canonical_template(const DefaultRule& rule) {
  SecurityGroup any;
  any.id.value = kOwnGroup;
  return canonical_rule(rule_like(rule, any));
}

Result<DefaultRule> draft_default_rule(const Networks::Impl& impl, const DefaultRuleCreate& spec) {
  CLOUDOS_TRY(const SecurityGroupRule asked, make_rule(spec.rule));
  DefaultRule rule;
  rule.id = impl.engine.ids.make<SecurityGroupRuleId>();
  rule.generation = 1;
  rule.description = asked.description;
  rule.ingress = asked.ingress;
  rule.ipv6 = asked.ipv6;
  rule.protocol = asked.protocol;
  rule.port_min = asked.port_min;
  rule.port_max = asked.port_max;
  rule.remote_cidr = asked.remote_cidr;
  rule.from_own_group = asked.remote_group.value == kOwnGroup;
  if (!rule.from_own_group) rule.remote_group = asked.remote_group;
  rule.remote_address_group = asked.remote_address_group;
  rule.in_default = spec.in_default;
  rule.in_others = spec.in_others;
  rule.created_at = rule.updated_at = impl.engine.clock.wall();
  return rule;
}

Result<void> add_default_rule(store::Txn& txn, const Context& ctx, const DefaultRule& rule,
                              DefaultRuleSet& set) {
  if (!rule.remote_group.empty())
    CLOUDOS_CHECK(load_seen<SecurityGroup>(txn, ctx, rule.remote_group));
  if (!rule.remote_address_group.empty())
    CLOUDOS_CHECK(load_seen<AddressGroup>(txn, ctx, rule.remote_address_group));
  for (const DefaultRule& other : set.rules) {
    const bool together =
        (rule.in_default && other.in_default) || (rule.in_others && other.in_others);
    if (!together || canonical_template(rule) != canonical_template(other)) continue;
    return fail_as(
        "DefaultSecurityGroupRuleExists", ErrorCode::AlreadyExists,
        fmt::format("Default Security group rule already exists. Rule id is {}.", other.id.value));
  }
  if (set.rules.size() >= limits::kDefaultRules) {
    return fail(ErrorCode::TooLarge,
                fmt::format("at most {} default rules", limits::kDefaultRules));
  }
  set.rules.push_back(rule);
  return Result<void>();
}

/// Whether what the rule names is there still.
bool stands(store::Txn& txn, const SecurityGroupRule& rule) {
  const bool group = rule.remote_group.empty() || rule.remote_group == rule.group ||
                     records::get<SecurityGroup>(txn, rule.remote_group);
  return group && (rule.remote_address_group.empty() ||
                   records::get<AddressGroup>(txn, rule.remote_address_group));
}

}  // namespace

Result<std::vector<SecurityGroupRule>> rules_of_new(store::Txn& txn, const SecurityGroup& group,
                                                    const std::vector<SecurityGroupRuleId>& ids) {
  CLOUDOS_TRY(const auto set, load_set(txn));
  std::vector<SecurityGroupRule> rules;
  for (const DefaultRule& from : set.rules) {
    if (!(group.is_default ? from.in_default : from.in_others)) continue;
    auto rule = rule_like(from, group);
    if (!stands(txn, rule)) continue;
    if (rules.size() < ids.size())
      rule.id = ids[rules.size()];
    else
      rule.id.value = derived_id({group.id.value, from.id.value});
    rules.push_back(std::move(rule));
  }
  return rules;
}

}  // namespace network

DefaultRules& Networks::default_rules() {
  return impl_->default_rules;
}

Result<std::vector<DefaultRule>> DefaultRules::rules(const Context& ctx,
                                                     const NetworkListSpec& spec) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  CLOUDOS_TRY(auto set, network::load_set(*snapshot));
  return network::list_these(std::move(set.rules), ctx, spec);
}

Result<DefaultRule> DefaultRules::rule(const Context&, const SecurityGroupRuleId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  CLOUDOS_TRY(auto set, network::load_set(*snapshot));
  for (DefaultRule& one : set.rules)
    if (one.id == id) return std::move(one);
  return network::missing<DefaultRule>(id.value);
}

Result<std::vector<DefaultRule>> DefaultRules::create(const Context& ctx,
                                                      const std::vector<DefaultRuleCreate>& specs) {
  CLOUDOS_CHECK(network::check_bulk(impl_, ctx, specs.size()));
  CLOUDOS_CHECK(network::admin_only(ctx, true, "default_security_group_rules"));
  std::vector<DefaultRule> drafts;
  for (const DefaultRuleCreate& spec : specs) {
    CLOUDOS_TRY(auto draft, network::draft_default_rule(impl_, spec));
    drafts.push_back(std::move(draft));
  }
  CLOUDOS_CHECK(impl_.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(auto set, network::load_set(txn));
    for (const DefaultRule& draft : drafts)
      CLOUDOS_CHECK(network::add_default_rule(txn, ctx, draft, set));
    return network::write_set(txn, set);
  }));
  return drafts;
}

Result<void> DefaultRules::remove(const Context& ctx, const SecurityGroupRuleId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(network::admin_only(ctx, true, "default_security_group_rules"));
  return impl_.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(auto set, network::load_set(txn));
    const auto gone = std::erase_if(set.rules, [&](const auto& rule) { return rule.id == id; });
    if (gone == 0) return network::missing<DefaultRule>(id.value);
    return network::write_set(txn, set);
  });
}

}  // namespace cloudos

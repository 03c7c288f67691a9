#include "network/qos.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cloudos/network_limits.hpp"
#include "network/abilities.hpp"
#include "network/bulk.hpp"
#include "network/extra_records.hpp"
#include "network/impl.hpp"
#include "network/l3_records.hpp"
#include "network/listing.hpp"
#include "network/sharing.hpp"

namespace cloudos {
namespace network {

QosPlan qos_plan(const QosPolicy& policy) {
  QosPlan plan;
  for (const QosRule& rule : policy.rules) {
    if (rule.type == QosRule::kMinimum) continue;  // Nobody holds it, so nobody has the policy.
    if (rule.type == QosRule::kDscp) {
      plan.dscp = static_cast<std::uint8_t>(rule.dscp_mark);
    } else if (rule.ingress) {
      plan.ingress_kbps = rule.max_kbps;
      plan.ingress_burst = rule.max_burst_kbps;
    } else {
      plan.egress_kbps = rule.max_kbps;
      plan.egress_burst = rule.max_burst_kbps;
    }
  }
  return plan;
}

QosPlan qos_plan(const store::Snapshot& snapshot, const Port& port, const Network& network) {
  const bool ours = port.device_owner.starts_with("network:");
  const QosPolicyId& id =
      port.qos_policy.empty() && !ours ? network.qos_policy : port.qos_policy;
  if (id.empty()) return {};
  const auto policy = records::get<QosPolicy>(snapshot, id);
  return policy ? qos_plan(*policy) : QosPlan{};
}

namespace {

// The classes and drop precedences that routers know, and none.
constexpr std::uint32_t kDscpMarks[] = {0,  8,  10, 12, 14, 16, 18, 20, 22, 24, 26,
                                        28, 30, 32, 34, 36, 38, 40, 46, 48, 56};

Failure missing_rule(const QosPolicyId& policy, const QosRuleId& id) {
  return fail_as("QosRuleNotFound", ErrorCode::NotFound,
                 fmt::format("QoS rule {} for policy {} could not be found.",
                             id.value.substr(0, 64), policy.value.substr(0, 64)));
}

Result<void> apply_direction(const QosRuleSpec& spec, QosRule& rule) {
  if (!spec.direction) return Result<void>();
  if (*spec.direction != "egress" && *spec.direction != "ingress")
    return invalid("direction must be egress or ingress");
  rule.ingress = *spec.direction == "ingress";
  return Result<void>();
}

/// Fills a rule with what is asked for. Errors: InvalidArgument.
Result<void> apply_spec(const QosRuleSpec& spec, QosRule& rule) {
  const auto set = [](const std::optional<std::int64_t>& asked, std::string_view name,
                      std::uint32_t& out) -> Result<void> {
    if (!asked) return Result<void>();
    if (*asked < 0 || *asked > INT32_MAX)
      return invalid(fmt::format("{} must be within 0 to {}", name, INT32_MAX));
    out = static_cast<std::uint32_t>(*asked);
    return Result<void>();
  };
  if (rule.type != QosRule::kMinimum && spec.min_kbps)
    return invalid("min_kbps is of minimum_bandwidth rules alone");
  if (rule.type == QosRule::kMinimum) {
    if (spec.max_kbps || spec.max_burst_kbps || spec.dscp_mark)
      return invalid("a minimum_bandwidth rule has min_kbps and a direction alone");
    CLOUDOS_CHECK(set(spec.min_kbps, "min_kbps", rule.min_kbps));
    return apply_direction(spec, rule);
  }
  if (rule.type == QosRule::kDscp) {
    if (spec.max_kbps || spec.max_burst_kbps || spec.direction)
      return invalid("a dscp_marking rule has a dscp_mark alone");
    CLOUDOS_CHECK(set(spec.dscp_mark, "dscp_mark", rule.dscp_mark));
    const auto* end = std::end(kDscpMarks);
    if (std::find(std::begin(kDscpMarks), end, rule.dscp_mark) == end)
      return invalid(fmt::format("dscp_mark {} is not one of those in use", rule.dscp_mark));
    return Result<void>();
  }
  if (spec.dscp_mark) return invalid("a bandwidth_limit rule has no dscp_mark");
  CLOUDOS_CHECK(set(spec.max_kbps, "max_kbps", rule.max_kbps));
  CLOUDOS_CHECK(set(spec.max_burst_kbps, "max_burst_kbps", rule.max_burst_kbps));
  return apply_direction(spec, rule);
}

/// A port has one limit each way, and one mark.
Result<void> refuse_twin(const QosPolicy& policy, const QosRule& rule) {
  for (const QosRule& other : policy.rules) {
    if (other.id == rule.id || other.type != rule.type || other.ingress != rule.ingress) continue;
    return fail_as("QoSRulesConflict", ErrorCode::Conflict,
                   fmt::format("Rule {} already exists in policy {}: another one of its kind would "
                               "conflict.", rule.type, policy.id.value));
  }
  return Result<void>();
}

Result<void> refuse_policy_in_use(store::Txn& txn, const QosPolicyId& id) {
  for (const std::string_view kind : {Network::kKind, Port::kKind, FloatingIp::kKind}) {
    if (txn.none(records::index_prefix(kind, "qos", id.value))) continue;
    return fail_as("QosPolicyInUse", ErrorCode::Conflict,
                   fmt::format("QoS Policy {} is used by a {}.", id.value, kind));
  }
  return Result<void>();
}

Result<void> only_default(store::Txn& txn, const QosPolicy& policy) {
  if (!policy.is_default) return Result<void>();
  const auto other =
      records::find_unique(txn, QosPolicy::kKind, "default", "", policy.project.value);
  if (!other || *other == policy.id.value) return Result<void>();
  return fail_as("QoSPolicyDefaultAlreadyExists", ErrorCode::Conflict,
                 fmt::format("A default QoS policy exists for project {}: {}.",
                             policy.project.value, *other));
}

Result<void> apply_policy(store::Txn& txn, const QosPolicyUpdate& change,
                          const RbacPolicyId& grant, WallTime now, QosPolicy& policy) {
  if (change.name) policy.name = *change.name;
  if (change.description) policy.description = *change.description;
  if (change.is_default) policy.is_default = *change.is_default;
  CLOUDOS_CHECK(only_default(txn, policy));
  if (!change.shared || *change.shared == policy.shared) return Result<void>();
  policy.shared = *change.shared;
  if (!policy.shared) return take_from_all(txn, "qos_policy", policy.id.value, kAsShared);
  return give_to_all(txn, policy.project, "qos_policy", policy.id.value, kAsShared, grant, now);
}

Failure no_such_ability(std::string_view type) {
  return fail_as("QosRuleNotSupported", ErrorCode::Conflict,
                 fmt::format("No driver here holds QoS rules of type {}: no port, network or "
                             "floating IP can have them.", type));
}

/// A policy, and the grant that shares it.
struct QosDraft {
  QosPolicy policy;
  RbacPolicyId grant;
};

Result<QosDraft> draft_qos(Networks::Impl& impl, const Context& ctx, const QosPolicyCreate& spec) {
  QosDraft draft;
  CLOUDOS_TRY(draft.policy, draft_owned<QosPolicy>(impl, ctx, spec));
  draft.policy.shared = spec.shared;
  draft.policy.is_default = spec.is_default;
  draft.grant = impl.engine.ids.make<RbacPolicyId>();
  return draft;
}

Result<QosPolicy> insert_qos(store::Txn& txn, const QosDraft& draft) {
  QosPolicy policy = draft.policy;
  CLOUDOS_CHECK(only_default(txn, policy));
  CLOUDOS_CHECK(records::insert(txn, policy));
  if (policy.shared) {
    CLOUDOS_CHECK(give_to_all(txn, policy.project, "qos_policy", policy.id.value, kAsShared,
                              draft.grant, policy.created_at));
  }
  return policy;
}

}  // namespace
}  // namespace network

NetworkQos& Networks::qos() { return impl_->qos; }
std::span<const std::uint32_t> NetworkQos::dscp_marks() { return network::kDscpMarks; }

// ---- policies -----------------------------------------------------------------------------------

Result<std::vector<QosPolicy>> NetworkQos::create(const Context& ctx,
                                                  const std::vector<QosPolicyCreate>& specs) {
  CLOUDOS_CHECK(network::admin_only(ctx, true, "qos_policy"));
  return network::create_all<QosPolicy>(
      impl_, ctx, specs,
      [&](const QosPolicyCreate& spec) { return network::draft_qos(impl_, ctx, spec); },
      network::insert_qos);
}

Result<QosPolicy> NetworkQos::policy(const Context& ctx, const QosPolicyId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  return network::load_seen<QosPolicy>(*snapshot, ctx, id);
}

Result<std::vector<QosPolicy>> NetworkQos::policies(const Context& ctx,
                                                    const NetworkListSpec& spec) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  // As the API has it for these: a marker that the caller does not see begins the list anew.
  NetworkListSpec mine = spec;
  if (!mine.marker.empty() &&
      !network::load_seen<QosPolicy>(*snapshot, ctx, QosPolicyId{mine.marker}))
    mine.marker.clear();
  return network::list_records<QosPolicy>(*snapshot, ctx, mine);
}

Result<QosPolicy> NetworkQos::update(const Context& ctx, const QosPolicyId& id,
                                     const QosPolicyUpdate& change) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(network::check_texts(change.name.value_or(""), change.description.value_or("")));
  const WallTime now = impl_.engine.clock.wall();
  const auto grant = impl_.engine.ids.make<RbacPolicyId>();
  QosPolicy changed;
  CLOUDOS_CHECK(store::replan([&]() -> Result<void> {
    std::optional<network::LentCount> lent;
    if (change.shared == false) {
      CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
      CLOUDOS_CHECK(network::load_owned<QosPolicy>(*snapshot, ctx, id));
      CLOUDOS_CHECK(network::admin_only(ctx, true, "qos_policy"));
      CLOUDOS_TRY(lent, network::may_take_from_all(*snapshot, "qos_policy", id.value,
                                                   network::kAsShared));
    }
    return impl_.transact([&](store::Txn& txn) -> Result<void> {
      CLOUDOS_TRY(changed, network::load_owned<QosPolicy>(txn, ctx, id));
      CLOUDOS_CHECK(network::admin_only(ctx, true, "qos_policy"));
      if (lent) CLOUDOS_CHECK(network::check_lent(txn, *lent));
      CLOUDOS_CHECK(network::apply_policy(txn, change, grant, now, changed));
      changed.updated_at = now;
      return records::update(txn, changed);
    });
  }));
  return changed;
}

Result<void> NetworkQos::remove(const Context& ctx, const QosPolicyId& id) {
  return network::remove_granted<QosPolicy>(impl_, ctx, id, [&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(network::load_owned<QosPolicy>(txn, ctx, id));
    CLOUDOS_CHECK(network::admin_only(ctx, true, "qos_policy"));
    return network::refuse_policy_in_use(txn, id);
  });
}

// ---- rules --------------------------------------------------------------------------------------

Result<QosRule> NetworkQos::add_rule(const Context& ctx, const QosPolicyId& id,
                                     const QosRuleSpec& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(network::admin_only(ctx, true, "qos_rule"));
  QosRule rule;
  rule.id = impl_.engine.ids.make<QosRuleId>();
  rule.type = spec.type;
  if (rule.type == QosRule::kDscp && !spec.dscp_mark) return network::invalid("dscp_mark is needed");
  if (rule.type == QosRule::kBandwidth && !spec.max_kbps)
    return network::invalid("max_kbps is needed");
  if (rule.type == QosRule::kMinimum && !spec.min_kbps)
    return network::invalid("min_kbps is needed");
  CLOUDOS_CHECK(network::apply_spec(spec, rule));
  const WallTime now = impl_.engine.clock.wall();
  CLOUDOS_CHECK(impl_.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(auto policy, network::load_owned<QosPolicy>(txn, ctx, id));
    CLOUDOS_CHECK(network::refuse_twin(policy, rule));
    if (rule.type == QosRule::kMinimum && !network::refuse_policy_in_use(txn, id))
      return network::no_such_ability(rule.type);
    if (policy.rules.size() >= limits::kQosRules)
      return network::invalid(fmt::format("a policy has {} rules at most", limits::kQosRules));
    policy.rules.push_back(rule);
    policy.updated_at = now;
    return records::update(txn, policy);
  }));
  return rule;
}

Result<QosRule> NetworkQos::rule(const Context& ctx, const QosPolicyId& id, std::string_view type,
                                 const QosRuleId& rule) const {
  CLOUDOS_TRY(const auto found, policy(ctx, id));
  for (const QosRule& one : found.rules)
    if (one.id == rule && one.type == type) return one;
  return network::missing_rule(id, rule);
}

Result<QosRule> NetworkQos::update_rule(const Context& ctx, const QosPolicyId& id,
                                        const QosRuleId& rule, const QosRuleSpec& change) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  const WallTime now = impl_.engine.clock.wall();
  QosRule changed;
  CLOUDOS_CHECK(impl_.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(auto policy, network::load_owned<QosPolicy>(txn, ctx, id));
    CLOUDOS_CHECK(network::admin_only(ctx, true, "qos_rule"));
    const auto found =
        std::find_if(policy.rules.begin(), policy.rules.end(), [&](const QosRule& one) {
          return one.id == rule && one.type == change.type;
        });
    if (found == policy.rules.end()) return network::missing_rule(id, rule);
    CLOUDOS_CHECK(network::apply_spec(change, *found));
    CLOUDOS_CHECK(network::refuse_twin(policy, *found));
    changed = *found;
    policy.updated_at = now;
    return records::update(txn, policy);
  }));
  return changed;
}

Result<void> NetworkQos::remove_rule(const Context& ctx, const QosPolicyId& id,
                                     std::string_view type, const QosRuleId& rule) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  const WallTime now = impl_.engine.clock.wall();
  return impl_.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(auto policy, network::load_owned<QosPolicy>(txn, ctx, id));
    CLOUDOS_CHECK(network::admin_only(ctx, true, "qos_rule"));
    const auto gone = std::erase_if(policy.rules, [&](const QosRule& one) {
      return one.id == rule && one.type == type;
    });
    if (gone == 0) return network::missing_rule(id, rule);
    policy.updated_at = now;
    return records::update(txn, policy);
  });
}

Result<QosPolicyId> NetworkQos::policy_of(const Context& ctx, std::string_view type,
                                          const QosRuleId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  CLOUDOS_TRY(const auto policy,
              records::find_unique(*snapshot, QosPolicy::kKind, "rule", type, id.value));
  if (!policy || !network::load_seen<QosPolicy>(*snapshot, ctx, QosPolicyId{*policy}))
    return network::missing_rule(QosPolicyId{}, id);
  return QosPolicyId{*policy};
}

std::vector<QosRuleType> NetworkQos::rule_types() const {
  std::vector<QosRuleType> types;
  for (const std::string_view type : {QosRule::kBandwidth, QosRule::kDscp}) {
    QosRuleType one{std::string(type), network::able(impl_.wiring, fmt::format("qos:{}", type), "qos")};
    if (!one.drivers.empty()) types.push_back(std::move(one));
  }
  return types;
}

}  // namespace cloudos

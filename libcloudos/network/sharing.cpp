#include "network/sharing.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "cloudos/network_sharing.hpp"
#include "identity/quota.hpp"
#include "network/bulk.hpp"
#include "network/extra_records.hpp"
#include "network/impl.hpp"
#include "network/l3_records.hpp"
#include "network/listing.hpp"
#include "network/pool_records.hpp"

namespace cloudos {
namespace network {

std::string grant_scope(std::string_view object_type, std::string_view object_id,
                        std::string_view action) {
  return fmt::format("{}:{}:{}", object_type, object_id, action);
}

bool has_grant(store::Txn& txn, std::string_view scope, std::string_view target) {
  return records::find_unique(txn, RbacPolicy::kKind, "grant", scope, target).has_value();
}

bool has_grant(const store::Snapshot& snapshot, std::string_view scope, std::string_view target) {
  const auto found = records::find_unique(snapshot, RbacPolicy::kKind, "grant", scope, target);
  return found && found->has_value();
}

bool any_grant(store::Txn& txn, std::string_view scope) {
  return !txn.none(records::index_prefix(RbacPolicy::kKind, "given", scope));
}

bool any_grant(const store::Snapshot& snapshot, std::string_view scope) {
  store::ScanOptions options;
  options.limit = 1;
  options.keys_only = true;
  const auto found = snapshot.scan(records::index_prefix(RbacPolicy::kKind, "given", scope),
                                   options);
  return found && !found->empty();
}

namespace {

std::string lent_key(std::string_view object_type, std::string_view object_id) {
  return fmt::format("/lent/{}", records::key_part(fmt::format("{}:{}", object_type, object_id)));
}

Result<LentCount> read_lent(const store::Snapshot& snapshot, std::string_view object_type,
                            std::string_view object_id) {
  LentCount seen{lent_key(object_type, object_id), {}};
  CLOUDOS_TRY(const auto entry, snapshot.get(seen.key));
  if (entry) seen.value = entry->value;
  return seen;
}

}  // namespace

void note_lent(store::Txn& txn, std::string_view object_type, std::string_view object_id) {
  const std::string key = lent_key(object_type, object_id);
  const auto stored = txn.get(key);
  const auto count = stored ? parse_unsigned(*stored) : std::nullopt;
  txn.put(key, std::to_string(count.value_or(0) + 1));
}

Result<void> check_lent(store::Txn& txn, const LentCount& seen) {
  const auto stored = txn.get(seen.key);
  if ((stored ? std::string(*stored) : std::string()) == seen.value) return Result<void>();
  return fail(ErrorCode::Stale, "who uses it has changed meanwhile");
}

Result<std::vector<std::string>> granted_ids(const store::Snapshot& snapshot,
                                             std::string_view object_type, const Context& ctx) {
  std::vector<std::string> ids;
  for (const std::string_view target : {std::string_view(ctx.project.value), kAnyProject}) {
    if (target.empty()) continue;
    CLOUDOS_TRY(const auto policies,
                records::all<RbacPolicy>(snapshot, "granted",
                                         fmt::format("{}:{}", object_type, target)));
    for (const RbacPolicy& policy : policies) ids.push_back(policy.object_id);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

Result<void> give_to_all(store::Txn& txn, const ProjectId& owner, std::string_view object_type,
                         const std::string& object_id, std::string_view action,
                         const RbacPolicyId& id, WallTime now) {
  if (has_grant(txn, grant_scope(object_type, object_id, action), kAnyProject))
    return Result<void>();
  RbacPolicy policy;
  policy.id = id;
  policy.project = owner;
  policy.object_type = object_type;
  policy.object_id = object_id;
  policy.action = action;
  policy.target = kAnyProject;
  policy.created_at = policy.updated_at = now;
  // A flag of the thing made it: it counts, but a limit on policies does not stop the flag.
  CLOUDOS_CHECK(Quota::add(txn, policy.project, "rbac_policies", 1));
  return records::insert(txn, policy);
}

Result<void> take_from_all(store::Txn& txn, std::string_view object_type,
                           std::string_view object_id, std::string_view action) {
  const auto id = records::find_unique(txn, RbacPolicy::kKind, "grant",
                                       grant_scope(object_type, object_id, action), kAnyProject);
  if (!id) return Result<void>();
  CLOUDOS_TRY(const auto policy, records::get<RbacPolicy>(txn, *id));
  CLOUDOS_CHECK(Quota::add(txn, policy.project, "rbac_policies", -1));
  note_lent(txn, object_type, object_id);
  return records::erase<RbacPolicy>(txn, policy.id);
}

Result<std::vector<RbacPolicyId>> grants_of(const store::Snapshot& snapshot,
                                            std::string_view object_id) {
  std::vector<RbacPolicyId> ids;
  CLOUDOS_TRY(const auto policies, records::all<RbacPolicy>(snapshot, "object", object_id));
  for (const RbacPolicy& policy : policies) ids.push_back(policy.id);
  return ids;
}

Result<void> erase_grants(store::Txn& txn, std::string_view object_type,
                          std::string_view object_id, const std::vector<RbacPolicyId>& ids) {
  for (const RbacPolicyId& id : ids) {
    const auto policy = records::get<RbacPolicy>(txn, id);
    if (!policy) continue;
    CLOUDOS_CHECK(Quota::add(txn, policy->project, "rbac_policies", -1));
    CLOUDOS_CHECK(records::erase<RbacPolicy>(txn, id));
  }
  txn.erase(lent_key(object_type, object_id));
  if (!txn.none(records::index_prefix(RbacPolicy::kKind, "object", object_id)))
    return fail(ErrorCode::Stale, "it was granted to somebody meanwhile");
  return Result<void>();
}

namespace {

constexpr std::string_view kGrantable[] = {"network",       "qos_policy", "security_group",
                                           "address_scope", "subnetpool", "address_group"};

/// A grant, and the id of another that it may need beside it.
struct GrantDraft {
  RbacPolicy policy;
  RbacPolicyId spare;
};

Result<GrantDraft> draft_policy(const Networks::Impl& impl, const Context& ctx,
                                const RbacPolicyCreate& spec) {
  GrantDraft draft;
  RbacPolicy& policy = draft.policy;
  const auto* end = std::end(kGrantable);
  if (std::find(std::begin(kGrantable), end, spec.object_type) == end) {
    return fail_as("InvalidInput", ErrorCode::InvalidArgument,
                   fmt::format("Invalid input for object_type. Reason: {} is not one of the types "
                               "that can be granted.", spec.object_type.substr(0, 64)));
  }
  if (spec.action != kAsShared && (spec.action != kAsExternal || spec.object_type != "network")) {
    return fail_as("InvalidInput", ErrorCode::InvalidArgument,
                   fmt::format("Invalid action '{}' for object type '{}'.",
                               spec.action.substr(0, 64), spec.object_type));
  }
  CLOUDOS_CHECK(check_name("target_tenant", spec.target, 1, limits::kNameChars));
  CLOUDOS_TRY(policy.project, owner_of_new(ctx, spec.project));
  policy.object_type = spec.object_type;
  policy.object_id = spec.object_id;
  policy.action = spec.action;
  policy.target = spec.target;
  policy.id = impl.engine.ids.make<RbacPolicyId>();
  policy.created_at = policy.updated_at = impl.engine.clock.wall();
  draft.spare = impl.engine.ids.make<RbacPolicyId>();
  return draft;
}

Result<void> check_target(const Context& ctx, const std::string& target) {
  if (target == kAnyProject && !ctx.is_admin)
    return forbidden("target_tenant: only an admin grants to every project");
  return Result<void>();
}

/// Runs `use` on the record that a policy is about, whatever its type. Errors: NotFound.
template <class Use>
Result<void> with_object(store::Txn& txn, const RbacPolicy& policy, const Use& use) {
  const auto run = [&]<class T>(const T*) -> Result<void> {
    auto record = records::get<T>(txn, policy.object_id);
    if (!record && record.error().code == ErrorCode::NotFound) return missing<T>(policy.object_id);
    if (!record) return fail(std::move(record).error());
    return use(*record);
  };
  if (policy.object_type == "network") return run(static_cast<Network*>(nullptr));
  if (policy.object_type == "qos_policy") return run(static_cast<QosPolicy*>(nullptr));
  if (policy.object_type == "security_group") return run(static_cast<SecurityGroup*>(nullptr));
  if (policy.object_type == "address_scope") return run(static_cast<AddressScope*>(nullptr));
  if (policy.object_type == "subnetpool") return run(static_cast<SubnetPool*>(nullptr));
  return run(static_cast<AddressGroup*>(nullptr));
}

/// A pool is granted to those alone who may use the addresses of its scope. Errors:
/// InvalidArgument.
Result<void> check_pool_scope(store::Txn& txn, const RbacPolicy& policy) {
  if (policy.object_type != "subnetpool") return Result<void>();
  const auto pool = records::get<SubnetPool>(txn, policy.object_id);
  if (!pool || pool->scope.empty()) return Result<void>();
  const auto address_scope = records::get<AddressScope>(txn, pool->scope);
  if (!address_scope || address_scope->shared || address_scope->project.value == policy.target)
    return Result<void>();
  const auto grants = grant_scope("address_scope", pool->scope.value, kAsShared);
  if (has_grant(txn, grants, policy.target) || has_grant(txn, grants, kAnyProject))
    return Result<void>();
  return fail_as("InvalidInput", ErrorCode::InvalidArgument,
                 fmt::format("target_tenant: {} may not use address scope {}, of which the pool is",
                             policy.target.substr(0, 64), pool->scope.value));
}

/// The flag that says "for every project", where the record has one, and its revision.
Result<void> mark_object(store::Txn& txn, const RbacPolicy& policy, bool given, WallTime now) {
  return with_object(txn, policy, [&](auto& record) -> Result<void> {
    using T = std::decay_t<decltype(record)>;
    if constexpr (requires { record.shared = true; }) {
      if (policy.action == kAsShared && policy.target == kAnyProject) record.shared = given;
    }
    if constexpr (std::is_same_v<T, Network>) {
      const auto scope = grant_scope("network", policy.object_id, kAsExternal);
      if (policy.action == kAsExternal) record.external = given || any_grant(txn, scope);
      if (policy.action == kAsShared && policy.target == kAnyProject) {
        for (const SubnetId& id : record.subnets) {
          CLOUDOS_CHECK(records::modify<Subnet>(txn, id, [&](Subnet& subnet) {
            subnet.shared = given;
            return Result<void>();
          }));
        }
      }
    }
    record.updated_at = now;
    return records::update(txn, record);
  });
}

/// An external network of before there were policies is given to all by its flag: the first policy
/// about it writes that down.
Result<void> write_down_external(store::Txn& txn, const RbacPolicy& policy, const RbacPolicyId& id,
                                 WallTime now) {
  if (policy.object_type != "network" || policy.action != kAsExternal) return Result<void>();
  const auto network = records::get<Network>(txn, policy.object_id);
  if (!network || !network->external || policy.target == kAnyProject) return Result<void>();
  if (any_grant(txn, grant_scope("network", policy.object_id, kAsExternal))) return Result<void>();
  return give_to_all(txn, network->project, "network", policy.object_id, kAsExternal, id, now);
}

Result<void> insert_policy(store::Txn& txn, const Context& ctx, RbacPolicy& policy,
                           const RbacPolicyId& spare) {
  CLOUDOS_CHECK(with_object(txn, policy, [&](const auto& record) -> Result<void> {
    using T = std::decay_t<decltype(record)>;
    if (!sees(txn, ctx, record)) return missing<T>(policy.object_id);
    if (ctx.may_see(record.project)) return Result<void>();
    return fail_as("InvalidInput", ErrorCode::InvalidArgument,
                   "Only admins can manipulate policies on objects they do not own.");
  }));
  CLOUDOS_CHECK(check_target(ctx, policy.target));
  CLOUDOS_CHECK(check_pool_scope(txn, policy));
  const auto scope = grant_scope(policy.object_type, policy.object_id, policy.action);
  if (has_grant(txn, scope, policy.target)) {
    return fail_as("DuplicateRbacPolicy", ErrorCode::AlreadyExists,
                   "An RBAC policy of that kind exists for that target already.");
  }
  CLOUDOS_CHECK(write_down_external(txn, policy, spare, policy.created_at));
  CLOUDOS_CHECK(network::reserve_quota(txn, policy.project, "rbac_policies", 1));
  CLOUDOS_CHECK(records::insert(txn, policy));
  note_lent(txn, policy.object_type, policy.object_id);
  return mark_object(txn, policy, true, policy.created_at);
}

// ---- who would lose something -------------------------------------------------------------------

Failure policy_in_use(const RbacPolicy& policy, std::string_view why) {
  return fail_as("RbacPolicyInUse", ErrorCode::Conflict,
                 fmt::format("RBAC policy on object {} cannot be removed because other objects "
                             "depend on it: {}", policy.object_id, why));
}

/// Projects that use the thing by grants, not by owning it.
Result<std::set<std::string>> users_of(const store::Snapshot& snapshot, const RbacPolicy& policy) {
  std::set<std::string> users;
  const auto take = [&](const auto& records_of) {
    for (const auto& record : records_of) users.insert(record.project.value);
  };
  const std::string& id = policy.object_id;
  if (policy.object_type == "network") {
    if (policy.action == kAsExternal) {
      CLOUDOS_TRY(const auto routers, records::all<Router>(snapshot, "gateway", id));
      take(routers);
      CLOUDOS_TRY(const auto floating, records::all<FloatingIp>(snapshot, "network", id));
      take(floating);
    } else {
      CLOUDOS_TRY(const auto ports, records::all<Port>(snapshot, "foreign", id));
      take(ports);
    }
  } else if (policy.object_type == "qos_policy") {
    CLOUDOS_TRY(const auto networks, records::all<Network>(snapshot, "qos", id));
    take(networks);
    CLOUDOS_TRY(const auto ports, records::all<Port>(snapshot, "qos", id));
    take(ports);
    CLOUDOS_TRY(const auto floating, records::all<FloatingIp>(snapshot, "qos", id));
    take(floating);
  } else if (policy.object_type == "security_group") {
    CLOUDOS_TRY(const auto ports, records::all<Port>(snapshot, "group", id));
    take(ports);
    CLOUDOS_TRY(const auto rules, records::all<SecurityGroupRule>(snapshot, "remote", id));
    take(rules);
  } else if (policy.object_type == "address_group") {
    CLOUDOS_TRY(const auto rules, records::all<SecurityGroupRule>(snapshot, "addresses", id));
    take(rules);
  } else if (policy.object_type == "subnetpool") {
    const auto use = records::get<PoolUse>(snapshot, id);
    if (use) take(use->taken);
  } else {
    CLOUDOS_TRY(const auto scope, records::get<AddressScope>(snapshot, id));
    for (const SubnetPoolId& one : scope.pools)
      if (const auto pool = records::get<SubnetPool>(snapshot, one.value))
        users.insert(pool->project.value);
  }
  return users;
}

/// Errors: Conflict, when somebody's use rests on this policy alone. What its owner uses counts
/// where the API counts it: a QoS policy for all stays so while anything has it. `heir`: whom the
/// policy is for next.
Result<void> refuse_loss(const store::Snapshot& snapshot, const RbacPolicy& policy,
                         const ProjectId& owner, std::string_view heir = {}) {
  const auto scope = grant_scope(policy.object_type, policy.object_id, policy.action);
  const bool for_all = policy.target == kAnyProject;
  CLOUDOS_TRY(const auto users, users_of(snapshot, policy));
  for (const std::string& user : users) {
    const bool counts = user != owner.value || (for_all && policy.object_type == "qos_policy");
    if (!counts || user == heir || (!for_all && user != policy.target)) continue;
    const bool otherwise =
        for_all ? has_grant(snapshot, scope, user) : has_grant(snapshot, scope, kAnyProject);
    if (!otherwise) return policy_in_use(policy, fmt::format("project {} uses it", user));
  }
  return Result<void>();
}

/// What the policy is about, or nothing when that is gone.
Result<ProjectId> owner_of_object(const store::Snapshot& snapshot, const RbacPolicy& policy,
                                  bool& is_default) {
  const auto of = [&]<class T>(const T*) -> Result<ProjectId> {
    CLOUDOS_TRY(const auto record, records::get<T>(snapshot, policy.object_id));
    if constexpr (std::is_same_v<T, Network>) is_default = record.is_default;
    return record.project;
  };
  if (policy.object_type == "network") return of(static_cast<Network*>(nullptr));
  if (policy.object_type == "qos_policy") return of(static_cast<QosPolicy*>(nullptr));
  if (policy.object_type == "security_group") return of(static_cast<SecurityGroup*>(nullptr));
  if (policy.object_type == "address_scope") return of(static_cast<AddressScope*>(nullptr));
  if (policy.object_type == "subnetpool") return of(static_cast<SubnetPool*>(nullptr));
  return of(static_cast<AddressGroup*>(nullptr));
}

/// A policy whose end nobody suffers from, as far as the snapshot shows.
struct Removable {
  RbacPolicy policy;
  LentCount lent;
};

Result<void> refuse_end(const store::Snapshot& snapshot, const RbacPolicy& policy,
                        std::string_view heir = {}) {
  bool is_default = false;
  CLOUDOS_TRY(const ProjectId owner, owner_of_object(snapshot, policy, is_default));
  if (policy.action == kAsExternal && policy.target == kAnyProject && is_default)
    return policy_in_use(policy, "the network is the default external one");
  // As the API has it: of a network's users the next one stays; of other things nobody does.
  return refuse_loss(snapshot, policy, owner, policy.object_type == "network" ? heir : "");
}

Result<Removable> removable(const store::Snapshot& snapshot, const Context& ctx,
                            const RbacPolicyId& id, std::string_view heir = {}) {
  Removable found;
  CLOUDOS_TRY(found.policy, load_owned<RbacPolicy>(snapshot, ctx, id));
  CLOUDOS_TRY(found.lent, read_lent(snapshot, found.policy.object_type, found.policy.object_id));
  if (heir != kAnyProject) CLOUDOS_CHECK(refuse_end(snapshot, found.policy, heir));
  return found;
}

/// The policy as it was when its end was found harmless. Errors: Stale, and those of reading it.
Result<RbacPolicy> load_unchanged(store::Txn& txn, const Context& ctx, const Removable& seen) {
  CLOUDOS_TRY(auto policy, load_owned<RbacPolicy>(txn, ctx, seen.policy.id));
  CLOUDOS_CHECK(check_lent(txn, seen.lent));
  if (policy.target != seen.policy.target)
    return fail(ErrorCode::Stale, "the policy has another target meanwhile");
  note_lent(txn, policy.object_type, policy.object_id);
  return policy;
}

}  // namespace

Result<LentCount> may_take_from_all(const store::Snapshot& snapshot, std::string_view object_type,
                                    std::string_view object_id, std::string_view action) {
  CLOUDOS_TRY(auto seen, read_lent(snapshot, object_type, object_id));
  const auto scope = grant_scope(object_type, object_id, action);
  CLOUDOS_TRY(const auto id,
              records::find_unique(snapshot, RbacPolicy::kKind, "grant", scope, kAnyProject));
  if (!id) return seen;
  CLOUDOS_TRY(const auto policy, records::get<RbacPolicy>(snapshot, *id));
  CLOUDOS_CHECK(refuse_end(snapshot, policy));
  return seen;
}

}  // namespace network

// ---- the service --------------------------------------------------------------------------------

NetworkSharing& Networks::sharing() { return impl_->sharing; }

Result<std::vector<RbacPolicy>> NetworkSharing::create(const Context& ctx,
                                                       const std::vector<RbacPolicyCreate>& specs) {
  return network::create_all<RbacPolicy>(
      impl_, ctx, specs,
      [&](const RbacPolicyCreate& spec) { return network::draft_policy(impl_, ctx, spec); },
      [&](store::Txn& txn, const network::GrantDraft& draft) -> Result<RbacPolicy> {
        RbacPolicy policy = draft.policy;
        CLOUDOS_CHECK(network::insert_policy(txn, ctx, policy, draft.spare));
        return policy;
      });
}

Result<RbacPolicy> NetworkSharing::policy(const Context& ctx, const RbacPolicyId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  return network::load_seen<RbacPolicy>(*snapshot, ctx, id);
}

Result<std::vector<RbacPolicy>> NetworkSharing::policies(const Context& ctx,
                                                         const NetworkListSpec& spec) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  return network::list_records<RbacPolicy>(*snapshot, ctx, spec);
}

Result<RbacPolicy> NetworkSharing::retarget(const Context& ctx, const RbacPolicyId& id,
                                            const std::string& target) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(check_name("target_tenant", target, 1, limits::kNameChars));
  CLOUDOS_CHECK(network::check_target(ctx, target));
  const WallTime now = impl_.engine.clock.wall();
  RbacPolicy changed;
  CLOUDOS_CHECK(store::replan([&]() -> Result<void> {
    network::Removable seen;
    {
      CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
      CLOUDOS_TRY(changed, network::load_owned<RbacPolicy>(*snapshot, ctx, id));
      if (changed.target == target) return Result<void>();
      CLOUDOS_TRY(seen, network::removable(*snapshot, ctx, id, target));
    }
    return impl_.transact([&](store::Txn& txn) -> Result<void> {
      CLOUDOS_TRY(changed, network::load_unchanged(txn, ctx, seen));
      const RbacPolicy before = changed;
      changed.target = target;
      changed.updated_at = now;
      CLOUDOS_CHECK(network::check_pool_scope(txn, changed));
      CLOUDOS_CHECK(records::update(txn, changed));
      CLOUDOS_CHECK(network::mark_object(txn, before, false, now));
      return network::mark_object(txn, changed, true, now);
    });
  }));
  return changed;
}

Result<void> NetworkSharing::remove(const Context& ctx, const RbacPolicyId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  const WallTime now = impl_.engine.clock.wall();
  return store::replan([&]() -> Result<void> {
    network::Removable seen;
    {
      CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
      CLOUDOS_TRY(seen, network::removable(*snapshot, ctx, id));
    }
    return impl_.transact([&](store::Txn& txn) -> Result<void> {
      CLOUDOS_TRY(const auto policy, network::load_unchanged(txn, ctx, seen));
      CLOUDOS_CHECK(Quota::add(txn, policy.project, "rbac_policies", -1));
      CLOUDOS_CHECK(records::erase<RbacPolicy>(txn, id));
      return network::mark_object(txn, policy, false, now);
    });
  });
}

}  // namespace cloudos

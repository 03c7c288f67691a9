#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "identity/quota.hpp"
#include "network/bulk.hpp"
#include "network/changes.hpp"
#include "network/default_rules.hpp"
#include "network/extra_records.hpp"
#include "network/impl.hpp"
#include "network/rules.hpp"
#include "network/sharing.hpp"
#include "network/topology_txn.hpp"
#include "network/unfinished.hpp"

namespace cloudos {

using network::Change;

namespace network {
namespace {

constexpr std::string_view kDefaultName = "default";
// As many as a cloud begins with; more are named after their group.
constexpr std::size_t kDrawnRules = 4;
// A rule has about eight keys; this many fit a transaction with room to spare.
constexpr std::size_t kRulesPerTxn = 200;

Result<void> insert_rules(store::Txn& txn, const SecurityGroup& group,
                          std::vector<SecurityGroupRule> rules) {
  CLOUDOS_CHECK(network::reserve_quota(txn, group.project, "security_group_rules",
                                static_cast<std::int64_t>(rules.size())));
  for (SecurityGroupRule& rule : rules) CLOUDOS_CHECK(records::insert(txn, rule));
  return Result<void>();
}

Result<void> insert_group(store::Txn& txn, SecurityGroup& group,
                          std::vector<SecurityGroupRule> rules) {
  CLOUDOS_CHECK(network::reserve_quota(txn, group.project, "security_groups", 1));
  CLOUDOS_CHECK(records::insert(txn, group));
  return insert_rules(txn, group, std::move(rules));
}

Result<void> precommit_rules(const Wiring& wiring, store::Txn& txn, const SecurityGroup& group,
                             const std::vector<SecurityGroupRule>& added) {
  GroupPlan plan;
  plan.id = group.id;
  for (const SecurityGroupRule& rule : added) plan.rules.push_back(plan_rule(rule));
  return wiring.precommit(txn, change_of(std::move(plan), group.generation));
}

/// A rule was added or taken away: the group's revision says so.
Result<SecurityGroup> touch_group(store::Txn& txn, const SecurityGroupId& id, WallTime now) {
  CLOUDOS_TRY(SecurityGroup group, load<SecurityGroup>(txn, id));
  group.updated_at = now;
  CLOUDOS_CHECK(records::update(txn, group));
  return group;
}

Result<void> erase_rule(store::Txn& txn, const SecurityGroupRule& rule) {
  CLOUDOS_CHECK(Quota::reserve(txn, rule.project, "security_group_rules", -1));
  return records::erase<SecurityGroupRule>(txn, rule.id);
}

Result<void> refuse_group_in_use(store::Txn& txn, const SecurityGroupId& id) {
  if (txn.none(records::index_prefix(Port::kKind, "group", id.value))) return Result<void>();
  return fail_as("SecurityGroupInUse", ErrorCode::Conflict,
                 fmt::format("Security Group {} in use.", id.value));
}

/// Inserts rules that make_rule() drafted, after checks that need the store.
Result<SecurityGroupRule> insert_asked(const Networks::Impl& impl, store::Txn& txn,
                                       const Context& ctx, SecurityGroupRule rule) {
  CLOUDOS_TRY(SecurityGroup group, load_owned<SecurityGroup>(txn, ctx, rule.group));
  // Whoever an admin names: a rule goes with its group, and is counted with it.
  rule.project = group.project;
  if (!rule.remote_group.empty()) {
    CLOUDOS_TRY(const auto remote, load_seen<SecurityGroup>(txn, ctx, rule.remote_group));
    note_use(txn, rule.project, remote);
  }
  if (!rule.remote_address_group.empty()) {
    CLOUDOS_TRY(const auto remote, load_seen<AddressGroup>(txn, ctx, rule.remote_address_group));
    note_use(txn, rule.project, remote);
  }
  const auto twin = records::find_unique(txn, SecurityGroupRule::kKind, "rule",
                                         rule.group.value, canonical_rule(rule));
  if (twin) {
    return fail_as("SecurityGroupRuleExists", ErrorCode::AlreadyExists,
                   fmt::format("Security group rule already exists. Rule id is {}.", *twin));
  }
  CLOUDOS_CHECK(insert_rules(txn, group, {rule}));
  rule.generation = 1;
  CLOUDOS_TRY(group, touch_group(txn, group.id, rule.created_at));
  CLOUDOS_CHECK(precommit_rules(impl.wiring, txn, group, {rule}));
  return rule;
}

}  // namespace

Result<SecurityGroupRule> insert_rule(const Networks::Impl& impl, store::Txn& txn,
                                      const Context& ctx, const SecurityGroupRule& rule) {
  return insert_asked(impl, txn, ctx, rule);
}

}  // namespace network

// ---- the default group --------------------------------------------------------------------------

Networks::Impl::GroupDraft Networks::Impl::draft_group(std::size_t rules) const {
  GroupDraft draft;
  draft.id = engine.ids.make<SecurityGroupId>();
  for (std::size_t i = 0; i < rules; ++i)
    draft.rules.push_back(engine.ids.make<SecurityGroupRuleId>());
  draft.now = engine.clock.wall();
  return draft;
}

Result<SecurityGroupId> Networks::Impl::default_group(store::Txn& txn, const ProjectId& project,
                                                      const GroupDraft& draft) const {
  const auto id =
      records::find_unique(txn, SecurityGroup::kKind, "default", "", project.value);
  if (id) return SecurityGroupId{*id};
  SecurityGroup group;
  group.id = draft.id;
  group.project = project;
  group.name = network::kDefaultName;
  group.description = "Default security group";
  group.is_default = true;
  group.created_at = group.updated_at = draft.now;
  CLOUDOS_TRY(const auto rules, network::rules_of_new(txn, group, draft.rules));
  CLOUDOS_CHECK(network::insert_group(txn, group, rules));
  CLOUDOS_CHECK(network::precommit_rules(wiring, txn, group, rules));
  return group.id;
}

Result<void> Networks::Impl::ensure_default_group(const ProjectId& project) {
  if (project.empty()) return Result<void>();
  {
    CLOUDOS_TRY(const auto view, snapshot());
    CLOUDOS_TRY(const auto id, records::find_unique(*view, SecurityGroup::kKind, "default", "",
                                                    project.value));
    if (id) return Result<void>();
  }
  const auto draft = draft_group(network::kDrawnRules);
  return transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(default_group(txn, project, draft));
    return Result<void>();
  });
}

// ---- groups -------------------------------------------------------------------------------------

namespace network {
namespace {

/// A group as asked for, and ids for the rules that it begins with.
struct AskedGroup {
  SecurityGroup group;
  std::vector<SecurityGroupRuleId> rules;
};

/// Its project has its default group by then.
Result<AskedGroup> draft_asked(Networks::Impl& impl, const Context& ctx,
                               const SecurityGroupCreate& spec) {
  CLOUDOS_CHECK(check_texts(spec.name, spec.description));
  auto drawn = impl.draft_group(kDrawnRules);
  SecurityGroup group;
  CLOUDOS_TRY(group.project, owner_of_new(ctx, spec.project));
  CLOUDOS_CHECK(impl.ensure_default_group(group.project));
  if (fold_case(spec.name) == kDefaultName) {
    return fail_as("SecurityGroupDefaultAlreadyExists", ErrorCode::Conflict,
                   "Default security group already exists.");
  }
  group.id = drawn.id;
  group.name = spec.name;
  group.description = spec.description;
  group.stateful = spec.stateful;
  group.created_at = group.updated_at = drawn.now;
  return AskedGroup{std::move(group), std::move(drawn.rules)};
}

}  // namespace
}  // namespace network

Result<std::vector<SecurityGroup>> Networks::create_groups(
    const Context& ctx, const std::vector<SecurityGroupCreate>& specs) {
  return network::create_all<SecurityGroup>(
      *impl_, ctx, specs,
      [&](const SecurityGroupCreate& spec) { return network::draft_asked(*impl_, ctx, spec); },
      [&](store::Txn& txn, const network::AskedGroup& draft) -> Result<SecurityGroup> {
        SecurityGroup group = draft.group;
        CLOUDOS_TRY(const auto rules, network::rules_of_new(txn, group, draft.rules));
        CLOUDOS_CHECK(network::insert_group(txn, group, rules));
        CLOUDOS_CHECK(network::precommit_rules(impl_->wiring, txn, group, rules));
        return group;
      });
}

Result<SecurityGroup> Networks::create_group(const Context& ctx, const SecurityGroupCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_TRY(auto made, create_groups(ctx, {spec}));
  return std::move(made.front());
}

Result<SecurityGroup> Networks::group(const Context& ctx, const SecurityGroupId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_->snapshot());
  return network::load_seen<SecurityGroup>(*snapshot, ctx, id);
}

Result<SecurityGroup> Networks::update_group(const Context& ctx, const SecurityGroupId& id,
                                             const SecurityGroupUpdate& change) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(network::check_texts(change.name.value_or(""), change.description.value_or("")));
  const WallTime now = impl_->engine.clock.wall();
  SecurityGroup changed;
  CLOUDOS_CHECK(impl_->transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(changed, network::load_owned<SecurityGroup>(txn, ctx, id));
    const bool renames = change.name && *change.name != changed.name;
    if (renames && (changed.is_default || fold_case(*change.name) == network::kDefaultName)) {
      return network::fail_as("SecurityGroupCannotUpdateDefault", ErrorCode::Conflict,
                              "Updating default security group not allowed.");
    }
    if (change.name) changed.name = *change.name;
    if (change.description) changed.description = *change.description;
    if (change.stateful && *change.stateful != changed.stateful) {
      // Connections that are open are tracked or not: what they are cannot change under them.
      CLOUDOS_CHECK(network::refuse_group_in_use(txn, id));
      changed.stateful = *change.stateful;
    }
    changed.updated_at = now;
    return records::update(txn, changed);
  }));
  return changed;
}

namespace network {
namespace {

/// What a snapshot showed of a group that is to go.
struct GroupLeavings {
  std::vector<SecurityGroupRule> rules;  ///< Its own, and others' that name it.
  std::vector<RbacPolicyId> grants;
  bool all = true;                       ///< There are no more.
};

Result<GroupLeavings> leavings_of(const store::Snapshot& snapshot, const SecurityGroupId& id) {
  GroupLeavings left;
  CLOUDOS_TRY(left.grants, grants_of(snapshot, id.value));
  CLOUDOS_TRY(left.rules, records::all<SecurityGroupRule>(snapshot, "group", id.value));
  CLOUDOS_TRY(auto naming, records::all<SecurityGroupRule>(snapshot, "remote", id.value));
  for (auto& rule : naming)
    if (rule.group != id) left.rules.push_back(std::move(rule));
  left.all = left.rules.size() <= kRulesPerTxn;
  if (!left.all) left.rules.resize(kRulesPerTxn);
  return left;
}

/// The rules go; with the last of them the group, which until then is marked as going.
Result<void> erase_some(const Networks::Impl& impl, store::Txn& txn, SecurityGroup group,
                        const GroupLeavings& left, WallTime now) {
  CLOUDOS_CHECK(refuse_group_in_use(txn, group.id));
  for (const SecurityGroupRule& rule : left.rules) {
    auto now_there = records::get<SecurityGroupRule>(txn, rule.id);
    if (!now_there) continue;
    CLOUDOS_CHECK(erase_rule(txn, *now_there));
    if (rule.group != group.id) CLOUDOS_CHECK(touch_group(txn, rule.group, now));
  }
  if (!left.all) {
    group.going = true;
    return records::update(txn, group);
  }
  for (const char* field : {"group", "remote"}) {
    if (!txn.none(records::index_prefix(SecurityGroupRule::kKind, field, group.id.value)))
      return fail(ErrorCode::Stale, "a rule was added meanwhile");
  }
  CLOUDOS_CHECK(erase_grants(txn, "security_group", group.id.value, left.grants));
  CLOUDOS_CHECK(Quota::reserve(txn, group.project, "security_groups", -1));
  CLOUDOS_CHECK(records::erase<SecurityGroup>(txn, group.id));
  return impl.precommit_gone(txn, Change::Kind::Group, group.id.value, group.generation + 1);
}

/// Ends what the first commit of a deletion began.
Result<void> end_deletion(const Networks::Impl& impl, const SecurityGroupId& id) {
  for (bool gone = false; !gone;) {
    CLOUDOS_CHECK(store::replan([&]() -> Result<void> {
      GroupLeavings left;
      {
        CLOUDOS_TRY(const auto snapshot, impl.snapshot());
        CLOUDOS_TRY(left, leavings_of(*snapshot, id));
      }
      CLOUDOS_CHECK(impl.engine.store.transact([&](store::Txn& txn) -> Result<void> {
        auto group = records::get<SecurityGroup>(txn, id);
        gone = left.all || !group;
        if (!group) return Result<void>();
        return erase_some(impl, txn, std::move(*group), left, impl.engine.clock.wall());
      }));
      return Result<void>();
    }));
  }
  return Result<void>();
}

}  // namespace

Result<bool> end_group_deletions(Networks::Impl& impl) {
  std::vector<SecurityGroup> going;
  {
    CLOUDOS_TRY(const auto snapshot, impl.snapshot());
    CLOUDOS_TRY(going, records::all<SecurityGroup>(*snapshot, "going", "1"));
  }
  for (const SecurityGroup& group : going) CLOUDOS_CHECK(end_deletion(impl, group.id));
  return false;
}

}  // namespace network

Result<void> Networks::delete_group(const Context& ctx, const SecurityGroupId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  const WallTime now = impl_->engine.clock.wall();
  bool more = false;
  CLOUDOS_CHECK(store::replan([&]() -> Result<void> {
    network::GroupLeavings left;
    {
      CLOUDOS_TRY(const auto snapshot, impl_->snapshot());
      CLOUDOS_CHECK(network::load_owned<SecurityGroup>(*snapshot, ctx, id));
      CLOUDOS_TRY(left, network::leavings_of(*snapshot, id));
    }
    more = !left.all;
    return impl_->transact([&](store::Txn& txn) -> Result<void> {
      CLOUDOS_TRY(auto group, network::load_owned<SecurityGroup>(txn, ctx, id));
      if (group.is_default && !ctx.is_admin) {
        return network::fail_as("SecurityGroupCannotRemoveDefault", ErrorCode::Conflict,
                                "Insufficient rights for removing default security group.");
      }
      return network::erase_some(*impl_, txn, std::move(group), left, now);
    });
  }));
  // From here on it is going, whoever ends that.
  if (!more) return Result<void>();
  if (const auto ended = network::end_deletion(*impl_, id); !ended)
    impl_->log.warn(fmt::format("security group {} goes later: {}", id.value,
                                ended.error().message));
  return Result<void>();
}

Result<SecurityGroup> Networks::find_group(const store::Snapshot& snapshot, const Context& ctx,
                                           std::string_view name_or_id) const {
  if (is_uuid_like(name_or_id)) {
    auto by_id = network::load_seen<SecurityGroup>(snapshot, ctx,
                                                   SecurityGroupId{std::string(name_or_id)});
    if (by_id || by_id.error().code != ErrorCode::NotFound) return by_id;
  }
  CLOUDOS_TRY(const auto groups,
              records::all<SecurityGroup>(snapshot, "project", ctx.project.value));
  const SecurityGroup* found = nullptr;
  for (const SecurityGroup& group : groups) {
    if (group.name != name_or_id) continue;
    if (found) {
      return network::fail_as("NoUniqueMatch", ErrorCode::Conflict,
                              fmt::format("several security groups are named '{}': use an id",
                                          name_or_id.substr(0, 64)));
    }
    found = &group;
  }
  if (!found) return network::missing<SecurityGroup>(name_or_id);
  return *found;
}

// ---- rules --------------------------------------------------------------------------------------

Result<std::vector<SecurityGroupRule>> Networks::create_rules(
    const Context& ctx, const std::vector<SecurityGroupRuleCreate>& specs) {
  const auto drafted = [&](const SecurityGroupRuleCreate& spec) -> Result<SecurityGroupRule> {
    CLOUDOS_TRY(auto draft, network::make_rule(spec));
    if (spec.project) CLOUDOS_CHECK(network::owner_of_new(ctx, spec.project));
    draft.id = impl_->engine.ids.make<SecurityGroupRuleId>();
    draft.created_at = draft.updated_at = impl_->engine.clock.wall();
    return draft;
  };
  return network::create_all<SecurityGroupRule>(
      *impl_, ctx, specs, drafted, [&](store::Txn& txn, const SecurityGroupRule& draft) {
        return network::insert_asked(*impl_, txn, ctx, draft);
      });
}

Result<SecurityGroupRule> Networks::create_rule(const Context& ctx,
                                                const SecurityGroupRuleCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_TRY(auto made, create_rules(ctx, {spec}));
  return std::move(made.front());
}

Result<SecurityGroupRule> Networks::rule(const Context& ctx, const SecurityGroupRuleId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_->snapshot());
  return network::load_seen<SecurityGroupRule>(*snapshot, ctx, id);
}

Result<void> Networks::delete_rule(const Context& ctx, const SecurityGroupRuleId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  const WallTime now = impl_->engine.clock.wall();
  return impl_->transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(const auto rule, network::load_owned<SecurityGroupRule>(txn, ctx, id));
    CLOUDOS_CHECK(network::erase_rule(txn, rule));
    CLOUDOS_TRY(const auto group, network::touch_group(txn, rule.group, now));
    return network::precommit_rules(impl_->wiring, txn, group, {});
  });
}

}  // namespace cloudos

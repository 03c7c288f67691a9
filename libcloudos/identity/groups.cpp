#include <algorithm>

#include <fmt/format.h>

#include "identity/crud.hpp"

namespace cloudos {

using identity::DomainRecord;
using identity::GroupRecord;
using identity::UserRecord;

namespace {

bool is_member(const UserRecord& user, const GroupId& group) {
  return std::find(user.groups.begin(), user.groups.end(), group) != user.groups.end();
}

Failure no_member(const UserId& user, const GroupId& group) {
  return fail(ErrorCode::NotFound,
              fmt::format("user {} is not in group {}", user.value.substr(0, 64),
                          group.value.substr(0, 64)));
}

/// Leaving ends the user's tokens: those that rest on the group cannot be told from the others
/// once the membership is gone.
Result<void> leave_group(store::Txn& txn, const UserId& user, const GroupId& group) {
  CLOUDOS_CHECK(records::modify<UserRecord>(txn, user, [&](UserRecord& r) -> Result<void> {
    if (std::erase(r.groups, group) == 0) return no_member(user, group);
    ++r.epoch;
    return Result<void>();
  }));
  return Result<void>();
}

}  // namespace

Result<Group> Identity::create_group(const Context& ctx, const GroupCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  PolicyTarget target{{}, {}};
  target.group_domain = spec.domain;
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:create_group", std::move(target)));
  CLOUDOS_CHECK(identity::check_title("name", spec.name, limits::kNameChars));
  CLOUDOS_CHECK(identity::check_spec(spec));
  auto record = identity::record_of<GroupRecord>(spec, impl_->engine);
  record.domain = spec.domain;
  CLOUDOS_CHECK(impl_->commit_quietly([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::get<DomainRecord>(txn, record.domain));
    return records::insert(txn, record);
  }));
  return Group(record);
}

Result<Group> Identity::get_group(const Context& ctx, const GroupId& id) const {
  CLOUDOS_TRY(auto record, impl_->owned<GroupRecord>(ctx, "identity:get_group", id));
  return Group(std::move(record));
}

Result<std::vector<Group>> Identity::list_groups(const Context& ctx,
                                                 const IdentityFilter& filter) const {
  CLOUDOS_TRY(const auto domain,
              impl_->allow_list(ctx, "identity:list_groups", filter.domain));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  records::Range range;
  if (domain) range = {"domain", domain->value, true};
  return identity::listed<Group, GroupRecord>(*at, filter, std::move(range));
}

Result<Group> Identity::update_group(const Context& ctx, const GroupId& id,
                                     const IdentityUpdate& with) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->owned<GroupRecord>(ctx, "identity:update_group", id));
  CLOUDOS_CHECK(identity::check_update(with, limits::kNameChars));
  Group after;
  CLOUDOS_CHECK(impl_->commit_quietly([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(auto record, records::modify<GroupRecord>(txn, id, [&](GroupRecord& r) {
      return identity::change_common(r, with);
    }));
    after = std::move(record);
    return Result<void>();
  }));
  return after;
}

Result<void> Identity::Impl::empty_group(const GroupId& group) const {
  constexpr std::size_t kAtOnce = 200;
  for (;;) {
    CLOUDOS_TRY(const auto at, snapshot());
    records::PageSpec<UserRecord> spec;
    spec.range = {"group", group.value, false};
    spec.limit = kAtOnce;
    CLOUDOS_TRY(const auto members, records::page(*at, spec));
    if (members.empty()) return Result<void>();
    CLOUDOS_CHECK(commit([&](store::Txn& txn) -> Result<void> {
      for (const UserRecord& member : members) {
        auto left = leave_group(txn, member.id, group);
        if (!left && left.error().code != ErrorCode::NotFound) return left;
      }
      return Result<void>();
    }));
  }
}

Result<void> Identity::remove_group(const Context& ctx, const GroupId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->owned<GroupRecord>(ctx, "identity:delete_group", id));
  return store::replan([&]() -> Result<void> {
    CLOUDOS_CHECK(impl_->empty_group(id));
    return impl_->drop_grants("group", id.value, [&](store::Txn& txn) -> Result<void> {
      if (!txn.none(records::index_prefix(UserRecord::kKind, "group", id.value)))
        return fail(ErrorCode::Stale, "someone joined the group meanwhile");
      return records::erase<GroupRecord>(txn, id);
    });
  });
}

Result<void> Identity::Impl::allow_member(const Context& ctx, std::string_view name,
                                          const GroupId& group, const UserId& user) const {
  PolicyTarget target{{}, user};
  CLOUDOS_CHECK(may_ask(ctx, name, target));
  CLOUDOS_TRY(const auto at, snapshot());
  CLOUDOS_TRY(const auto home, records::get<GroupRecord>(*at, group));
  CLOUDOS_TRY(const auto member, records::get<UserRecord>(*at, user));
  identity::tell(target, home);
  identity::tell(target, member);
  auto allowed = allow(ctx, name, target);
  // Who does not see them either learns not even that they are there.
  if (!allowed && !allow(ctx, "identity:check_user_in_group", std::move(target)))
    return records::not_found(GroupRecord::kKind, group.value);
  return allowed;
}

Result<void> Identity::add_to_group(const Context& ctx, const GroupId& group, const UserId& user) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow_member(ctx, "identity:add_user_to_group", group, user));
  return impl_->commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::get<GroupRecord>(txn, group));
    CLOUDOS_TRY(auto record, records::get<UserRecord>(txn, user));
    if (is_member(record, group)) return Result<void>();
    if (record.groups.size() >= limits::kGroupsOfUser) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("a user may be in {} groups at most", limits::kGroupsOfUser));
    }
    record.groups.push_back(group);
    return records::update(txn, record);
  });
}

Result<void> Identity::remove_from_group(const Context& ctx, const GroupId& group,
                                         const UserId& user) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow_member(ctx, "identity:remove_user_from_group", group, user));
  return impl_->commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::get<GroupRecord>(txn, group));
    return leave_group(txn, user, group);
  });
}

Result<void> Identity::check_in_group(const Context& ctx, const GroupId& group,
                                      const UserId& user) const {
  CLOUDOS_CHECK(impl_->allow_member(ctx, "identity:check_user_in_group", group, user));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  CLOUDOS_CHECK(records::get<GroupRecord>(*at, group));
  CLOUDOS_TRY(const auto record, records::get<UserRecord>(*at, user));
  if (!is_member(record, group)) return no_member(user, group);
  return Result<void>();
}

Result<std::vector<User>> Identity::users_of_group(const Context& ctx, const GroupId& group,
                                                   const IdentityFilter& filter) const {
  CLOUDOS_CHECK(impl_->owned<GroupRecord>(ctx, "identity:list_users_in_group", group));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  return impl_->users_in(*at, {"group", group.value, true}, filter);
}

Result<std::vector<Group>> Identity::groups_of_user(const Context& ctx, const UserId& user,
                                                    const IdentityFilter& filter) const {
  CLOUDOS_TRY(const auto record,
              impl_->owned<UserRecord>(ctx, "identity:list_groups_for_user", user));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  std::vector<Group> found;
  for (const GroupId& id : record.groups) {
    CLOUDOS_TRY(auto group, records::get<GroupRecord>(*at, id));
    if (identity::matches_common(group, filter)) found.push_back(std::move(group));
  }
  return found;
}

}  // namespace cloudos

#include <fmt/format.h>

#include "base/text.hpp"
#include "identity/impl.hpp"

namespace cloudos {

using identity::DomainRecord;
using identity::GrantRecord;
using identity::ProjectRecord;
using identity::UserRecord;

namespace {

std::optional<std::string> user_text(const UserRecord& r, std::string_view field) {
  if (field == "id") return r.id.value;
  if (field == "name") return r.name;
  if (field == "description") return r.description;
  if (field == "default_project_id") return r.default_project.value;
  return identity::extra_text(r.extra, field);
}

void set_password(UserRecord& r, const std::string& hash, WallTime now) {
  r.password_hash = hash;
  r.has_password = true;
  r.password_changed_at = now;
  ++r.epoch;
}

/// A default project must be one, and not a domain; whether the user may use it shows at login.
Result<void> check_default_project(store::Txn& txn, const ProjectId& project) {
  if (project.empty() || records::get<ProjectRecord>(txn, project)) return Result<void>();
  return fail(ErrorCode::InvalidArgument, "default_project_id: no such project");
}

}  // namespace

Result<User> Identity::create_user(const Context& ctx, const UserCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  PolicyTarget target{{}, {}};
  target.user_domain = spec.domain;
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:create_user", std::move(target)));
  CLOUDOS_CHECK(identity::check_title("name", spec.name, limits::kNameChars));
  CLOUDOS_CHECK(identity::check_text("description", spec.description));
  CLOUDOS_CHECK(identity::check_extra(spec.extra));
  UserRecord record;
  record.id = UserId{impl_->engine.ids.hex()};
  record.name = spec.name;
  record.description = spec.description;
  record.domain = spec.domain;
  record.default_project = spec.default_project;
  record.enabled = spec.enabled;
  record.extra = spec.extra;
  record.created_at = impl_->engine.clock.wall();
  if (spec.password) {
    CLOUDOS_TRY(const std::string hash, impl_->passwords.hash(*spec.password));
    set_password(record, hash, record.created_at);
  }
  CLOUDOS_CHECK(impl_->commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::get<DomainRecord>(txn, record.domain));
    CLOUDOS_CHECK(check_default_project(txn, record.default_project));
    return records::insert(txn, record);
  }));
  return User(record);
}

Result<User> Identity::get_user(const Context& ctx, const UserId& id) const {
  CLOUDOS_TRY(auto record, impl_->owned<UserRecord>(ctx, "identity:get_user", id));
  return User(std::move(record));
}

Result<std::vector<User>> Identity::list_users(const Context& ctx,
                                               const IdentityFilter& filter) const {
  CLOUDOS_TRY(const auto domain,
              impl_->allow_list(ctx, "identity:list_users", filter.domain));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  records::PageSpec<UserRecord> spec;
  if (domain) spec.range = {"domain", domain->value, true};
  spec.matches = [&](const UserRecord& r) {
    if (filter.enabled && *filter.enabled != r.enabled) return false;
    return identity::text_matches(
        filter.text, [&](std::string_view field) { return user_text(r, field); });
  };
  spec.marker = filter.marker;
  spec.limit = filter.limit;
  return identity::public_page<User>(*at, spec);
}

Result<User> Identity::update_user(const Context& ctx, const UserId& id,
                                   const IdentityUpdate& with) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  // An unknown user is not worth a hash.
  CLOUDOS_CHECK(impl_->owned<UserRecord>(ctx, "identity:update_user", id));
  if (with.name) CLOUDOS_CHECK(identity::check_title("name", *with.name, limits::kNameChars));
  if (with.description) CLOUDOS_CHECK(identity::check_text("description", *with.description));
  std::string hash;
  if (with.password) {
    CLOUDOS_TRY(hash, impl_->passwords.hash(*with.password));
  }
  const WallTime now = impl_->engine.clock.wall();
  User after;
  CLOUDOS_CHECK(impl_->commit([&](store::Txn& txn) -> Result<void> {
    if (with.default_project) CLOUDOS_CHECK(check_default_project(txn, *with.default_project));
    CLOUDOS_TRY(auto record, records::modify<UserRecord>(txn, id, [&](UserRecord& r) {
      if (with.name) r.name = *with.name;
      if (with.description) r.description = *with.description;
      if (with.default_project) r.default_project = *with.default_project;
      if (!hash.empty()) set_password(r, hash, now);
      if (with.enabled) {
        if (r.enabled && !*with.enabled) ++r.epoch;
        r.enabled = *with.enabled;
      }
      return identity::apply_extra(r.extra, with.extra);
    }));
    after = std::move(record);
    return Result<void>();
  }));
  return after;
}

Result<void> Identity::remove_user(const Context& ctx, const UserId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->owned<UserRecord>(ctx, "identity:delete_user", id));
  return impl_->drop_grants("user", id.value, [&](store::Txn& txn) {
    return records::erase<UserRecord>(txn, id);
  });
}

Result<void> Identity::change_password(const Context& ctx, const UserId& id,
                                       std::string_view original, std::string_view password) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:change_password", {{}, id}));
  CLOUDOS_CHECK(identity::Passwords::check(password));
  std::optional<UserRecord> user;
  {
    CLOUDOS_TRY(const auto at, impl_->snapshot());
    CLOUDOS_TRY(user, records::get<UserRecord>(*at, id));
  }
  CLOUDOS_CHECK(impl_->passwords.verify(original, user->password_hash));
  CLOUDOS_TRY(const std::string hash, impl_->passwords.hash(password));
  const WallTime now = impl_->engine.clock.wall();
  return impl_->commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::modify<UserRecord>(txn, id, [&](UserRecord& r) -> Result<void> {
      // The original was checked against a state that is no more.
      if (r.epoch != user->epoch)
        return fail(ErrorCode::Conflict, "the user changed meanwhile: try again");
      set_password(r, hash, now);
      return Result<void>();
    }));
    return Result<void>();
  });
}

namespace {

/// What the user has any role on, by themselves or by groups.
template <class Record, class IdType>
Result<std::vector<Record>> targets_of_user(const store::Snapshot& at, const UserRecord& user,
                                            IdType GrantRecord::*target) {
  std::set<IdType> ids;
  const auto collect = [&](std::string_view field, const std::string& value) -> Result<void> {
    CLOUDOS_TRY(const auto grants, records::all<GrantRecord>(at, field, value));
    for (const GrantRecord& grant : grants)
      if (!(grant.*target).empty() && !grant.roles.empty()) ids.insert(grant.*target);
    return Result<void>();
  };
  CLOUDOS_CHECK(collect("user", user.id.value));
  for (const GroupId& group : user.groups) CLOUDOS_CHECK(collect("group", group.value));
  std::vector<Record> found;
  for (const IdType& id : ids) {
    auto record = records::get<Record>(at, id);
    if (!record && record.error().code == ErrorCode::NotFound) continue;
    if (!record) return fail(std::move(record).error());
    if (record->enabled) found.push_back(std::move(*record));
  }
  return found;
}

}  // namespace

Result<std::vector<Project>> Identity::projects_of(const Context& ctx, const UserId& user) const {
  CLOUDOS_TRY(const auto record,
              impl_->owned<UserRecord>(ctx, "identity:list_user_projects", user));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  CLOUDOS_TRY(const auto found,
              targets_of_user<ProjectRecord>(*at, record, &GrantRecord::project));
  return std::vector<Project>(found.begin(), found.end());
}

Result<std::vector<Domain>> Identity::domains_of(const Context& ctx, const UserId& user) const {
  CLOUDOS_TRY(const auto record,
              impl_->owned<UserRecord>(ctx, "identity:list_user_projects", user));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  CLOUDOS_TRY(const auto found, targets_of_user<DomainRecord>(*at, record, &GrantRecord::domain));
  return std::vector<Domain>(found.begin(), found.end());
}

Result<std::vector<Role>> Identity::system_roles_of(const Context& ctx,
                                                    const UserId& user) const {
  CLOUDOS_TRY(const auto record,
              impl_->owned<UserRecord>(ctx, "identity:list_user_projects", user));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  CLOUDOS_TRY(const auto held,
              impl_->effective_roles(*at, record, {{}, {}, {}, {}, {}, true}));
  std::vector<Role> roles;
  for (const Token::Named& named : held.roles) {
    CLOUDOS_TRY(auto role, records::get<identity::RoleRecord>(*at, named.id));
    roles.push_back(std::move(role));
  }
  return roles;
}

}  // namespace cloudos

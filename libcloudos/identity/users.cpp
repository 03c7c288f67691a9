#include <fmt/format.h>

#include "base/text.hpp"
#include "identity/credential_records.hpp"
#include "identity/impl.hpp"
#include "identity/methods.hpp"

namespace cloudos {

using identity::DomainRecord;
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

bool time_matches(const TimeFilter& filter, WallTime time) {
  switch (filter.match) {
    case TimeFilter::Match::Equal: return time == filter.time;
    case TimeFilter::Match::NotEqual: return time != filter.time;
    case TimeFilter::Match::Before: return time < filter.time;
    case TimeFilter::Match::NotAfter: return time <= filter.time;
    case TimeFilter::Match::After: return time > filter.time;
    case TimeFilter::Match::NotBefore: return time >= filter.time;
  }
  return false;
}

bool expiry_matches(const std::vector<TimeFilter>& filters, const UserRecord& r) {
  if (filters.empty()) return true;
  const auto expiry = identity::expiry_shown(r);
  return expiry && std::all_of(filters.begin(), filters.end(), [&](const TimeFilter& filter) {
           return time_matches(filter, *expiry);
         });
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
  CLOUDOS_CHECK(identity::check_options(spec.options));
  record.options = spec.options;
  const auto rules = impl_->rules.now();
  if (spec.password) {
    CLOUDOS_CHECK(identity::Passwords::check(*spec.password));
    CLOUDOS_CHECK(identity::check_strength(*rules, *spec.password));
    CLOUDOS_TRY(const std::string hash, impl_->passwords.hash(*spec.password));
    identity::set_password_of(record, hash, rules->rules, record.created_at,
                              identity::SetBy::Admin);
  } else if (spec.password_hash) {
    CLOUDOS_CHECK(identity::check_hash(*spec.password_hash));
    identity::set_password_of(record, *spec.password_hash, rules->rules, record.created_at,
                              identity::SetBy::Admin);
    record.foreign_hash = true;
  }
  CLOUDOS_CHECK(impl_->commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::get<DomainRecord>(txn, record.domain));
    CLOUDOS_CHECK(check_default_project(txn, record.default_project));
    return records::insert(txn, record);
  }));
  return impl_->shown(std::move(record));
}

Result<User> Identity::get_user(const Context& ctx, const UserId& id) const {
  CLOUDOS_TRY(auto record, impl_->owned<UserRecord>(ctx, "identity:get_user", id));
  return impl_->shown(std::move(record));
}

Result<std::vector<User>> Identity::list_users(const Context& ctx,
                                               const IdentityFilter& filter) const {
  CLOUDOS_TRY(const auto domain,
              impl_->allow_list(ctx, "identity:list_users", filter.domain));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  records::Range range;
  if (domain) range = {"domain", domain->value, true};
  return impl_->users_in(*at, std::move(range), filter);
}

Result<std::vector<User>> Identity::Impl::users_in(const store::Snapshot& at, records::Range range,
                                                   const IdentityFilter& filter) const {
  records::PageSpec<UserRecord> spec;
  spec.range = std::move(range);
  const AccountRules in_force = rules.now()->rules;
  const WallTime now = engine.clock.wall();
  spec.matches = [&](const UserRecord& r) {
    if (filter.enabled && *filter.enabled != identity::may_log_in(r, in_force, now)) return false;
    if (!expiry_matches(filter.password_expires_at, r)) return false;
    return identity::text_matches(
        filter.text, [&](std::string_view field) { return user_text(r, field); });
  };
  spec.marker = filter.marker;
  spec.limit = filter.limit;
  CLOUDOS_TRY(auto found, records::page(at, spec));
  std::vector<User> list;
  list.reserve(found.size());
  for (UserRecord& record : found) list.push_back(shown(std::move(record)));
  return list;
}

Result<User> Identity::update_user(const Context& ctx, const UserId& id,
                                   const IdentityUpdate& with) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  // An unknown user is not worth a hash.
  CLOUDOS_CHECK(impl_->owned<UserRecord>(ctx, "identity:update_user", id));
  if (with.name) CLOUDOS_CHECK(identity::check_title("name", *with.name, limits::kNameChars));
  if (with.description) CLOUDOS_CHECK(identity::check_text("description", *with.description));
  CLOUDOS_CHECK(identity::check_options(with.options));
  const auto rules = impl_->rules.now();
  std::string hash;
  if (with.password) {
    CLOUDOS_CHECK(identity::Passwords::check(*with.password));
    CLOUDOS_CHECK(identity::check_strength(*rules, *with.password));
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
      identity::apply_options(r.options, with.options, with.unset_options);
      if (!hash.empty())
        identity::set_password_of(r, hash, rules->rules, now, identity::SetBy::Admin);
      if (with.enabled) {
        if (r.enabled && !*with.enabled) ++r.epoch;
        r.enabled = *with.enabled;
        if (r.enabled) r.last_active_at = now;  // An admin lets the inactive in again.
      }
      return identity::apply_extra(r.extra, with.extra);
    }));
    after = impl_->shown(std::move(record));
    return Result<void>();
  }));
  return after;
}

Result<void> Identity::remove_user(const Context& ctx, const UserId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->owned<UserRecord>(ctx, "identity:delete_user", id));
  static constexpr identity::Dependent kOfUser[] = {
      identity::dependent<identity::GrantRecord>("user"),
      identity::dependent<identity::TrustRecord>("trustor"),
      identity::dependent<identity::TrustRecord>("trustee"),
      identity::dependent<identity::ApplicationCredentialRecord>("user"),
      identity::dependent<identity::AccessRuleRecord>("user"),
      identity::dependent<identity::CredentialRecord>("user")};
  return impl_->drop_dependents(kOfUser, id.value, [&](store::Txn& txn) {
    return records::erase<UserRecord>(txn, id);
  });
}

User Identity::Impl::shown(UserRecord record) const {
  record.enabled = identity::may_log_in(record, rules.now()->rules, engine.clock.wall());
  record.password_expires_at = identity::expiry_shown(record);
  return User(std::move(record));
}

namespace {

/// May the user, whose password has been proved, choose this one now?
Result<void> check_choice(const Identity::Impl& impl, const UserRecord& user,
                          const AccountRules& rules, std::string_view password) {
  if (user.options.lock_password.value_or(false)) {
    return fail(ErrorCode::Forbidden, "the password is not this user's to change: ask an admin");
  }
  CLOUDOS_CHECK(identity::check_age(user, rules, impl.engine.clock.wall()));
  for (const std::string& used : identity::used_hashes(user, rules)) {
    const auto same = impl.passwords.verify(password, used);
    if (!same && same.error().code == ErrorCode::Unauthenticated) continue;
    if (!same) return fail(same.error());
    return fail(ErrorCode::InvalidArgument,
                fmt::format("password: must be none of the last {}", rules.unique_passwords));
  }
  return Result<void>();
}

}  // namespace

Result<void> Identity::change_password(const Context& ctx, const UserId& id,
                                       std::string_view original, std::string_view password) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  if (!ctx.user.empty()) CLOUDOS_CHECK(impl_->allow(ctx, "identity:change_password", {{}, id}));
  const auto rules = impl_->rules.now();
  CLOUDOS_CHECK(identity::Passwords::check(password));
  CLOUDOS_CHECK(identity::check_strength(*rules, password));
  CLOUDOS_TRY(const auto user, identity::verify_own_password(*impl_, id, original));
  CLOUDOS_CHECK(check_choice(*impl_, user, rules->rules, password));
  CLOUDOS_TRY(const std::string hash, impl_->passwords.hash(password));
  const WallTime now = impl_->engine.clock.wall();
  return impl_->commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::modify<UserRecord>(txn, id, [&](UserRecord& r) -> Result<void> {
      // The original was checked against a state that is no more.
      if (r.epoch != user.epoch)
        return fail(ErrorCode::Conflict, "the user changed meanwhile: try again");
      identity::set_password_of(r, hash, rules->rules, now, identity::SetBy::User);
      return Result<void>();
    }));
    return Result<void>();
  });
}

}  // namespace cloudos

#include <fmt/format.h>

#include "base/text.hpp"
#include "identity/crud.hpp"
#include "identity/domain_records.hpp"
#include "identity/registry_records.hpp"

namespace cloudos {

using identity::DomainRecord;
using identity::GroupRecord;
using identity::ProjectRecord;
using identity::UserRecord;

namespace {
constexpr std::string_view kDefaultDomain = "default";

bool is_hex_id(std::string_view text) {
  return text.size() == 32 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}
}  // namespace

Result<Domain> Identity::create_domain(const Context& ctx, const DomainCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:create_domain"));
  CLOUDOS_CHECK(identity::check_title("name", spec.name, limits::kProjectNameChars));
  CLOUDOS_CHECK(identity::check_spec(spec));
  if (spec.id && !is_hex_id(spec.id->value)) {
    return fail(ErrorCode::InvalidArgument, "explicit_domain_id: must be 32 hexadecimal digits");
  }
  auto record = identity::record_of<DomainRecord>(spec, impl_->engine);
  if (spec.id) record.id = *spec.id;
  CLOUDOS_CHECK(impl_->commit([&](store::Txn& txn) { return records::insert(txn, record); }));
  return Domain(record);
}

Result<Domain> Identity::get_domain(const Context& ctx, const DomainId& id) const {
  CLOUDOS_TRY(auto record, impl_->owned<DomainRecord>(ctx, "identity:get_domain", id));
  return Domain(std::move(record));
}

Result<std::vector<Domain>> Identity::list_domains(const Context& ctx,
                                                   const IdentityFilter& filter) const {
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:list_domains"));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  return identity::listed<Domain, DomainRecord>(*at, filter);
}

Result<Domain> Identity::update_domain(const Context& ctx, const DomainId& id,
                                       const IdentityUpdate& with) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:update_domain"));
  CLOUDOS_CHECK(identity::check_update(with, limits::kProjectNameChars));
  Domain after;
  CLOUDOS_CHECK(impl_->commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(auto record, records::modify<DomainRecord>(txn, id, [&](DomainRecord& r) {
      return identity::change_common(r, with);
    }));
    after = std::move(record);
    return Result<void>();
  }));
  return after;
}

Result<void> Identity::remove_domain(const Context& ctx, const DomainId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:delete_domain"));
  if (id.value == kDefaultDomain)
    return fail(ErrorCode::Forbidden, "the domain default cannot be deleted");
  const auto refuse_enabled = [](const DomainRecord& record) -> Result<void> {
    CLOUDOS_CHECK(identity::check_mutable("domain", record.id.value, record.immutable));
    if (!record.enabled) return Result<void>();
    return fail(ErrorCode::Forbidden,
                fmt::format("domain {} is enabled: disable it before deleting it", record.name));
  };
  // Newest first: projects come before those they lie under.
  const auto contents = [&]() -> Result<void> {
    CLOUDOS_TRY(const auto at, impl_->snapshot());
    CLOUDOS_TRY(const auto domain, records::get<DomainRecord>(*at, id));
    CLOUDOS_CHECK(refuse_enabled(domain));
    IdentityFilter inside;
    inside.domain = id;
    // Who may delete the domain may delete what is in it, whatever the rules for those say.
    const Context all = Context::system(ctx.request_id);
    // Before anything goes: what says it is immutable keeps its domain.
    CLOUDOS_TRY(const auto projects, list_projects(all, inside));
    for (const Project& project : projects)
      CLOUDOS_CHECK(identity::check_mutable("project", project.id.value, project.immutable));
    CLOUDOS_TRY(const auto roles, list_roles(all, inside));
    for (const Role& role : roles)
      CLOUDOS_CHECK(identity::check_mutable("role", role.id.value, role.immutable));
    CLOUDOS_TRY(const auto users, list_users(all, inside));
    for (const User& user : users) CLOUDOS_CHECK(remove_user(all, user.id));
    CLOUDOS_TRY(const auto groups, list_groups(all, inside));
    for (const Group& group : groups) CLOUDOS_CHECK(remove_group(all, group.id));
    for (const Project& project : projects) CLOUDOS_CHECK(remove_project(all, project.id));
    for (const Role& role : roles) CLOUDOS_CHECK(remove_role(all, role.id));
    return Result<void>();
  };
  static constexpr identity::Dependent kOfDomain[] = {
      identity::dependent<identity::GrantRecord>("domain"),
      identity::dependent<identity::LimitRecord>("domain")};
  return store::replan([&]() -> Result<void> {
    CLOUDOS_CHECK(contents());
    return impl_->drop_dependents(kOfDomain, id.value, [&](store::Txn& txn) -> Result<void> {
      CLOUDOS_TRY(const auto domain, records::get<DomainRecord>(txn, id));
      CLOUDOS_CHECK(refuse_enabled(domain));
      for (const std::string_view kind : {UserRecord::kKind, GroupRecord::kKind,
                                          ProjectRecord::kKind, identity::RoleRecord::kKind}) {
        if (!txn.none(records::index_prefix(kind, "domain", id.value)))
          return fail(ErrorCode::Stale, "something was added to the domain meanwhile");
      }
      using identity::DomainConfigRecord;
      if (txn.get(records::record_key(DomainConfigRecord::kKind, id.value)))
        CLOUDOS_CHECK(records::erase<DomainConfigRecord>(txn, id));
      return records::erase<DomainRecord>(txn, id);
    });
  });
}

}  // namespace cloudos

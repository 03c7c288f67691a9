#include <fmt/format.h>

#include "base/text.hpp"
#include "identity/impl.hpp"

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
  CLOUDOS_CHECK(identity::check_text("description", spec.description));
  CLOUDOS_CHECK(identity::check_extra(spec.extra));
  if (spec.id && !is_hex_id(spec.id->value)) {
    return fail(ErrorCode::InvalidArgument, "explicit_domain_id: must be 32 hexadecimal digits");
  }
  DomainRecord record;
  record.id = spec.id ? *spec.id : DomainId{impl_->engine.ids.hex()};
  record.name = spec.name;
  record.description = spec.description;
  record.enabled = spec.enabled;
  record.extra = spec.extra;
  record.created_at = impl_->engine.clock.wall();
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
  records::PageSpec<DomainRecord> spec;
  spec.matches = [&](const DomainRecord& r) {
    if (filter.enabled && *filter.enabled != r.enabled) return false;
    return identity::text_matches(filter.text, [&](std::string_view field) {
      if (field == "id") return std::optional(r.id.value);
      if (field == "name") return std::optional(r.name);
      if (field == "description") return std::optional(r.description);
      return identity::extra_text(r.extra, field);
    });
  };
  spec.marker = filter.marker;
  spec.limit = filter.limit;
  return identity::public_page<Domain>(*at, spec);
}

Result<Domain> Identity::update_domain(const Context& ctx, const DomainId& id,
                                       const IdentityUpdate& with) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:update_domain"));
  if (with.name)
    CLOUDOS_CHECK(identity::check_title("name", *with.name, limits::kProjectNameChars));
  if (with.description) CLOUDOS_CHECK(identity::check_text("description", *with.description));
  Domain after;
  CLOUDOS_CHECK(impl_->commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(auto record, records::modify<DomainRecord>(txn, id, [&](DomainRecord& r) {
      if (with.name) r.name = *with.name;
      if (with.description) r.description = *with.description;
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

Result<void> Identity::remove_domain(const Context& ctx, const DomainId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:delete_domain"));
  if (id.value == kDefaultDomain)
    return fail(ErrorCode::Forbidden, "the domain default cannot be deleted");
  const auto refuse_enabled = [](const DomainRecord& record) -> Result<void> {
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
    CLOUDOS_TRY(const auto users, list_users(all, inside));
    for (const User& user : users) CLOUDOS_CHECK(remove_user(all, user.id));
    CLOUDOS_TRY(const auto groups, list_groups(all, inside));
    for (const Group& group : groups) CLOUDOS_CHECK(remove_group(all, group.id));
    CLOUDOS_TRY(const auto projects, list_projects(all, inside));
    for (const Project& project : projects) CLOUDOS_CHECK(remove_project(all, project.id));
    return Result<void>();
  };
  return store::replan([&]() -> Result<void> {
    CLOUDOS_CHECK(contents());
    return impl_->drop_grants("domain", id.value, [&](store::Txn& txn) -> Result<void> {
      CLOUDOS_TRY(const auto domain, records::get<DomainRecord>(txn, id));
      CLOUDOS_CHECK(refuse_enabled(domain));
      for (const std::string_view kind :
           {UserRecord::kKind, GroupRecord::kKind, ProjectRecord::kKind}) {
        if (!txn.none(records::index_prefix(kind, "domain", id.value)))
          return fail(ErrorCode::Stale, "something was added to the domain meanwhile");
      }
      return records::erase<DomainRecord>(txn, id);
    });
  });
}

}  // namespace cloudos

#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "identity/credential_records.hpp"
#include "identity/crud.hpp"
#include "identity/quota.hpp"
#include "identity/registry_records.hpp"

namespace cloudos {

using identity::DomainRecord;
using identity::ProjectRecord;

namespace identity {

Result<void> check_tags(const std::vector<std::string>& tags) {
  if (tags.size() > limits::kProjectTags) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("tags: more than {} on a project", limits::kProjectTags));
  }
  std::set<std::string_view> seen;
  for (const std::string& tag : tags) {
    CLOUDOS_CHECK(check_name("tags", tag, 1, limits::kNameChars));
    if (tag.find_first_of("/,") != std::string::npos)
      return fail(ErrorCode::InvalidArgument, "tags: must not contain a slash or a comma");
    if (!seen.insert(tag).second)
      return fail(ErrorCode::InvalidArgument, "tags: the same tag twice");
  }
  return Result<void>();
}

Result<void> check_mutable(std::string_view kind, const std::string& id,
                           const std::optional<bool>& immutable, bool only_unsets) {
  if (!immutable.value_or(false) || only_unsets) return Result<void>();
  return fail(ErrorCode::Forbidden,
              fmt::format("{} {} is immutable: unset its option immutable first, by itself", kind,
                          id.substr(0, 64)));
}

bool only_unsets_immutable(const IdentityUpdate& with) {
  return with.immutable && !with.immutable->value_or(false) && !with.name && !with.description &&
         !with.enabled && !with.tags && with.extra.empty();
}

}  // namespace identity

namespace {

/// The parent must be there, enabled, in the same domain and not too deep. It is written again, so
/// that disabling it meanwhile sees the child that comes.
Result<void> attach_to_parent(store::Txn& txn, const ProjectRecord& child) {
  if (child.parent.empty()) return Result<void>();
  const auto wrong = [](std::string_view why) {
    return fail(ErrorCode::InvalidArgument, fmt::format("parent_id: {}", why));
  };
  ProjectId above = child.parent;
  for (std::size_t depth = 2; !above.empty(); ++depth) {
    if (depth > limits::kProjectDepth)
      return fail(ErrorCode::Forbidden,
                  fmt::format("projects nest at most {} deep", limits::kProjectDepth));
    const auto parent = records::get<ProjectRecord>(txn, above);
    if (!parent && parent.error().code != ErrorCode::NotFound) return fail(parent.error());
    if (!parent) return fail(ErrorCode::NotFound, fmt::format("project {} could not be found",
                                                              above.value.substr(0, 64)));
    if (parent->domain != child.domain) return wrong("the parent is in another domain");
    if (!parent->enabled) return fail(ErrorCode::Forbidden, "the parent project is disabled");
    above = parent->parent;
  }
  CLOUDOS_CHECK(records::modify<ProjectRecord>(txn, child.parent,
                                               [](ProjectRecord&) { return Result<void>(); }));
  return Result<void>();
}

/// Projects do not nest where limits are of two levels: domains and their projects.
Result<void> check_depth(LimitModel model, const ProjectRecord& child) {
  if (model != LimitModel::StrictTwoLevel || child.parent.empty()) return Result<void>();
  return fail(ErrorCode::Forbidden,
              "projects lie directly under their domain here: the model of limits is "
              "strict_two_level");
}

}  // namespace

Result<Project> Identity::create_project(const Context& ctx, const ProjectCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->may_ask(ctx, "identity:create_project"));
  CLOUDOS_CHECK(identity::check_title("name", spec.name, limits::kProjectNameChars));
  CLOUDOS_CHECK(identity::check_spec(spec));
  auto record = identity::record_of<ProjectRecord>(spec, impl_->engine);
  record.domain = spec.domain;
  if (spec.parent.value != spec.domain.value) record.parent = spec.parent;
  if (!record.parent.empty() && record.domain.empty()) {
    // Without a domain the parent's is meant; without its own record it is a domain's id.
    CLOUDOS_TRY(const auto at, impl_->snapshot());
    const auto parent = records::get<ProjectRecord>(*at, record.parent);
    record.domain = parent ? parent->domain : DomainId{record.parent.value};
    if (!parent) record.parent = {};
  }
  PolicyTarget target{{}, {}};
  identity::tell(target, record);
  CLOUDOS_CHECK(impl_->allow(ctx, "identity:create_project", std::move(target)));
  CLOUDOS_CHECK(check_depth(impl_->settings.limit_model, record));
  CLOUDOS_CHECK(impl_->commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::get<DomainRecord>(txn, record.domain));
    CLOUDOS_CHECK(attach_to_parent(txn, record));
    return records::insert(txn, record);
  }));
  return Project(record);
}

Result<Project> Identity::get_project(const Context& ctx, const ProjectId& id) const {
  CLOUDOS_TRY(auto record, impl_->owned<ProjectRecord>(ctx, "identity:get_project", id));
  return Project(std::move(record));
}

namespace {

/// The page of projects that a filter asks for, of one domain where the caller sees but that.
records::PageSpec<ProjectRecord> project_page(const IdentityFilter& filter,
                                              const std::optional<DomainId>& domain) {
  records::Range range;
  if (filter.parent) range = {"parent", *filter.parent, true};
  else if (domain) range = {"domain", domain->value, true};
  return identity::page_of<ProjectRecord>(
      filter, std::move(range),
      [domain](const ProjectRecord& r) { return !domain || *domain == r.domain; });
}

}  // namespace

Result<std::vector<Project>> Identity::list_projects(const Context& ctx,
                                                     const IdentityFilter& filter) const {
  CLOUDOS_TRY(const auto domain,
              impl_->allow_list(ctx, "identity:list_projects", filter.domain));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  return identity::public_page<Project>(*at, project_page(filter, domain));
}

Result<RowTexts> Identity::list_projects(const Context& ctx, const IdentityFilter& filter,
                                         const RowFormat<Project>& row) const {
  CLOUDOS_TRY(const auto domain,
              impl_->allow_list(ctx, "identity:list_projects", filter.domain));
  CLOUDOS_TRY(const auto at, impl_->snapshot());
  return impl_->project_rows.page(*at, project_page(filter, domain), row);
}

Result<Project> Identity::update_project(const Context& ctx, const ProjectId& id,
                                         const IdentityUpdate& with) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->owned<ProjectRecord>(ctx, "identity:update_project", id));
  CLOUDOS_CHECK(identity::check_update(with, limits::kProjectNameChars));
  Project after;
  CLOUDOS_CHECK(store::replan([&]() -> Result<void> {
    CLOUDOS_TRY(const auto at, impl_->snapshot());
    CLOUDOS_TRY(const auto before, records::get<ProjectRecord>(*at, id));
    const bool disables = with.enabled && !*with.enabled && before.enabled;
    if (disables) {
      CLOUDOS_TRY(const auto children, records::all<ProjectRecord>(*at, "parent", id.value));
      for (const ProjectRecord& child : children) {
        if (child.enabled)
          return fail(ErrorCode::Forbidden,
                      fmt::format("project {} has enabled projects below it: disable them first",
                                  before.name));
      }
    }
    return impl_->commit([&](store::Txn& txn) -> Result<void> {
      CLOUDOS_TRY(auto record, records::get<ProjectRecord>(txn, id));
      // Children write their parent when they come or are enabled.
      if (disables && record.generation != before.generation)
        return fail(ErrorCode::Stale, "the project changed meanwhile");
      const bool enables = with.enabled && *with.enabled && !record.enabled;
      if (enables) CLOUDOS_CHECK(attach_to_parent(txn, record));
      CLOUDOS_CHECK(identity::change_common(record, with));
      CLOUDOS_CHECK(records::update(txn, record));
      after = record;
      return Result<void>();
    });
  }));
  return after;
}

Result<void> Identity::remove_project(const Context& ctx, const ProjectId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->owned<ProjectRecord>(ctx, "identity:delete_project", id));
  const auto has_children = [] {
    return fail(ErrorCode::Forbidden, "the project has projects below it: delete them first");
  };
  std::string left;
  {
    CLOUDOS_TRY(const auto at, impl_->snapshot());
    CLOUDOS_TRY(const auto project, records::get<ProjectRecord>(*at, id));
    CLOUDOS_CHECK(identity::check_mutable("project", id.value, project.immutable));
    CLOUDOS_TRY(const auto children, records::all<ProjectRecord>(*at, "parent", id.value));
    if (!children.empty()) return has_children();
    CLOUDOS_TRY(const auto uses, Quota::usage(*at, id));
    for (const auto& [resource, use] : uses)
      if (use.in_use > 0) left += fmt::format(" {} {}", use.in_use, resource);
  }
  static constexpr identity::Dependent kOfProject[] = {
      identity::dependent<identity::GrantRecord>("project"),
      identity::dependent<identity::TrustRecord>("project"),
      identity::dependent<identity::ApplicationCredentialRecord>("project"),
      identity::dependent<identity::CredentialRecord>("project"),
      identity::dependent<identity::LimitRecord>("project"),
      identity::dependent<identity::EndpointChoiceRecord>("project")};
  CLOUDOS_CHECK(impl_->drop_dependents(kOfProject, id.value, [&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(const auto now, records::get<ProjectRecord>(txn, id));
    CLOUDOS_CHECK(identity::check_mutable("project", id.value, now.immutable));
    if (!txn.none(records::index_prefix(ProjectRecord::kKind, "parent", id.value)))
      return has_children();
    return records::erase<ProjectRecord>(txn, id);
  }));
  if (!left.empty()) {
    impl_->engine.log.write(LogLevel::Warning,
                            fmt::format("project {} is gone and left behind:{}", id.value, left),
                            ctx.request_id);
  }
  return Result<void>();
}

}  // namespace cloudos

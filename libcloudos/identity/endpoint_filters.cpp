#include "cloudos/endpoint_filters.hpp"

#include <fmt/format.h>

#include "identity/catalog.hpp"
#include "identity/crud.hpp"
#include "identity/registry_records.hpp"

namespace cloudos {

using identity::EndpointChoiceRecord;
using identity::EndpointGroupRecord;
using identity::EndpointRecord;
using identity::ProjectRecord;
using identity::RegionRecord;
using identity::ServiceRecord;

namespace {

EndpointChoiceRecord choice_of(const ProjectId& project, const EndpointId& endpoint) {
  return {fmt::format("{}:e:{}", project.value, endpoint.value), 0, project, endpoint, {}, {}};
}
EndpointChoiceRecord choice_of(const ProjectId& project, const EndpointGroupId& group) {
  return {fmt::format("{}:g:{}", project.value, group.value), 0, project, {}, group, {}};
}

template <class Source>
Result<void> check_choice_ends(Source& from, const EndpointChoiceRecord& choice) {
  CLOUDOS_CHECK(records::get<ProjectRecord>(from, choice.project));
  if (choice.group.empty()) CLOUDOS_CHECK(records::get<EndpointRecord>(from, choice.endpoint));
  else CLOUDOS_CHECK(records::get<EndpointGroupRecord>(from, choice.group));
  return Result<void>();
}

bool group_matches(const EndpointGroupFilter& filter, const Endpoint& endpoint) {
  return (filter.service.empty() || filter.service == endpoint.service) &&
         (filter.interface.empty() || filter.interface == endpoint.interface) &&
         (filter.region.empty() || filter.region == endpoint.region);
}

Result<void> check_group_filter(store::Txn& txn, const EndpointGroupFilter& filter) {
  if (filter.service.empty() && filter.interface.empty() && filter.region.empty()) {
    return fail(ErrorCode::InvalidArgument,
                "filters: at least one of service_id, region_id and interface");
  }
  if (!filter.interface.empty() && filter.interface != "public" &&
      filter.interface != "internal" && filter.interface != "admin") {
    return fail(ErrorCode::InvalidArgument,
                "filters.interface: must be public, internal or admin");
  }
  if (!filter.service.empty() && !records::get<ServiceRecord>(txn, filter.service))
    return fail(ErrorCode::InvalidArgument, "filters.service_id: no such service");
  if (!filter.region.empty() && !records::get<RegionRecord>(txn, filter.region))
    return fail(ErrorCode::InvalidArgument, "filters.region_id: no such region");
  return Result<void>();
}

Result<void> add_choice(const Identity::Impl& of, EndpointChoiceRecord choice) {
  return of.commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(check_choice_ends(txn, choice));
    if (txn.get(records::record_key(EndpointChoiceRecord::kKind, choice.id)))
      return Result<void>();
    EndpointChoiceRecord fresh = choice;
    return records::insert(txn, fresh);
  });
}

Failure not_chosen() {
  return fail(ErrorCode::NotFound, "that was not chosen for the project");
}

Result<void> check_choice(const Identity::Impl& of, const EndpointChoiceRecord& choice) {
  CLOUDOS_TRY(const auto at, of.snapshot());
  CLOUDOS_CHECK(check_choice_ends(*at, choice));
  const auto found = records::get<EndpointChoiceRecord>(*at, choice.id);
  if (found) return Result<void>();
  if (found.error().code != ErrorCode::NotFound) return fail(found.error());
  return not_chosen();
}

Result<void> remove_choice(const Identity::Impl& of, const EndpointChoiceRecord& choice) {
  return of.commit([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(check_choice_ends(txn, choice));
    auto erased = records::erase<EndpointChoiceRecord>(txn, choice.id);
    if (!erased && erased.error().code == ErrorCode::NotFound) return not_chosen();
    return erased;
  });
}

Result<std::vector<Project>> projects_of_choice(const store::Snapshot& at, std::string_view field,
                                                const std::string& value) {
  CLOUDOS_TRY(const auto choices, records::all<EndpointChoiceRecord>(at, field, value));
  std::vector<Project> list;
  for (const EndpointChoiceRecord& choice : choices) {
    CLOUDOS_TRY(auto project, records::get<ProjectRecord>(at, choice.project));
    list.push_back(std::move(project));
  }
  return list;
}

}  // namespace

namespace identity {

Result<std::optional<std::set<EndpointId>>> chosen_endpoints(
    const store::Snapshot& at, const ProjectId& project,
    const std::vector<EndpointRecord>& endpoints) {
  using Chosen = std::optional<std::set<EndpointId>>;
  if (project.empty()) return Chosen();
  CLOUDOS_TRY(const auto choices,
              records::all<EndpointChoiceRecord>(at, "project", project.value));
  if (choices.empty()) return Chosen();
  Chosen chosen(std::in_place);
  for (const EndpointChoiceRecord& choice : choices) {
    if (choice.group.empty()) {
      chosen->insert(choice.endpoint);
      continue;
    }
    CLOUDOS_TRY(const auto group, records::get<EndpointGroupRecord>(at, choice.group));
    for (const EndpointRecord& endpoint : endpoints)
      if (group_matches(group.filter, endpoint)) chosen->insert(endpoint.id);
  }
  return chosen;
}

}  // namespace identity

Result<EndpointGroup> EndpointFilters::create_group(const Context& ctx,
                                                    const EndpointGroupCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, of_.engine.clock));
  CLOUDOS_CHECK(of_.allow(ctx, "identity:create_endpoint_group"));
  CLOUDOS_CHECK(identity::check_title("name", spec.name, limits::kNameChars));
  CLOUDOS_CHECK(identity::check_spec(spec));
  auto record = identity::record_of<EndpointGroupRecord>(spec, of_.engine);
  record.filter = spec.filter;
  CLOUDOS_CHECK(of_.commit_quietly([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(check_group_filter(txn, record.filter));
    return records::insert(txn, record);
  }));
  return EndpointGroup(record);
}

Result<EndpointGroup> EndpointFilters::get_group(const Context& ctx,
                                                 const EndpointGroupId& id) const {
  CLOUDOS_CHECK(of_.allow(ctx, "identity:get_endpoint_group"));
  CLOUDOS_TRY(auto record, of_.by_snapshot([&](const store::Snapshot& at) {
    return records::get<EndpointGroupRecord>(at, id);
  }));
  return EndpointGroup(std::move(record));
}

Result<std::vector<EndpointGroup>> EndpointFilters::list_groups(
    const Context& ctx, const IdentityFilter& filter) const {
  CLOUDOS_CHECK(of_.allow(ctx, "identity:list_endpoint_groups"));
  CLOUDOS_TRY(const auto at, of_.snapshot());
  return identity::listed<EndpointGroup, EndpointGroupRecord>(*at, filter);
}

Result<EndpointGroup> EndpointFilters::update_group(const Context& ctx, const EndpointGroupId& id,
                                                    const EndpointGroupUpdate& with) {
  CLOUDOS_CHECK(check_call(ctx, of_.engine.clock));
  CLOUDOS_CHECK(of_.allow(ctx, "identity:update_endpoint_group"));
  if (with.name) CLOUDOS_CHECK(identity::check_title("name", *with.name, limits::kNameChars));
  if (with.description) CLOUDOS_CHECK(identity::check_text("description", *with.description));
  EndpointGroup after;
  CLOUDOS_CHECK(of_.commit([&](store::Txn& txn) -> Result<void> {
    if (with.filter) CLOUDOS_CHECK(check_group_filter(txn, *with.filter));
    CLOUDOS_TRY(auto record,
                records::modify<EndpointGroupRecord>(txn, id, [&](EndpointGroupRecord& r) {
      if (with.name) r.name = *with.name;
      if (with.description) r.description = *with.description;
      if (with.filter) r.filter = *with.filter;
      return Result<void>();
    }));
    after = std::move(record);
    return Result<void>();
  }));
  return after;
}

Result<void> EndpointFilters::remove_group(const Context& ctx, const EndpointGroupId& id) {
  CLOUDOS_CHECK(check_call(ctx, of_.engine.clock));
  CLOUDOS_CHECK(of_.allow(ctx, "identity:delete_endpoint_group"));
  CLOUDOS_CHECK(get_group(Context::system(ctx.request_id), id));
  static constexpr identity::Dependent kOfGroup[] = {
      identity::dependent<EndpointChoiceRecord>("group")};
  return of_.drop_dependents(kOfGroup, id.value, [&](store::Txn& txn) {
    return records::erase<EndpointGroupRecord>(txn, id);
  });
}

Result<std::vector<Endpoint>> EndpointFilters::endpoints_of_group(
    const Context& ctx, const EndpointGroupId& id) const {
  CLOUDOS_CHECK(of_.allow(ctx, "identity:list_endpoints_associated_with_endpoint_group"));
  CLOUDOS_TRY(const auto at, of_.snapshot());
  CLOUDOS_TRY(const auto group, records::get<EndpointGroupRecord>(*at, id));
  CLOUDOS_TRY(const auto endpoints, records::all<EndpointRecord>(*at));
  std::vector<Endpoint> list;
  for (const EndpointRecord& endpoint : endpoints)
    if (group_matches(group.filter, endpoint))
      list.push_back(identity::shown_endpoint(endpoint, of_.settings.public_url));
  return list;
}

Result<std::vector<Project>> EndpointFilters::projects_of_group(const Context& ctx,
                                                                const EndpointGroupId& id) const {
  CLOUDOS_CHECK(of_.allow(ctx, "identity:list_projects_associated_with_endpoint_group"));
  CLOUDOS_TRY(const auto at, of_.snapshot());
  CLOUDOS_CHECK(records::get<EndpointGroupRecord>(*at, id));
  return projects_of_choice(*at, "group", id.value);
}

Result<void> EndpointFilters::add(const Context& ctx, const ProjectId& project,
                                  const EndpointId& endpoint) {
  CLOUDOS_CHECK(check_call(ctx, of_.engine.clock));
  CLOUDOS_CHECK(of_.allow(ctx, "identity:add_endpoint_to_project"));
  return add_choice(of_, choice_of(project, endpoint));
}

Result<void> EndpointFilters::add(const Context& ctx, const ProjectId& project,
                                  const EndpointGroupId& group) {
  CLOUDOS_CHECK(check_call(ctx, of_.engine.clock));
  CLOUDOS_CHECK(of_.allow(ctx, "identity:add_endpoint_group_to_project"));
  return add_choice(of_, choice_of(project, group));
}

Result<void> EndpointFilters::check(const Context& ctx, const ProjectId& project,
                                    const EndpointId& endpoint) const {
  CLOUDOS_CHECK(of_.allow(ctx, "identity:check_endpoint_in_project"));
  return check_choice(of_, choice_of(project, endpoint));
}

Result<void> EndpointFilters::check(const Context& ctx, const ProjectId& project,
                                    const EndpointGroupId& group) const {
  CLOUDOS_CHECK(of_.allow(ctx, "identity:get_endpoint_group_in_project"));
  return check_choice(of_, choice_of(project, group));
}

Result<void> EndpointFilters::remove(const Context& ctx, const ProjectId& project,
                                     const EndpointId& endpoint) {
  CLOUDOS_CHECK(check_call(ctx, of_.engine.clock));
  CLOUDOS_CHECK(of_.allow(ctx, "identity:remove_endpoint_from_project"));
  return remove_choice(of_, choice_of(project, endpoint));
}

Result<void> EndpointFilters::remove(const Context& ctx, const ProjectId& project,
                                     const EndpointGroupId& group) {
  CLOUDOS_CHECK(check_call(ctx, of_.engine.clock));
  CLOUDOS_CHECK(of_.allow(ctx, "identity:remove_endpoint_group_from_project"));
  return remove_choice(of_, choice_of(project, group));
}

Result<std::vector<Endpoint>> EndpointFilters::endpoints_of_project(
    const Context& ctx, const ProjectId& project) const {
  CLOUDOS_CHECK(of_.allow(ctx, "identity:list_endpoints_for_project"));
  CLOUDOS_TRY(const auto at, of_.snapshot());
  CLOUDOS_CHECK(records::get<ProjectRecord>(*at, project));
  CLOUDOS_TRY(const auto endpoints, records::all<EndpointRecord>(*at));
  CLOUDOS_TRY(const auto chosen, identity::chosen_endpoints(*at, project, endpoints));
  std::vector<Endpoint> list;
  for (const EndpointRecord& endpoint : endpoints)
    if (chosen && chosen->contains(endpoint.id))
      list.push_back(identity::shown_endpoint(endpoint, of_.settings.public_url));
  return list;
}

Result<std::vector<EndpointGroup>> EndpointFilters::groups_of_project(
    const Context& ctx, const ProjectId& project) const {
  CLOUDOS_CHECK(of_.allow(ctx, "identity:list_endpoint_groups_for_project"));
  CLOUDOS_TRY(const auto at, of_.snapshot());
  CLOUDOS_CHECK(records::get<ProjectRecord>(*at, project));
  CLOUDOS_TRY(const auto choices,
              records::all<EndpointChoiceRecord>(*at, "project", project.value));
  std::vector<EndpointGroup> list;
  for (const EndpointChoiceRecord& choice : choices) {
    if (choice.group.empty()) continue;
    CLOUDOS_TRY(auto group, records::get<EndpointGroupRecord>(*at, choice.group));
    list.push_back(std::move(group));
  }
  return list;
}

Result<std::vector<Project>> EndpointFilters::projects_of_endpoint(
    const Context& ctx, const EndpointId& endpoint) const {
  CLOUDOS_CHECK(of_.allow(ctx, "identity:list_projects_for_endpoint"));
  CLOUDOS_TRY(const auto at, of_.snapshot());
  CLOUDOS_CHECK(records::get<EndpointRecord>(*at, endpoint));
  return projects_of_choice(*at, "endpoint", endpoint.value);
}

}  // namespace cloudos

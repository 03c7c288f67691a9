#include <algorithm>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "rest/identity_handlers.hpp"

namespace cloudos::rest::identity_v3 {
namespace {

const std::vector<std::string_view>& project_members() {
  static const std::vector<std::string_view> kKnown = {
      "name", "description", "enabled", "domain_id", "parent_id", "is_domain", "tags", "options"};
  return kKnown;
}

Result<DomainCreate> read_domain(const nlohmann::json& body, std::string_view where) {
  const Members in(body, where);
  DomainCreate spec;
  CLOUDOS_TRY(spec.name, in.text("name"));
  CLOUDOS_TRY(const auto description, in.maybe_text("description"));
  CLOUDOS_TRY(const auto enabled, read_boolean(in, "enabled"));
  CLOUDOS_TRY(spec.id, in.maybe_id<DomainId>("explicit_domain_id"));
  CLOUDOS_TRY(auto tags, in.maybe_text_list("tags"));
  if (tags) spec.tags = std::move(*tags);
  CLOUDOS_TRY(const auto immutable, read_immutable(body));
  spec.immutable = immutable.value_or(std::nullopt);
  spec.description = description.value_or("");
  spec.enabled = enabled.value_or(true);
  CLOUDOS_TRY(spec.extra, read_extra(body, project_members()));
  spec.extra.erase("explicit_domain_id");
  return spec;
}

Result<IdentityUpdate> read_domain_update(const nlohmann::json& body, std::string_view where,
                                          const std::string& id) {
  const Members in(body, where);
  IdentityUpdate with;
  CLOUDOS_CHECK(read_unchanged(in, "id", id));
  CLOUDOS_TRY(with.name, in.maybe_text("name"));
  CLOUDOS_TRY(with.description, in.maybe_text("description"));
  CLOUDOS_TRY(with.enabled, read_boolean(in, "enabled"));
  CLOUDOS_TRY(with.tags, in.maybe_text_list("tags"));
  CLOUDOS_TRY(with.immutable, read_immutable(body));
  CLOUDOS_TRY(with.extra, read_extra_changes(body, project_members()));
  with.extra.erase("explicit_domain_id");
  return with;
}

Result<ProjectCreate> read_project(const nlohmann::json& body, const Call& call) {
  const Members in(body, "project");
  ProjectCreate spec;
  CLOUDOS_TRY(spec.name, in.text("name"));
  CLOUDOS_TRY(const auto description, in.maybe_text("description"));
  CLOUDOS_TRY(const auto enabled, read_boolean(in, "enabled"));
  CLOUDOS_TRY(const auto domain, in.maybe_id<DomainId>("domain_id"));
  CLOUDOS_TRY(const auto parent, in.maybe_id<ProjectId>("parent_id"));
  CLOUDOS_TRY(auto tags, in.maybe_text_list("tags"));
  spec.description = description.value_or("");
  spec.enabled = enabled.value_or(true);
  if (parent) spec.parent = *parent;
  if (domain) spec.domain = *domain;
  else if (!parent) spec.domain = call.ctx.project_domain.empty() ? DomainId{"default"}
                                                                  : call.ctx.project_domain;
  if (tags) spec.tags = std::move(*tags);
  CLOUDOS_TRY(const auto immutable, read_immutable(body));
  spec.immutable = immutable.value_or(std::nullopt);
  CLOUDOS_TRY(spec.extra, read_extra(body, project_members()));
  return spec;
}

Result<IdentityUpdate> read_project_update(Call& call, const Project& project) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("project"));
  const Members in(*body, "project");
  IdentityUpdate with;
  CLOUDOS_CHECK(read_unchanged(in, "id", project.id.value));
  CLOUDOS_CHECK(read_unchanged(in, "domain_id", project.domain.value));
  CLOUDOS_CHECK(read_unchanged(
      in, "parent_id", project.parent.empty() ? project.domain.value : project.parent.value));
  CLOUDOS_TRY(const auto is_domain, read_boolean(in, "is_domain"));
  if (is_domain.value_or(false))
    return fail(ErrorCode::InvalidArgument, "project.is_domain cannot be changed");
  CLOUDOS_TRY(with.name, in.maybe_text("name"));
  CLOUDOS_TRY(with.description, in.maybe_text("description"));
  CLOUDOS_TRY(with.enabled, read_boolean(in, "enabled"));
  CLOUDOS_TRY(with.tags, in.maybe_text_list("tags"));
  CLOUDOS_TRY(with.immutable, read_immutable(*body));
  CLOUDOS_TRY(with.extra, read_extra_changes(*body, project_members()));
  return with;
}

DomainId path_domain(const Call& call) { return DomainId{call.path("domain_id")}; }
ProjectId path_project(const Call& call) { return ProjectId{call.path("project_id")}; }

/// A domain answers under its id as the project it also is.
DomainId project_as_domain(const Call& call) { return DomainId{call.path("project_id")}; }
bool names_domain(const Call& call) {
  const auto project = call.cloud.identity().get_project(call.ctx, path_project(call));
  if (project || project.error().code != ErrorCode::NotFound) return false;
  return call.cloud.identity().get_domain(call.ctx, project_as_domain(call)).has_value();
}

/// The tags of a project, or of the domain that answers as one.
Result<std::vector<std::string>> read_tags(const Call& call) {
  if (names_domain(call)) {
    CLOUDOS_TRY(auto domain, call.cloud.identity().get_domain(call.ctx, project_as_domain(call)));
    return std::move(domain.tags);
  }
  CLOUDOS_TRY(auto project, call.cloud.identity().get_project(call.ctx, path_project(call)));
  return std::move(project.tags);
}

Result<std::vector<std::string>> change_tags(Call& call, std::vector<std::string> tags) {
  IdentityUpdate with;
  with.tags = std::move(tags);
  auto& identity = call.cloud.identity();
  if (names_domain(call)) {
    CLOUDOS_TRY(auto domain, identity.update_domain(call.ctx, project_as_domain(call), with));
    return std::move(domain.tags);
  }
  CLOUDOS_TRY(auto project, identity.update_project(call.ctx, path_project(call), with));
  return std::move(project.tags);
}

Response tags_reply(const std::vector<std::string>& tags, const Call& call) {
  JsonWriter w;
  w.open().member("tags", tags).key("links");
  write_list_links(w, call);
  w.close();
  return json_response(200, std::move(w).take());
}

/// A parameter without a value counts, too: ?parents_as_list
bool asks_for(const Call& call, std::string_view name) {
  const auto value = call.query(name);
  return value && *value != "0" && !equals_ignore_case(*value, "false");
}

/// "parents": {"<parent>": {"<its parent>": {"<domain>": null}}}
void write_parent_ids(JsonWriter& w, const std::vector<Project>& parents, const DomainId& domain) {
  for (const Project& parent : parents) w.open().key(parent.id.value);
  w.open().member_null(domain.value).close();
  for (std::size_t i = 0; i < parents.size(); ++i) w.close();
}

/// "subtree": {"<child>": {"<its child>": null}}; null when there is none.
void write_subtree_ids(JsonWriter& w, const std::vector<Project>& below, const std::string& above) {
  bool any = false;
  for (const Project& project : below) {
    if (project.parent.value != above) continue;
    if (!any) w.open();
    any = true;
    w.key(project.id.value);
    write_subtree_ids(w, below, project.id.value);
  }
  if (any) w.close();
  else w.null();
}

void write_project_list(JsonWriter& w, const std::vector<Project>& projects, const Call& call) {
  w.open_list();
  for (const Project& project : projects) {
    w.open().key("project");
    write_project(w, project, call.service_url);
    w.close();
  }
  w.close_list();
}

/// A project with what it lies under and what lies under it, as the query asks.
Result<Response> project_with_tree(const Project& project, const Call& call) {
  const bool parents = asks_for(call, "parents_as_list");
  const bool parent_ids = asks_for(call, "parents_as_ids");
  const bool subtree = asks_for(call, "subtree_as_list");
  const bool subtree_ids = asks_for(call, "subtree_as_ids");
  if ((parents && parent_ids) || (subtree && subtree_ids))
    return fail(ErrorCode::InvalidArgument, "as_list and as_ids exclude each other");
  auto& identity = call.cloud.identity();
  JsonWriter w;
  w.open().key("project").open();
  write_project_members(w, project, call.service_url);
  if (parents || parent_ids) {
    CLOUDOS_TRY(const auto above, identity.parents_of(call.ctx, project.id));
    w.key("parents");
    if (parents) write_project_list(w, above, call);
    else write_parent_ids(w, above, project.domain);
  }
  if (subtree || subtree_ids) {
    CLOUDOS_TRY(const auto below, identity.subtree_of(call.ctx, project.id));
    w.key("subtree");
    if (subtree) write_project_list(w, below, call);
    else write_subtree_ids(w, below, project.id.value);
  }
  w.close().close();
  return json_response(200, std::move(w).take());
}

}  // namespace

Result<Response> create_domain(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("domain"));
  CLOUDOS_TRY(const auto spec, read_domain(*body, "domain"));
  CLOUDOS_TRY(const auto domain, call.cloud.identity().create_domain(call.ctx, spec));
  return one_reply("domain", domain, call, write_domain, 201);
}

Result<Response> list_domains(Call& call) {
  CLOUDOS_TRY(const auto filter, read_filter(call, {"name", "description"}));
  CLOUDOS_TRY(const auto domains, call.cloud.identity().list_domains(call.ctx, filter));
  return list_reply("domains", domains, call, write_domain, true);
}

Result<Response> show_domain(Call& call) {
  CLOUDOS_TRY(const auto domain, call.cloud.identity().get_domain(call.ctx, path_domain(call)));
  return one_reply("domain", domain, call, write_domain);
}

Result<Response> update_domain(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("domain"));
  CLOUDOS_TRY(const auto with, read_domain_update(*body, "domain", call.path("domain_id")));
  CLOUDOS_TRY(const auto domain,
              call.cloud.identity().update_domain(call.ctx, path_domain(call), with));
  return one_reply("domain", domain, call, write_domain);
}

Result<Response> delete_domain(Call& call) {
  CLOUDOS_CHECK(call.cloud.identity().remove_domain(call.ctx, path_domain(call)));
  return empty_response(204);
}

Result<Response> create_project(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("project"));
  CLOUDOS_TRY(const auto is_domain, read_boolean(Members(*body, "project"), "is_domain"));
  if (is_domain.value_or(false)) {
    CLOUDOS_TRY(const auto spec, read_domain(*body, "project"));
    CLOUDOS_TRY(const auto domain, call.cloud.identity().create_domain(call.ctx, spec));
    return one_reply("project", domain, call, write_domain_project, 201);
  }
  CLOUDOS_TRY(const auto spec, read_project(*body, call));
  CLOUDOS_TRY(const auto project, call.cloud.identity().create_project(call.ctx, spec));
  return one_reply("project", project, call, write_project, 201);
}

Result<Response> list_projects(Call& call) {
  CLOUDOS_TRY(auto filter, read_filter(call, {"name", "description"}));
  const auto is_domain = call.query("is_domain");
  if (is_domain && *is_domain != "0" && *is_domain != "false" && *is_domain != "False") {
    CLOUDOS_TRY(const auto domains, call.cloud.identity().list_domains(call.ctx, filter));
    return list_reply("projects", domains, call, write_domain_project, true);
  }
  filter.limit = shown_entries(call);
  CLOUDOS_TRY(const auto rows,
              call.cloud.identity().list_projects(
                  call.ctx, filter, row_format<Project>("projects", call, write_project)));
  return list_reply("projects", rows, call);
}

Result<Response> show_project(Call& call) {
  if (names_domain(call)) {
    CLOUDOS_TRY(const auto domain,
                call.cloud.identity().get_domain(call.ctx, project_as_domain(call)));
    return one_reply("project", domain, call, write_domain_project);
  }
  CLOUDOS_TRY(const auto project,
              call.cloud.identity().get_project(call.ctx, path_project(call)));
  return project_with_tree(project, call);
}

Result<Response> update_project(Call& call) {
  if (names_domain(call)) {
    CLOUDOS_TRY(const nlohmann::json* body, call.json_object("project"));
    CLOUDOS_TRY(const auto with, read_domain_update(*body, "project", call.path("project_id")));
    CLOUDOS_TRY(const auto domain,
                call.cloud.identity().update_domain(call.ctx, project_as_domain(call), with));
    return one_reply("project", domain, call, write_domain_project);
  }
  CLOUDOS_TRY(const auto before,
              call.cloud.identity().get_project(call.ctx, path_project(call)));
  CLOUDOS_TRY(const auto with, read_project_update(call, before));
  CLOUDOS_TRY(const auto project,
              call.cloud.identity().update_project(call.ctx, before.id, with));
  return one_reply("project", project, call, write_project);
}

Result<Response> delete_project(Call& call) {
  if (names_domain(call))
    CLOUDOS_CHECK(call.cloud.identity().remove_domain(call.ctx, project_as_domain(call)));
  else
    CLOUDOS_CHECK(call.cloud.identity().remove_project(call.ctx, path_project(call)));
  return empty_response(204);
}

Result<Response> list_project_tags(Call& call) {
  CLOUDOS_TRY(const auto tags, read_tags(call));
  return tags_reply(tags, call);
}

Result<Response> replace_project_tags(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  CLOUDOS_TRY(auto tags, Members(*body, "").maybe_text_list("tags"));
  if (!tags) return fail(ErrorCode::InvalidArgument, "tags is required");
  CLOUDOS_TRY(const auto now, change_tags(call, std::move(*tags)));
  return tags_reply(now, call);
}

Result<Response> clear_project_tags(Call& call) {
  CLOUDOS_CHECK(change_tags(call, {}));
  return empty_response(204);
}

Result<Response> check_project_tag(Call& call) {
  CLOUDOS_TRY(const auto tags, read_tags(call));
  if (std::find(tags.begin(), tags.end(), call.path("tag")) == tags.end())
    return fail(ErrorCode::NotFound, "the project does not have that tag");
  return empty_response(204);
}

Result<Response> add_project_tag(Call& call) {
  CLOUDOS_TRY(auto tags, read_tags(call));
  if (std::find(tags.begin(), tags.end(), call.path("tag")) == tags.end())
    tags.push_back(call.path("tag"));
  CLOUDOS_CHECK(change_tags(call, std::move(tags)));
  Response response = empty_response(201);
  response.headers.add("Location", call.request.base_url + call.request.target);
  return response;
}

Result<Response> remove_project_tag(Call& call) {
  CLOUDOS_TRY(auto tags, read_tags(call));
  if (std::erase(tags, call.path("tag")) == 0)
    return fail(ErrorCode::NotFound, "the project does not have that tag");
  CLOUDOS_CHECK(change_tags(call, std::move(tags)));
  return empty_response(204);
}

}  // namespace cloudos::rest::identity_v3

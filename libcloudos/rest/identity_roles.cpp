#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "rest/identity_handlers.hpp"
#include "rest/target.hpp"

namespace cloudos::rest::identity_v3 {
namespace {

const std::vector<std::string_view>& role_members() {
  static const std::vector<std::string_view> kKnown = {"name", "description", "domain_id",
                                                          "options"};
  return kKnown;
}

Result<RoleCreate> read_role(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("role"));
  const Members in(*body, "role");
  RoleCreate spec;
  CLOUDOS_TRY(spec.name, in.text("name"));
  CLOUDOS_TRY(const auto description, in.maybe_text("description"));
  CLOUDOS_TRY(const auto domain, in.maybe_id<DomainId>("domain_id"));
  CLOUDOS_TRY(const auto immutable, read_immutable(*body));
  if (domain) spec.domain = *domain;
  spec.immutable = immutable.value_or(std::nullopt);
  spec.description = description.value_or("");
  CLOUDOS_TRY(spec.extra, read_extra(*body, role_members()));
  return spec;
}

Result<IdentityUpdate> read_role_update(Call& call, const Role& role) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("role"));
  const Members in(*body, "role");
  IdentityUpdate with;
  CLOUDOS_CHECK(read_unchanged(in, "id", role.id.value));
  CLOUDOS_CHECK(read_unchanged(in, "domain_id", role.domain.value));
  CLOUDOS_TRY(with.immutable, read_immutable(*body));
  CLOUDOS_TRY(with.name, in.maybe_text("name"));
  CLOUDOS_TRY(with.description, in.maybe_text("description"));
  CLOUDOS_TRY(with.extra, read_extra_changes(*body, role_members()));
  return with;
}

RoleId path_role(const Call& call) { return RoleId{call.path("role_id")}; }
RoleId path_prior(const Call& call) { return RoleId{call.path("prior_role_id")}; }
RoleId path_implied(const Call& call) { return RoleId{call.path("implied_role_id")}; }

/// The ends of an assignment as its path names them: …/v3/projects/{}/groups/{}/roles/{}, or the
/// same behind OS-INHERIT. By position, since an id may read like any of the words.
Assignment path_assignment(const Call& call, bool with_role) {
  const auto segments = path_segments(split_target(call.request.target).first);
  auto version = std::find(segments.begin(), segments.end(), "v3");
  CLOUDOS_ASSERT(segments.end() - version > 3);
  Assignment a;
  a.inherited = version[1] == "OS-INHERIT";
  if (a.inherited) ++version;
  a.system = version[1] == "system";
  if (version[1] == "projects") a.project = ProjectId{call.path("project_id")};
  else if (!a.system) a.domain = DomainId{call.path("domain_id")};
  if (version[a.system ? 2 : 3] == "groups") a.group = GroupId{call.path("group_id")};
  else a.user = UserId{call.path("user_id")};
  if (with_role) a.role = path_role(call);
  return a;
}

void write_role_reference(JsonWriter& w, const Role& role, std::string_view service_url) {
  w.open().member("id", role.id).member("name", role.name);
  w.key("links").open();
  w.member("self", fmt::format("{}/roles/{}", service_url, role.id.value)).close().close();
}

/// "prior_role": …, "implies": [ … ]
Result<void> write_inference(JsonWriter& w, const Call& call, const Role& prior) {
  w.open().key("prior_role");
  write_role_reference(w, prior, call.service_url);
  w.key("implies").open_list();
  for (const RoleId& id : prior.implies) {
    CLOUDOS_TRY(const auto implied, call.cloud.identity().get_role(call.ctx, id));
    write_role_reference(w, implied, call.service_url);
  }
  w.close_list().close();
  return Result<void>();
}

Result<Response> one_inference(Call& call, int status) {
  CLOUDOS_TRY(const auto prior, call.cloud.identity().get_role(call.ctx, path_prior(call)));
  CLOUDOS_TRY(const auto implied, call.cloud.identity().get_role(call.ctx, path_implied(call)));
  bool holds = false;
  for (const RoleId& id : prior.implies) holds = holds || id == implied.id;
  if (!holds) return fail(ErrorCode::NotFound, "the role does not imply that one");
  JsonWriter w;
  w.open().key("role_inference").open().key("prior_role");
  write_role_reference(w, prior, call.service_url);
  w.key("implies");
  write_role_reference(w, implied, call.service_url);
  w.close().key("links").open();
  w.member("self", call.request.base_url + call.request.target).close().close();
  return json_response(status, std::move(w).take());
}

/// The "x" of {"user": {"id": …, "name": …, "domain": {…}}}; id alone without names.
void write_end(JsonWriter& w, std::string_view key, std::string_view id, bool names,
               const std::string& name, const DomainId& domain, const std::string& domain_name) {
  w.key(key).open().member("id", id);
  if (names) {
    w.member("name", name);
    if (!domain.empty())
      w.key("domain").open().member("id", domain).member("name", domain_name).close();
  }
  w.close();
}

/// Where on record it is, and what makes it more than that: a membership, a role that implies.
void write_assignment_links(JsonWriter& w, const NamedAssignment& named,
                            std::string_view service_url) {
  const Assignment& a = named.assignment;
  const Assignment& s = named.source;
  const std::string on = s.system            ? "system"
                         : !s.domain.empty() ? "domains/" + s.domain.value
                                             : "projects/" + s.project.value;
  const std::string who =
      s.group.empty() ? "users/" + s.user.value : "groups/" + s.group.value;
  w.key("links").open();
  w.member("assignment",
           fmt::format("{}{}/{}/{}/roles/{}{}", service_url, s.inherited ? "/OS-INHERIT" : "", on,
                       who, s.role.value, s.inherited ? "/inherited_to_projects" : ""));
  if (!s.group.empty() && a.group.empty())
    w.member("membership",
             fmt::format("{}/groups/{}/users/{}", service_url, s.group.value, a.user.value));
  if (s.role != a.role)
    w.member("prior_role", fmt::format("{}/prior_role/{}/implies/{}", service_url, s.role.value,
                                       a.role.value));
  w.close();
}

void write_assignment(JsonWriter& w, const NamedAssignment& named, bool names,
                      std::string_view service_url) {
  const Assignment& a = named.assignment;
  const bool by_group = !a.group.empty(), on_domain = !a.domain.empty();
  const std::string& actor = by_group ? a.group.value : a.user.value;
  const std::string& target = on_domain ? a.domain.value : a.project.value;
  w.open();
  write_end(w, "role", a.role.value, names, named.role_name, named.role_domain,
            named.role_domain_name);
  write_end(w, by_group ? "group" : "user", actor, names, named.actor_name, named.actor_domain,
            named.actor_domain_name);
  w.key("scope").open();
  if (a.system) {
    w.key("system").open().member("all", true).close();
  } else {
    write_end(w, on_domain ? "domain" : "project", target, names, named.target_name,
              named.target_domain, named.target_domain_name);
  }
  if (named.source.inherited) w.member("OS-INHERIT:inherited_to", "projects");
  w.close();
  write_assignment_links(w, named, service_url);
  w.close();
}

/// Keystone's flags: there and anything but 0 or false.
bool query_flag(const Call& call, std::string_view name) {
  const auto value = call.query(name);
  return value && *value != "0" && !equals_ignore_case(*value, "false");
}

Result<AssignmentFilter> read_assignment_filter(const Call& call) {
  AssignmentFilter filter;
  if (const auto id = call.query("user.id")) filter.user = UserId{std::string(*id)};
  if (const auto id = call.query("group.id")) filter.group = GroupId{std::string(*id)};
  if (const auto id = call.query("role.id")) filter.role = RoleId{std::string(*id)};
  if (const auto id = call.query("scope.project.id"))
    filter.project = ProjectId{std::string(*id)};
  if (const auto id = call.query("scope.domain.id")) filter.domain = DomainId{std::string(*id)};
  filter.effective = query_flag(call, "effective");
  filter.system = call.query("scope.system").has_value();
  filter.subtree = query_flag(call, "include_subtree");
  if (const auto to = call.query("scope.OS-INHERIT:inherited_to")) {
    if (*to != "projects")
      return fail(ErrorCode::InvalidArgument,
                  "scope.OS-INHERIT:inherited_to must be projects: nothing else inherits");
    filter.inherited = true;
  }
  return filter;
}

}  // namespace

Result<Response> create_role(Call& call) {
  CLOUDOS_TRY(const auto spec, read_role(call));
  CLOUDOS_TRY(const auto role, call.cloud.identity().create_role(call.ctx, spec));
  return one_reply("role", role, call, write_role, 201);
}

Result<Response> list_roles(Call& call) {
  CLOUDOS_TRY(const auto filter, read_filter(call, {"name", "description"}));
  CLOUDOS_TRY(const auto roles, call.cloud.identity().list_roles(call.ctx, filter));
  return list_reply("roles", roles, call, write_role, true);
}

Result<Response> show_role(Call& call) {
  CLOUDOS_TRY(const auto role, call.cloud.identity().get_role(call.ctx, path_role(call)));
  return one_reply("role", role, call, write_role);
}

Result<Response> update_role(Call& call) {
  CLOUDOS_TRY(const auto before, call.cloud.identity().get_role(call.ctx, path_role(call)));
  CLOUDOS_TRY(const auto with, read_role_update(call, before));
  CLOUDOS_TRY(const auto role, call.cloud.identity().update_role(call.ctx, before.id, with));
  return one_reply("role", role, call, write_role);
}

Result<Response> delete_role(Call& call) {
  CLOUDOS_CHECK(call.cloud.identity().remove_role(call.ctx, path_role(call)));
  return empty_response(204);
}

Result<Response> list_implied_roles(Call& call) {
  CLOUDOS_TRY(const auto prior, call.cloud.identity().get_role(call.ctx, path_prior(call)));
  JsonWriter w;
  w.open().key("role_inference");
  CLOUDOS_CHECK(write_inference(w, call, prior));
  w.key("links").open();
  w.member("self", call.request.base_url + call.request.target).close().close();
  return json_response(200, std::move(w).take());
}

Result<Response> show_implied_role(Call& call) { return one_inference(call, 200); }

Result<Response> check_implied_role(Call& call) {
  CLOUDOS_CHECK(one_inference(call, 204));
  return empty_response(204);
}

Result<Response> create_implied_role(Call& call) {
  CLOUDOS_CHECK(
      call.cloud.identity().imply_role(call.ctx, path_prior(call), path_implied(call)));
  return one_inference(call, 201);
}

Result<Response> delete_implied_role(Call& call) {
  CLOUDOS_CHECK(call.cloud.identity().stop_implying_role(call.ctx, path_prior(call),
                                                         path_implied(call)));
  return empty_response(204);
}

Result<Response> list_role_inferences(Call& call) {
  IdentityFilter every;
  every.domain_roles = true;
  CLOUDOS_TRY(const auto roles, call.cloud.identity().list_roles(call.ctx, every));
  JsonWriter w;
  w.open().key("role_inferences").open_list();
  for (const Role& role : roles)
    if (!role.implies.empty()) CLOUDOS_CHECK(write_inference(w, call, role));
  w.close_list().key("links");
  write_list_links(w, call);
  w.close();
  return json_response(200, std::move(w).take());
}

Result<Response> list_grants(Call& call) {
  CLOUDOS_TRY(const auto roles,
              call.cloud.identity().roles_of(call.ctx, path_assignment(call, false)));
  return list_reply("roles", roles, call, write_role);
}

Result<Response> create_grant(Call& call) {
  CLOUDOS_CHECK(call.cloud.identity().grant(call.ctx, path_assignment(call, true)));
  return empty_response(204);
}

Result<Response> check_grant(Call& call) {
  CLOUDOS_CHECK(call.cloud.identity().check_grant(call.ctx, path_assignment(call, true)));
  return empty_response(204);
}

Result<Response> revoke_grant(Call& call) {
  CLOUDOS_CHECK(call.cloud.identity().ungrant(call.ctx, path_assignment(call, true)));
  return empty_response(204);
}

Result<Response> list_role_assignments(Call& call) {
  CLOUDOS_TRY(const auto filter, read_assignment_filter(call));
  CLOUDOS_TRY(const auto list, call.cloud.identity().list_assignments(call.ctx, filter));
  const bool names = query_flag(call, "include_names");
  const std::size_t shown = std::min(list.size(), shown_entries(call));
  JsonWriter w;
  w.open().key("role_assignments").open_list();
  for (std::size_t i = 0; i < shown; ++i)
    write_assignment(w, list[i], names, call.service_url);
  w.close_list();
  write_list_end(w, call, shown < list.size());
  w.close();
  return json_response(200, std::move(w).take());
}

}  // namespace cloudos::rest::identity_v3

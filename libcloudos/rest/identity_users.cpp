#include <nlohmann/json.hpp>

#include "rest/identity_handlers.hpp"

namespace cloudos::rest::identity_v3 {
namespace {

/// A body that names no domain means that of the token.
DomainId domain_of_call(const Call& call) {
  if (call.token != nullptr && call.token->domain) return DomainId{call.token->domain->id};
  if (!call.ctx.project_domain.empty()) return call.ctx.project_domain;
  return call.ctx.user_domain.empty() ? DomainId{"default"} : call.ctx.user_domain;
}

const std::vector<std::string_view>& user_members() {
  static const std::vector<std::string_view> kKnown = {
      "name", "description", "domain_id", "default_project_id", "enabled", "password",
      "password_expires_at"};
  return kKnown;
}

Result<UserCreate> read_user(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("user"));
  const Members in(*body, "user");
  UserCreate spec;
  CLOUDOS_TRY(spec.name, in.text("name"));
  CLOUDOS_TRY(const auto description, in.maybe_text("description"));
  CLOUDOS_TRY(const auto domain, in.maybe_id<DomainId>("domain_id"));
  CLOUDOS_TRY(const auto project, in.maybe_id<ProjectId>("default_project_id"));
  CLOUDOS_TRY(const auto enabled, read_boolean(in, "enabled"));
  CLOUDOS_TRY(spec.password, in.maybe_text("password"));
  spec.description = description.value_or("");
  spec.domain = domain ? *domain : domain_of_call(call);
  if (project) spec.default_project = *project;
  spec.enabled = enabled.value_or(true);
  CLOUDOS_TRY(spec.extra, read_extra(*body, user_members()));
  return spec;
}

Result<IdentityUpdate> read_user_update(Call& call, const User& user) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("user"));
  const Members in(*body, "user");
  IdentityUpdate with;
  CLOUDOS_CHECK(read_unchanged(in, "id", user.id.value));
  CLOUDOS_CHECK(read_unchanged(in, "domain_id", user.domain.value));
  CLOUDOS_TRY(with.name, in.maybe_text("name"));
  CLOUDOS_TRY(with.description, in.maybe_text("description"));
  CLOUDOS_TRY(with.default_project, in.maybe_id<ProjectId>("default_project_id"));
  if (in.is_null("default_project_id")) with.default_project = ProjectId{};
  CLOUDOS_TRY(with.enabled, read_boolean(in, "enabled"));
  CLOUDOS_TRY(with.password, in.maybe_text("password"));
  CLOUDOS_TRY(with.extra, read_extra_changes(*body, user_members()));
  return with;
}

const std::vector<std::string_view>& group_members() {
  static const std::vector<std::string_view> kKnown = {"name", "description", "domain_id"};
  return kKnown;
}

Result<GroupCreate> read_group(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("group"));
  const Members in(*body, "group");
  GroupCreate spec;
  CLOUDOS_TRY(spec.name, in.text("name"));
  CLOUDOS_TRY(const auto description, in.maybe_text("description"));
  CLOUDOS_TRY(const auto domain, in.maybe_id<DomainId>("domain_id"));
  spec.description = description.value_or("");
  spec.domain = domain ? *domain : domain_of_call(call);
  CLOUDOS_TRY(spec.extra, read_extra(*body, group_members()));
  return spec;
}

Result<IdentityUpdate> read_group_update(Call& call, const Group& group) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("group"));
  const Members in(*body, "group");
  IdentityUpdate with;
  CLOUDOS_CHECK(read_unchanged(in, "id", group.id.value));
  CLOUDOS_CHECK(read_unchanged(in, "domain_id", group.domain.value));
  CLOUDOS_TRY(with.name, in.maybe_text("name"));
  CLOUDOS_TRY(with.description, in.maybe_text("description"));
  CLOUDOS_TRY(with.extra, read_extra_changes(*body, group_members()));
  return with;
}

UserId path_user(const Call& call) { return UserId{call.path("user_id")}; }
GroupId path_group(const Call& call) { return GroupId{call.path("group_id")}; }

}  // namespace

Result<Response> create_user(Call& call) {
  CLOUDOS_TRY(const auto spec, read_user(call));
  CLOUDOS_TRY(const auto user, call.cloud.identity().create_user(call.ctx, spec));
  return one_reply("user", user, call, write_user, 201);
}

Result<Response> list_users(Call& call) {
  CLOUDOS_TRY(const auto filter, read_filter(call, {"name", "description", "email"}));
  CLOUDOS_TRY(const auto users, call.cloud.identity().list_users(call.ctx, filter));
  return list_reply("users", users, call, write_user);
}

Result<Response> show_user(Call& call) {
  CLOUDOS_TRY(const auto user, call.cloud.identity().get_user(call.ctx, path_user(call)));
  return one_reply("user", user, call, write_user);
}

Result<Response> update_user(Call& call) {
  CLOUDOS_TRY(const auto before, call.cloud.identity().get_user(call.ctx, path_user(call)));
  CLOUDOS_TRY(const auto with, read_user_update(call, before));
  CLOUDOS_TRY(const auto user, call.cloud.identity().update_user(call.ctx, before.id, with));
  return one_reply("user", user, call, write_user);
}

Result<Response> delete_user(Call& call) {
  CLOUDOS_CHECK(call.cloud.identity().remove_user(call.ctx, path_user(call)));
  return empty_response(204);
}

Result<Response> change_user_password(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json_object("user"));
  const Members in(*body, "user");
  CLOUDOS_TRY(const auto original, in.text("original_password"));
  CLOUDOS_TRY(const auto password, in.text("password"));
  CLOUDOS_CHECK(call.cloud.identity().change_password(call.ctx, path_user(call), original,
                                                      password));
  return empty_response(204);
}

Result<Response> list_user_projects(Call& call) {
  CLOUDOS_TRY(const auto projects, call.cloud.identity().projects_of(call.ctx, path_user(call)));
  return list_reply("projects", projects, call, write_project);
}

Result<Response> list_user_groups(Call& call) {
  CLOUDOS_TRY(const auto filter, read_filter(call, {"name"}));
  CLOUDOS_TRY(const auto groups,
              call.cloud.identity().groups_of_user(call.ctx, path_user(call), filter));
  return list_reply("groups", groups, call, write_group);
}

Result<Response> create_group(Call& call) {
  CLOUDOS_TRY(const auto spec, read_group(call));
  CLOUDOS_TRY(const auto group, call.cloud.identity().create_group(call.ctx, spec));
  return one_reply("group", group, call, write_group, 201);
}

Result<Response> list_groups(Call& call) {
  CLOUDOS_TRY(const auto filter, read_filter(call, {"name", "description"}));
  CLOUDOS_TRY(const auto groups, call.cloud.identity().list_groups(call.ctx, filter));
  return list_reply("groups", groups, call, write_group);
}

Result<Response> show_group(Call& call) {
  CLOUDOS_TRY(const auto group, call.cloud.identity().get_group(call.ctx, path_group(call)));
  return one_reply("group", group, call, write_group);
}

Result<Response> update_group(Call& call) {
  CLOUDOS_TRY(const auto before, call.cloud.identity().get_group(call.ctx, path_group(call)));
  CLOUDOS_TRY(const auto with, read_group_update(call, before));
  CLOUDOS_TRY(const auto group, call.cloud.identity().update_group(call.ctx, before.id, with));
  return one_reply("group", group, call, write_group);
}

Result<Response> delete_group(Call& call) {
  CLOUDOS_CHECK(call.cloud.identity().remove_group(call.ctx, path_group(call)));
  return empty_response(204);
}

Result<Response> list_group_users(Call& call) {
  CLOUDOS_TRY(const auto filter, read_filter(call, {"name", "email"}));
  CLOUDOS_TRY(const auto users,
              call.cloud.identity().users_of_group(call.ctx, path_group(call), filter));
  return list_reply("users", users, call, write_user);
}

Result<Response> add_group_user(Call& call) {
  CLOUDOS_CHECK(
      call.cloud.identity().add_to_group(call.ctx, path_group(call), path_user(call)));
  return empty_response(204);
}

Result<Response> check_group_user(Call& call) {
  CLOUDOS_CHECK(
      call.cloud.identity().check_in_group(call.ctx, path_group(call), path_user(call)));
  return empty_response(204);
}

Result<Response> remove_group_user(Call& call) {
  CLOUDOS_CHECK(
      call.cloud.identity().remove_from_group(call.ctx, path_group(call), path_user(call)));
  return empty_response(204);
}

}  // namespace cloudos::rest::identity_v3

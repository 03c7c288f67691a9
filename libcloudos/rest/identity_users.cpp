#include <nlohmann/json.hpp>

#include "cloudos/domain_configs.hpp"
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
      "password_expires_at", "options"};
  return kKnown;
}

struct UserFlag {
  std::string_view name;
  std::optional<bool> UserOptions::*option;
};
constexpr UserFlag kUserFlags[] = {
    {"ignore_change_password_upon_first_use", &UserOptions::ignore_change_password_upon_first_use},
    {"ignore_password_expiry", &UserOptions::ignore_password_expiry},
    {"ignore_lockout_failure_attempts", &UserOptions::ignore_lockout_failure_attempts},
    {"ignore_user_inactivity", &UserOptions::ignore_user_inactivity},
    {"lock_password", &UserOptions::lock_password},
    {"multi_factor_auth_enabled", &UserOptions::multi_factor_auth_enabled},
};
constexpr std::string_view kFactorRules = "multi_factor_auth_rules";

Result<std::vector<std::vector<std::string>>> read_factor_rules(const Members& options) {
  const auto wrong = [&] {
    return fail(ErrorCode::InvalidArgument,
                options.where(kFactorRules) + " must be a list of lists of methods");
  };
  CLOUDOS_TRY(const nlohmann::json* list, options.array(kFactorRules));
  std::vector<std::vector<std::string>> rules;
  for (const nlohmann::json& item : *list) {
    if (!item.is_array()) return wrong();
    auto& rule = rules.emplace_back();
    for (const nlohmann::json& method : item) {
      if (!method.is_string()) return wrong();
      rule.push_back(method.get<std::string>());
    }
  }
  return rules;
}

/// Those given are set, those that are null are taken away.
Result<void> read_options(const Members& in, UserOptions& set, std::vector<std::string>& unset) {
  CLOUDOS_TRY(const nlohmann::json* given, in.maybe_object("options"));
  if (given == nullptr) return Result<void>();
  const Members options(*given, in.where("options"));
  for (const UserFlag& flag : kUserFlags) {
    CLOUDOS_TRY(set.*flag.option, read_boolean(options, flag.name));
    if (options.is_null(flag.name)) unset.emplace_back(flag.name);
  }
  if (options.is_null(kFactorRules)) {
    unset.emplace_back(kFactorRules);
  } else if (options.has(kFactorRules)) {
    CLOUDOS_TRY(set.multi_factor_auth_rules, read_factor_rules(options));
  }
  return options.no_others();
}

struct NamedTimeFilter {
  std::string_view prefix;
  TimeFilter::Match match;
};
constexpr NamedTimeFilter kTimeFilters[] = {
    {"lt:", TimeFilter::Match::Before},  {"lte:", TimeFilter::Match::NotAfter},
    {"gt:", TimeFilter::Match::After},   {"gte:", TimeFilter::Match::NotBefore},
    {"eq:", TimeFilter::Match::Equal},   {"neq:", TimeFilter::Match::NotEqual},
};

/// "lt:2026-01-01T00:00:00Z"; without an operator: equal.
Result<TimeFilter> read_time_filter(std::string_view text) {
  TimeFilter filter;
  for (const NamedTimeFilter& kind : kTimeFilters) {
    if (!text.starts_with(kind.prefix)) continue;
    filter.match = kind.match;
    text.remove_prefix(kind.prefix.size());
    break;
  }
  CLOUDOS_TRY(filter.time, parse_time(text));
  return filter;
}

Result<IdentityFilter> read_user_filter(const Call& call) {
  CLOUDOS_TRY(auto filter, read_filter(call, {"name", "description", "email",
                                              "default_project_id"}));
  for (const auto& [name, value] : call.query_all()) {
    if (name != "password_expires_at") continue;
    CLOUDOS_TRY(const auto by_time, read_time_filter(value));
    filter.password_expires_at.push_back(by_time);
  }
  return filter;
}

/// How many of a domain's own a list shows: of the one that is asked for, or else of the one that
/// the caller's list is cut to.
Result<std::optional<std::size_t>> domain_list_limit(const Call& call,
                                                     const IdentityFilter& filter) {
  std::optional<DomainId> domain = filter.domain;
  if (!domain && !call.ctx.is_admin && !call.ctx.domain.empty()) domain = call.ctx.domain;
  if (!domain) return std::optional<std::size_t>();
  CLOUDOS_TRY(const std::size_t most, call.cloud.identity().domain_configs().list_limit(*domain));
  return std::optional(most);
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
  std::vector<std::string> unset;
  CLOUDOS_CHECK(read_options(in, spec.options, unset));
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
  CLOUDOS_CHECK(read_options(in, with.options, with.unset_options));
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

/// Who calls where none needs a token: whose token is shown, if it holds.
Result<Context> maybe_caller(const Call& call) {
  Context who = call.ctx;
  if (call.request.caller) {
    who = *call.request.caller;
  } else if (const auto text = call.request.headers.get("X-Auth-Token"); !text.empty()) {
    const auto token = call.cloud.identity().valid(text);
    if (!token && token.error().code != ErrorCode::Unauthenticated) return fail(token.error());
    if (token) who = (*token)->context;
  }
  who.request_id = call.ctx.request_id;
  return who;
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
  CLOUDOS_TRY(const auto filter, read_user_filter(call));
  CLOUDOS_TRY(const auto users, call.cloud.identity().list_users(call.ctx, filter));
  CLOUDOS_TRY(const auto most, domain_list_limit(call, filter));
  return list_reply("users", users, call, write_user, false, most);
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
  CLOUDOS_TRY(const auto who, maybe_caller(call));
  CLOUDOS_CHECK(call.cloud.identity().change_password(who, path_user(call), original, password));
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
  CLOUDOS_TRY(const auto most, domain_list_limit(call, filter));
  return list_reply("groups", groups, call, write_group, false, most);
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
  CLOUDOS_TRY(const auto filter, read_user_filter(call));
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

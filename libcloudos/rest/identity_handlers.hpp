#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "cloudos/identity.hpp"
#include "rest/json.hpp"
#include "rest/router.hpp"

/// The Identity API v3: what its files share. Handlers are named by verb and noun of their route; a
/// namespace of their own, because every API has services and roles of some kind.
namespace cloudos::rest::identity_v3 {

// Bodies. `links` begin with Call::service_url.
void write_user(JsonWriter& w, const User& user, std::string_view service_url);
void write_group(JsonWriter& w, const Group& group, std::string_view service_url);
void write_domain(JsonWriter& w, const Domain& domain, std::string_view service_url);
/// A domain in the shape of a project: is_domain is true.
void write_domain_project(JsonWriter& w, const Domain& domain, std::string_view service_url);
void write_project(JsonWriter& w, const Project& project, std::string_view service_url);
/// What stands between the braces of the same, for who adds to it.
void write_project_members(JsonWriter& w, const Project& project, std::string_view service_url);
void write_role(JsonWriter& w, const Role& role, std::string_view service_url);
void write_region(JsonWriter& w, const Region& region, std::string_view service_url);
void write_service(JsonWriter& w, const CatalogService& service, std::string_view service_url);
void write_endpoint(JsonWriter& w, const Endpoint& endpoint, std::string_view service_url);
void write_catalog(JsonWriter& w, const std::vector<CatalogEntry>& catalog);
/// {"next": null, "previous": null, "self": ...}; `last`: id of the last entry when more come.
void write_list_links(JsonWriter& w, const Call& call, std::string_view last = {});
/// How many entries of a list the reply shows: what the caller asks for and the cloud, or `allowed`
/// instead, allows (0: any number).
std::size_t shown_entries(const Call& call, std::optional<std::size_t> allowed = {});
/// After the entries: "truncated" when the list was cut, "links".
void write_list_end(JsonWriter& w, const Call& call, bool cut, std::string_view last = {});

/// {"user": {...}}
template <class T>
Response one_reply(std::string_view name, const T& thing, const Call& call,
                   void (*write)(JsonWriter&, const T&, std::string_view), int status = 200) {
  JsonWriter w;
  w.open().key(name);
  write(w, thing, call.service_url);
  w.close();
  return json_response(status, std::move(w).take());
}

/// {"users": [...], "links": {...}}. `pages`: the list begins behind a marker where one is given,
/// so that the next page can be had.
template <class T>
Response list_reply(std::string_view name, const std::vector<T>& things, const Call& call,
                    void (*write)(JsonWriter&, const T&, std::string_view), bool pages = false,
                    std::optional<std::size_t> allowed = {}) {
  const std::size_t shown = std::min(things.size(), shown_entries(call, allowed));
  JsonWriter w;
  w.open().key(name).open_list();
  for (std::size_t i = 0; i < shown; ++i) write(w, things[i], call.service_url);
  w.close_list();
  std::string last;
  if (pages && shown > 0) {
    if constexpr (requires { things[0].id.value; }) last = things[shown - 1].id.value;
    else last = things[shown - 1].id;
  }
  write_list_end(w, call, shown < things.size(), last);
  w.close();
  return json_response(200, std::move(w).take());
}

/// The same of rows that are written already.
Response list_reply(std::string_view name, const RowTexts& rows, const Call& call);
/// How `write` tells a thing as a row: it depends on the service's URL and nothing else.
template <class T>
RowFormat<T> row_format(std::string_view name, const Call& call,
                        void (*write)(JsonWriter&, const T&, std::string_view)) {
  RowFormat<T> format;
  format.key = name;
  format.key += ' ';
  format.key += call.service_url;
  format.write = [write, url = call.service_url](std::string& out, const T& thing) {
    JsonWriter w(std::move(out));
    write(w, thing, url);
    out = std::move(w).take();
  };
  return format;
}

/// What the five handlers of one kind share. A kind says how it is called on the wire (`one`,
/// `many`, `key` of its path), how a body is read and a thing written, and which calls of `Service`
/// do the work.
template <class Kind>
Result<Response> create_one(Call& call) {
  CLOUDOS_TRY(const auto spec, Kind::read(call));
  CLOUDOS_TRY(const auto thing, (Kind::service(call).*Kind::create)(call.ctx, spec));
  return one_reply(Kind::one, thing, call, Kind::write, 201);
}
template <class Kind>
Result<Response> list_all(Call& call) {
  CLOUDOS_TRY(const auto filter, Kind::read_filter(call));
  CLOUDOS_TRY(const auto things, (Kind::service(call).*Kind::list)(call.ctx, filter));
  return list_reply(Kind::many, things, call, Kind::write, true);
}
template <class Kind>
Result<Response> show_one(Call& call) {
  const typename Kind::Id id{call.path(Kind::key)};
  CLOUDOS_TRY(const auto thing, (Kind::service(call).*Kind::get)(call.ctx, id));
  return one_reply(Kind::one, thing, call, Kind::write);
}
template <class Kind>
Result<Response> update_one(Call& call) {
  const typename Kind::Id id{call.path(Kind::key)};
  CLOUDOS_TRY(const auto with, Kind::read_update(call));
  CLOUDOS_TRY(const auto thing, (Kind::service(call).*Kind::update)(call.ctx, id, with));
  return one_reply(Kind::one, thing, call, Kind::write);
}
template <class Kind>
Result<Response> delete_one(Call& call) {
  const typename Kind::Id id{call.path(Kind::key)};
  CLOUDOS_CHECK((Kind::service(call).*Kind::remove)(call.ctx, id));
  return empty_response(204);
}

/// `options` of a domain, project or role: {"immutable": true}; null unsets one.
/// Errors: InvalidArgument (another option, or no boolean).
Result<std::optional<std::optional<bool>>> read_immutable(const nlohmann::json& object);

/// The members of `object` that are not among `known`, kept as JSON text.
/// Errors: InvalidArgument (`options` is no object).
Result<ExtraFields> read_extra(const nlohmann::json& object,
                               const std::vector<std::string_view>& known);
Result<ExtraChanges> read_extra_changes(const nlohmann::json& object,
                                const std::vector<std::string_view>& known);
/// A real boolean, or nothing. Errors: InvalidArgument (Identity takes no "yes").
Result<std::optional<bool>> read_boolean(const Members& in, std::string_view name);
/// A member that may be given but not changed. Errors: InvalidArgument.
Result<void> read_unchanged(const Members& in, std::string_view name, std::string_view value);
/// Filters of a list: domain_id, enabled, `text` fields with their __contains kin, limit, marker.
Result<IdentityFilter> read_filter(const Call& call, const std::vector<std::string_view>& text);

/// A token with its catalogue; the header X-Subject-Token has its text.
Result<Response> token_answer(int status, const ValidToken& valid, Call& call);
/// {"links": {"self": …}} of a thing.
void write_self(JsonWriter& w, std::string_view service_url, std::string_view kind,
                std::string_view id);

// Credentials.
Result<Response> create_credential(Call& call);
Result<Response> list_credentials(Call& call);
Result<Response> show_credential(Call& call);
Result<Response> update_credential(Call& call);
Result<Response> delete_credential(Call& call);
Result<Response> create_ec2_credential(Call& call);
Result<Response> list_ec2_credentials(Call& call);
Result<Response> show_ec2_credential(Call& call);
Result<Response> delete_ec2_credential(Call& call);
Result<Response> ec2_tokens(Call& call);
Result<Response> s3_tokens(Call& call);

// Tokens.
Result<Response> create_token(Call& call);
/// Hash for a login that may hold a password, Inline for one that cannot.
RouteClass login_class(std::string_view body);
Result<Response> show_token(Call& call);
Result<Response> revoke_token(Call& call);
Result<Response> auth_catalog(Call& call);
Result<Response> auth_projects(Call& call);
Result<Response> auth_domains(Call& call);
Result<Response> auth_system(Call& call);
Result<Response> list_token_keys(Call& call);
Result<Response> rotate_token_keys(Call& call);
Result<Response> list_credential_keys(Call& call);
Result<Response> rotate_credential_keys(Call& call);
Result<Response> list_revoke_events(Call& call);

// Trusts, application credentials, access rules.
Result<Response> create_trust(Call& call);
Result<Response> list_trusts(Call& call);
Result<Response> show_trust(Call& call);
Result<Response> delete_trust(Call& call);
Result<Response> list_trust_roles(Call& call);
Result<Response> show_trust_role(Call& call);
Result<Response> create_application_credential(Call& call);
Result<Response> list_application_credentials(Call& call);
Result<Response> show_application_credential(Call& call);
Result<Response> delete_application_credential(Call& call);
Result<Response> list_access_rules(Call& call);
Result<Response> show_access_rule(Call& call);
Result<Response> delete_access_rule(Call& call);

// Users and groups.
Result<Response> create_user(Call& call);
Result<Response> list_users(Call& call);
Result<Response> show_user(Call& call);
Result<Response> update_user(Call& call);
Result<Response> delete_user(Call& call);
Result<Response> change_user_password(Call& call);
Result<Response> list_user_projects(Call& call);
Result<Response> list_user_groups(Call& call);
Result<Response> create_group(Call& call);
Result<Response> list_groups(Call& call);
Result<Response> show_group(Call& call);
Result<Response> update_group(Call& call);
Result<Response> delete_group(Call& call);
Result<Response> list_group_users(Call& call);
Result<Response> add_group_user(Call& call);
Result<Response> check_group_user(Call& call);
Result<Response> remove_group_user(Call& call);

// Domains and projects.
Result<Response> create_domain(Call& call);
Result<Response> list_domains(Call& call);
Result<Response> show_domain(Call& call);
Result<Response> update_domain(Call& call);
Result<Response> delete_domain(Call& call);
Result<Response> create_project(Call& call);
Result<Response> list_projects(Call& call);
Result<Response> show_project(Call& call);
Result<Response> update_project(Call& call);
Result<Response> delete_project(Call& call);
Result<Response> list_project_tags(Call& call);
Result<Response> replace_project_tags(Call& call);
Result<Response> clear_project_tags(Call& call);
Result<Response> check_project_tag(Call& call);
Result<Response> add_project_tag(Call& call);
Result<Response> remove_project_tag(Call& call);

// Configurations of domains; consumers of OAuth.
/// How much of a configuration a path names.
enum class ConfigPart : std::uint8_t { All, Group, Option };
Result<Response> replace_domain_config(Call& call);
template <ConfigPart Part>
Result<Response> show_domain_config(Call& call);
template <ConfigPart Part>
Result<Response> update_domain_config(Call& call);
template <ConfigPart Part>
Result<Response> delete_domain_config(Call& call);
template <ConfigPart Part>
Result<Response> show_default_config(Call& call);
Result<Response> show_password_rules(Call& call);
Result<Response> show_password_rule(Call& call);
Result<Response> create_consumer(Call& call);
Result<Response> list_consumers(Call& call);
Result<Response> show_consumer(Call& call);
Result<Response> update_consumer(Call& call);
Result<Response> delete_consumer(Call& call);

// Roles and assignments.
Result<Response> create_role(Call& call);
Result<Response> list_roles(Call& call);
Result<Response> show_role(Call& call);
Result<Response> update_role(Call& call);
Result<Response> delete_role(Call& call);
Result<Response> list_implied_roles(Call& call);
Result<Response> show_implied_role(Call& call);
Result<Response> check_implied_role(Call& call);
Result<Response> create_implied_role(Call& call);
Result<Response> delete_implied_role(Call& call);
Result<Response> list_role_inferences(Call& call);
Result<Response> list_grants(Call& call);
Result<Response> create_grant(Call& call);
Result<Response> check_grant(Call& call);
Result<Response> revoke_grant(Call& call);
Result<Response> list_role_assignments(Call& call);

// Catalog.
Result<Response> create_region(Call& call);
Result<Response> create_named_region(Call& call);
Result<Response> list_regions(Call& call);
Result<Response> show_region(Call& call);
Result<Response> update_region(Call& call);
Result<Response> delete_region(Call& call);
Result<Response> create_service(Call& call);
Result<Response> list_services(Call& call);
Result<Response> show_service(Call& call);
Result<Response> update_service(Call& call);
Result<Response> delete_service(Call& call);
Result<Response> create_endpoint(Call& call);
Result<Response> list_endpoints(Call& call);
Result<Response> show_endpoint(Call& call);
Result<Response> update_endpoint(Call& call);
Result<Response> delete_endpoint(Call& call);

}  // namespace cloudos::rest::identity_v3

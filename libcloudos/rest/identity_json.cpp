#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "rest/identity_handlers.hpp"
#include "rest/target.hpp"

namespace cloudos::rest::identity_v3 {
namespace {

constexpr std::size_t kListFrameBytes = 1'024;  // Names and links around a list's rows, about.

void write_self_link(JsonWriter& w, std::string_view service_url, std::string_view kind,
                     std::string_view id) {
  w.key("links").open().key("self");
  w.value({service_url, "/", kind, "/", percent_encode(id)}).close();
}

/// What clients sent and we only keep; `options` is part of every body, given or not.
void write_extra(JsonWriter& w, const ExtraFields& extra, bool has_options) {
  for (const auto& [name, json] : extra) w.key(name).literal(json);
  if (has_options && !extra.contains("options")) w.key("options").open().close();
}

struct NamedTextFilter {
  std::string_view suffix;
  TextFilter::Match match;
  bool ignore_case;
};
constexpr NamedTextFilter kTextFilters[] = {
    {"", TextFilter::Match::Equals, false},
    {"__iequals", TextFilter::Match::Equals, true},
    {"__contains", TextFilter::Match::Contains, false},
    {"__icontains", TextFilter::Match::Contains, true},
    {"__startswith", TextFilter::Match::StartsWith, false},
    {"__istartswith", TextFilter::Match::StartsWith, true},
    {"__endswith", TextFilter::Match::EndsWith, false},
    {"__iendswith", TextFilter::Match::EndsWith, true},
};

std::optional<TextFilter> text_filter(std::string_view parameter, std::string_view value,
                                      const std::vector<std::string_view>& text) {
  for (const std::string_view field : text) {
    if (!parameter.starts_with(field)) continue;
    for (const NamedTextFilter& kind : kTextFilters) {
      if (parameter.substr(field.size()) == kind.suffix)
        return TextFilter{std::string(field), kind.match, kind.ignore_case, std::string(value)};
    }
  }
  return std::nullopt;
}

std::vector<std::string> comma_list(std::string_view text) {
  std::vector<std::string> items;
  for (const std::string_view item : split(text, ','))
    if (!item.empty()) items.emplace_back(item);
  return items;
}

}  // namespace

void write_self(JsonWriter& w, std::string_view service_url, std::string_view kind,
                std::string_view id) {
  write_self_link(w, service_url, kind, id);
}

namespace {

void write_user_options(JsonWriter& w, const UserOptions& options) {
  const auto flag = [&](std::string_view name, const std::optional<bool>& value) {
    if (value) w.member(name, *value);
  };
  w.key("options").open();
  flag("ignore_change_password_upon_first_use", options.ignore_change_password_upon_first_use);
  flag("ignore_password_expiry", options.ignore_password_expiry);
  flag("ignore_lockout_failure_attempts", options.ignore_lockout_failure_attempts);
  flag("ignore_user_inactivity", options.ignore_user_inactivity);
  flag("lock_password", options.lock_password);
  flag("multi_factor_auth_enabled", options.multi_factor_auth_enabled);
  if (options.multi_factor_auth_rules) {
    w.key("multi_factor_auth_rules").open_list();
    for (const auto& rule : *options.multi_factor_auth_rules) w.value(rule);
    w.close_list();
  }
  w.close();
}

}  // namespace

void write_user(JsonWriter& w, const User& user, std::string_view service_url) {
  w.open().member("id", user.id).member("name", user.name).member("domain_id", user.domain);
  w.member("enabled", user.enabled).key("password_expires_at");
  if (user.password_expires_at) {
    std::string time = format_time(*user.password_expires_at, true);
    if (time.ends_with('Z')) time.pop_back();
    w.value(time);
  } else {
    w.null();
  }
  write_user_options(w, user.options);
  if (!user.description.empty()) w.member("description", user.description);
  if (!user.default_project.empty()) w.member("default_project_id", user.default_project);
  for (const auto& [name, json] : user.extra)
    if (name != "options") w.key(name).literal(json);
  write_self_link(w, service_url, "users", user.id.value);
  w.close();
}

void write_group(JsonWriter& w, const Group& group, std::string_view service_url) {
  w.open().member("id", group.id).member("name", group.name).member("domain_id", group.domain);
  w.member("description", group.description);
  write_extra(w, group.extra, false);
  write_self_link(w, service_url, "groups", group.id.value);
  w.close();
}

namespace {

/// The option, and what clients sent beside what we know.
template <class Thing>
void write_rest(JsonWriter& w, const Thing& thing) {
  for (const auto& [name, json] : thing.extra)
    if (name != "options") w.key(name).literal(json);  // Older folders kept it there.
  w.key("options").open();
  if (thing.immutable) w.member("immutable", *thing.immutable);
  w.close();
}

}  // namespace

void write_domain(JsonWriter& w, const Domain& domain, std::string_view service_url) {
  w.open().member("id", domain.id).member("name", domain.name);
  w.member("description", domain.description).member("enabled", domain.enabled);
  w.member("tags", domain.tags);
  write_rest(w, domain);
  write_self_link(w, service_url, "domains", domain.id.value);
  w.close();
}

void write_domain_project(JsonWriter& w, const Domain& domain, std::string_view service_url) {
  w.open().member("id", domain.id).member("name", domain.name);
  w.member("description", domain.description).member("enabled", domain.enabled);
  w.member_null("domain_id").member_null("parent_id").member("is_domain", true);
  w.member("tags", domain.tags);
  write_rest(w, domain);
  write_self_link(w, service_url, "projects", domain.id.value);
  w.close();
}

void write_project_members(JsonWriter& w, const Project& project, std::string_view service_url) {
  w.member("id", project.id).member("name", project.name);
  w.member("description", project.description).member("enabled", project.enabled);
  w.member("domain_id", project.domain).member("is_domain", false);
  w.member("parent_id", project.parent.empty() ? project.domain.value : project.parent.value);
  w.member("tags", project.tags);
  write_rest(w, project);
  write_self_link(w, service_url, "projects", project.id.value);
}

void write_project(JsonWriter& w, const Project& project, std::string_view service_url) {
  w.open();
  write_project_members(w, project, service_url);
  w.close();
}

void write_role(JsonWriter& w, const Role& role, std::string_view service_url) {
  w.open().member("id", role.id).member("name", role.name);
  w.member_or_null("domain_id", role.domain.value);
  w.member_or_null("description", role.description);
  write_rest(w, role);
  write_self_link(w, service_url, "roles", role.id.value);
  w.close();
}

void write_region(JsonWriter& w, const Region& region, std::string_view service_url) {
  w.open().member("id", region.id).member("description", region.description);
  w.member_or_null("parent_region_id", region.parent);
  write_extra(w, region.extra, false);
  write_self_link(w, service_url, "regions", region.id);
  w.close();
}

void write_service(JsonWriter& w, const CatalogService& service, std::string_view service_url) {
  w.open().member("id", service.id).member("type", service.type).member("name", service.name);
  w.member("enabled", service.enabled);
  if (!service.description.empty()) w.member("description", service.description);
  write_extra(w, service.extra, false);
  write_self_link(w, service_url, "services", service.id.value);
  w.close();
}

void write_endpoint(JsonWriter& w, const Endpoint& endpoint, std::string_view service_url) {
  w.open().member("id", endpoint.id).member("service_id", endpoint.service);
  w.member("interface", endpoint.interface).member("url", endpoint.url);
  w.member_or_null("region", endpoint.region).member_or_null("region_id", endpoint.region);
  w.member("enabled", endpoint.enabled);
  if (!endpoint.description.empty()) w.member("description", endpoint.description);
  write_extra(w, endpoint.extra, false);
  write_self_link(w, service_url, "endpoints", endpoint.id.value);
  w.close();
}

void write_catalog(JsonWriter& w, const std::vector<CatalogEntry>& catalog) {
  w.open_list();
  for (const CatalogEntry& entry : catalog) {
    w.open().member("id", entry.service.id).member("type", entry.service.type);
    w.member("name", entry.service.name).key("endpoints").open_list();
    for (const Endpoint& endpoint : entry.endpoints) {
      w.open().member("id", endpoint.id).member("interface", endpoint.interface);
      w.member_or_null("region", endpoint.region).member_or_null("region_id", endpoint.region);
      w.member("url", endpoint.url).close();
    }
    w.close_list().close();
  }
  w.close_list();
}

namespace {

/// The request's target with another marker.
std::string next_page(const Call& call, std::string_view last) {
  std::string next = call.request.base_url;
  next += split_target(call.request.target).first;
  next += '?';
  for (const auto& [name, value] : call.query_all())
    if (name != "marker")
      next += percent_encode(name) + "=" + percent_encode(value) + "&";
  return next + "marker=" + percent_encode(last);
}

}  // namespace

void write_list_links(JsonWriter& w, const Call& call, std::string_view last) {
  w.open().key("next");
  if (last.empty()) w.null();
  else w.value(next_page(call, last));
  w.member_null("previous");
  w.member("self", call.request.base_url + call.request.target).close();
}

std::size_t shown_entries(const Call& call, std::optional<std::size_t> allowed) {
  const std::size_t most = allowed ? *allowed : call.cloud.identity().list_limit();
  const auto page = call.page(most == 0 ? SIZE_MAX : most);
  return page ? page->limit : SIZE_MAX;
}

void write_list_end(JsonWriter& w, const Call& call, bool cut, std::string_view last) {
  w.key("links");
  write_list_links(w, call, cut ? last : std::string_view());
  if (cut) w.member("truncated", true);
}

Response list_reply(std::string_view name, const RowTexts& rows, const Call& call) {
  JsonWriter w(rows.text.size() + kListFrameBytes);
  w.open().key(name).open_list().literal(rows.text).close_list();
  write_list_end(w, call, rows.more, rows.last);
  w.close();
  return json_response(200, std::move(w).take());
}

Result<std::optional<std::optional<bool>>> read_immutable(const nlohmann::json& object) {
  using Change = std::optional<std::optional<bool>>;
  const auto options = object.find("options");
  if (options == object.end() || options->is_null()) return Change();
  if (!options->is_object())
    return fail(ErrorCode::InvalidArgument, "options must be an object");
  Change change;
  for (const auto& [name, value] : options->items()) {
    if (name != "immutable" || !(value.is_boolean() || value.is_null())) {
      return fail(ErrorCode::InvalidArgument,
                  "options: there is one, immutable; it is true, false or null");
    }
    change = value.is_null() ? std::optional<bool>() : std::optional<bool>(value.get<bool>());
  }
  return change;
}

Result<ExtraFields> read_extra(const nlohmann::json& object,
                               const std::vector<std::string_view>& known) {
  ExtraFields extra;
  for (const auto& [name, value] : object.items()) {
    // `id` and `links` are ours to say; a body that was read and sent back holds them.
    if (name == "id" || name == "links") continue;
    // Clients read an object there, whatever was sent.
    if (name == "options" && value.is_null()) continue;
    if (name == "options" && !value.is_object())
      return fail(ErrorCode::InvalidArgument, "options must be an object");
    if (std::find(known.begin(), known.end(), name) == known.end()) extra[name] = value.dump();
  }
  return extra;
}

Result<ExtraChanges> read_extra_changes(const nlohmann::json& object,
                                const std::vector<std::string_view>& known) {
  ExtraChanges changes;
  CLOUDOS_TRY(auto extra, read_extra(object, known));
  for (auto& [name, value] : extra) changes[name] = std::move(value);
  return changes;
}

Result<std::optional<bool>> read_boolean(const Members& in, std::string_view name) {
  const nlohmann::json* const member = in.raw(name);
  if (member == nullptr || member->is_null()) return std::optional<bool>();
  if (!member->is_boolean())
    return fail(ErrorCode::InvalidArgument, in.where(name) + " must be true or false");
  return std::optional<bool>(member->get<bool>());
}

Result<void> read_unchanged(const Members& in, std::string_view name, std::string_view value) {
  CLOUDOS_TRY(const auto given, in.maybe_text(name));
  if (!given || *given == value) return Result<void>();
  return fail(ErrorCode::InvalidArgument, in.where(name) + " cannot be changed");
}

Result<IdentityFilter> read_filter(const Call& call, const std::vector<std::string_view>& text) {
  IdentityFilter filter;
  CLOUDOS_TRY(auto page, call.page(SIZE_MAX));
  filter.marker = std::move(page.marker);
  // One more than is shown tells that there are more.
  const std::size_t shown = shown_entries(call);
  filter.limit = shown == SIZE_MAX ? shown : shown + 1;
  for (const auto& [name, value] : call.query_all()) {
    if (name == "domain_id") filter.domain = DomainId{value};
    else if (name == "enabled")
      filter.enabled = value != "0" && !equals_ignore_case(value, "false");
    else if (name == "parent_id" || name == "parent_region_id") filter.parent = value;
    else if (name == "service_id") filter.service = ServiceId{value};
    else if (name == "interface") filter.interface = value;
    else if (name == "region_id" || name == "region") filter.region = value;
    else if (name == "tags") filter.tags = comma_list(value);
    else if (name == "tags-any") filter.tags_any = comma_list(value);
    else if (name == "not-tags") filter.not_tags = comma_list(value);
    else if (name == "not-tags-any") filter.not_tags_any = comma_list(value);
    else if (auto by_text = text_filter(name, value, text)) filter.text.push_back(*by_text);
  }
  return filter;
}

}  // namespace cloudos::rest::identity_v3

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cloudos/endpoint_filters.hpp"
#include "cloudos/limits_registry.hpp"
#include "cloudos/stored_policies.hpp"
#include "rest/identity_handlers.hpp"

/// Inherited assignments, chosen endpoints, policies kept for services, limits; the routes of
/// domains' configurations and of consumers.
namespace cloudos::rest {
namespace identity_v3 {
namespace {

ProjectId project_in(const Call& call) { return ProjectId{call.path("project_id")}; }
EndpointId endpoint_in(const Call& call) { return EndpointId{call.path("endpoint_id")}; }
EndpointGroupId group_in(const Call& call) {
  return EndpointGroupId{call.path("endpoint_group_id")};
}
StoredPolicyId policy_in(const Call& call) { return StoredPolicyId{call.path("policy_id")}; }

void write_place(JsonWriter& w, const ServiceId& service, const std::string& region) {
  w.member("service_id", service).member_or_null("region_id", region);
}

// ---- endpoint groups

void write_endpoint_group(JsonWriter& w, const EndpointGroup& group,
                          std::string_view service_url) {
  w.open().member("id", group.id).member("name", group.name);
  w.member("description", group.description).key("filters").open();
  if (!group.filter.interface.empty()) w.member("interface", group.filter.interface);
  if (!group.filter.service.empty()) w.member("service_id", group.filter.service);
  if (!group.filter.region.empty()) w.member("region_id", group.filter.region);
  w.close();
  write_self(w, service_url, "OS-EP-FILTER/endpoint_groups", group.id.value);
  w.close();
}

Result<EndpointGroupFilter> read_group_filter(const nlohmann::json& object) {
  const Members in(object, "endpoint_group.filters");
  EndpointGroupFilter filter;
  CLOUDOS_TRY(const auto service, in.maybe_id<ServiceId>("service_id"));
  CLOUDOS_TRY(const auto interface, in.maybe_text("interface"));
  CLOUDOS_TRY(const auto region, in.maybe_text("region_id"));
  CLOUDOS_CHECK(in.no_others());
  filter.service = service.value_or(ServiceId{});
  filter.interface = interface.value_or("");
  filter.region = region.value_or("");
  return filter;
}

struct EndpointGroupKind {
  using Id = EndpointGroupId;
  static constexpr std::string_view one = "endpoint_group", many = "endpoint_groups",
                                    key = "endpoint_group_id";
  static constexpr auto write = write_endpoint_group;
  static constexpr auto create = &EndpointFilters::create_group;
  static constexpr auto list = &EndpointFilters::list_groups;
  static constexpr auto get = &EndpointFilters::get_group;
  static constexpr auto update = &EndpointFilters::update_group;
  static constexpr auto remove = &EndpointFilters::remove_group;
  static EndpointFilters& service(const Call& call) {
    return call.cloud.identity().endpoint_filters();
  }
  static Result<IdentityFilter> read_filter(const Call& call) {
    return identity_v3::read_filter(call, {"name"});
  }
  static Result<EndpointGroupCreate> read(Call& call) {
    CLOUDOS_TRY(const nlohmann::json* body, call.json_object(one));
    const Members in(*body, one);
    EndpointGroupCreate spec;
    CLOUDOS_TRY(spec.name, in.text("name"));
    CLOUDOS_TRY(const auto description, in.maybe_text("description"));
    CLOUDOS_TRY(const nlohmann::json* filter, in.object("filters"));
    CLOUDOS_TRY(spec.filter, read_group_filter(*filter));
    spec.description = description.value_or("");
    return spec;
  }
  static Result<EndpointGroupUpdate> read_update(Call& call) {
    CLOUDOS_TRY(const nlohmann::json* body, call.json_object(one));
    const Members in(*body, one);
    EndpointGroupUpdate with;
    CLOUDOS_TRY(with.name, in.maybe_text("name"));
    CLOUDOS_TRY(with.description, in.maybe_text("description"));
    CLOUDOS_TRY(const nlohmann::json* filter, in.maybe_object("filters"));
    if (filter != nullptr) {
      CLOUDOS_TRY(with.filter, read_group_filter(*filter));
    }
    return with;
  }
};

EndpointFilters& filters_of(const Call& call) { return EndpointGroupKind::service(call); }

Result<Response> list_group_endpoints(Call& call) {
  CLOUDOS_TRY(const auto found, filters_of(call).endpoints_of_group(call.ctx, group_in(call)));
  return list_reply("endpoints", found, call, write_endpoint);
}
Result<Response> list_group_projects(Call& call) {
  CLOUDOS_TRY(const auto found, filters_of(call).projects_of_group(call.ctx, group_in(call)));
  return list_reply("projects", found, call, write_project);
}
Result<Response> show_group_project(Call& call) {
  CLOUDOS_CHECK(filters_of(call).check(call.ctx, project_in(call), group_in(call)));
  JsonWriter w;
  w.open().key("project_endpoint_group").open();
  w.member("endpoint_group_id", group_in(call)).member("project_id", project_in(call));
  w.close().close();
  return json_response(200, std::move(w).take());
}
Result<Response> add_group_project(Call& call) {
  CLOUDOS_CHECK(filters_of(call).add(call.ctx, project_in(call), group_in(call)));
  return empty_response(204);
}
Result<Response> remove_group_project(Call& call) {
  CLOUDOS_CHECK(filters_of(call).remove(call.ctx, project_in(call), group_in(call)));
  return empty_response(204);
}
Result<Response> list_endpoint_projects(Call& call) {
  CLOUDOS_TRY(const auto found,
              filters_of(call).projects_of_endpoint(call.ctx, endpoint_in(call)));
  return list_reply("projects", found, call, write_project);
}
Result<Response> list_project_groups(Call& call) {
  CLOUDOS_TRY(const auto found, filters_of(call).groups_of_project(call.ctx, project_in(call)));
  return list_reply("endpoint_groups", found, call, write_endpoint_group);
}
Result<Response> list_project_endpoints(Call& call) {
  CLOUDOS_TRY(const auto found, filters_of(call).endpoints_of_project(call.ctx, project_in(call)));
  return list_reply("endpoints", found, call, write_endpoint);
}
Result<Response> check_project_endpoint(Call& call) {
  CLOUDOS_CHECK(filters_of(call).check(call.ctx, project_in(call), endpoint_in(call)));
  return empty_response(204);
}
Result<Response> add_project_endpoint(Call& call) {
  CLOUDOS_CHECK(filters_of(call).add(call.ctx, project_in(call), endpoint_in(call)));
  return empty_response(204);
}
Result<Response> remove_project_endpoint(Call& call) {
  CLOUDOS_CHECK(filters_of(call).remove(call.ctx, project_in(call), endpoint_in(call)));
  return empty_response(204);
}

// ---- policies

void write_stored_policy(JsonWriter& w, const StoredPolicy& policy,
                         std::string_view service_url) {
  w.open().member("id", policy.id).member("type", policy.type).member("blob", policy.blob);
  for (const auto& [name, json] : policy.extra) w.key(name).literal(json);
  write_self(w, service_url, "policies", policy.id.value);
  w.close();
}

struct PolicyKind {
  using Id = StoredPolicyId;
  static constexpr std::string_view one = "policy", many = "policies", key = "policy_id";
  static constexpr auto write = write_stored_policy;
  static constexpr auto create = &StoredPolicies::create;
  static constexpr auto list = &StoredPolicies::list;
  static constexpr auto get = &StoredPolicies::get;
  static constexpr auto update = &StoredPolicies::update;
  static constexpr auto remove = &StoredPolicies::remove;
  static StoredPolicies& service(const Call& call) {
    return call.cloud.identity().stored_policies();
  }
  static Result<IdentityFilter> read_filter(const Call& call) {
    return identity_v3::read_filter(call, {"type"});
  }
  static Result<StoredPolicyCreate> read(Call& call) {
    CLOUDOS_TRY(const nlohmann::json* body, call.json_object(one));
    const Members in(*body, one);
    StoredPolicyCreate spec;
    CLOUDOS_TRY(spec.type, in.text("type"));
    CLOUDOS_TRY(spec.blob, in.text("blob"));
    CLOUDOS_TRY(spec.extra, read_extra(*body, {"type", "blob"}));
    return spec;
  }
  static Result<StoredPolicyUpdate> read_update(Call& call) {
    CLOUDOS_TRY(const nlohmann::json* body, call.json_object(one));
    const Members in(*body, one);
    StoredPolicyUpdate with;
    CLOUDOS_CHECK(read_unchanged(in, "id", call.path(key)));
    CLOUDOS_TRY(with.type, in.maybe_text("type"));
    CLOUDOS_TRY(with.blob, in.maybe_text("blob"));
    CLOUDOS_TRY(with.extra, read_extra_changes(*body, {"type", "blob"}));
    return with;
  }
};

PolicyUse endpoint_use(const Call& call) { return {endpoint_in(call), {}, {}}; }
PolicyUse service_use(const Call& call) { return {{}, ServiceId{call.path("service_id")}, {}}; }
PolicyUse region_use(const Call& call) {
  return {{}, ServiceId{call.path("service_id")}, call.path("region_id")};
}

template <PolicyUse (*Use)(const Call&)>
Result<Response> check_policy_use(Call& call) {
  CLOUDOS_CHECK(PolicyKind::service(call).check_use(call.ctx, policy_in(call), Use(call)));
  return empty_response(204);
}
template <PolicyUse (*Use)(const Call&)>
Result<Response> make_policy_use(Call& call) {
  CLOUDOS_CHECK(PolicyKind::service(call).use(call.ctx, policy_in(call), Use(call)));
  return empty_response(204);
}
template <PolicyUse (*Use)(const Call&)>
Result<Response> drop_policy_use(Call& call) {
  CLOUDOS_CHECK(PolicyKind::service(call).stop_use(call.ctx, policy_in(call), Use(call)));
  return empty_response(204);
}
Result<Response> show_endpoint_policy(Call& call) {
  CLOUDOS_TRY(const auto policy,
              PolicyKind::service(call).of_endpoint(call.ctx, endpoint_in(call)));
  return one_reply("policy", policy, call, write_stored_policy);
}
Result<Response> list_policy_endpoints(Call& call) {
  CLOUDOS_TRY(const auto found, PolicyKind::service(call).endpoints_of(call.ctx, policy_in(call)));
  return list_reply("endpoints", found, call, write_endpoint);
}

// ---- limits

LimitsRegistry& limits_of(const Call& call) { return call.cloud.identity().limits(); }

void write_registered_limit(JsonWriter& w, const RegisteredLimit& limit,
                            std::string_view service_url) {
  w.open().member("id", limit.id);
  write_place(w, limit.service, limit.region);
  w.member("resource_name", limit.resource_name).member("default_limit", limit.default_limit);
  w.member_or_null("description", limit.description);
  write_self(w, service_url, "registered_limits", limit.id.value);
  w.close();
}

void write_limit(JsonWriter& w, const Limit& limit, std::string_view service_url) {
  w.open().member("id", limit.id).member_or_null("project_id", limit.project.value);
  w.member_or_null("domain_id", limit.domain.value);
  write_place(w, limit.service, limit.region);
  w.member("resource_name", limit.resource_name).member("resource_limit", limit.resource_limit);
  w.member_or_null("description", limit.description);
  write_self(w, service_url, "limits", limit.id.value);
  w.close();
}

Result<std::int64_t> read_amount(const Members& in, std::string_view name) {
  const nlohmann::json* const member = in.raw(name);
  if (member == nullptr || !member->is_number_integer())
    return fail(ErrorCode::InvalidArgument, in.where(name) + " must be a whole number");
  return in.integer(name);
}
Result<std::optional<std::int64_t>> read_maybe_amount(const Members& in, std::string_view name) {
  if (!in.has(name)) return std::optional<std::int64_t>();
  CLOUDOS_TRY(const auto amount, read_amount(in, name));
  return std::optional<std::int64_t>(amount);
}

Result<LimitFilter> read_limit_filter(const Call& call) {
  LimitFilter filter;
  CLOUDOS_TRY(const auto common, read_filter(call, {}));
  filter.marker = common.marker;
  filter.limit = common.limit;
  if (const auto id = call.query("service_id")) filter.service = ServiceId{std::string(*id)};
  if (const auto id = call.query("region_id")) filter.region = std::string(*id);
  if (const auto name = call.query("resource_name")) filter.resource_name = std::string(*name);
  if (const auto id = call.query("project_id")) filter.project = ProjectId{std::string(*id)};
  if (const auto id = call.query("domain_id")) filter.domain = DomainId{std::string(*id)};
  return filter;
}

/// What registered limits and limits have in common when they are made.
template <class Spec>
Result<void> read_limit_head(const Members& in, Spec& spec) {
  CLOUDOS_TRY(spec.service, in.id<ServiceId>("service_id"));
  CLOUDOS_TRY(spec.resource_name, in.text("resource_name"));
  CLOUDOS_TRY(const auto region, in.maybe_text("region_id"));
  CLOUDOS_TRY(const auto description, in.maybe_text("description"));
  spec.region = region.value_or("");
  spec.description = description.value_or("");
  return Result<void>();
}

Result<void> read_spec(const Members& in, RegisteredLimitCreate& spec) {
  CLOUDOS_CHECK(read_limit_head(in, spec));
  CLOUDOS_TRY(spec.default_limit, read_amount(in, "default_limit"));
  return in.no_others();
}
Result<void> read_spec(const Members& in, LimitCreate& spec) {
  CLOUDOS_CHECK(read_limit_head(in, spec));
  CLOUDOS_TRY(const auto project, in.maybe_id<ProjectId>("project_id"));
  CLOUDOS_TRY(const auto domain, in.maybe_id<DomainId>("domain_id"));
  if (project) spec.project = *project;
  if (domain) spec.domain = *domain;
  CLOUDOS_TRY(spec.resource_limit, read_amount(in, "resource_limit"));
  return in.no_others();
}

/// {"limits": [{…}, …]}: all are made, or none. Our own: {"limit": {…}} makes one.
template <class Spec>
Result<std::vector<Spec>> read_specs(Call& call, std::string_view name, std::string_view one) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  if (body->contains(one)) {
    CLOUDOS_TRY(const nlohmann::json* item, call.json_object(one));
    std::vector<Spec> single(1);
    CLOUDOS_CHECK(read_spec(Members(*item, one), single.front()));
    return single;
  }
  CLOUDOS_TRY(const nlohmann::json* list, Members(*body, "").array(name));
  std::vector<Spec> specs;
  for (const nlohmann::json& item : *list) {
    if (!item.is_object())
      return fail(ErrorCode::InvalidArgument, fmt::format("{} holds no objects", name));
    Spec spec;
    CLOUDOS_CHECK(read_spec(Members(item, name), spec));
    specs.push_back(std::move(spec));
  }
  return specs;
}

template <class Thing>
Response made_reply(std::string_view name, const std::vector<Thing>& made, const Call& call,
                    void (*write)(JsonWriter&, const Thing&, std::string_view)) {
  JsonWriter w;
  w.open().key(name).open_list();
  for (const Thing& thing : made) write(w, thing, call.service_url);
  w.close_list().key("links");
  write_list_links(w, call);
  w.close();
  return json_response(201, std::move(w).take());
}

Result<Response> create_registered_limits(Call& call) {
  CLOUDOS_TRY(const auto specs, read_specs<RegisteredLimitCreate>(call, "registered_limits",
                                                                  "registered_limit"));
  CLOUDOS_TRY(const auto made, limits_of(call).create_registered(call.ctx, specs));
  if (call.json_object("registered_limit"))
    return one_reply("registered_limit", made.front(), call, write_registered_limit, 201);
  return made_reply("registered_limits", made, call, write_registered_limit);
}

struct RegisteredLimitKind {
  using Id = RegisteredLimitId;
  static constexpr std::string_view one = "registered_limit", many = "registered_limits",
                                    key = "registered_limit_id";
  static constexpr auto write = write_registered_limit;
  static constexpr auto read_filter = read_limit_filter;
  static constexpr auto list = &LimitsRegistry::list_registered;
  static constexpr auto get = &LimitsRegistry::get_registered;
  static constexpr auto update = &LimitsRegistry::update_registered;
  static constexpr auto remove = &LimitsRegistry::remove_registered;
  static LimitsRegistry& service(const Call& call) { return limits_of(call); }
  static Result<RegisteredLimitUpdate> read_update(Call& call) {
    CLOUDOS_TRY(const nlohmann::json* body, call.json_object(one));
    const Members in(*body, one);
    RegisteredLimitUpdate with;
    CLOUDOS_TRY(with.service, in.maybe_id<ServiceId>("service_id"));
    CLOUDOS_TRY(with.region, in.maybe_text("region_id"));
    if (in.is_null("region_id")) with.region = "";
    CLOUDOS_TRY(with.resource_name, in.maybe_text("resource_name"));
    CLOUDOS_TRY(with.description, in.maybe_text("description"));
    CLOUDOS_TRY(with.default_limit, read_maybe_amount(in, "default_limit"));
    CLOUDOS_CHECK(in.no_others());
    return with;
  }
};

Result<Response> create_limits(Call& call) {
  CLOUDOS_TRY(const auto specs, read_specs<LimitCreate>(call, "limits", "limit"));
  CLOUDOS_TRY(const auto made, limits_of(call).create(call.ctx, specs));
  if (call.json_object("limit"))
    return one_reply("limit", made.front(), call, write_limit, 201);
  return made_reply("limits", made, call, write_limit);
}

struct LimitKind {
  using Id = LimitId;
  static constexpr std::string_view one = "limit", many = "limits", key = "limit_id";
  static constexpr auto write = write_limit;
  static constexpr auto read_filter = read_limit_filter;
  static constexpr auto list = &LimitsRegistry::list;
  static constexpr auto get = &LimitsRegistry::get;
  static constexpr auto update = &LimitsRegistry::update;
  static constexpr auto remove = &LimitsRegistry::remove;
  static LimitsRegistry& service(const Call& call) { return limits_of(call); }
  static Result<LimitUpdate> read_update(Call& call) {
    CLOUDOS_TRY(const nlohmann::json* body, call.json_object(one));
    const Members in(*body, one);
    LimitUpdate with;
    CLOUDOS_TRY(with.resource_limit, read_maybe_amount(in, "resource_limit"));
    CLOUDOS_TRY(with.description, in.maybe_text("description"));
    CLOUDOS_CHECK(in.no_others());
    return with;
  }
};

Result<Response> show_limit_model(Call& call) {
  const bool flat = limits_of(call).model() == LimitModel::Flat;
  JsonWriter w;
  w.open().key("model").open().member("name", flat ? "flat" : "strict_two_level");
  w.member("description", flat ? "Limits of projects and domains do not depend on one another."
                               : "No project's limit is above its domain's, and projects do not "
                                 "nest.");
  w.close().close();
  return json_response(200, std::move(w).take());
}

// ---- routes

constexpr Route registry_read(std::string_view pattern, Handler handler, std::string_view policy) {
  return {"GET", pattern, handler, policy, Service::Identity, RouteClass::Inline, true};
}
constexpr Route registry_write(std::string_view method, std::string_view pattern, Handler handler,
                               std::string_view policy) {
  return {method, pattern, handler, policy, Service::Identity, RouteClass::Commits, true};
}

#define CLOUDOS_FIVE(Kind, path, id, name, names)                                             \
  registry_write("POST", path, create_one<Kind>, "identity:create_" name),                    \
      registry_read(path, list_all<Kind>, "identity:list_" names),                            \
      registry_read(path "/{" id "}", show_one<Kind>, "identity:get_" name),                  \
      registry_write("PATCH", path "/{" id "}", update_one<Kind>, "identity:update_" name),   \
      registry_write("DELETE", path "/{" id "}", delete_one<Kind>, "identity:delete_" name)

#define CLOUDOS_INHERITED(on, who)                                                            \
  registry_read("/identity/v3/OS-INHERIT/" on "/" who "/roles/{role_id}/inherited_to_projects", \
                check_grant, "identity:check_grant"),                                         \
      registry_write("PUT",                                                                   \
                     "/identity/v3/OS-INHERIT/" on "/" who                                    \
                     "/roles/{role_id}/inherited_to_projects",                                \
                     create_grant, "identity:create_grant"),                                  \
      registry_write("DELETE",                                                                \
                     "/identity/v3/OS-INHERIT/" on "/" who                                    \
                     "/roles/{role_id}/inherited_to_projects",                                \
                     revoke_grant, "identity:revoke_grant"),                                  \
      registry_read("/identity/v3/OS-INHERIT/" on "/" who "/roles/inherited_to_projects",     \
                    list_grants, "identity:list_grants")

#define CLOUDOS_POLICY_USE(path, Use, name)                                                   \
  registry_read("/identity/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/" path,                 \
                check_policy_use<Use>, "identity:check_policy_association_for_" name),        \
      registry_write("PUT", "/identity/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/" path,     \
                     make_policy_use<Use>, "identity:create_policy_association_for_" name),   \
      registry_write("DELETE", "/identity/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/" path,  \
                     drop_policy_use<Use>, "identity:delete_policy_association_for_" name)

#define CLOUDOS_CONFIG_PART(path, part)                                                       \
  registry_read("/identity/v3/domains/{domain_id}/config" path,                               \
                show_domain_config<ConfigPart::part>, "identity:get_domain_config"),          \
      registry_write("PATCH", "/identity/v3/domains/{domain_id}/config" path,                 \
                     update_domain_config<ConfigPart::part>, "identity:update_domain_config"), \
      registry_write("DELETE", "/identity/v3/domains/{domain_id}/config" path,                \
                     delete_domain_config<ConfigPart::part>, "identity:delete_domain_config"), \
      registry_read("/identity/v3/domains/config" path "/default",                            \
                    show_default_config<ConfigPart::part>,                                    \
                    "identity:get_domain_config_default")

constexpr Route kRegistryRoutes[] = {
    registry_write("PUT", "/identity/v3/domains/{domain_id}/config", replace_domain_config,
                   "identity:create_domain_config"),
    CLOUDOS_CONFIG_PART("", All),
    CLOUDOS_CONFIG_PART("/{group}", Group),
    CLOUDOS_CONFIG_PART("/{group}/{option}", Option),
    registry_read("/identity/v3/domains/{domain_id}/config/security_compliance",
                  show_password_rules, "identity:get_security_compliance_domain_config"),
    registry_read("/identity/v3/domains/{domain_id}/config/security_compliance/{option}",
                  show_password_rule, "identity:get_security_compliance_domain_config"),

    registry_write("POST", "/identity/v3/OS-OAUTH1/consumers", create_consumer,
                   "identity:create_consumer"),
    registry_read("/identity/v3/OS-OAUTH1/consumers", list_consumers, "identity:list_consumers"),
    registry_read("/identity/v3/OS-OAUTH1/consumers/{consumer_id}", show_consumer,
                  "identity:get_consumer"),
    registry_write("PATCH", "/identity/v3/OS-OAUTH1/consumers/{consumer_id}", update_consumer,
                   "identity:update_consumer"),
    registry_write("DELETE", "/identity/v3/OS-OAUTH1/consumers/{consumer_id}", delete_consumer,
                   "identity:delete_consumer"),

    CLOUDOS_INHERITED("domains/{domain_id}", "users/{user_id}"),
    CLOUDOS_INHERITED("domains/{domain_id}", "groups/{group_id}"),
    CLOUDOS_INHERITED("projects/{project_id}", "users/{user_id}"),
    CLOUDOS_INHERITED("projects/{project_id}", "groups/{group_id}"),

    CLOUDOS_FIVE(EndpointGroupKind, "/identity/v3/OS-EP-FILTER/endpoint_groups",
                 "endpoint_group_id", "endpoint_group", "endpoint_groups"),
    registry_read("/identity/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/endpoints",
                  list_group_endpoints,
                  "identity:list_endpoints_associated_with_endpoint_group"),
    registry_read("/identity/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects",
                  list_group_projects, "identity:list_projects_associated_with_endpoint_group"),
    registry_read(
        "/identity/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}",
        show_group_project, "identity:get_endpoint_group_in_project"),
    registry_write(
        "PUT",
        "/identity/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}",
        add_group_project, "identity:add_endpoint_group_to_project"),
    registry_write(
        "DELETE",
        "/identity/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}/projects/{project_id}",
        remove_group_project, "identity:remove_endpoint_group_from_project"),
    registry_read("/identity/v3/OS-EP-FILTER/endpoints/{endpoint_id}/projects",
                  list_endpoint_projects, "identity:list_projects_for_endpoint"),
    registry_read("/identity/v3/OS-EP-FILTER/projects/{project_id}/endpoint_groups",
                  list_project_groups, "identity:list_endpoint_groups_for_project"),
    registry_read("/identity/v3/OS-EP-FILTER/projects/{project_id}/endpoints",
                  list_project_endpoints, "identity:list_endpoints_for_project"),
    registry_read("/identity/v3/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}",
                  check_project_endpoint, "identity:check_endpoint_in_project"),
    registry_write("PUT",
                   "/identity/v3/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}",
                   add_project_endpoint, "identity:add_endpoint_to_project"),
    registry_write("DELETE",
                   "/identity/v3/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}",
                   remove_project_endpoint, "identity:remove_endpoint_from_project"),

    CLOUDOS_FIVE(PolicyKind, "/identity/v3/policies", "policy_id", "policy", "policies"),
    CLOUDOS_POLICY_USE("endpoints/{endpoint_id}", endpoint_use, "endpoint"),
    CLOUDOS_POLICY_USE("services/{service_id}", service_use, "service"),
    CLOUDOS_POLICY_USE("services/{service_id}/regions/{region_id}", region_use,
                       "region_and_service"),
    registry_read("/identity/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/endpoints",
                  list_policy_endpoints, "identity:list_endpoints_for_policy"),
    registry_read("/identity/v3/policies/{policy_id}/OS-ENDPOINT-POLICY/policy",
                  show_one<PolicyKind>, "identity:get_policy"),
    registry_read("/identity/v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy",
                  show_endpoint_policy, "identity:get_policy_for_endpoint"),

    registry_write("POST", "/identity/v3/registered_limits", create_registered_limits,
                   "identity:create_registered_limits"),
    registry_read("/identity/v3/registered_limits", list_all<RegisteredLimitKind>,
                  "identity:list_registered_limits"),
    registry_read("/identity/v3/registered_limits/{registered_limit_id}",
                  show_one<RegisteredLimitKind>, "identity:get_registered_limit"),
    registry_write("PATCH", "/identity/v3/registered_limits/{registered_limit_id}",
                   update_one<RegisteredLimitKind>, "identity:update_registered_limit"),
    registry_write("DELETE", "/identity/v3/registered_limits/{registered_limit_id}",
                   delete_one<RegisteredLimitKind>, "identity:delete_registered_limit"),
    registry_read("/identity/v3/limits/model", show_limit_model, "identity:get_limit_model"),
    registry_write("POST", "/identity/v3/limits", create_limits, "identity:create_limits"),
    registry_read("/identity/v3/limits", list_all<LimitKind>, "identity:list_limits"),
    registry_read("/identity/v3/limits/{limit_id}", show_one<LimitKind>, "identity:get_limit"),
    registry_write("PATCH", "/identity/v3/limits/{limit_id}", update_one<LimitKind>,
                   "identity:update_limit"),
    registry_write("DELETE", "/identity/v3/limits/{limit_id}", delete_one<LimitKind>,
                   "identity:delete_limit"),
};
#undef CLOUDOS_CONFIG_PART
#undef CLOUDOS_FIVE
#undef CLOUDOS_INHERITED
#undef CLOUDOS_POLICY_USE

}  // namespace
}  // namespace identity_v3

std::span<const Route> identity_registry_routes() { return identity_v3::kRegistryRoutes; }

}  // namespace cloudos::rest

#include "cloudos/endpoint_filters.hpp"
#include "cloudos/limits_registry.hpp"
#include "cloudos/stored_policies.hpp"
#include "identity/support.hpp"

using namespace cloudos;
using namespace identity_test;

namespace {

ServiceId add_service(World& world, const std::string& type) {
  ServiceCreate spec;
  spec.type = type;
  const auto made = world.identity->create_service(world.system, spec);
  REQUIRE(made);
  return made->id;
}

EndpointId add_endpoint(World& world, const ServiceId& service, const std::string& interface,
                        const std::string& region) {
  EndpointCreate spec;
  spec.service = service;
  spec.interface = interface;
  spec.region = region;
  spec.url = "http://192.0.2.1/" + interface;
  const auto made = world.identity->create_endpoint(world.system, spec);
  REQUIRE(made);
  return made->id;
}

RegisteredLimitCreate registered(const ServiceId& service, const std::string& resource,
                                 std::int64_t amount, const std::string& region = {}) {
  RegisteredLimitCreate spec;
  spec.service = service;
  spec.resource_name = resource;
  spec.default_limit = amount;
  spec.region = region;
  return spec;
}

LimitCreate limit_of(const ProjectId& project, const DomainId& domain, const ServiceId& service,
                     const std::string& resource, std::int64_t amount) {
  LimitCreate spec;
  spec.project = project;
  spec.domain = domain;
  spec.service = service;
  spec.resource_name = resource;
  spec.resource_limit = amount;
  return spec;
}

template <class T>
std::optional<ErrorCode> code_of(const Result<T>& result) {
  return result ? std::nullopt : std::optional(result.error().code);
}

std::size_t endpoints_in_catalog(World& world, const ProjectId& project) {
  const auto catalog = world.identity->catalog(project, UserId{"u"});
  REQUIRE(catalog);
  std::size_t count = 0;
  for (const CatalogEntry& entry : *catalog) count += entry.endpoints.size();
  return count;
}

std::string list_ids(const std::vector<CatalogEntry>& catalog) {
  std::string text;
  for (const CatalogEntry& entry : catalog)
    for (const Endpoint& endpoint : entry.endpoints) text += endpoint.id.value + " ";
  return text;
}

}  // namespace

TEST_CASE("registered limits are unique by service, region and resource, and made all or none") {
  World world;
  auto& registry = world.identity->limits();
  const ServiceId service = add_service(world, "volume");
  REQUIRE(world.identity->create_region(world.system, {"east", "", "", {}}));
  const auto made = registry.create_registered(
      world.system, {registered(service, "volumes", 10), registered(service, "volumes", 5, "east"),
                     registered(service, "gigabytes", -1)});
  REQUIRE(made);
  CHECK(made->size() == 3);
  struct Row {
    std::string what;
    std::vector<RegisteredLimitCreate> specs;
    ErrorCode code;
  };
  const Row rows[] = {
      {"taken", {registered(service, "volumes", 1)}, ErrorCode::AlreadyExists},
      {"twice in one call",
       {registered(service, "new", 1), registered(service, "new", 2)},
       ErrorCode::AlreadyExists},
      {"one of two taken",
       {registered(service, "fresh", 1), registered(service, "volumes", 1)},
       ErrorCode::AlreadyExists},
      {"no such service", {registered(ServiceId{"none"}, "x", 1)}, ErrorCode::InvalidArgument},
      {"no such region", {registered(service, "x", 1, "west")}, ErrorCode::InvalidArgument},
      {"below -1", {registered(service, "x", -2)}, ErrorCode::InvalidArgument},
      {"without a name", {registered(service, "", 1)}, ErrorCode::InvalidArgument},
      {"none", {}, ErrorCode::InvalidArgument},
      {"more than fit",
       std::vector<RegisteredLimitCreate>(limits::kLimitsPerCall + 1,
                                          registered(service, "x", 1)),
       ErrorCode::InvalidArgument},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(code_of(registry.create_registered(world.system, row.specs)) == row.code);
    CHECK(registry.list_registered(world.system, {})->size() == 3);
  }
  LimitFilter in_east;
  in_east.region = "east";
  CHECK(registry.list_registered(world.system, in_east)->size() == 1);
  CHECK(code_of(world.identity->remove_region(world.system, "east")) == ErrorCode::Conflict);
}

TEST_CASE("a limit needs a registered one, which then stays as it is") {
  World world;
  auto& registry = world.identity->limits();
  const ServiceId service = add_service(world, "volume");
  const auto base = registry.create_registered(world.system, {registered(service, "volumes", 10)});
  REQUIRE(base);
  const RegisteredLimitId id = base->front().id;
  const ProjectId project = world.add_project("p").id;
  const DomainId domain{"default"};
  struct Row {
    std::string what;
    LimitCreate spec;
    std::optional<ErrorCode> code;
  };
  const Row rows[] = {
      {"nothing registered", limit_of(project, {}, service, "other", 5), ErrorCode::Forbidden},
      {"of nobody", limit_of({}, {}, service, "volumes", 5), ErrorCode::InvalidArgument},
      {"of two", limit_of(project, domain, service, "volumes", 5), ErrorCode::InvalidArgument},
      {"no such project", limit_of(ProjectId{"x"}, {}, service, "volumes", 5),
       ErrorCode::InvalidArgument},
      {"of a project", limit_of(project, {}, service, "volumes", 50), {}},
      {"once more", limit_of(project, {}, service, "volumes", 5), ErrorCode::AlreadyExists},
      {"of a domain", limit_of({}, domain, service, "volumes", 5), {}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(code_of(registry.create(world.system, {row.spec})) == row.code);
  }
  RegisteredLimitUpdate more;
  more.default_limit = 20;
  CHECK(code_of(registry.update_registered(world.system, id, more)) == ErrorCode::Forbidden);
  CHECK(code_of(registry.remove_registered(world.system, id)) == ErrorCode::Forbidden);
  const auto list = registry.list(world.system, {});
  REQUIRE(list);
  REQUIRE(list->size() == 2);
  LimitUpdate to;
  to.resource_limit = 7;
  const auto changed = registry.update(world.system, list->front().id, to);
  REQUIRE(changed);
  CHECK(changed->resource_limit == 7);
  for (const Limit& limit : *list) CHECK(registry.remove(world.system, limit.id));
  CHECK(registry.update_registered(world.system, id, more)->default_limit == 20);
  CHECK(registry.remove_registered(world.system, id));
}

TEST_CASE("limits of others are not there for who may not see them") {
  World world;
  auto& registry = world.identity->limits();
  const ServiceId service = add_service(world, "volume");
  REQUIRE(registry.create_registered(world.system, {registered(service, "volumes", 10)}));
  const Project mine = world.add_project("mine"), other = world.add_project("other");
  const auto made =
      registry.create(world.system, {limit_of(mine.id, {}, service, "volumes", 1),
                                     limit_of(other.id, {}, service, "volumes", 2)});
  REQUIRE(made);
  const User user = world.add_user("uma");
  world.grant(user.id, mine.id, "reader");
  const auto token = world.login("uma", "password of uma", World::project_scope("mine"));
  REQUIRE(token);
  const Context ctx = token->context("");
  const auto seen = registry.list(ctx, {});
  REQUIRE(seen);
  REQUIRE(seen->size() == 1);
  CHECK(seen->front().project == mine.id);
  LimitFilter theirs;
  theirs.project = other.id;
  CHECK(registry.list(ctx, theirs)->empty());
  CHECK(registry.get(ctx, (*made)[0].id));
  CHECK(code_of(registry.get(ctx, (*made)[1].id)) == ErrorCode::NotFound);
  CHECK(code_of(registry.get(ctx, LimitId{"none"})) == ErrorCode::NotFound);
  CHECK(code_of(registry.remove(ctx, (*made)[0].id)) == ErrorCode::Forbidden);
}

TEST_CASE("strict_two_level: no project's limit is above its domain's, and projects do not nest") {
  World world;
  world.settings.limit_model = LimitModel::StrictTwoLevel;
  world.start();
  auto& registry = world.identity->limits();
  const ServiceId service = add_service(world, "volume");
  REQUIRE(registry.create_registered(world.system, {registered(service, "volumes", 10)}));
  const ProjectId project = world.add_project("p").id;
  const DomainId domain{"default"};
  const auto make = [&](const ProjectId& of, std::int64_t amount) {
    return code_of(registry.create(
        world.system, {limit_of(of, of.empty() ? domain : DomainId{}, service, "volumes",
                                amount)}));
  };
  CHECK(make(project, 11) == ErrorCode::Forbidden);  // Above the registered one.
  CHECK(make(project, -1) == ErrorCode::Forbidden);
  CHECK_FALSE(make(project, 10));
  CHECK(make({}, 9) == ErrorCode::Forbidden);  // Below the project's.
  CHECK_FALSE(make({}, 20));
  const auto list = registry.list(world.system, {});
  REQUIRE(list);
  for (const Limit& limit : *list) {
    LimitUpdate to;
    to.resource_limit = limit.project.empty() ? 9 : 21;
    CHECK(code_of(registry.update(world.system, limit.id, to)) == ErrorCode::Forbidden);
    to.resource_limit = limit.project.empty() ? 15 : 12;
    CHECK(registry.update(world.system, limit.id, to));
  }
  // Both in one call are held against each other.
  const ProjectId second = world.add_project("q").id;
  CHECK(code_of(registry.create(world.system,
                                {limit_of(second, {}, service, "volumes", 16)})) ==
        ErrorCode::Forbidden);
  ProjectCreate nested;
  nested.name = "nested";
  nested.domain = domain;
  nested.parent = project;
  CHECK(code_of(world.identity->create_project(world.system, nested)) == ErrorCode::Forbidden);
}

TEST_CASE("a project for which endpoints were chosen sees those in its catalog and no others") {
  World world;
  auto& filters = world.identity->endpoint_filters();
  const ServiceId service = add_service(world, "volume");
  const EndpointId first = add_endpoint(world, service, "public", "east");
  const EndpointId second = add_endpoint(world, service, "internal", "east");
  const Project chosen = world.add_project("chosen"), other = world.add_project("other");
  const std::size_t all = endpoints_in_catalog(world, other.id);
  REQUIRE(all > 2);
  // The text that many callers share follows, too.
  const auto text = [&](const ProjectId& project) {
    return **world.identity->catalog_text(project, UserId{"u"}, list_ids);
  };
  const std::string everything = text(chosen.id);
  REQUIRE(filters.add(world.system, chosen.id, first));
  REQUIRE(filters.add(world.system, chosen.id, first));
  CHECK(endpoints_in_catalog(world, chosen.id) == 1);
  CHECK(world.identity->catalog(chosen.id, UserId{"u"})->size() == 1);
  CHECK(endpoints_in_catalog(world, other.id) == all);
  CHECK(text(chosen.id) == first.value + " ");
  CHECK(text(other.id) == everything);

  EndpointGroupCreate spec;
  spec.name = "east, inside";
  spec.filter.region = "east";
  spec.filter.interface = "internal";
  const auto group = filters.create_group(world.system, spec);
  REQUIRE(group);
  CHECK(filters.endpoints_of_group(world.system, group->id)->front().id == second);
  REQUIRE(filters.add(world.system, chosen.id, group->id));
  CHECK(endpoints_in_catalog(world, chosen.id) == 2);
  CHECK(filters.endpoints_of_project(world.system, chosen.id)->size() == 2);
  CHECK(filters.groups_of_project(world.system, chosen.id)->size() == 1);
  CHECK(filters.projects_of_group(world.system, group->id)->front().id == chosen.id);
  CHECK(filters.projects_of_endpoint(world.system, first)->front().id == chosen.id);
  // Taken away again, by themselves or with what they name.
  REQUIRE(filters.remove_group(world.system, group->id));
  CHECK(code_of(filters.check(world.system, chosen.id, group->id)) == ErrorCode::NotFound);
  CHECK(endpoints_in_catalog(world, chosen.id) == 1);
  REQUIRE(world.identity->remove_endpoint(world.system, first));
  CHECK(endpoints_in_catalog(world, chosen.id) == all - 1);
  CHECK(code_of(filters.remove(world.system, chosen.id, second)) == ErrorCode::NotFound);
  EndpointGroupCreate empty;
  empty.name = "everything";
  CHECK(code_of(filters.create_group(world.system, empty)) == ErrorCode::InvalidArgument);
}

TEST_CASE("a cloud may show nothing to projects for which nothing was chosen") {
  World world;
  world.settings.show_all_endpoints = false;
  world.start();
  const Project project = world.add_project("p");
  CHECK(endpoints_in_catalog(world, project.id) == 0);
  const ServiceId service = add_service(world, "volume");
  const EndpointId endpoint = add_endpoint(world, service, "public", "east");
  REQUIRE(world.identity->endpoint_filters().add(world.system, project.id, endpoint));
  CHECK(endpoints_in_catalog(world, project.id) == 1);
}

TEST_CASE("the nearest use of a policy wins: endpoint, region, the region around it, service") {
  World world;
  auto& policies = world.identity->stored_policies();
  REQUIRE(world.identity->create_region(world.system, {"outer", "", "", {}}));
  REQUIRE(world.identity->create_region(world.system, {"inner", "", "outer", {}}));
  const ServiceId service = add_service(world, "volume");
  const EndpointId endpoint = add_endpoint(world, service, "public", "inner");
  const EndpointId elsewhere = add_endpoint(world, service, "public", "RegionOne");
  std::vector<StoredPolicyId> ids;
  for (int i = 0; i < 4; ++i) {
    const auto made = policies.create(world.system, {"text/plain", "rule " + std::to_string(i),
                                                     {}});
    REQUIRE(made);
    ids.push_back(made->id);
  }
  CHECK(code_of(policies.of_endpoint(world.system, endpoint)) == ErrorCode::NotFound);
  const PolicyUse uses[] = {
      {{}, service, {}}, {{}, service, "outer"}, {{}, service, "inner"}, {endpoint, {}, {}}};
  for (std::size_t i = 0; i < ids.size(); ++i) {
    CAPTURE(i);
    REQUIRE(policies.use(world.system, ids[i], uses[i]));
    CHECK(policies.of_endpoint(world.system, endpoint)->id == ids[i]);
    CHECK(policies.check_use(world.system, ids[i], uses[i]));
  }
  CHECK(policies.of_endpoint(world.system, elsewhere)->id == ids[0]);
  CHECK(policies.endpoints_of(world.system, ids[0])->size() == 2);
  CHECK(policies.endpoints_of(world.system, ids[1])->size() == 1);
  // Another policy takes the place of the one before.
  REQUIRE(policies.use(world.system, ids[0], uses[3]));
  CHECK(code_of(policies.check_use(world.system, ids[3], uses[3])) == ErrorCode::NotFound);
  CHECK(code_of(policies.stop_use(world.system, ids[3], uses[3])) == ErrorCode::NotFound);
  REQUIRE(policies.stop_use(world.system, ids[0], uses[3]));
  CHECK(policies.of_endpoint(world.system, endpoint)->id == ids[2]);
  REQUIRE(policies.remove(world.system, ids[2]));
  CHECK(policies.of_endpoint(world.system, endpoint)->id == ids[1]);
}

TEST_CASE("what goes with a project, an endpoint, a service goes to the last key") {
  World world;
  auto& identity = *world.identity;
  const ServiceId kept = add_service(world, "volume");
  const auto before = world.keys();
  const ServiceId service = add_service(world, "share");
  const EndpointId endpoint = add_endpoint(world, service, "public", "RegionOne");
  const Project project = world.add_project("p");
  REQUIRE(identity.limits().create_registered(
      world.system, {registered(service, "shares", 10), registered(kept, "volumes", 1)}));
  REQUIRE(identity.limits().create(world.system,
                                   {limit_of(project.id, {}, service, "shares", 1),
                                    limit_of(project.id, {}, kept, "volumes", 1)}));
  REQUIRE(identity.endpoint_filters().add(world.system, project.id, endpoint));
  const auto policy = identity.stored_policies().create(world.system, {"t", "b", {}});
  REQUIRE(policy);
  REQUIRE(identity.stored_policies().use(world.system, policy->id, {endpoint, {}, {}}));
  REQUIRE(identity.stored_policies().use(world.system, policy->id, {{}, service, {}}));
  REQUIRE(identity.remove_project(world.system, project.id));
  REQUIRE(identity.remove_service(world.system, service));
  CHECK(identity.limits().list(world.system, {})->empty());
  const auto left = identity.limits().list_registered(world.system, {});
  REQUIRE(left);
  REQUIRE(left->size() == 1);
  REQUIRE(identity.limits().remove_registered(world.system, left->front().id));
  REQUIRE(identity.stored_policies().remove(world.system, policy->id));
  CHECK(world.keys() == before);
}

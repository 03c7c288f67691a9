#include "identity/support.hpp"

using namespace cloudos;
using identity_test::World;

namespace {

ErrorCode code_of(const auto& result) {
  REQUIRE_FALSE(result);
  return result.error().code;
}

std::vector<std::string> names_of(const auto& list) {
  REQUIRE(list);
  std::vector<std::string> names;
  for (const auto& item : *list) names.push_back(item.name);
  std::sort(names.begin(), names.end());
  return names;
}
using Names = std::vector<std::string>;

TextFilter name_filter(TextFilter::Match match, bool ignore_case, const char* value) {
  return {"name", match, ignore_case, value};
}

}  // namespace

TEST_CASE("names are unique within their domain, without regard to case") {
  World world;
  const Domain other = world.add_domain("Other");
  world.add_user("Una");
  world.add_user("una", other.id.value);
  world.add_project("Work");
  UserCreate user;
  user.name = "UNA";
  user.domain = DomainId{"default"};
  CHECK(code_of(world.identity->create_user(world.system, user)) == ErrorCode::AlreadyExists);
  ProjectCreate project;
  project.name = "wORK";
  project.domain = DomainId{"default"};
  CHECK(code_of(world.identity->create_project(world.system, project)) ==
        ErrorCode::AlreadyExists);
  DomainCreate domain;
  domain.name = "OTHER";
  CHECK(code_of(world.identity->create_domain(world.system, domain)) == ErrorCode::AlreadyExists);
  RoleCreate role;
  role.name = "Admin";
  CHECK(code_of(world.identity->create_role(world.system, role)) == ErrorCode::AlreadyExists);
}

TEST_CASE("bad names, unknown domains and oversized fields are refused") {
  World world;
  struct Row {
    std::string what;
    UserCreate user;
    ErrorCode code;
  };
  std::string longest;
  for (int i = 0; i < 255; ++i) longest += "가";
  const auto user = [](std::string name) {
    UserCreate spec;
    spec.name = std::move(name);
    spec.domain = DomainId{"default"};
    return spec;
  };
  Row rows[] = {
      {"empty", user(""), ErrorCode::InvalidArgument},
      {"blank", user("   "), ErrorCode::InvalidArgument},
      {"too long", user(longest + "가"), ErrorCode::InvalidArgument},
      {"not UTF-8", user("\xff\xfe"), ErrorCode::InvalidArgument},
      {"control character", user("a\nb"), ErrorCode::InvalidArgument},
      {"1 MB", user(std::string(1 << 20, 'n')), ErrorCode::InvalidArgument},
      {"unknown domain", user("a"), ErrorCode::NotFound},
      {"huge description", user("b"), ErrorCode::InvalidArgument},
      {"huge extra", user("c"), ErrorCode::InvalidArgument},
      {"unknown default project", user("d"), ErrorCode::InvalidArgument},
      {"empty password", user("e"), ErrorCode::InvalidArgument},
      {"huge password", user("f"), ErrorCode::InvalidArgument},
  };
  rows[6].user.domain = DomainId{"none"};
  rows[7].user.description = std::string(limits::kIdentityTextBytes + 1, 'd');
  rows[8].user.extra["x"] = std::string(limits::kIdentityTextBytes, 'd');
  rows[9].user.default_project = ProjectId{"none"};
  rows[10].user.password = "";
  rows[11].user.password = std::string(1 << 20, 'p');
  const auto keys = world.keys();
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(code_of(world.identity->create_user(world.system, row.user)) == row.code);
  }
  CHECK(world.keys() == keys);
  CHECK(world.identity->create_user(world.system, user(longest)));
}

TEST_CASE("whoever is no admin changes nothing, and reads only what is theirs") {
  World world;
  const Project project = world.add_project("work");
  const User user = world.add_user("una"), other = world.add_user("otto");
  world.grant(user.id, project.id, "member");
  const Context ctx = world.login("una", "password of una", World::project_scope("work"))
                          ->context("req");
  Identity& identity = *world.identity;
  const auto revision = world.revision();
  CHECK(code_of(identity.create_user(ctx, {})) == ErrorCode::Forbidden);
  CHECK(code_of(identity.update_user(ctx, user.id, {})) == ErrorCode::Forbidden);
  CHECK(code_of(identity.remove_user(ctx, user.id)) == ErrorCode::Forbidden);
  CHECK(code_of(identity.list_users(ctx, {})) == ErrorCode::Forbidden);
  CHECK(code_of(identity.get_user(ctx, other.id)) == ErrorCode::Forbidden);
  CHECK(code_of(identity.projects_of(ctx, other.id)) == ErrorCode::Forbidden);
  CHECK(code_of(identity.groups_of_user(ctx, other.id, {})) == ErrorCode::Forbidden);
  CHECK(code_of(identity.change_password(ctx, other.id, "password of otto", "x")) ==
        ErrorCode::Forbidden);
  CHECK(code_of(identity.create_project(ctx, {})) == ErrorCode::Forbidden);
  CHECK(code_of(identity.remove_project(ctx, project.id)) == ErrorCode::Forbidden);
  CHECK(code_of(identity.create_domain(ctx, {})) == ErrorCode::Forbidden);
  CHECK(code_of(identity.create_role(ctx, {})) == ErrorCode::Forbidden);
  CHECK(code_of(identity.create_group(ctx, {})) == ErrorCode::Forbidden);
  CHECK(code_of(identity.create_region(ctx, {})) == ErrorCode::Forbidden);
  CHECK(code_of(identity.create_service(ctx, {})) == ErrorCode::Forbidden);
  CHECK(code_of(identity.create_endpoint(ctx, {})) == ErrorCode::Forbidden);
  CHECK(code_of(identity.grant(ctx, {user.id, {}, project.id, {}, world.role("admin")})) ==
        ErrorCode::Forbidden);
  CHECK(code_of(identity.list_assignments(ctx, {})) == ErrorCode::Forbidden);
  CHECK(world.revision() == revision);
  CHECK(identity.get_user(ctx, user.id));
  CHECK(identity.get_project(ctx, project.id));
  CHECK(names_of(identity.projects_of(ctx, user.id)) == Names{"work"});
}

TEST_CASE("lists are filtered by domain, state and parts of names") {
  World world;
  const Domain other = world.add_domain("other");
  for (const char* name : {"Alpha", "alpine", "Beta"}) world.add_user(name, other.id.value);
  IdentityUpdate off;
  off.enabled = false;
  IdentityFilter filter;
  filter.domain = other.id;
  filter.text = {name_filter(TextFilter::Match::Equals, false, "Beta")};
  const auto beta = world.identity->list_users(world.system, filter);
  REQUIRE(names_of(beta) == Names{"Beta"});
  REQUIRE(world.identity->update_user(world.system, beta->front().id, off));
  struct Row {
    std::string what;
    std::vector<TextFilter> text;
    std::optional<bool> enabled;
    Names names;
  };
  const Row rows[] = {
      {"all of the domain", {}, {}, {"Alpha", "Beta", "alpine"}},
      {"contains", {name_filter(TextFilter::Match::Contains, false, "lp")}, {},
       {"Alpha", "alpine"}},
      {"starts, by case", {name_filter(TextFilter::Match::StartsWith, false, "Al")}, {}, {"Alpha"}},
      {"starts, any case", {name_filter(TextFilter::Match::StartsWith, true, "AL")}, {},
       {"Alpha", "alpine"}},
      {"ends", {name_filter(TextFilter::Match::EndsWith, false, "a")}, {}, {"Alpha", "Beta"}},
      {"both", {name_filter(TextFilter::Match::EndsWith, false, "a")}, true, {"Alpha"}},
      {"disabled", {}, false, {"Beta"}},
      {"unknown field", {{"nickname", TextFilter::Match::Contains, false, ""}}, {}, {}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    filter.text = row.text;
    filter.enabled = row.enabled;
    CHECK(names_of(world.identity->list_users(world.system, filter)) == row.names);
  }
  filter = {};
  filter.limit = 2;
  const auto page = world.identity->list_users(world.system, filter);
  REQUIRE(page->size() == 2);
  filter.marker = page->back().id.value;
  CHECK(world.identity->list_users(world.system, filter)->size() == 2);
  filter.marker = "none";
  CHECK(code_of(world.identity->list_users(world.system, filter)) == ErrorCode::InvalidArgument);
}

TEST_CASE("projects nest within their domain, five levels at most, and go leaf first") {
  World world;
  Identity& identity = *world.identity;
  const Domain other = world.add_domain("other");
  ProjectCreate spec;
  spec.domain = DomainId{"default"};
  std::vector<Project> line;
  for (int depth = 1; depth <= 6; ++depth) {
    spec.name = "level " + std::to_string(depth);
    const auto made = identity.create_project(world.system, spec);
    if (depth == 6) {
      CHECK(code_of(made) == ErrorCode::Forbidden);
      break;
    }
    REQUIRE(made);
    line.push_back(*made);
    spec.parent = made->id;
  }
  spec = {"stranger", "", other.id, line[0].id, true, {}, {}};
  CHECK(code_of(identity.create_project(world.system, spec)) == ErrorCode::InvalidArgument);
  spec = {"orphan", "", DomainId{"default"}, ProjectId{"none"}, true, {}, {}};
  CHECK(code_of(identity.create_project(world.system, spec)) == ErrorCode::NotFound);
  spec = {"by parent", "", {}, line[0].id, true, {}, {}};
  CHECK(identity.create_project(world.system, spec)->domain.value == "default");

  IdentityUpdate off;
  off.enabled = false;
  CHECK(code_of(identity.update_project(world.system, line[3].id, off)) == ErrorCode::Forbidden);
  REQUIRE(identity.update_project(world.system, line[4].id, off));
  REQUIRE(identity.update_project(world.system, line[3].id, off));
  IdentityUpdate on;
  on.enabled = true;
  CHECK(code_of(identity.update_project(world.system, line[4].id, on)) == ErrorCode::Forbidden);
  CHECK(code_of(identity.remove_project(world.system, line[3].id)) == ErrorCode::Forbidden);
  REQUIRE(identity.remove_project(world.system, line[4].id));
  REQUIRE(identity.remove_project(world.system, line[3].id));
  CHECK(code_of(identity.get_project(world.system, line[3].id)) == ErrorCode::NotFound);
}

TEST_CASE("removing a domain takes all that is in it along and leaves no key behind") {
  World world;
  Identity& identity = *world.identity;
  world.add_user("bystander");
  const auto keys = world.keys();
  const Domain domain = world.add_domain("doomed");
  const Project project = world.add_project("p", domain.id.value);
  ProjectCreate below{"below", "", domain.id, project.id, true, {}, {}};
  REQUIRE(identity.create_project(world.system, below));
  const User user = world.add_user("u", domain.id.value);
  const auto group = identity.create_group(world.system, {"g", "", domain.id, {}});
  REQUIRE(group);
  REQUIRE(identity.add_to_group(world.system, group->id, user.id));
  world.grant(user.id, project.id, "member");
  REQUIRE(identity.grant(world.system, {{}, group->id, project.id, {}, world.role("reader")}));
  REQUIRE(identity.grant(world.system, {user.id, {}, {}, domain.id, world.role("admin")}));
  CHECK(code_of(identity.remove_domain(world.system, domain.id)) == ErrorCode::Forbidden);
  IdentityUpdate off;
  off.enabled = false;
  REQUIRE(identity.update_domain(world.system, domain.id, off));
  REQUIRE(identity.remove_domain(world.system, domain.id));
  CHECK(world.keys() == keys);
  CHECK(code_of(identity.remove_domain(world.system, DomainId{"default"})) ==
        ErrorCode::Forbidden);
  CHECK(code_of(identity.remove_domain(world.system, domain.id)) == ErrorCode::NotFound);
}

TEST_CASE("removing a user with more grants than one commit takes leaves none") {
  World world;
  const User user = world.add_user("busy");
  const auto keys = world.keys();
  std::vector<ProjectId> projects;
  for (int i = 0; i < 450; ++i) {
    projects.push_back(world.add_project("p" + std::to_string(i)).id);
    REQUIRE(world.identity->grant(world.system,
                                  {user.id, {}, projects.back(), {}, world.role("reader")}));
  }
  REQUIRE(world.identity->remove_user(world.system, user.id));
  CHECK(world.keys("/grant/") == 3);  // The admin's own.
  for (const ProjectId& project : projects)
    REQUIRE(world.identity->remove_project(world.system, project));
  world.add_user("busy");
  CHECK(world.keys() == keys);
}

TEST_CASE("roles imply others without circles, and go with all that rests on them") {
  World world;
  Identity& identity = *world.identity;
  const RoleId a = world.role("a"), b = world.role("b"), c = world.role("c");
  REQUIRE(identity.imply_role(world.system, a, b));
  REQUIRE(identity.imply_role(world.system, b, c));
  REQUIRE(identity.imply_role(world.system, a, b));
  CHECK(code_of(identity.imply_role(world.system, c, a)) == ErrorCode::InvalidArgument);
  CHECK(code_of(identity.imply_role(world.system, a, a)) == ErrorCode::InvalidArgument);
  CHECK(code_of(identity.imply_role(world.system, a, RoleId{"none"})) == ErrorCode::NotFound);
  CHECK(code_of(identity.stop_implying_role(world.system, a, c)) == ErrorCode::NotFound);
  const Project project = world.add_project("work");
  const User user = world.add_user("una");
  world.grant(user.id, project.id, "a");
  AssignmentFilter filter;
  filter.user = user.id;
  CHECK(identity.list_assignments(world.system, filter)->size() == 1);
  filter.effective = true;
  const auto effective = identity.list_assignments(world.system, filter);
  REQUIRE(effective->size() == 3);
  CHECK(effective->front().actor_name == "una");
  CHECK(effective->front().target_name == "work");
  CHECK(effective->front().target_domain_name == "Default");
  REQUIRE(identity.remove_role(world.system, b));
  CHECK(identity.get_role(world.system, a)->implies.empty());
  CHECK(identity.list_assignments(world.system, filter)->size() == 1);
  REQUIRE(identity.remove_role(world.system, a));
  CHECK(identity.list_assignments(world.system, filter)->empty());
}

TEST_CASE("grants name what is missing and can be repeated") {
  World world;
  Identity& identity = *world.identity;
  const Project project = world.add_project("work");
  const User user = world.add_user("una");
  const RoleId role = world.role("member");
  const Assignment held{user.id, {}, project.id, {}, role};
  CHECK(code_of(identity.check_grant(world.system, held)) == ErrorCode::NotFound);
  REQUIRE(identity.grant(world.system, held));
  const auto revision = world.revision();
  REQUIRE(identity.grant(world.system, held));
  CHECK(world.revision() == revision);
  CHECK(identity.check_grant(world.system, held));
  CHECK(names_of(identity.roles_of(world.system, held)) == Names{"member"});
  REQUIRE(identity.ungrant(world.system, held));
  CHECK(code_of(identity.ungrant(world.system, held)) == ErrorCode::NotFound);
  struct Row {
    std::string what;
    Assignment assignment;
    ErrorCode code;
  };
  const Row rows[] = {
      {"unknown user", {UserId{"x"}, {}, project.id, {}, role}, ErrorCode::NotFound},
      {"unknown group", {{}, GroupId{"x"}, project.id, {}, role}, ErrorCode::NotFound},
      {"unknown project", {user.id, {}, ProjectId{"x"}, {}, role}, ErrorCode::NotFound},
      {"unknown domain", {user.id, {}, {}, DomainId{"x"}, role}, ErrorCode::NotFound},
      {"unknown role", {user.id, {}, project.id, {}, RoleId{"x"}}, ErrorCode::NotFound},
      {"nobody", {{}, {}, project.id, {}, role}, ErrorCode::InvalidArgument},
      {"nothing", {user.id, {}, {}, {}, role}, ErrorCode::InvalidArgument},
      {"both", {user.id, GroupId{"x"}, project.id, {}, role}, ErrorCode::InvalidArgument},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(code_of(identity.grant(world.system, row.assignment)) == row.code);
  }
}

TEST_CASE("a change of password needs the one in use") {
  World world;
  const User user = world.add_user("una");
  Context self;
  self.user = user.id;
  Identity& identity = *world.identity;
  CHECK(code_of(identity.change_password(self, user.id, "wrong", "new")) ==
        ErrorCode::Unauthenticated);
  CHECK(code_of(identity.change_password(self, user.id, "password of una", "")) ==
        ErrorCode::InvalidArgument);
  REQUIRE(identity.change_password(self, user.id, "password of una", "new"));
  CHECK_FALSE(world.login("una", "password of una"));
  CHECK(world.login("una", "new"));
}

TEST_CASE("endpoints fill their URLs for project and user, and make their region") {
  World world;
  Identity& identity = *world.identity;
  const auto service = identity.create_service(world.system, {"volume", "v", "", true, {}});
  REQUIRE(service);
  EndpointCreate spec{service->id, "public", "Elsewhere",
                      "http://v/%(tenant_id)s/$(project_id)s/$(user_id)s/$(nothing)s/100%", "",
                      true, {}};
  const auto endpoint = identity.create_endpoint(world.system, spec);
  REQUIRE(endpoint);
  CHECK(identity.get_region(world.system, "Elsewhere"));
  const auto catalog = identity.catalog(ProjectId{"P"}, UserId{"U"});
  CHECK(catalog->back().endpoints.front().url == "http://v/P/P/U/$(nothing)s/100%");
  CHECK(identity.remove_region(world.system, "Elsewhere").error().code == ErrorCode::Conflict);
  IdentityUpdate off;
  off.enabled = false;
  REQUIRE(identity.update_endpoint(world.system, endpoint->id, off));
  CHECK(identity.catalog({}, {})->back().endpoints.empty());
  for (const char* url : {"", "ftp://x", "http://a b", "javascript:alert(1)"}) {
    CAPTURE(url);
    spec.url = url;
    CHECK(code_of(identity.create_endpoint(world.system, spec)) == ErrorCode::InvalidArgument);
  }
  spec.url = "http://x";
  spec.interface = "secret";
  CHECK(code_of(identity.create_endpoint(world.system, spec)) == ErrorCode::InvalidArgument);
  REQUIRE(identity.remove_service(world.system, service->id));
  CHECK(code_of(identity.get_endpoint(world.system, endpoint->id)) == ErrorCode::NotFound);
  CHECK(identity.remove_region(world.system, "Elsewhere"));
}

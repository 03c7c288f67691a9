#include <algorithm>

#include "identity/support.hpp"

using namespace cloudos;
using namespace identity_test;

namespace {

ProjectId add_below(World& world, const std::string& name, const ProjectId& parent) {
  ProjectCreate spec;
  spec.name = name;
  spec.domain = DomainId{"default"};
  spec.parent = parent;
  const auto made = world.identity->create_project(world.system, spec);
  REQUIRE(made);
  return made->id;
}

/// top > middle > leaf in the default domain, a user without roles, and a group of theirs.
struct Tree {
  explicit Tree(World& world)
      : top(world.add_project("top").id),
        middle(add_below(world, "middle", top)),
        leaf(add_below(world, "leaf", middle)),
        user(world.add_user("uma").id) {
    GroupCreate spec;
    spec.name = "crew";
    spec.domain = DomainId{"default"};
    const auto made = world.identity->create_group(world.system, spec);
    REQUIRE(made);
    group = made->id;
    REQUIRE(world.identity->add_to_group(world.system, group, user));
  }
  ProjectId top, middle, leaf;
  UserId user;
  GroupId group;
};

Assignment inherited(Assignment a) {
  a.inherited = true;
  return a;
}

std::string password_of(const std::string& name) { return "password of " + name; }

bool may_log_in(World& world, const std::string& project) {
  return world.login("uma", password_of("uma"), World::project_scope(project)).has_value();
}

RoleId add_role(World& world, const std::string& name, const std::string& domain = {}) {
  RoleCreate spec;
  spec.name = name;
  spec.domain = DomainId{domain};
  const auto made = world.identity->create_role(world.system, spec);
  REQUIRE(made);
  return made->id;
}

}  // namespace

TEST_CASE("inherited roles hold on everything below, and not on what they are given on") {
  struct Row {
    std::string what;
    bool by_group, on_domain;
    bool top, middle, leaf;
  };
  const Row rows[] = {
      {"a user on a project", false, false, false, true, true},
      {"a group on a project", true, false, false, true, true},
      {"a user on the domain", false, true, true, true, true},
      {"a group on the domain", true, true, true, true, true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    World world;
    const Tree tree(world);
    Assignment a;
    if (row.by_group) a.group = tree.group;
    else a.user = tree.user;
    if (row.on_domain) a.domain = DomainId{"default"};
    else a.project = tree.top;
    a.role = world.role("member");
    a.inherited = true;
    REQUIRE(world.identity->grant(world.system, a));
    CHECK(may_log_in(world, "top") == row.top);
    CHECK(may_log_in(world, "middle") == row.middle);
    CHECK(may_log_in(world, "leaf") == row.leaf);
    const auto token =
        world.login("uma", password_of("uma"), World::project_scope("leaf"));
    REQUIRE(token);
    CHECK(role_names(*token) == std::vector<std::string>{"member", "reader"});
    // Where a token may be scoped to is told the same way.
    const auto projects = world.identity->projects_of(world.system, tree.user);
    REQUIRE(projects);
    CHECK(std::any_of(projects->begin(), projects->end(),
                      [&](const Project& p) { return p.id == tree.leaf; }));
    CHECK(std::any_of(projects->begin(), projects->end(), [&](const Project& p) {
            return p.id == tree.top;
          }) == row.top);
    CHECK(world.identity->domains_of(world.system, tree.user)->empty());
    // A grant on the same target that is not inherited is another one.
    Assignment direct = a;
    direct.inherited = false;
    CHECK(world.identity->check_grant(world.system, a));
    CHECK(world.identity->check_grant(world.system, direct).error().code == ErrorCode::NotFound);
    // The commit that takes it away ends the token.
    REQUIRE(world.identity->validate(token->text));
    REQUIRE(world.identity->ungrant(world.system, a));
    CHECK(world.identity->validate(token->text).error().code == ErrorCode::Unauthenticated);
    CHECK_FALSE(may_log_in(world, "leaf"));
  }
}

TEST_CASE("what lies under something disabled cannot be used, and comes back with it") {
  World world;
  const Tree tree(world);
  world.grant(tree.user, tree.leaf, "member");
  const auto token = world.login("uma", password_of("uma"), World::project_scope("leaf"));
  REQUIRE(token);
  IdentityUpdate off, on;
  off.enabled = false;
  on.enabled = true;
  // From the leaves up: nothing that is enabled lies under something disabled.
  CHECK(world.identity->update_project(world.system, tree.top, off).error().code ==
        ErrorCode::Forbidden);
  REQUIRE(world.identity->update_project(world.system, tree.leaf, off));
  CHECK_FALSE(world.identity->validate(token->text));
  REQUIRE(world.identity->update_project(world.system, tree.middle, off));
  CHECK(world.identity->update_project(world.system, tree.leaf, on).error().code ==
        ErrorCode::Forbidden);
  ProjectCreate child;
  child.name = "child";
  child.domain = DomainId{"default"};
  child.parent = tree.middle;
  CHECK(world.identity->create_project(world.system, child).error().code ==
        ErrorCode::Forbidden);
  REQUIRE(world.identity->update_project(world.system, tree.middle, on));
  REQUIRE(world.identity->update_project(world.system, tree.leaf, on));
  CHECK_FALSE(world.identity->validate(token->text));
  CHECK(may_log_in(world, "leaf"));
}

TEST_CASE("a disabled domain takes the tokens of everything in its tree along") {
  World world;
  const Domain domain = world.add_domain("acme");
  ProjectCreate spec;
  spec.name = "top";
  spec.domain = domain.id;
  const auto top = world.identity->create_project(world.system, spec);
  REQUIRE(top);
  spec.name = "leaf";
  spec.parent = top->id;
  const auto leaf = world.identity->create_project(world.system, spec);
  REQUIRE(leaf);
  const User user = world.add_user("uma");
  REQUIRE(world.identity->grant(
      world.system, inherited({user.id, {}, {}, domain.id, world.role("member")})));
  const Scope scope{Scope::Kind::Project, {leaf->id.value, "", "", ""}};
  const auto token = world.login("uma", password_of("uma"), scope);
  REQUIRE(token);
  IdentityUpdate off;
  off.enabled = false;
  REQUIRE(world.identity->update_domain(world.system, domain.id, off));
  CHECK_FALSE(world.identity->validate(token->text));
  CHECK_FALSE(world.login("uma", password_of("uma"), scope));
  CHECK(world.identity->projects_of(world.system, user.id)->empty());
}

TEST_CASE("projects tell what they lie under and what lies under them, to who may see it") {
  World world;
  const Tree tree(world);
  const auto parents = world.identity->parents_of(world.system, tree.leaf);
  REQUIRE(parents);
  REQUIRE(parents->size() == 2);
  CHECK((*parents)[0].id == tree.middle);
  CHECK((*parents)[1].id == tree.top);
  const auto below = world.identity->subtree_of(world.system, tree.top);
  REQUIRE(below);
  REQUIRE(below->size() == 2);
  CHECK((*below)[0].id == tree.middle);
  CHECK((*below)[1].id == tree.leaf);
  // A member of the leaf sees no parent; one who has a role on the top one, too, sees that.
  world.grant(tree.user, tree.leaf, "reader");
  const auto token = world.login("uma", password_of("uma"), World::project_scope("leaf"));
  REQUIRE(token);
  const Context member = token->context("");
  CHECK(world.identity->parents_of(member, tree.leaf)->empty());
  world.grant(tree.user, tree.top, "reader");
  const auto seen = world.identity->parents_of(member, tree.leaf);
  REQUIRE(seen);
  REQUIRE(seen->size() == 1);
  CHECK(seen->front().id == tree.top);
}

TEST_CASE("projects nest as deep as the limit and no deeper") {
  World world;
  ProjectId parent;
  for (std::size_t depth = 1; depth <= limits::kProjectDepth; ++depth) {
    CAPTURE(depth);
    parent = add_below(world, "level" + std::to_string(depth), parent);
  }
  ProjectCreate spec;
  spec.name = "too deep";
  spec.domain = DomainId{"default"};
  spec.parent = parent;
  CHECK(world.identity->create_project(world.system, spec).error().code == ErrorCode::Forbidden);
}

TEST_CASE("a role of a domain is given in that domain only and shows as what it implies") {
  World world;
  const Tree tree(world);
  const Domain acme = world.add_domain("acme");
  const RoleId operators = add_role(world, "operators", "default");
  const RoleId foreign = add_role(world, "operators", acme.id.value);
  CHECK(add_role(world, "operators") != operators);
  REQUIRE(world.identity->imply_role(world.system, operators, world.role("member")));
  struct Row {
    std::string what;
    Assignment assignment;
    std::optional<ErrorCode> refused;
  };
  const DomainId home{"default"};
  const Row rows[] = {
      {"on a project of its domain", {tree.user, {}, tree.top, {}, operators}, {}},
      {"on its domain", {tree.user, {}, {}, home, operators}, {}},
      {"on a project of another", {tree.user, {}, tree.top, {}, foreign}, ErrorCode::Forbidden},
      {"on another domain", {tree.user, {}, {}, home, foreign}, ErrorCode::Forbidden},
      {"on the system", {tree.user, {}, {}, {}, operators, true}, ErrorCode::InvalidArgument},
      {"inherited from the system",
       {tree.user, {}, {}, {}, world.role("member"), true, true},
       ErrorCode::InvalidArgument},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto given = world.identity->grant(world.system, row.assignment);
    CHECK(given.has_value() == !row.refused);
    if (row.refused) CHECK(given.error().code == *row.refused);
  }
  const auto token = world.login("uma", password_of("uma"), World::project_scope("top"));
  REQUIRE(token);
  CHECK(role_names(*token) == std::vector<std::string>{"member", "reader"});
  // Lists of roles show those of one domain when asked for it, else those of none.
  IdentityFilter filter;
  filter.domain = acme.id;
  const auto of_acme = world.identity->list_roles(world.system, filter);
  REQUIRE(of_acme);
  REQUIRE(of_acme->size() == 1);
  CHECK(of_acme->front().id == foreign);
  const auto of_none = world.identity->list_roles(world.system, {});
  REQUIRE(of_none);
  for (const Role& role : *of_none) CHECK(role.domain.empty());
  // They go with their domain.
  IdentityUpdate off;
  off.enabled = false;
  REQUIRE(world.identity->update_domain(world.system, acme.id, off));
  REQUIRE(world.identity->remove_domain(world.system, acme.id));
  CHECK(world.identity->get_role(world.system, foreign).error().code == ErrorCode::NotFound);
}

TEST_CASE("roles imply neither admin, nor in a circle, nor one of a domain from outside") {
  World world;
  const RoleId a = add_role(world, "a"), b = add_role(world, "b");
  const RoleId of_domain = add_role(world, "d", "default");
  REQUIRE(world.identity->imply_role(world.system, a, b));
  struct Row {
    std::string what;
    RoleId prior, implied;
    std::optional<ErrorCode> refused;
  };
  const Row rows[] = {
      {"admin", a, world.role("admin"), ErrorCode::Forbidden},
      {"itself", a, a, ErrorCode::InvalidArgument},
      {"back", b, a, ErrorCode::InvalidArgument},
      {"a domain's", a, of_domain, ErrorCode::Forbidden},
      {"by a domain's", of_domain, a, {}},
      {"one that is not there", a, RoleId{"none"}, ErrorCode::NotFound},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto implied = world.identity->imply_role(world.system, row.prior, row.implied);
    CHECK(implied.has_value() == !row.refused);
    if (row.refused) CHECK(implied.error().code == *row.refused);
  }
}

TEST_CASE("what is immutable takes no change but the one that unsets it") {
  World world;
  DomainCreate domain;
  domain.name = "kept";
  domain.immutable = true;
  domain.enabled = false;
  const auto kept = world.identity->create_domain(world.system, domain);
  ProjectCreate project;
  project.name = "kept";
  project.domain = DomainId{"default"};
  project.immutable = true;
  const auto project_kept = world.identity->create_project(world.system, project);
  RoleCreate role;
  role.name = "kept";
  role.immutable = true;
  const auto role_kept = world.identity->create_role(world.system, role);
  REQUIRE(kept);
  REQUIRE(project_kept);
  REQUIRE(role_kept);
  auto& identity = *world.identity;
  const auto update = [&](const IdentityUpdate& with) {
    std::vector<std::optional<ErrorCode>> codes;
    const auto note = [&](const auto& result) {
      codes.push_back(result ? std::nullopt : std::optional(result.error().code));
    };
    note(identity.update_domain(world.system, kept->id, with));
    note(identity.update_project(world.system, project_kept->id, with));
    note(identity.update_role(world.system, role_kept->id, with));
    return codes;
  };
  const std::vector<std::optional<ErrorCode>> refused(3, ErrorCode::Forbidden), done(3);
  IdentityUpdate rename, set_again, both, unset;
  rename.name = "other";
  set_again.immutable = true;
  both.immutable = std::optional<bool>();
  both.description = "and a change";
  unset.immutable = std::optional<bool>(false);
  CHECK(update(rename) == refused);
  CHECK(update(set_again) == refused);
  CHECK(update(both) == refused);
  CHECK(identity.remove_domain(world.system, kept->id).error().code == ErrorCode::Forbidden);
  CHECK(identity.remove_project(world.system, project_kept->id).error().code ==
        ErrorCode::Forbidden);
  CHECK(identity.remove_role(world.system, role_kept->id).error().code == ErrorCode::Forbidden);
  CHECK(update(unset) == done);
  CHECK(identity.get_role(world.system, role_kept->id)->immutable == false);
  CHECK(update(rename) == done);
  CHECK(identity.remove_domain(world.system, kept->id));
  CHECK(identity.remove_project(world.system, project_kept->id));
  CHECK(identity.remove_role(world.system, role_kept->id));
}

TEST_CASE("effective assignments name what they follow from") {
  World world;
  const Tree tree(world);
  const RoleId member = world.role("member"), reader = world.role("reader");
  const Assignment source = inherited({{}, tree.group, tree.top, {}, member});
  REQUIRE(world.identity->grant(world.system, source));
  AssignmentFilter filter;
  filter.user = tree.user;
  filter.effective = true;
  const auto list = world.identity->list_assignments(world.system, filter);
  REQUIRE(list);
  std::vector<Assignment> shown;
  for (const NamedAssignment& named : *list) {
    CHECK(named.source == source);
    shown.push_back(named.assignment);
  }
  std::vector<Assignment> expected;
  for (const ProjectId& project : {tree.middle, tree.leaf})
    for (const RoleId& role : {member, reader})
      expected.push_back({tree.user, {}, project, {}, role});
  std::sort(expected.begin(), expected.end());
  CHECK(shown == expected);

  struct Row {
    std::string what;
    std::function<void(AssignmentFilter&)> set;
    std::size_t count;
  };
  const Row rows[] = {
      {"on record", [](AssignmentFilter&) {}, 1},
      {"on record, of the project below", [&](auto& f) { f.project = tree.leaf; }, 0},
      {"in effect on the project below",
       [&](auto& f) { f.project = tree.leaf, f.effective = true; }, 2},
      {"in effect on the project itself",
       [&](auto& f) { f.project = tree.top, f.effective = true; }, 0},
      {"in effect in the subtree",
       [&](auto& f) { f.project = tree.top, f.effective = f.subtree = true; }, 4},
      {"in effect by role", [&](auto& f) { f.role = reader, f.effective = true; }, 2},
      {"inherited, on record", [](auto& f) { f.inherited = true; }, 1},
      {"inherited, in effect", [](auto& f) { f.inherited = f.effective = true; }, 4},
      {"of the group", [&](auto& f) { f.group = tree.group; }, 1},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    AssignmentFilter by;
    if (!row.what.starts_with("of the group") && row.what.find("in effect") != row.what.npos)
      by.user = tree.user;
    row.set(by);
    if (!by.user && !by.group) by.group = tree.group;
    const auto found = world.identity->list_assignments(world.system, by);
    REQUIRE(found);
    CHECK(found->size() == row.count);
  }
}

TEST_CASE("filters of assignments that exclude each other are refused") {
  World world;
  const UserId user{"u"};
  const GroupId group{"g"};
  const ProjectId project{"p"};
  const DomainId domain{"default"};
  struct Row {
    std::string what;
    AssignmentFilter filter;
  };
  std::vector<Row> rows(7);
  rows[0].what = "user and group";
  rows[0].filter.user = user, rows[0].filter.group = group;
  rows[1].what = "project and domain";
  rows[1].filter.project = project, rows[1].filter.domain = domain;
  rows[2].what = "project and system";
  rows[2].filter.project = project, rows[2].filter.system = true;
  rows[3].what = "domain and system";
  rows[3].filter.domain = domain, rows[3].filter.system = true;
  rows[4].what = "effective and group";
  rows[4].filter.effective = true, rows[4].filter.group = group;
  rows[5].what = "subtree of nothing";
  rows[5].filter.subtree = true;
  rows[6].what = "effective, inherited, domain";
  rows[6].filter.effective = rows[6].filter.inherited = true, rows[6].filter.domain = domain;
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto list = world.identity->list_assignments(world.system, row.filter);
    REQUIRE_FALSE(list);
    CHECK(list.error().code == ErrorCode::InvalidArgument);
  }
}

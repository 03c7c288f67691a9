#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>
#include <utility>

#include "cloudos/limits.hpp"
#include "identity/support.hpp"

using namespace cloudos;
using identity_test::role_names;
using identity_test::TempFolder;
using identity_test::World;

namespace {

Scope system_scope() {
  return {Scope::Kind::System, {}};
}
Scope domain_scope(const std::string& id) {
  return {Scope::Kind::Domain, {id, "", "", ""}};
}

const std::vector<std::string> kAll = {"admin", "member", "reader"};

Context caller_of(const Token& token) {
  return token.context("req-1");
}

/// A process that is gone when the test ends, however it does.
struct Child {
  pid_t pid;
  ~Child() {
    if (pid <= 0) return;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
  int wait() {
    int status = 0;
    const pid_t ended = ::waitpid(std::exchange(pid, 0), &status, 0);
    return ended > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
};

/// A domain with its manager, and the manager's call.
struct Managed {
  World world;
  Domain domain = world.add_domain("acme");
  User boss = world.add_user("boss", domain.id.value);
  Project project = world.add_project("works", domain.id.value);
  Context ctx;

  Managed() {
    REQUIRE(
        world.identity->grant(world.system, {boss.id, {}, {}, domain.id, world.role("manager")}));
    Login login;
    login.password = Login::Password{{boss.id.value, "", "", ""}, "password of boss"};
    login.scope = domain_scope(domain.id.value);
    const auto token = world.identity->authenticate(login);
    REQUIRE(token);
    CHECK_FALSE(token->is_admin);
    ctx = caller_of(*token);
  }
};

}  // namespace

TEST_CASE("the first admin may scope to the system, and the token says so") {
  World world;
  const auto token = world.login("admin", identity_test::kAdminPassword, system_scope());
  REQUIRE(token);
  CHECK(token->system);
  CHECK_FALSE(token->project);
  CHECK_FALSE(token->domain);
  CHECK(role_names(*token) == kAll);
  CHECK(token->is_admin);
  const auto seen = world.identity->validate(token->text);
  REQUIRE(seen);
  CHECK(seen->system);
  const Context ctx = caller_of(*seen);
  CHECK(ctx.system_scope);
  CHECK(ctx.project.empty());
  CHECK(ctx.is_admin);
}

TEST_CASE("system scope needs a role on the system, by oneself or by a group") {
  World world;
  const User user = world.add_user("sue");
  const auto login = [&] { return world.login("sue", "password of sue", system_scope()); };
  CHECK(login().error().code == ErrorCode::Unauthenticated);
  GroupCreate crew;
  crew.name = "crew";
  crew.domain = DomainId{"default"};
  const auto group = world.identity->create_group(world.system, crew);
  REQUIRE(group);
  REQUIRE(world.identity->add_to_group(world.system, group->id, user.id));
  const Assignment by_group{{}, group->id, {}, {}, world.role("reader"), true};
  REQUIRE(world.identity->grant(world.system, by_group));
  const auto token = login();
  REQUIRE(token);
  CHECK(role_names(*token) == std::vector<std::string>{"reader"});
  CHECK_FALSE(token->is_admin);
  CHECK(world.identity->system_roles_of(caller_of(*token), user.id)->size() == 1);
  // The commit that takes the role away takes the token along.
  REQUIRE(world.identity->ungrant(world.system, by_group));
  CHECK_FALSE(world.identity->validate(token->text));
  CHECK(world.identity->ungrant(world.system, by_group).error().code == ErrorCode::NotFound);
}

TEST_CASE("an assignment has one actor and one target, of which the system is one") {
  World world;
  const User user = world.add_user("sue");
  const Project project = world.add_project("p");
  const RoleId role = world.role("reader");
  struct Row {
    std::string what;
    Assignment assignment;
  };
  const Row rows[] = {
      {"no target", {user.id, {}, {}, {}, role}},
      {"system and project", {user.id, {}, project.id, {}, role, true}},
      {"system and domain", {user.id, {}, {}, DomainId{"default"}, role, true}},
      {"no actor", {{}, {}, {}, {}, role, true}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(world.identity->grant(world.system, row.assignment).error().code ==
          ErrorCode::InvalidArgument);
  }
  REQUIRE(world.identity->grant(world.system, {user.id, {}, {}, {}, role, true}));
  REQUIRE(world.identity->remove_user(world.system, user.id));
  AssignmentFilter filter;
  filter.system = true;
  const auto left = world.identity->list_assignments(world.system, filter);
  REQUIRE(left);
  REQUIRE(left->size() == 1);
  CHECK((*left)[0].actor_name == "admin");
}

TEST_CASE("a token may be scoped again: to nothing, project, domain and system, and never later") {
  World world;
  const auto unscoped = world.login("admin", identity_test::kAdminPassword, World::unscoped());
  REQUIRE(unscoped);
  CHECK(unscoped->roles.empty());
  CHECK_FALSE(unscoped->is_admin);
  const Scope scopes[] = {World::project_scope("admin"), domain_scope("default"), system_scope(),
                          World::unscoped()};
  for (const Scope& from : scopes) {
    const auto first = world.rescope(unscoped->text, from);
    REQUIRE(first);
    for (const Scope& to : scopes) {
      world.clock.advance(std::chrono::seconds(1));
      const auto second = world.rescope(first->text, to);
      REQUIRE(second);
      CHECK(second->expires_at == unscoped->expires_at);
      CHECK(second->project.has_value() == (to.kind == Scope::Kind::Project));
      CHECK(second->domain.has_value() == (to.kind == Scope::Kind::Domain));
      CHECK(second->system == (to.kind == Scope::Kind::System));
      CHECK(second->audit_ids.back() == unscoped->audit_ids.back());
    }
  }
}

TEST_CASE("folders from before there was a system scope give it to their first admin, once") {
  World world;
  AssignmentFilter filter;
  filter.system = true;
  const auto held = world.identity->list_assignments(world.system, filter);
  REQUIRE(held->size() == 1);
  const auto forget = [&] {
    REQUIRE(world.store->transact([](store::Txn& txn) -> Result<void> {
      txn.erase("/identity-made/system");
      return Result<void>();
    }));
  };
  REQUIRE(world.identity->ungrant(world.system, (*held)[0].assignment));
  forget();
  world.start();
  CHECK(world.identity->list_assignments(world.system, filter)->size() == 1);
  REQUIRE(world.identity->ungrant(world.system, (*held)[0].assignment));
  world.start();
  CHECK(world.identity->list_assignments(world.system, filter)->empty());
}

TEST_CASE("managers of a domain run what is in it, and nothing else") {
  Managed m;
  Identity& identity = *m.world.identity;
  UserCreate spec;
  spec.name = "new";
  spec.domain = m.domain.id;
  const auto made = identity.create_user(m.ctx, spec);
  REQUIRE(made);
  spec.domain = DomainId{"default"};
  CHECK(identity.create_user(m.ctx, spec).error().code == ErrorCode::Forbidden);
  const User foreign = m.world.add_user("foreign");
  IdentityUpdate off;
  off.enabled = false;
  CHECK(identity.update_user(m.ctx, made->id, off));
  CHECK(identity.update_user(m.ctx, foreign.id, off).error().code == ErrorCode::NotFound);
  CHECK(identity.remove_user(m.ctx, foreign.id).error().code == ErrorCode::NotFound);
  CHECK(identity.get_user(m.ctx, foreign.id).error().code == ErrorCode::NotFound);
  const auto listed = identity.list_users(m.ctx, {});
  REQUIRE(listed);
  CHECK(listed->size() == 2);
  for (const User& user : *listed) CHECK(user.domain == m.domain.id);
  IdentityFilter elsewhere;
  elsewhere.domain = DomainId{"default"};
  CHECK(identity.list_users(m.ctx, elsewhere).error().code == ErrorCode::Forbidden);
  ProjectCreate project;
  project.name = "another";
  project.domain = m.domain.id;
  CHECK(identity.create_project(m.ctx, project));
  project.domain = DomainId{"default"};
  CHECK(identity.create_project(m.ctx, project).error().code == ErrorCode::Forbidden);
  CHECK(identity.create_domain(m.ctx, {}).error().code == ErrorCode::Forbidden);
  CHECK(identity.create_role(m.ctx, {}).error().code == ErrorCode::Forbidden);
}

TEST_CASE("managers give the managed roles within their domain, never admin, never elsewhere") {
  Managed m;
  Identity& identity = *m.world.identity;
  const User inside = m.world.add_user("inside", m.domain.id.value);
  const User foreign = m.world.add_user("foreign");
  const Project elsewhere = m.world.add_project("elsewhere");
  const RoleId member = m.world.role("member"), admin = m.world.role("admin"),
               own = m.world.role("own");
  struct Row {
    std::string what;
    Assignment assignment;
    bool allowed;
    ErrorCode refused = ErrorCode::Forbidden;  // What is foreign is not there.
  };
  const Row rows[] = {
      {"member on a project", {inside.id, {}, m.project.id, {}, member}, true},
      {"member on the domain", {inside.id, {}, {}, m.domain.id, member}, true},
      {"admin on a project", {inside.id, {}, m.project.id, {}, admin}, false},
      {"admin for oneself", {m.boss.id, {}, {}, m.domain.id, admin}, false},
      {"a role of somebody's", {inside.id, {}, m.project.id, {}, own}, false},
      {"a foreign project",
       {inside.id, {}, elsewhere.id, {}, member},
       false,
       ErrorCode::NotFound},
      {"a foreign domain",
       {inside.id, {}, {}, DomainId{"default"}, member},
       false,
       ErrorCode::NotFound},
      {"a foreign user", {foreign.id, {}, m.project.id, {}, member}, false, ErrorCode::NotFound},
      {"the system", {inside.id, {}, {}, {}, member, true}, false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto answer = identity.grant(m.ctx, row.assignment);
    CHECK(answer.has_value() == row.allowed);
    if (!row.allowed) CHECK(answer.error().code == row.refused);
    const auto taken = identity.ungrant(m.ctx, row.assignment);
    CHECK(taken.has_value() == row.allowed);
    if (!row.allowed) CHECK(taken.error().code == row.refused);
  }
  const auto listed = identity.list_assignments(m.ctx, {});
  REQUIRE(listed);
  for (const NamedAssignment& each : *listed)
    CHECK((each.assignment.domain == m.domain.id || each.target_domain == m.domain.id));
  CHECK(listed->size() == 1);
}

TEST_CASE("assignments below a project are listed with it") {
  World world;
  const Project top = world.add_project("top");
  ProjectCreate spec;
  spec.name = "below";
  spec.domain = DomainId{"default"};
  spec.parent = top.id;
  const auto below = world.identity->create_project(world.system, spec);
  REQUIRE(below);
  const User user = world.add_user("uma");
  world.grant(user.id, top.id, "reader");
  world.grant(user.id, below->id, "member");
  world.grant(user.id, world.add_project("beside").id, "member");
  AssignmentFilter filter;
  filter.subtree = true;
  CHECK(world.identity->list_assignments(world.system, filter).error().code ==
        ErrorCode::InvalidArgument);
  filter.project = top.id;
  CHECK(world.identity->list_assignments(world.system, filter)->size() == 2);
  filter.effective = true;
  CHECK(world.identity->list_assignments(world.system, filter)->size() == 3);
  filter.subtree = filter.effective = false;
  CHECK(world.identity->list_assignments(world.system, filter)->size() == 1);
}

TEST_CASE("a policy set at run time counts for the next call; a bad one changes nothing") {
  World world;
  const User user = world.add_user("uma");
  const Project project = world.add_project("p");
  world.grant(user.id, project.id, "auditor");
  const auto token = world.login("uma", "password of uma", World::project_scope("p"));
  REQUIRE(token);
  const auto may_list = [&] {
    const auto seen = world.identity->valid(token->text);
    REQUIRE(seen);
    return world.identity->list_users((*seen)->context, {}).has_value();
  };
  CHECK_FALSE(may_list());
  REQUIRE(world.identity->set_policy("identity:list_users: role:auditor"));
  CHECK(may_list());
  CHECK_FALSE(world.identity->set_policy("identity:list_users: role:"));
  CHECK(may_list());
  REQUIRE(world.identity->set_policy("context_is_admin: role:auditor\nadmin_required: is_admin:1"));
  CHECK((*world.identity->valid(token->text))->token.is_admin);
  CHECK(may_list());
  REQUIRE(world.identity->set_policy(""));
  CHECK_FALSE((*world.identity->valid(token->text))->token.is_admin);
  CHECK_FALSE(may_list());
}

TEST_CASE(
    "a policy file is read at the start and again when asked; a missing one stops the start") {
  TempFolder folder;
  const auto file = folder.path / "policy.yaml";
  const auto write = [&](const std::string& text) {
    FILE* out = std::fopen(file.c_str(), "w");
    REQUIRE(out != nullptr);
    std::fputs(text.c_str(), out);
    std::fclose(out);
  };
  write("identity:list_users: role:auditor\n");
  World world;
  world.settings.policy_file = file;
  world.start();
  CHECK(world.identity->policy().rule("identity:list_users")->rule == "role:auditor");
  write("identity:list_users: role:other\n");
  CHECK(world.identity->policy().rule("identity:list_users")->rule == "role:auditor");
  REQUIRE(world.identity->reload_policy());
  CHECK(world.identity->policy().rule("identity:list_users")->rule == "role:other");
  write("nonsense");
  CHECK(world.identity->reload_policy().error().message.find("policy.yaml") != std::string::npos);
  std::filesystem::remove(file);
  CHECK(world.identity->reload_policy().error().code == ErrorCode::NotFound);
  CHECK(world.identity->policy().rule("identity:list_users")->rule == "role:other");
  const Engine engine{*world.store, world.executor, *world.runner, world.clock, world.random,
                      world.ids,    Log(),          {},            "00000000"};
  CHECK(make_identity(engine, world.settings).error().code == ErrorCode::NotFound);
  write("nonsense");
  CHECK(make_identity(engine, world.settings).error().code == ErrorCode::InvalidArgument);
}

TEST_CASE("a valid token is shared while nothing changes, and made anew when anything did") {
  World world;
  const Token token = world.admin_token();
  const auto first = world.identity->valid(token.text);
  REQUIRE(first);
  CHECK(*world.identity->valid(token.text) == *first);
  world.add_user("somebody");
  const auto second = world.identity->valid(token.text);
  REQUIRE(second);
  CHECK_FALSE(*second == *first);
  static int written = 0;
  const auto write = [](const Token& of) { return of.user.name + std::to_string(++written); };
  CHECK((*second)->written(write) == "admin1");
  CHECK((*second)->written(write) == "admin1");
  REQUIRE(world.identity->set_policy(""));
  CHECK_FALSE(*world.identity->valid(token.text) == *second);
}

TEST_CASE("the catalogue's text is kept until a commit changes it, and told apart where URLs are") {
  World world;
  static int written = 0;
  written = 0;
  const auto write = [](const std::vector<CatalogEntry>& catalog) {
    ++written;
    std::string text;
    for (const CatalogEntry& entry : catalog)
      for (const Endpoint& endpoint : entry.endpoints) text += endpoint.url + " ";
    return text;
  };
  const auto text = [&](const char* project) {
    const auto known = world.identity->catalog_text(ProjectId{project}, UserId{"u"}, write);
    REQUIRE(known);
    return **known;
  };
  const std::string plain = text("p");
  CHECK(text("q") == plain);
  CHECK(written == 1);
  ServiceCreate service;
  service.type = "object-store";
  const auto made = world.identity->create_service(world.system, service);
  REQUIRE(made);
  EndpointCreate endpoint;
  endpoint.service = made->id;
  endpoint.interface = "public";
  endpoint.url = "http://store/$(project_id)s";
  REQUIRE(world.identity->create_endpoint(world.system, endpoint));
  CHECK(text("p").find("http://store/p ") != std::string::npos);
  CHECK(text("q").find("http://store/q ") != std::string::npos);
  CHECK(text("p").find("http://store/p ") != std::string::npos);
  CHECK(written == 3);
  REQUIRE(world.identity->remove_service(world.system, made->id));
  CHECK(text("p") == plain);
}

TEST_CASE("an end of a token in one process shows in others on the folder at their next look") {
  TempFolder folder;
  SystemClock clock;
  SystemRandom random;
  IdSource ids(clock, random);
  Executor executor(clock, 0);
  const auto open = [&](bool owner) {
    store::LmdbOptions options;
    options.directory = folder.path / "store";
    options.owner = owner;
    auto store = store::open_lmdb(options);
    const std::string why = store ? "" : store.error().message;
    INFO(why);
    REQUIRE(store);
    return std::move(*store);
  };
  // A child is the other process: it says over a pipe when it sees the token go.
  int ready[2], gone[2];
  REQUIRE(::pipe(ready) == 0);
  REQUIRE(::pipe(gone) == 0);
  auto store = open(true);
  TaskRunner runner(*store, executor, clock, random, Log());
  IdentitySettings settings;
  settings.admin_password = identity_test::kAdminPassword;
  settings.password_cost = 4;
  const Engine engine{*store, executor, runner, clock, random, ids, Log(), folder.path, "00000000"};
  auto made = make_identity(engine, settings);
  REQUIRE(made);
  Login login;
  login.password = Login::Password{{"", "admin", "default", ""}, identity_test::kAdminPassword};
  login.scope = World::project_scope("admin");
  const auto token = (*made)->authenticate(login);
  REQUIRE(token);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    // Nothing of the parent's store is touched here: a guest of its own.
    store::LmdbOptions options;
    options.directory = folder.path / "store";
    options.owner = false;
    auto guest_store = store::open_lmdb(options);
    if (!guest_store) ::_exit(2);
    Executor idle(clock, 0);
    TaskRunner none(**guest_store, idle, clock, random, Log());
    Engine beside{**guest_store, idle, none, clock, random, ids, Log(), folder.path, "00000000"};
    beside.guest = true;
    auto guest = make_identity(beside, settings);
    if (!guest || !(*guest)->valid(token->text)) ::_exit(3);
    if (::write(ready[1], "r", 1) != 1) ::_exit(4);
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while ((*guest)->valid(token->text)) {
      if (std::chrono::steady_clock::now() > limit) ::_exit(5);
    }
    ::_exit(::write(gone[1], "g", 1) == 1 ? 0 : 6);
  }
  Child other{child};
  char byte = 0;
  ::close(ready[1]);
  ::close(gone[1]);
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  REQUIRE((*made)->revoke(Context::system(), token->text));
  const auto began = std::chrono::steady_clock::now();
  CHECK((*made)->validate(token->text).error().code == ErrorCode::Unauthenticated);
  CHECK(::read(gone[0], &byte, 1) == 1);
  const auto took = std::chrono::steady_clock::now() - began;
  CHECK(took < std::chrono::milliseconds(100));
  CHECK(other.wait() == 0);
  ::close(ready[0]);
  ::close(gone[0]);
}

TEST_CASE("logins of one user that wait are bounded, and others are not kept from theirs") {
  World world;
  world.settings.password_cost = 10;  // Slow enough that they meet.
  world.start();
  world.add_user("victim");
  world.add_user("other");
  constexpr unsigned kGuesses = 3 * limits::kLoginsOfUser;
  std::atomic<unsigned> refused{0}, wrong{0};
  std::vector<std::thread> guesses;
  for (unsigned i = 0; i < kGuesses; ++i) {
    guesses.emplace_back([&] {
      const auto answer = world.login("victim", "guess", World::unscoped());
      if (answer.error().code == ErrorCode::Unavailable)
        ++refused;
      else
        ++wrong;
    });
  }
  CHECK(world.login("other", "password of other", World::unscoped()));
  for (auto& guess : guesses) guess.join();
  CHECK(refused + wrong == kGuesses);
  CHECK(refused > 0);
  CHECK(wrong >= limits::kLoginsOfUser);
  CHECK(world.login("victim", "password of victim", World::unscoped()));
}

#include <doctest/doctest.h>

#include "cloudos/limits.hpp"
#include "cloudos/policy.hpp"
#include "identity/policy_parse.hpp"

using namespace cloudos;

namespace {

std::string reads_as(const std::string& rule) {
  const auto node = identity::parse_rule(rule);
  return node ? identity::rule_text(*node) : "error: " + node.error().message;
}

Context person(std::vector<std::string> roles) {
  Context ctx;
  ctx.user = UserId{"u"};
  ctx.user_domain = DomainId{"ud"};
  ctx.project = ProjectId{"p"};
  ctx.project_domain = DomainId{"pd"};
  ctx.roles = std::move(roles);
  return ctx;
}

/// The rule put in the place of one that a service asks with everything known.
bool says_yes(const std::string& rule, const Context& ctx, const PolicyTarget& target = {}) {
  std::string quoted;
  for (const char c : rule) quoted += c == '\'' ? std::string("''") : std::string(1, c);
  const auto policy = Policy::parse("identity:create_grant: '" + quoted + "'\n");
  const std::string why = policy ? "" : policy.error().message;
  INFO(why);
  REQUIRE(policy);
  const auto answer = policy->enforce(ctx, "identity:create_grant", target);
  const auto told = policy->explain(ctx, "identity:create_grant", target);
  REQUIRE(told);
  CHECK(told->allowed == answer.has_value());
  return answer.has_value();
}

}  // namespace

TEST_CASE("rules read as OpenStack's policy files mean them") {
  struct Row {
    std::string rule, means;
  };
  const Row rows[] = {
      {"", "@"},
      {"  ", "@"},
      {"@", "@"},
      {"!", "!"},
      {"role:admin", "role:admin"},
      {"role:admin or role:b and role:c", "role:admin or (role:b and role:c)"},
      {"(role:a or role:b) and role:c", "(role:a or role:b) and role:c"},
      {"role:a or (role:b or role:c)", "role:a or role:b or role:c"},
      {"not role:a and role:b", "not role:a and role:b"},
      {"not (role:a and role:b)", "not (role:a and role:b)"},
      {"NOT role:a AND role:b OR role:c", "(not role:a and role:b) or role:c"},
      {"((((role:a))))", "role:a"},
      {"project_id:%(project_id)s", "project_id:%(project_id)s"},
      {"tenant_id:%(tenant_id)s", "project_id:%(project_id)s"},
      {"user_id:%(target.user.id)s", "user_id:%(user_id)s"},
      {"(role:a)and(role:b)", "role:a and role:b"},
      {"user_id:abc", "user_id:abc"},
      {"'member':%(target.role.name)s", "'member':%(target.role.name)s"},
      {"\"member\":%(target.role.name)s", "'member':%(target.role.name)s"},
      {"'two words':%(target.role.name)s", "'two words':%(target.role.name)s"},
      {"True:%(enabled)s", "True:%(enabled)s"},
      {"None:%(target.domain_id)s", "None:%(domain_id)s"},
      {"system_scope:all", "system_scope:all"},
      {"is_admin:True or is_admin:0", "is_admin:1 or is_admin:0"},
      {"rule:os_compute_api:servers:create", "rule:os_compute_api:servers:create"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    CHECK(reads_as(row.rule) == row.means);
    CHECK(reads_as(reads_as(row.rule)) == row.means);
  }
}

TEST_CASE("what is no rule is refused with the column where it goes wrong") {
  struct Row {
    std::string rule, says;
  };
  const Row rows[] = {
      {"role:a role:b", "column 8: 'and' or 'or' is missing"},
      {"(role:a", "column 1: this parenthesis is not closed"},
      {"role:a)", "column 7: this parenthesis closes nothing"},
      {"role:a or", "column 10: a check is missing"},
      {"or role:a", "column 1: a check is missing"},
      {"role:a and and role:b", "column 12: a check is missing"},
      {"not", "column 4: a check is missing"},
      {"()", "column 2: a check is missing"},
      {"admin", "column 1: 'admin' is no check"},
      {"role:", "column 1: 'role:' is no check"},
      {":x", "column 1: ':x' is no check"},
      {"rule:x or http://example.org/check", "column 11: rules do not ask other servers"},
      {"https:x", "column 1: rules do not ask other servers"},
      {"field:networks:shared=True", "column 1: 'field' is no kind of check"},
      {"project_id:%(owner)s", "column 14: a target has no 'owner'; it has project_id"},
      {"project_id:%(project_id)", "column 12: a part of the target is meant here"},
      {"'x'", "column 1: a value in quotes is followed by a colon"},
      {"'x", "column 1: this quote is not closed"},
      {"'x':y", "column 5: a part of the target is meant here"},
      {"system_scope:some", "column 14: the one system scope is 'all'"},
      {"is_admin:maybe", "column 10: is_admin is 1 or 0"},
      {"role:%(target.role.name)s", "column 6: a role or rule must be named"},
      {"role:a (role:b)", "column 8: 'and' or 'or' is missing"},
      {std::string(limits::kPolicyRuleBytes + 1, 'x'), "the rule is longer than"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    CHECK(reads_as(row.rule).starts_with("error: " + row.says));
  }
  for (const std::string deeper : {"(", "not "}) {
    std::string fits = "role:a", over = "role:a";
    for (std::size_t i = 0; i < limits::kPolicyDepth; ++i) over = deeper + over;
    for (std::size_t i = 0; i + 1 < limits::kPolicyDepth; ++i) fits = deeper + fits;
    if (deeper == "(") {
      over += std::string(limits::kPolicyDepth, ')');
      fits += std::string(limits::kPolicyDepth - 1, ')');
    }
    CHECK(reads_as(over).find("deeper than 32 levels") != std::string::npos);
    CHECK(reads_as(fits).find("error") == std::string::npos);
  }
}

TEST_CASE("rules say yes and no by roles, scope and the whole target") {
  const Context member = person({"member", "reader"});
  Context manager = person({"manager", "Member"});
  manager.project = {};
  manager.domain = DomainId{"d"};
  Context whole = person({"admin"});
  whole.project = {};
  whole.system_scope = true;
  PolicyTarget own{ProjectId{"p"}, UserId{"u"}}, none{{}, {}}, inside{{}, UserId{"v"}};
  inside.user_domain = DomainId{"d"};
  inside.role_name = "member";
  inside.enabled = false;
  own.complete = none.complete = inside.complete = true;
  struct Row {
    std::string rule;
    Context ctx;
    PolicyTarget target;
    bool yes;
  };
  const Row rows[] = {
      {"@", member, none, true},
      {"!", whole, none, false},
      {"role:member", member, none, true},
      {"role:MEMBER", member, none, true},
      {"role:member", manager, none, true},
      {"role:mem", member, none, false},
      {"not role:member", member, none, false},
      {"project_id:%(project_id)s", member, own, true},
      {"project_id:%(project_id)s", member, inside, false},
      {"not project_id:%(project_id)s", member, inside, true},
      {"project_id:%(project_id)s", manager, own, false},
      {"project_id:p", member, none, true},
      {"user_id:%(user_id)s", member, own, true},
      {"user_id:%(user_id)s", member, inside, false},
      {"user_domain_id:ud and project_domain_id:pd", member, none, true},
      {"domain_id:%(target.user.domain_id)s", manager, inside, true},
      {"domain_id:%(target.user.domain_id)s", manager, none, false},
      {"domain_id:%(target.user.domain_id)s", member, inside, false},
      {"'member':%(target.role.name)s", member, inside, true},
      {"'admin':%(target.role.name)s", member, inside, false},
      {"'member':%(target.role.name)s", member, none, false},
      {"False:%(enabled)s", member, inside, true},
      {"True:%(enabled)s", member, inside, false},
      {"None:%(target.user.domain_id)s", member, inside, false},
      {"None:%(target.user.domain_id)s", member, none, true},
      {"system_scope:all", whole, none, true},
      {"system_scope:all", member, none, false},
      {"rule:admin_required", whole, none, true},
      {"rule:admin_required", member, none, false},
      {"role:member and (rule:owner or !)", member, own, true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.rule);
    CAPTURE(row.ctx.roles.front());
    CHECK(says_yes(row.rule, row.ctx, row.target) == row.yes);
  }
}

TEST_CASE("an edge that does not know the target yet is told no only where no target helps") {
  const Context member = person({"member"});
  CHECK(says_yes("user_id:%(user_id)s", member));
  CHECK(says_yes("not user_id:%(user_id)s", member));
  CHECK(says_yes("'x':%(target.role.name)s", member));
  CHECK_FALSE(says_yes("role:admin and user_id:%(user_id)s", member));
  CHECK_FALSE(says_yes("domain_id:%(target.user.domain_id)s", member));
  CHECK(says_yes("!  or project_id:%(project_id)s", member));
}

TEST_CASE("policy files are YAML or JSON maps of names to rules") {
  const std::string same[] = {
      "\"identity:list_users\": \"role:auditor\"\n",
      "identity:list_users: role:auditor\n",
      "'identity:list_users': 'role:auditor'  # why\n",
      "# first\n---\n\nidentity:list_users:   role:auditor # why\n...\nanything",
      "identity:list_users: >-\n  role:auditor\n",
      "identity:list_users:\n  role:auditor\n",
      "{\"identity:list_users\": \"role:auditor\"}",
      " {\n \"identity:list_users\"\n:\n\"role\\u003aauditor\" }\n",
  };
  for (const std::string& text : same) {
    CAPTURE(text);
    const auto policy = Policy::parse(text);
    const std::string why = policy ? "" : policy.error().message;
    CAPTURE(why);
    REQUIRE(policy);
    CHECK(policy->rule("identity:list_users")->rule == "role:auditor");
    CHECK(policy->rule("identity:list_users")->changed);
    CHECK(policy->enforce(person({"auditor"}), "identity:list_users"));
    CHECK_FALSE(policy->enforce(person({"admin"}), "identity:list_users"));
  }
  for (const std::string& text : {std::string(), std::string("{}"), std::string("# nothing\n")}) {
    const auto policy = Policy::parse(text);
    REQUIRE(policy);
    for (const PolicyRule& rule : policy->rules()) CHECK_FALSE(rule.changed);
  }
}

TEST_CASE("what is no policy file is refused, naming the line, and what was meant") {
  struct Row {
    std::string text, says;
  };
  const Row rows[] = {
      {"identity:list_user: role:a",
       "line 1: 'identity:list_user' is no rule of this cloud, and "
       "no other rule refers to it; did you mean "
       "'identity:list_users'?"},
      {"\n\nidentity:list_users: role:a and", "line 3, rule 'identity:list_users': column 11"},
      {"identity:list_users", "line 1: this is no `name: rule`"},
      {"identity:list_users:", "line 1: the rule is missing"},
      {"identity:list_users: [role:a]", "line 1: a rule is a text"},
      {"identity:list_users: 'role:a", "line 1: this text in quotes is not ended"},
      {"identity:list_users: \"role:a\" x", "line 1: something stands behind the quotes"},
      {"  identity:list_users: role:a", "line 1: this is deeper than a name"},
      {"identity:list_users: role:a\nidentity:list_users: role:b",
       "line 2: 'identity:list_users' is given on line 1 already"},
      {"identity:list_users: rule:admin_require",
       "rule 'identity:list_users' refers to rule 'admin_require', which does not exist; did you "
       "mean 'admin_required'?"},
      {"identity:list_users: rule:a\na: rule:b\nb: rule:a\n", "refers to itself in a circle"},
      {"admin_required: rule:identity:list_users or rule:admin_required",
       "refers to itself in a circle"},
      {"{\"identity:list_users\": [\"role:a\"]}", "line 1: a rule is a text in double quotes"},
      {"{\"identity:list_users\": \"role:a\"", "line 1: a comma or } is missing"},
      {"{\"identity:list_users\" \"role:a\"}", "line 1: a colon is missing"},
      {"{\"identity:list_users\": \"role:a\"} x", "line 1: something stands behind the map"},
      {"{\"a\\ud800\": \"role:a\"}", "line 1: this text in quotes"},
      {"identity:list_users: \xff", "the file is not valid UTF-8"},
      {std::string(limits::kPolicyBytes + 1, '#'), "the policy file is larger than"},
      // What nobody would compare must not look as if it were.
      {"os_compute_api:servers:delete: user_id:%(user_id)s",
       "rule 'os_compute_api:servers:delete' compares %(user_id)s, which is not known where it is "
       "asked; known is project_id"},
      {"os_compute_api:servers:delete: not project_id:%(project_id)s",
       "rule 'os_compute_api:servers:delete': where it is asked, callers only get at their own"},
      {"project_member: role:member and user_id:%(user_id)s", "compares %(user_id)s"},
      {"identity:create_region: domain_id:%(domain_id)s", "nothing of the target is"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text.substr(0, 200));
    const auto policy = Policy::parse(row.text);
    REQUIRE_FALSE(policy);
    CAPTURE(policy.error().message);
    CHECK(policy.error().message.find(row.says) != std::string::npos);
  }
}

TEST_CASE("rules that double the work with every line are refused before they are asked") {
  std::string text = "identity:list_users: rule:r0\n";
  for (int i = 0; i < 40; ++i) {
    const std::string name = "r" + std::to_string(i), next = "r" + std::to_string(i + 1);
    text += name + ": rule:" + next + " and rule:" + next + "\n";
  }
  text += "r40: role:a\n";
  const auto policy = Policy::parse(text);
  REQUIRE_FALSE(policy);
  CHECK(policy.error().code == ErrorCode::TooLarge);
  std::string many;
  for (std::size_t i = 0; i <= limits::kPolicyRules; ++i)
    many += "r" + std::to_string(i) + ": role:a\n";
  CHECK(Policy::parse(many).error().code == ErrorCode::TooLarge);
}

TEST_CASE("an operator's own helper rules serve those that refer to them, and guard nothing") {
  const auto policy = Policy::parse(
      "identity:list_users: rule:trusted\n"
      "trusted: role:auditor or rule:admin_required\n");
  REQUIRE(policy);
  CHECK(policy->enforce(person({"auditor"}), "identity:list_users"));
  CHECK(policy->enforce(person({"auditor"}), "trusted").error().code == ErrorCode::Internal);
  CHECK_FALSE(policy->rule("trusted")->guards);
  CHECK(policy->rule("trusted")->default_rule.empty());
  CHECK(policy->rule("trustee").error().message.find("'trusted'") != std::string::npos);
}

TEST_CASE("a file may decide who is an admin to all services") {
  const auto policy = Policy::parse("context_is_admin: role:cloud-admin and system_scope:all");
  REQUIRE(policy);
  Context ctx = person({"cloud-admin"});
  CHECK_FALSE(policy->is_admin(ctx));
  ctx.project = {};
  ctx.system_scope = true;
  CHECK(policy->is_admin(ctx));
  CHECK_FALSE(Policy().is_admin(ctx));
  CHECK(Policy().is_admin(person({"admin"})));
}

TEST_CASE("tokens of the wrong scope are refused where things belong to projects") {
  const Policy policy;
  Context domain = person({"admin", "member", "reader"}), system = domain, unscoped = domain;
  domain.is_admin = system.is_admin = true;
  domain.project = system.project = unscoped.project = {};
  domain.domain = DomainId{"d"};
  system.system_scope = true;
  unscoped.roles.clear();
  struct Row {
    std::string what, name;
    Context ctx;
    bool yes;
  };
  const Row rows[] = {
      {"a server on the system", "os_compute_api:servers:create", system, false},
      {"a server on a domain", "os_compute_api:servers:create", domain, false},
      {"looking on the system", "os_compute_api:servers:detail", system, true},
      {"hypervisors on the system", "os_compute_api:os-hypervisors:list", system, true},
      {"hypervisors on a domain", "os_compute_api:os-hypervisors:list", domain, false},
      {"users on the system", "identity:create_user", system, true},
      {"users on a domain", "identity:create_user", domain, true},
      {"servers on nothing", "os_compute_api:servers:detail", unscoped, false},
      {"one's projects on nothing", "identity:get_auth_projects", unscoped, true},
      {"extensions on nothing", "get_extensions", unscoped, true},
      {"a context without a token", "os_compute_api:servers:create", Context::system(), true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    CHECK(policy.enforce(row.ctx, row.name).has_value() == row.yes);
  }
  CHECK(policy.enforce(system, "os_compute_api:servers:create").error().message.find("project") !=
        std::string::npos);
}

TEST_CASE("an answer is told check by check") {
  const auto told =
      Policy().explain(person({"member"}), "os_compute_api:servers:create", {ProjectId{"q"}, {}});
  REQUIRE(told);
  CHECK_FALSE(told->allowed);
  std::string all;
  for (const std::string& line : told->lines) all += line + "\n";
  CHECK(all.find("role:member: yes") != std::string::npos);
  CHECK(all.find("project_id:%(project_id)s: no") != std::string::npos);
  CHECK(all.find("role:admin: no") != std::string::npos);
  CHECK(Policy().explain(person({}), "no:such", {}).error().code == ErrorCode::NotFound);
}

TEST_CASE("defaults are consistent: each is in its own spelling and refers to what exists") {
  const Policy policy;
  const auto rules = policy.rules();
  CHECK(rules.size() > 200);
  std::string text;
  for (const PolicyRule& rule : rules) {
    CAPTURE(rule.name);
    CHECK(rule.rule == rule.default_rule);
    CHECK(rule.guards == !rule.scopes.empty());
    text += "\"" + rule.name + "\": \"" + rule.rule + "\"\n";
  }
  // What is shown may be given back.
  const auto again = Policy::parse(text);
  const std::string why = again ? "" : again.error().message;
  CAPTURE(why);
  REQUIRE(again);
  for (const PolicyRule& rule : again->rules()) CHECK_FALSE(rule.changed);
}

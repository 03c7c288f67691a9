// Commands about rules and token keys; the work is libcloudos's.
#include "admin_policy.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <optional>
#include <sstream>

#include "base/text.hpp"
#include "cloudos/limits.hpp"
#include "cloudos/policy.hpp"
#include "cloudos/token_keys.hpp"
#include "speech.hpp"

namespace cli {
namespace {

using cloudos::Context;
using cloudos::Policy;
using cloudos::PolicyRule;
using cloudos::PolicyTarget;
using cloudos::Result;

/// The exit codes of these commands.
constexpr int kYes = 0, kRefused = 1, kUsage = 2, kNo = 3;

int policy_refusal(const cloudos::Error& error) {
  complain("{}", error.message);
  if (!error.detail.empty()) fmt::print(stderr, "cloudos: ({})\n", error.detail);
  return kRefused;
}

Result<std::string> policy_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text;
  char buffer[16 << 10];
  while (in && text.size() <= cloudos::limits::kPolicyBytes) {
    in.read(buffer, sizeof buffer);
    text.append(buffer, static_cast<std::size_t>(in.gcount()));
  }
  if (!in.eof() && text.empty()) {
    return cloudos::fail(cloudos::ErrorCode::NotFound,
                         fmt::format("cannot read the policy file {}", path));
  }
  return text;
}

Result<Policy> policy_of(const std::string& path) {
  if (path.empty()) return Policy();
  CLOUDOS_TRY(const std::string text, policy_text(path));
  return Policy::parse(text);
}

std::string joined_scopes(const PolicyRule& rule) {
  std::string joined;
  for (const std::string& scope : rule.scopes) joined += (joined.empty() ? "" : ", ") + scope;
  return joined;
}

/// A line of a policy file; rules hold no double quote and no backslash in this spelling.
void print_rule(const PolicyRule& rule) {
  fmt::print("\"{}\": \"{}\"\n", rule.name, rule.rule);
}

int show_policy(const AdminGiven& given) {
  const auto policy = policy_of(admin_value(given, "--file"));
  if (!policy) return policy_refusal(policy.error());
  const std::string name = admin_value(given, "NAME");
  if (name.empty()) {
    for (const PolicyRule& rule : policy->rules()) print_rule(rule);
    return kYes;
  }
  const auto rule = policy->rule(name);
  if (!rule) return policy_refusal(rule.error());
  print_rule(*rule);
  if (rule->guards)
    tell("# token's scope: {}", joined_scopes(*rule));
  else
    tell("# a helper: other rules refer to it");
  if (rule->changed && !rule->default_rule.empty())
    tell("# by default: {}", rule->default_rule);
  return kYes;
}

/// Who asks and about what, as "key=value" words name it.
struct Question {
  Context ctx;
  PolicyTarget target;
};

std::optional<std::string> set_caller(Context& ctx, std::string_view key, std::string value) {
  if (key == "role") {
    ctx.roles.push_back(std::move(value));
  } else if (key == "user") {
    ctx.user = cloudos::UserId{std::move(value)};
  } else if (key == "user-domain") {
    ctx.user_domain = cloudos::DomainId{std::move(value)};
  } else if (key == "project") {
    ctx.project = cloudos::ProjectId{std::move(value)};
  } else if (key == "project-domain") {
    ctx.project_domain = cloudos::DomainId{std::move(value)};
  } else if (key == "domain") {
    ctx.domain = cloudos::DomainId{std::move(value)};
  } else if (key == "system") {
    if (value != "all") return "system is 'all'";
    ctx.system_scope = true;
  } else {
    return fmt::format(
        "a caller has no '{}': role, user, user-domain, project, project-domain, "
        "domain, system",
        key);
  }
  return std::nullopt;
}

std::optional<std::string> set_target(PolicyTarget& target, std::string_view key,
                                      std::string value) {
  if (key == "project") {
    target.project = cloudos::ProjectId{std::move(value)};
  } else if (key == "user") {
    target.user = cloudos::UserId{std::move(value)};
  } else if (key == "domain") {
    target.domain = cloudos::DomainId{std::move(value)};
  } else if (key == "project-domain") {
    target.project_domain = cloudos::DomainId{std::move(value)};
  } else if (key == "user-domain") {
    target.user_domain = cloudos::DomainId{std::move(value)};
  } else if (key == "group-domain") {
    target.group_domain = cloudos::DomainId{std::move(value)};
  } else if (key == "role") {
    target.role_name = std::move(value);
  } else if (key == "enabled") {
    target.enabled = value == "true" || value == "True";
  } else {
    return fmt::format(
        "a target has no '{}': project, user, domain, project-domain, user-domain, "
        "group-domain, role, enabled",
        key);
  }
  return std::nullopt;
}

/// What is wrong, if anything is.
template <class Set>
std::optional<std::string> each_word(const AdminGiven& given, std::string_view flag, Set set) {
  const auto it = given.find(flag);
  if (it == given.end()) return std::nullopt;
  for (const std::string& words : it->second) {
    for (const std::string_view word : cloudos::split(words, ' ')) {
      if (word.empty()) continue;
      const auto equals = word.find('=');
      if (equals == word.npos || equals + 1 == word.size())
        return fmt::format("{} takes key=value words, not '{}'", flag, word);
      if (auto wrong = set(word.substr(0, equals), std::string(word.substr(equals + 1))))
        return wrong;
    }
  }
  return std::nullopt;
}

int check_policy(const AdminGiven& given) {
  const auto policy = policy_of(admin_value(given, "FILE"));
  if (!policy) return policy_refusal(policy.error());
  const std::string name = admin_value(given, "--rule");
  if (name.empty()) {
    if (given.contains("--as") || given.contains("--target")) {
      complain("--as and --target belong to a question: add --rule NAME");
      return kUsage;
    }
    std::size_t changed = 0;
    for (const PolicyRule& rule : policy->rules()) changed += rule.changed ? 1 : 0;
    tell("good: {} rules differ from the defaults", changed);
    return kYes;
  }
  Question question;
  question.ctx.user = cloudos::UserId{"somebody"};
  auto wrong = each_word(given, "--as", [&](std::string_view key, std::string value) {
    return set_caller(question.ctx, key, std::move(value));
  });
  if (!wrong) {
    wrong = each_word(given, "--target", [&](std::string_view key, std::string value) {
      return set_target(question.target, key, std::move(value));
    });
  }
  if (wrong) {
    complain("{}", *wrong);
    return kUsage;
  }
  question.ctx.is_admin = policy->is_admin(question.ctx);
  question.target.complete = given.contains("--target");
  const auto answer = policy->explain(question.ctx, name, question.target);
  if (!answer) return policy_refusal(answer.error());
  // Scripts read the exit code.
  if (answer->allowed)
    tell("{}: allowed", name);
  else
    tell("{}: refused", name);
  for (const std::string& line : answer->lines) fmt::print("  {}\n", tr(line));
  return answer->allowed ? kYes : kNo;
}

int diff_policy(const AdminGiven& given) {
  const auto policy = policy_of(admin_value(given, "FILE"));
  if (!policy) return policy_refusal(policy.error());
  bool differs = false;
  for (const PolicyRule& rule : policy->rules()) {
    if (!rule.changed) continue;
    differs = true;
    if (!rule.default_rule.empty()) fmt::print("-\"{}\": \"{}\"\n", rule.name, rule.default_rule);
    fmt::print("+\"{}\": \"{}\"\n", rule.name, rule.rule);
  }
  return differs ? kNo : kYes;
}

void print_keys(const std::vector<cloudos::TokenKey>& keys) {
  constexpr const char* kRoles[] = {"primary", "staged", "secondary"};
  for (const cloudos::TokenKey& key : keys) {
    fmt::print("{} {:9} since {}", key.id, kRoles[static_cast<std::size_t>(key.role)],
               cloudos::format_time(key.since));
    if (key.role == cloudos::TokenKey::Role::Secondary)
      fmt::print(" until {}", cloudos::format_time(key.until));
    fmt::print("\n");
  }
}

int list_keys(const AdminGiven& given) {
  const auto keys = cloudos::list_token_keys(admin_value(given, "DIR"));
  if (!keys) return policy_refusal(keys.error());
  print_keys(*keys);
  return kYes;
}

int rotate_keys(const AdminGiven& given) {
  const cloudos::SystemClock clock;
  cloudos::SystemRandom random;
  const auto keys = cloudos::rotate_token_keys(admin_value(given, "DIR"), clock, random,
                                               given.contains("--force"));
  if (!keys) return policy_refusal(keys.error());
  print_keys(*keys);
  return kYes;
}

constexpr AdminOption kShowOptions[] = {
    {"NAME", "", "one rule; without it all of them, as a policy file has them"},
    {"--file", "FILE", "the rules of this file over the defaults"},
};
constexpr AdminOption kCheckOptions[] = {
    {"FILE", "", "the policy file; without it the defaults"},
    {"--rule", "NAME", "ask whether the caller of --as passes this rule, and why"},
    {"--as", "WORDS",
     "the caller: role=, user=, user-domain=, project=, project-domain=, domain=, system=all",
     false, true},
    {"--target", "WORDS",
     "whose thing it is: project=, user=, domain=, project-domain=, user-domain=, group-domain=, "
     "role=, enabled=; without it, whether any target passes",
     false, true},
};
constexpr AdminOption kDiffOptions[] = {
    {"FILE", "", "the policy file", true},
};
constexpr AdminOption kKeyListOptions[] = {
    {"DIR", "", "the data folder", true},
};
constexpr AdminOption kKeyRotateOptions[] = {
    {"DIR", "", "the data folder; the cloud on it may run", true},
    {"--force", "", "also when that ends the oldest tokens before their time"},
};

constexpr AdminCommand kPolicyCommands[] = {
    {"policy show", "Show the rules of who may do what, or one of them.", kShowOptions,
     show_policy},
    {"policy check", "Check a policy file, or ask it a question; refused ends with 3.",
     kCheckOptions, check_policy},
    {"policy diff", "Show what a policy file changes against the defaults; anything ends with 3.",
     kDiffOptions, diff_policy},
    {"keys list", "Show which keys seal and open tokens, without the keys.", kKeyListOptions,
     list_keys},
    {"keys rotate", "Seal new tokens with the next key; tokens in use stay valid.",
     kKeyRotateOptions, rotate_keys},
};

}  // namespace

std::span<const AdminCommand> policy_commands() {
  return kPolicyCommands;
}

}  // namespace cli

#include "identity/policy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "cloudos/limits.hpp"
#include "identity/policy_parse.hpp"

namespace cloudos {
namespace identity {

// Named, for Policy::Impl holds it: in a unity build its header would otherwise seem to.
struct CompiledRule {
  PolicyNode node;
  PolicyDefault is;          ///< What the table says; nothing for helpers.
  std::string default_rule;  ///< In one spelling.
  bool guards = false;
  bool changed = false;
};

namespace {

/// Maybe: it hangs on a part of the target that is not known yet.
enum class Verdict : std::uint8_t { No, Maybe, Yes };

Verdict verdict_of(bool yes) {
  return yes ? Verdict::Yes : Verdict::No;
}
Verdict turned(Verdict verdict) {
  return static_cast<Verdict>(2 - static_cast<int>(verdict));
}

/// What a part of the target says; empty: nothing.
std::string_view part_of_target(const PolicyTarget& target, PolicyPart part) {
  switch (part) {
    case PolicyPart::Project:
      return target.project.value;
    case PolicyPart::User:
      return target.user.value;
    case PolicyPart::Domain:
      return target.domain.value;
    case PolicyPart::ProjectDomain:
      return target.project_domain.value;
    case PolicyPart::UserDomain:
      return target.user_domain.value;
    case PolicyPart::GroupDomain:
      return target.group_domain.value;
    case PolicyPart::RoleName:
      return target.role_name;
    case PolicyPart::Enabled:
      return !target.enabled ? "" : *target.enabled ? "True" : "False";
  }
  return {};
}

std::string_view credential_of(const Context& ctx, PolicyCredential credential) {
  switch (credential) {
    case PolicyCredential::User:
      return ctx.user.value;
    case PolicyCredential::Project:
      return ctx.project.value;
    case PolicyCredential::Domain:
      return ctx.domain.value;
    case PolicyCredential::UserDomain:
      return ctx.user_domain.value;
    case PolicyCredential::ProjectDomain:
      return ctx.project_domain.value;
    case PolicyCredential::SystemScope:
      return ctx.system_scope ? "all" : "";
  }
  return {};
}

bool context_has_role(const Context& ctx, std::string_view role) {
  return std::any_of(ctx.roles.begin(), ctx.roles.end(), [&](const std::string& held) {
    return held.size() == role.size() && (held == role || equals_ignore_case(held, role));
  });
}

/// The program that embeds us: no user, and nobody to refuse.
bool is_host_program(const Context& ctx) {
  return ctx.is_admin && ctx.user.empty();
}

std::uint8_t scope_of(const Context& ctx) {
  if (!ctx.project.empty()) return kOnProject;
  if (!ctx.domain.empty()) return kOnDomain;
  return ctx.system_scope ? std::uint8_t{kOnSystem} : std::uint8_t{0};
}

std::vector<std::string> scope_names(std::uint8_t scopes) {
  std::vector<std::string> names;
  if (scopes & kOnAny) return {"any"};
  if (scopes & kOnProject) names.emplace_back("project");
  if (scopes & kOnDomain) names.emplace_back("domain");
  if (scopes & kOnSystem) names.emplace_back("system");
  return names;
}

/// Letters to add, drop or change until one word is the other.
std::size_t word_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

}  // namespace
}  // namespace identity

using identity::CompiledRule;
using identity::PolicyNode;
using identity::Verdict;

struct Policy::Impl {
  std::vector<CompiledRule> rules;
  std::deque<std::string> names;                              ///< Of the rules; never moved.
  std::unordered_map<std::string_view, std::size_t> by_name;  ///< Views of `names`.
  std::size_t context_is_admin = 0;

  Verdict judge(const Context& ctx, const PolicyNode& node, const PolicyTarget& target,
                std::vector<std::string>* told, std::size_t depth) const;
  static Verdict compare(std::string_view have, const PolicyNode& node, const PolicyTarget& target);
  bool scope_fits(const Context& ctx, const CompiledRule& rule) const {
    const std::uint8_t scope = identity::scope_of(ctx);
    if (rule.is.scopes & (identity::kOnAny | scope)) return true;
    return scope == 0 && ctx.is_admin;  // A context that the host program made of no token.
  }
  const CompiledRule* find(std::string_view name) const {
    const auto it = by_name.find(name);
    return it == by_name.end() ? nullptr : &rules[it->second];
  }
  std::string near(std::string_view name) const;

  void add(std::string name, CompiledRule rule);
  Result<void> read(std::string_view text);
  Result<void> link();
  Result<void> link_node(PolicyNode& node, const std::string& name) const;
  Result<std::size_t> cost(std::size_t rule, std::vector<std::size_t>& known) const;
  Result<std::size_t> node_cost(const PolicyNode& node, std::vector<std::size_t>& known) const;
  Result<void> check_parts(const PolicyNode& node, bool turned_around, std::size_t asked) const;
  bool touched(std::size_t rule) const;
  bool node_touched(const PolicyNode& node) const;
  static std::shared_ptr<const Impl> defaults();
};

Verdict Policy::Impl::compare(std::string_view have, const PolicyNode& node,
                              const PolicyTarget& target) {
  if (have.empty()) return Verdict::No;
  if (!node.by_part) return identity::verdict_of(have == node.text);
  const std::string_view want = identity::part_of_target(target, node.part);
  if (want.empty()) return target.complete ? Verdict::No : Verdict::Maybe;
  return identity::verdict_of(have == want);
}

Verdict Policy::Impl::judge(const Context& ctx, const PolicyNode& node, const PolicyTarget& target,
                            std::vector<std::string>* told, std::size_t depth) const {
  using Op = PolicyNode::Op;
  const std::size_t place = told ? told->size() : 0;
  if (told) told->emplace_back();
  const auto part = [&] { return identity::part_of_target(target, node.part); };
  const auto unknown = [&] { return target.complete ? Verdict::No : Verdict::Maybe; };
  Verdict verdict = Verdict::No;
  switch (node.op) {
    case Op::Everyone:
      verdict = Verdict::Yes;
      break;
    case Op::Nobody:
      break;
    case Op::And:
      verdict = Verdict::Yes;
      for (const PolicyNode& kid : node.kids) {
        verdict = std::min(verdict, judge(ctx, kid, target, told, depth + 1));
        if (verdict == Verdict::No) break;
      }
      break;
    case Op::Or:
      for (const PolicyNode& kid : node.kids) {
        verdict = std::max(verdict, judge(ctx, kid, target, told, depth + 1));
        if (verdict == Verdict::Yes) break;
      }
      break;
    case Op::Not:
      verdict = identity::turned(judge(ctx, node.kids.front(), target, told, depth + 1));
      break;
    case Op::Role:
      verdict = identity::verdict_of(identity::context_has_role(ctx, node.text));
      break;
    case Op::IsAdmin:
      verdict = identity::verdict_of(ctx.is_admin == node.flag);
      break;
    case Op::Rule:
      verdict = judge(ctx, rules[node.rule].node, target, told, depth + 1);
      break;
    case Op::Credential:
      verdict = compare(identity::credential_of(ctx, node.credential), node, target);
      break;
    case Op::Literal:
      verdict = part().empty() ? unknown() : identity::verdict_of(part() == node.text);
      break;
    case Op::Absent:
      verdict = !part().empty() ? Verdict::No : target.complete ? Verdict::Yes : Verdict::Maybe;
      break;
  }
  if (told) {
    constexpr std::string_view kWords[] = {"no", "not known", "yes"};
    (*told)[place] = fmt::format("{:{}}{}: {}", "", 2 * depth, identity::rule_text(node),
                                 kWords[static_cast<int>(verdict)]);
  }
  return verdict;
}

std::string Policy::Impl::near(std::string_view name) const {
  constexpr std::size_t kFar = 8;
  std::size_t least = kFar;
  std::string_view best;
  if (name.size() > 128) return {};
  for (const std::string& known : names) {
    const std::size_t distance = identity::word_distance(name, known);
    if (distance >= least) continue;
    least = distance;
    best = known;
  }
  return best.empty() ? std::string() : fmt::format("; did you mean '{}'?", best);
}

void Policy::Impl::add(std::string name, CompiledRule rule) {
  rules.push_back(std::move(rule));
  names.push_back(std::move(name));
}

std::shared_ptr<const Policy::Impl> Policy::Impl::defaults() {
  auto impl = std::make_shared<Impl>();
  const auto compiled = [](std::string_view text) {
    auto node = identity::parse_rule(text);
    CLOUDOS_ASSERT(node.has_value());
    CompiledRule rule;
    rule.node = std::move(*node);
    rule.default_rule = identity::rule_text(rule.node);
    return rule;
  };
  for (const identity::PolicyHelper& helper : identity::policy_helpers())
    impl->add(std::string(helper.name), compiled(helper.rule));
  for (const auto rows :
       {identity::identity_policies(), identity::credential_policies(),
        identity::compute_policies(), identity::image_policies(), identity::network_policies(),
        identity::task_policies(), identity::audit_policies()}) {
    for (const identity::PolicyRow& row : rows) {
      CompiledRule rule = compiled(row.is.rule);
      rule.is = row.is;
      rule.guards = true;
      impl->add(std::string(row.name), std::move(rule));
    }
  }
  const auto linked = impl->link();
  CLOUDOS_ASSERT(linked.has_value());
  // A name given twice would hide one of two rules.
  CLOUDOS_ASSERT(impl->by_name.size() == impl->rules.size());
  return impl;
}

/// Puts the rules of a policy file over the defaults.
Result<void> Policy::Impl::read(std::string_view text) {
  CLOUDOS_TRY(const auto lines, identity::parse_policy_file(text));
  std::vector<const identity::PolicyLine*> own;
  for (const identity::PolicyLine& line : lines) {
    auto node = identity::parse_rule(line.rule);
    if (!node) {
      return fail_in(fmt::format("line {}, rule '{}'", line.line, line.name.substr(0, 128)),
                     node.error());
    }
    const auto known = by_name.find(line.name);
    if (known == by_name.end()) {
      CompiledRule rule;
      rule.node = std::move(*node);
      rule.changed = true;
      add(line.name, std::move(rule));
      own.push_back(&line);
      continue;
    }
    CompiledRule& rule = rules[known->second];
    rule.node = std::move(*node);
    rule.changed = identity::rule_text(rule.node) != rule.default_rule;
  }
  CLOUDOS_CHECK(link());
  std::unordered_map<std::string_view, bool> used;
  const auto collect = [&](const auto& self, const PolicyNode& node) -> void {
    if (node.op == PolicyNode::Op::Rule) used[node.text] = true;
    for (const PolicyNode& kid : node.kids) self(self, kid);
  };
  for (const CompiledRule& rule : rules) collect(collect, rule.node);
  for (const identity::PolicyLine* line : own) {
    if (used.contains(line->name)) continue;
    Impl others = *defaults();
    return fail(ErrorCode::InvalidArgument,
                fmt::format("line {}: '{}' is no rule of this cloud, and no other rule refers to "
                            "it{}",
                            line->line, line->name.substr(0, 128), others.near(line->name)));
  }
  return Result<void>();
}

Result<void> Policy::Impl::link_node(PolicyNode& node, const std::string& name) const {
  if (node.op == PolicyNode::Op::Rule) {
    const auto it = by_name.find(node.text);
    if (it == by_name.end()) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("rule '{}' refers to rule '{}', which does not exist{}",
                              name.substr(0, 128), node.text.substr(0, 128), near(node.text)));
    }
    node.rule = it->second;
  }
  for (PolicyNode& kid : node.kids) CLOUDOS_CHECK(link_node(kid, name));
  return Result<void>();
}

/// Finds what rules refer to, and refuses circles, endless ones and parts that nobody compares.
Result<void> Policy::Impl::link() {
  by_name.clear();
  for (std::size_t i = 0; i < names.size(); ++i) by_name[names[i]] = i;
  for (std::size_t i = 0; i < rules.size(); ++i) CLOUDOS_CHECK(link_node(rules[i].node, names[i]));
  std::vector<std::size_t> known(rules.size(), 0);
  for (std::size_t i = 0; i < rules.size(); ++i) CLOUDOS_CHECK(cost(i, known));
  for (std::size_t i = 0; i < rules.size(); ++i)
    if (rules[i].guards && touched(i)) CLOUDOS_CHECK(check_parts(rules[i].node, false, i));
  context_is_admin = by_name.at("context_is_admin");
  return Result<void>();
}

namespace {
constexpr std::size_t kPolicyOpen = SIZE_MAX;  // The cost of a rule that is being counted.
}  // namespace

/// How many checks a rule takes at most, with all it refers to: two rules that each refer twice to
/// the next would double the work with every line.
Result<std::size_t> Policy::Impl::cost(std::size_t rule, std::vector<std::size_t>& known) const {
  if (known[rule] == kPolicyOpen) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("rule '{}' refers to itself in a circle", names[rule].substr(0, 128)));
  }
  if (known[rule] != 0) return known[rule];
  known[rule] = kPolicyOpen;
  CLOUDOS_TRY(const std::size_t checks, node_cost(rules[rule].node, known));
  if (checks > limits::kPolicyChecks) {
    return fail(ErrorCode::TooLarge,
                fmt::format("rule '{}' takes more than {} checks with all it refers to",
                            names[rule].substr(0, 128), limits::kPolicyChecks));
  }
  return known[rule] = checks;
}

Result<std::size_t> Policy::Impl::node_cost(const PolicyNode& node,
                                            std::vector<std::size_t>& known) const {
  std::size_t sum = 1;
  if (node.op == PolicyNode::Op::Rule) {
    CLOUDOS_TRY(const std::size_t more, cost(node.rule, known));
    sum += more;
  }
  for (const PolicyNode& kid : node.kids) {
    CLOUDOS_TRY(const std::size_t more, node_cost(kid, known));
    sum += more;
  }
  return sum;
}

bool Policy::Impl::touched(std::size_t rule) const {
  return rules[rule].changed || node_touched(rules[rule].node);
}

bool Policy::Impl::node_touched(const PolicyNode& node) const {
  if (node.op == PolicyNode::Op::Rule && touched(node.rule)) return true;
  return std::any_of(node.kids.begin(), node.kids.end(),
                     [&](const PolicyNode& kid) { return node_touched(kid); });
}

Result<void> Policy::Impl::check_parts(const PolicyNode& node, bool turned_around,
                                       std::size_t asked) const {
  using Op = PolicyNode::Op;
  const bool by_part = node.op == Op::Literal || node.op == Op::Absent ||
                       (node.op == Op::Credential && node.by_part);
  const identity::PolicyDefault& is = rules[asked].is;
  if (by_part && (is.parts & part_bit(node.part)) == 0) {
    std::string may;
    for (std::uint32_t i = 0; i < 8; ++i) {
      const auto part = static_cast<identity::PolicyPart>(i);
      if (is.parts & part_bit(part))
        may += fmt::format("{}{}", may.empty() ? "" : ", ", identity::part_name(part));
    }
    return fail(ErrorCode::InvalidArgument,
                fmt::format("rule '{}' compares %({})s, which is not known where it is asked; {}{}",
                            names[asked], identity::part_name(node.part),
                            may.empty() ? "nothing of the target is" : "known is ", may));
  }
  const bool others = node.op != Op::Credential;  // Literals: only a complete target has them.
  if (by_part && !is.exact && (turned_around || others)) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("rule '{}': where it is asked, callers only get at their own; it "
                            "cannot ask for what is not theirs ({})",
                            names[asked], identity::rule_text(node)));
  }
  if (node.op == Op::Rule) CLOUDOS_CHECK(check_parts(rules[node.rule].node, turned_around, asked));
  for (const PolicyNode& kid : node.kids)
    CLOUDOS_CHECK(check_parts(kid, turned_around != (node.op == Op::Not), asked));
  return Result<void>();
}

Policy::Policy() : impl_(Impl::defaults()) {}
Policy::Policy(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

Result<Policy> Policy::parse(std::string_view text) {
  auto impl = std::make_shared<Impl>(*Impl::defaults());
  // The copy's map looks into the original's names: link() makes it anew, but read() asks before.
  CLOUDOS_CHECK(impl->link());
  auto read = impl->read(text);
  if (!read) return fail_in("policy file", read.error());
  return Policy(std::shared_ptr<const Impl>(std::move(impl)));
}

Result<void> Policy::enforce(const Context& ctx, std::string_view name,
                             const PolicyTarget& target) const {
  const CompiledRule* rule = impl_->find(name);
  if (rule == nullptr || !rule->guards) {
    return fail(ErrorCode::Internal, "this request has no policy rule, so nobody may make it",
                fmt::format("policy '{}' is not in the table", name));
  }
  if (identity::is_host_program(ctx)) return Result<void>();
  if (!impl_->scope_fits(ctx, *rule)) {
    std::string scopes;
    for (const std::string& scope : identity::scope_names(rule->is.scopes))
      scopes += (scopes.empty() ? "" : " or ") + scope;
    return fail(ErrorCode::Forbidden,
                fmt::format("you are not allowed to do this: policy {} needs a token for a {}",
                            name, scopes));
  }
  if (impl_->judge(ctx, rule->node, target, nullptr, 0) != Verdict::No) return Result<void>();
  return fail(ErrorCode::Forbidden,
              fmt::format("you are not allowed to do this: policy {} needs another role, or a "
                          "token for the project it is about",
                          name));
}

Result<PolicyAnswer> Policy::explain(const Context& ctx, std::string_view name,
                                     const PolicyTarget& target) const {
  CLOUDOS_TRY(const PolicyRule shown, rule(name));
  PolicyAnswer answer;
  if (identity::is_host_program(ctx)) {
    answer.allowed = true;
    answer.lines.emplace_back("the host program itself may do everything");
    return answer;
  }
  const CompiledRule& compiled = *impl_->find(name);
  const bool fits = !compiled.guards || impl_->scope_fits(ctx, compiled);
  if (!fits) answer.lines.emplace_back("the token's scope does not fit: no");
  const Verdict verdict = impl_->judge(ctx, compiled.node, target, &answer.lines, 0);
  answer.allowed = fits && verdict != Verdict::No;
  return answer;
}

bool Policy::is_admin(const Context& ctx) const {
  return impl_->judge(ctx, impl_->rules[impl_->context_is_admin].node, {}, nullptr, 0) ==
         Verdict::Yes;
}

Result<PolicyRule> Policy::rule(std::string_view name) const {
  const CompiledRule* rule = impl_->find(name);
  if (rule == nullptr) {
    return fail(ErrorCode::NotFound,
                fmt::format("there is no rule '{}'{}", name.substr(0, 128), impl_->near(name)));
  }
  return PolicyRule{
      std::string(name),
      identity::rule_text(rule->node),
      rule->default_rule,
      rule->guards ? identity::scope_names(rule->is.scopes) : std::vector<std::string>(),
      rule->guards,
      rule->changed};
}

std::vector<PolicyRule> Policy::rules() const {
  std::vector<std::string> names(impl_->names.begin(), impl_->names.end());
  std::sort(names.begin(), names.end());
  std::vector<PolicyRule> list;
  for (const std::string& name : names)
    if (auto found = rule(name)) list.push_back(std::move(*found));
  return list;
}

}  // namespace cloudos

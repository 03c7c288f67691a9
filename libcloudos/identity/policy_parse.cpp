#include "identity/policy_parse.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "cloudos/limits.hpp"

namespace cloudos::identity {
namespace {

struct NamedPart {
  std::string_view name;
  PolicyPart part;
};
/// The first name of a part is the one it is shown by.
constexpr NamedPart kPolicyParts[] = {
    {"project_id", PolicyPart::Project},
    {"tenant_id", PolicyPart::Project},
    {"target.project.id", PolicyPart::Project},
    {"user_id", PolicyPart::User},
    {"target.user.id", PolicyPart::User},
    {"target.token.user_id", PolicyPart::User},
    {"domain_id", PolicyPart::Domain},
    {"target.domain.id", PolicyPart::Domain},
    {"target.domain_id", PolicyPart::Domain},
    {"target.project.domain_id", PolicyPart::ProjectDomain},
    {"target.user.domain_id", PolicyPart::UserDomain},
    {"target.group.domain_id", PolicyPart::GroupDomain},
    {"target.role.name", PolicyPart::RoleName},
    {"enabled", PolicyPart::Enabled},
};

struct NamedCredential {
  std::string_view name;
  PolicyCredential credential;
};
constexpr NamedCredential kPolicyCredentials[] = {
    {"user_id", PolicyCredential::User},
    {"project_id", PolicyCredential::Project},
    {"tenant_id", PolicyCredential::Project},
    {"domain_id", PolicyCredential::Domain},
    {"user_domain_id", PolicyCredential::UserDomain},
    {"project_domain_id", PolicyCredential::ProjectDomain},
    {"system_scope", PolicyCredential::SystemScope},
};

bool rule_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/// A recursive descent over the text: or binds weakest, then and, then not.
class RuleReader {
 public:
  explicit RuleReader(std::string_view text) : text_(text) { next(); }

  Result<PolicyNode> whole() {
    PolicyNode everyone;
    if (kind_ == Kind::End) return everyone;  // As the original has it: no rule, no hindrance.
    CLOUDOS_TRY(auto node, either(0));
    if (kind_ == Kind::Close) return wrong("this parenthesis closes nothing");
    if (kind_ != Kind::End) return wrong("'and' or 'or' is missing before this");
    return node;
  }

 private:
  enum class Kind : std::uint8_t { Word, Open, Close, End };

  Failure wrong(std::string_view why) const { return wrong_at(begin_, why); }
  static Failure wrong_at(std::size_t at, std::string_view why) {
    return fail(ErrorCode::InvalidArgument, fmt::format("column {}: {}", at + 1, why));
  }

  void next() {
    while (at_ < text_.size() && rule_blank(text_[at_])) ++at_;
    begin_ = at_;
    if (at_ == text_.size()) {
      kind_ = Kind::End;
      word_ = {};
      return;
    }
    const char c = text_[at_];
    kind_ = c == '(' ? Kind::Open : c == ')' ? Kind::Close : Kind::Word;
    if (kind_ == Kind::Word)
      skip_word();
    else
      ++at_;
    word_ = text_.substr(begin_, at_ - begin_);
  }

  /// A word ends at a blank or a parenthesis, but for those of %(name)s; quotes hide both.
  void skip_word() {
    if (text_[at_] == '\'' || text_[at_] == '"') {
      const auto end = text_.find(text_[at_], at_ + 1);
      at_ = end == std::string_view::npos ? text_.size() : end + 1;
    }
    while (at_ < text_.size() && !rule_blank(text_[at_]) && text_[at_] != ')') {
      if (text_[at_] == '(' && text_[at_ - 1] != '%') break;
      if (text_[at_] == '(') {
        const auto end = text_.find(')', at_);
        at_ = end == std::string_view::npos ? text_.size() : end;
        if (at_ == text_.size()) break;
      }
      ++at_;
    }
  }

  bool is_word(std::string_view word) const {
    return kind_ == Kind::Word && equals_ignore_case(word_, word);
  }

  Result<PolicyNode> either(std::size_t depth) {
    return chain(depth, "or", PolicyNode::Op::Or, &RuleReader::both);
  }
  Result<PolicyNode> both(std::size_t depth) {
    return chain(depth, "and", PolicyNode::Op::And, &RuleReader::one);
  }
  Result<PolicyNode> chain(std::size_t depth, std::string_view word, PolicyNode::Op op,
                           Result<PolicyNode> (RuleReader::*part)(std::size_t)) {
    CLOUDOS_TRY(auto first, (this->*part)(depth));
    if (!is_word(word)) return first;
    PolicyNode node;
    node.op = op;
    const auto add = [&](PolicyNode kid) {
      if (kid.op != op) return node.kids.push_back(std::move(kid));
      for (PolicyNode& each : kid.kids) node.kids.push_back(std::move(each));  // (a or b) or c
    };
    add(std::move(first));
    while (is_word(word)) {
      next();
      CLOUDOS_TRY(auto more, (this->*part)(depth));
      add(std::move(more));
    }
    return node;
  }

  Result<PolicyNode> one(std::size_t depth) {
    if (depth == limits::kPolicyDepth)
      return wrong(fmt::format("deeper than {} levels", limits::kPolicyDepth));
    if (is_word("not")) {
      next();
      CLOUDOS_TRY(auto kid, one(depth + 1));
      PolicyNode node;
      node.op = PolicyNode::Op::Not;
      node.kids.push_back(std::move(kid));
      return node;
    }
    if (kind_ == Kind::Open) {
      const std::size_t opened = begin_;
      next();
      CLOUDOS_TRY(auto node, either(depth + 1));
      if (kind_ == Kind::End) return wrong_at(opened, "this parenthesis is not closed");
      if (kind_ != Kind::Close) return wrong("'and', 'or' or a closing parenthesis is missing");
      next();
      return node;
    }
    if (kind_ == Kind::End) return wrong("a check is missing at the end");
    if (kind_ == Kind::Close || is_word("and") || is_word("or"))
      return wrong("a check is missing here");
    CLOUDOS_TRY(auto node, check());
    next();
    return node;
  }

  Result<PolicyNode> check() const {
    PolicyNode node;
    if (word_ == "@") return node;
    if (word_ == "!") {
      node.op = PolicyNode::Op::Nobody;
      return node;
    }
    if (word_[0] == '\'' || word_[0] == '"') return literal();
    const auto colon = word_.find(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == word_.size()) {
      return wrong(fmt::format("'{}' is no check: a kind, a colon and a value, as in role:member",
                               word_.substr(0, 64)));
    }
    return check_of(word_.substr(0, colon), word_.substr(colon + 1), colon);
  }

  Result<PolicyNode> check_of(std::string_view kind, std::string_view value,
                              std::size_t colon) const {
    PolicyNode node;
    if (kind == "True" || kind == "False" || kind == "None") {
      CLOUDOS_TRY(node.part, part_of(value, begin_ + colon + 1));
      node.op = kind == "None" ? PolicyNode::Op::Absent : PolicyNode::Op::Literal;
      if (kind != "None") node.text = kind;
      return node;
    }
    if (kind == "http" || kind == "https") {
      return wrong(
          "rules do not ask other servers (http:, https:): whatever is decided here is "
          "decided from the token and the target");
    }
    for (const NamedCredential& known : kPolicyCredentials) {
      if (kind != known.name) continue;
      node.op = PolicyNode::Op::Credential;
      node.credential = known.credential;
      node.by_part = value.starts_with("%(");
      if (node.by_part) {
        CLOUDOS_TRY(node.part, part_of(value, begin_ + colon + 1));
      } else {
        node.text = value;
      }
      if (known.credential == PolicyCredential::SystemScope && value != "all")
        return wrong_at(begin_ + colon + 1, "the one system scope is 'all'");
      return node;
    }
    if (value.find('%') != std::string_view::npos && (kind == "role" || kind == "rule"))
      return wrong_at(begin_ + colon + 1, "a role or rule must be named, not computed");
    node.text = value;
    if (kind == "role") {
      node.op = PolicyNode::Op::Role;
    } else if (kind == "rule") {
      node.op = PolicyNode::Op::Rule;
    } else if (kind == "is_admin") {
      const bool yes = value == "1" || value == "True" || value == "true";
      if (!yes && value != "0" && value != "False" && value != "false")
        return wrong_at(begin_ + colon + 1, "is_admin is 1 or 0");
      node.op = PolicyNode::Op::IsAdmin;
      node.flag = yes;
    } else {
      return wrong(
          fmt::format("'{}' is no kind of check: there are role, rule, is_admin, user_id, "
                      "project_id, domain_id, user_domain_id, project_domain_id, "
                      "system_scope, and values in quotes",
                      kind.substr(0, 64)));
    }
    return node;
  }

  /// 'member':%(target.role.name)s
  Result<PolicyNode> literal() const {
    const auto end = word_.find(word_[0], 1);
    if (end == std::string_view::npos) return wrong("this quote is not closed");
    if (end + 1 >= word_.size() || word_[end + 1] != ':')
      return wrong("a value in quotes is followed by a colon and a part of the target");
    PolicyNode node;
    node.op = PolicyNode::Op::Literal;
    node.text = word_.substr(1, end - 1);
    CLOUDOS_TRY(node.part, part_of(word_.substr(end + 2), begin_ + end + 2));
    return node;
  }

  static Result<PolicyPart> part_of(std::string_view value, std::size_t at) {
    if (!value.starts_with("%(") || !value.ends_with(")s"))
      return wrong_at(at, "a part of the target is meant here, written %(name)s");
    const std::string_view name = value.substr(2, value.size() - 4);
    std::string known;
    for (const NamedPart& part : kPolicyParts) {
      if (part.name == name) return part.part;
      known += fmt::format("{}{}", known.empty() ? "" : ", ", part.name);
    }
    return wrong_at(at + 2,
                    fmt::format("a target has no '{}'; it has {}", name.substr(0, 64), known));
  }

  const std::string_view text_;
  std::size_t at_ = 0, begin_ = 0;
  Kind kind_ = Kind::End;
  std::string_view word_;
};

std::string_view credential_name(PolicyCredential credential) {
  for (const NamedCredential& known : kPolicyCredentials)
    if (known.credential == credential) return known.name;
  return "";
}

/// Parentheses go around what binds weaker than its place.
void write_rule(std::string& out, const PolicyNode& node, bool inside) {
  using Op = PolicyNode::Op;
  switch (node.op) {
    case Op::Everyone:
      out += '@';
      return;
    case Op::Nobody:
      out += '!';
      return;
    case Op::Not:
      out += "not ";
      write_rule(out, node.kids.front(), true);
      return;
    case Op::And:
    case Op::Or: {
      if (inside) out += '(';
      const std::string_view word = node.op == Op::And ? " and " : " or ";
      for (std::size_t i = 0; i < node.kids.size(); ++i) {
        if (i > 0) out += word;
        write_rule(out, node.kids[i], true);
      }
      if (inside) out += ')';
      return;
    }
    case Op::Role:
      out += "role:" + node.text;
      return;
    case Op::IsAdmin:
      out += node.flag ? "is_admin:1" : "is_admin:0";
      return;
    case Op::Rule:
      out += "rule:" + node.text;
      return;
    case Op::Credential:
      out += fmt::format("{}:{}", credential_name(node.credential),
                         node.by_part ? fmt::format("%({})s", part_name(node.part)) : node.text);
      return;
    case Op::Literal:
      out += node.part == PolicyPart::Enabled
                 ? fmt::format("{}:%({})s", node.text, part_name(node.part))
                 : fmt::format("'{}':%({})s", node.text, part_name(node.part));
      return;
    case Op::Absent:
      out += fmt::format("None:%({})s", part_name(node.part));
      return;
  }
}

}  // namespace

Result<PolicyNode> parse_rule(std::string_view text) {
  if (text.size() > limits::kPolicyRuleBytes) {
    return fail(ErrorCode::TooLarge,
                fmt::format("the rule is longer than {} bytes", limits::kPolicyRuleBytes));
  }
  return RuleReader(text).whole();
}

std::string rule_text(const PolicyNode& node) {
  std::string out;
  write_rule(out, node, false);
  return out;
}

std::string_view part_name(PolicyPart part) {
  for (const NamedPart& known : kPolicyParts)
    if (known.part == part) return known.name;
  return "";
}

}  // namespace cloudos::identity

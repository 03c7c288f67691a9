#include <regex.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "image/property_rules.hpp"

namespace cloudos {
namespace {

constexpr std::array<std::string_view, 4> kPropertyActions{"create", "read", "update", "delete"};

/// POSIX expressions run as automata: without back-references their time is bounded by the text,
/// which a backtracking engine cannot promise for what an operator writes.
class NameExpression {
 public:
  NameExpression() = default;
  ~NameExpression() {
    if (compiled_) regfree(&regex_);
  }
  NameExpression(const NameExpression&) = delete;
  NameExpression& operator=(const NameExpression&) = delete;

  /// Errors: InvalidArgument, saying what is wrong.
  Result<void> compile(std::string_view text) {
    CLOUDOS_TRY(const std::string posix, translated(text));
    const int status = regcomp(&regex_, posix.c_str(), REG_EXTENDED | REG_NOSUB);
    if (status != 0) {
      char why[128] = {};
      (void)regerror(status, &regex_, why, sizeof why);
      return fail(ErrorCode::InvalidArgument, fmt::format("'{}' is no expression: {}", text, why));
    }
    compiled_ = true;
    return Result<void>();
  }
  bool finds_in(const std::string& name) const {
    return regexec(&regex_, name.c_str(), 0, nullptr, 0) == 0;
  }

 private:
  /// What people write for Python, as POSIX has it. Counts are multiplied out by the compiler, so
  /// they are bounded together.
  static Result<std::string> translated(std::string_view text) {
    std::string out;
    std::size_t copies = 1;
    bool in_class = false, quantified = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      const bool after_quantifier = std::exchange(quantified, false);
      if (c == '\\' && i + 1 < text.size()) {
        CLOUDOS_TRY(const std::string escape, translated_escape(text, text[++i], in_class));
        out += escape;
        continue;
      }
      if (in_class) in_class = c != ']';
      else if (c == '[') in_class = true;
      else if (c == '{') {
        const std::size_t end = text.find('}', i);
        const auto bounds = split(text.substr(i + 1, end == text.npos ? 0 : end - i - 1), ',');
        const auto most = parse_unsigned(bounds.back().empty() ? bounds.front() : bounds.back());
        if (!most || *most > limits::kNameChars) return refused(text, "a count is not understood");
        copies *= std::max<std::size_t>(1, static_cast<std::size_t>(*most));
        if (copies > limits::kNameChars) return refused(text, "its counts are too large together");
      } else if (c == '(' && text.substr(i + 1, 2) == "?:") {
        i += 2;
      } else if (c == '(' && text.substr(i + 1, 1) == "?") {
        return refused(text, "(?...) is not understood");
      } else if (after_quantifier && c == '?') {
        continue;  // Reluctance changes what matches, not whether.
      } else {
        quantified = std::string_view("*+?}").find(c) != std::string_view::npos;
      }
      out += c;
    }
    return out;
  }
  static Result<std::string> translated_escape(std::string_view text, char next, bool in_class) {
    if (next == 'd') return std::string(in_class ? "0-9" : "[0-9]");
    if (next >= '0' && next <= '9') return refused(text, "back-references are not allowed");
    const bool is_word = (next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z');
    if (in_class) {
      // A backslash is nothing special in a POSIX class.
      if (is_word || std::string_view("]^-\\").find(next) != std::string_view::npos)
        return refused(text, fmt::format("'\\{}' is not understood within [ ]", next));
      return std::string(1, next);
    }
    if (is_word && std::string_view("wWsSbB").find(next) == std::string_view::npos)
      return refused(text, fmt::format("'\\{}' is not understood", next));
    return std::string{'\\', next};
  }
  static Failure refused(std::string_view text, std::string_view why) {
    return fail(ErrorCode::InvalidArgument, fmt::format("'{}': {}", text, why));
  }

  regex_t regex_{};
  bool compiled_ = false;
};

struct PropertySection {
  NameExpression expression;
  std::string text;
  std::array<std::optional<std::vector<std::string>>, 4> allowed;
};

Failure bad_rules(std::size_t line, std::string_view why) {
  return fail(ErrorCode::InvalidArgument, fmt::format("property protections, line {}: {}", line,
                                                      why));
}

Result<std::vector<std::string>> allowed_values(std::string_view text, std::size_t line,
                                                PropertyRuleFormat format) {
  std::vector<std::string> values;
  for (const std::string_view part : split(text, ',')) {
    const std::string_view value = trim(part);
    if (value.empty()) continue;
    values.push_back(format == PropertyRuleFormat::Roles ? fold_case(value) : std::string(value));
  }
  if (values.empty()) return bad_rules(line, "no value; '!' is nobody");
  for (const std::string& value : values) {
    if ((value == "@" || value == "!") && values.size() > 1)
      return bad_rules(line, fmt::format("'{}' goes alone", value));
  }
  if (format == PropertyRuleFormat::Policies && values.size() > 1)
    return bad_rules(line, "one policy rule, '@' or '!' is allowed");
  return values;
}

}  // namespace

struct PropertyProtections::Impl {
  PropertyRuleFormat format = PropertyRuleFormat::Roles;
  std::vector<std::unique_ptr<PropertySection>> sections;
  std::vector<std::string> nobody{"!"};

  Result<void> begin_section(std::string_view text, std::size_t line);
  Result<void> add_key(std::string_view text, std::size_t line);
  Result<void> end_section(std::size_t line) const;
};

Result<void> PropertyProtections::Impl::begin_section(std::string_view text, std::size_t line) {
  if (text.back() != ']' || text.size() < 3) return bad_rules(line, "'[' and ']' hold a name");
  const std::string_view expression = text.substr(1, text.size() - 2);
  if (expression.size() > limits::kPropertyRuleChars)
    return bad_rules(line, fmt::format("over {} characters", limits::kPropertyRuleChars));
  if (sections.size() >= limits::kPropertyRules)
    return bad_rules(line, fmt::format("over {} sections", limits::kPropertyRules));
  for (const auto& section : sections)
    if (section->text == expression) return bad_rules(line, "the section is there already");
  auto section = std::make_unique<PropertySection>();
  section->text = expression;
  const auto compiled = section->expression.compile(expression);
  if (!compiled) return bad_rules(line, compiled.error().message);
  sections.push_back(std::move(section));
  return Result<void>();
}

Result<void> PropertyProtections::Impl::add_key(std::string_view text, std::size_t line) {
  if (sections.empty()) return bad_rules(line, "a section's [name] comes first");
  const std::size_t equals = text.find_first_of("=:");
  if (equals == std::string_view::npos) return bad_rules(line, "not 'key = value'");
  const std::string key = fold_case(trim(text.substr(0, equals)));
  const auto action = std::find(kPropertyActions.begin(), kPropertyActions.end(), key);
  if (action == kPropertyActions.end()) {
    return bad_rules(line, fmt::format("unknown key '{}': there are create, read, update, delete",
                                       key.substr(0, 64)));
  }
  auto& allowed = sections.back()->allowed.at(
      static_cast<std::size_t>(action - kPropertyActions.begin()));
  if (allowed) return bad_rules(line, fmt::format("'{}' is given twice", key));
  CLOUDOS_TRY(allowed, allowed_values(text.substr(equals + 1), line, format));
  return Result<void>();
}

Result<void> PropertyProtections::Impl::end_section(std::size_t line) const {
  if (sections.empty()) return Result<void>();
  for (std::size_t i = 0; i < kPropertyActions.size(); ++i) {
    if (sections.back()->allowed.at(i)) continue;
    return bad_rules(line, fmt::format("section [{}] says nothing of '{}'", sections.back()->text,
                                       kPropertyActions.at(i)));
  }
  return Result<void>();
}

Result<PropertyProtections> PropertyProtections::parse(std::string_view text,
                                                       PropertyRuleFormat format) {
  if (text.size() > limits::kConfigBytes)
    return fail(ErrorCode::TooLarge, "property protections: the file is too large");
  if (!utf8_length(text) || text.find('\0') != text.npos)
    return fail(ErrorCode::InvalidArgument, "property protections: not UTF-8 text");
  auto impl = std::make_shared<Impl>();
  impl->format = format;
  std::size_t number = 0;
  for (const std::string_view raw : split(text, '\n')) {
    ++number;
    const std::string_view line = trim(raw);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() != '[') {
      CLOUDOS_CHECK(impl->add_key(line, number));
      continue;
    }
    CLOUDOS_CHECK(impl->end_section(number));
    CLOUDOS_CHECK(impl->begin_section(line, number));
  }
  CLOUDOS_CHECK(impl->end_section(number));
  if (impl->sections.empty()) {
    return fail(ErrorCode::InvalidArgument,
                "property protections: no section, so nobody could set any property");
  }
  PropertyProtections parsed;
  parsed.impl_ = std::move(impl);
  return parsed;
}

PropertyRuleFormat PropertyProtections::format() const {
  return impl_ ? impl_->format : PropertyRuleFormat::Roles;
}

const std::vector<std::string>& PropertyProtections::allowed(PropertyAction action,
                                                             std::string_view property) const {
  const std::string name(property);
  for (const auto& section : impl_->sections)
    if (section->expression.finds_in(name))
      return *section->allowed.at(static_cast<std::size_t>(action));
  return impl_->nobody;
}

std::vector<std::string> PropertyProtections::policies() const {
  std::vector<std::string> names;
  if (!impl_ || impl_->format != PropertyRuleFormat::Policies) return names;
  for (const auto& section : impl_->sections)
    for (const auto& allowed : section->allowed)
      if (const std::string& name = allowed->front(); name != "@" && name != "!")
        names.push_back(name);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

namespace image {

Result<std::string> read_rules_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::error_code error;
    const bool there = std::filesystem::exists(path, error);
    return fail(there ? ErrorCode::Unavailable : ErrorCode::NotFound,
                fmt::format("property protections: {} {}", path.string(),
                            there ? "cannot be read" : "is not there"));
  }
  std::string text(limits::kConfigBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > limits::kConfigBytes)
    return fail(ErrorCode::TooLarge, fmt::format("{}: too large", path.string()));
  return text;
}

Result<PropertyProtections> read_property_protections(const ImageRules& rules) {
  if (rules.property_protection_file.empty()) return PropertyProtections();
  const std::string name = rules.property_protection_file.string();
  CLOUDOS_TRY(const std::string text, read_rules_file(rules.property_protection_file));
  auto parsed = PropertyProtections::parse(text, rules.property_rule_format);
  if (!parsed) {
    Error error = parsed.error();
    error.message = name + ": " + error.message;
    return fail(std::move(error));
  }
  return parsed;
}

bool PropertyAccess::may(PropertyAction action, std::string_view property) const {
  if (rules.empty() || (ctx.is_admin && ctx.user.empty())) return true;
  const std::vector<std::string>& allowed = rules.allowed(action, property);
  if (allowed.front() == "@") return true;
  if (allowed.front() == "!") return false;
  if (rules.format() == PropertyRuleFormat::Policies)
    return check_policy && check_policy(ctx, allowed.front());
  return std::any_of(ctx.roles.begin(), ctx.roles.end(), [&](const std::string& role) {
    return std::find(allowed.begin(), allowed.end(), fold_case(role)) != allowed.end();
  });
}

Result<void> PropertyAccess::check(PropertyAction action, std::string_view property) const {
  if (may(action, property)) return Result<void>();
  return fail(ErrorCode::Forbidden,
              fmt::format("property '{}' is protected: your roles do not allow this", property));
}

void PropertyAccess::hide(Image& image) const {
  if (rules.empty()) return;
  std::erase_if(image.properties,
                [&](const auto& entry) { return !may(PropertyAction::Read, entry.first); });
}

}  // namespace image
}  // namespace cloudos

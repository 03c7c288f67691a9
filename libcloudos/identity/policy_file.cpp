#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.hpp"
#include "cloudos/limits.hpp"
#include "identity/policy_parse.hpp"

namespace cloudos::identity {
namespace {

Failure wrong_line(std::size_t line, std::string_view why) {
  return fail(ErrorCode::InvalidArgument, fmt::format("line {}: {}", line, why));
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xe0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

/// The text of a "…" that starts at `at`, left behind its end; nothing when it is broken.
std::optional<std::string> read_quoted(std::string_view text, std::size_t& at) {
  std::string out;
  for (++at; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '"') {
      ++at;
      return out;
    }
    if (c != '\\') {
      if (static_cast<unsigned char>(c) < 0x20) return std::nullopt;
      out += c;
      continue;
    }
    if (++at == text.size()) return std::nullopt;
    constexpr std::string_view kEscapes = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
    if (const auto known = kEscapes.find(text[at]); known != std::string_view::npos) {
      out += kMeant[known];
    } else if (text[at] == 'u' && at + 4 < text.size()) {
      const auto hex = from_hex(text.substr(at + 1, 4));
      if (!hex) return std::nullopt;
      const std::uint32_t code =
          (static_cast<unsigned char>((*hex)[0]) << 8u) | static_cast<unsigned char>((*hex)[1]);
      if (code < 0x20 || (code >= 0xd800 && code < 0xe000)) return std::nullopt;
      append_utf8(out, code);
      at += 4;
    } else {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

/// {"name": "rule", …} and nothing deeper.
class JsonPolicy {
 public:
  explicit JsonPolicy(std::string_view text) : text_(text) {}

  Result<std::vector<PolicyLine>> read() {
    std::vector<PolicyLine> lines;
    if (!take('{')) return wrong_line(line_, "a map of names to rules begins with {");
    if (take('}')) return end(std::move(lines));
    do {
      skip_blanks();
      PolicyLine line;
      line.line = line_;
      CLOUDOS_TRY(line.name, string("the name of a rule, in double quotes, is missing"));
      if (!take(':')) return wrong_line(line_, "a colon is missing behind the name");
      CLOUDOS_TRY(line.rule, string("a rule is a text in double quotes"));
      lines.push_back(std::move(line));
      if (lines.size() > limits::kPolicyRules) return end(std::move(lines));
    } while (take(','));
    if (!take('}')) return wrong_line(line_, "a comma or } is missing");
    return end(std::move(lines));
  }

 private:
  void skip_blanks() {
    for (; at_ < text_.size() && (trim(text_.substr(at_, 1)).empty()); ++at_)
      if (text_[at_] == '\n') ++line_;
  }
  bool take(char c) {
    skip_blanks();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  Result<std::string> string(std::string_view otherwise) {
    skip_blanks();
    if (at_ == text_.size() || text_[at_] != '"') return wrong_line(line_, otherwise);
    auto text = read_quoted(text_, at_);
    if (!text) return wrong_line(line_, "this text in quotes is not ended or has a wrong escape");
    return std::move(*text);
  }
  Result<std::vector<PolicyLine>> end(std::vector<PolicyLine> lines) {
    skip_blanks();
    if (at_ != text_.size() && lines.size() <= limits::kPolicyRules)
      return wrong_line(line_, "something stands behind the map");
    return lines;
  }

  const std::string_view text_;
  std::size_t at_ = 0, line_ = 1;
};

/// Lines of `name: rule`.
class YamlPolicy {
 public:
  explicit YamlPolicy(std::string_view text) : rows_(split(text, '\n')) {}

  Result<std::vector<PolicyLine>> read() {
    std::vector<PolicyLine> lines;
    while (at_ < rows_.size() && lines.size() <= limits::kPolicyRules) {
      const std::string_view row = rows_[at_++];
      if (is_comment(row) || trim(row) == "---" || trim(row) == "{}") continue;
      if (trim(row) == "...") break;
      CLOUDOS_TRY(auto line, entry(row));
      lines.push_back(std::move(line));
    }
    return lines;
  }

 private:
  static bool is_comment(std::string_view row) {
    return trim(row).empty() || trim(row).front() == '#';
  }
  static bool is_deeper(std::string_view row) {
    return !row.empty() && (row.front() == ' ' || row.front() == '\t');
  }
  Failure wrong(std::string_view why) const { return wrong_line(at_, why); }

  Result<PolicyLine> entry(std::string_view row) {
    PolicyLine line;
    line.line = at_;
    if (is_deeper(row)) return wrong("this is deeper than a name, and belongs to none");
    std::string_view rest;
    if (row.front() == '"' || row.front() == '\'') {
      std::size_t end = 0;
      CLOUDOS_TRY(line.name, quoted(row, end));
      rest = row.substr(end);
      if (!rest.starts_with(':')) return wrong("a colon is missing behind the name");
      rest.remove_prefix(1);
    } else {
      // Names hold colons; the one that ends a name has a blank behind it.
      auto colon = row.find(": ");
      if (colon == std::string_view::npos && trim(row).ends_with(':')) colon = row.rfind(':');
      if (colon == std::string_view::npos)
        return wrong("this is no `name: rule`; a name is ended by a colon and a blank");
      line.name = trim(row.substr(0, colon));
      rest = row.substr(colon + 1);
    }
    CLOUDOS_TRY(line.rule, value(trim(rest)));
    return line;
  }

  Result<std::string> value(std::string_view text) {
    if (!text.empty() && (text.front() == '"' || text.front() == '\'')) {
      std::size_t end = 0;
      CLOUDOS_TRY(auto rule, quoted(text, end));
      if (!is_comment(text.substr(end))) return wrong("something stands behind the quotes");
      if (at_ < rows_.size() && is_deeper(rows_[at_]) && !is_comment(rows_[at_]))
        return wrong("a rule in quotes must be on one line");
      return rule;
    }
    const auto without_comment = [](std::string_view row) {
      const auto hash = row.find(" #");
      return trim(row.substr(0, std::min(hash, row.size())));
    };
    text = without_comment(text);
    if (text == ">" || text == ">-" || text == "|" || text == "|-") text = {};
    if (!text.empty() && (text.front() == '[' || text.front() == '{' || text.front() == '&' ||
                          text.front() == '*')) {
      return wrong("a rule is a text; lists, maps and anchors are not");
    }
    std::string rule(text);
    for (; at_ < rows_.size() && (is_deeper(rows_[at_]) || trim(rows_[at_]).empty()); ++at_) {
      if (is_comment(rows_[at_])) continue;
      const std::string_view more = without_comment(rows_[at_]);
      rule += rule.empty() ? "" : " ";
      rule += more;
    }
    // YAML reads nothing as null, and a rule that is nothing allows everyone: say which is meant.
    if (rule.empty()) return wrong("the rule is missing; write \"@\" for everyone, \"!\" for none");
    return rule;
  }

  Result<std::string> quoted(std::string_view text, std::size_t& end) const {
    if (text.front() == '"') {
      auto inside = read_quoted(text, end);
      if (!inside) return wrong("this text in quotes is not ended or has a wrong escape");
      return std::move(*inside);
    }
    std::string inside;
    for (end = 1; end < text.size(); ++end) {
      if (text[end] != '\'') {
        inside += text[end];
      } else if (end + 1 < text.size() && text[end + 1] == '\'') {
        inside += text[end++];  // Doubled: one quote.
      } else {
        ++end;
        return inside;
      }
    }
    return wrong("this text in quotes is not ended");
  }

  const std::vector<std::string_view> rows_;
  std::size_t at_ = 0;  // The row that comes next; so the number of the one at hand.
};

}  // namespace

Result<std::vector<PolicyLine>> parse_policy_file(std::string_view text) {
  if (text.size() > limits::kPolicyBytes) {
    return fail(ErrorCode::TooLarge,
                fmt::format("the policy file is larger than {} bytes", limits::kPolicyBytes));
  }
  if (!utf8_length(text)) return fail(ErrorCode::InvalidArgument, "the file is not valid UTF-8");
  const bool json = trim(text).starts_with("{") && trim(text) != "{}";
  CLOUDOS_TRY(auto lines, json ? JsonPolicy(text).read() : YamlPolicy(text).read());
  if (lines.size() > limits::kPolicyRules) {
    return fail(ErrorCode::TooLarge,
                fmt::format("the policy file has more than {} rules", limits::kPolicyRules));
  }
  std::vector<const PolicyLine*> sorted;
  for (const PolicyLine& line : lines) sorted.push_back(&line);
  std::sort(sorted.begin(), sorted.end(), [](const PolicyLine* a, const PolicyLine* b) {
    return a->name != b->name ? a->name < b->name : a->line < b->line;
  });
  const auto twice = std::adjacent_find(
      sorted.begin(), sorted.end(),
      [](const PolicyLine* a, const PolicyLine* b) { return a->name == b->name; });
  if (twice != sorted.end()) {
    return wrong_line(twice[1]->line, fmt::format("'{}' is given on line {} already",
                                                  (*twice)->name.substr(0, 128), (*twice)->line));
  }
  return lines;
}

}  // namespace cloudos::identity

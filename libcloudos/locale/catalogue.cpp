#include "locale/catalogue.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "cloudos/limits.hpp"

namespace cloudos::locale {
namespace {

constexpr std::size_t kNone = SIZE_MAX;
constexpr std::size_t kMessageBytes = 4'096;  // Longer ones stay as they are.
constexpr int kDepth = 3;                     // Of messages within messages.

/// The arguments of `from` in a message; nothing when it is not of that template. A place takes as
/// little as it can.
bool take_apart(const Template& from, std::string_view message,
                std::vector<std::string_view>& arguments) {
  const auto& literals = from.literals;
  if (message.size() < from.own_text || !message.starts_with(literals.front()) ||
      !message.ends_with(literals.back()))
    return false;
  arguments.assign(from.arguments, {});
  std::size_t at = literals.front().size();
  const std::size_t end = message.size() - literals.back().size();
  for (std::size_t i = 0; i < from.places.size(); ++i) {
    std::size_t next = end;
    if (i + 1 < from.places.size() && literals[i + 1].empty()) {
      // Two side by side: a word, and what is added to it.
      next = std::min(message.find_first_of(" ;,(", at), end);
    } else if (i + 1 < from.places.size()) {
      next = message.find(literals[i + 1], at);
      if (next == message.npos || next + literals[i + 1].size() > end) return false;
    }
    if (next < at) return false;
    arguments[from.places[i]] = message.substr(at, next - at);
    at = next + (i + 1 < from.places.size() ? literals[i + 1].size() : 0);
  }
  return true;
}

std::string put_together(const Template& to, const std::vector<std::string>& arguments) {
  std::string text = to.literals.front();
  for (std::size_t i = 0; i < to.places.size(); ++i) {
    text += arguments[to.places[i]];
    text += to.literals[i + 1];
  }
  return text;
}

void note_size(std::vector<std::size_t>& sizes, std::size_t size) {
  if (std::find(sizes.begin(), sizes.end(), size) == sizes.end()) sizes.push_back(size);
}

}  // namespace

Result<Template> parse_template(std::string_view text) {
  Template made;
  std::string literal;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool twice = i + 1 < text.size() && text[i + 1] == c;
    if ((c == '{' || c == '}') && twice) {
      literal += c;
      ++i;
      continue;
    }
    if (c != '{') {
      literal += c;
      continue;
    }
    const auto close = text.find('}', i);
    if (close == text.npos)
      return fail(ErrorCode::InvalidArgument, "a place of a message is not closed");
    const std::string_view inside = text.substr(i + 1, close - i - 1);
    const std::string_view number = inside.substr(0, inside.find(':'));
    const auto index = parse_unsigned(number);
    if (!number.empty() && (!index || *index > 32))
      return fail(ErrorCode::InvalidArgument, "a place of a message is no number");
    made.own_text += literal.size();
    made.literals.push_back(std::exchange(literal, {}));
    made.places.push_back(index ? static_cast<std::size_t>(*index) : made.places.size());
    made.arguments = std::max(made.arguments, made.places.back() + 1);
    i = close;
  }
  made.own_text += literal.size();
  made.literals.push_back(std::move(literal));
  return made;
}

Result<Catalogue> Catalogue::make(const std::vector<std::pair<std::string, std::string>>& entries) {
  Catalogue made;
  for (const auto& [id, text] : entries) {
    // "cannot open the file: " begins a message that says at its end why.
    const bool begins = id.ends_with(' ') && id.find('{') == id.npos;
    auto parsed = parse_template(begins ? id + "{}" : id);
    if (!parsed) {  // Not a text for fmt: "a map begins with {".
      made.whole_.insert_or_assign(id, text);
      continue;
    }
    Template from = std::move(*parsed);
    CLOUDOS_TRY(Template to, parse_template(begins ? text + "{}" : text));
    if (from.arguments != to.arguments) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("the translation of '{}' has other places", id.substr(0, 64)));
    }
    if (from.places.empty()) {
      made.whole_.insert_or_assign(from.literals.front(), to.literals.front());
      continue;
    }
    const std::size_t number = made.entries_.size();
    const std::string& start = from.literals.front();
    const std::string& end = from.literals.back();
    if (!start.empty()) {
      made.by_start_[start].push_back(number);
      note_size(made.start_sizes_, start.size());
    } else if (!end.empty()) {
      made.by_end_[end].push_back(number);
      note_size(made.end_sizes_, end.size());
    } else {
      made.others_.push_back(number);
    }
    made.entries_.push_back({std::move(from), std::move(to)});
  }
  return made;
}

void Catalogue::try_entry(std::size_t number, std::string_view message, std::size_t& best,
                          std::vector<std::string_view>& best_arguments) const {
  const Template& from = entries_[number].from;
  if (best != kNone && from.own_text <= entries_[best].from.own_text) return;
  std::vector<std::string_view> arguments;
  if (!take_apart(from, message, arguments)) return;
  best = number;
  best_arguments = std::move(arguments);
}

/// "where: what" and "server.name must be text": the end is a message of its own.
std::string Catalogue::translate_end(std::string_view message, int depth) const {
  const auto colon = message.find(": ");
  const auto blank = message.find(' ');
  for (const std::size_t begin :
       {colon == message.npos ? colon : colon + 2, blank == message.npos ? blank : blank + 1}) {
    if (begin == message.npos) continue;
    const std::string_view end = message.substr(begin);
    std::string translated = translate(end, depth + 1);
    if (translated != end) return std::string(message.substr(0, begin)) + translated;
  }
  return std::string(message);
}

std::string Catalogue::translate(std::string_view message, int depth) const {
  if (message.size() > kMessageBytes || depth > kDepth) return std::string(message);
  if (const auto known = whole_.find(std::string(message)); known != whole_.end())
    return known->second;
  std::size_t best = kNone;
  std::vector<std::string_view> found;
  const auto try_all = [&](const Index& index, std::string_view literal) {
    const auto known = index.find(std::string(literal));
    if (known == index.end()) return;
    for (const std::size_t number : known->second) try_entry(number, message, best, found);
  };
  for (const std::size_t size : start_sizes_)
    if (size <= message.size()) try_all(by_start_, message.substr(0, size));
  for (const std::size_t size : end_sizes_)
    if (size <= message.size()) try_all(by_end_, message.substr(message.size() - size));
  for (const std::size_t number : others_) try_entry(number, message, best, found);
  if (best == kNone) return translate_end(message, depth);
  const Entry& entry = entries_[best];
  std::vector<std::string> arguments(found.begin(), found.end());
  // What a place holds may be a message, or a part of one ("must be text"); a name is one word.
  for (std::string& argument : arguments) {
    const auto known = argument.find(' ') == argument.npos ? whole_.end() : whole_.find(argument);
    if (known != whole_.end()) argument = known->second;
  }
  const std::size_t last = entry.from.places.back();
  const auto& before = entry.from.literals[entry.from.places.size() - 1];
  if (entry.from.literals.back().empty() && before.ends_with(": "))
    arguments[last] = translate(arguments[last], depth + 1);
  return put_together(entry.to, arguments);
}

}  // namespace cloudos::locale

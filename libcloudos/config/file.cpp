#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <system_error>

#include "base/text.hpp"
#include "cloudos/limits.hpp"
#include "config/settings.hpp"

/// The sources of values: file and environment.
namespace cloudos::config {
namespace {

/// " Did you mean 'level'?" or, when nothing is near, all that there is.
std::string suggestion(std::string_view word, const std::vector<std::string_view>& candidates) {
  const std::string_view near = nearest(word, candidates);
  if (!near.empty()) return fmt::format("Did you mean '{}'?", near);
  return fmt::format("There are: {}.", fmt::join(candidates, ", "));
}

std::vector<std::string_view> section_names() {
  std::vector<std::string_view> names;
  for (const Section& section : sections()) names.push_back(section.name);
  return names;
}

std::vector<std::string_view> key_names(std::string_view section) {
  std::vector<std::string_view> names;
  for (const Key& key : keys())
    if (key.section == section) names.push_back(key.name);
  return names;
}

/// What was written, safe to repeat: bounded and without control characters.
std::string shown(std::string_view text) {
  constexpr std::size_t kMost = 60;
  std::string out(text.substr(0, kMost));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  return text.size() > kMost ? out + "..." : out;
}

std::string unknown_key(std::string_view section, std::string_view name) {
  for (const Key& key : keys())
    if (key.name == name)
      return fmt::format("[{}] has no key '{}', but [{}] has: move it there.", section, name,
                         key.section);
  return fmt::format("[{}] has no key '{}'. {}", section, shown(name),
                     suggestion(name, key_names(section)));
}

/// One line after the other; knows the section it is in.
class TextReader {
 public:
  explicit TextReader(std::string_view name) : name_(name) { layer_.origin = Origin::File; }

  void take(std::string_view line) {
    ++number_;
    line = trim(line);
    if (line.empty() || line.front() == '#' || line.front() == ';') return;
    if (layer_.problems.size() >= kMostProblems) return;
    if (line.front() == '[') return take_section(line);
    take_pair(line);
  }
  Layer finish() { return std::move(layer_); }

 private:
  static constexpr std::size_t kMostProblems = 100;

  std::string place() const { return fmt::format("{}:{}", name_, number_); }
  void problem(std::string message) { layer_.problems.push_back({place(), std::move(message)}); }

  void take_section(std::string_view line) {
    section_known_ = false;
    if (line.back() != ']') return problem("a section is written [name], with nothing behind it.");
    section_ = trim(line.substr(1, line.size() - 2));
    section_known_ = is_section(section_);
    if (!section_known_)
      problem(fmt::format("there is no section [{}]. {}", shown(section_),
                          suggestion(section_, section_names())));
    in_section_ = true;
  }

  void take_pair(std::string_view line) {
    const std::size_t equals = line.find('=');
    if (equals == line.npos)
      return problem(fmt::format("'{}' is neither [section] nor key = value.", shown(line)));
    if (!in_section_) return problem("a key needs a [section] line above it.");
    if (!section_known_) return;  // Said once, at its line.
    const std::string_view name = trim(line.substr(0, equals));
    const Key* key = find_key(section_, name);
    if (!key) return problem(unknown_key(section_, name));
    if (const auto [it, added] = lines_.emplace(key, number_); !added)
      return problem(
          fmt::format("{} is set a second time, first in line {}: keep one.", name, it->second));
    take_value(*key, trim(line.substr(equals + 1)));
  }

  void take_value(const Key& key, std::string_view value) {
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    } else if (value.find(" #") != value.npos || value.find(" ;") != value.npos) {
      return problem(
          fmt::format("{} is followed by ' #' or ' ;': give a comment a line of its "
                      "own, or put the value in double quotes.",
                      key.name));
    }
    if (value.empty())
      return problem(
          fmt::format("{} has no value: give it {}, or take the line out.", key.name, wants(key)));
    auto text = canonical(key, value);
    if (!text) return problem(fmt::format("{} needs {}.", key.name, text.error().message));
    if (key.type == Type::Path && text->front() != '/')
      *text = (std::filesystem::path(name_).parent_path() / *text).lexically_normal().string();
    layer_.entries.push_back({&key, std::move(*text), place()});
  }

  std::string name_;
  std::size_t number_ = 0;
  std::string section_;
  bool in_section_ = false, section_known_ = false;
  std::map<const Key*, std::size_t> lines_;
  Layer layer_;
};

}  // namespace

std::string to_string(const Problem& problem) {
  return problem.place.empty() ? problem.message
                               : fmt::format("{}: {}", problem.place, problem.message);
}

Layer read_text(std::string_view text, std::string_view name) {
  if (text.size() > limits::kConfigBytes) {
    Layer layer;
    layer.problems.push_back(
        {std::string(name), fmt::format("is larger than {} bytes.", limits::kConfigBytes)});
    return layer;
  }
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  TextReader reader(name);
  for (const std::string_view line : split(text, '\n')) reader.take(line);
  return reader.finish();
}

Layer read_environment(std::span<const std::string> variables) {
  Layer layer;
  layer.origin = Origin::Environment;
  std::map<std::string, const Key*, std::less<>> known;
  for (const Key& key : keys()) known.emplace(environment_name(key), &key);
  std::vector<std::string_view> names;
  for (const auto& [name, key] : known) names.push_back(name);
  std::vector<std::string> ours;
  for (const Section& section : sections())
    ours.push_back(environment_name({.section = section.name, .name = ""}));
  for (const std::string& variable : variables) {
    const std::size_t equals = variable.find('=');
    const std::string name = variable.substr(0, equals);
    const auto it = known.find(name);
    if (it == known.end()) {
      if (std::any_of(ours.begin(), ours.end(), [&](auto& o) { return name.starts_with(o); }))
        layer.problems.push_back(
            {shown(name), fmt::format("no key is set by this variable. {}",
                                      suggestion(name, names).substr(0, 200))});
      continue;
    }
    const std::string_view value = equals == std::string::npos
                                       ? std::string_view()
                                       : std::string_view(variable).substr(equals + 1);
    if (value.empty()) continue;  // As if it were not there: NAME= is how shells say so.
    auto text = canonical(*it->second, value);
    if (text)
      layer.entries.push_back({it->second, std::move(*text), name});
    else
      layer.problems.push_back({name, fmt::format("needs {}.", text.error().message)});
  }
  return layer;
}

void add_flag(Layer& layer, const Key& key, std::string_view text) {
  layer.origin = Origin::Flag;
  std::string whole(text);
  const auto same = [&](const Entry& entry) { return entry.key == &key; };
  const auto earlier = std::find_if(layer.entries.begin(), layer.entries.end(), same);
  const bool list = key.type == Type::Names || key.type == Type::Mapping ||
                    key.type == Type::Listen || key.type == Type::Levels;
  if (list && earlier != layer.entries.end()) whole = earlier->text + ", " + whole;
  auto value = canonical(key, whole);
  if (!value) {
    layer.problems.push_back({"", fmt::format("{} needs {}.", key.flag, value.error().message)});
    return;
  }
  if (earlier != layer.entries.end())
    earlier->text = std::move(*value);
  else
    layer.entries.push_back({&key, std::move(*value), std::string(key.flag)});
}

Result<std::string> read_file(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found)
    return fail(ErrorCode::NotFound, fmt::format("{} is not there.", path));
  if (status.type() == std::filesystem::file_type::directory)
    return fail(ErrorCode::Unavailable, fmt::format("{} is a folder, not a file.", path));
  std::ifstream in(path, std::ios::binary);
  if (!in)
    return fail(ErrorCode::Unavailable, fmt::format("{} cannot be read: {}.", path,
                                                    std::generic_category().message(errno)));
  std::string text(limits::kConfigBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > limits::kConfigBytes)
    return fail(ErrorCode::TooLarge,
                fmt::format("{} is larger than {} bytes.", path, limits::kConfigBytes));
  return text;
}

}  // namespace cloudos::config

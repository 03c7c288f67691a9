// Which of a command's verbs are meant by the options that were given.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "run.hpp"

namespace cli {
namespace {

using cloudos::ErrorCode;
using cloudos::fail;
using cloudos::Result;
namespace verbs = cloudos::verbs;

bool is_own(const verbs::Command& command, std::string_view flag) {
  return std::any_of(command.parameters.begin(), command.parameters.end(),
                     [&](const auto& p) { return !p.flag.empty() && place_name(p.flag) == flag; });
}

/// A place or option of any of the command's verbs, not one of output.
bool is_parameter(const Leaf& leaf, std::string_view flag) {
  return std::any_of(leaf.verbs.begin(), leaf.verbs.end(),
                     [&](const verbs::Command* c) { return is_own(*c, flag); });
}

bool has_required(const verbs::Command& command, const Given& given) {
  return std::all_of(command.parameters.begin(), command.parameters.end(), [&](const auto& p) {
    return !p.required || p.flag.empty() || has(given, place_name(p.flag));
  });
}

std::set<std::string_view> needed_options(const verbs::Command& command) {
  std::set<std::string_view> flags;
  for (const auto& p : command.parameters)
    if (p.required && !p.flag.empty() && !has_place(p.flag)) flags.insert(p.flag);
  return flags;
}

/// Of writes that need options the one that needs more is meant: with --inherited a role is
/// inherited, and not given on the project itself as well.
void leave_narrower(std::vector<const verbs::Command*>& chosen) {
  const auto all = chosen;
  std::erase_if(chosen, [&](const verbs::Command* one) {
    const auto flags = needed_options(*one);
    return !flags.empty() && std::any_of(all.begin(), all.end(), [&](const verbs::Command* other) {
      const auto more = needed_options(*other);
      return more.size() > flags.size() &&
             std::includes(more.begin(), more.end(), flags.begin(), flags.end());
    });
  });
}

std::string options_text(const Leaf& leaf) {
  std::string text;
  for (const verbs::Command* command : leaf.verbs)
    for (const auto& p : command->parameters)
      if (!p.flag.empty() && !has_place(p.flag) && text.find(p.flag) == text.npos)
        text += (text.empty() ? "" : ", ") + std::string(p.flag);
  return text;
}

/// A switch that only says of which services: "--compute" of `extension list`.
bool picks(const verbs::Command& command, std::string_view flag) {
  return std::any_of(command.parameters.begin(), command.parameters.end(), [&](const auto& p) {
    return p.flag == flag && p.name.empty() && !p.required && p.kind == verbs::Kind::Constant;
  });
}

/// A read knows every option given, but for those that pick others beside it.
bool knows_all(const Leaf& leaf, const verbs::Command& command, const Given& given) {
  bool is_picked = false, others_are = false;
  for (const auto& [flag, values] : given) {
    if (!is_parameter(leaf, flag)) continue;
    if (is_own(command, flag)) {
      is_picked = is_picked || picks(command, flag);
      continue;
    }
    const std::string_view other = flag;
    const bool picks_other =
        std::any_of(leaf.verbs.begin(), leaf.verbs.end(),
                    [&](const verbs::Command* each) { return picks(*each, other); });
    if (!picks_other) return false;
    others_are = true;
  }
  return is_picked || !others_are;
}

bool fits(const Leaf& leaf, const verbs::Command& command, const Given& given) {
  if (leaf.verbs.size() == 1) return true;
  if (command.verb->method == "GET") return knows_all(leaf, command, given);
  // What makes a thing comes first, whatever is done to it then.
  if (is_create(leaf) && &command == leaf.verbs[0]) return true;
  bool owns_option = false, only_places = true;
  for (const auto& p : command.parameters) only_places &= p.flag.empty() || has_place(p.flag);
  for (const auto& [flag, values] : given)
    owns_option = owns_option || (!has_place(flag) && is_own(command, flag));
  return owns_option || only_places;
}

/// Two ways to say what one verb is about.
bool does_twice(const std::vector<const verbs::Command*>& chosen) {
  for (std::size_t i = 1; i < chosen.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (chosen[i]->verb == chosen[j]->verb) return true;
  return false;
}

}  // namespace

Result<std::vector<const verbs::Command*>> chosen_verbs(const Leaf& leaf, const Given& given) {
  std::vector<const verbs::Command*> chosen;
  std::set<std::string_view> used;
  bool any_option = false;
  for (const auto& [flag, values] : given)
    any_option = any_option || (!has_place(flag) && is_parameter(leaf, flag));
  for (const verbs::Command* command : leaf.verbs) {
    if (!fits(leaf, *command, given) || !has_required(*command, given)) continue;
    chosen.push_back(command);
    for (const auto& p : command->parameters)
      if (!p.flag.empty()) used.insert(place_name(p.flag));
  }
  leave_narrower(chosen);
  if (chosen.empty() && !any_option)
    return fail(ErrorCode::InvalidArgument,
                fmt::format("nothing to do: give one of {}", options_text(leaf)));
  if (chosen.empty() || does_twice(chosen))
    return fail(ErrorCode::InvalidArgument,
                fmt::format("these options do not go together, or one is missing of {}",
                            options_text(leaf)));
  for (const auto& [flag, values] : given)
    if (is_parameter(leaf, flag) && !used.count(flag))
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("{} does not go with the other options", flag));
  // One verb that changes things must be told what.
  const verbs::Command& first = *chosen[0];
  const bool changes = first.verb->name.ends_with(".update");
  if (changes && !any_option)
    return fail(ErrorCode::InvalidArgument,
                fmt::format("nothing to change: give one of {}", options_text(leaf)));
  return chosen;
}

}  // namespace cli

#include "cloudosd/reload.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace cloudosd {

namespace config = cloudos::config;

void Reloader::add(std::string what, std::vector<std::string> sections, Apply apply) {
  parts_.push_back({std::move(what), std::move(sections), std::move(apply)});
}

bool Reloader::reload() {
  const config::Merged loaded = load_settings(invocation_, own_environment());
  const auto problems = all_problems(loaded);
  for (const config::Problem& problem : problems)
    log_.error("configuration not reloaded: " + config::to_string(problem));
  if (!problems.empty()) {
    log_.error(
        fmt::format("{} in the configuration; the one from before stays in force",
                    problems.size() == 1 ? "1 error" : fmt::format("{} errors", problems.size())));
    return false;
  }
  name_restarts(loaded.settings);
  bool all = true;
  for (const Part& part : parts_) {
    const auto applied = part.apply(loaded.settings);
    if (applied) {
      keep(part, loaded.settings);
      continue;
    }
    all = false;
    log_.error(fmt::format("{} not reloaded, what was there stays in force: {}", part.what,
                           applied.error().message));
  }
  if (all) log_.info("configuration reloaded");
  return all;
}

/// Said at every reload until the restart: a warning long ago helps nobody.
void Reloader::name_restarts(const config::Settings& next) const {
  for (const config::Key* key : config::changed_keys(now_, next)) {
    if (key->reload) continue;
    const auto value = [key](const config::Settings& settings) {
      const std::string& text = settings.of(*key).text;
      if (key->secret) return std::string("(hidden)");
      return text.empty() ? std::string("(not set)") : text;
    };
    log_.warn(fmt::format("[{}] {} needs a restart: {} stays in force, configured is {}",
                          key->section, key->name, value(now_), value(next)));
  }
}

void Reloader::keep(const Part& part, const config::Settings& next) {
  for (const config::Key& key : config::keys()) {
    const bool of_part =
        std::find(part.sections.begin(), part.sections.end(), key.section) != part.sections.end();
    if (key.reload && of_part) now_.set(key, next.of(key));
  }
}

}  // namespace cloudosd

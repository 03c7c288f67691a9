#include "config/import.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.hpp"
#include "config/oslo.hpp"
#include "config/settings.hpp"

namespace cloudos::config {
namespace {

/// Options are written with dashes too, and in any case by some tools.
std::string plain_name(std::string_view name) {
  std::string plain = fold_case(name);
  std::replace(plain.begin(), plain.end(), '-', '_');
  return plain;
}

const ImportRule* rule_for(Service service, const OsloOption& option) {
  const std::string name = plain_name(option.name);
  for (const ImportRule& rule : import_rules())
    if (rule.service == service && (rule.section == "*" || rule.section == option.section) &&
        (rule.name == "*" || rule.name == name))
      return &rule;
  return nullptr;
}

// Reasons that are put together:
// l10n: "its value is made of other options ($...): write out what it stands for"
// l10n: "[{}] {} needs {}"
// l10n: "{} already says {} otherwise: decide on one value for all services"
// l10n: "{}:{} is neither section nor option"

/// "$name" and "${name}"; a pattern's "$" at its end names nothing.
bool names_others(std::string_view value) {
  for (std::size_t at = value.find('$'); at != value.npos; at = value.find('$', at + 1)) {
    const char next = at + 1 < value.size() ? value[at + 1] : '\0';
    if (next == '{' || next == '_' || next == '$' || (next >= 'a' && next <= 'z') ||
        (next >= 'A' && next <= 'Z'))
      return true;
  }
  return false;
}

/// The key and the value that an option becomes, or why it becomes none.
struct Outcome {
  Imported imported;
  const Key* key = nullptr;
  std::string value;
};

Outcome outcome_of(const ImportFile& file, const OsloOption& option) {
  Outcome outcome;
  Imported& imported = outcome.imported;
  imported.place = fmt::format("{}:{}", file.name, option.line);
  imported.option = fmt::format("[{}] {}", option.section, option.name);
  for (char& c : imported.option)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  const ImportRule* rule = rule_for(file.service, option);
  if (!rule) return outcome;
  imported.why = rule->why;
  if (rule->target.empty()) {
    imported.fate = rule->same ? Imported::Fate::Same : Imported::Fate::NoCounterpart;
    return outcome;
  }
  imported.fate = Imported::Fate::NotUsable;
  if (names_others(option.value)) {
    imported.why = "its value is made of other options ($...): write out what it stands for";
    return outcome;
  }
  const std::size_t dot = rule->target.find('.');
  outcome.key = find_key(rule->target.substr(0, dot), rule->target.substr(dot + 1));
  const auto converted = rule->convert ? rule->convert(option.value) : option.value;
  if (!outcome.key || !converted) return outcome;
  const auto value = canonical(*outcome.key, *converted);
  if (!value) {
    imported.why = fmt::format("[{}] {} needs {}", outcome.key->section, outcome.key->name,
                               wants(*outcome.key));
    return outcome;
  }
  outcome.value = *value;
  imported.fate = Imported::Fate::Mapped;
  imported.became =
      outcome.key->secret
          ? fmt::format("[{}] {}", outcome.key->section, outcome.key->name)
          : fmt::format("[{}] {} = {}", outcome.key->section, outcome.key->name, *value);
  return outcome;
}

/// Several services say the same thing in one cloud: the first that does decides.
class Draft {
 public:
  void take(Service service, Outcome outcome, Import& result) {
    Imported& imported = outcome.imported;
    if (imported.fate == Imported::Fate::Mapped) {
      const auto [it, added] =
          chosen_.emplace(outcome.key, Choice{outcome.value, imported.place, service});
      Choice& choice = it->second;
      if (!added && choice.service == service) {
        choice.value = outcome.value;
        choice.place = imported.place;
      } else if (choice.value != outcome.value) {
        imported.fate = Imported::Fate::NotUsable;
        imported.why = fmt::format(
            "{} already says {} otherwise: decide on one value for all "
            "services",
            choice.place, outcome.key->name);
        imported.became.clear();
      }
    }
    result.options.push_back(std::move(imported));
  }

  /// Takes back what does not go together, until the rest does: a file that is refused helps
  /// nobody. Those options are to be decided, for the reason that the file would be refused for.
  void take_back(Import& result) {
    while (true) {
      Layer layer;
      layer.entries.push_back({find_key("cloud", "data_dir"), std::string(kFolder), {}});
      for (const auto& [key, choice] : chosen_)
        layer.entries.push_back({key, choice.value, choice.place});
      std::size_t taken = 0;
      for (const Problem& problem : merge(std::span(&layer, 1)).problems)
        taken += std::erase_if(chosen_, [&](const auto& entry) {
          return entry.second.place == problem.place && undo(result, problem);
        });
      if (taken == 0) return;
    }
  }

  std::string file_text() const {
    std::string out =
        "# Made from other services' files. What this file does not say is at its default; see\n"
        "# cloudos config sample. Check it by: cloudos config check --config FILE\n";
    const Key& folder = *find_key("cloud", "data_dir");
    for (const Section& section : sections()) {
      std::string lines;
      if (section.name == folder.section)
        lines =
            "# The folder that holds everything; nothing of the old services is read or changed.\n"
            "data_dir = " + std::string(kFolder) + "\n";
      for (const Key& key : keys()) {
        const auto it = chosen_.find(&key);
        if (key.section != section.name || it == chosen_.end()) continue;
        const bool quotes = it->second.value.find(" #") != std::string::npos ||
                            it->second.value.find(" ;") != std::string::npos;
        lines += fmt::format("# {}\n{} = {}{}{}\n", it->second.place, key.name, quotes ? "\"" : "",
                             it->second.value, quotes ? "\"" : "");
      }
      if (!lines.empty()) out += fmt::format("\n[{}]\n{}", section.name, lines);
    }
    return out;
  }

 private:
  static constexpr std::string_view kFolder = "/var/lib/cloudos";
  static bool undo(Import& result, const Problem& problem) {
    bool found = false;
    for (Imported& imported : result.options) {
      if (imported.place != problem.place || imported.fate != Imported::Fate::Mapped) continue;
      imported.fate = Imported::Fate::NotUsable;
      imported.why = problem.message.substr(0, problem.message.find_last_not_of('.') + 1);
      imported.became.clear();
      found = true;
    }
    return found;
  }
  struct Choice {
    std::string value, place;
    Service service;
  };
  std::map<const Key*, Choice> chosen_;
};

void append_part(std::string& out, const Import& result, Imported::Fate fate,
                 std::string_view title) {
  // By reason: many options share one.
  std::vector<std::pair<std::string, std::vector<std::string>>> parts;
  for (const Imported& imported : result.options) {
    if (imported.fate != fate) continue;
    const bool mapped = fate == Imported::Fate::Mapped;
    const std::string line =
        mapped ? fmt::format("{} {}  ->  {}", imported.place, imported.option, imported.became)
               : fmt::format("{} {}", imported.place, imported.option);
    const std::string why = mapped ? std::string() : imported.why;
    const auto same = [&](const auto& part) { return part.first == why; };
    auto it = std::find_if(parts.begin(), parts.end(), same);
    if (it == parts.end()) it = parts.insert(parts.end(), {why, {}});
    it->second.push_back(line);
  }
  if (parts.empty()) return;
  out += fmt::format("{}{}\n", out.empty() ? "" : "\n", title);
  for (const auto& [why, lines] : parts) {
    if (!why.empty()) out += fmt::format("  - {}\n", why);
    for (const std::string& line : lines)
      out += fmt::format("{}{}\n", why.empty() ? "  " : "      ", line);
  }
}

}  // namespace

std::string_view to_string(Service service) {
  switch (service) {
    case Service::Nova:
      return "nova";
    case Service::Neutron:
      return "neutron";
    case Service::Keystone:
      return "keystone";
    case Service::Glance:
      return "glance";
  }
  return "";
}

std::optional<Service> service_of_file(std::string_view file_name) {
  const std::string_view name = file_name.substr(file_name.rfind('/') + 1);
  constexpr std::pair<std::string_view, Service> kNames[] = {
      {"nova", Service::Nova},           {"neutron", Service::Neutron},
      {"ml2_conf", Service::Neutron},    {"linuxbridge", Service::Neutron},
      {"openvswitch", Service::Neutron}, {"dhcp_agent", Service::Neutron},
      {"l3_agent", Service::Neutron},    {"metadata_agent", Service::Neutron},
      {"keystone", Service::Keystone},   {"glance", Service::Glance}};
  for (const auto& [start, service] : kNames)
    if (name.starts_with(start)) return service;
  return std::nullopt;
}

Import import_files(std::span<const ImportFile> files) {
  Import result;
  Draft draft;
  for (const ImportFile& file : files) {
    const OsloFile read = read_oslo(file.text);
    for (const OsloOption& option : read.options)
      draft.take(file.service, outcome_of(file, option), result);
    for (const std::size_t line : read.bad_lines)
      result.notes.push_back(fmt::format("{}:{} is neither section nor option", file.name, line));
  }
  draft.take_back(result);
  result.file = draft.file_text();
  return result;
}

std::string report_text(const Import& result) {
  std::string out;
  append_part(out, result, Imported::Fate::Mapped, "Mapped:");
  append_part(out, result, Imported::Fate::Same, "Nothing to do, it is so anyway:");
  append_part(out, result, Imported::Fate::NotUsable, "To be decided by you:");
  append_part(out, result, Imported::Fate::NoCounterpart, "Without a counterpart:");
  append_part(out, result, Imported::Fate::Unknown, "Unknown, not looked at:");
  if (!result.notes.empty()) out += fmt::format("{}Not read:\n", out.empty() ? "" : "\n");
  for (const std::string& note : result.notes) out += fmt::format("  {}\n", note);
  const auto count = [&](Imported::Fate fate) {
    return std::count_if(result.options.begin(), result.options.end(),
                         [fate](const Imported& one) { return one.fate == fate; });
  };
  return out + fmt::format(
                   "{}{} options: {} mapped, {} so anyway, {} to be decided, {} without a "
                   "counterpart, {} unknown\n",
                   out.empty() ? "" : "\n", result.options.size(), count(Imported::Fate::Mapped),
                   count(Imported::Fate::Same), count(Imported::Fate::NotUsable),
                   count(Imported::Fate::NoCounterpart), count(Imported::Fate::Unknown));
}

}  // namespace cloudos::config

#include "tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "base/text.hpp"
#include "speech.hpp"

namespace cli {
namespace {

namespace verbs = cloudos::verbs;
using verbs::Kind;

constexpr Option kGlobal[] = {
    {"--os-cloud", "cloud of clouds.yaml to use [OS_CLOUD]", "NAME"},
    {"--os-project-name", "project to work in [OS_PROJECT_NAME]", "NAME"},
    {"--os-region-name", "region to work in [OS_REGION_NAME]", "NAME"},
    {"--os-system-scope", "all: work on the whole cloud instead of a project [OS_SYSTEM_SCOPE]",
     "SCOPE"},
    {"--local", "work on this data folder without HTTP, as its administrator", "DIR"},
    {"--simulated", "with --local, when nobody runs the folder: do the work on simulated hosts"},
    {"--no-cache", "neither read nor keep a token of an earlier login"},
    {"--help", "show this help", {}, false, false, 'h'},
};
constexpr Option kOutput[] = {
    {"--format", "table, json, yaml, csv or value [table]", "FORMAT", false, false, 'f'},
    {"--column", "column to show (repeat for more)", "COLUMN", false, true, 'c'},
};
constexpr Option kLists[] = {
    {"--sort", "order by a column, descending with :desc (repeat for more)", "COLUMN", false, true},
    {"--sort-column", "order by a column (repeat for more)", "COLUMN", false, true},
    {"--sort-ascending", "order of --sort-column: from the least on, as without it"},
    {"--sort-descending", "order of --sort-column: from the greatest on"},
    {"--long", "show more columns"},
};
constexpr Option kHops[] = {{"--long", "show more columns"}};
constexpr Option kEverywhere[] = {{"--all-projects", "servers of every project, by name"}};
constexpr Option kNoNames[] = {
    {"--no-name-lookup", "ids of images and flavors instead of names", {}, false, false, 'n'},
};
constexpr Option kCleanUp[] = {
    {"--auto-approve", "delete without asking"},
};
constexpr Option kWaits[] = {
    {"--wait", "wait until it is done; progress goes to stderr"},
    {"--timeout", "seconds to wait at most [600]", "SECONDS"},
};

constexpr Option kOrShow[] = {
    {"--or-show", "show the one that is there already instead of failing"},
};

constexpr Option kCallOptions[] = {
    {"VERB", "a verb of the table, such as servers.list_interfaces", {}, true},
    {"PARAMETERS...", "a JSON object, or NAME=VALUE"},
};
constexpr Option kVerbOptions[] = {{"WORD", "only verbs with this in their name"}};
constexpr Option kShellOptions[] = {{"SHELL", "bash, zsh or fish", {}, true}};
constexpr Option kManOptions[] = {{"PAGE", "cloudos or cloudosd [cloudos]"}};
constexpr Option kNamesOptions[] = {{"NOUN", "a noun of the table", {}, true}};
constexpr Option kHelpOptions[] = {{"WORDS...", "the beginning of commands"}};
constexpr Option kCatalogOptions[] = {{"SERVICE", "its type, name or id", {}, true}};
constexpr OwnCommand kOwn[] = {
    {"catalog show", "Shows where a service answers.", kCatalogOptions, true},
    {"call", "Does any verb by its name and prints the reply's JSON.", kCallOptions, false},
    {"complete-names", "Prints the names of things, for completion.", kNamesOptions, false},
    {"completion", "Prints the completion script of a shell.", kShellOptions, false},
    {"help", "Lists commands.", kHelpOptions, false},
    {"man", "Prints a manual page.", kManOptions, false},
    {"token issue", "Logs in and shows the token.", {}, true},
    {"verb list", "Lists every verb with its request.", kVerbOptions, true},
};

bool is_delete(const Leaf& leaf) {
  return leaf.verbs.size() == 1 && leaf.verbs[0]->verb->name.ends_with(".delete");
}
bool is_list(const Leaf& leaf) {
  return !leaf.verbs.empty() && leaf.words.ends_with(" list");
}
/// Its reply is shown.
bool prints(const Leaf& leaf) {
  if (leaf.own) return leaf.own->prints;
  return std::any_of(leaf.verbs.begin(), leaf.verbs.end(), [](const verbs::Command* c) {
    return c->verb->method == "GET" || !c->verb->reply.empty() || shows_what_went(*c->verb) ||
           c->verb->name.ends_with(".create");
  });
}

bool is_repeated(Kind kind) {
  return kind == Kind::TextList || kind == Kind::ReferenceList || kind == Kind::ObjectList ||
         kind == Kind::Members || kind == Kind::Map || kind == Kind::PairList ||
         kind == Kind::CommaLists;
}

/// What stands behind an option in its help.
std::string_view value_name(const verbs::Parameter& parameter) {
  switch (parameter.kind) {
    case Kind::Constant:
    case Kind::Mine:
    case Kind::Prompt:
      return {};
    case Kind::Json:
      return "JSON";
    case Kind::Integer:
      return "NUMBER";
    case Kind::Members:
    case Kind::Map:
      return parameter.merge == verbs::Merge::Remove ? "KEY" : "KEY=VALUE";
    case Kind::PairList:
      return "KEY=VALUE,...";
    case Kind::CommaLists:
      return "A,B,...";
    case Kind::PortRange:
      return "PORTS";
    case Kind::FileText:
    case Kind::FileBase64:
    case Kind::File:
      return "FILE";
    case Kind::Reference:
    case Kind::ReferenceIn:
    case Kind::ReferenceList:
      return "NAME_OR_ID";
    case Kind::ObjectList:
      return parameter.noun.empty() ? "NAME" : "NAME_OR_ID";
    default:
      return "TEXT";
  }
}

void append(std::vector<Option>& all, std::span<const Option> more) {
  all.insert(all.end(), more.begin(), more.end());
}

/// Commands under these words have an option of that name.
bool is_taken(std::string_view words, std::string_view flag) {
  const auto all = verbs::commands();
  return std::any_of(all.begin(), all.end(), [&](const verbs::Command& command) {
    return command.words == words &&
           std::any_of(command.parameters.begin(), command.parameters.end(),
                       [&](const auto& p) { return p.flag == flag; });
  });
}

/// Options live as long as the program; those whose names are put together are kept here.
std::string_view kept(std::string text) {
  static std::mutex mutex;
  static std::set<std::string, std::less<>> all;
  const std::lock_guard lock(mutex);
  return *all.insert(std::move(text)).first;
}

void add_verb_options(const Leaf& leaf, std::vector<Option>& all) {
  std::map<std::string_view, std::size_t> needed;  // By how many of the verbs.
  for (const verbs::Command* command : leaf.verbs) {
    for (const verbs::Parameter& parameter : command->parameters) {
      if (parameter.flag.empty()) continue;
      needed[parameter.flag] +=
          parameter.required && (!is_create(leaf) || command == leaf.verbs[0]);
      const bool known = std::any_of(all.begin(), all.end(), [&](const Option& option) {
        return option.flag == parameter.flag;
      });
      if (known) continue;
      const bool place = has_place(parameter.flag);
      all.push_back({parameter.flag, parameter.help,
                     place ? std::string_view() : value_name(parameter), false,
                     is_repeated(parameter.kind)});
    }
  }
  // What makes something is the first verb; others only follow it.
  const std::size_t all_of_them = is_create(leaf) ? 1 : leaf.verbs.size();
  for (Option& option : all) option.required = needed[option.flag] == all_of_them;
  for (const verbs::Command* command : leaf.verbs) {
    for (const verbs::Parameter& parameter : command->parameters) {
      const std::string_view flag = domain_flag(*command, parameter);
      const auto same = [&](const Option& option) { return option.flag == flag; };
      if (!flag.empty() && std::none_of(all.begin(), all.end(), same))
        all.push_back({flag, "domain in which that name is looked for", "NAME_OR_ID"});
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const Option& a, const Option& b) {
    return has_place(a.flag) && !has_place(b.flag);
  });
}

std::string option_line(const Option& option) {
  std::string left = "  ";
  if (option.shorthand) left += fmt::format("-{}, ", option.shorthand);
  left += option.flag;
  if (!option.value.empty()) left += fmt::format(" {}", option.value);
  constexpr std::size_t kColumn = 34;
  if (left.size() + 1 < kColumn)
    left.resize(kColumn, ' ');
  else
    left += "\n" + std::string(kColumn, ' ');
  return fmt::format("{}{}{}\n", left, tr(option.help), option.required ? tr(" (needed)") : "");
}

/// The first words of commands in which `word` could be meant.
std::vector<std::string_view> words_after(std::string_view prefix) {
  std::set<std::string_view> next;
  for (const Leaf& leaf : leaves()) {
    std::string_view words = leaf.words;
    if (!prefix.empty()) {
      if (!words.starts_with(prefix) || words.size() <= prefix.size() ||
          words[prefix.size()] != ' ')
        continue;
      words.remove_prefix(prefix.size() + 1);
    }
    if (leaf.words != "complete-names") next.insert(words.substr(0, words.find(' ')));
  }
  return {next.begin(), next.end()};
}

const verbs::Command* main_verb(const Leaf& leaf) {
  for (const verbs::Command* command : leaf.verbs)
    if (is_main(leaf, *command)) return command;
  return leaf.verbs.empty() ? nullptr : leaf.verbs[0];
}

bool leads_on(std::string_view words) {
  return find_leaf(words) || !words_after(words).empty();
}

}  // namespace

std::span<const OwnCommand> own_commands() {
  return kOwn;
}
std::span<const Option> global_options() {
  return kGlobal;
}

const std::vector<Leaf>& leaves() {
  static const std::vector<Leaf> kLeaves = [] {
    std::map<std::string, Leaf, std::less<>> by_words;
    for (const verbs::Command& command : verbs::commands()) {
      Leaf& leaf = by_words[std::string(command.words)];
      if (leaf.verbs.empty()) leaf.help = command.help;
      leaf.verbs.push_back(&command);
    }
    for (const AdminCommand& admin : admin_commands()) {
      Leaf& leaf = by_words[std::string(admin.words)];
      leaf.admin = &admin;
      leaf.help = admin.help;
    }
    for (const OwnCommand& own : kOwn) {
      Leaf& leaf = by_words[std::string(own.words)];
      leaf.own = &own;
      leaf.help = own.help;
    }
    std::vector<Leaf> all;
    for (auto& [words, leaf] : by_words) {
      leaf.words = words;
      if (const verbs::Command* main = main_verb(leaf)) leaf.help = main->help;
      if (leaf.verbs.size() > 1 && leaf.words.ends_with(" set"))
        // l10n: "Changes {}s."
        leaf.help = "Changes " + std::string(verbs::noun_of(*main_verb(leaf)->verb).words) + "s.";
      if (leaf.verbs.size() > 1 && leaf.words.ends_with(" unset")) leaf.help = "Takes parts away.";
      all.push_back(std::move(leaf));
    }
    return all;
  }();
  return kLeaves;
}

std::string_view domain_flag(const verbs::Command& command, const verbs::Parameter& parameter) {
  constexpr std::pair<std::string_view, std::string_view> kNouns[] = {
      {"users", "user"}, {"groups", "group"}, {"projects", "project"}, {"roles", "role"}};
  const auto noun = std::find_if(std::begin(kNouns), std::end(kNouns),
                                 [&](const auto& each) { return each.first == parameter.noun; });
  const bool refers = parameter.kind == Kind::Reference || parameter.kind == Kind::ReferenceIn ||
                      parameter.kind == Kind::ReferenceList;
  if (noun == std::end(kNouns) || !refers || parameter.flag.empty()) return {};
  const std::string_view last = command.words.substr(command.words.rfind(' ') + 1);
  const bool own = has_place(parameter.flag) && command.verb->name.starts_with(parameter.noun) &&
                   (last == "show" || last == "set" || last == "unset" || last == "delete");
  if (own && !is_taken(command.words, "--domain")) return "--domain";
  // The place's own word where it says more than what it refers to.
  const std::string_view word = parameter.flag == "TRUSTOR"   ? "trustor"
                                : parameter.flag == "TRUSTEE" ? "trustee"
                                                              : noun->second;
  const std::string_view flag =
      kept(has_place(parameter.flag) ? fmt::format("--{}-domain", word)
                                     : fmt::format("{}-domain", parameter.flag));
  return is_taken(command.words, flag) ? std::string_view() : flag;
}

bool shows_what_went(const verbs::Verb& verb) {
  return verb.name == "projects.purge" || verb.name == "projects.cleanup";
}

bool is_main(const Leaf& leaf, const verbs::Command& command) {
  return leaf.words.starts_with(std::string(verbs::noun_of(*command.verb).words) + " ");
}

bool is_create(const Leaf& leaf) {
  return !leaf.verbs.empty() && leaf.verbs[0]->verb->name.ends_with(".create");
}

bool shows_existing(const verbs::Noun& noun) {
  constexpr std::string_view kNouns[] = {"domains", "groups", "projects", "roles", "users"};
  return std::find(std::begin(kNouns), std::end(kNouns), noun.name) != std::end(kNouns);
}

const Leaf* find_leaf(std::string_view words) {
  const auto& all = leaves();
  const auto at = std::lower_bound(all.begin(), all.end(), words,
                                   [](const Leaf& l, std::string_view w) { return l.words < w; });
  return at != all.end() && at->words == words ? &*at : nullptr;
}

std::vector<Option> own_options_of(const Leaf& leaf) {
  std::vector<Option> all;
  if (leaf.own) append(all, leaf.own->options);
  if (leaf.admin)
    for (const AdminOption& option : leaf.admin->options)
      all.push_back({option.flag, option.help, has_place(option.flag) ? "" : option.value,
                     option.required, option.repeated});
  if (!leaf.verbs.empty()) add_verb_options(leaf, all);
  if (is_create(leaf) || is_delete(leaf) || leaf.words == "server reboot" ||
      leaf.words == "server start" || leaf.words == "server stop")
    append(all, kWaits);
  if (is_create(leaf) && shows_existing(verbs::noun_of(*leaf.verbs[0]->verb))) append(all, kOrShow);
  if (prints(leaf)) append(all, kOutput);
  if (prints(leaf) && (is_list(leaf) || leaf.words == "verb list")) append(all, kLists);
  if (leaf.words == "network trace") append(all, kHops);
  if (leaf.words == "server delete" || leaf.words == "server start" || leaf.words == "server stop")
    append(all, kEverywhere);
  if (leaf.words == "server list") append(all, kNoNames);
  if (leaf.words == "project cleanup") append(all, kCleanUp);
  return all;
}

std::vector<Option> options_of(const Leaf& leaf) {
  std::vector<Option> all = own_options_of(leaf);
  for (const Option& option : kGlobal) {
    const bool taken =
        std::any_of(all.begin(), all.end(), [&](const Option& o) { return o.flag == option.flag; });
    if (!taken) all.push_back(option);
  }
  return all;
}

std::string usage_of(const Leaf& leaf) {
  std::string text = "cloudos " + leaf.words;
  bool more = false;
  for (const Option& option : own_options_of(leaf)) {
    if (has_place(option.flag))
      text += option.required ? fmt::format(" {}", option.flag) : fmt::format(" [{}]", option.flag);
    else if (option.required)
      text += fmt::format(" {} {}", option.flag, option.value);
    else
      more = true;
  }
  return text + (more ? " [options]" : "");
}

std::string help_of(const Leaf& leaf) {
  std::string text = fmt::format("{}\n\n{} {}\n", tr(leaf.help), tr("Usage:"), usage_of(leaf));
  const auto options = own_options_of(leaf);
  if (!options.empty()) text += "\n";
  for (const Option& option : options) text += option_line(option);
  text += "\n" + tr("Of every command:") + "\n";
  for (const Option& option : kGlobal) text += option_line(option);
  return text;
}

std::string help_of_group(std::string_view words) {
  std::string text;
  if (words.empty())
    text = fmt::format("{}\n\n{} cloudos [options] COMMAND ...\n\n",
                       tr("cloudos: the command line of a cloud."), tr("Usage:"));
  for (const Leaf& leaf : leaves()) {
    if (leaf.words == "complete-names") continue;
    if (!words.empty() && leaf.words != words && !leaf.words.starts_with(std::string(words) + " "))
      continue;
    text += fmt::format("  {:<32}{}{}\n", leaf.words,
                        leaf.words.size() < 32 ? "" : "\n" + std::string(34, ' '), tr(leaf.help));
  }
  if (!words.empty()) return text;
  text += "\n" + tr("Of every command:") + "\n";
  for (const Option& option : kGlobal) text += option_line(option);
  return text + "\n" +
         tr("Exit codes: 0 done; 1 the cloud refused; 2 usage; 3 no cloud or login; 4 no such "
            "thing.") +
         "\n";
}

Resolved resolve(std::span<const std::string> arguments) {
  Resolved out;
  bool done = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (!done && word.starts_with("-")) {
      out.rest.push_back(word);
      for (const Option& option : kGlobal)
        if (option.flag == word && !option.value.empty() && i + 1 < arguments.size())
          out.rest.push_back(arguments[++i]);
      // What an option of the command takes is not known before the command is.
      if (!out.words.empty()) done = true;
      continue;
    }
    const std::string longer = out.words.empty() ? word : out.words + " " + word;
    if (!done && leads_on(longer)) {
      out.words = longer;
      done = find_leaf(longer) != nullptr;
      continue;
    }
    done = true;
    out.rest.push_back(word);
  }
  out.leaf = find_leaf(out.words);
  return out;
}

std::string no_such_command(const Resolved& resolved) {
  std::string wrong;
  for (const std::string& word : resolved.rest)
    if (!word.starts_with("-") && wrong.empty()) wrong = word;
  const auto next = words_after(resolved.words);
  const std::string start = resolved.words.empty() ? "cloudos" : "cloudos " + resolved.words;
  if (wrong.empty()) {
    std::string list;
    for (const auto& word : next) list += (list.empty() ? "" : ", ") + std::string(word);
    // l10n: "{} needs one of: {}"
    return fmt::format("{} needs one of: {}", start, list);
  }
  std::string_view near = cloudos::verbs::nearest_of(wrong, next);
  // "volum list" or "sever list": one of another group may be meant.
  if (!near.empty())
    // l10n: "there is no '{} {}'; is it '{} {}'?"
    return fmt::format("there is no '{} {}'; is it '{} {}'?", start, wrong, start, near);
  // l10n: "there is no '{} {}'; see '{} --help'"
  return fmt::format("there is no '{} {}'; see '{} --help'", start, wrong, start);
}

}  // namespace cli

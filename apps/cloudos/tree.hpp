#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "admin.hpp"
#include "args.hpp"
#include "verbs/commands.hpp"

/// Every command there is, of verbs, of folders and files, and of this program itself; found by its
/// words, described by its options. What parsing, help, completion and man pages are made from.
namespace cli {

/// What no verb does: the words and what they need.
struct OwnCommand {
  std::string_view words, help;
  std::span<const Option> options;
  bool prints = false;  ///< Takes the options of output.
};
std::span<const OwnCommand> own_commands();

/// A command under its words: exactly one of the three.
struct Leaf {
  std::string words, help;
  std::vector<const cloudos::verbs::Command*> verbs;
  const AdminCommand* admin = nullptr;
  const OwnCommand* own = nullptr;
};

/// Sorted by words.
const std::vector<Leaf>& leaves();
const Leaf* find_leaf(std::string_view words);

/// The option that says in which domain a name given for this parameter is looked for: "--domain"
/// of what is shown, set or deleted, else "--project-domain" beside "--project". Empty: there is
/// none, as names of that noun are not in domains, or the option is taken.
std::string_view domain_flag(const cloudos::verbs::Command& command,
                             const cloudos::verbs::Parameter& parameter);

/// The command is called after this verb's noun: of "user list" the one that lists users, not the
/// one that lists a group's.
bool is_main(const Leaf& leaf, const cloudos::verbs::Command& command);
/// Empties a project, and lists what it deleted.
bool shows_what_went(const cloudos::verbs::Verb& verb);
/// It makes something; more may be done to what it made: tags, properties.
bool is_create(const Leaf& leaf);
/// Making one of these takes --or-show: their names are unique within their domain.
bool shows_existing(const cloudos::verbs::Noun& noun);

/// Options that every command takes.
std::span<const Option> global_options();
/// All that a command takes: its places, its own options, those of output and waiting, global ones.
std::vector<Option> options_of(const Leaf& leaf);
/// The same without the global ones.
std::vector<Option> own_options_of(const Leaf& leaf);

/// "cloudos server create NAME --flavor FLAVOR [options]"
std::string usage_of(const Leaf& leaf);
std::string help_of(const Leaf& leaf);
/// The commands whose words begin so; of everything when empty.
std::string help_of_group(std::string_view words);

struct Resolved {
  const Leaf* leaf = nullptr;     ///< Null: `words` is a group, or nothing.
  std::string words;              ///< As far as they lead somewhere.
  std::vector<std::string> rest;  ///< All other arguments in order.
};
Resolved resolve(std::span<const std::string> arguments);
/// What to say when words lead nowhere: the nearest command, or what may follow.
std::string no_such_command(const Resolved& resolved);

}  // namespace cli

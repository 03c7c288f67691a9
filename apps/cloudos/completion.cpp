#include <fmt/format.h>

#include <map>
#include <set>

#include "shell.hpp"
#include "speech.hpp"

// Scripts for shells: static texts from the table of commands. Names of things are asked for only
// when the value of an option, or a place, refers to one.
namespace cli {
namespace {

using cloudos::ErrorCode;
using cloudos::fail;
using cloudos::Result;
namespace verbs = cloudos::verbs;

std::vector<const Leaf*> shown_leaves() {
  std::vector<const Leaf*> all;
  for (const Leaf& leaf : leaves())
    if (leaf.words != "complete-names") all.push_back(&leaf);
  return all;
}

/// What may follow each beginning: "server" -> create, list, ...
std::map<std::string, std::set<std::string>> next_words() {
  std::map<std::string, std::set<std::string>> next;
  for (const Leaf* leaf : shown_leaves()) {
    std::string before;
    std::string_view rest = leaf->words;
    while (!rest.empty()) {
      const auto end = rest.find(' ');
      const std::string word(rest.substr(0, end));
      next[before].insert(word);
      before += (before.empty() ? "" : " ") + word;
      rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
    }
  }
  return next;
}

/// "server", "server create", ...: each command's words, and what they begin with.
std::set<std::string> beginnings() {
  std::set<std::string> all;
  for (const Leaf* leaf : shown_leaves()) {
    const std::string words(leaf->words);
    for (auto end = words.find(' '); end != words.npos; end = words.find(' ', end + 1))
      all.insert(words.substr(0, end));
    all.insert(words);
  }
  return all;
}

/// The noun that a flag of the command refers to; of places the first. Empty: none.
std::string noun_of_flag(const Leaf& leaf, std::string_view flag) {
  for (const verbs::Command* command : leaf.verbs)
    for (const auto& p : command->parameters)
      if (!p.noun.empty() && (flag.empty() ? has_place(p.flag) && !p.flag.empty() : p.flag == flag))
        return std::string(p.noun);
  return flag.ends_with("-domain") || flag == "--domain" ? "domains" : "";
}

std::string flags_of(const Leaf& leaf) {
  std::string text;
  for (const Option& option : options_of(leaf))
    if (!has_place(option.flag)) text += (text.empty() ? "" : " ") + std::string(option.flag);
  return text;
}

/// Flags that take a value.
std::string valued_flags(const Leaf& leaf) {
  std::string text;
  for (const Option& option : options_of(leaf))
    if (!has_place(option.flag) && !option.value.empty())
      text += (text.empty() ? "" : " ") + std::string(option.flag);
  return text;
}

std::string joined(const std::set<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

/// What both bash and zsh read: the table as functions of `case`.
std::string table_functions() {
  std::string out = "_cloudos_next() {\n  case \"$1\" in\n";
  for (const auto& [before, next] : next_words())
    out += fmt::format("    \"{}\") printf '%s' \"{}\" ;;\n", before, joined(next));
  out += "  esac\n}\n_cloudos_flags() {\n  case \"$1\" in\n";
  for (const Leaf* leaf : shown_leaves())
    out += fmt::format("    \"{}\") printf '%s' \"{}\" ;;\n", leaf->words, flags_of(*leaf));
  out += "  esac\n}\n_cloudos_valued() {\n  case \"$1\" in\n";
  for (const Leaf* leaf : shown_leaves())
    out += fmt::format("    \"{}\") printf '%s' \"{}\" ;;\n", leaf->words, valued_flags(*leaf));
  // "words|flag" to the noun whose names complete it; without a flag, the command's places.
  out += "  esac\n}\n_cloudos_noun() {\n  case \"$1\" in\n";
  for (const Leaf* leaf : shown_leaves()) {
    if (const std::string noun = noun_of_flag(*leaf, ""); !noun.empty())
      out += fmt::format("    \"{}|\") printf '%s' {} ;;\n", leaf->words, noun);
    for (const Option& option : own_options_of(*leaf)) {
      if (has_place(option.flag)) continue;
      if (const std::string noun = noun_of_flag(*leaf, option.flag); !noun.empty())
        out += fmt::format("    \"{}|{}\") printf '%s' {} ;;\n", leaf->words, option.flag, noun);
    }
  }
  return out + "  esac\n}\n";
}

constexpr std::string_view kBashEnd = R"sh(_cloudos() {
  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}"
  local words="" next word i pick="" noun
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="${COMP_WORDS[i]}"
    next=" $(_cloudos_next "$words") "
    [[ "$next" == *" $word "* ]] && words="${words:+$words }$word"
  done
  COMPREPLY=()
  if [[ "$prev" == -f || "$prev" == --format ]]; then
    pick="table json yaml csv value"
  elif [[ " $(_cloudos_valued "$words") " == *" $prev "* ]]; then
    noun="$(_cloudos_noun "$words|$prev")"
    [[ -z "$noun" ]] && { compopt -o default 2>/dev/null; return; }
  elif [[ "$cur" == -* ]]; then
    pick="$(_cloudos_flags "$words")"
  else
    pick="$(_cloudos_next "$words")"
    [[ -z "$pick" ]] && noun="$(_cloudos_noun "$words|")"
  fi
  local IFS=$' \t\n'
  if [[ -n "$noun" ]]; then
    IFS=$'\n'
    pick="$(cloudos complete-names "$noun" 2>/dev/null)"
  fi
  # Names are data: nothing in them is expanded.
  while IFS= read -r word; do
    [[ -n "$word" && "$word" == "$cur"* ]] && COMPREPLY+=("$(printf '%q' "$word")")
  done < <(if [[ -n "$noun" ]]; then printf '%s\n' "$pick"; else printf '%s\n' $pick; fi)
}
complete -F _cloudos cloudos
)sh";

constexpr std::string_view kZshEnd = R"sh(_cloudos() {
  local cur="${words[CURRENT]}" prev="${words[CURRENT-1]}"
  local path_words="" next word noun="" i
  local -a pick
  for ((i = 2; i < CURRENT; i++)); do
    word="${words[i]}"
    next=" $(_cloudos_next "$path_words") "
    [[ "$next" == *" $word "* ]] && path_words="${path_words:+$path_words }$word"
  done
  if [[ "$prev" == -f || "$prev" == --format ]]; then
    pick=(table json yaml csv value)
  elif [[ " $(_cloudos_valued "$path_words") " == *" $prev "* ]]; then
    noun="$(_cloudos_noun "$path_words|$prev")"
    [[ -z "$noun" ]] && { _files; return }
  elif [[ "$cur" == -* ]]; then
    pick=(${=$(_cloudos_flags "$path_words")})
  else
    pick=(${=$(_cloudos_next "$path_words")})
    (( ${#pick} )) || noun="$(_cloudos_noun "$path_words|")"
  fi
  [[ -n "$noun" ]] && pick=("${(@f)$(cloudos complete-names "$noun" 2>/dev/null)}")
  compadd -a pick
}
# Read as a whole when it is first asked for, or by a .zshrc.
if [[ "${funcstack[1]}" == _cloudos ]]; then _cloudos "$@"; else compdef _cloudos cloudos; fi
)sh";

std::string fish_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

std::string fish_script() {
  std::string out =
      "# Completion of cloudos for fish.\n"
      "set -g __cloudos_beginnings";
  // Only these are words of a command: the others are options, their values, and places.
  for (const std::string& beginning : beginnings()) out += " " + fish_quoted(beginning);
  out +=
      "\n"
      "function __cloudos_words\n"
      "  set -l words ''\n"
      "  for word in (commandline -opc)[2..-1]\n"
      "    set -l next (string trim -- \"$words $word\")\n"
      "    contains -- $next $__cloudos_beginnings; and set words $next\n"
      "  end\n"
      "  echo $words\n"
      "end\n"
      "function __cloudos_after\n"
      "  set -l words (__cloudos_words)\n"
      "  test \"$words\" = \"$argv[1]\"\n"
      "end\n"
      "function __cloudos_in\n"
      "  set -l words (__cloudos_words)\n"
      "  test \"$words\" = \"$argv[1]\"; or string match -q -- \"$argv[1] *\" \"$words\"\n"
      "end\n"
      "complete -c cloudos -f\n";
  for (const auto& [before, next] : next_words())
    out += fmt::format("complete -c cloudos -n \"__cloudos_after {}\" -a {}\n", fish_quoted(before),
                       fish_quoted(joined(next)));
  for (const Leaf* leaf : shown_leaves()) {
    const std::string when =
        fmt::format("complete -c cloudos -n \"__cloudos_in {}\"", fish_quoted(leaf->words));
    for (const Option& option : own_options_of(*leaf)) {
      if (has_place(option.flag)) continue;
      out += fmt::format("{} -l {}", when, option.flag.substr(2));
      if (option.shorthand) out += fmt::format(" -s {}", option.shorthand);
      if (!option.value.empty()) out += option.value == "FILE" ? " -r -F" : " -x";
      if (const auto noun = noun_of_flag(*leaf, option.flag); !noun.empty())
        out += fmt::format(" -a '(cloudos complete-names {} 2>/dev/null)'", noun);
      if (option.flag == "--format") out += " -a 'table json yaml csv value'";
      out += fmt::format(" -d {}\n", fish_quoted(tr(option.help)));
    }
    if (const auto noun = noun_of_flag(*leaf, ""); !noun.empty())
      out += fmt::format("{} -a '(cloudos complete-names {} 2>/dev/null)'\n", when, noun);
  }
  return out;
}

}  // namespace

Result<std::string> completion_script(const std::string& shell) {
  if (shell == "bash")
    return "# Completion of cloudos for bash.\n" + table_functions() + std::string(kBashEnd);
  if (shell == "zsh")
    return "#compdef cloudos\n# Completion of cloudos for zsh.\n" + table_functions() +
           std::string(kZshEnd);
  if (shell == "fish") return fish_script();
  return fail(ErrorCode::InvalidArgument,
              fmt::format("'{}' is no shell that is known: bash, zsh or fish.", shell));
}

}  // namespace cli

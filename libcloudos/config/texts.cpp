#include <fmt/format.h>

#include "config/settings.hpp"

/// What the table says to people: the sample file, the effective view, the help.
namespace cloudos::config {
namespace {

constexpr std::size_t kColumns = 96;

/// The words in lines of at most `width`, each behind `lead`.
std::string wrapped(std::string_view text, std::string_view lead, std::size_t width) {
  std::string out, line;
  const auto flush = [&] {
    if (!line.empty()) out += fmt::format("{}{}\n", lead, line);
    line.clear();
  };
  while (!text.empty()) {
    const std::size_t cut = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, cut);
    text.remove_prefix(std::min(cut + 1, text.size()));
    if (word.empty()) continue;
    if (!line.empty() && line.size() + 1 + word.size() > width) flush();
    line += (line.empty() ? "" : " ") + std::string(word);
  }
  flush();
  return out;
}

std::string sentence(std::string_view help) {
  std::string text(help);
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z')
    text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text + ".";
}

/// "A number from 1 to 64. Flag --io-threads; CLOUDOS_SERVER_IO_THREADS. Needs a restart."
std::string facts(const Key& key) {
  std::string text = key.choices.empty() ? sentence(wants(key)) : wants(key) + ".";
  text += key.flag.empty() ? fmt::format(" {}.", environment_name(key))
                           : fmt::format(" Flag {}; {}.", key.flag, environment_name(key));
  return text + (key.reload ? " Applied by a reload." : " Needs a restart.");
}

std::string file_text(const std::string& text) {
  const bool quotes = text.find(" #") != text.npos || text.find(" ;") != text.npos;
  return quotes ? fmt::format("\"{}\"", text) : text;
}

}  // namespace

std::string sample_text() {
  std::string out =
      "# The configuration of cloudosd. Every key is here with its default; what is set in the\n"
      "# environment weighs more than this file, and flags weigh more than both. Comments stand "
      "on\n"
      "# lines of their own. Check it by: cloudos config check --config FILE\n";
  for (const Section& section : sections()) {
    out += fmt::format("\n# {}\n[{}]\n", section.help, section.name);
    for (const Key& key : keys()) {
      if (key.section != section.name) continue;
      out +=
          "\n" +
          wrapped(begins_with_value(key) ? std::string(key.help) + "." : sentence(key.help), "# ",
                  kColumns) +
          wrapped(facts(key), "# ", kColumns);
      out += key.fallback.empty() ? fmt::format("#{} =\n", key.name)
                                  : fmt::format("#{} = {}\n", key.name, key.fallback);
    }
  }
  return out;
}

bool begins_with_value(const Key& key) {
  std::string_view word = key.help.substr(0, key.help.find(' '));
  while (word.ends_with(',') || word.ends_with(':')) word.remove_suffix(1);
  if (word.find(':') != word.npos) return true;
  const auto at = key.choices.find(word);
  return !key.choices.empty() && at != key.choices.npos;
}

std::string effective_text(const Settings& settings, bool all) {
  std::string out;
  for (const Section& section : sections()) {
    std::string lines;
    for (const Key& key : keys()) {
      const Settings::Value& value = settings.of(key);
      if (key.section != section.name || (!all && value.origin == Origin::Default)) continue;
      lines += fmt::format("# {}\n", value.origin == Origin::Default ? "default" : value.place);
      if (value.text.empty())
        lines += fmt::format("#{} =\n", key.name);
      else if (key.secret)
        lines += fmt::format("#{} = (hidden)\n", key.name);
      else
        lines += fmt::format("{} = {}\n", key.name, file_text(value.text));
    }
    if (!lines.empty())
      out += fmt::format("{}[{}]\n{}", out.empty() ? "" : "\n", section.name, lines);
  }
  return out;
}

std::string flags_help() {
  std::string out;
  constexpr std::size_t kIndent = 30;
  for (const Key& key : keys()) {
    if (key.flag.empty()) continue;
    std::string help(key.help);
    if (!key.choices.empty()) help = fmt::format("{}: {}", key.choices, help);
    if (!key.fallback.empty()) help += fmt::format(" [{}]", key.fallback);
    const std::string lead(kIndent, ' ');
    std::string rows = wrapped(help, lead, kColumns - kIndent);
    const std::string flag = fmt::format("  {} {} ", key.flag, key.word);
    rows.replace(0, std::min(flag.size(), kIndent), flag.substr(0, kIndent));
    out += flag.size() > kIndent ? flag + "\n" + wrapped(help, lead, kColumns - kIndent) : rows;
  }
  return out;
}

}  // namespace cloudos::config

#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/key.hpp"

/// Where values come from, in rising order of weight: default, file, environment, flags.
namespace cloudos::config {

enum class Origin : std::uint8_t { Default, File, Environment, Flag };

/// Something wrong, for whoever wrote it: every one is told, not only the first.
struct Problem {
  std::string place;    ///< "cloudos.conf:12", "CLOUDOS_LOG_LEVEL", "--log-level", or empty.
  std::string message;  ///< One sentence that says what to do. Never shows a secret's value.
};
/// "cloudos.conf:12: ..."
std::string to_string(const Problem& problem);

struct Entry {
  const Key* key = nullptr;
  std::string text;   ///< Canonical.
  std::string place;  ///< As in Problem.
};

/// What one source says.
struct Layer {
  Origin origin = Origin::File;
  std::vector<Entry> entries;
  std::vector<Problem> problems;
};

/// A file's text: [section] and key = value, comments behind # or ; on lines of their own, a value
/// that holds " #" in double quotes. `name` is what problems call the file; relative paths are
/// taken from its folder. Pure.
Layer read_text(std::string_view text, std::string_view name);

/// Those of "NAME=value" that are named CLOUDOS_<SECTION>_<KEY>. A section of ours with a key that
/// is not is a problem; other variables are nobody's. Pure.
Layer read_environment(std::span<const std::string> variables);

/// Adds what a flag says to a layer of flags; again adds to lists and replaces other values.
void add_flag(Layer& layer, const Key& key, std::string_view text);

/// The file's text. Errors: NotFound, Unavailable (not readable), TooLarge (kConfigBytes).
Result<std::string> read_file(const std::string& path);

/// The file that is read without --config, when it is there.
inline constexpr std::string_view kDefaultFile = "/etc/cloudos/cloudos.conf";

/// Every key with its value and where that came from.
class Settings {
 public:
  Settings();  ///< The defaults.
  struct Value {
    std::string text;  ///< Canonical; empty: not set.
    Origin origin = Origin::Default;
    std::string place;  ///< Empty for defaults.
  };
  /// The key must be one of keys().
  const Value& of(const Key& key) const;
  const Value& of(std::string_view section, std::string_view name) const;
  const std::string& text(std::string_view section, std::string_view name) const {
    return of(section, name).text;
  }
  bool given(std::string_view section, std::string_view name) const {
    return of(section, name).origin != Origin::Default;
  }
  /// Of Count, Bytes (bytes) and Seconds (seconds); 0 when it is not set.
  std::uint64_t number(std::string_view section, std::string_view name) const;
  bool yes(std::string_view section, std::string_view name) const {
    return text(section, name) == "yes";
  }
  std::vector<std::string> list(std::string_view section, std::string_view name) const {
    return list_of(text(section, name));
  }
  std::map<std::string, std::string> mapping(std::string_view section, std::string_view name) const;

  void set(const Key& key, Value value);

 private:
  std::vector<Value> values_;  // By the place in keys().
};

struct Merged {
  Settings settings;
  std::vector<Problem> problems;  ///< Of the layers, and of values that do not go together.
};
/// Later layers win. Pure.
Merged merge(std::span<const Layer> layers);

/// The keys whose values differ.
std::vector<const Key*> changed_keys(const Settings& before, const Settings& after);

/// The commented file with every key at its default.
std::string sample_text();
/// The settings as a file, with where each came from; secrets are hidden. Without `all` only what
/// is not a default.
std::string effective_text(const Settings& settings, bool all);
/// Its help begins with a word of the file, whose letters stay as they are.
bool begins_with_value(const Key& key);
/// The rows of --help for the flags of the table.
std::string flags_help();

}  // namespace cloudos::config

#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cloudos/result.hpp"

/// What can be configured. One table; the file's grammar, the environment's names, the flags, the
/// help, the sample file and the checks are all made from it.
namespace cloudos::config {

enum class Type : std::uint8_t {
  Text,
  Path,     ///< In a file: relative to the file's folder.
  Url,      ///< http:// or https://
  Uri,      ///< scheme:anything
  Count,    ///< A number from `least` to `most`.
  Bytes,    ///< A number with KiB, MiB, GiB or TiB, `least` to `most` bytes.
  Seconds,  ///< A number with s, m, h or d, `least` to `most` seconds.
  Choice,   ///< One of `choices`.
  Switch,   ///< yes or no.
  Names,    ///< a, b, c
  Mapping,  ///< name:value, name:value
  Listen,   ///< ADDRESS:PORT, [ADDRESS]:PORT, ...; http:// or https:// may stand before each
  Levels,   ///< level, room=level, room=level
};

struct Key {
  std::string_view section;
  std::string_view name;
  Type type = Type::Text;
  std::string_view fallback;   ///< As a file would say it; empty: none.
  std::string_view help;       ///< What it does, without a full stop; not what the fields here say.
  std::string_view flag{};     ///< "--virt-type", when the command line has one.
  std::string_view word{};     ///< What stands behind the flag in the help: "TYPE".
  std::string_view choices{};  ///< "auto, kvm or qemu"
  std::uint64_t least = 0;
  std::uint64_t most = 0;
  bool reload = false;  ///< SIGHUP applies a change; else it needs a restart.
  bool secret = false;  ///< Never shown, never logged.
};

struct Section {
  std::string_view name;
  std::string_view help;
};

/// In the order of the sample file; the keys of a section stand together.
std::span<const Key> keys();
std::span<const Section> sections();

const Key* find_key(std::string_view section, std::string_view name);
const Key* find_flag(std::string_view flag);
bool is_section(std::string_view name);
/// CLOUDOS_<SECTION>_<KEY>
std::string environment_name(const Key& key);
/// "a number from 1 to 256"
std::string wants(const Key& key);
/// The one way to write the value: blanks and case folded, numbers plain. Pure.
/// Errors: InvalidArgument; the message is what it wants instead, as in "needs ...".
Result<std::string> canonical(const Key& key, std::string_view text);

/// The candidate that `word` was most likely meant to be; empty when none is near.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

/// The parts of a canonical Names, Mapping, Listen or Levels.
std::vector<std::string> list_of(std::string_view canonical_text);
/// "name:value" at its first colon; the value is empty when there is none.
std::pair<std::string_view, std::string_view> pair_of(std::string_view item);

struct Endpoint {
  std::string address;
  std::uint16_t port = 0;
  std::optional<bool> tls;  ///< By its http:// or https://; nothing: what the certificate says.
};
/// An item of Listen. Errors: InvalidArgument.
Result<Endpoint> parse_endpoint(std::string_view text);

}  // namespace cloudos::config

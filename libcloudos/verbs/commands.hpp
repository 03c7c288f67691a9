#pragma once
#include <cstdint>
#include <span>
#include <string_view>

#include "verbs/verbs.hpp"

/// The verbs as commands: what people type, and what they are shown.
namespace cloudos::verbs {

/// How a value looks in tables, in CSV and as a plain value; JSON and YAML show most as they are.
enum class Look : std::uint8_t {
  Plain,
  Addresses,  ///< {"net": [{"addr": …}]}
  NameOf,     ///< The `member` of one of `noun`, which is there by its id.
  Size,       ///< Bytes, with a unit in tables.
  PortRange,  ///< port_range_min and port_range_max as "80:443".
  Endpoints,  ///< A catalogue entry's list, one in each line.
  Named,      ///< {"id": …, "name": …, "domain": {…}}: "name@domain", else the id.
  Pairs,      ///< An object as key='value', …
  State,      ///< true: "UP" or "available"; false: "DOWN" or "not available".
};

struct Column {
  std::string_view title;
  std::string_view field;  ///< A member, or a path to one with dots.
  Look look = Look::Plain;
  std::string_view noun = {};  ///< Look::NameOf: whose.
  std::string_view member = "name";
  bool with_long = false;   ///< Only with --long.
  bool not_long = false;    ///< Only without it.
};

struct Noun {
  std::string_view name;     ///< "servers": what verbs' names begin with.
  std::string_view words;    ///< "server"
  std::string_view service;  ///< Catalog type: "compute".
  std::span<const Column> columns;
  std::string_view key = "id";               ///< Member that its paths end with.
  std::string_view label = "name";           ///< Member that people know it by.
  std::string_view filter = {};              ///< Query parameter that finds it by label.
  std::string_view ready = {}, broken = {};  ///< Statuses that end waiting.
};

std::span<const Noun> nouns();
const Noun* find_noun(std::string_view name);
/// The noun of a verb: "servers" of "servers.start".
const Noun& noun_of(const Verb& verb);

/// One verb under the words that people type. Those with the same words make up one command: of
/// reads those run that know every option given, of writes those that own one of them.
struct Command {
  std::string_view words;
  const Verb* verb = nullptr;
  std::string_view help;
  std::span<const Parameter> parameters;
};

/// Sorted by words.
std::span<const Command> commands();

/// Catalog type and where its paths begin in this program: {"compute", "/compute/v2.1"}.
struct ServicePath {
  std::string_view service, path;
};
std::span<const ServicePath> service_paths();

}  // namespace cloudos::verbs

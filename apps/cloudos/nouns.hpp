#pragma once
#include <span>
#include <string_view>

/// What the commands are about: one table gives every noun its paths, columns and options.
namespace cli {

/// How an option's text becomes a member of the request.
enum class Kind {
  Text,
  Integer,
  TextOrNone,  ///< "none" becomes null.
  Constant,    ///< No value: `extra`, which is JSON, is set.
  TextList,    ///< May be repeated.
  Reference,   ///< A name or id of `noun`: its id is set.
  ReferenceList,
  ObjectList,  ///< {extra: text}; with a `noun`, {extra: id}.
  Members,     ///< key=value: a member of the body itself.
  Map,         ///< key=value: a member of the object `field`.
  PairList,    ///< "a=x,b=y" as {"a": "x", "b": "y"}; `extra` renames: "subnet:subnet_id".
  PortRange,   ///< "22" or "80:443": port_range_min and port_range_max.
  FileText,    ///< The file's text.
  FileBase64,
  FileUpload,  ///< Not in the body: sent behind it.
};

struct OptionSpec {
  std::string_view flag;  ///< "--image"
  Kind kind;
  std::string_view field;
  std::string_view help;
  std::string_view extra = {};
  std::string_view noun = {};
  bool required = false;
};

/// How a value looks in tables and as plain values; JSON output shows it as it is.
enum class Look { Plain, Addresses, NameOf, Size };

struct Column {
  std::string_view title;
  std::string_view field;
  Look look = Look::Plain;
  std::string_view noun = {};  ///< Look::NameOf: whose.
};

struct Noun {
  std::string_view words;    ///< "security group rule"
  std::string_view service;  ///< Catalog type.
  std::string_view path;     ///< "/servers", behind the service's version.
  std::string_view list_path;
  std::string_view single, plural;  ///< Wrapper members; no `single`: bare bodies.
  std::span<const Column> columns;  ///< Of lists; show has every member.
  std::span<const OptionSpec> options;
  std::string_view subject = "NAME";  ///< The word behind `create`.
  std::string_view subject_field = "name";
  std::string_view subject_noun = {};        ///< The subject is a reference to one of these.
  std::string_view key = "id";               ///< What its own path ends with.
  std::string_view ready = {}, broken = {};  ///< Statuses that end --wait.
};

std::span<const Noun> all_nouns();
const Noun& noun_of(std::string_view words);

}  // namespace cli

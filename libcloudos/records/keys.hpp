#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/clock.hpp"

/// The layout of keys, in one place:
///   /<kind>/<id>                                   the record
///   /ux/<kind>/<field>/<scope>/<value>             -> id; one record at most has the value
///   /ix/<kind>/<field>/<value>/<id>                -> empty; listed by creation (ids sort by time)
namespace cloudos::records {

/// A value as part of a key: separators and bytes outside printable ASCII are escaped; over
/// limits::kKeyValueBytes a prefix plus a SHA-256, so that different values stay different.
std::string key_part(std::string_view value);
/// Order-preserving: numbers compare as text as they compare as numbers.
std::string key_number(std::uint64_t value);

std::string record_key(std::string_view kind, std::string_view id);
std::string record_prefix(std::string_view kind);
std::string unique_key(std::string_view kind, std::string_view field, std::string_view scope,
                       std::string_view value);
std::string index_prefix(std::string_view kind, std::string_view field, std::string_view value);
std::string index_key(std::string_view kind, std::string_view field, std::string_view value,
                      std::string_view id);
/// Everything a field's index holds, whatever the value.
std::string index_root(std::string_view kind, std::string_view field);

/// Collects what a record contributes beside itself. A record type declares
///   void keys(records::Keys& k, const Port& p) {
///     k.unique("mac", p.network.value, p.mac);
///     k.index("network", p.network.value);
///   }
class Keys {
 public:
  struct Unique {
    std::string key;
    std::string field, value;  ///< For the message when it is taken.
    friend auto operator<=>(const Unique& a, const Unique& b) { return a.key <=> b.key; }
    friend bool operator==(const Unique& a, const Unique& b) { return a.key == b.key; }
  };
  Keys(std::string_view kind, std::string_view id) : kind_(kind), id_(id) {}

  /// One record of this kind at most has `value` for `field` within `scope`.
  void unique(std::string_view field, std::string_view scope, std::string_view value);
  /// Lists of records by `field` find this one under `value`.
  void index(std::string_view field, std::string_view value);

  std::vector<Unique> uniques;       ///< Sorted by finish().
  std::vector<std::string> indexes;  ///< Sorted by finish().
  void finish();

 private:
  std::string_view kind_, id_;
};

}  // namespace cloudos::records

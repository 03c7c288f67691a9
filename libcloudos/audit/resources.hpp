#pragma once
#include <cstdint>
#include <span>
#include <string_view>

/// Which records are things that users know: a change of one is an event.
namespace cloudos::audit {

/// A field that is told with every event of a kind.
struct Attached {
  std::string_view name;
  std::uint32_t field = 0;
  bool list = false;           ///< A change also tells what came and what went.
};

struct Resource {
  std::string_view kind;      ///< The first part of its records' keys.
  std::string_view type_uri;  ///< In CADF documents.
  std::uint32_t name = 0;     ///< The number of the field that holds its name; 0: it has none.
  std::uint32_t project = 0;  ///< … and of the one that says whose it is.
  /// More that its events tell.
  std::span<const Attached> attached{};
};

/// Sorted by kind.
std::span<const Resource> resources();
/// Null: not a resource.
const Resource* resource_of_kind(std::string_view kind);
/// Of a record's key; `id` becomes what is behind the kind, as in the key. Null: not a resource's.
const Resource* resource_of_key(std::string_view key, std::string_view& id);

}  // namespace cloudos::audit

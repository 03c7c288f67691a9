#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/store.hpp"
#include "records/keys.hpp"
#include "records/migration.hpp"

namespace cloudos::maintenance {

/// That one record names another, which must be there.
struct Reference {
  std::string kind;
  std::string id;
};

/// What a stored record is found to be.
struct Read {
  std::string id;
  records::Keys keys;
  std::vector<Reference> references;
};

struct Kind {
  std::string_view name;
  std::uint32_t schema = 1;
  /// Errors: those of decoding.
  std::function<Result<Read>(std::string_view bytes)> read;
  records::SchemaKind migrate;
};

/// Every kind of record of this library, in the order of their names.
std::vector<Kind> all_kinds();
/// Their schemas, for records::Migrator.
std::vector<records::SchemaKind> schema_kinds();
/// First parts of keys that are no records: counters, marks, bitmaps.
const std::vector<std::string_view>& other_keys();

}  // namespace cloudos::maintenance

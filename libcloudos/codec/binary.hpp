#pragma once
#include <string>
#include <string_view>

#include "cloudos/result.hpp"
#include "codec/fields.hpp"

/// The stored form of a record: schema version, then fields by number (tag, length, bytes).
namespace cloudos::codec {

using Visit = FunctionRef<void(FieldVisitor&)>;

/// Values that equal the type's zero are not written.
std::string encode(std::uint32_t schema_version, const Visit& visit);

/// Calls `visit` with a visitor that assigns; returns the schema version the record was written
/// with. Errors: Internal (bytes are not a record: truncated, overlong, wrong type).
Result<std::uint32_t> decode(std::string_view bytes, const Visit& visit);

/// The text field of that number in a record's bytes, without reading the rest of it; empty when
/// there is none.
std::string_view text_of(std::string_view bytes, std::uint32_t number);

template <class T>
std::string encode_record(const T& record, std::uint32_t schema_version = 1) {
  // The visitor only reads while encoding; one description serves both directions.
  return encode(schema_version,
                [&](FieldVisitor& v) { fields(v, const_cast<T&>(record)); });
}

/// The schema version that a record was written with; 0 when it has none.
std::uint32_t stored_schema(std::string_view bytes);
/// Unsupported: a newer program wrote a record of that kind.
Failure newer_schema(std::string_view kind, std::uint32_t theirs,
                                   std::uint32_t ours);

template <class T>
concept HasSchema = requires {
  T::kSchema;
  T::kKind;
};
template <class T>
concept CanUpgrade = requires(T& record, std::uint32_t from) { upgrade(record, from); };

/// A record in its newest form, and the schema it was stored with.
template <class T>
struct Stored {
  T record{};
  std::uint32_t schema = 0;
};

/// Reads a record of this or an older schema (records/migration.hpp).
/// Errors: Internal (damaged), Unsupported (of a newer schema).
template <class T>
Result<Stored<T>> decode_stored(std::string_view bytes) {
  Stored<T> stored;
  CLOUDOS_TRY(stored.schema, decode(bytes, [&](FieldVisitor& v) { fields(v, stored.record); }));
  if constexpr (HasSchema<T>) {
    if (stored.schema > T::kSchema) return newer_schema(T::kKind, stored.schema, T::kSchema);
    if constexpr (CanUpgrade<T>)
      if (stored.schema < T::kSchema) upgrade(stored.record, stored.schema);
  }
  return stored;
}

template <class T>
Result<T> decode_record(std::string_view bytes) {
  CLOUDOS_TRY(Stored<T> stored, decode_stored<T>(bytes));
  return std::move(stored.record);
}

}  // namespace cloudos::codec

#pragma once
#include <string>
#include <string_view>

#include "cloudos/result.hpp"
#include "codec/fields.hpp"

/// The stored form of a record: schema version, then fields by number (tag, length, bytes).
namespace cloudos::codec {

using Visit = std::function<void(FieldVisitor&)>;

/// Values that equal the type's zero are not written.
std::string encode(std::uint32_t schema_version, const Visit& visit);

/// Calls `visit` with a visitor that assigns; returns the schema version the record was written
/// with. Errors: Internal (bytes are not a record: truncated, overlong, wrong type).
Result<std::uint32_t> decode(std::string_view bytes, const Visit& visit);

template <class T>
std::string encode_record(const T& record, std::uint32_t schema_version = 1) {
  // The visitor only reads while encoding; one description serves both directions.
  return encode(schema_version,
                [&](FieldVisitor& v) { fields(v, const_cast<T&>(record)); });
}

template <class T>
Result<T> decode_record(std::string_view bytes) {
  T record{};
  CLOUDOS_CHECK(decode(bytes, [&](FieldVisitor& v) { fields(v, record); }));
  return record;
}

}  // namespace cloudos::codec

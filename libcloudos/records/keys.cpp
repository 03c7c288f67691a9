#include "records/keys.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>

#include "base/text.hpp"
#include "cloudos/limits.hpp"

namespace cloudos::records {

namespace {

/// The characters that stand in a key as they are.
struct KeyPlain {
  std::array<bool, 256> plain{};
  constexpr KeyPlain() {
    // '.' and '-' are among them: addresses and ids are the commonest values and are read by
    // people.
    for (std::size_t c = 0x21; c < 0x7f; ++c) plain[c] = c != '/' && c != '%';
  }
};
constexpr KeyPlain kKeyPlain;

bool is_key_plain(std::string_view value) {
  return value.size() <= limits::kKeyValueBytes &&
         std::all_of(value.begin(), value.end(),
                     [](char c) { return kKeyPlain.plain[static_cast<unsigned char>(c)]; });
}

/// "/a/b/" of plain words, and what follows as parts of values, in one piece of memory.
std::string joined_key(std::initializer_list<std::string_view> words,
                       std::initializer_list<std::string_view> values, bool open_end) {
  std::size_t bytes = 1;
  for (const std::string_view word : words) bytes += word.size() + 1;
  for (const std::string_view value : values) bytes += value.size() + 1;
  std::string key;
  key.reserve(bytes);
  for (const std::string_view word : words) (key += '/') += word;
  for (const std::string_view value : values) {
    key += '/';
    if (is_key_plain(value))
      key += value;
    else
      key += key_part(value);
  }
  if (open_end) key += '/';
  return key;
}

}  // namespace

std::string key_part(std::string_view value) {
  if (is_key_plain(value)) return std::string(value);
  std::string out;
  bool cut = false;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (kKeyPlain.plain[byte])
      out += c;
    else
      out += fmt::format("%{:02X}", byte);
    if (out.size() > limits::kKeyValueBytes) {
      cut = true;
      break;
    }
  }
  if (!cut) return out;
  out.resize(limits::kKeyValueBytes - 65);
  const std::string digest = sha256(value);
  return out + '~' + to_hex({reinterpret_cast<const std::uint8_t*>(digest.data()), digest.size()});
}

std::string key_number(std::uint64_t value) {
  return fmt::format("{:016x}", value);
}

std::string record_key(std::string_view kind, std::string_view id) {
  return joined_key({kind}, {id}, false);
}
std::string record_prefix(std::string_view kind) {
  return joined_key({kind}, {}, true);
}
std::string unique_key(std::string_view kind, std::string_view field, std::string_view scope,
                       std::string_view value) {
  return joined_key({"ux", kind, field}, {scope, value}, false);
}
std::string index_root(std::string_view kind, std::string_view field) {
  return joined_key({"ix", kind, field}, {}, true);
}
std::string index_prefix(std::string_view kind, std::string_view field, std::string_view value) {
  return joined_key({"ix", kind, field}, {value}, true);
}
std::string index_key(std::string_view kind, std::string_view field, std::string_view value,
                      std::string_view id) {
  return joined_key({"ix", kind, field}, {value, id}, false);
}

void Keys::unique(std::string_view field, std::string_view scope, std::string_view value) {
  uniques.push_back({unique_key(kind_, field, scope, value), std::string(field),
                     std::string(value.substr(0, limits::kNameChars * 4))});
}

void Keys::index(std::string_view field, std::string_view value) {
  indexes.push_back(index_key(kind_, field, value, id_));
}

void Keys::finish() {
  std::sort(uniques.begin(), uniques.end());
  std::sort(indexes.begin(), indexes.end());
  indexes.erase(std::unique(indexes.begin(), indexes.end()), indexes.end());
}

}  // namespace cloudos::records

#include "records/keys.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "cloudos/limits.hpp"

namespace cloudos::records {

std::string key_part(std::string_view value) {
  std::string out;
  bool cut = false;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    // '.' and '-' stay: addresses and ids are the commonest values and are read by people.
    if (byte > 0x20 && byte < 0x7f && c != '/' && c != '%') out += c;
    else out += fmt::format("%{:02X}", byte);
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

std::string key_number(std::uint64_t value) { return fmt::format("{:016x}", value); }

std::string record_key(std::string_view kind, std::string_view id) {
  return fmt::format("/{}/{}", kind, key_part(id));
}
std::string record_prefix(std::string_view kind) { return fmt::format("/{}/", kind); }
std::string unique_key(std::string_view kind, std::string_view field, std::string_view scope,
                       std::string_view value) {
  return fmt::format("/ux/{}/{}/{}/{}", kind, field, key_part(scope), key_part(value));
}
std::string index_root(std::string_view kind, std::string_view field) {
  return fmt::format("/ix/{}/{}/", kind, field);
}
std::string index_prefix(std::string_view kind, std::string_view field, std::string_view value) {
  return fmt::format("/ix/{}/{}/{}/", kind, field, key_part(value));
}
std::string index_key(std::string_view kind, std::string_view field, std::string_view value,
                      std::string_view id) {
  return index_prefix(kind, field, value) + key_part(id);
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

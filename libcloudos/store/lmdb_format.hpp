#pragma once
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "base/assert.hpp"
#include "cloudos/store.hpp"

/// How records and the change log lie in LMDB: one tree, three kinds of keys told apart by their
/// first byte. One tree on purpose: each named database would add its root and the catalogue's page
/// to every commit.
///
///   01                       "cloudos store" and the version of this format
///   02 key                   revision (8 bytes), value
///   03 revision part         keys changed by that commit; the last one tells the newest revision
///
/// Integers are big-endian, so that the log lies in order at the end and is appended to.
namespace cloudos::store::lmdb {

inline constexpr char kFormatTag = 1;
inline constexpr char kRecordTag = 2;
inline constexpr char kLogTag = 3;
inline constexpr std::string_view kFormatName = "cloudos store";
inline constexpr std::uint32_t kFormatVersion = 1;
/// Small enough that two parts share a page and none needs an overflow page.
inline constexpr std::size_t kLogPartBytes = 1'500;

template <class T>
void append_integer(std::string& out, T value) {
  for (int shift = 8 * (static_cast<int>(sizeof(T)) - 1); shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(value >> shift));
}

/// The integer at the front of `bytes`, which must hold it.
template <class T>
T read_integer(std::string_view bytes) {
  CLOUDOS_ASSERT(bytes.size() >= sizeof(T));
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    value = static_cast<T>(value << 8 | static_cast<unsigned char>(bytes[i]));
  return value;
}

inline constexpr std::size_t kRevisionBytes = sizeof(Revision);

/// A key as LMDB sees it, without an allocation.
class Key {
 public:
  Key(char tag, std::string_view rest) : size_(1 + rest.size()) {
    CLOUDOS_ASSERT(size_ <= bytes_.size());
    bytes_[0] = tag;
    if (!rest.empty()) std::memcpy(bytes_.data() + 1, rest.data(), rest.size());
  }
  std::string_view view() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, 511> bytes_;  // LMDB's longest key.
  std::size_t size_;
};

Key log_key(Revision revision, std::uint16_t part);

/// One part of the keys that a commit changed.
struct LogPart {
  Revision revision = 0;
  std::uint16_t part = 0;
  std::uint64_t before =
      0;  ///< Keys ever logged before this part: two parts tell what lies between.
  std::uint16_t count = 0;
  std::string_view keys;  ///< count times: length (2 bytes), key.
};

/// Nothing when the bytes are not a part of the log.
std::optional<LogPart> parse_log(std::string_view key, std::string_view value);

/// Calls `visit(std::string_view key)` for each; false when the bytes are damaged.
template <class Visit>
[[nodiscard]] bool for_each_key(const LogPart& part, const Visit& visit) {
  std::string_view rest = part.keys;
  for (std::uint16_t i = 0; i < part.count; ++i) {
    if (rest.size() < 2) return false;
    const std::size_t size = read_integer<std::uint16_t>(rest);
    if (rest.size() < 2 + size) return false;
    visit(rest.substr(2, size));
    rest.remove_prefix(2 + size);
  }
  return rest.empty();
}

std::string format_record();
/// Errors: Unsupported (not ours, or newer than this library).
Result<void> check_format(std::string_view value);

/// The store's bytes contradict each other.
Error damaged(std::string detail);
/// What an LMDB or errno code means to a caller; `doing` goes to the log.
Error lmdb_error(int code, std::string_view doing);

}  // namespace cloudos::store::lmdb

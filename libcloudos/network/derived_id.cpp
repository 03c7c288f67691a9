#include "network/derived_id.hpp"

#include <fmt/format.h>

#include <cstdint>

namespace cloudos::network {

std::string derived_id(std::initializer_list<std::string_view> words) {
  std::uint64_t hash[2] = {0xcbf29ce484222325, 0x84222325cbf29ce4};
  const auto take = [&](std::string_view text) {
    for (const char c : text) {
      for (std::uint64_t& one : hash) one = (one ^ static_cast<unsigned char>(c)) * 0x100000001b3;
      hash[1] ^= hash[0] >> 17;
    }
  };
  bool first = true;
  for (const std::string_view word : words) {
    if (!first) take("/");
    take(word);
    first = false;
  }
  return fmt::format("{:08x}-{:04x}-5{:03x}-8{:03x}-{:012x}", hash[0] >> 32, hash[0] >> 16 & 0xffff,
                     hash[0] & 0xfff, hash[1] >> 48 & 0xfff, hash[1] & 0xffffffffffff);
}

}  // namespace cloudos::network

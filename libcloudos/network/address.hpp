#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Addresses as numbers and as the one text we store. Strict: what is not surely one is none.
namespace cloudos::network {

/// "10.0.0.5", four decimal parts without leading zeros.
std::optional<std::uint32_t> parse_ipv4(std::string_view text);
std::string format_ipv4(std::uint32_t address);

/// A block of IPv4 addresses; `base` has no host bits.
struct Block {
  std::uint32_t base = 0;
  unsigned prefix = 32;

  std::uint32_t mask() const { return prefix == 0 ? 0 : ~std::uint32_t{0} << (32 - prefix); }
  std::uint32_t last() const { return base | ~mask(); }
  bool contains(std::uint32_t address) const { return (address & mask()) == base; }
  bool overlaps(const Block& other) const {
    return contains(other.base) || other.contains(base);
  }
  /// Network and broadcast addresses belong to nobody; blocks of one or two addresses have none.
  std::uint32_t first_host() const { return prefix >= 31 ? base : base + 1; }
  std::uint32_t last_host() const { return prefix >= 31 ? last() : last() - 1; }
  bool usable(std::uint32_t address) const {
    return address >= first_host() && address <= last_host();
  }
  std::string text() const;
  friend bool operator==(const Block&, const Block&) = default;
};

/// "10.0.0.0/24". Host bits are cleared; `host_bits` says whether there were any.
std::optional<Block> parse_block(std::string_view text, bool* host_bits = nullptr);

/// An address or CIDR of either family in its canonical form, always with a prefix length
/// ("10.1.2.3/8" -> "10.0.0.0/8", "::1" -> "::1/128").
struct NormalCidr {
  std::string text;
  bool ipv6 = false;
};
std::optional<NormalCidr> normalise_cidr(std::string_view text);
/// The same without a prefix length when there was none, for allowed address pairs.
std::optional<std::string> normalise_address_or_cidr(std::string_view text);

/// "fa:16:3e:00:00:01": lower case, with colons; nothing for groups and all zeros.
std::optional<std::string> normalise_mac(std::string_view text);

}  // namespace cloudos::network

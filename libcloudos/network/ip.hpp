#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/networks.hpp"

/// Addresses and blocks of both families as numbers. Strict: what is not surely one is none.
namespace cloudos::network {

__extension__ typedef unsigned __int128 Ip128;

struct Ip {
  bool v6 = false;
  Ip128 value = 0;
  unsigned bits() const { return v6 ? 128 : 32; }
  std::string text() const;
  friend auto operator<=>(const Ip&, const Ip&) = default;
};
/// "10.0.0.5", "fd00::5": without zone, prefix or blanks.
std::optional<Ip> parse_ip(std::string_view text);

struct IpBlock {
  Ip base;  ///< Without host bits.
  unsigned prefix = 0;

  Ip last() const;
  bool contains(const Ip& ip) const { return ip.v6 == base.v6 && ip >= base && ip <= last(); }
  bool contains(const IpBlock& other) const {
    return prefix <= other.prefix && contains(other.base);
  }
  bool overlaps(const IpBlock& other) const {
    return contains(other.base) || other.contains(base);
  }
  /// May be given to a host. IPv4: neither network nor broadcast, but for /31 and /32. IPv6: any.
  bool usable(const Ip& ip) const { return contains(ip) && ip >= first_host() && ip <= last_host(); }
  Ip first_host() const;
  Ip last_host() const;
  std::string text() const;
  friend bool operator==(const IpBlock&, const IpBlock&) = default;
};
/// "10.0.0.0/24", "fd00::/64". Host bits are cleared; `host_bits` says whether there were any.
std::optional<IpBlock> parse_ip_block(std::string_view text, bool* host_bits = nullptr);
/// Of a stored subnet.
IpBlock block_of(const Subnet& subnet);

/// Sorted, without overlaps, neighbours joined.
std::vector<IpBlock> merge_blocks(std::vector<IpBlock> blocks);
/// What is left of `blocks` (merged) without `taken`, lowest first.
std::vector<IpBlock> subtract_blocks(const std::vector<IpBlock>& blocks,
                                     const std::vector<IpBlock>& taken);

/// The address that a MAC has in a /64 (modified EUI-64).
std::string eui64_address(const IpBlock& block, std::string_view mac);
/// Addresses of the subnet's ports follow from their MACs: nothing is allocated.
bool auto_addressed(const Subnet& subnet);

}  // namespace cloudos::network

#include "network/ip.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "network/address.hpp"

namespace cloudos::network {
namespace {

Ip128 host_mask(const IpBlock& block) {
  const unsigned bits = block.base.bits() - block.prefix;
  return bits == 128 ? ~Ip128{0} : (Ip128{1} << bits) - 1;
}

std::array<std::uint8_t, 16> bytes_of(Ip128 value) {
  std::array<std::uint8_t, 16> bytes{};
  for (unsigned i = 0; i < 16; ++i)
    bytes[15 - i] = static_cast<std::uint8_t>(value >> (8 * i) & 0xff);
  return bytes;
}

/// The half of a block that has `inner` in it first; the other one is left over.
IpBlock half_of(const IpBlock& block, bool upper) {
  IpBlock half{block.base, block.prefix + 1};
  if (upper) half.base.value |= Ip128{1} << (block.base.bits() - half.prefix);
  return half;
}

/// `from` without `hole`, which lies within it.
void carve(const IpBlock& from, const IpBlock& hole, std::vector<IpBlock>& left) {
  std::vector<IpBlock> above;
  IpBlock at = from;
  while (at.prefix < hole.prefix) {
    const IpBlock lower = half_of(at, false), upper = half_of(at, true);
    if (lower.contains(hole)) {
      above.push_back(upper);
      at = lower;
    } else {
      left.push_back(lower);
      at = upper;
    }
  }
  left.insert(left.end(), above.rbegin(), above.rend());
}

}  // namespace

std::string Ip::text() const {
  if (!v6) return format_ipv4(static_cast<std::uint32_t>(value));
  char out[INET6_ADDRSTRLEN] = {};
  const auto bytes = bytes_of(value);
  inet_ntop(AF_INET6, bytes.data(), out, sizeof out);
  return out;
}

std::optional<Ip> parse_ip(std::string_view text) {
  if (text.find(':') == text.npos) {
    const auto number = parse_ipv4(text);
    if (!number) return std::nullopt;
    return Ip{false, *number};
  }
  std::array<std::uint8_t, 16> bytes{};
  if (text.size() > 45 || text.find('\0') != text.npos) return std::nullopt;
  if (inet_pton(AF_INET6, std::string(text).c_str(), bytes.data()) != 1) return std::nullopt;
  Ip ip{true, 0};
  for (const std::uint8_t byte : bytes) ip.value = ip.value << 8 | byte;
  return ip;
}

Ip IpBlock::last() const { return {base.v6, base.value | host_mask(*this)}; }

Ip IpBlock::first_host() const {
  Ip first = base;
  if (!base.v6 && prefix < 31) ++first.value;
  return first;
}

Ip IpBlock::last_host() const {
  Ip end = last();
  if (!base.v6 && prefix < 31) --end.value;
  return end;
}

std::string IpBlock::text() const { return fmt::format("{}/{}", base.text(), prefix); }

std::optional<IpBlock> parse_ip_block(std::string_view text, bool* host_bits) {
  const auto slash = text.find('/');
  if (slash == text.npos) return std::nullopt;
  const auto ip = parse_ip(text.substr(0, slash));
  const std::string_view digits = text.substr(slash + 1);
  if (!ip || digits.empty() || digits.size() > 3 || (digits.size() > 1 && digits[0] == '0'))
    return std::nullopt;
  const auto prefix = parse_unsigned(digits);
  if (!prefix || *prefix > ip->bits()) return std::nullopt;
  IpBlock block{*ip, static_cast<unsigned>(*prefix)};
  block.base.value &= ~host_mask(block);
  if (host_bits) *host_bits = block.base != *ip;
  return block;
}

IpBlock block_of(const Subnet& subnet) {
  const auto block = parse_ip_block(subnet.cidr);
  CLOUDOS_ASSERT(block.has_value());
  return *block;
}

std::vector<IpBlock> merge_blocks(std::vector<IpBlock> blocks) {
  std::sort(blocks.begin(), blocks.end(), [](const IpBlock& a, const IpBlock& b) {
    return a.base != b.base ? a.base < b.base : a.prefix < b.prefix;
  });
  std::vector<IpBlock> merged;
  for (const IpBlock& block : blocks) {
    if (!merged.empty() && merged.back().contains(block)) continue;
    merged.push_back(block);
    while (merged.size() > 1) {
      const IpBlock& right = merged.back();
      const IpBlock& left = merged[merged.size() - 2];
      if (left.prefix == 0 || left.prefix != right.prefix) break;
      IpBlock parent{left.base, left.prefix - 1};
      parent.base.value &= ~host_mask(parent);
      if (parent.base != left.base || !parent.contains(right)) break;
      merged.pop_back();
      merged.back() = parent;
    }
  }
  return merged;
}

std::vector<IpBlock> subtract_blocks(const std::vector<IpBlock>& blocks,
                                     const std::vector<IpBlock>& taken) {
  std::vector<IpBlock> left = blocks;
  for (const IpBlock& hole : taken) {
    std::vector<IpBlock> next;
    for (const IpBlock& block : left) {
      if (hole.contains(block)) continue;
      if (block.contains(hole)) carve(block, hole, next);
      else next.push_back(block);
    }
    left = std::move(next);
  }
  return left;
}

std::string eui64_address(const IpBlock& block, std::string_view mac) {
  Ip128 bytes = 0;
  unsigned count = 0;
  for (const std::string_view part : split(mac, ':')) {
    unsigned byte = 0;
    for (const char c : part)
      byte = byte << 4 | static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
    bytes = bytes << 8 | byte;
    if (++count == 3) bytes = bytes << 16 | 0xfffe;
  }
  Ip ip = block.base;
  ip.value |= bytes ^ (Ip128{2} << 56);
  return ip.text();
}

bool auto_addressed(const Subnet& subnet) {
  const auto automatic = [](const std::string& mode) {
    return mode == "slaac" || mode == "dhcpv6-stateless";
  };
  return automatic(subnet.address_mode) || automatic(subnet.ra_mode);
}

}  // namespace cloudos::network

#include "network/address.hpp"

#include <arpa/inet.h>

#include <array>
#include <cstring>

#include <fmt/format.h>

#include "base/text.hpp"

namespace cloudos::network {
namespace {

std::optional<unsigned> parse_prefix(std::string_view text, unsigned most) {
  if (text.empty() || text.size() > 3 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  const auto number = parse_unsigned(text);
  if (!number || *number > most) return std::nullopt;
  return static_cast<unsigned>(*number);
}

std::optional<std::string> normalise_ipv6(std::string_view text, std::optional<unsigned> prefix) {
  std::array<std::uint8_t, 16> bytes{};
  // inet_pton takes C text; an address never needs more than 45 characters.
  if (text.size() > 45 || text.find('%') != text.npos) return std::nullopt;
  if (inet_pton(AF_INET6, std::string(text).c_str(), bytes.data()) != 1) return std::nullopt;
  if (prefix) {
    for (unsigned bit = *prefix; bit < 128; ++bit)
      bytes[bit / 8] &= static_cast<std::uint8_t>(~(0x80U >> (bit % 8)));
  }
  char out[INET6_ADDRSTRLEN] = {};
  if (inet_ntop(AF_INET6, bytes.data(), out, sizeof out) == nullptr) return std::nullopt;
  return std::string(out);
}

}  // namespace

std::optional<std::uint32_t> parse_ipv4(std::string_view text) {
  std::uint32_t address = 0;
  const auto parts = split(text, '.');
  if (parts.size() != 4) return std::nullopt;
  for (const std::string_view part : parts) {
    if (part.empty() || part.size() > 3 || (part.size() > 1 && part[0] == '0')) return std::nullopt;
    const auto number = parse_unsigned(part);
    if (!number || *number > 255) return std::nullopt;
    address = address << 8 | static_cast<std::uint32_t>(*number);
  }
  return address;
}

std::string format_ipv4(std::uint32_t address) {
  return fmt::format("{}.{}.{}.{}", address >> 24, address >> 16 & 255, address >> 8 & 255,
                     address & 255);
}

std::string Block::text() const { return fmt::format("{}/{}", format_ipv4(base), prefix); }

std::optional<Block> parse_block(std::string_view text, bool* host_bits) {
  const auto slash = text.find('/');
  if (slash == text.npos) return std::nullopt;
  const auto address = parse_ipv4(text.substr(0, slash));
  const auto prefix = parse_prefix(text.substr(slash + 1), 32);
  if (!address || !prefix) return std::nullopt;
  Block block{0, *prefix};
  block.base = *address & block.mask();
  if (host_bits) *host_bits = block.base != *address;
  return block;
}

std::optional<NormalCidr> normalise_cidr(std::string_view text) {
  const auto slash = text.find('/');
  const std::string_view address = text.substr(0, slash);
  const bool ipv6 = address.find(':') != address.npos;
  std::optional<unsigned> prefix = ipv6 ? 128U : 32U;
  if (slash != text.npos) prefix = parse_prefix(text.substr(slash + 1), *prefix);
  if (!prefix) return std::nullopt;
  if (!ipv6) {
    const auto number = parse_ipv4(address);
    if (!number) return std::nullopt;
    Block block{0, *prefix};
    block.base = *number & block.mask();
    return NormalCidr{block.text(), false};
  }
  const auto normal = normalise_ipv6(address, prefix);
  if (!normal) return std::nullopt;
  return NormalCidr{fmt::format("{}/{}", *normal, *prefix), true};
}

std::optional<std::string> normalise_address_or_cidr(std::string_view text) {
  const auto cidr = normalise_cidr(text);
  if (!cidr) return std::nullopt;
  if (text.find('/') != text.npos) return cidr->text;
  return cidr->text.substr(0, cidr->text.find('/'));
}

std::optional<std::string> normalise_mac(std::string_view text) {
  const char separator = text.find('-') != text.npos ? '-' : ':';
  const auto parts = split(text, separator);
  if (parts.size() != 6) return std::nullopt;
  std::string mac, digits;
  for (const std::string_view part : parts) {
    if (part.size() != 2) return std::nullopt;
    const std::string lower = fold_case(part);
    if (lower.find_first_not_of("0123456789abcdef") != lower.npos) return std::nullopt;
    if (!mac.empty()) mac += ':';
    mac += lower;
    digits += lower;
  }
  // A group address (lowest bit of the first byte, broadcast among them) never sends.
  const bool group = std::string_view("13579bdf").find(digits[1]) != std::string_view::npos;
  if (group || digits == "000000000000") return std::nullopt;
  return mac;
}

}  // namespace cloudos::network

#include "network/linuxbridge/names.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <cstring>

#include "base/text.hpp"

namespace cloudos::network::linuxbridge {
namespace {

constexpr std::size_t kBriefDigits = 11;

std::string digest_of(const std::string& folder, std::string_view id) {
  return sha256(folder + ":" + std::string(id));
}

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

std::string print_address(bool v6, const std::array<unsigned char, 16>& raw) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(v6 ? AF_INET6 : AF_INET, raw.data(), text.data(), text.size());
  return text.data();
}

}  // namespace

Names::Names(std::string folder_id, const std::string& host) : folder_(std::move(folder_id)) {
  // Devices are in the host's own namespace, but the names of namespaces are the machine's.
  netns_prefix_ = "cloudos-" + folder_ + "-";
  if (!host.empty())
    netns_prefix_ = fmt::format("cloudos-{}.{}-", folder_, brief("host " + host).substr(0, 6));
}

std::string Names::brief(std::string_view id) const {
  const std::string digest = digest_of(folder_, id);
  std::string hex(kBriefDigits, '0');
  for (std::size_t i = 0; i < kBriefDigits; ++i) {
    const auto byte = static_cast<unsigned char>(digest[i / 2]);
    hex[i] = "0123456789abcdef"[i % 2 == 0 ? byte >> 4 : byte & 15];
  }
  return hex;
}

std::string Names::bridge(std::string_view network) const {
  return "clb" + brief(network);
}
std::string Names::tunnel(std::string_view network) const {
  return "clx" + brief(network);
}
std::string Names::shaper(std::string_view port) const {
  return "cly" + brief(port);
}
std::string Names::sub_end(std::string_view port) const {
  return "clt" + brief(port);
}
std::string Names::dhcp_outer(std::string_view network) const {
  return "clv" + brief(network);
}
std::string Names::dhcp_inner(std::string_view network) const {
  return "cli" + brief(network);
}
std::string Names::netns_prefix() const {
  return netns_prefix_;
}
std::string Names::netns(std::string_view network) const {
  return netns_prefix() + brief(network);
}
std::string Names::table() const {
  return "cloudos_" + folder_;
}

std::string Names::mac(std::string_view id) const {
  const std::string digest = digest_of(folder_, id);
  std::array<char, 18> text{};
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(digest[16 + i]); };
  std::snprintf(text.data(), text.size(), "02:%02x:%02x:%02x:%02x:%02x", byte(0), byte(1), byte(2),
                byte(3), byte(4));
  return text.data();
}

std::string Names::alias(std::string_view id) const {
  return "cloudos:" + folder_ + ":" + std::string(id);
}

std::optional<std::string> Names::owner(std::string_view alias) const {
  const std::string prefix = "cloudos:" + folder_ + ":";
  if (alias.size() <= prefix.size() || alias.substr(0, prefix.size()) != prefix)
    return std::nullopt;
  return std::string(alias.substr(prefix.size()));
}

std::string IpPrefix::text() const {
  return host() ? address : network + "/" + std::to_string(length);
}

std::optional<IpPrefix> parse_ip_prefix(std::string_view text) {
  if (text.empty() || text.size() > INET6_ADDRSTRLEN + 4) return std::nullopt;
  const auto slash = text.find('/');
  const std::string address(text.substr(0, slash));
  IpPrefix out;
  std::array<unsigned char, 16> raw{};
  out.v6 = address.find(':') != std::string::npos;
  if (inet_pton(out.v6 ? AF_INET6 : AF_INET, address.c_str(), raw.data()) != 1) return std::nullopt;
  const unsigned bits = out.v6 ? 128 : 32;
  out.length = bits;
  if (slash != std::string_view::npos) {
    const std::string_view length = text.substr(slash + 1);
    const auto parsed = parse_unsigned(length);
    if (!parsed || *parsed > bits || length.size() > 3) return std::nullopt;
    out.length = static_cast<unsigned>(*parsed);
  }
  out.address = print_address(out.v6, raw);
  for (unsigned i = 0; i < bits / 8; ++i) {
    const unsigned first = i * 8;
    if (out.length >= first + 8) continue;
    const unsigned kept = out.length > first ? out.length - first : 0;
    raw[i] = static_cast<unsigned char>(raw[i] & (kept == 0 ? 0 : 0xff << (8 - kept)));
  }
  out.network = print_address(out.v6, raw);
  return out;
}

std::optional<IpPrefix> parse_ip(std::string_view text) {
  if (text.find('/') != std::string_view::npos) return std::nullopt;
  return parse_ip_prefix(text);
}

std::optional<std::string> parse_mac(std::string_view text) {
  if (text.size() != 17) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (i % 3 == 2) {
      if (c != ':') return std::nullopt;
    } else {
      if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
      if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return std::nullopt;
    }
    out += c;
  }
  return out;
}

std::string link_local_of(std::string_view mac) {
  std::array<unsigned, 6> b{};
  const std::string text(mac);
  if (std::sscanf(text.c_str(), "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) !=
      6) {
    return "fe80::";
  }
  std::array<unsigned char, 16> raw{0xfe, 0x80};
  raw[8] = static_cast<unsigned char>(b[0] ^ 2U);
  raw[9] = static_cast<unsigned char>(b[1]);
  raw[10] = static_cast<unsigned char>(b[2]);
  raw[11] = 0xff;
  raw[12] = 0xfe;
  raw[13] = static_cast<unsigned char>(b[3]);
  raw[14] = static_cast<unsigned char>(b[4]);
  raw[15] = static_cast<unsigned char>(b[5]);
  return print_address(true, raw);
}

bool is_device_name(std::string_view text) {
  if (text.empty() || text.size() > 15 || text == "." || text == "..") return false;
  for (const char c : text) {
    if (!is_letter_or_digit(c) && c != '-' && c != '_' && c != '.') return false;
  }
  return true;
}

bool is_host_label(std::string_view text) {
  if (text.empty() || text.size() > 63 || text.front() == '-' || text.back() == '-') return false;
  for (const char c : text) {
    if (!is_letter_or_digit(c) && c != '-') return false;
  }
  return true;
}

bool is_plain_id(std::string_view text) {
  if (text.empty() || text.size() > 64) return false;
  for (const char c : text) {
    if (!is_letter_or_digit(c) && c != '-') return false;
  }
  return true;
}

}  // namespace cloudos::network::linuxbridge

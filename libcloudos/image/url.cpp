#include "image/url.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "base/text.hpp"
#include "cloudos/limits.hpp"

// Source: RFC 3986; RFC 4291 for addresses.
namespace cloudos::image {
namespace {

constexpr std::array<std::uint8_t, 12> kV4Prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

Failure bad_url(std::string_view why) {
  return fail(ErrorCode::InvalidArgument, fmt::format("the URL is refused: {}", why));
}

std::optional<Address> parse_v4(std::string_view text) {
  Address address;
  std::copy(kV4Prefix.begin(), kV4Prefix.end(), address.bytes.begin());
  const auto parts = split(text, '.');
  if (parts.size() != 4) return std::nullopt;
  for (std::size_t i = 0; i < 4; ++i) {
    // "010" is eight to some and ten to others.
    const bool plain = parts[i].size() == 1 || (parts[i].size() <= 3 && !parts[i].starts_with('0'));
    const auto number = parse_unsigned(parts[i]);
    if (!plain || !number || *number > 255) return std::nullopt;
    address.bytes[12 + i] = static_cast<std::uint8_t>(*number);
  }
  return address;
}

bool is_label(std::string_view label) {
  if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-')
    return false;
  return std::all_of(label.begin(), label.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

/// Would some reader take this name for a number, and so for an address?
bool looks_numeric(std::string_view host) {
  const std::string_view last = split(host, '.').back();
  if (last.starts_with("0x")) return true;
  return !last.empty() && std::all_of(last.begin(), last.end(),
                                      [](char c) { return c >= '0' && c <= '9'; });
}

Result<void> read_host(std::string_view text, Url& url) {
  if (text.starts_with('[')) {
    if (!text.ends_with(']')) return bad_url("its IPv6 address has no end");
    const std::string_view inner = text.substr(1, text.size() - 2);
    if (inner.find(':') == std::string_view::npos) return bad_url("its IPv6 address is none");
    url.address = parse_address(inner);
    if (!url.address) return bad_url("its IPv6 address is none");
    url.host = to_string(*url.address);
    return Result<void>();
  }
  url.host = fold_case(text);
  if (url.host.ends_with('.')) url.host.pop_back();
  if (url.host.empty()) return bad_url("it names no host");
  if (url.host.size() > 253) return bad_url("its host is too long");
  for (const std::string_view label : split(url.host, '.')) {
    if (!is_label(label)) return bad_url("its host is no name");
  }
  if (looks_numeric(url.host)) {
    url.address = parse_v4(url.host);
    if (!url.address) return bad_url("its host is a number; write addresses as 192.0.2.1");
  }
  return Result<void>();
}

/// "host", "host:port", "[address]:port"; userinfo is refused.
Result<void> read_authority(std::string_view text, Url& url) {
  if (text.find('@') != std::string_view::npos) {
    return bad_url("a name or password in it would end up in logs");
  }
  const std::size_t bracket = text.rfind(']');
  const std::size_t colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  url.port = url.scheme == "https" ? 443 : 80;
  if (colon != std::string_view::npos) {
    const std::string_view digits = text.substr(colon + 1);
    const auto port = parse_unsigned(digits);
    if (digits.size() > 5 || !port || *port == 0 || *port > 65'535) {
      return bad_url("its port is no number from 1 to 65535");
    }
    url.port = static_cast<std::uint16_t>(*port);
  }
  return read_host(text.substr(0, colon), url);
}

}  // namespace

bool Address::is_v4() const {
  return std::equal(kV4Prefix.begin(), kV4Prefix.end(), bytes.begin());
}

std::optional<Address> parse_address(std::string_view text) {
  if (text.find(':') == std::string_view::npos) return parse_v4(text);
  // inet_pton takes no zones, brackets or shortened IPv4; it wants a zero byte at the end.
  if (text.size() > 45 || text.find('\0') != std::string_view::npos) return std::nullopt;
  Address address;
  if (::inet_pton(AF_INET6, std::string(text).c_str(), address.bytes.data()) != 1) {
    return std::nullopt;
  }
  return address;
}

std::string to_string(const Address& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.is_v4()) {
    (void)::inet_ntop(AF_INET, address.bytes.data() + 12, text, sizeof text);
  } else {
    (void)::inet_ntop(AF_INET6, address.bytes.data(), text, sizeof text);
  }
  return text;
}

bool Network::contains(const Address& address) const {
  const std::size_t whole = bits / 8;
  if (std::memcmp(base.bytes.data(), address.bytes.data(), whole) != 0) return false;
  if (bits % 8 == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff << (8 - bits % 8));
  return (base.bytes[whole] & mask) == (address.bytes[whole] & mask);
}

std::optional<Network> parse_network(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto base = parse_address(text.substr(0, slash));
  if (!base) return std::nullopt;
  Network network{*base, 128};
  if (slash != std::string_view::npos) {
    const auto bits = parse_unsigned(text.substr(slash + 1));
    if (!bits || *bits > (base->is_v4() ? 32u : 128u)) return std::nullopt;
    network.bits = static_cast<unsigned>(*bits) + (base->is_v4() ? 96 : 0);
  }
  for (unsigned bit = network.bits; bit < 128; ++bit) {
    if ((network.base.bytes[bit / 8] >> (7 - bit % 8) & 1) != 0) return std::nullopt;
  }
  return network;
}

std::string Url::authority() const {
  const bool v6 = address && !address->is_v4();
  std::string text = v6 ? "[" + host + "]" : host;
  if (port != (scheme == "https" ? 443 : 80)) text += fmt::format(":{}", port);
  return text;
}

std::string Url::text() const { return scheme + "://" + authority() + target; }

Result<Url> parse_url(std::string_view text) {
  if (text.size() > limits::kUrlBytes) return bad_url("it is too long");
  for (const char c : text) {
    if (c <= ' ' || c >= 0x7f || c == '\\' || c == '"' || c == '<' || c == '>') {
      return bad_url("it has characters that must be escaped");
    }
  }
  Url url;
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) return bad_url("it does not begin with http:// or https://");
  url.scheme = fold_case(text.substr(0, colon));
  if (url.scheme != "http" && url.scheme != "https") {
    return bad_url("it does not begin with http:// or https://");
  }
  text.remove_prefix(colon + 3);
  text = text.substr(0, text.find('#'));
  const std::size_t end = std::min(text.find_first_of("/?"), text.size());
  CLOUDOS_CHECK(read_authority(text.substr(0, end), url));
  url.target = text.substr(end);
  if (!url.target.starts_with('/')) url.target.insert(0, "/");
  return url;
}

Result<Url> follow_location(const Url& base, std::string_view location) {
  location = location.substr(0, location.find('#'));
  const std::size_t colon = location.find(':');
  const std::size_t first = location.find_first_of("/?");
  if (location.empty()) return bad_url("a redirect leads nowhere");
  if (location.starts_with("//")) return parse_url(base.scheme + ":" + std::string(location));
  if (colon != std::string_view::npos && (first == std::string_view::npos || colon < first)) {
    return parse_url(location);  // It has a scheme.
  }
  Url root = base;
  std::string path = base.target.substr(0, base.target.find('?'));
  if (location.starts_with('/')) path.clear();
  else if (!location.starts_with('?')) path.resize(path.rfind('/') + 1);
  root.target = path + std::string(location);
  return parse_url(root.text());
}

}  // namespace cloudos::image

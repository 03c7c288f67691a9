#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cloudos/result.hpp"

/// URLs and addresses, read so strictly that no two readers could take them for different places.
namespace cloudos::image {

/// An IPv6 address; IPv4 ones are mapped (::ffff:a.b.c.d).
struct Address {
  std::array<std::uint8_t, 16> bytes{};
  bool is_v4() const;
  friend auto operator<=>(const Address&, const Address&) = default;
};
/// "192.0.2.1" in four plain decimal numbers, or an IPv6 address without brackets or zone.
std::optional<Address> parse_address(std::string_view text);
std::string to_string(const Address& address);

/// The addresses that begin with the same `bits`.
struct Network {
  Address base;
  unsigned bits = 128;  ///< Of 128, for IPv4 too.
  bool contains(const Address& address) const;
};
/// "10.0.0.0/8", "fd00::/8", or one address. Nothing when bits behind the prefix are set.
std::optional<Network> parse_network(std::string_view text);

/// An absolute http or https URL taken apart.
struct Url {
  std::string scheme;              ///< Lower case.
  std::string host;                ///< Lower case, without a last dot or brackets.
  std::uint16_t port = 0;
  std::string target;              ///< "/path?query": what a request line says.
  std::optional<Address> address;  ///< When the host is one.
  /// "https://example.org:8443/a?b", without what the default says; for messages and requests.
  std::string text() const;
  /// What a Host header says.
  std::string authority() const;
};

/// Pure. Refused: other schemes than `http` and `https`, userinfo, blanks and control characters,
/// backslashes, escapes in the host, IPv6 zones, and numbers that only some readers take for an
/// address ("0x7f.1", "2130706433", "010.0.0.1").
/// Errors: InvalidArgument.
Result<Url> parse_url(std::string_view text);
/// Where a Location header leads from `base`. Errors: InvalidArgument.
Result<Url> follow_location(const Url& base, std::string_view location);

}  // namespace cloudos::image

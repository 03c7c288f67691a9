#include "image/url_guard.hpp"

#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "base/text.hpp"
#include "cloudos/limits.hpp"

// Source: IANA IPv4 and IPv6 special-purpose address registries.
namespace cloudos::image {
namespace {

constexpr std::string_view kNotPublicV4[] = {
    "0.0.0.0/8",       "10.0.0.0/8",     "100.64.0.0/10", "127.0.0.0/8",   "169.254.0.0/16",
    "172.16.0.0/12",   "192.0.0.0/24",   "192.0.2.0/24",  "192.31.196.0/24",
    "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
    "198.18.0.0/15",   "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",  "240.0.0.0/4",
};
/// Inside 2000::/3, the only unicast range there is; all else is not public anyway.
constexpr std::string_view kNotPublicV6[] = {
    "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
};
constexpr std::string_view kPublicV6 = "2000::/3";

std::vector<Network> networks_of(std::span<const std::string_view> texts) {
  std::vector<Network> all;
  for (const std::string_view text : texts) all.push_back(*parse_network(text));
  return all;
}

bool in_any(const std::vector<Network>& networks, const Address& address) {
  return std::any_of(networks.begin(), networks.end(),
                     [&](const Network& network) { return network.contains(address); });
}

bool is_public(const Address& address) {
  static const std::vector<Network> v4 = networks_of(kNotPublicV4);
  static const std::vector<Network> v6 = networks_of(kNotPublicV6);
  static const Network unicast = *parse_network(kPublicV6);
  if (address.is_v4()) return !in_any(v4, address);
  return unicast.contains(address) && !in_any(v6, address);
}

Address v4_at(const Address& address, std::size_t at, std::uint8_t flip = 0) {
  Address v4;
  v4.bytes[10] = v4.bytes[11] = 0xff;
  for (std::size_t i = 0; i < 4; ++i)
    v4.bytes[12 + i] = static_cast<std::uint8_t>(address.bytes[at + i] ^ flip);
  return v4;
}

/// The IPv4 address that a translator or tunnel would send this one's packets to.
std::optional<Address> embedded_v4(const Address& address) {
  static const Network six_to_four = *parse_network("2002::/16");
  static const Network nat64 = *parse_network("64:ff9b::/96");
  static const Network nat64_local = *parse_network("64:ff9b:1::/48");
  static const Network teredo = *parse_network("2001::/32");
  static const Network compatible = *parse_network("::/96");
  if (six_to_four.contains(address)) return v4_at(address, 2);
  if (nat64.contains(address) || nat64_local.contains(address) || compatible.contains(address))
    return v4_at(address, 12);
  if (teredo.contains(address)) return v4_at(address, 12, 0xff);
  return std::nullopt;
}

/// "example.org" is that name; ".example.org" is all below it.
bool matches_host(const std::vector<std::string>& rules, const std::string& host) {
  return std::any_of(rules.begin(), rules.end(), [&](const std::string& rule) {
    return rule.starts_with('.') ? host.ends_with(rule) : host == rule;
  });
}

Result<void> read_hosts(std::vector<std::string>& hosts) {
  for (std::string& host : hosts) {
    host = fold_case(host);
    if (const auto address = parse_address(host)) host = to_string(*address);
    if (host.empty() || host.find_first_of("/ @*") != std::string::npos) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("'{}' is no host: write example.org, or .example.org for all below "
                              "it", host));
    }
  }
  return Result<void>();
}

Result<std::vector<Network>> read_networks(const std::vector<std::string>& texts) {
  std::vector<Network> all;
  for (const std::string& text : texts) {
    const auto network = parse_network(text);
    if (!network) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("'{}' is no network: write 10.0.0.0/8 or fd00::/8", text));
    }
    all.push_back(*network);
  }
  return all;
}

class SystemResolver final : public Resolver {
 public:
  Result<std::vector<Address>> resolve(const std::string& host) override {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    if (const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &list); error != 0) {
      return fail(ErrorCode::Unavailable, fmt::format("the host {} is not known", host),
                  gai_strerror(error));
    }
    std::vector<Address> all;
    for (const addrinfo* entry = list; entry; entry = entry->ai_next) {
      Address address;
      if (entry->ai_family == AF_INET) {
        const auto* in = reinterpret_cast<const sockaddr_in*>(entry->ai_addr);
        address.bytes[10] = address.bytes[11] = 0xff;
        std::memcpy(address.bytes.data() + 12, &in->sin_addr, 4);
      } else if (entry->ai_family == AF_INET6) {
        const auto* in = reinterpret_cast<const sockaddr_in6*>(entry->ai_addr);
        std::memcpy(address.bytes.data(), &in->sin6_addr, 16);
      } else {
        continue;
      }
      all.push_back(address);
    }
    ::freeaddrinfo(list);
    return all;
  }
};

}  // namespace

Result<UrlGuard> UrlGuard::make(const UrlRules& rules) {
  UrlGuard guard;
  guard.rules_ = rules;
  CLOUDOS_CHECK(read_hosts(guard.rules_.allowed_hosts));
  CLOUDOS_CHECK(read_hosts(guard.rules_.denied_hosts));
  CLOUDOS_TRY(guard.allowed_, read_networks(rules.allowed_networks));
  CLOUDOS_TRY(guard.denied_, read_networks(rules.denied_networks));
  return guard;
}

Result<void> UrlGuard::check_url(const Url& url) const {
  const auto& schemes = rules_.schemes;
  if (std::find(schemes.begin(), schemes.end(), url.scheme) == schemes.end()) {
    return fail(ErrorCode::Forbidden, fmt::format("URLs with {}:// are not allowed", url.scheme));
  }
  const auto& ports = rules_.ports;
  if (!ports.empty() && std::find(ports.begin(), ports.end(), url.port) == ports.end()) {
    return fail(ErrorCode::Forbidden, fmt::format("URLs with port {} are not allowed", url.port));
  }
  if (matches_host(rules_.denied_hosts, url.host) ||
      (!rules_.allowed_hosts.empty() && !matches_host(rules_.allowed_hosts, url.host))) {
    return fail(ErrorCode::Forbidden, fmt::format("the host {} is not allowed", url.host));
  }
  if (url.address) return check_address(*url.address);
  return Result<void>();
}

bool UrlGuard::may_reach(const Address& address) const {
  if (in_any(denied_, address)) return false;
  return in_any(allowed_, address) || is_public(address);
}

Result<void> UrlGuard::check_address(const Address& address) const {
  const auto inner = embedded_v4(address);
  if (may_reach(address) && (!inner || may_reach(*inner))) return Result<void>();
  // The address itself goes to the log only: answers must not map the networks behind us.
  return fail(ErrorCode::Forbidden, "the host's address is not allowed", to_string(address));
}

std::unique_ptr<Resolver> system_resolver() { return std::make_unique<SystemResolver>(); }

Result<std::vector<Address>> checked_addresses(const UrlGuard& guard, Resolver& resolver,
                                               const Url& url) {
  CLOUDOS_CHECK(guard.check_url(url));
  if (url.address) return std::vector<Address>{*url.address};
  CLOUDOS_TRY(std::vector<Address> all, resolver.resolve(url.host));
  if (all.empty()) {
    return fail(ErrorCode::Unavailable, fmt::format("the host {} has no address", url.host));
  }
  for (const Address& address : all) CLOUDOS_CHECK(guard.check_address(address));
  if (all.size() > limits::kUrlAddresses) all.resize(limits::kUrlAddresses);
  return all;
}

}  // namespace cloudos::image

#pragma once
#include <memory>
#include <vector>

#include "cloudos/image_imports.hpp"
#include "image/url.hpp"

namespace cloudos::image {

/// Decides which places of the network are asked on behalf of callers. Pure and immutable.
///
/// Without rules only public unicast addresses pass: nothing of this host, its links, its private
/// networks, nor an IPv6 address that carries such an IPv4 one (mapped, 6to4, NAT64, Teredo).
class UrlGuard {
 public:
  /// Errors: InvalidArgument (a rule that is no host or network).
  static Result<UrlGuard> make(const UrlRules& rules);
  /// Scheme, port and name; an address in place of a name as check_address() has it.
  /// Errors: Forbidden.
  Result<void> check_url(const Url& url) const;
  /// Ask for every answer of the name service, and connect to what was asked for.
  /// Errors: Forbidden.
  Result<void> check_address(const Address& address) const;
  unsigned redirects() const { return rules_.redirects; }

 private:
  bool may_reach(const Address& address) const;
  UrlRules rules_;
  std::vector<Network> allowed_, denied_;
};

/// Names to addresses. Thread-safe; blocks.
class Resolver {
 public:
  virtual ~Resolver() = default;
  /// All of them. Errors: Unavailable (no such name, or no answer).
  virtual Result<std::vector<Address>> resolve(const std::string& host) = 0;
};
/// The machine's own.
std::unique_ptr<Resolver> system_resolver();

/// Resolves the URL's host and checks every answer: one that is forbidden refuses them all, since
/// an honest name has none. Errors: Forbidden, Unavailable.
Result<std::vector<Address>> checked_addresses(const UrlGuard& guard, Resolver& resolver,
                                               const Url& url);

}  // namespace cloudos::image

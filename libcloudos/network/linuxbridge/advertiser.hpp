#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "cloudos/log.hpp"
#include "cloudos/network_driver.hpp"

/// Router advertisements (RFC 4861, 8106), sent from routers' namespaces.
namespace cloudos::network::linuxbridge {

/// The message that one leg sends, for all of its prefixes. Empty when none of them is one.
std::string advertisement(const std::vector<RouterPlan::Advertise>& prefixes,
                          const std::string& mac);

/// A raw socket for ICMPv6 that is bound to `device` of the namespace. Errors: Unavailable.
Result<Fd> open_advertising(int netns, const std::string& device);

/// Sends each leg's advertisement at once, when it is asked for, and every few minutes, from one
/// thread of its own that starts with the first. While no process of ours runs nothing is sent:
/// what was said lasts for half an hour. Thread-safe.
class Advertiser {
 public:
  explicit Advertiser(Log log);
  ~Advertiser();
  Advertiser(const Advertiser&) = delete;
  Advertiser& operator=(const Advertiser&) = delete;

  /// Advertises on a leg, in place of what it said before; `socket` is opened anew when the leg is.
  Result<void> set(const PortId& leg, int device_index, const std::string& message,
                   const std::function<Result<Fd>()>& socket);
  /// Once this returns no socket of the leg is open here.
  void remove(const PortId& leg);
  /// Whether the leg is advertised, and what it said last could be sent.
  bool advertises(const PortId& leg) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cloudos::network::linuxbridge

#pragma once
#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "cloudos/result.hpp"
#include "network/linuxbridge/netlink.hpp"

struct nft_ctx;

/// The kernel's packet filter and connection tracking.
namespace cloudos::network::linuxbridge {

/// Whose connections to forget.
struct FlowOwner {
  int zone = 0;
  std::string address;  ///< Or a prefix; canonical text, as of IpPrefix::text().
  friend auto operator<=>(const FlowOwner&, const FlowOwner&) = default;
};

/// One kept libnftables context (a new one costs ten times a small change). Bound to the network
/// namespace of the thread that opened it. One thread at a time.
class Nft {
 public:
  /// Errors: Unavailable.
  static Result<Nft> open();
  /// All of `commands` or nothing: one transaction. Errors: Unavailable.
  Result<void> run(const std::string& commands);
  /// The table as the kernel has it, or an empty text when there is none.
  Result<std::string> list(const std::string& family, const std::string& table);
  /// Grows by one with every transaction of anybody on this host.
  Result<std::uint32_t> generation();
  /// Drops what connection tracking knows of these addresses, so that a rule taken away also ends
  /// the connections it had let in. By a socket that is kept: the kernel holds up who closes one
  /// until all that a transaction took away is freed. Errors: Unavailable.
  Result<void> forget_flows(const std::set<FlowOwner>& owners);

 private:
  struct Free {
    void operator()(nft_ctx* context) const;
  };
  Nft(std::unique_ptr<nft_ctx, Free> context, Netlink netlink)
      : context_(std::move(context)), netlink_(std::move(netlink)) {}
  std::unique_ptr<nft_ctx, Free> context_;
  Netlink netlink_;
};

}  // namespace cloudos::network::linuxbridge

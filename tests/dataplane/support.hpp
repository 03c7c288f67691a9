#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "network/changes.hpp"
#include "network/linuxbridge/linuxbridge.hpp"
#include "network/linuxbridge/names.hpp"
#include "network/linuxbridge/netlink.hpp"

/// A private host for each test: a network and a mount namespace of its own, so that the machine's
/// own stay as they are. Guests are namespaces behind a veth that stands where a tap would be.
namespace dataplane {

namespace lb = cloudos::network::linuxbridge;
using cloudos::network::Plan;

/// Runs `body` on a thread with private network and mount namespaces and an empty /run. False
/// (with a message) when that takes rights we lack. What `body` throws is thrown on.
bool on_private_host(const std::function<void()>& body);

/// A temporary folder, removed with all that is in it.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// A network namespace without a name, with a netlink socket in it.
class Guest {
 public:
  /// Waits until the host's end of the link carries frames: the kernel may take a second to say so.
  void await_carrier() const;
  /// The guest's link is `tap` on the host side, marked as the port's device.
  Guest(const std::string& folder, const cloudos::network::PortPlan& port);
  /// A namespace with nothing in it.
  Guest();
  /// A namespace that is there already.
  explicit Guest(cloudos::Fd netns) : netns_(std::move(netns)) {}
  /// Runs in the namespace, on a thread of its own.
  void in(const std::function<void()>& work) const;
  void add_address(const std::string& address, unsigned length);
  int netns() const { return netns_.get(); }
  const std::string& mac() const { return mac_; }

  /// A stream connection from here; the local address may be forced.
  bool can_connect(const std::string& address, std::uint16_t port,
                   const std::string& from = "") const;
  /// An open connection, or an invalid descriptor.
  cloudos::Fd connect(const std::string& address, std::uint16_t port,
                 const std::string& from = "") const;
  cloudos::Fd listen(const std::string& address, std::uint16_t port) const;
  void send_frame(const std::vector<std::uint8_t>& frame) const;
  /// A socket that sees every frame arriving here.
  cloudos::Fd sniff() const;

  struct Lease {
    std::string address;
    std::map<int, std::string> options;  ///< Raw.
  };
  /// Asks for a lease as a DHCP client does; nothing when no server offers one.
  std::optional<Lease> dhcp(const std::string& as_mac = "") const;

 private:
  cloudos::Fd netns_;
  std::string mac_, tap_;
};

/// What comes back on an open connection until it ends.
std::string answer_to(const cloudos::Fd& connection, const std::string& request);
/// Whether a frame that contains `needle` arrives within `patience`.
bool arrives(const cloudos::Fd& sniffer, const std::string& needle,
             std::chrono::milliseconds patience = std::chrono::milliseconds(200));
/// Whether one byte goes through an open connection and arrives at the peer.
bool still_flows(const cloudos::Fd& from, const cloudos::Fd& listener_side);

std::vector<std::uint8_t> mac_of(const std::string& text);
std::vector<std::uint8_t> ip_of(const std::string& text);
std::vector<std::uint8_t> udp_frame(const std::string& from_mac, const std::string& to_mac,
                                    const std::string& from_ip, const std::string& to_ip,
                                    std::uint16_t from_port, std::uint16_t to_port,
                                    const std::string& payload);
/// What a DHCP client says, of that kind (1 discovers, 3 requests, 4 declines): the message alone.
std::string dhcp_message(int type, const std::string& mac, const std::string& asked,
                         const std::string& server);
std::vector<std::uint8_t> arp_frame(const std::string& ether_mac, const std::string& sender_mac,
                                    const std::string& sender_ip, const std::string& target_ip);

/// A tap opened as QEMU opens it, and a frame sent through it.
cloudos::Fd open_tap(const std::string& name);
void write_tap(const cloudos::Fd& tap, const std::vector<std::uint8_t>& frame);

/// One network 10.0.0.0/24 with DHCP, the group "default" (egress open, ingress closed), no ports.
Plan simple_plan();
/// Adds a port with address 10.0.0.`last` to the plan, as a DHCP host as well.
cloudos::network::PortPlan& add_port(Plan& plan, int last);
cloudos::network::RulePlan tcp_from_anywhere(std::uint16_t port);

cloudos::network::Change gone(const cloudos::network::Change& change);

/// What is on this host: devices, namespaces, tables and files of `dir`, one per line.
std::string host_state(const std::string& dir);
/// Runs nftables commands of the tester.
void nft(const std::string& commands);
std::string nft_list();

inline const char* const kFolder = "0a1b2c3d";

}  // namespace dataplane

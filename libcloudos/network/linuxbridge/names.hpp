#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// What our things on the host are called, and which texts may go into a command or a file.
namespace cloudos::network::linuxbridge {

/// Names of one cloud's devices, derived from its folder and the resource, so that two clouds on a
/// host never meet. Devices fit the kernel's 15 characters; who owns one is told by its alias.
class Names {
 public:
  /// `host` tells several hosts of one cloud on one machine apart; empty for the only one.
  explicit Names(std::string folder_id, const std::string& host = {});
  const std::string& folder() const { return folder_; }

  std::string bridge(std::string_view network) const;      ///< "clb" + 11 digits
  std::string dhcp_outer(std::string_view network) const;  ///< The DHCP link's end in the bridge.
  std::string dhcp_inner(std::string_view network) const;  ///< Its end in the namespace.
  std::string tunnel(std::string_view network) const;      ///< Its end of the tunnel to others.
  std::string shaper(std::string_view port) const;         ///< Where a guest's frames queue.
  std::string sub_end(std::string_view port) const;        ///< Where a sub-port meets its parent.
  std::string netns(std::string_view network) const;       ///< "cloudos-<folder>-" + 11 digits
  std::string netns_prefix() const;
  std::string table() const;  ///< "cloudos_<folder>"
  /// Eleven hexadecimal digits that stand for (folder, id).
  std::string brief(std::string_view id) const;
  /// A locally administered address for a device of ours.
  std::string mac(std::string_view id) const;

  std::string alias(std::string_view id) const;  ///< "cloudos:<folder>:<id>"
  /// The id when `alias` is one of ours.
  std::optional<std::string> owner(std::string_view alias) const;

 private:
  std::string folder_;
  std::string netns_prefix_;
};

/// An address or a prefix, in the form the kernel prints it.
struct IpPrefix {
  bool v6 = false;
  std::string address;  ///< As given, canonical.
  std::string network;  ///< With the bits behind the prefix cleared.
  unsigned length = 32;
  bool host() const { return length == (v6 ? 128U : 32U); }
  std::string text() const;  ///< "10.0.0.0/8"; a host without its length.
};

/// Strict: no names, blanks, zones, leading zeros or octal. Nothing when it is neither.
std::optional<IpPrefix> parse_ip_prefix(std::string_view text);
std::optional<IpPrefix> parse_ip(std::string_view text);

/// "aa:bb:cc:dd:ee:ff" in lower case, or nothing.
std::optional<std::string> parse_mac(std::string_view text);
/// The link-local IPv6 address a MAC makes (EUI-64).
std::string link_local_of(std::string_view mac);

/// 1..15 characters of letters, digits, '-', '_', '.' and not "." or "..".
bool is_device_name(std::string_view text);
/// A DNS label: letters, digits, inner hyphens, 1..63.
bool is_host_label(std::string_view text);
/// Letters, digits, '-', 1..64: what may name a file or a tag.
bool is_plain_id(std::string_view text);

}  // namespace cloudos::network::linuxbridge

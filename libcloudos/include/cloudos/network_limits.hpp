#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>

/// Limits of what the Networking API has beside networks, subnets, ports and groups.
namespace cloudos::limits {

inline constexpr std::size_t kPortDhcpOptions = 32;      ///< extra_dhcp_opts of one port.
inline constexpr std::size_t kDhcpOptionBytes = 255;     ///< Of a name, and of a value.
inline constexpr std::size_t kTagChars = 60;             ///< Of one tag.
inline constexpr std::size_t kResourceTags = 50;         ///< Of one resource.
inline constexpr std::size_t kQosRules = 16;             ///< Of one policy.
inline constexpr std::size_t kTrunkSubPorts = 256;       ///< Of one trunk.
inline constexpr std::size_t kAddressGroupPrefixes = 500;  ///< Of one group.
inline constexpr std::size_t kNetworkSegments = 16;      ///< Of one network.
inline constexpr std::uint32_t kVlanMost = 4'094;        ///< The highest VLAN tag.
inline constexpr std::uint32_t kVniMost = 16'777'215;    ///< The highest VXLAN identifier.
inline constexpr std::size_t kPortBindings = 8;          ///< Inactive ones.

inline constexpr std::size_t kBindTries = 10;            ///< A port's binding is begun anew so often.
inline constexpr std::size_t kBindLevels = 10;           ///< Drivers that bind one port together.
inline constexpr std::size_t kSegmentRanges = 256;       ///< Of one kind of segment.
inline constexpr std::size_t kRangeShown = 65'536;       ///< Free numbers a range is shown with.
inline constexpr std::size_t kDefaultRules = 64;         ///< Rules that new groups begin with.

inline constexpr std::chrono::seconds kAgentDown{75};    ///< Without a sign of life for so long.

}  // namespace cloudos::limits

#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Ranges of numbers as files say them.
namespace cloudos::config {

using NumberRange = std::pair<std::uint32_t, std::uint32_t>;  ///< First and last.

/// "100:199", within 1 to `most`. Pure.
std::optional<NumberRange> parse_range(std::string_view text, std::uint32_t most);
/// "physnet1:100:199" is a range of it, "physnet1" alone a name without one. Nothing when an item
/// is neither. Pure.
std::optional<std::map<std::string, std::vector<NumberRange>>> parse_vlan_ranges(
    const std::vector<std::string>& items);
/// "1:1000", of tunnels. Pure.
std::optional<std::vector<NumberRange>> parse_vni_ranges(const std::vector<std::string>& items);

}  // namespace cloudos::config

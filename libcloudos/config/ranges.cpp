#include "config/ranges.hpp"

#include "base/text.hpp"
#include "cloudos/network_limits.hpp"

namespace cloudos::config {

std::optional<NumberRange> parse_range(std::string_view text, std::uint32_t most) {
  const auto colon = text.find(':');
  if (colon == text.npos) return std::nullopt;
  const auto first = parse_unsigned(text.substr(0, colon));
  const auto last = parse_unsigned(text.substr(colon + 1));
  if (!first || !last || *first < 1 || *first > *last || *last > most) return std::nullopt;
  return NumberRange{static_cast<std::uint32_t>(*first), static_cast<std::uint32_t>(*last)};
}

std::optional<std::map<std::string, std::vector<NumberRange>>> parse_vlan_ranges(
    const std::vector<std::string>& items) {
  std::map<std::string, std::vector<NumberRange>> all;
  for (const std::string& item : items) {
    const auto colon = item.find(':');
    if (colon == 0) return std::nullopt;
    auto& ranges = all[item.substr(0, colon)];
    if (colon == item.npos) continue;
    const auto range = parse_range(std::string_view(item).substr(colon + 1), limits::kVlanMost);
    if (!range) return std::nullopt;
    ranges.push_back(*range);
  }
  return all;
}

std::optional<std::vector<NumberRange>> parse_vni_ranges(const std::vector<std::string>& items) {
  std::vector<NumberRange> all;
  for (const std::string& item : items) {
    const auto range = parse_range(item, limits::kVniMost);
    if (!range) return std::nullopt;
    all.push_back(*range);
  }
  return all;
}

}  // namespace cloudos::config

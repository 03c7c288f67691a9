#include <fmt/format.h>

#include <algorithm>

#include "cloudos/network_limits.hpp"
#include "cloudos/network_segments.hpp"
#include "network/errors.hpp"
#include "network/wiring.hpp"

/// Who carries a port: drivers in their order, segments in theirs, levels from the top down.
namespace cloudos::network {

struct Wiring::Ladder {
  const PortContext& asked;
  const MakeSegment& make;
  Bound bound;
  std::optional<Error> obstacle;  ///< Why a segment below was not to be had, or who broke off.
};

/// Binds this level and those below it; leaves the ladder as it was when nobody does.
bool Wiring::climb_down(Ladder& ladder, const std::vector<NetworkSegment>& segments) const {
  auto& levels = ladder.bound.levels;
  if (levels.size() >= limits::kBindLevels) return false;
  for (std::size_t i = 0; i < drivers_.size(); ++i) {
    if (!hosts_[i].empty() && hosts_[i] != ladder.asked.host) continue;
    for (const NetworkSegment& segment : segments) {
      const BindingLevel level{std::string(drivers_[i]->name()), segment.id};
      // A driver that is asked below itself, on what it has bound already, would go round for ever.
      if (std::find(levels.begin(), levels.end(), level) != levels.end()) continue;
      PortContext context = ladder.asked;
      context.network_type = segment.network_type;
      context.physical_network = segment.physical_network;
      context.segmentation_id = segment.segmentation_id;
      context.segment = segment.id;
      context.level = static_cast<unsigned>(levels.size());
      auto asked = drivers_[i]->bind_port(context);
      if (!asked && !ladder.obstacle) ladder.obstacle = asked.error();
      if (!asked || !*asked) continue;
      auto& binding = *asked;
      levels.push_back({binding->driver, segment.id});
      if (!binding->lower) {
        ladder.bound.binding = std::move(*binding);
        return true;
      }
      const auto below = ladder.make(*binding->lower);
      if (!below && !ladder.obstacle) ladder.obstacle = below.error();
      if (below && climb_down(ladder, {*below})) return true;
      levels.pop_back();
    }
  }
  return false;
}

std::string Wiring::why_unbound(const Network& network, const PortContext& context) const {
  std::vector<std::string> types, reasons;
  for (const NetworkSegment& segment : network_segments(network))
    if (!segment.dynamic &&
        std::find(types.begin(), types.end(), segment.network_type) == types.end())
      types.push_back(segment.network_type);
  bool anybody = false;
  for (std::size_t i = 0; i < drivers_.size(); ++i) {
    if (!hosts_[i].empty() && hosts_[i] != context.host) continue;
    anybody = true;
    for (const Ability& ability : drivers_[i]->abilities())
      for (const std::string& type : types)
        if (!ability.works && ability.name == "type:" + type)
          reasons.push_back(fmt::format("{}: {}", drivers_[i]->name(), ability.reason));
  }
  if (!anybody) reasons.push_back("no driver works on that host");
  // l10n: "no mechanism driver binds a {} port of a {} network on host {}"
  std::string why = fmt::format("no mechanism driver binds a {} port of a {} network on host {}",
                                context.vnic_type, fmt::join(types, "/"), context.host);
  // l10n: "no mechanism driver binds a {} port of a {} network on host {} ({})"
  if (!reasons.empty()) why += fmt::format(" ({})", fmt::join(reasons, "; "));
  return why;
}

Result<Wiring::Bound> Wiring::bind(const Network& network, const PortContext& context,
                                   const MakeSegment& make) const {
  std::vector<NetworkSegment> segments;
  for (NetworkSegment& one : network_segments(network))
    if (!one.dynamic) segments.push_back(std::move(one));
  PortContext asked = context;
  asked.network = network.id;
  Ladder ladder{asked, make, {}, {}};
  if (climb_down(ladder, segments)) return std::move(ladder.bound);
  if (ladder.obstacle) return fail(std::move(*ladder.obstacle));
  if (engine_.guest) {
    return fail(ErrorCode::Unsupported,
                "binding:host_id is set through the process that runs the data folder: it has the "
                "drivers");
  }
  return fail_as("PortBindingError", ErrorCode::Unsupported, why_unbound(network, asked));
}

}  // namespace cloudos::network

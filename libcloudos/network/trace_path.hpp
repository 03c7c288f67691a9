#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cloudos/network_driver.hpp"
#include "cloudos/network_trace.hpp"
#include "network/plan.hpp"

/// The way of a packet as records have it: a pure function of a snapshot.
namespace cloudos::network::tracing {

/// So many traces at once in one process: each asks hosts for lists of rules and more.
inline constexpr int kMaxTraces = 4;

/// A hop as records have it, and what to ask its host about it.
struct Step {
  TraceHop hop;
  ProjectId owner;      ///< Whose part of the way it is; empty: the provider's.
  bool strict = false;  ///< Whatever differs there ends the packet's way.
  std::string driver;   ///< Who carries it on hop.host.
  std::optional<Inspection> ask;
};

struct Start {
  PortId port;  ///< Empty: outside the cloud.
  Packet packet;
};

/// Whose plan a host is given; nothing when nobody here works on that host.
using FindScope =
    std::function<std::optional<PlanScope>(const std::string& driver, const std::string& host)>;

/// Up to where the packet is delivered, or where records drop it. Errors: the store's.
Result<std::vector<Step>> way_of(const store::Snapshot& snapshot, const Start& start,
                                 const FindScope& scope_of);

}  // namespace cloudos::network::tracing

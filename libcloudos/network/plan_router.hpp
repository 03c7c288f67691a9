#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/routers.hpp"
#include "network/plan.hpp"

/// Routers as their host has to have them, as a pure function of a snapshot; and what came of it.
namespace cloudos::network {

/// Null: not carried by `driver` on `host` (empty: any), or gone. A router is carried where its
/// plugged legs are; one without any is on no host.
Result<PlanPtr<RouterPlan>> plan_router(const store::Snapshot& snapshot, std::string_view driver,
                                        std::string_view host, const RouterId& id);
/// Every router that `driver` carries on `host`, by the ports it has plugged.
Result<std::vector<RouterId>> routers_on(const store::Snapshot& snapshot, std::string_view driver,
                                         std::string_view host);

/// Writes what the driver made of a router: its floating addresses are ACTIVE where `works`, else
/// ERROR; those that lead nowhere are DOWN. Writes only what differs: an idle cloud commits nothing.
Result<void> settle_router(store::Store& store, const RouterId& id, bool works);

/// What of `key` ("/…" of the change log) makes a router's plan stale; empty: nothing.
/// Prefixes to ask the change log for, and the router's id in what is behind them.
inline constexpr std::string_view kRouterChanges[] = {"/router/", "/ix/port/router/",
                                                      "/ix/floating_ip/router/",
                                                      "/ix/port_forwarding/router/"};

}  // namespace cloudos::network

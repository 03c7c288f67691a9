#include <algorithm>

#include <fmt/format.h>

#include "cloudos/limits.hpp"
#include "identity/quota.hpp"
#include "network/bulk.hpp"
#include "network/l3_lists.hpp"
#include "network/listing.hpp"
#include "network/network_checks.hpp"
#include "network/router_txn.hpp"
#include "network/topology_txn.hpp"

namespace cloudos {
namespace network {

Result<RouterDraft> draft_router(Networks::Impl& impl, const Context& ctx,
                                 const RouterCreate& spec) {
  CLOUDOS_CHECK(check_texts(spec.name, spec.description));
  RouterDraft draft;
  draft.spec = spec;
  CLOUDOS_TRY(draft.spec.routes, normal_routes(spec.routes));
  Router& router = draft.router;
  CLOUDOS_TRY(router.project, owner_of_new(ctx, spec.project));
  router.name = spec.name;
  router.description = spec.description;
  router.admin_up = spec.admin_up;
  router.id = impl.engine.ids.make<RouterId>();
  CLOUDOS_CHECK(check_zone_hints(impl.settings.zone, spec.zone_hints));
  router.zone_hints = spec.zone_hints;
  draft.leg = draft_leg(impl);
  router.created_at = router.updated_at = draft.leg.now;
  return draft;
}

Result<Router> insert_router(Networks::Impl& impl, const Context& ctx, store::Txn& txn,
                             const RouterDraft& draft) {
  Router router = draft.router;
  CLOUDOS_CHECK(network::reserve_quota(txn, router.project, "routers", 1));
  if (draft.spec.gateway)
    CLOUDOS_CHECK(set_gateway(impl, txn, ctx, *draft.spec.gateway, draft.leg, router));
  CLOUDOS_TRY(router.routes, check_routes_of(txn, router, draft.spec.routes));
  CLOUDOS_CHECK(records::insert(txn, router));
  return router;
}

Result<void> erase_router(const Networks::Impl& impl, store::Txn& txn, const Router& router) {
  if (!router.interfaces.empty() || carries_floating(txn, router.id, SubnetId{})) {
    return fail_as("RouterInUse", ErrorCode::Conflict,
                   fmt::format("Router {} still has ports", router.id.value));
  }
  if (!router.gateway_port.empty()) CLOUDOS_CHECK(erase_leg(impl, txn, router.gateway_port));
  CLOUDOS_CHECK(Quota::reserve(txn, router.project, "routers", -1));
  return records::erase<Router>(txn, router.id);
}

namespace {

std::vector<HostRoute> changed_routes(const Router& router, const RouterUpdate& change) {
  auto routes = change.routes.value_or(router.routes);
  for (const HostRoute& route : change.remove_routes) std::erase(routes, route);
  for (const HostRoute& route : change.add_routes)
    if (std::find(routes.begin(), routes.end(), route) == routes.end()) routes.push_back(route);
  return routes;
}

Result<void> apply_change(Networks::Impl& impl, const Context& ctx, store::Txn& txn,
                          const RouterUpdate& change, const LegDraft& draft, Router& router) {
  // By another name it is no part of a simple network any more.
  router.simple = router.simple && (!change.name || *change.name == router.name);
  if (change.name) router.name = *change.name;
  if (change.description) router.description = *change.description;
  if (change.admin_up) router.admin_up = *change.admin_up;
  if (change.gateway) CLOUDOS_CHECK(set_gateway(impl, txn, ctx, *change.gateway, draft, router));
  const bool rerouted =
      change.routes || !change.add_routes.empty() || !change.remove_routes.empty();
  if (rerouted) {
    CLOUDOS_TRY(router.routes, check_routes_of(txn, router, changed_routes(router, change)));
  }
  router.updated_at = draft.now;
  return Result<void>();
}

}  // namespace
}  // namespace network

Result<std::vector<Router>> Routers::create_many(const Context& ctx,
                                                 const std::vector<RouterCreate>& specs) {
  return network::create_all<Router>(
      impl_, ctx, specs,
      [&](const RouterCreate& spec) { return network::draft_router(impl_, ctx, spec); },
      [&](store::Txn& txn, const network::RouterDraft& draft) {
        return network::insert_router(impl_, ctx, txn, draft);
      });
}

Result<Router> Routers::create(const Context& ctx, const RouterCreate& spec) {
  CLOUDOS_TRY(auto made, create_many(ctx, {spec}));
  return std::move(made.front());
}

Result<Router> Routers::router(const Context& ctx, const RouterId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  return network::load_seen<Router>(*snapshot, ctx, id);
}

Result<std::vector<Router>> Routers::routers(const Context& ctx,
                                             const NetworkListSpec& spec) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  return network::list_records<Router>(*snapshot, ctx, spec);
}

Result<Router> Routers::update(const Context& ctx, const RouterId& id, const RouterUpdate& asked) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(network::check_texts(asked.name.value_or(""), asked.description.value_or("")));
  RouterUpdate change = asked;
  if (asked.routes) {
    CLOUDOS_TRY(change.routes, network::normal_routes(*asked.routes));
  }
  CLOUDOS_TRY(change.add_routes, network::normal_routes(asked.add_routes));
  CLOUDOS_TRY(change.remove_routes, network::normal_routes(asked.remove_routes));
  const auto draft = network::draft_leg(impl_);
  Router changed;
  CLOUDOS_CHECK(impl_.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(changed, network::load_owned<Router>(txn, ctx, id));
    CLOUDOS_CHECK(network::apply_change(impl_, ctx, txn, change, draft, changed));
    return records::update(txn, changed);
  }));
  return changed;
}

Result<void> Routers::remove(const Context& ctx, const RouterId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  return impl_.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(const Router router, network::load_owned<Router>(txn, ctx, id));
    return network::erase_router(impl_, txn, router);
  });
}

SubnetPools& Networks::subnet_pools() { return impl_->subnet_pools; }
Routers& Networks::routers() { return impl_->routers; }

}  // namespace cloudos

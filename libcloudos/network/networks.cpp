#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "identity/quota.hpp"
#include "network/addressing.hpp"
#include "network/auto_addresses.hpp"
#include "network/bulk.hpp"
#include "network/floating_txn.hpp"
#include "network/impl.hpp"
#include "network/network_checks.hpp"
#include "network/plan.hpp"
#include "network/pool_txn.hpp"
#include "network/segment_drafts.hpp"
#include "network/sharing.hpp"
#include "network/topology_txn.hpp"

namespace cloudos {

using network::invalid;

namespace network {

Result<ProjectId> owner_of_new(const Context& ctx, const std::optional<ProjectId>& asked) {
  if (asked && *asked != ctx.project) {
    if (!ctx.is_admin) return invalid("project_id: only an admin acts for another project");
    if (asked->empty()) return invalid("project_id is empty");
    CLOUDOS_CHECK(check_name("project_id", asked->value, 1, limits::kNameChars));
    return *asked;
  }
  if (ctx.project.empty()) return invalid("project_id: a call without a project must name one");
  return ctx.project;
}

Result<void> admin_only(const Context& ctx, bool used, std::string_view attribute) {
  if (used && !ctx.is_admin)
    return forbidden(fmt::format("{}: only an admin may set it", attribute));
  return Result<void>();
}

Result<void> check_texts(std::string_view name, std::string_view description) {
  CLOUDOS_CHECK(check_name("name", name, 0, limits::kNameChars));
  return check_name("description", description, 0, limits::kDescriptionChars);
}

Result<NetworkDraft> draft_network(Networks::Impl& impl, const Context& ctx,
                                   const NetworkCreate& spec) {
  CLOUDOS_CHECK(check_network_create(ctx, spec));
  NetworkDraft draft;
  Network& network = draft.network;
  CLOUDOS_TRY(network.project, owner_of_new(ctx, spec.project));
  network.name = spec.name;
  network.description = spec.description;
  network.admin_up = spec.admin_up;
  network.shared = spec.shared;
  network.external = spec.external;
  network.port_security = spec.port_security;
  network.dns_domain = spec.dns_domain;
  network.is_default = spec.is_default;
  network.qos_policy = spec.qos_policy;
  network.zone_hints = spec.zone_hints;
  CLOUDOS_CHECK(check_zone_hints(impl.settings.zone, spec.zone_hints));
  CLOUDOS_TRY(network.tags, checked_tags(spec.tags));
  CLOUDOS_TRY(draft.segments, draft_segments(impl, spec));
  network.id = impl.engine.ids.make<NetworkId>();
  if (network.shared) draft.as_shared = impl.engine.ids.make<RbacPolicyId>();
  if (network.external) draft.as_external = impl.engine.ids.make<RbacPolicyId>();
  network.created_at = network.updated_at = impl.engine.clock.wall();
  return draft;
}

namespace {

Result<void> give_by_flags(store::Txn& txn, const Network& network, const RbacPolicyId& as_shared,
                           const RbacPolicyId& as_external, WallTime now) {
  if (!as_shared.empty()) {
    CLOUDOS_CHECK(give_to_all(txn, network.project, "network", network.id.value, kAsShared,
                              as_shared, now));
  }
  if (as_external.empty()) return Result<void>();
  return give_to_all(txn, network.project, "network", network.id.value, kAsExternal, as_external,
                     now);
}

}  // namespace

Result<Network> insert_network(Networks::Impl& impl, store::Txn& txn, const Context& ctx,
                               const NetworkDraft& draft) {
  Network network = draft.network;
  CLOUDOS_CHECK(take_segments(impl, txn, draft.segments, network));
  CLOUDOS_CHECK(use_qos_policy(txn, ctx, network));
  CLOUDOS_CHECK(refuse_second_default(txn, network));
  CLOUDOS_CHECK(network::reserve_quota(txn, network.project, "networks", 1));
  CLOUDOS_CHECK(records::insert(txn, network));
  CLOUDOS_CHECK(give_by_flags(txn, network, draft.as_shared, draft.as_external,
                              network.created_at));
  CLOUDOS_CHECK(impl.precommit_network(txn, network));
  return network;
}

namespace {

/// Sharing ends only when nobody else is left on the network.
Result<void> set_shared(store::Txn& txn, Network& network, bool shared) {
  if (network.shared == shared) return Result<void>();
  const auto foreign = records::index_prefix(Port::kKind, "foreign", network.id.value);
  if (!shared && !network.external && !txn.none(foreign)) {
    return fail_as("InvalidSharedSetting", ErrorCode::Conflict,
                   fmt::format("network {} has ports of other projects", network.id.value));
  }
  network.shared = shared;
  for (const SubnetId& id : network.subnets) {
    CLOUDOS_CHECK(records::modify<Subnet>(txn, id, [&](Subnet& subnet) {
      subnet.shared = shared;
      return Result<void>();
    }));
  }
  if (shared) return Result<void>();
  return take_from_all(txn, "network", network.id.value, kAsShared);
}

Result<void> set_external(store::Txn& txn, Network& network, bool external) {
  if (network.external == external) return Result<void>();
  const auto foreign = records::index_prefix(Port::kKind, "foreign", network.id.value);
  const bool used =
      (!network.shared && !txn.none(foreign)) ||
      !txn.none(records::index_prefix(Router::kKind, "gateway", network.id.value)) ||
      !txn.none(records::index_prefix(FloatingIp::kKind, "network", network.id.value));
  if (!external && used) {
    return fail_as("ExternalNetworkInUse", ErrorCode::Conflict,
                   fmt::format("External network {} cannot be updated to be made non-external, "
                               "since it has existing gateway ports.", network.id.value));
  }
  network.external = external;
  if (external) return Result<void>();
  network.is_default = false;
  return take_from_all(txn, "network", network.id.value, kAsExternal);
}

Result<void> apply(store::Txn& txn, const Context& ctx, const NetworkUpdate& change,
                   Network& network) {
  // By another name it is no part of a simple network any more.
  network.simple = network.simple && (!change.name || *change.name == network.name);
  if (change.name) network.name = *change.name;
  if (change.description) network.description = *change.description;
  if (change.admin_up) network.admin_up = *change.admin_up;
  if (change.external) CLOUDOS_CHECK(set_external(txn, network, *change.external));
  if (change.port_security) network.port_security = *change.port_security;
  if (change.mtu) {
    network.mtu = *change.mtu;
    network.asked_mtu = change.mtu;
  }
  if (change.dns_domain) network.dns_domain = *change.dns_domain;
  if (change.is_default) network.is_default = *change.is_default;
  if (change.qos_policy)
    CLOUDOS_CHECK(change_qos_policy(txn, ctx, *change.qos_policy, network.qos_policy));
  CLOUDOS_CHECK(refuse_second_default(txn, network));
  if (change.shared) CLOUDOS_CHECK(set_shared(txn, network, *change.shared));
  return Result<void>();
}

Result<void> erase_subnets(store::Txn& txn, const Network& network) {
  for (const SubnetId& id : network.subnets) {
    CLOUDOS_TRY(const Subnet subnet, load<Subnet>(txn, id));
    forget_pools(txn, subnet);
    forget_auto_addresses(txn, id);
    CLOUDOS_CHECK(give_back_prefix(txn, subnet));
    CLOUDOS_CHECK(Quota::reserve(txn, subnet.project, "subnets", -1));
    CLOUDOS_CHECK(records::erase<Subnet>(txn, id));
  }
  return Result<void>();
}

}  // namespace
}  // namespace network

Networks::Networks(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) { impl_->whole = this; }
Networks::~Networks() = default;

const std::string& Networks::dns_domain() const { return impl_->settings.dns_domain; }

std::unique_ptr<Networks> make_networks(
    const Engine& engine, NetworkSettings settings,
    std::vector<std::shared_ptr<network::MechanismDriver>> drivers) {
  auto impl = std::make_unique<Networks::Impl>(engine, std::move(settings), std::move(drivers));
  if (!engine.guest) {
    impl->wiring.start_watching(engine.runner);
    impl->add_reconcilers();
  }
  return std::make_unique<Networks>(std::move(impl));
}

Result<std::vector<Network>> Networks::create_networks(const Context& ctx,
                                                       const std::vector<NetworkCreate>& specs) {
  return network::create_all<Network>(
      *impl_, ctx, specs,
      [&](const NetworkCreate& spec) { return network::draft_network(*impl_, ctx, spec); },
      [&](store::Txn& txn, const network::NetworkDraft& draft) {
        return network::insert_network(*impl_, txn, ctx, draft);
      });
}

Result<Network> Networks::create_network(const Context& ctx, const NetworkCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_TRY(auto made, create_networks(ctx, {spec}));
  return std::move(made.front());
}

Result<Network> Networks::network(const Context& ctx, const NetworkId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_->snapshot());
  return network::load_seen<Network>(*snapshot, ctx, id);
}

Result<Network> Networks::update_network(const Context& ctx, const NetworkId& id,
                                         const NetworkUpdate& change) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(network::check_network_update(change));
  const WallTime now = impl_->engine.clock.wall();
  const auto as_shared = change.shared == true ? impl_->engine.ids.make<RbacPolicyId>()
                                               : RbacPolicyId{};
  const auto as_external = change.external == true ? impl_->engine.ids.make<RbacPolicyId>()
                                                   : RbacPolicyId{};
  Network changed;
  CLOUDOS_CHECK(impl_->transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(changed, network::load_owned<Network>(txn, ctx, id));
    CLOUDOS_CHECK(network::admin_only(ctx, change.shared.has_value(), "shared"));
    CLOUDOS_CHECK(network::admin_only(ctx, change.external.has_value(), "router:external"));
    CLOUDOS_CHECK(network::admin_only(ctx, change.is_default.has_value(), "is_default"));
    CLOUDOS_CHECK(network::check_mtu_of(*impl_, changed, change.mtu));
    CLOUDOS_CHECK(network::check_subnets_mtu(txn, changed, change.mtu));
    CLOUDOS_CHECK(network::apply(txn, ctx, change, changed));
    CLOUDOS_CHECK(network::give_by_flags(txn, changed, as_shared, as_external, now));
    changed.updated_at = now;
    CLOUDOS_CHECK(records::update(txn, changed));
    return impl_->precommit_network(txn, changed);
  }));
  return changed;
}

Result<void> network::erase_network(const Networks::Impl& impl, store::Txn& txn,
                                    const Context& ctx, const NetworkId& id,
                                    const std::vector<RbacPolicyId>& grants,
                                    const std::vector<FloatingIpId>& idle) {
  CLOUDOS_TRY(const Network network, load_owned<Network>(txn, ctx, id));
  CLOUDOS_CHECK(erase_idle_floating(impl, txn, idle));
  if (!network.dhcp_port.empty()) {
    CLOUDOS_TRY(const Port dhcp, load<Port>(txn, network.dhcp_port));
    CLOUDOS_CHECK(impl.erase_port(txn, dhcp));
  }
  if (!txn.none(records::index_prefix(Port::kKind, "network", id.value))) {
    return fail_as("NetworkInUse", ErrorCode::Conflict,
                   fmt::format("Unable to complete operation on network {}. There are one or more "
                               "ports still in use on the network.", id.value));
  }
  CLOUDOS_CHECK(erase_subnets(txn, network));
  CLOUDOS_CHECK(give_segments_back(impl, txn, network));
  CLOUDOS_CHECK(Quota::reserve(txn, network.project, "networks", -1));
  CLOUDOS_CHECK(erase_grants(txn, "network", id.value, grants));
  CLOUDOS_CHECK(records::erase<Network>(txn, id));
  return impl.precommit_gone(txn, Change::Kind::Network, id.value, network.generation + 1);
}

Result<void> Networks::delete_network(const Context& ctx, const NetworkId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  return store::replan([&]() -> Result<void> {
    std::vector<RbacPolicyId> grants;
    std::vector<FloatingIpId> idle;
    {
      CLOUDOS_TRY(const auto snapshot, impl_->snapshot());
      CLOUDOS_TRY(grants, network::grants_of(*snapshot, id.value));
      CLOUDOS_TRY(idle, network::idle_floating(*snapshot, id));
    }
    return impl_->transact([&](store::Txn& txn) -> Result<void> {
      return network::erase_network(*impl_, txn, ctx, id, grants, idle);
    });
  });
}

void Networks::set_metadata_source(network::MetadataSource* source) { impl_->metadata = source; }
void Networks::set_device_owner(network::DeviceOwner* owner) { impl_->device_owner = owner; }

}  // namespace cloudos

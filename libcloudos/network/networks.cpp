#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "identity/quota.hpp"
#include "network/impl.hpp"
#include "network/ipam.hpp"
#include "network/plan.hpp"

namespace cloudos {

using network::invalid;

namespace network {

Result<ProjectId> owner_of_new(const Context& ctx, const std::optional<ProjectId>& asked) {
  if (asked && *asked != ctx.project) {
    if (!ctx.is_admin) return forbidden("project_id: only an admin acts for another project");
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

namespace {

// The least an IPv4 link may carry, and the most an IP packet can be.
constexpr std::uint32_t kLeastMtu = 68, kMostMtu = 65'535;

Result<void> check_mtu(const std::optional<std::uint32_t>& mtu) {
  if (mtu && (*mtu < kLeastMtu || *mtu > kMostMtu))
    return invalid(fmt::format("mtu must be within {} to {}", kLeastMtu, kMostMtu));
  return Result<void>();
}

/// A network as asked for, its segment not yet taken.
Result<Network> draft_network(Networks::Impl& impl, const Context& ctx, const NetworkCreate& spec) {
  CLOUDOS_CHECK(check_texts(spec.name, spec.description));
  CLOUDOS_CHECK(admin_only(ctx, spec.shared, "shared"));
  CLOUDOS_CHECK(admin_only(ctx, spec.external, "router:external"));
  CLOUDOS_CHECK(admin_only(ctx, spec.network_type.has_value(), "provider:network_type"));
  CLOUDOS_CHECK(admin_only(ctx, spec.physical_network.has_value(), "provider:physical_network"));
  CLOUDOS_CHECK(admin_only(ctx, spec.segmentation_id.has_value(), "provider:segmentation_id"));
  CLOUDOS_CHECK(check_mtu(spec.mtu));
  if (!spec.network_type && (spec.physical_network || spec.segmentation_id))
    return invalid("provider:network_type is needed with the other provider attributes");
  Network network;
  CLOUDOS_TRY(network.project, owner_of_new(ctx, spec.project));
  network.name = spec.name;
  network.description = spec.description;
  network.admin_up = spec.admin_up;
  network.shared = spec.shared;
  network.external = spec.external;
  network.mtu = spec.mtu.value_or(impl.settings.mtu);
  network.port_security = spec.port_security;
  network.network_type = spec.network_type.value_or("local");
  network.physical_network = spec.physical_network.value_or("");
  network.segmentation_id = spec.segmentation_id;
  CLOUDOS_TRY(const TypeDriver* type, impl.types.find(network.network_type));
  CLOUDOS_CHECK(type->validate({network.physical_network, network.segmentation_id}));
  network.id = impl.engine.ids.make<NetworkId>();
  network.created_at = network.updated_at = impl.engine.clock.wall();
  return network;
}

Result<void> insert_network(Networks::Impl& impl, store::Txn& txn, Network& network) {
  CLOUDOS_TRY(TypeDriver* const type, impl.types.find(network.network_type));
  CLOUDOS_TRY(const auto segment,
              type->allocate(txn, {network.physical_network, network.segmentation_id}, network.id));
  network.physical_network = segment.physical_network;
  network.segmentation_id = segment.segmentation_id;
  CLOUDOS_CHECK(Quota::reserve(txn, network.project, "networks", 1));
  CLOUDOS_CHECK(records::insert(txn, network));
  return impl.precommit_network(txn, network);
}

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
  return Result<void>();
}

Result<void> apply(store::Txn& txn, const NetworkUpdate& change, Network& network) {
  if (change.name) network.name = *change.name;
  if (change.description) network.description = *change.description;
  if (change.admin_up) network.admin_up = *change.admin_up;
  if (change.external) {
    const auto foreign = records::index_prefix(Port::kKind, "foreign", network.id.value);
    if (!*change.external && network.external && !network.shared && !txn.none(foreign)) {
      return fail_as("ExternalNetworkInUse", ErrorCode::Conflict,
                     fmt::format("network {} has ports of other projects", network.id.value));
    }
    network.external = *change.external;
  }
  if (change.port_security) network.port_security = *change.port_security;
  if (change.mtu) network.mtu = *change.mtu;
  if (change.shared) CLOUDOS_CHECK(set_shared(txn, network, *change.shared));
  return Result<void>();
}

Result<void> erase_subnets(store::Txn& txn, const Network& network) {
  for (const SubnetId& id : network.subnets) {
    CLOUDOS_TRY(const Subnet subnet, load<Subnet>(txn, id));
    forget_full_chunks(txn, space_of(subnet));
    CLOUDOS_CHECK(Quota::reserve(txn, subnet.project, "subnets", -1));
    CLOUDOS_CHECK(records::erase<Subnet>(txn, id));
  }
  return Result<void>();
}

}  // namespace
}  // namespace network

Networks::Networks(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Networks::~Networks() = default;

std::unique_ptr<Networks> make_networks(
    const Engine& engine, NetworkSettings settings,
    std::vector<std::shared_ptr<network::MechanismDriver>> drivers) {
  auto impl = std::make_unique<Networks::Impl>(engine, std::move(settings), std::move(drivers));
  if (!engine.guest) impl->wiring.start_watching(engine.runner);
  return std::make_unique<Networks>(std::move(impl));
}

Result<std::vector<Network>> Networks::create_networks(const Context& ctx,
                                                       const std::vector<NetworkCreate>& specs) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  if (specs.size() > limits::kNetworkBulk)
    return fail(ErrorCode::TooLarge, fmt::format("at most {} at once", limits::kNetworkBulk));
  std::vector<Network> drafts;
  for (const NetworkCreate& spec : specs) {
    CLOUDOS_TRY(auto draft, network::draft_network(*impl_, ctx, spec));
    drafts.push_back(std::move(draft));
  }
  std::vector<Network> made;
  CLOUDOS_CHECK(impl_->transact([&](store::Txn& txn) -> Result<void> {
    made = drafts;
    for (Network& network : made) CLOUDOS_CHECK(network::insert_network(*impl_, txn, network));
    return Result<void>();
  }));
  return made;
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
  CLOUDOS_CHECK(network::check_texts(change.name.value_or(""), change.description.value_or("")));
  CLOUDOS_CHECK(network::check_mtu(change.mtu));
  const WallTime now = impl_->engine.clock.wall();
  Network changed;
  CLOUDOS_CHECK(impl_->transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(changed, network::load_owned<Network>(txn, ctx, id));
    CLOUDOS_CHECK(network::admin_only(ctx, change.shared.has_value(), "shared"));
    CLOUDOS_CHECK(network::admin_only(ctx, change.external.has_value(), "router:external"));
    CLOUDOS_CHECK(network::apply(txn, change, changed));
    changed.updated_at = now;
    CLOUDOS_CHECK(records::update(txn, changed));
    return impl_->precommit_network(txn, changed);
  }));
  return changed;
}

Result<void> Networks::delete_network(const Context& ctx, const NetworkId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  return impl_->transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(const Network network, network::load_owned<Network>(txn, ctx, id));
    if (!network.dhcp_port.empty()) {
      CLOUDOS_TRY(const Port dhcp, network::load<Port>(txn, network.dhcp_port));
      CLOUDOS_CHECK(impl_->erase_port(txn, dhcp));
    }
    if (!txn.none(records::index_prefix(Port::kKind, "network", id.value))) {
      return network::fail_as(
          "NetworkInUse", ErrorCode::Conflict,
          fmt::format("Unable to complete operation on network {}. There are one or more ports "
                      "still in use on the network.", id.value));
    }
    CLOUDOS_CHECK(network::erase_subnets(txn, network));
    CLOUDOS_TRY(network::TypeDriver* const type, impl_->types.find(network.network_type));
    CLOUDOS_CHECK(type->release(txn, {network.physical_network, network.segmentation_id}, id));
    CLOUDOS_CHECK(Quota::reserve(txn, network.project, "networks", -1));
    CLOUDOS_CHECK(records::erase<Network>(txn, id));
    return impl_->precommit_gone(txn, network::Change::Kind::Network, id.value,
                                 network.generation + 1);
  });
}

void Networks::set_metadata_source(network::MetadataSource* source) { impl_->metadata = source; }
void Networks::set_device_owner(network::DeviceOwner* owner) { impl_->device_owner = owner; }

}  // namespace cloudos

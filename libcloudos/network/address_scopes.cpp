#include <algorithm>

#include <fmt/format.h>

#include "cloudos/limits.hpp"
#include "network/bulk.hpp"
#include "network/impl.hpp"
#include "network/ip.hpp"
#include "network/l3_lists.hpp"
#include "network/listing.hpp"
#include "network/scope_txn.hpp"
#include "network/sharing.hpp"

namespace cloudos {
namespace network {
namespace {

Result<void> leave_scope(store::Txn& txn, SubnetPool& pool) {
  if (pool.scope.empty()) return Result<void>();
  CLOUDOS_CHECK(records::modify<AddressScope>(txn, pool.scope, [&](AddressScope& scope) {
    std::erase(scope.pools, pool.id);
    return Result<void>();
  }));
  pool.scope = AddressScopeId{};
  return Result<void>();
}

Result<void> check_scope_fits(const Context& ctx, const AddressScope& scope,
                              const SubnetPool& pool) {
  if (scope.ip_version != pool.ip_version) {
    return fail_as("IllegalSubnetPoolIpVersionAssociationToAddressScope",
                   ErrorCode::InvalidArgument,
                   fmt::format("Illegal subnetpool association: subnetpool {} cannot associate with "
                               "address scope {} because subnetpool ip_version is not {}.",
                               pool.id.value, scope.id.value, scope.ip_version));
  }
  if (ctx.is_admin || scope.project == pool.project || scope.shared) return Result<void>();
  return fail_as("IllegalSubnetPoolAssociationToAddressScope", ErrorCode::InvalidArgument,
                 fmt::format("Illegal subnetpool association: subnetpool {} cannot be associated "
                             "with address scope {}.", pool.id.value, scope.id.value));
}

Result<void> check_scope_overlap(store::Txn& txn, const AddressScope& scope,
                                 const SubnetPool& pool) {
  for (const SubnetPoolId& id : scope.pools) {
    if (id == pool.id) continue;
    CLOUDOS_TRY(const SubnetPool other, load<SubnetPool>(txn, id));
    for (const std::string& theirs : other.prefixes) {
      for (const std::string& mine : pool.prefixes) {
        const auto a = parse_ip_block(theirs), b = parse_ip_block(mine);
        if (!a || !b || !a->overlaps(*b)) continue;
        return fail_as("AddressScopePrefixConflict", ErrorCode::Conflict,
                       fmt::format("Failed to associate address scope: subnetpools within an "
                                   "address scope must have unique prefixes ({} and {}).", theirs,
                                   mine));
      }
    }
  }
  return Result<void>();
}

Result<AddressScope> draft_scope(Networks::Impl& impl, const Context& ctx,
                                 const AddressScopeCreate& spec) {
  CLOUDOS_CHECK(check_texts(spec.name, {}));
  CLOUDOS_CHECK(admin_only(ctx, spec.shared, "shared"));
  if (spec.ip_version != 4 && spec.ip_version != 6) return invalid("ip_version must be 4 or 6");
  AddressScope scope;
  CLOUDOS_TRY(scope.project, owner_of_new(ctx, spec.project));
  scope.name = spec.name;
  scope.ip_version = spec.ip_version;
  scope.shared = spec.shared;
  scope.id = impl.engine.ids.make<AddressScopeId>();
  scope.created_at = scope.updated_at = impl.engine.clock.wall();
  return scope;
}

/// The scope of the first subnet of the family that is of a pool with one.
AddressScopeId scope_of(const store::Snapshot& snapshot, const Network& network, bool v6,
                        std::map<SubnetPoolId, AddressScopeId>& known) {
  for (const SubnetId& id : network.subnets) {
    const auto subnet = records::get<Subnet>(snapshot, id);
    if (!subnet || subnet->v6() != v6 || subnet->pool.empty()) continue;
    auto found = known.find(subnet->pool);
    if (found == known.end()) {
      const auto pool = records::get<SubnetPool>(snapshot, subnet->pool);
      found = known.emplace(subnet->pool, pool ? pool->scope : AddressScopeId{}).first;
    }
    if (!found->second.empty()) return found->second;
  }
  return {};
}

}  // namespace

Result<void> join_scope(store::Txn& txn, const Context& ctx, const AddressScopeId& id,
                        SubnetPool& pool) {
  if (pool.scope != id) CLOUDOS_CHECK(leave_scope(txn, pool));
  if (id.empty()) return Result<void>();
  CLOUDOS_TRY(AddressScope scope, load_seen<AddressScope>(txn, ctx, id));
  CLOUDOS_CHECK(check_scope_fits(ctx, scope, pool));
  note_use(txn, pool.project, scope);
  CLOUDOS_CHECK(check_scope_overlap(txn, scope, pool));
  if (pool.scope == id) return Result<void>();
  pool.scope = id;
  CLOUDOS_CHECK(records::modify<AddressScope>(txn, id, [&](AddressScope& stored) {
    stored.pools.push_back(pool.id);
    return Result<void>();
  }));
  return Result<void>();
}

}  // namespace network

Result<std::vector<AddressScope>> SubnetPools::create_scopes(
    const Context& ctx, const std::vector<AddressScopeCreate>& specs) {
  return network::create_all<AddressScope>(
      impl_, ctx, specs,
      [&](const AddressScopeCreate& spec) { return network::draft_scope(impl_, ctx, spec); },
      network::insert_plain<AddressScope>);
}

Result<AddressScope> SubnetPools::create_scope(const Context& ctx,
                                               const AddressScopeCreate& spec) {
  CLOUDOS_TRY(auto made, create_scopes(ctx, {spec}));
  return std::move(made.front());
}

Result<AddressScope> SubnetPools::scope(const Context& ctx, const AddressScopeId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  return network::load_seen<AddressScope>(*snapshot, ctx, id);
}

Result<std::vector<AddressScope>> SubnetPools::scopes(const Context& ctx,
                                                      const NetworkListSpec& spec) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  return network::list_records<AddressScope>(*snapshot, ctx, spec);
}

Result<AddressScope> SubnetPools::update_scope(const Context& ctx, const AddressScopeId& id,
                                               const AddressScopeUpdate& change) {
  CLOUDOS_CHECK(check_call(ctx, impl_.engine.clock));
  CLOUDOS_CHECK(network::check_texts(change.name.value_or(""), {}));
  const WallTime now = impl_.engine.clock.wall();
  AddressScope changed;
  CLOUDOS_CHECK(impl_.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(changed, network::load_owned<AddressScope>(txn, ctx, id));
    CLOUDOS_CHECK(network::admin_only(ctx, change.shared.has_value(), "shared"));
    if (change.name) changed.name = *change.name;
    if (change.shared && *change.shared != changed.shared) {
      if (!*change.shared) {
        return network::fail_as("AddressScopeUpdateError", ErrorCode::InvalidArgument,
                                fmt::format("Unable to update address scope {} : Shared address "
                                            "scope can't be unshared", id.value));
      }
      changed.shared = true;
    }
    changed.updated_at = now;
    return records::update(txn, changed);
  }));
  return changed;
}

Result<void> SubnetPools::remove_scope(const Context& ctx, const AddressScopeId& id) {
  return network::remove_granted<AddressScope>(
      impl_, ctx, id, [&](store::Txn& txn) -> Result<void> {
        CLOUDOS_TRY(const AddressScope scope, network::load_owned<AddressScope>(txn, ctx, id));
        if (scope.pools.empty()) return Result<void>();
        return network::fail_as(
            "AddressScopeInUse", ErrorCode::Conflict,
            fmt::format("Unable to complete operation on address scope {}. There "
                        "are one or more subnet pools in use on the address scope",
                        id.value));
      });
}

Result<std::map<NetworkId, SubnetPools::NetworkScopes>> SubnetPools::scopes_of(
    const std::vector<Network>& networks) const {
  std::map<NetworkId, NetworkScopes> scopes;
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  // Most clouds have none: then no subnet is read.
  store::ScanOptions one;
  one.limit = 1;
  one.keys_only = true;
  CLOUDOS_TRY(const auto any, snapshot->scan(records::record_prefix(AddressScope::kKind), one));
  if (any.empty()) return scopes;
  std::map<SubnetPoolId, AddressScopeId> known;
  for (const Network& one_network : networks) {
    scopes[one_network.id] = {network::scope_of(*snapshot, one_network, false, known),
                              network::scope_of(*snapshot, one_network, true, known)};
  }
  return scopes;
}

}  // namespace cloudos

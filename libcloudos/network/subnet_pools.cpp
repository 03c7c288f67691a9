#include <algorithm>

#include <fmt/format.h>

#include "cloudos/limits.hpp"
#include "identity/quota.hpp"
#include "network/bulk.hpp"
#include "network/impl.hpp"
#include "network/l3_lists.hpp"
#include "network/listing.hpp"
#include "network/pool_txn.hpp"
#include "network/scope_txn.hpp"
#include "network/sharing.hpp"

namespace cloudos {
namespace network {
namespace {

constexpr std::size_t kPoolPrefixes = 100;

Failure bad_pool(std::string_view type, std::string message) {
  return fail_as(type, ErrorCode::InvalidArgument, std::move(message));
}

Result<std::vector<IpBlock>> check_prefixes(const std::vector<std::string>& texts,
                                            std::optional<unsigned> version) {
  if (texts.empty()) return bad_pool("EmptySubnetPoolPrefixList", "Empty subnet pool prefix list.");
  std::vector<IpBlock> blocks;
  for (const std::string& text : texts) {
    // Bits behind the prefix are left off, as the API has it: the pool shows what it took.
    const auto block = parse_ip_block(text);
    if (!block)
      return invalid(fmt::format("prefixes: '{}' is not a block", text.substr(0, 64)));
    const unsigned mine = block->base.v6 ? 6 : 4;
    if (version.value_or(mine) != mine) {
      return bad_pool("PrefixVersionMismatch", "Cannot mix IPv4 and IPv6 prefixes in a subnet "
                                               "pool.");
    }
    version = mine;
    blocks.push_back(*block);
  }
  auto merged = merge_blocks(std::move(blocks));
  if (merged.size() > kPoolPrefixes)
    return invalid(fmt::format("prefixes: at most {}", kPoolPrefixes));
  return merged;
}

std::vector<std::string> texts_of(const std::vector<IpBlock>& blocks) {
  std::vector<std::string> texts;
  for (const IpBlock& block : blocks) texts.push_back(block.text());
  return texts;
}
std::vector<IpBlock> prefixes_of(const SubnetPool& pool) {
  std::vector<IpBlock> blocks;
  for (const std::string& text : pool.prefixes)
    if (const auto block = parse_ip_block(text)) blocks.push_back(*block);
  return blocks;
}

Result<void> check_bounds(const SubnetPool& pool) {
  const unsigned bits = pool.ip_version == 6 ? 128 : 32;
  const auto out_of_order = [](std::string_view which, unsigned value, std::string_view than,
                               unsigned other) {
    return bad_pool("IllegalSubnetPoolPrefixBounds",
                    fmt::format("Illegal prefix bounds: {}={}, {}={}.", which, value, than, other));
  };
  if (pool.least_prefix > bits)
    return out_of_order("min_prefixlen", pool.least_prefix, "max_prefixlen", bits);
  if (pool.most_prefix > bits)
    return out_of_order("max_prefixlen", pool.most_prefix, "ip_version_max", bits);
  if (pool.least_prefix > pool.most_prefix)
    return out_of_order("min_prefixlen", pool.least_prefix, "max_prefixlen", pool.most_prefix);
  if (pool.default_prefix < pool.least_prefix)
    return out_of_order("default_prefixlen", pool.default_prefix, "min_prefixlen",
                        pool.least_prefix);
  if (pool.default_prefix > pool.most_prefix)
    return out_of_order("default_prefixlen", pool.default_prefix, "max_prefixlen",
                        pool.most_prefix);
  return Result<void>();
}

Result<SubnetPool> draft_pool(Networks::Impl& impl, const Context& ctx,
                              const SubnetPoolCreate& spec) {
  CLOUDOS_CHECK(check_texts(spec.name, spec.description));
  CLOUDOS_CHECK(admin_only(ctx, spec.shared, "shared"));
  CLOUDOS_CHECK(admin_only(ctx, spec.is_default, "is_default"));
  CLOUDOS_TRY(const auto prefixes, check_prefixes(spec.prefixes, std::nullopt));
  SubnetPool pool;
  CLOUDOS_TRY(pool.project, owner_of_new(ctx, spec.project));
  pool.name = spec.name;
  pool.description = spec.description;
  pool.prefixes = texts_of(prefixes);
  const bool v6 = prefixes.front().base.v6;
  pool.ip_version = v6 ? 6 : 4;
  pool.least_prefix = spec.least_prefix.value_or(v6 ? 64 : 8);
  pool.most_prefix = spec.most_prefix.value_or(v6 ? 128 : 32);
  pool.default_prefix = spec.default_prefix.value_or(pool.least_prefix);
  CLOUDOS_CHECK(check_bounds(pool));
  pool.default_quota = spec.default_quota;
  pool.shared = spec.shared;
  pool.is_default = spec.is_default;
  pool.scope = spec.scope;
  pool.id = impl.engine.ids.make<SubnetPoolId>();
  pool.created_at = pool.updated_at = impl.engine.clock.wall();
  return pool;
}

/// One default pool of a family. Errors: InvalidArgument.
Result<void> check_one_default(store::Txn& txn, const SubnetPool& pool) {
  if (!pool.is_default) return Result<void>();
  const auto other = records::find_unique(txn, SubnetPool::kKind, "default", "",
                                          pool.ip_version == 6 ? "6" : "4");
  if (!other || *other == pool.id.value) return Result<void>();
  return invalid(fmt::format("A default subnetpool for this IP family has already been set. Only "
                             "one default may exist per IP family"));
}

/// The addresses of a scope are its owner's to give out. Errors: InvalidArgument.
Result<void> check_scope_owner(store::Txn& txn, const Context& ctx, const SubnetPool& pool) {
  if (pool.scope.empty() || ctx.is_admin) return Result<void>();
  CLOUDOS_TRY(const auto scope, load<AddressScope>(txn, pool.scope));
  if (scope.project == ctx.project) return Result<void>();
  return bad_pool("IllegalSubnetPoolAssociationToAddressScope",
                  fmt::format("Illegal subnetpool update: address scope {} of subnet pool {} is "
                              "another project's, and so are its prefixes.", scope.id.value,
                              pool.id.value));
}

Result<void> apply_pool(store::Txn& txn, const Context& ctx, const SubnetPoolUpdate& change,
                        SubnetPool& pool) {
  if (change.name) pool.name = *change.name;
  if (change.description) pool.description = *change.description;
  if (change.default_quota) {
    pool.default_quota = change.default_quota;
    if (*change.default_quota == 0) pool.default_quota.reset();
  }
  if (change.is_default) {
    CLOUDOS_CHECK(admin_only(ctx, true, "is_default"));
    pool.is_default = *change.is_default;
    CLOUDOS_CHECK(check_one_default(txn, pool));
  }
  if (change.least_prefix) pool.least_prefix = *change.least_prefix;
  if (change.most_prefix) pool.most_prefix = *change.most_prefix;
  if (change.default_prefix) pool.default_prefix = *change.default_prefix;
  CLOUDOS_CHECK(check_bounds(pool));
  if (change.prefixes) CLOUDOS_CHECK(check_scope_owner(txn, ctx, pool));
  if (change.prefixes) {
    CLOUDOS_TRY(const auto blocks, check_prefixes(*change.prefixes, pool.ip_version));
    if (!subtract_blocks(prefixes_of(pool), blocks).empty()) {
      return bad_pool("IllegalSubnetPoolUpdate",
                      "Illegal subnetpool update: A previously existing prefix is missing; use "
                      "remove_prefixes.");
    }
    pool.prefixes = texts_of(blocks);
  }
  const AddressScopeId scope = change.scope.value_or(pool.scope);
  if (change.scope || change.prefixes) CLOUDOS_CHECK(join_scope(txn, ctx, scope, pool));
  return Result<void>();
}

/// Reads an owned pool, lets `change` alter it, writes it.
Result<SubnetPool> modify_pool(Networks::Impl& impl, const Context& ctx, const SubnetPoolId& id,
                               const std::function<Result<void>(store::Txn&, SubnetPool&)>& change) {
  CLOUDOS_CHECK(check_call(ctx, impl.engine.clock));
  const WallTime now = impl.engine.clock.wall();
  SubnetPool changed;
  CLOUDOS_CHECK(impl.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(changed, load_owned<SubnetPool>(txn, ctx, id));
    CLOUDOS_CHECK(change(txn, changed));
    changed.updated_at = now;
    return records::update(txn, changed);
  }));
  return changed;
}

Result<void> drop_prefixes(store::Txn& txn, const std::vector<std::string>& texts,
                           SubnetPool& pool) {
  CLOUDOS_TRY(const auto going, check_prefixes(texts, pool.ip_version));
  const auto held = prefixes_of(pool);
  for (const IpBlock& block : going) {
    const bool there = std::any_of(held.begin(), held.end(),
                                   [&](const IpBlock& one) { return one.contains(block); });
    if (there) continue;
    return bad_pool("IllegalSubnetPoolPrefixUpdate",
                    fmt::format("prefixes: {} is not of the pool", block.text()));
  }
  const auto use = records::get<PoolUse>(txn, pool.id);
  if (use) {
    for (const PoolUse::Taken& one : use->taken) {
      const auto taken = parse_ip_block(one.cidr);
      for (const IpBlock& block : going) {
        if (!taken || !taken->overlaps(block)) continue;
        return fail_as("SubnetPoolPrefixInUse", ErrorCode::Conflict,
                       fmt::format("prefixes: subnet {} has {} of {}", one.subnet.value, one.cidr,
                                   block.text()));
      }
    }
  }
  pool.prefixes = texts_of(merge_blocks(subtract_blocks(held, going)));
  return Result<void>();
}

/// The network's subnets of the pool's family that are of no pool.
Result<void> take_over(store::Txn& txn, const Network& network, SubnetPool& pool) {
  auto blocks = prefixes_of(pool);
  std::vector<Subnet> coming;
  for (const SubnetId& id : network.subnets) {
    CLOUDOS_TRY(Subnet subnet, load<Subnet>(txn, id));
    if (subnet.v6() != (pool.ip_version == 6) || !subnet.pool.empty()) continue;
    blocks.push_back(block_of(subnet));
    coming.push_back(std::move(subnet));
  }
  if (coming.empty()) {
    return bad_pool("IllegalSubnetPoolUpdate",
                    fmt::format("network {} has no subnet to take over", network.id.value));
  }
  pool.prefixes = texts_of(merge_blocks(std::move(blocks)));
  SubnetPool wide = pool;  // What is there already is not asked for its length.
  wide.least_prefix = 0;
  wide.most_prefix = 128;
  wide.default_quota.reset();
  for (Subnet& subnet : coming) {
    CLOUDOS_CHECK(take_prefix(txn, wide, block_of(subnet), std::nullopt, subnet));
    subnet.pool = pool.id;
    CLOUDOS_CHECK(records::update(txn, subnet));
  }
  return Result<void>();
}

}  // namespace
}  // namespace network

Result<std::vector<SubnetPool>> SubnetPools::create_many(
    const Context& ctx, const std::vector<SubnetPoolCreate>& specs) {
  return network::create_all<SubnetPool>(
      impl_, ctx, specs,
      [&](const SubnetPoolCreate& spec) { return network::draft_pool(impl_, ctx, spec); },
      [&](store::Txn& txn, SubnetPool pool) -> Result<SubnetPool> {
        const AddressScopeId scope = std::exchange(pool.scope, AddressScopeId{});
        CLOUDOS_CHECK(network::check_one_default(txn, pool));
        CLOUDOS_CHECK(network::join_scope(txn, ctx, scope, pool));
        CLOUDOS_CHECK(network::reserve_quota(txn, pool.project, "subnet_pools", 1));
        return network::insert_plain(txn, std::move(pool));
      });
}

Result<SubnetPool> SubnetPools::create(const Context& ctx, const SubnetPoolCreate& spec) {
  CLOUDOS_TRY(auto made, create_many(ctx, {spec}));
  return std::move(made.front());
}

Result<SubnetPool> SubnetPools::pool(const Context& ctx, const SubnetPoolId& id) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  return network::load_seen<SubnetPool>(*snapshot, ctx, id);
}

Result<std::vector<SubnetPool>> SubnetPools::pools(const Context& ctx,
                                                   const NetworkListSpec& spec) const {
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  return network::list_records<SubnetPool>(*snapshot, ctx, spec);
}

Result<SubnetPool> SubnetPools::update(const Context& ctx, const SubnetPoolId& id,
                                       const SubnetPoolUpdate& change) {
  CLOUDOS_CHECK(network::check_texts(change.name.value_or(""), change.description.value_or("")));
  return network::modify_pool(impl_, ctx, id, [&](store::Txn& txn, SubnetPool& pool) {
    return network::apply_pool(txn, ctx, change, pool);
  });
}

Result<void> SubnetPools::remove(const Context& ctx, const SubnetPoolId& id) {
  return network::remove_granted<SubnetPool>(impl_, ctx, id, [&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(SubnetPool pool, network::load_owned<SubnetPool>(txn, ctx, id));
    if (records::get<network::PoolUse>(txn, id)) {
      return network::bad_pool("SubnetPoolDeleteError",
                               "Unable to delete subnet pool: Subnet pool has existing "
                               "allocations.");
    }
    CLOUDOS_CHECK(network::join_scope(txn, ctx, AddressScopeId{}, pool));
    return Quota::reserve(txn, pool.project, "subnet_pools", -1);
  });
}

Result<SubnetPool> SubnetPools::add_prefixes(const Context& ctx, const SubnetPoolId& id,
                                             const std::vector<std::string>& prefixes) {
  return network::modify_pool(
      impl_, ctx, id, [&](store::Txn& txn, SubnetPool& pool) -> Result<void> {
        CLOUDOS_CHECK(network::check_scope_owner(txn, ctx, pool));
        CLOUDOS_TRY(auto blocks, network::check_prefixes(prefixes, pool.ip_version));
        for (const auto& block : network::prefixes_of(pool)) blocks.push_back(block);
        pool.prefixes = network::texts_of(network::merge_blocks(std::move(blocks)));
        return network::join_scope(txn, ctx, pool.scope, pool);
      });
}

Result<SubnetPool> SubnetPools::remove_prefixes(const Context& ctx, const SubnetPoolId& id,
                                                const std::vector<std::string>& prefixes) {
  return network::modify_pool(impl_, ctx, id, [&](store::Txn& txn, SubnetPool& pool) {
    return network::drop_prefixes(txn, prefixes, pool);
  });
}

Result<SubnetPool> SubnetPools::onboard(const Context& ctx, const SubnetPoolId& id,
                                        const NetworkId& network_id) {
  return network::modify_pool(
      impl_, ctx, id, [&](store::Txn& txn, SubnetPool& pool) -> Result<void> {
        CLOUDOS_TRY(const Network network, network::load_owned<Network>(txn, ctx, network_id));
        CLOUDOS_CHECK(network::take_over(txn, network, pool));
        return network::join_scope(txn, ctx, pool.scope, pool);
      });
}

}  // namespace cloudos

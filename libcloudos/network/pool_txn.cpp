#include "network/pool_txn.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "network/access.hpp"
#include "network/port_checks.hpp"

namespace cloudos::network {
namespace {

std::vector<IpBlock> blocks_of(const std::vector<std::string>& texts) {
  std::vector<IpBlock> blocks;
  for (const std::string& text : texts)
    if (const auto block = parse_ip_block(text)) blocks.push_back(*block);
  return blocks;
}

/// In /32 for IPv4, in /64 for IPv6; a part counts as a whole one.
std::uint64_t pool_units(const IpBlock& block) {
  const unsigned unit = block.base.v6 ? 64 : 32;
  return block.prefix >= unit ? 1 : std::uint64_t{1} << std::min(unit - block.prefix, 63U);
}

Failure not_allocated(std::string_view reason) {
  return fail_as("SubnetAllocationError", ErrorCode::Conflict,
                 fmt::format("Failed to allocate subnet: {}.", reason));
}

Result<void> check_length(const SubnetPool& pool, unsigned length) {
  if (length < pool.least_prefix) {
    return fail_as("MinPrefixSubnetAllocationError", ErrorCode::InvalidArgument,
                   fmt::format("Unable to allocate subnet with prefix length {}, minimum allowed "
                               "prefix is {}.", length, pool.least_prefix));
  }
  if (length > pool.most_prefix) {
    return fail_as("MaxPrefixSubnetAllocationError", ErrorCode::InvalidArgument,
                   fmt::format("Unable to allocate subnet with prefix length {}, maximum allowed "
                               "prefix is {}.", length, pool.most_prefix));
  }
  return Result<void>();
}

Result<void> check_pool_quota(const SubnetPool& pool, const PoolUse& use, const ProjectId& project,
                              const IpBlock& block) {
  if (!pool.default_quota) return Result<void>();
  std::uint64_t total = pool_units(block);
  for (const PoolUse::Taken& one : use.taken) {
    if (one.project != project) continue;
    if (const auto other = parse_ip_block(one.cidr)) total += pool_units(*other);
  }
  if (total <= *pool.default_quota) return Result<void>();
  return fail_as("SubnetPoolQuotaExceeded", ErrorCode::QuotaExceeded,
                 "Per-tenant subnet pool prefix quota exceeded.");
}

/// The narrowest free block that is wide enough: wide ones stay whole.
std::optional<IpBlock> find_free(const std::vector<IpBlock>& free, unsigned length) {
  const IpBlock* best = nullptr;
  for (const IpBlock& block : free)
    if (block.prefix <= length && (best == nullptr || block.prefix > best->prefix)) best = &block;
  if (best == nullptr) return std::nullopt;
  return IpBlock{best->base, length};
}

}  // namespace

Result<std::optional<SubnetPool>> pool_for(store::Txn& txn, const Context& ctx,
                                           const SubnetCreate& spec) {
  SubnetPoolId id = spec.pool;
  if (spec.use_default_pool) {
    if (!id.empty())
      return invalid("subnetpool_id and use_default_subnetpool cannot both be specified");
    const auto found = records::find_unique(txn, SubnetPool::kKind, "default", "",
                                            spec.ip_version == 6 ? "6" : "4");
    if (!found) {
      return fail_as("BadRequest", ErrorCode::InvalidArgument,
                     fmt::format("No default subnetpool found for IPv{}", spec.ip_version));
    }
    id.value = *found;
  }
  if (id.empty()) {
    if (spec.cidr.empty()) {
      return fail_as("BadRequest", ErrorCode::InvalidArgument,
                     "a subnetpool must be specified in the absence of a cidr");
    }
    if (spec.prefix_length) return invalid("prefixlen: only with a subnet pool");
    return std::optional<SubnetPool>();
  }
  if (!spec.cidr.empty() && spec.prefix_length) {
    return fail_as("BadRequest", ErrorCode::InvalidArgument,
                   "cidr and prefixlen must not be supplied together");
  }
  SubnetPool pool;
  if (spec.use_default_pool) {
    CLOUDOS_TRY(pool, load<SubnetPool>(txn, id));
  } else {
    CLOUDOS_TRY(pool, load_seen<SubnetPool>(txn, ctx, id));
  }
  if (pool.ip_version != spec.ip_version) {
    return fail_as("BadRequest", ErrorCode::InvalidArgument,
                   fmt::format("ip_version is {}, but that of subnet pool {} is {}",
                               spec.ip_version, id.value, pool.ip_version));
  }
  return std::optional(std::move(pool));
}

Result<IpBlock> take_prefix(store::Txn& txn, const SubnetPool& pool,
                            const std::optional<IpBlock>& asked, std::optional<unsigned> length,
                            const Subnet& subnet) {
  auto stored = records::get<PoolUse>(txn, pool.id);
  if (!stored && stored.error().code != ErrorCode::NotFound) return fail(stored.error());
  PoolUse use;
  if (stored) use = std::move(*stored);
  use.id = pool.id;
  const unsigned wanted = asked ? asked->prefix : length.value_or(pool.default_prefix);
  CLOUDOS_CHECK(check_length(pool, wanted));
  std::vector<std::string> taken;
  for (const PoolUse::Taken& one : use.taken) taken.push_back(one.cidr);
  const auto free = subtract_blocks(blocks_of(pool.prefixes), blocks_of(taken));
  std::optional<IpBlock> block;
  if (asked) {
    const bool there = std::any_of(free.begin(), free.end(),
                                   [&](const IpBlock& one) { return one.contains(*asked); });
    if (!there)
      return not_allocated("Cannot allocate requested subnet from the available set of prefixes");
    block = asked;
  } else {
    block = find_free(free, wanted);
    if (!block) return not_allocated("Insufficient prefix space to allocate subnet size /" +
                                     std::to_string(wanted));
  }
  CLOUDOS_CHECK(check_pool_quota(pool, use, subnet.project, *block));
  note_use(txn, subnet.project, pool);
  use.taken.push_back({block->text(), subnet.id, subnet.project});
  if (stored) CLOUDOS_CHECK(records::update(txn, use));
  else CLOUDOS_CHECK(records::insert(txn, use));
  return *block;
}

Result<void> give_back_prefix(store::Txn& txn, const Subnet& subnet) {
  if (subnet.pool.empty()) return Result<void>();
  CLOUDOS_TRY(PoolUse use, records::get<PoolUse>(txn, subnet.pool));
  std::erase_if(use.taken, [&](const PoolUse::Taken& one) { return one.subnet == subnet.id; });
  if (use.taken.empty()) return records::erase<PoolUse>(txn, subnet.pool);
  return records::update(txn, use);
}

Result<void> check_pool_affinity(store::Txn& txn, const Network& network, const Subnet& subnet) {
  CLOUDOS_TRY(const auto others, subnets_of(txn, network));
  for (const Subnet& other : others) {
    if (other.id == subnet.id || other.v6() != subnet.v6() || other.pool == subnet.pool) continue;
    return fail_as("NetworkSubnetPoolAffinityError", ErrorCode::InvalidArgument,
                   "Subnets hosted on the same network must be allocated from the same subnet "
                   "pool.");
  }
  return Result<void>();
}

}  // namespace cloudos::network

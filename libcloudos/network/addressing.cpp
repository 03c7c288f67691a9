#include "network/addressing.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "network/address.hpp"
#include "network/errors.hpp"
#include "network/ip.hpp"
#include "network/ipam.hpp"
#include "records/keys.hpp"

namespace cloudos::network {
namespace {

using Taken6 = std::array<unsigned char, 32>;

std::string hex_of(Ip128 value, unsigned digits) {
  std::string text(digits, '0');
  for (unsigned i = digits; i-- > 0; value >>= 4)
    text[i] = "0123456789abcdef"[static_cast<unsigned>(value & 0xf)];
  return text;
}

std::string chunk6_key(const SubnetId& subnet, Ip128 address) {
  return fmt::format("/ip6-chunk/{}/{}", records::key_part(subnet.value), hex_of(address >> 8, 30));
}
std::string next6_key(const SubnetId& subnet) {
  return fmt::format("/ip6-next/{}", records::key_part(subnet.value));
}

Taken6 load6(store::Txn& txn, const std::string& key) {
  Taken6 taken{};
  if (const auto stored = txn.get(key)) {
    CLOUDOS_ASSERT(stored->size() == taken.size());
    std::memcpy(taken.data(), stored->data(), taken.size());
  }
  return taken;
}
/// Only records with a bit are kept.
void store6(store::Txn& txn, const std::string& key, const Taken6& taken) {
  if (taken == Taken6{}) return txn.erase(key);
  txn.put(key, {reinterpret_cast<const char*>(taken.data()), taken.size()});
}

struct Range6 {
  Ip128 first = 0, last = 0;
};
std::vector<Range6> ranges6(const Subnet& subnet) {
  std::vector<Range6> ranges;
  for (const AddressPool& pool : subnet.pools) {
    const auto start = parse_ip(pool.start), end = parse_ip(pool.end);
    CLOUDOS_ASSERT(start && end);
    ranges.push_back({start->value, end->value});
  }
  return ranges;
}

/// Where the search begins: every pool's address below it is taken.
Ip128 next6(store::Txn& txn, const SubnetId& subnet) {
  const auto stored = txn.get(next6_key(subnet));
  if (!stored) return 0;
  const auto ip = parse_ip(*stored);
  return ip ? ip->value : 0;
}
void set_next6(store::Txn& txn, const Subnet& subnet, Ip128 next) {
  const auto ranges = ranges6(subnet);
  // At the beginning there is nothing to know.
  if (ranges.empty() || next <= ranges.front().first) return txn.erase(next6_key(subnet.id));
  txn.put(next6_key(subnet.id), Ip{true, next}.text());
}

std::optional<Ip128> take_from_chunk6(store::Txn& txn, const SubnetId& subnet, Ip128 from,
                                      Ip128 last) {
  const std::string key = chunk6_key(subnet, from);
  Taken6 taken = load6(txn, key);
  const Ip128 base = from & ~Ip128{0xff};
  const auto end = static_cast<unsigned>(std::min(last, base | 0xff) & 0xff);
  for (auto i = static_cast<unsigned>(from & 0xff); i <= end; ++i) {
    if (taken[i / 8] >> (i % 8) & 1) continue;
    taken[i / 8] |= static_cast<unsigned char>(1U << (i % 8));
    store6(txn, key, taken);
    return base | i;
  }
  return std::nullopt;
}

Failure none_left(const Subnet& subnet) {
  return fail_as("IpAddressGenerationFailure", ErrorCode::NoCapacity,
                 fmt::format("subnet {} ({}) has no address left in its allocation pools",
                             subnet.id.value, subnet.cidr));
}

Result<std::string> take_any6(store::Txn& txn, const Subnet& subnet) {
  const Ip128 next = next6(txn, subnet.id);
  for (const Range6& range : ranges6(subnet)) {
    if (range.last < next) continue;
    Ip128 from = std::max(range.first, next);
    for (;;) {
      if (const auto found = take_from_chunk6(txn, subnet.id, from, range.last)) {
        set_next6(txn, subnet, *found + 1);
        return Ip{true, *found}.text();
      }
      const Ip128 chunk_last = from | 0xff;
      if (chunk_last >= range.last) break;
      from = chunk_last + 1;
    }
  }
  return none_left(subnet);
}

}  // namespace

Result<std::string> take_any_of(store::Txn& txn, const Subnet& subnet) {
  if (subnet.v6()) return take_any6(txn, subnet);
  CLOUDOS_TRY(const auto address, take_any_address(txn, space_of(subnet)));
  return format_ipv4(address);
}

Result<void> take_this(store::Txn& txn, const Subnet& subnet, const std::string& address) {
  const auto ip = parse_ip(address);
  CLOUDOS_ASSERT(ip && ip->v6 == subnet.v6());
  if (!ip->v6) return take_address(txn, space_of(subnet), static_cast<std::uint32_t>(ip->value));
  if (auto_addressed(subnet)) return Result<void>();
  const std::string key = chunk6_key(subnet.id, ip->value);
  Taken6 taken = load6(txn, key);
  const auto i = static_cast<unsigned>(ip->value & 0xff);
  if (taken[i / 8] >> (i % 8) & 1) {
    return fail_as("IpAddressAlreadyAllocated", ErrorCode::Conflict,
                   fmt::format("address {} of subnet {} is in use", address, subnet.id.value));
  }
  taken[i / 8] |= static_cast<unsigned char>(1U << (i % 8));
  store6(txn, key, taken);
  return Result<void>();
}

void give_back_to(store::Txn& txn, const Subnet& subnet, const std::string& address) {
  const auto ip = parse_ip(address);
  CLOUDOS_ASSERT(ip && ip->v6 == subnet.v6());
  if (!ip->v6)
    return give_back_address(txn, space_of(subnet), static_cast<std::uint32_t>(ip->value));
  if (auto_addressed(subnet)) return;
  const std::string key = chunk6_key(subnet.id, ip->value);
  Taken6 taken = load6(txn, key);
  const auto i = static_cast<unsigned>(ip->value & 0xff);
  if (!(taken[i / 8] >> (i % 8) & 1)) return;
  taken[i / 8] &= static_cast<unsigned char>(~(1U << (i % 8)));
  store6(txn, key, taken);
  if (ip->value < next6(txn, subnet.id)) set_next6(txn, subnet, ip->value);
}

void forget_pools(store::Txn& txn, const Subnet& subnet) {
  if (subnet.v6()) txn.erase(next6_key(subnet.id));
  else forget_full_chunks(txn, space_of(subnet));
}

bool serves(const Subnet& subnet, std::string_view device_owner) {
  const auto& types = subnet.service_types;
  return types.empty() || std::find(types.begin(), types.end(), device_owner) != types.end();
}

std::vector<Subnet> serving(const std::vector<Subnet>& subnets, std::string_view device_owner) {
  std::vector<Subnet> made_for, for_all;
  for (const Subnet& subnet : subnets) {
    if (!serves(subnet, device_owner)) continue;
    (subnet.service_types.empty() ? for_all : made_for).push_back(subnet);
  }
  return made_for.empty() ? for_all : made_for;
}

}  // namespace cloudos::network

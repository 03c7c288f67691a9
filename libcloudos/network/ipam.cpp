#include "network/ipam.hpp"

#include <array>
#include <bit>
#include <cstring>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "network/errors.hpp"
#include "records/keys.hpp"

namespace cloudos::network {
namespace {

/// 256 bits as they are stored: bit i is bit i%8 of byte i/8.
class AddressBits {
 public:
  static AddressBits load(store::Txn& txn, const std::string& key) {
    AddressBits bits;
    if (const auto stored = txn.get(key)) {
      CLOUDOS_ASSERT(stored->size() == sizeof bits.words_);
      std::memcpy(bits.words_.data(), stored->data(), stored->size());
    }
    return bits;
  }
  /// Only records with a bit are kept.
  void store(store::Txn& txn, const std::string& key) const {
    if (*this == AddressBits{}) return txn.erase(key);
    txn.put(key, {reinterpret_cast<const char*>(words_.data()), sizeof words_});
  }
  bool test(unsigned i) const { return words_[i / 64] >> (i % 64) & 1; }
  void set(unsigned i) { words_[i / 64] |= std::uint64_t{1} << (i % 64); }
  void clear(unsigned i) { words_[i / 64] &= ~(std::uint64_t{1} << (i % 64)); }
  void set_range(unsigned from, unsigned to) {
    for (unsigned i = from; i <= to; ++i) set(i);
  }
  bool covers(const AddressBits& wanted) const {
    for (std::size_t w = 0; w < words_.size(); ++w)
      if (wanted.words_[w] & ~words_[w]) return false;
    return true;
  }
  /// The lowest bit set in `wanted` and not here; 256 when there is none.
  unsigned first_free(const AddressBits& wanted) const {
    for (unsigned w = 0; w < words_.size(); ++w) {
      const std::uint64_t free = wanted.words_[w] & ~words_[w];
      if (free) return w * 64 + static_cast<unsigned>(std::countr_zero(free));
    }
    return 256;
  }
  bool none() const { return *this == AddressBits{}; }
  friend bool operator==(const AddressBits&, const AddressBits&) = default;

 private:
  static_assert(std::endian::native == std::endian::little, "the stored order of bytes");
  std::array<std::uint64_t, 4> words_{};
};

std::string chunk_key(const SubnetId& subnet, std::uint32_t address) {
  return fmt::format("/ip-chunk/{}/{:06x}", records::key_part(subnet.value), address >> 8);
}
std::string full_key(const SubnetId& subnet, std::uint32_t address) {
  return fmt::format("/ip-full/{}/{:04x}", records::key_part(subnet.value), address >> 16);
}

/// The addresses of one chunk that the pools give out.
AddressBits eligible_bits(const Space& space, std::uint32_t chunk_base) {
  AddressBits bits;
  const std::uint32_t chunk_last = chunk_base | 0xff;
  for (const auto& [start, end] : space.pools) {
    const std::uint32_t from = std::max(start, chunk_base);
    const std::uint32_t to = std::min(end, chunk_last);
    if (from <= to) bits.set_range(from & 0xff, to & 0xff);
  }
  return bits;
}

void mark_full(store::Txn& txn, const Space& space, std::uint32_t chunk_base, bool is_full) {
  const std::string key = full_key(space.subnet, chunk_base);
  AddressBits full = AddressBits::load(txn, key);
  const unsigned index = chunk_base >> 8 & 0xff;
  if (full.test(index) == is_full) return;
  if (is_full) full.set(index);
  else full.clear(index);
  full.store(txn, key);
}

/// Takes an address out of one chunk, if it has one left to give.
std::optional<std::uint32_t> take_from_chunk(store::Txn& txn, const Space& space,
                                             std::uint32_t chunk_base) {
  const AddressBits eligible = eligible_bits(space, chunk_base);
  if (eligible.none()) return std::nullopt;
  const std::string key = chunk_key(space.subnet, chunk_base);
  AddressBits taken = AddressBits::load(txn, key);
  const unsigned index = taken.first_free(eligible);
  if (index < 256) {
    taken.set(index);
    taken.store(txn, key);
  }
  if (taken.covers(eligible)) mark_full(txn, space, chunk_base, true);
  if (index == 256) return std::nullopt;
  return chunk_base | index;
}

}  // namespace

Space space_of(const Subnet& subnet) {
  Space space;
  space.subnet = subnet.id;
  const auto block = parse_block(subnet.cidr);
  CLOUDOS_ASSERT(block.has_value());
  space.block = *block;
  for (const AddressPool& pool : subnet.pools) {
    const auto start = parse_ipv4(pool.start), end = parse_ipv4(pool.end);
    CLOUDOS_ASSERT(start && end);
    space.pools.emplace_back(*start, *end);
  }
  return space;
}

Result<std::uint32_t> take_any_address(store::Txn& txn, const Space& space) {
  for (const auto& [start, end] : space.pools) {
    for (std::uint64_t region = start >> 16; region <= end >> 16; ++region) {
      const auto region_base = static_cast<std::uint32_t>(region << 16);
      const AddressBits full = AddressBits::load(txn, full_key(space.subnet, region_base));
      const std::uint32_t from = std::max(start, region_base) >> 8 & 0xff;
      const std::uint32_t to = std::min(end, region_base | 0xffff) >> 8 & 0xff;
      for (std::uint32_t chunk = from; chunk <= to; ++chunk) {
        if (full.test(chunk)) continue;
        if (const auto address = take_from_chunk(txn, space, region_base | chunk << 8))
          return *address;
      }
    }
  }
  return fail_as("IpAddressGenerationFailure", ErrorCode::NoCapacity,
                 fmt::format("subnet {} ({}) has no address left in its allocation pools",
                             space.subnet.value, space.block.text()));
}

Result<void> take_address(store::Txn& txn, const Space& space, std::uint32_t address) {
  const std::string key = chunk_key(space.subnet, address);
  AddressBits taken = AddressBits::load(txn, key);
  const unsigned index = address & 0xff;
  if (taken.test(index)) {
    return fail_as("IpAddressAlreadyAllocated", ErrorCode::Conflict,
                   fmt::format("address {} of subnet {} is in use", format_ipv4(address),
                               space.subnet.value));
  }
  taken.set(index);
  taken.store(txn, key);
  const std::uint32_t chunk_base = address & ~std::uint32_t{0xff};
  const AddressBits eligible = eligible_bits(space, chunk_base);
  if (!eligible.none() && taken.covers(eligible)) mark_full(txn, space, chunk_base, true);
  return Result<void>();
}

void give_back_address(store::Txn& txn, const Space& space, std::uint32_t address) {
  const std::string key = chunk_key(space.subnet, address);
  AddressBits taken = AddressBits::load(txn, key);
  if (!taken.test(address & 0xff)) return;
  taken.clear(address & 0xff);
  taken.store(txn, key);
  mark_full(txn, space, address & ~std::uint32_t{0xff}, false);
}

void forget_full_chunks(store::Txn& txn, const Space& space) {
  for (std::uint64_t region = space.block.base >> 16; region <= space.block.last() >> 16; ++region)
    txn.erase(full_key(space.subnet, static_cast<std::uint32_t>(region << 16)));
}

}  // namespace cloudos::network

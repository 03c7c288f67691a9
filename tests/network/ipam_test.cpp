#include <algorithm>
#include <mutex>
#include <set>
#include <thread>

#include <doctest/doctest.h>

#include "network/ipam.hpp"
#include "network/record.hpp"

using namespace cloudos;

namespace {

network::Space ipam_space(const char* cidr, std::vector<AddressPool> pools = {}) {
  Subnet subnet;
  subnet.id = SubnetId{"subnet-1"};
  subnet.cidr = cidr;
  const auto block = *network::parse_block(cidr);
  if (pools.empty()) {
    pools = {{network::format_ipv4(block.first_host()), network::format_ipv4(block.last_host())}};
  }
  subnet.pools = std::move(pools);
  return network::space_of(subnet);
}

/// Takes `count` addresses in one commit; those it got.
std::vector<std::uint32_t> ipam_take(store::Store& store, const network::Space& space,
                                     std::size_t count) {
  std::vector<std::uint32_t> taken;
  const auto done = store.transact([&](store::Txn& txn) -> Result<void> {
    taken.clear();
    for (std::size_t i = 0; i < count; ++i) {
      const auto one = network::take_any_address(txn, space);
      if (!one) break;
      taken.push_back(*one);
    }
    return Result<void>();
  });
  REQUIRE(done);
  return taken;
}

void ipam_give_back(store::Store& store, const network::Space& space,
                    const std::vector<std::uint32_t>& addresses) {
  for (std::size_t from = 0; from < addresses.size(); from += 1'000) {
    REQUIRE(store.transact([&](store::Txn& txn) -> Result<void> {
      for (std::size_t i = from; i < std::min(addresses.size(), from + 1'000); ++i)
        network::give_back_address(txn, space, addresses[i]);
      return Result<void>();
    }));
  }
}

std::size_t ipam_keys(store::Store& store) {
  const auto snapshot = *store.snapshot();
  return snapshot->scan("/ip-")->size();
}

}  // namespace

TEST_CASE("every address of a pool is given once, to the last, and none outside it") {
  struct Row {
    std::string what;
    const char* cidr;
    std::vector<AddressPool> pools;
    std::size_t count;
  };
  const Row rows[] = {
      {"a /24", "10.0.0.0/24", {}, 254},
      {"a /32", "10.0.0.7/32", {}, 1},
      {"a /31", "10.0.0.6/31", {}, 2},
      {"two pools in one chunk", "10.0.0.0/24",
       {{"10.0.0.10", "10.0.0.19"}, {"10.0.0.30", "10.0.0.34"}}, 15},
      {"a pool across chunks", "10.0.0.0/16", {{"10.0.0.250", "10.0.2.5"}}, 6 + 256 + 6},
      {"a pool across regions", "10.0.0.0/8", {{"10.0.255.254", "10.1.0.1"}}, 4},
      {"the top of the address space of hosts", "223.255.255.0/24", {}, 254},
      {"a whole /16", "172.16.0.0/16", {}, 65'534},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto store = store::open_memory();
    const auto space = ipam_space(row.cidr, row.pools);
    std::set<std::uint32_t> all;
    for (;;) {
      const auto some = ipam_take(*store, space, 1'000);
      if (some.empty()) break;
      for (const std::uint32_t address : some) {
        REQUIRE(all.insert(address).second);
        const bool inside = std::any_of(
            space.pools.begin(), space.pools.end(),
            [&](const auto& pool) { return address >= pool.first && address <= pool.second; });
        REQUIRE(inside);
      }
    }
    CHECK(all.size() == row.count);
    const std::uint32_t middle = *std::next(all.begin(), static_cast<long>(all.size() / 2));
    ipam_give_back(*store, space, {middle});
    CHECK(ipam_take(*store, space, 2) == std::vector<std::uint32_t>{middle});
    ipam_give_back(*store, space, {all.begin(), all.end()});
    CHECK(ipam_keys(*store) == 0);
  }
}

TEST_CASE("an address is taken by one only, inside a pool or beside it") {
  const auto store = store::open_memory();
  const auto space = ipam_space("10.0.0.0/24", {{"10.0.0.10", "10.0.0.11"}});
  const auto take = [&](std::uint32_t address) {
    return store->transact(
        [&](store::Txn& txn) { return network::take_address(txn, space, address); });
  };
  const std::uint32_t base = space.block.base;
  REQUIRE(take(base + 10));
  CHECK(take(base + 10).error().type == "IpAddressAlreadyAllocated");
  REQUIRE(take(base + 200));
  CHECK(take(base + 200).error().code == ErrorCode::Conflict);
  CHECK(ipam_take(*store, space, 5) == std::vector<std::uint32_t>{base + 11});
  ipam_give_back(*store, space, {base + 10, base + 11, base + 200, base + 77});
  CHECK(ipam_keys(*store) == 0);
}

TEST_CASE("a failed transaction takes no address") {
  const auto store = store::open_memory();
  const auto space = ipam_space("10.0.0.0/30");
  CHECK_FALSE(store->transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(network::take_any_address(txn, space));
    return fail(ErrorCode::Conflict, "no");
  }));
  CHECK(ipam_keys(*store) == 0);
  CHECK(ipam_take(*store, space, 9).size() == 2);
}

TEST_CASE("wider pools are found after the full chunks are forgotten") {
  const auto store = store::open_memory();
  const auto narrow = ipam_space("10.0.0.0/24", {{"10.0.0.10", "10.0.0.11"}});
  CHECK(ipam_take(*store, narrow, 9).size() == 2);
  const auto wide = ipam_space("10.0.0.0/24", {{"10.0.0.10", "10.0.0.13"}});
  REQUIRE(store->transact([&](store::Txn& txn) -> Result<void> {
    network::forget_full_chunks(txn, wide);
    return Result<void>();
  }));
  CHECK(ipam_take(*store, wide, 9).size() == 2);
}

TEST_CASE("threads share a pool exactly: no address twice, none left over") {
  const auto store = store::open_memory();
  const auto space = ipam_space("10.0.0.0/22");
  std::mutex mutex;
  std::multiset<std::uint32_t> all;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (;;) {
        std::optional<std::uint32_t> got;
        const auto done = store->transact([&](store::Txn& txn) -> Result<void> {
          got.reset();
          CLOUDOS_TRY(got, network::take_any_address(txn, space));
          return Result<void>();
        });
        if (!done) return;
        const std::lock_guard lock(mutex);
        all.insert(*got);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(all.size() == 1'022);
  CHECK(std::set<std::uint32_t>(all.begin(), all.end()).size() == 1'022);
}

#include <fmt/format.h>

#include <map>

#include "placement/placement.hpp"
#include "placement/records.hpp"
#include "records/table.hpp"

namespace cloudos::placement {
namespace {

Result<std::optional<Allocation>> find_allocation(store::Txn& txn, const ServerId& server) {
  const auto bytes = txn.get(records::record_key(Allocation::kKind, server.value));
  if (!bytes) return std::optional<Allocation>();
  CLOUDOS_TRY(Allocation found, codec::decode_record<Allocation>(*bytes));
  return std::optional<Allocation>(std::move(found));
}

Result<std::optional<records::Held<HostUsage>>> find_usage(store::Txn& txn, const HostId& host) {
  auto found = records::hold<HostUsage>(txn, host);
  if (!found && found.error().code == ErrorCode::NotFound)
    return std::optional<records::Held<HostUsage>>();
  if (!found) return fail(std::move(found).error());
  return std::optional<records::Held<HostUsage>>(std::move(*found));
}

Result<void> check_room(const scheduler::Capacity& have, std::uint64_t want,
                        std::string_view what) {
  if (have.free() >= want) return Result<void>();
  return fail(ErrorCode::NoCapacity,
              fmt::format("the host has {} {} left, {} are asked for", have.free(), what, want));
}

}  // namespace

Result<void> claim(store::Txn& txn, const HostId& host, const ServerId& server,
                   const Resources& resources) {
  CLOUDOS_TRY(const auto held, find_allocation(txn, server));
  if (held && held->host == host && held->resources == resources) return Result<void>();
  if (held) CLOUDOS_CHECK(release(txn, server));
  CLOUDOS_TRY(const auto record, records::get<HostRecord>(txn, host));
  if (record.disabled || record.forced_down)
    return fail(ErrorCode::NoCapacity, "the host was disabled meanwhile");
  CLOUDOS_TRY(auto usage, find_usage(txn, host));
  scheduler::Capacity vcpus, ram_mib, disk_gib;
  fill_capacity(record, usage ? &usage->record : nullptr, vcpus, ram_mib, disk_gib);
  CLOUDOS_CHECK(check_room(vcpus, resources.vcpus, "vCPUs"));
  CLOUDOS_CHECK(check_room(ram_mib, resources.ram_mib, "MiB of RAM"));
  CLOUDOS_CHECK(check_room(disk_gib, resources.disk_gib, "GiB of disk"));

  HostUsage first;
  first.id = host;
  HostUsage& now = usage ? usage->record : first;
  now.vcpus += resources.vcpus;
  now.ram_mib += resources.ram_mib;
  now.disk_gib += resources.disk_gib;
  now.servers += 1;
  if (usage) {
    CLOUDOS_CHECK(records::write(txn, *usage));
  } else {
    CLOUDOS_CHECK(records::insert(txn, first));
  }
  Allocation allocation;
  allocation.id = server;
  allocation.host = host;
  allocation.resources = resources;
  return records::insert(txn, allocation);
}

Result<void> release(store::Txn& txn, const ServerId& server) {
  CLOUDOS_TRY(const auto held, find_allocation(txn, server));
  if (!held) return Result<void>();
  CLOUDOS_TRY(auto usage, find_usage(txn, held->host));
  const Resources& back = held->resources;
  if (!usage || usage->record.servers == 0 || usage->record.vcpus < back.vcpus ||
      usage->record.ram_mib < back.ram_mib || usage->record.disk_gib < back.disk_gib) {
    return fail(ErrorCode::Internal, "a host's use is less than the claims on it",
                fmt::format("host {} server {}", held->host.value, server.value));
  }
  HostUsage& left = usage->record;
  left.vcpus -= back.vcpus;
  left.ram_mib -= back.ram_mib;
  left.disk_gib -= back.disk_gib;
  left.servers -= 1;
  if (left.servers == 0) {
    CLOUDOS_CHECK(records::erase<HostUsage>(txn, held->host));
  } else {
    CLOUDOS_CHECK(records::write(txn, *usage));
  }
  return records::erase<Allocation>(txn, server);
}

Result<std::optional<Claim>> claim_of(const store::Snapshot& snapshot, const ServerId& server) {
  auto found = records::get<Allocation>(snapshot, server);
  if (!found && found.error().code == ErrorCode::NotFound) return std::optional<Claim>();
  if (!found) return fail(std::move(found).error());
  return std::optional<Claim>(Claim{found->host, found->resources});
}

Result<std::vector<std::string>> audit(const store::Snapshot& snapshot) {
  CLOUDOS_TRY(const auto allocations, records::all<Allocation>(snapshot));
  CLOUDOS_TRY(const auto usages, records::all<HostUsage>(snapshot));
  std::map<HostId, HostUsage> sums;
  for (const Allocation& allocation : allocations) {
    HostUsage& sum = sums[allocation.host];
    sum.vcpus += allocation.resources.vcpus;
    sum.ram_mib += allocation.resources.ram_mib;
    sum.disk_gib += allocation.resources.disk_gib;
    sum.servers += 1;
  }
  std::vector<std::string> differences;
  for (const HostUsage& usage : usages) {
    const HostUsage sum = sums[usage.id];
    sums.erase(usage.id);
    if (sum.vcpus == usage.vcpus && sum.ram_mib == usage.ram_mib &&
        sum.disk_gib == usage.disk_gib && sum.servers == usage.servers) {
      continue;
    }
    differences.push_back(
        fmt::format("host {}: recorded {}/{}/{} for {} servers, claims add up to {}/{}/{} for {}",
                    usage.id.value, usage.vcpus, usage.ram_mib, usage.disk_gib, usage.servers,
                    sum.vcpus, sum.ram_mib, sum.disk_gib, sum.servers));
  }
  for (const auto& [host, sum] : sums) {
    differences.push_back(
        fmt::format("host {}: nothing recorded, {} claims", host.value, sum.servers));
  }
  return differences;
}

}  // namespace cloudos::placement

#pragma once
#include <string>

#include "cloudos/hosts.hpp"
#include "codec/fields.hpp"
#include "placement/placement.hpp"
#include "records/keys.hpp"

/// The room's records; nobody else reads them.
namespace cloudos::placement {

struct HostRecord {
  static constexpr std::string_view kKind = "host";
  static constexpr std::uint32_t kSchema = 1;
  HostId id;
  std::uint64_t generation = 0;
  std::uint64_t number = 0;
  std::string name, zone;
  bool disabled = false;
  bool forced_down = false;
  std::string disabled_reason;
  HostFacts facts;
  double cpu_ratio = 1.0, ram_ratio = 1.0, disk_ratio = 1.0;
  std::uint64_t reserved_ram_mib = 0;
  WallTime created_at;
  std::string unknown;
};

/// The sum of a host's allocations; absent: none. Apart from the host, which claims never write.
struct HostUsage {
  static constexpr std::string_view kKind = "host_usage";
  static constexpr std::uint32_t kSchema = 1;
  HostId id;
  std::uint64_t generation = 0;
  std::uint64_t vcpus = 0, ram_mib = 0, disk_gib = 0;
  std::uint32_t servers = 0;
  std::string unknown;
};

struct Allocation {
  static constexpr std::string_view kKind = "allocation";
  static constexpr std::uint32_t kSchema = 1;
  ServerId id;  ///< Who consumes.
  std::uint64_t generation = 0;
  HostId host;
  Resources resources;
  std::string unknown;
};

void fields(codec::FieldVisitor& v, HostRecord& h);
void fields(codec::FieldVisitor& v, HostUsage& u);
void fields(codec::FieldVisitor& v, Allocation& a);
void keys(records::Keys& k, const HostRecord& h);
void keys(records::Keys& k, const HostUsage& u);
void keys(records::Keys& k, const Allocation& a);

/// The three amounts of a host with its use. `usage` may be null.
void fill_capacity(const HostRecord& host, const HostUsage* usage, scheduler::Capacity& vcpus,
                   scheduler::Capacity& ram_mib, scheduler::Capacity& disk_gib);

}  // namespace cloudos::placement

#include <fmt/format.h>

#include <algorithm>

#include "scheduler/table.hpp"

namespace cloudos::scheduler {
namespace {

/// The host's hypervisor answers and no administrator took the host out.
class ComputeFilter final : public ColumnFilter {
 public:
  std::string_view name() const override { return "ComputeFilter"; }
  bool pass(const HostState& host, const Request&) const override {
    return host.enabled && host.alive;
  }
  void keep(const HostTable& hosts, const Request&, std::span<std::uint8_t> kept) const override {
    const std::uint8_t* const usable = hosts.usable().data();
    for (std::size_t i = 0; i < kept.size(); ++i) kept[i] &= usable[i];
  }
  std::string explain(const HostState& host, const Request&) const override {
    return host.enabled ? "its hypervisor does not answer" : "disabled by an administrator";
  }
};

class AvailabilityZoneFilter final : public ColumnFilter {
 public:
  std::string_view name() const override { return "AvailabilityZoneFilter"; }
  bool pass(const HostState& host, const Request& request) const override {
    return request.zone.empty() || host.zone == request.zone;
  }
  void keep(const HostTable& hosts, const Request& request,
            std::span<std::uint8_t> kept) const override {
    if (request.zone.empty()) return;
    const auto wanted = hosts.zone_number(request.zone);
    const std::uint32_t* const zones = hosts.zones().data();
    for (std::size_t i = 0; i < kept.size(); ++i)
      kept[i] &= static_cast<std::uint8_t>(wanted && zones[i] == *wanted);
  }
  std::string explain(const HostState& host, const Request& request) const override {
    return fmt::format("in zone {}, {} asked", host.zone, request.zone);
  }
};

/// Where what is left of an amount stands: with the host, and as a column of all.
struct Amount {
  Capacity HostState::*of;
  const HostTable::Column& (HostTable::*column)() const;
};
constexpr Amount kVcpus{&HostState::vcpus, &HostTable::free_vcpus};
constexpr Amount kRamMib{&HostState::ram_mib, &HostTable::free_ram_mib};
constexpr Amount kDiskGib{&HostState::disk_gib, &HostTable::free_disk_gib};

/// The three filters of amounts differ in which amount they compare, and in their words.
template <const Amount& kHave, auto kWant>
class AmountFilter final : public ColumnFilter {
 public:
  AmountFilter(std::string_view name, std::string_view unit) : name_(name), unit_(unit) {}
  std::string_view name() const override { return name_; }
  bool pass(const HostState& host, const Request& request) const override {
    return (host.*kHave.of).free() >= request.*kWant;
  }
  void keep(const HostTable& hosts, const Request& request,
            std::span<std::uint8_t> kept) const override {
    const double* const free = (hosts.*kHave.column)().data();
    const auto want = static_cast<double>(request.*kWant);
    for (std::size_t i = 0; i < kept.size(); ++i)
      kept[i] &= static_cast<std::uint8_t>(free[i] >= want);
  }
  std::string explain(const HostState& host, const Request& request) const override {
    return fmt::format("{} {} free of {}, {} asked", (host.*kHave.of).free(), unit_,
                       (host.*kHave.of).limit(), request.*kWant);
  }

 private:
  std::string_view name_, unit_;
};

/// Prefers what has most left of one amount: spreads.
template <const Amount& kHave>
class FreeWeigher final : public ColumnWeigher {
 public:
  explicit FreeWeigher(std::string_view name) : name_(name) {}
  std::string_view name() const override { return name_; }
  double weigh(const HostState& host, const Request&) const override {
    return static_cast<double>(static_cast<std::int64_t>((host.*kHave.of).free()));
  }
  const HostTable::Column& column(const HostTable& hosts) const override {
    return (hosts.*kHave.column)();
  }

 private:
  std::string_view name_;
};

}  // namespace

Policy default_policy() {
  // Cheap and strong first. The registry of filters is this table.
  Policy policy;
  policy.filters = {
      std::make_shared<ComputeFilter>(),
      std::make_shared<AvailabilityZoneFilter>(),
      std::make_shared<AmountFilter<kVcpus, &Request::vcpus>>("CoreFilter", "vCPUs"),
      std::make_shared<AmountFilter<kRamMib, &Request::ram_mib>>("RamFilter", "MiB of RAM"),
      std::make_shared<AmountFilter<kDiskGib, &Request::disk_gib>>("DiskFilter", "GiB of disk"),
  };
  policy.weighers = {
      {std::make_shared<FreeWeigher<kRamMib>>("RAMWeigher"), 1.0},
      {std::make_shared<FreeWeigher<kVcpus>>("CPUWeigher"), 1.0},
      {std::make_shared<FreeWeigher<kDiskGib>>("DiskWeigher"), 1.0},
  };
  return policy;
}

}  // namespace cloudos::scheduler

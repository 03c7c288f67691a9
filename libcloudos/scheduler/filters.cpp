#include <algorithm>

#include <fmt/format.h>

#include "cloudos/scheduler.hpp"

namespace cloudos::scheduler {
namespace {

/// The host's hypervisor answers and no administrator took the host out.
class ComputeFilter final : public Filter {
 public:
  std::string_view name() const override { return "ComputeFilter"; }
  bool pass(const HostState& host, const Request&) const override {
    return host.enabled && host.alive;
  }
  std::string explain(const HostState& host, const Request&) const override {
    return host.enabled ? "its hypervisor does not answer" : "disabled by an administrator";
  }
};

class AvailabilityZoneFilter final : public Filter {
 public:
  std::string_view name() const override { return "AvailabilityZoneFilter"; }
  bool pass(const HostState& host, const Request& request) const override {
    return request.zone.empty() || host.zone == request.zone;
  }
  std::string explain(const HostState& host, const Request& request) const override {
    return fmt::format("in zone {}, {} asked", host.zone, request.zone);
  }
};

/// The three filters of amounts differ in which amount they compare, and in their words.
template <Capacity HostState::*kHave, auto kWant>
class AmountFilter final : public Filter {
 public:
  AmountFilter(std::string_view name, std::string_view unit) : name_(name), unit_(unit) {}
  std::string_view name() const override { return name_; }
  bool pass(const HostState& host, const Request& request) const override {
    return (host.*kHave).free() >= request.*kWant;
  }
  std::string explain(const HostState& host, const Request& request) const override {
    return fmt::format("{} {} free of {}, {} asked", (host.*kHave).free(), unit_,
                       (host.*kHave).limit(), request.*kWant);
  }

 private:
  std::string_view name_, unit_;
};

/// Prefers what has most left of one amount: spreads.
template <Capacity HostState::*kHave>
class FreeWeigher final : public Weigher {
 public:
  explicit FreeWeigher(std::string_view name) : name_(name) {}
  std::string_view name() const override { return name_; }
  double weigh(const HostState& host, const Request&) const override {
    return static_cast<double>(static_cast<std::int64_t>((host.*kHave).free()));
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
      std::make_shared<AmountFilter<&HostState::vcpus, &Request::vcpus>>("CoreFilter", "vCPUs"),
      std::make_shared<AmountFilter<&HostState::ram_mib, &Request::ram_mib>>("RamFilter",
                                                                            "MiB of RAM"),
      std::make_shared<AmountFilter<&HostState::disk_gib, &Request::disk_gib>>("DiskFilter",
                                                                              "GiB of disk"),
  };
  policy.weighers = {
      {std::make_shared<FreeWeigher<&HostState::ram_mib>>("RAMWeigher"), 1.0},
      {std::make_shared<FreeWeigher<&HostState::vcpus>>("CPUWeigher"), 1.0},
      {std::make_shared<FreeWeigher<&HostState::disk_gib>>("DiskWeigher"), 1.0},
  };
  return policy;
}

}  // namespace cloudos::scheduler

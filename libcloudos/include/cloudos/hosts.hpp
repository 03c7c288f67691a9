#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/clock.hpp"
#include "cloudos/context.hpp"
#include "cloudos/export.hpp"
#include "cloudos/ids.hpp"
#include "cloudos/result.hpp"
#include "cloudos/scheduler.hpp"

namespace cloudos {

/// What a host is and can, as its hypervisor tells.
struct HostFacts {
  std::string hypervisor_type;            ///< "QEMU"
  std::uint32_t hypervisor_version = 0;   ///< 7002018 for 7.2.18
  std::string architecture;
  std::string virt_type;                  ///< "kvm", "qemu"
  std::string cpu_info;                   ///< JSON object as text.
  std::uint64_t vcpus = 0;
  std::uint64_t ram_mib = 0;
  std::uint64_t disk_gib = 0;
  std::uint64_t disk_free_gib = 0;        ///< As of the last answer; not recorded.
  friend bool operator==(const HostFacts&, const HostFacts&) = default;
};

/// A machine that runs servers, with what is promised on it.
struct Host {
  HostId id;
  std::uint64_t number = 0;               ///< 1, 2, …: the id that old API versions show.
  std::string name;                       ///< Unique.
  std::string zone;                       ///< Availability zone; "nova" unless set.
  bool enabled = true;
  std::string disabled_reason;
  bool up = false;                        ///< Its hypervisor answered within the last period.
  bool forced_down = false;               ///< An administrator says it is down, whatever answers.
  WallTime created_at;
  std::optional<WallTime> seen_at;        ///< Its last answer to this process.
  HostFacts facts;
  scheduler::Capacity vcpus, ram_mib, disk_gib;
  std::uint32_t servers = 0;
};

/// The machines of the cloud: registry, liveness, capacity.
///
/// Thread-safe. What is reported as up is observed, never recorded: an idle cloud commits nothing.
class CLOUDOS_EXPORT Hosts final {
 public:
  /// In order of registration. Admins only. Errors: Forbidden, InvalidArgument (marker).
  Result<std::vector<Host>> list(const Context& ctx, std::string_view marker = {},
                                 std::size_t limit = SIZE_MAX) const;
  /// By id, name or number. Admins only. Errors: Forbidden, NotFound.
  Result<Host> get(const Context& ctx, std::string_view id_or_name) const;
  /// Lets the scheduler use the host again: one commit. Errors: Forbidden, NotFound.
  Result<Host> enable(const Context& ctx, std::string_view id_or_name);
  /// Keeps new servers off the host; those on it run on. One commit.
  /// Errors: Forbidden, NotFound, InvalidArgument (reason over 255 characters).
  Result<Host> disable(const Context& ctx, std::string_view id_or_name, std::string reason = {});

  /// Counts the host as down although it answers, or lets its answers count again. One commit.
  /// Errors: Forbidden, NotFound.
  Result<Host> force_down(const Context& ctx, std::string_view id_or_name, bool down);

  /// An availability zone; hosts are listed for admins only.
  struct Zone {
    std::string name;
    bool available = false;               ///< Some host of it is enabled and up.
    std::vector<Host> hosts;
  };
  /// By name. For everybody: hosts only for admins and only `with_hosts`.
  Result<std::vector<Zone>> zones(const Context& ctx, bool with_hosts = false) const;

  struct CLOUDOS_LOCAL Impl;
  explicit Hosts(std::unique_ptr<Impl> impl);
  ~Hosts();
  Hosts(const Hosts&) = delete;
  Hosts& operator=(const Hosts&) = delete;
  /// For rooms of the library: see placement/placement.hpp.
  Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace cloudos

#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cloudos/export.hpp"
#include "cloudos/ids.hpp"
#include "cloudos/result.hpp"

/// What a host's hypervisor can do for us. The simulated driver documents the semantics; one
/// contract suite (tests/hypervisor/contract.hpp) runs over it and over libvirt.
namespace cloudos::hypervisor {

/// What the host has and can. Read once at start and then on a period.
struct Capabilities {
  std::string hypervisor_type;    ///< "QEMU"
  std::uint32_t hypervisor_version = 0;  ///< 7002018 for 7.2.18
  std::string host_name;
  std::string architecture;       ///< "x86_64"
  std::string virt_type;          ///< "kvm" or "qemu" (TCG): what guests will run with.
  std::string cpu_info;           ///< JSON object as Compute shows it.
  std::uint32_t vcpus = 0;
  std::uint64_t ram_mib = 0;
  std::uint64_t disk_gib = 0;     ///< Of the file system that holds the guests' disks.
  std::uint64_t disk_free_gib = 0;
  /// Another one after each start of the machine that the guests run on: whoever was started under
  /// another one has been ended by it. Empty: not known.
  std::string boot;
};

/// As Compute numbers power states.
enum class PowerState : std::uint8_t {
  NoState = 0, Running = 1, Paused = 3, Shutdown = 4, Crashed = 6, Suspended = 7
};

/// A copy-on-write disk over an image file that is never written.
struct DiskSpec {
  std::filesystem::path path;          ///< The overlay (qcow2); made by make_disk.
  std::filesystem::path backing;       ///< Empty: a blank disk.
  std::string backing_format;          ///< As Image names it: raw, qcow2, vhd, …; never probed.
  std::uint64_t size_bytes = 0;        ///< Virtual size; 0: the backing's.
};

/// A NAT inside the guest's own QEMU process, whose DHCP hands out one address.
struct UserModeNet {
  std::string cidr;                    ///< "10.0.0.0/24"
  std::string gateway, resolver, address;  ///< Three different ones of it.
};

struct NicSpec {
  PortId port;
  std::string mac;
  std::string tap;                     ///< The network driver's. Empty: user-mode network.
  std::uint32_t mtu = 1500;
  UserModeNet user_mode = {};          ///< Without a tap; no cidr: as QEMU has it, 10.0.2.0/24.
};

/// Everything a domain is made of; defining it again replaces it.
struct DomainSpec {
  ServerId id;                         ///< The domain's UUID.
  std::string name;                    ///< For people who look at the hypervisor; any UTF-8.
  std::uint32_t vcpus = 1;
  std::uint64_t ram_mib = 128;
  std::vector<DiskSpec> disks;         ///< In guest order: vda, vdb, …
  std::vector<NicSpec> nics;
  std::filesystem::path console_log;   ///< The serial console is appended here.
  std::string task;                    ///< Id of the task that defines it: goes into its metadata.
};

/// A domain of this data folder as the hypervisor shows it.
struct DomainState {
  ServerId id;
  PowerState power = PowerState::NoState;
  std::string task;                    ///< Of the spec that defined it.
};

/// What became of a request that the guest give up a device.
enum class Detached : std::uint8_t {
  Gone,   ///< The guest does not have it (any more).
  Asked,  ///< It was asked, and holds it still: ask again. One that boots may not hear it at all.
};

enum class StopMode : std::uint8_t {
  Graceful,  ///< Presses the power button and returns; the guest may take its time, or ignore it.
  Hard,      ///< Cuts the power; the domain is shut off when the call returns.
};

/// Called on workers only, may block up to its own deadline, may be called twice for one intent:
/// "already so" is success. Only domains marked with this data folder's id are ever touched; a
/// foreign domain under the same id makes the call fail with Conflict. Thread-safe.
/// Errors of all: Unavailable (no connection), Timeout, Internal (the hypervisor refused: message).
/// A call that throws counts as Unavailable: it is logged, and tried again as such. name() is asked
/// once, when the cloud opens: who throws then keeps it from opening.
class CLOUDOS_EXPORT Driver {
 public:
  virtual ~Driver() = default;
  virtual std::string_view name() const = 0;  ///< "libvirt", "simulated"
  virtual Result<Capabilities> capabilities() = 0;
  /// Makes the overlay and its folder, anew if a half-made one is there; an existing complete one is
  /// kept. A driver without files makes nothing.
  /// Errors: StorageFull, NotFound (backing), InvalidArgument (smaller than the backing).
  virtual Result<void> make_disk(const DiskSpec& disk) = 0;
  /// Errors: Conflict (a foreign domain has this id), InvalidArgument.
  virtual Result<void> define(const DomainSpec& spec) = 0;
  /// Errors: NotFound (not defined).
  virtual Result<void> start(const ServerId& id) = 0;
  /// A domain that is off or gone is success.
  virtual Result<void> stop(const ServerId& id, StopMode mode) = 0;
  /// Cuts the power and forgets the domain; a domain that is gone is success. Disks stay.
  virtual Result<void> destroy(const ServerId& id) = 0;
  /// All domains of this folder, any power state; `only`: that one, or none.
  virtual Result<std::vector<DomainState>> list(const std::optional<ServerId>& only = {}) = 0;
  /// Plugs an interface into the running guest, behind those it has. One with this MAC address that
  /// is there is success; so is a guest that is off or gone, for the next define() says what it has.
  /// Errors: Unsupported (this driver, or a user-mode network, cannot while the guest runs),
  /// InvalidArgument, Conflict (a foreign domain has this id).
  virtual Result<void> attach_interface(const ServerId& id, const NicSpec& nic);
  /// Asks the running guest to give the interface with this MAC address up. Gone also for a guest
  /// that is off or gone. Does not wait for the guest. Errors: as attach_interface.
  virtual Result<Detached> detach_interface(const ServerId& id, const std::string& mac);
};

}  // namespace cloudos::hypervisor

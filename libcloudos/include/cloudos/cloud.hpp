#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cloudos/clock.hpp"
#include "cloudos/context.hpp"
#include "cloudos/export.hpp"
#include "cloudos/limits.hpp"
#include "cloudos/log.hpp"
#include "cloudos/random.hpp"
#include "cloudos/result.hpp"

namespace cloudos {

class Identity;
class Images;
class Networks;
class Servers;
class Hosts;
class Tasks;
struct RunnerFaults;
namespace hypervisor { class Driver; }
namespace network { class MechanismDriver; }
namespace store { class Store; }

/// Which hypervisor and data plane the cloud's own host uses.
enum class Backend : std::uint8_t {
  Simulated,  ///< In memory: no process, no device, no root needed.
  Real,       ///< libvirt/QEMU and Linux bridges.
};

struct Options {
  /// Holds everything. Empty: in memory, gone with the Cloud (Backend::Simulated only).
  std::filesystem::path data_dir;

  /// Threads for tasks and timers. 0: none; the host program calls run_pending().
  unsigned workers = 4;

  Backend hypervisor = Backend::Simulated;
  /// "qemu:///embed" (in the data folder, no daemon) or any libvirt URI. Backend::Real only.
  std::string libvirt_uri = "qemu:///embed";
  /// "auto", "kvm" or "qemu" (TCG). auto: KVM only where the CPU has it and /dev/kvm opens.
  std::string virt_type = "auto";
  Backend network = Backend::Simulated;
  /// Flat networks: physical network -> bridge that the operator made. Ports are added to it.
  std::map<std::string, std::string> bridge_mappings;
  /// Names of the simulated hosts; with Backend::Real the one host has the machine's name, or the
  /// first of these.
  std::vector<std::string> host_names;

  /// Password of the first admin; empty: one is made and stored in clouds.yaml. First start only.
  std::string admin_password;
  /// What catalogue entries, clouds.yaml and links begin with: "http://127.0.0.1:5000".
  std::string public_url = "http://127.0.0.1:5000";
  std::chrono::seconds token_lifetime{3600};
  unsigned password_cost = 12;  ///< bcrypt, 4..16
  std::uint64_t store_limit_bytes = limits::kStoreMapBytes;

  LogSink log;
  LogLevel log_level = LogLevel::Info;

  /// Injected by tests and simulations; null: the machine's own.
  std::shared_ptr<Clock> clock;
  std::shared_ptr<Random> random;
  std::shared_ptr<store::Store> store;                   ///< Null: LMDB in data_dir, or memory.
  std::shared_ptr<hypervisor::Driver> hypervisor_driver; ///< Null: by `hypervisor`.
  std::shared_ptr<network::MechanismDriver> mechanism_driver; ///< Null: by `network`.
  std::shared_ptr<const RunnerFaults> faults;                ///< Test hooks of the task runner.
};

/// A whole cloud in this process. Several may live in one process, each on its own folder.
///
/// Thread-safe. A good guest: no globals, signal handlers, umask, cwd, locale or stdout.
class CLOUDOS_EXPORT Cloud final {
 public:
  /// Opens (or makes) the folder, becomes its one runner and starts work on what it finds.
  ///
  /// Blocks until the services answer; hypervisor and data plane start behind. Errors: Conflict
  /// (another process runs this folder), InvalidArgument (options), StorageFull, Unavailable
  /// (folder not writable; the message says what is missing).
  static Result<std::unique_ptr<Cloud>> open(Options options);

  /// Stops taking work, waits for running steps for at most ten seconds, leaves guests running.
  ~Cloud();
  Cloud(const Cloud&) = delete;
  Cloud& operator=(const Cloud&) = delete;

  Identity& identity();
  Images& images();
  Networks& networks();
  Servers& servers();
  Hosts& hosts();
  Tasks& tasks();

  /// With `workers = 0`: runs what is due on this thread, until nothing is or `deadline` passed.
  /// Returns how many pieces of work ran.
  std::size_t run_pending(std::optional<MonoTime> deadline = std::nullopt);
  /// When the next piece of work is due; nothing when none is.
  std::optional<MonoTime> next_deadline() const;

  const Options& options() const;
  const Clock& clock() const;
  IdSource& ids();
  Log log(std::string_view room) const;

 private:
  struct CLOUDOS_LOCAL Impl;
  explicit Cloud(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cloudos

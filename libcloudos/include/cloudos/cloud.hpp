#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cloudos/account_rules.hpp"
#include "cloudos/clock.hpp"
#include "cloudos/context.hpp"
#include "cloudos/export.hpp"
#include "cloudos/health.hpp"
#include "cloudos/image_imports.hpp"
#include "cloudos/image_rules.hpp"
#include "cloudos/image_stores.hpp"
#include "cloudos/limits.hpp"
#include "cloudos/log.hpp"
#include "cloudos/network_options.hpp"
#include "cloudos/random.hpp"
#include "cloudos/result.hpp"
#include "cloudos/scheduler.hpp"
#include "cloudos/subscription.hpp"
#include "cloudos/trace.hpp"

namespace cloudos {

class AuditLog;
class Identity;
class Images;
class Networks;
class Servers;
class Hosts;
class Metrics;
class Tasks;
class Tracer;
struct RunnerFaults;
enum class LimitModel : std::uint8_t;
namespace hypervisor { class Driver; }
namespace network { class MechanismDriver; }
namespace locale { class Catalogues; }
namespace store { class Store; }

/// Which hypervisor and data plane the cloud's own host uses.
enum class Backend : std::uint8_t {
  Simulated,  ///< In memory: no process, no device, no root needed.
  Real,       ///< libvirt/QEMU and Linux bridges.
  /// Networks only: each interface of a guest behind a NAT in its own QEMU. Needs no root. Guests
  /// reach out and nobody reaches them; no security groups, no metadata server.
  User,
};

/// Who may read /metrics and the reasons in /readyz. Admins' tokens always may.
enum class MetricsAccess : std::uint8_t {
  Admin,     ///< Nobody else.
  Loopback,  ///< Whoever connects from this machine, unless a proxy forwards for another.
  Everyone,  ///< Whoever reaches the port.
};

/// How a program takes part in a data folder.
enum class FolderRole : std::uint8_t {
  /// Runs it: tasks, reconcilers, drivers. One process at a time.
  Runner,
  /// Beside the runner, in another process: reads the folder itself, sends its changes to the
  /// runner, which does their work too. No lock, no driver, no reconciler; data_dir must be there.
  Guest,
  Any,  ///< Runner if nobody runs the folder, else guest.
};

/// The services that a cloud has; identity and tasks are always there. What is left out has no
/// catalogue entry, no routes, no records of its own, no reconciler and no driver.
struct Services {
  bool images = true;
  bool networks = true;
  bool compute = true;  ///< Servers, flavors, keypairs and hosts. Needs images and networks.
  friend bool operator==(const Services&, const Services&) = default;

  /// Those that this build of the library has (CMake's CLOUDOS_SERVICES). Cloud::open() refuses
  /// the others as Unsupported: begin with these for whatever there is.
  CLOUDOS_EXPORT static Services built();
};

/// How much of the past the audit log holds; what is oldest goes first.
struct AuditKeep {
  bool on = true;  ///< False: nothing is recorded.
  std::size_t changes = limits::kAuditChanges;
  std::size_t logins = limits::kAuditLogins;
  std::size_t failures = limits::kAuditFailures;
  std::chrono::hours age = limits::kAuditAge;  ///< Zero: as long as the numbers allow.
};

struct Options {
  /// Holds everything. Empty: in memory, gone with the Cloud (Backend::Simulated only).
  std::filesystem::path data_dir{};

  /// Most threads for tasks and timers; they come with work and go without. 0: none; the host
  /// program calls run_pending().
  unsigned workers = 64;

  FolderRole role = FolderRole::Runner;
  Services services{};

  Backend hypervisor = Backend::Simulated;
  /// "qemu:///embed" (in the data folder, no daemon) or any libvirt URI. Backend::Real only.
  std::string libvirt_uri = "qemu:///embed";
  /// Hosts beside the one of `host_names`: name -> URI of the libvirt daemon that runs its guests.
  /// The data folder, which holds their disks, has to be there at the same path; no two hosts have
  /// one daemon. Backend::Real only.
  std::map<std::string, std::string> other_hosts{};
  /// "auto", "kvm" or "qemu" (TCG). auto: KVM only where the CPU has it and /dev/kvm opens.
  std::string virt_type = "auto";
  Backend network = Backend::Simulated;
  /// Servers that ran when their host went down are started again once it is back; false: they are
  /// stopped (SHUTOFF) then.
  bool resume_guests = true;
  /// Flat networks: physical network -> bridge that the operator made. Ports are added to it.
  std::map<std::string, std::string> bridge_mappings{};
  /// Which networks there may be, and on which host the network driver works.
  NetworkOptions networks{};
  /// Names of the simulated hosts; with Backend::Real the one host has the machine's name, or the
  /// first of these.
  std::vector<std::string> host_names{};

  /// Password of the first admin; empty: one is made and stored in clouds.yaml. First start only.
  std::string admin_password{};
  /// What catalogue entries, clouds.yaml and links begin with: "http://127.0.0.1:5000".
  std::string public_url = "http://127.0.0.1:5000";
  std::chrono::seconds token_lifetime{3600};
  unsigned password_cost = 12;  ///< bcrypt, 4..16
  PasswordHashing password_hashing{};  ///< But bcrypt's cost, which stands above.
  AccountRules account_rules{};
  /// Policy rules over the defaults (see Policy::parse): a file, which Identity::reload_policy()
  /// reads again, or else a text.
  std::filesystem::path policy_file{};
  std::string policy{};
  /// How old the key that seals tokens may grow before it is rotated; zero: it is never.
  std::chrono::seconds token_key_age{0};
  /// The most entries of one list over REST; what is cut says so. 0: all.
  std::size_t list_limit = 0;
  /// A project for which no endpoint was chosen sees all of them; false: none.
  bool show_all_endpoints = true;
  /// How limits of projects and their domains hang together; see limits_registry.hpp.
  LimitModel limit_model{};
  /// How images are imported: methods, where from, conversion, signatures.
  ImageImportOptions image_import{};
  /// Where data of images is kept: stores, strategy, delayed delete, cache.
  ImageStoreOptions image_stores{};
  /// What images may be: counts, formats, protected properties.
  ImageRules image_rules{};
  std::uint64_t store_limit_bytes = limits::kStoreMapBytes;

  /// Languages beside those of the library, or in their place: a folder of GNU .po files named by
  /// their tags ("pt-BR.po"), read when the cloud is opened; and such files' texts by tag, which go
  /// over the folder's. See locale::Catalogues::add.
  std::filesystem::path locale_dir{};
  std::map<std::string, std::string> catalogues{};

  AuditKeep audit{};

  LogSink log{};
  LogLevel log_level = LogLevel::Info;
  /// Rooms whose lines are wanted from another level on: "tasks" -> Debug.
  std::map<std::string, LogLevel, std::less<>> room_log_levels{};
  /// Hears of every sampled span: requests, steps of tasks, driver calls. Empty: none are made.
  SpanSink span_sink{};
  MetricsAccess metrics_access = MetricsAccess::Loopback;

  // ---- brought by the host program ----

  /// Hypervisors of its own: host name -> driver; one driver may speak for many hosts. These hosts
  /// are there beside `host_names`, which may then be empty.
  std::map<std::string, std::shared_ptr<hypervisor::Driver>> hypervisor_drivers{};
  /// Asked in this order, before the one that `network` names: the first that binds a port has it;
  /// precommit may veto in all of them.
  std::vector<std::shared_ptr<network::MechanismDriver>> mechanism_drivers{};
  /// Filters and weighers of placement; nothing: scheduler::default_policy(), which is also what
  /// to begin with when one is added. They run on any thread, often at once.
  std::optional<scheduler::Policy> placement{};

  /// Injected by tests and simulations; null: the machine's own.
  std::shared_ptr<Clock> clock{};
  std::shared_ptr<Random> random{};
  std::shared_ptr<store::Store> store{};                   ///< Null: LMDB in data_dir, or memory.
  /// Of every host in `host_names`. Null: by `hypervisor`.
  std::shared_ptr<hypervisor::Driver> hypervisor_driver{};
  /// In place of the built-in one. Null: by `network`.
  std::shared_ptr<network::MechanismDriver> mechanism_driver{};
  std::shared_ptr<const RunnerFaults> faults{};                ///< Test hooks of the task runner.
};

/// A whole cloud in this process. Several may live in one process, each on its own folder.
///
/// Thread-safe. A good guest: no globals, signal handlers, umask, cwd, locale or stdout.
class CLOUDOS_EXPORT Cloud final {
 public:
  /// Opens (or makes) the folder, becomes its one runner and starts work on what it finds; or, as
  /// a guest, joins the process that runs it (see FolderRole).
  ///
  /// Blocks until the services answer; hypervisor and data plane start behind. Errors: Conflict
  /// (another process runs this folder), InvalidArgument (options), StorageFull, Unavailable
  /// (folder not writable; the message says what is missing), Unsupported (a part that this build
  /// was made without), NotFound (a guest finds no folder).
  static Result<std::unique_ptr<Cloud>> open(Options options);

  /// As close(), for ten seconds. A step that still runs then keeps its memory: it is left behind.
  ~Cloud();
  Cloud(const Cloud&) = delete;
  Cloud& operator=(const Cloud&) = delete;

  /// Stops for good: begins no more work and waits for running steps, for at most `patience`. The
  /// servers on the hosts run on. Services may still be asked, but what they queue is the next
  /// runner's. Safe to call twice. Errors: Timeout (a step still runs; it may be called again).
  Result<void> close(std::chrono::milliseconds patience = std::chrono::seconds{10});

  /// Which services there are. Asking for one that was left out is a bug of the caller and aborts.
  const Services& services() const;
  Identity& identity();
  AuditLog& audit();
  Images& images();
  Networks& networks();
  Servers& servers();
  Hosts& hosts();
  Tasks& tasks();
  /// Runner or Guest: what FolderRole::Any became.
  FolderRole role() const;

  /// With `workers = 0`: runs what is due on this thread, until nothing is or `deadline` passed.
  /// Returns how many pieces of work ran.
  std::size_t run_pending(std::optional<MonoTime> deadline = std::nullopt);
  /// When the next piece of work is due; nothing when none is.
  std::optional<MonoTime> next_deadline() const;
  /// For the host's event loop, with `workers = 0`: a descriptor that becomes readable whenever
  /// next_deadline() may have come earlier, and unreadable by run_pending(), behind which the host
  /// asks next_deadline() again. Owned by the Cloud, made by the first call (readable at once);
  /// never read or close it. A loop is
  ///
  ///   run_pending(); poll({wake_fd, POLLIN}, until next_deadline()); again
  ///
  /// with Asio: posix::stream_descriptor::async_wait on a dup() of it, and a steady_timer; with
  /// Qt: QSocketNotifier(wake_fd, Read) and a single-shot QTimer; both then call run_pending().
  /// Errors: Unavailable (the process has no descriptor left).
  Result<int> wake_fd() const;

  /// Calls `tell` with what changes from now on (from `since` on, when given); see Subscription.
  /// Errors: InvalidArgument (a kind that is not known).
  Result<std::unique_ptr<Subscription>> subscribe(SubscribeOptions what,
                                                  std::function<void(const ChangeBatch&)> tell);

  /// What this cloud counts and measures; the host program may add its own. Lives as long as the
  /// cloud: end collectors before it.
  Metrics& metrics();
  /// All of it as Prometheus' text: what /metrics answers.
  std::string metrics_text() const;
  /// Is it fit to serve? What /readyz answers. Blocks for a look at the store; ask on a period.
  Health health();
  /// What it is busy with and what it waits for, as text for people: tasks, lanes, queues,
  /// drivers, store. Blocks for no driver.
  std::string dump_state() const;
  /// Which lines are logged from now on, in every room.
  void set_log_levels(const LogLevels& levels);

  const Options& options() const;
  /// What its callers may be told in other languages; REST chooses by Accept-Language.
  const locale::Catalogues& catalogues() const;
  const Clock& clock() const;
  IdSource& ids();
  Log log(std::string_view room) const;
  /// For rooms of the library: see base/trace.hpp.
  const Tracer& tracer() const;

 private:
  struct CLOUDOS_LOCAL Impl;
  explicit Cloud(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cloudos

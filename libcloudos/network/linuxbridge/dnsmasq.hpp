#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cloudos/network_driver.hpp"
#include "cloudos/result.hpp"

/// The DHCP and name server of one network: dnsmasq, in the network's namespace.
///
/// It outlives our process. It runs as nobody: its files lie in the data folder, which nobody may
/// enter, so it gets a mount namespace of its own in which they are also visible elsewhere.
namespace cloudos::network::linuxbridge {

/// What its files hold.
struct DhcpFiles {
  std::string config;  ///< A change restarts it …
  std::string hosts;   ///< … a change of these three only has it read them again.
  std::string options;
  std::string names;
  friend bool operator==(const DhcpFiles&, const DhcpFiles&) = default;
};

/// How a server and its files looked when all was as it should be. Files that look the same were
/// not written since, and are not read again: of a thousand networks the system keeps none in
/// memory.
struct DhcpLook {
  /// As stat() tells; zero: there is none.
  struct Stamp {
    std::uint64_t device = 0, inode = 0, size = 0, mode = 0;
    std::int64_t written_ns = 0, changed_ns = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  static constexpr std::size_t kFiles = 6;  ///< The folder, what DhcpFiles holds, the pid file.
  DhcpFiles files;
  std::array<Stamp, kFiles> stamps;
  Stamp netns;
  int pid = 0;
  std::uint64_t started = 0;  ///< When, in the kernel's own count: pids are used again.
};

/// Where the server listens.
struct DhcpDevice {
  std::string name;
  int index = 0;
};

/// Writes out a network's plan. `domain` is the cloud's, which guests search names in. A port's
/// name resolves bare, under that domain, and under the port's or the network's own. Every value is
/// checked: what would break out of its line or field is left out and named in `rejected`.
/// Errors: InvalidArgument.
Result<DhcpFiles> render_dhcp(const NetworkPlan& network, const std::string& domain,
                              const DhcpDevice& device, std::vector<std::string>& rejected);

/// dnsmasq of the network whose files are in `folder`. One thread at a time.
class Dnsmasq {
 public:
  /// `program` is its absolute path; `folder` is ours alone and absolute.
  Dnsmasq(std::string program, std::string folder)
      : program_(std::move(program)), folder_(std::move(folder)) {}
  /// Makes it run in the namespace with these files: starts, restarts or reloads only as needed.
  /// In a namespace that was only just made (`fresh`) none of an earlier run is looked for.
  /// Returns once it serves. `look` is kept by the caller from one time to the next, and holds
  /// something once nothing was to be done. Errors: Unavailable, StorageFull.
  Result<void> ensure(const DhcpFiles& files, int netns, bool fresh, std::optional<DhcpLook>& look);
  Result<void> ensure(const DhcpFiles& files, int netns, bool fresh = false) {
    std::optional<DhcpLook> none;
    return ensure(files, netns, fresh, none);
  }
  /// Ends it and removes its files. Success when it is gone already.
  Result<void> remove();
  /// Its process, when it is alive and really ours.
  std::optional<int> pid() const;

 private:
  Result<void> start(int netns);
  Result<void> stop();
  Result<void> stop_moved(int netns);
  void signal_ours(int pid, int signal) const;
  std::vector<std::string> words() const;
  bool may_be_misled() const;
  std::array<DhcpLook::Stamp, DhcpLook::kFiles> stamps() const;
  bool looks_the_same(const DhcpLook& look, const DhcpFiles& files, int netns) const;
  Result<bool> ensure_files(const DhcpFiles& files, int netns, bool fresh);
  /// Whether these are its files' contents.
  bool has(const DhcpFiles& files) const;
  Result<void> end(int pid, const std::function<bool(int)>& lives) const;
  bool is_ours(int pid) const;
  bool was_ours(int pid, int netns) const;
  /// What the pid file says, whoever that is.
  std::optional<int> noted_pid() const;
  std::optional<int> search(const std::function<bool(int)>& wanted) const;
  bool leases_contradict(const std::string& hosts) const;
  Result<void> drop_contradicted_leases(const std::string& hosts) const;
  std::string path(std::string_view file) const { return folder_ + "/" + std::string(file); }
  std::string program_, folder_;
};

/// Replaces a file as a whole: readers see the old or the new one. Readable by everyone who can get
/// there. Returns whether anything was written. Errors: StorageFull, Unavailable.
enum class Written : bool { No, Yes };
Result<Written> replace_file(const std::string& path, const std::string& content);

}  // namespace cloudos::network::linuxbridge

#pragma once
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

/// Who notices that somebody else touched what is ours on the host.
namespace cloudos::network::linuxbridge {

/// Listens to the kernel and to our servers' ends, on a thread of its own that starts with the
/// first who wants to know. What happens while somebody has it Rest is our own doing and not
/// reported.
///
/// One socket hears of every namespace that has a number in this one, which those of ours have: of
/// their devices, addresses, routes and packet filters. Names of namespaces are files. Without the
/// right to that (CAP_NET_BROADCAST) it hears of this namespace alone. Thread-safe.
class Watchman {
  struct Impl;

 public:
  /// `table` is the name of our packet filter's tables; names of namespaces of ours begin with
  /// `netns_prefix` (empty: they are not watched); `bridges` are the operator's that we put into.
  explicit Watchman(std::string table, std::string netns_prefix = {},
                    std::set<std::string> bridges = {});
  ~Watchman();
  Watchman(const Watchman&) = delete;
  Watchman& operator=(const Watchman&) = delete;

  /// Listens in the calling thread's network namespace. Null stops telling: once this returns the
  /// one before is called no more.
  void start(std::function<void()> disturbed);

  /// Keeps it from telling. Destroyed without end() (by an exception) it lets all be told that was
  /// heard meanwhile: nobody knows what was left half done.
  class Rest {
   public:
    explicit Rest(Watchman& watchman);
    ~Rest();
    Rest(const Rest&) = delete;
    Rest& operator=(const Rest&) = delete;
    /// Once. Forgets what was heard meanwhile. `pids` are our servers; `inside` are namespaces of
    /// ours, as netns_id() names them.
    void end(const std::vector<int>& pids, std::set<int> inside);

   private:
    Impl* impl_;
  };

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace cloudos::network::linuxbridge

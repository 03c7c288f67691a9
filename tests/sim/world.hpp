#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cloudos/cloud.hpp"
#include "cloudos/images.hpp"
#include "cloudos/networks.hpp"
#include "cloudos/servers.hpp"
#include "cloudos/tasks.hpp"
#include "hypervisor/simulated.hpp"
#include "network/driver.hpp"
#include "store/faulty.hpp"

/// A whole cloud on one thread: manual clock, seeded randomness, drivers that delay, fail, repeat
/// and forget, crashes at any commit. The same seed makes the same run, to the byte.
namespace cloudos::sim {

/// Chances in a thousand.
struct Chaos {
  unsigned fail = 0;     ///< A driver call fails and nothing happened.
  unsigned forget = 0;   ///< A driver call did its work, but its answer is lost.
  unsigned slow = 0;     ///< A hypervisor call takes up to ten seconds.
  unsigned crash = 0;    ///< Per action: the process dies after a few more commits.
};

class World {
 public:
  World(std::uint64_t seed, Chaos chaos, unsigned hosts = 3);
  ~World();

  /// One random action of a tenant, or of fate.
  void act();
  /// Runs `closures` pieces of pending work, checking every invariant after each.
  void run(std::size_t closures);
  /// Ends the faults and moves time on until everything settled; then checks what must hold at rest.
  void rest();
  /// Kills the process and starts another on the same store and host.
  void crash();

  /// A digest of everything the store holds, and of the domains.
  std::string digest() const;
  std::size_t actions() const { return actions_; }
  std::size_t crashes() const { return crashes_; }
  /// Tasks that ended so far, in all and unwound: a storm that fails nothing proves nothing.
  struct Ended {
    std::size_t tasks = 0, failed = 0, superseded = 0;
  };
  Ended ended() const;

  Cloud& cloud() { return *cloud_; }
  hypervisor::Simulated& host() { return *hypervisor_; }
  const Context& tenant() const { return tenant_; }
  std::vector<Server> servers();
  Result<Server> create(const std::string& name);

 private:
  class Mechanism;
  void start();
  void prepare();
  bool chance(unsigned in_a_thousand);
  std::optional<Error> driver_fault(std::string_view verb);
  void check_step();
  void check_rest();
  void reopen_if_crashed();

  SeededRandom fate_;  ///< Chooses what happens; the cloud has its own.
  Chaos chaos_;
  const unsigned hosts_;
  std::filesystem::path folder_;
  std::shared_ptr<ManualClock> clock_;
  std::shared_ptr<SeededRandom> random_;
  std::shared_ptr<store::Store> store_;         ///< Survives crashes; shared with `faulty_`.
  std::shared_ptr<store::FaultyStore> faulty_;  ///< Of this life.
  std::shared_ptr<hypervisor::Simulated> hypervisor_;
  std::shared_ptr<Mechanism> mechanism_;
  std::unique_ptr<Cloud> cloud_;
  Context tenant_;
  ImageId image_;
  NetworkId network_;
  FlavorId flavor_;
  bool calm_ = true;  ///< No faults: while preparing and at rest.
  std::size_t actions_ = 0, crashes_ = 0;
};

}  // namespace cloudos::sim

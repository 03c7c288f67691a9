#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cloudos/cloud.hpp"
#include "cloudos/identity.hpp"
#include "cloudos/images.hpp"
#include "cloudos/networks.hpp"
#include "cloudos/servers.hpp"
#include "cloudos/tasks.hpp"
#include "hypervisor/simulated.hpp"
#include "mechanism.hpp"
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
  unsigned meddle = 0;   ///< Per driver call: while it lasts, others call and other work runs.
  unsigned world = 0;    ///< Per action: the clock jumps a day, the host resets or loses a guest.
  unsigned lose = 0;     ///< Per action: a host of its own drivers is lost, or comes back.
  unsigned topology = 0;  ///< Per action: it is of networks and what hangs on them.
};

class World {
 public:
  /// `begin`: what the machine's calendar says at first; nothing: 2023.
  World(std::uint64_t seed, Chaos chaos, unsigned hosts = 3, std::optional<WallTime> begin = {});
  ~World();

  /// One random action of a tenant, or of fate.
  void act();
  /// Runs `closures` pieces of pending work, checking every invariant after each.
  void run(std::size_t closures);
  /// Ends the faults, moves time on until everything settled, checks what must hold at rest.
  void rest();
  /// Kills the process and starts another on the same store and host.
  void crash();
  /// The machine loses power: no guest runs, no device is there, and our process starts anew.
  void reset_host();
  /// An operator sets the calendar, either way.
  void jump_clock(std::chrono::hours by);

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
  const std::filesystem::path& folder() const { return folder_; }
  const Context& tenant() const { return tenant_; }
  std::vector<Server> servers();
  /// How often a host was lost.
  std::size_t losses() const { return losses_; }
  ManualClock& clock() { return *clock_; }
  std::unique_ptr<store::Snapshot> snapshot() { return *store_->snapshot(); }
  /// While `on`, no guest can be defined or started.
  void fail_drivers(bool on) { unreachable_ = on; }
  /// Calls of the hypervisor so far.
  std::size_t driver_calls() const { return driver_calls_; }
  Result<Token> log_in_as_admin();
  Result<Server> create(const std::string& name);

 private:
  void start();
  void prepare();
  bool chance(unsigned in_a_thousand);
  std::optional<Error> driver_fault(std::string_view verb);
  std::optional<Error> lost_answer();
  void meddle(const ServerId* guest);
  ImageId make_image(const std::string& name);
  ServerCreate wish(const std::string& name) const;

  // actions.cpp: what calls answer is the tenant's business; what they leave behind is checked.
  void act_of_tenant();
  void act_on_world();
  void lose_or_find_edge();
  void act_on_servers();
  void change_interfaces(const Server& server);
  void act_on_images();
  void act_on_identity();
  void grant_any(const UserId& user, const ProjectId& project);
  void upload_image();
  void act_on_networks();
  void act_on_routers();
  void act_on_floating(const NetworkId& network);
  /// The external network, made if it is not there.
  NetworkId outside();
  void act_on_groups();
  void create_any();

  // topology.cpp
  void act_on_topology();
  void act_on_pools();
  void act_on_grants();
  void act_on_trunks();
  void act_on_policies();
  void act_on_address_groups();
  void act_on_meters();
  void act_on_routes();
  void act_on_ports();
  void act_on_own_topology();

  // invariants.cpp
  void check_step();
  void check_unbuilt(const store::Snapshot& snapshot);
  void check_idle();
  void check_stores(const store::Snapshot& snapshot);
  void check_interfaces(const Server& server);
  void check_rest();
  void check_without_edge();
  void check_plane(Mechanism& plane, const std::string& host);
  void settle();
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
  /// Of the host "edge", which is there with Chaos::lose only.
  std::shared_ptr<hypervisor::Simulated> edge_;
  std::shared_ptr<Mechanism> edge_plane_;
  bool edge_lost_ = false;
  std::unique_ptr<Cloud> cloud_;
  Context tenant_, neighbour_;
  ImageId image_;
  NetworkId network_;
  FlavorId flavor_;
  std::vector<ServerId> domains() const;
  std::pair<store::Revision, std::size_t> checked_;  ///< What check_step() has seen.
  std::optional<MonoTime> jumped_at_;  ///< Calendar times are no measure for a while after.
  bool meddling_ = false;
  bool unreachable_ = false;
  std::size_t driver_calls_ = 0;
  bool calm_ = true;  ///< No faults: while preparing and at rest.
  std::size_t actions_ = 0, crashes_ = 0, losses_ = 0;
};

}  // namespace cloudos::sim

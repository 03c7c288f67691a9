#pragma once
#include <mutex>
#include <vector>

#include "network/impl.hpp"

/// Addresses that follow from MACs, when their subnet comes or goes.
///
/// A subnet whose ports may lack theirs has a key under kAutoDuePrefix: it is written by the commit
/// that made it so, and erased by the one after which no port lacks it. Who dies in between leaves
/// the key to the reconciler "auto-addresses".
namespace cloudos::network {

inline constexpr std::string_view kAutoDuePrefix = "/auto-due/";

/// The port has its addresses without being asked.
bool has_auto_addresses(const Port& port);

/// Within the commit after which ports may lack an address of the subnet.
void owe_auto_addresses(store::Txn& txn, const SubnetId& id);
/// The subnet goes: nothing is owed any more.
void forget_auto_addresses(store::Txn& txn, const SubnetId& id);

/// Gives every port of the subnet's network the address it lacks; routers' ports, which have theirs
/// by being asked for, and ports that asked for none get none, nor do those on another segment.
/// Ports that are on none yet get theirs with their host. Ports made meanwhile have theirs from the
/// start. A failure is logged: the reconciler tries again.
void give_auto_addresses(Networks::Impl& impl, const SubnetId& id);
/// The reconciler's pass: true when there is more to do.
Result<bool> give_all_auto_addresses(Networks::Impl& impl);

/// Takes the addresses of one subnet away, for as long as its deletion lasts. What a deletion that
/// fails has taken comes back at the end.
class AutoRelease {
 public:
  AutoRelease(Networks::Impl& impl, const SubnetId& id);
  ~AutoRelease();
  AutoRelease(const AutoRelease&) = delete;
  AutoRelease& operator=(const AutoRelease&) = delete;

  /// Finds the ports that let go of the subnet; of very many, all but the last ones do so here.
  /// Finds none when a port keeps it: so do the others. Errors: NotFound, Forbidden.
  Result<void> prepare(const Context& ctx);
  /// The rest, within the deletion's own transaction.
  Result<void> drop(store::Txn& txn, const Subnet& subnet) const;
  /// A port got an address since prepare(): prepare again.
  bool outdated(const Subnet& subnet) const;

 private:
  Result<void> find_holders();

  Networks::Impl& impl_;
  const SubnetId id_;
  std::unique_lock<std::mutex> lock_;  ///< Nobody gives back meanwhile what is taken here.
  std::vector<PortId> holders_;
  bool kept_ = false;   ///< By a port that is not to let go.
  bool taken_ = false;  ///< Commits before the last one took some.
};

}  // namespace cloudos::network

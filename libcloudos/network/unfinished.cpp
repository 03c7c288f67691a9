#include "network/unfinished.hpp"

#include "network/auto_addresses.hpp"
#include "network/router_txn.hpp"

namespace cloudos {
namespace {

constexpr std::chrono::minutes kUnfinishedPeriod{5};
// Hosts become able without telling: who waits for one waits so long at most.
constexpr std::chrono::seconds kLegsPeriod{20};

}  // namespace

void Networks::Impl::add_reconcilers() {
  engine.runner.add(Reconciler{"auto-addresses", kUnfinishedPeriod,
                               std::string(network::kAutoDuePrefix),
                               [this] { return network::give_all_auto_addresses(*this); }});
  engine.runner.add(Reconciler{"router-legs", kLegsPeriod, std::string(network::kLegsDuePrefix),
                               [this] { return network::plug_waiting_legs(*this); }});
  engine.runner.add(Reconciler{"security-groups", kUnfinishedPeriod,
                               records::index_prefix(SecurityGroup::kKind, "going", "1"),
                               [this] { return network::end_group_deletions(*this); }});
  // On its period alone: a key that has just come belongs to a binding that is being made.
  engine.runner.add(Reconciler{"segments", kUnfinishedPeriod, {},
                               [this] { return network::release_due_segments(*this); }});
}

}  // namespace cloudos

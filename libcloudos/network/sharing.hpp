#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/network_sharing.hpp"
#include "cloudos/store.hpp"
#include "network/access.hpp"
#include "network/impl.hpp"

/// Grants as other files of the room write them: with the flags they follow.
namespace cloudos::network {

/// The grant that a flag ("shared", "router:external") stands for. Nothing happens when it is there.
Result<void> give_to_all(store::Txn& txn, const ProjectId& owner, std::string_view object_type,
                         const std::string& object_id, std::string_view action,
                         const RbacPolicyId& id, WallTime now);
Result<void> take_from_all(store::Txn& txn, std::string_view object_type,
                           std::string_view object_id, std::string_view action);

/// Counts what changes who uses a thing that is another's, and by which grants. Who takes a grant
/// away reads the count with the users from a snapshot and again with the commit, so that nobody
/// begins to use, by that grant, what he would lose.
void note_lent(store::Txn& txn, std::string_view object_type, std::string_view object_id);
/// The same, if the user is not the owner.
template <class T>
void note_use(store::Txn& txn, const ProjectId& user, const T& thing) {
  if (thing.project != user) note_lent(txn, rbac_type<T>(), thing.id.value);
}

/// What must still be so when a grant's end commits.
struct LentCount {
  std::string key, value;
};
/// Errors: Stale (somebody began or ended to use it, or was granted it).
Result<void> check_lent(store::Txn& txn, const LentCount& seen);
/// The grant to every project may end: nobody's use rests on it. Errors: Conflict.
Result<LentCount> may_take_from_all(const store::Snapshot& snapshot, std::string_view object_type,
                                    std::string_view object_id, std::string_view action);

/// Grants go with what they are about. Errors: Stale (one was made after `ids` were read).
Result<std::vector<RbacPolicyId>> grants_of(const store::Snapshot& snapshot,
                                            std::string_view object_id);
Result<void> erase_grants(store::Txn& txn, std::string_view object_type,
                          std::string_view object_id, const std::vector<RbacPolicyId>& ids);

/// Deletes one that may be granted, and its grants: `part(txn)` loads it, refuses, takes what else
/// goes with it; maybe more than once. Errors: what `part` returns.
template <class T, class Part>
Result<void> remove_granted(Networks::Impl& impl, const Context& ctx, const decltype(T::id)& id,
                            const Part& part) {
  CLOUDOS_CHECK(check_call(ctx, impl.engine.clock));
  return store::replan([&]() -> Result<void> {
    std::vector<RbacPolicyId> grants;
    {
      CLOUDOS_TRY(const auto snapshot, impl.snapshot());
      CLOUDOS_TRY(grants, grants_of(*snapshot, id.value));
    }
    return impl.transact([&](store::Txn& txn) -> Result<void> {
      CLOUDOS_CHECK(part(txn));
      CLOUDOS_CHECK(erase_grants(txn, rbac_type<T>(), id.value, grants));
      return records::erase<T>(txn, id);
    });
  });
}

}  // namespace cloudos::network

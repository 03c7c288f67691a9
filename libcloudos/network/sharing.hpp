#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/network_sharing.hpp"
#include "cloudos/store.hpp"

/// Grants as other files of the room write them: with the flags they follow.
namespace cloudos::network {

/// The grant that a flag ("shared", "router:external") stands for. Nothing happens when it is there.
Result<void> give_to_all(store::Txn& txn, const ProjectId& owner, std::string_view object_type,
                         const std::string& object_id, std::string_view action,
                         const RbacPolicyId& id, WallTime now);
Result<void> take_from_all(store::Txn& txn, std::string_view object_type,
                           std::string_view object_id, std::string_view action);

/// Grants go with what they are about. Errors: Stale (one was made after `ids` were read).
Result<std::vector<RbacPolicyId>> grants_of(const store::Snapshot& snapshot,
                                            std::string_view object_id);
Result<void> erase_grants(store::Txn& txn, std::string_view object_id,
                          const std::vector<RbacPolicyId>& ids);

}  // namespace cloudos::network

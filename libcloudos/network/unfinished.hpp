#pragma once
#include "network/impl.hpp"

/// What takes more than one commit, and who ends it when its caller is no more.
namespace cloudos::network {

/// Ends deletions of security groups that have begun. A reconciler's pass.
Result<bool> end_group_deletions(Networks::Impl& impl);
/// Gives dynamic segments back whose binding was never written. A reconciler's pass.
Result<bool> release_due_segments(Networks::Impl& impl);

}  // namespace cloudos::network

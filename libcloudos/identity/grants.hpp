#pragma once
#include "identity/impl.hpp"

namespace cloudos::identity {

/// Takes the role out of a grant; the grant goes when nothing is left in it. `stamp`: the grant's
/// new one. Errors: NotFound.
Result<void> take_role(store::Txn& txn, const std::string& grant, const RoleId& role,
                       std::uint64_t stamp);

}  // namespace cloudos::identity

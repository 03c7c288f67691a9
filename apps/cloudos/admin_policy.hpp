#pragma once
#include <span>

#include "admin.hpp"

namespace cli {

/// policy show, policy check, policy diff, keys list, keys rotate.
std::span<const AdminCommand> policy_commands();

}  // namespace cli

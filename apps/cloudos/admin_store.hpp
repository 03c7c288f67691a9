#pragma once
#include <span>

#include "admin.hpp"

namespace cli {

/// backup, restore, store check, store compact, store stat.
std::span<const AdminCommand> store_commands();

}  // namespace cli

#pragma once
#include <span>

#include "admin.hpp"

namespace cli {

/// cloudos config check, show, sample, import.
std::span<const AdminCommand> config_commands();

}  // namespace cli

#pragma once
#include <string>
#include <vector>

#include "cloudos/store.hpp"

namespace cloudos {

/// The names of the hosts that a cloud has when nobody says: the one host that its store knows,
/// whatever the machine is called now, else the machine.
///
/// So a folder that was moved to another machine, or whose machine was renamed, goes on: servers
/// name their host, and one of another name would leave them without a hypervisor.
Result<std::vector<std::string>> known_host_names(store::Store& store, const std::string& machine);

}  // namespace cloudos

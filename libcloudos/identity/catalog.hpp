#pragma once
#include <string>
#include <vector>

#include "identity/impl.hpp"

/// What the catalog's files share.
namespace cloudos::identity {

/// As records show it: where the cloud is reached is not theirs to know.
Endpoint shown_endpoint(EndpointRecord record, const std::string& public_url);

/// The endpoints that were chosen for the project, by themselves or by a group; nothing: none was.
Result<std::optional<std::set<EndpointId>>> chosen_endpoints(
    const store::Snapshot& at, const ProjectId& project,
    const std::vector<EndpointRecord>& endpoints);

}  // namespace cloudos::identity

#include "rest/router.hpp"

namespace cloudos::rest {

// Apart from router.cpp, so that a program (or a test) that brings its own tables links no more.
Router::Router(Cloud& cloud)
    : Router(cloud, {discovery_routes(), identity_routes(), identity_registry_routes(),
                     image_routes(), network_routes(), compute_routes(), task_routes(),
                     audit_routes(), operation_routes()}) {}

}  // namespace cloudos::rest

#pragma once
#include <string_view>
#include <vector>

#include "cloudos/identity.hpp"
#include "rest/router.hpp"

/// What tokens by application credentials with access rules may be used for.
namespace cloudos::rest {

/// Does the whole path match? `*`: anything but `/`; `**`: anything; `{name}`: one or more
/// characters but `/`. Takes time in the product of both lengths at most.
bool path_matches(std::string_view pattern, std::string_view path);

/// May a token with these rules be used for this request? A path is compared as the service knows
/// it ("/v2.1/servers") and as this cloud serves it ("/compute/v2.1/servers").
/// Errors: Forbidden.
Result<void> check_access_rules(const std::vector<AccessRule>& rules, Service service,
                                std::string_view method, std::string_view target);

}  // namespace cloudos::rest

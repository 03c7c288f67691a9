#pragma once
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string_view>

#include "cloudos/identity.hpp"

/// What a login's body says.
namespace cloudos::rest::identity_v3 {

/// Of the member "auth". `caller`: whom the host program vouches for, which no client can say.
/// Errors: InvalidArgument, Unauthenticated (a method that is not on offer).
Result<Login> read_login(const nlohmann::json& auth, const std::optional<Context>& caller);

/// Of a whole body that is as clients write it when they have a token exchanged: the token, maybe a
/// project or domain for it, and nothing else, in plain letters. Read in place, for it is what
/// services send at a high rate. Nothing: not that plain, ask read_login(), which gives the same
/// for those that are, and errors.
std::optional<Login> read_plain_login(std::string_view body);

}  // namespace cloudos::rest::identity_v3

#pragma once
#include "rest/router.hpp"

namespace cloudos::rest {

/// What the client asks for in OpenStack-API-Version ("compute 2.53") or, older,
/// X-OpenStack-Nova-API-Version; `latest` is the newest on offer, silence the oldest.
///
/// Errors: InvalidArgument (malformed), Unsupported (out of range: the Router answers 406).
/// Source: Compute API guide, Microversions.
Result<Microversion> negotiate_compute(const Headers& headers);

/// Repeats the version in the reply, and says what it depends on.
void echo_compute_version(Headers& headers, Microversion version);

std::string to_string(Microversion version);

}  // namespace cloudos::rest

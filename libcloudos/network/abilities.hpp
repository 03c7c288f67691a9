#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "network/wiring.hpp"

/// What drivers here can do, for the parts of the API that say only what is true.
namespace cloudos::network {

/// The drivers that do `one`, or the whole that it is part of.
std::vector<std::string> able(const Wiring& wiring, std::string_view one, std::string_view whole);

}  // namespace cloudos::network

#pragma once
#include <map>
#include <string>
#include <string_view>

#include "cloudos/result.hpp"

namespace cli {

/// The clouds of a clouds.yaml: name to its settings, nested ones with dots: "auth.username".
using Clouds = std::map<std::string, std::map<std::string, std::string>>;

/// Reads the text of a clouds.yaml. Aliases are refused (they can blow a small file up without
/// bound). Errors: InvalidArgument (line and reason), TooLarge.
cloudos::Result<Clouds> parse_clouds(std::string_view text);

}  // namespace cli

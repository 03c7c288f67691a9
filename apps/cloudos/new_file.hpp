#pragma once
#include <string>
#include <string_view>

#include "cloudos/result.hpp"

namespace cli {

/// Makes the file `path`: whole or not at all, durably, and never in place of one that is there,
/// whoever else makes it meanwhile. Its mode is 0666 less the umask.
/// Errors: Conflict (there is one already), StorageFull, Unavailable.
cloudos::Result<void> write_new_file(const std::string& path, std::string_view text);

}  // namespace cli

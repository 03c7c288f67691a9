#pragma once
#include <filesystem>

#include "cloudos/limits.hpp"

namespace cloudos::hypervisor {

/// Drops the older half of a console log that has grown past `limit_bytes`. Guests write there as
/// they please, and QEMU, which appends to it, bounds nothing. What the guest writes during the
/// microseconds of the cut may be lost where the file system cannot cut in place.
void trim_console(const std::filesystem::path& path,
                  std::size_t limit_bytes = limits::kConsoleLogBytes);

}  // namespace cloudos::hypervisor

#pragma once
#include <filesystem>

namespace cloudosd {

/// Without root libvirt keeps some files in the user's own folders, which a service user often has
/// none of: points it into the data folder then. Call before any thread starts, for it changes the
/// environment.
void prepare_rootless(const std::filesystem::path& data_dir);

}  // namespace cloudosd

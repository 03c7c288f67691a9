#pragma once
#include <filesystem>

#include "cloudos/store.hpp"

/// Where things lie in a data folder.
namespace cloudos::maintenance {

/// Errors: NotFound (there is no store in it).
Result<void> check_data_folder(const std::filesystem::path& folder);
/// How to read the folder's store beside whoever runs it.
store::LmdbOptions guest_options(const std::filesystem::path& folder);
/// Copies the store to backups/before-<name>/ of the folder, before something that cannot be taken
/// back; the newest limits::kSavedStores are kept. By the folder's owner, when nobody commits.
Result<void> save_store(const std::filesystem::path& folder, const std::string& name);

}  // namespace cloudos::maintenance

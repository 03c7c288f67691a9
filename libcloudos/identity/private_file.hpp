#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "cloudos/result.hpp"

/// Small files, most of which nobody but the owner may read: keys, passwords, clouds.yaml.
namespace cloudos::identity {

/// The whole file, or nothing when there is none. Errors: Unavailable, TooLarge (over 64 KiB).
Result<std::optional<std::string>> read_private_file(const std::filesystem::path& path);
/// The same for any file of at most `most` bytes. Errors: Unavailable, TooLarge.
Result<std::optional<std::string>> read_small_file(const std::filesystem::path& path,
                                                   std::size_t most);
/// Puts `text` there with mode 0600, whole or not at all, durably; makes the folder (0700) if need
/// be. Errors: Unavailable, StorageFull.
Result<void> write_private_file(const std::filesystem::path& path, std::string_view text);

}  // namespace cloudos::identity

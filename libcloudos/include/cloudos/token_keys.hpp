#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cloudos/clock.hpp"
#include "cloudos/export.hpp"
#include "cloudos/random.hpp"
#include "cloudos/result.hpp"

/// The keys that tokens are sealed with: keys/tokens in the data folder.
namespace cloudos {

/// What may be said about a key; never the key.
struct TokenKey {
  enum class Role : std::uint8_t {
    Primary,    ///< Seals new tokens, and opens.
    Staged,     ///< Will seal after the next rotation; opens already, so that all have it by then.
    Secondary,  ///< Opens what it sealed while it was primary, until all of that has expired.
  } role = Role::Primary;
  std::string id;    ///< Eight hexadecimal digits of the key's SHA-256, to tell keys apart.
  WallTime since;    ///< In this role.
  WallTime until{};  ///< Secondary: what it sealed has expired by then.
};

/// The keys of a data folder, the primary first. Errors: NotFound (no keys yet), InvalidArgument
/// (damaged), Unavailable.
CLOUDOS_EXPORT Result<std::vector<TokenKey>> list_token_keys(const std::filesystem::path& data_dir);

/// Makes the staged key the primary one and stages a new one; the old primary goes on opening what
/// it sealed. Keys whose tokens have all expired are dropped. Needs nobody to stop: every process
/// on the folder, running or not, goes by the file. One durable replacement of the file: whoever
/// is killed here leaves the old keys or the new ones.
///
/// `force`: drop the oldest keys when there are too many, with the tokens they sealed.
/// Errors: NotFound, Conflict (limits::kTokenKeys keys still open tokens that have not expired, or
/// another rotation runs), InvalidArgument (damaged), Unavailable, StorageFull.
CLOUDOS_EXPORT Result<std::vector<TokenKey>> rotate_token_keys(
    const std::filesystem::path& data_dir, const Clock& clock, Random& random, bool force = false);

}  // namespace cloudos

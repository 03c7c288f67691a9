#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cloudos/random.hpp"
#include "cloudos/result.hpp"
#include "identity/fernet.hpp"

namespace cloudos::identity {

/// What secrets of users are sealed with: keys/credentials, a key in base64 a line. The first one
/// seals, all of them open: put a new line before the others to change the key.
/// Constant after open(), hence thread-safe.
class CredentialKeys final {
 public:
  /// `file` empty: a key in memory. `owner`: makes the file when there is none; a guest that finds
  /// none can seal and open nothing. Errors: InvalidArgument (damaged), Unavailable, StorageFull.
  Result<void> open(const std::filesystem::path& file, Random& random, bool owner);
  /// Errors: Unavailable (no key).
  Result<std::string> seal(std::string_view plain, Random& random) const;
  /// Errors: Internal (no key here opens it).
  Result<std::string> unseal(std::string_view sealed) const;

 private:
  std::unique_ptr<Fernet> fernet_;
};

}  // namespace cloudos::identity

#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/random.hpp"
#include "cloudos/result.hpp"

/// Sealed, dated, authenticated text: version 0x80, time, IV, AES-128-CBC, HMAC-SHA256.
/// Source: the public Fernet specification; padding of the base64 is left out, as in URLs.
namespace cloudos::identity {

/// Sixteen bytes that sign, sixteen that encrypt.
struct FernetKey {
  std::string signing, encryption;
};

class Fernet final {
 public:
  /// The first key seals; all of them open. At least one. Thread-safe afterwards.
  explicit Fernet(std::vector<FernetKey> keys);
  std::string seal(std::string_view plain, std::uint64_t unix_seconds, Random& random) const;
  /// Nothing when the text was not sealed by one of the keys, whatever is wrong with it.
  std::optional<std::string> open(std::string_view text) const;

  /// Reads the keys of `file` (one base64 line each, the sealing one first) or, when there is
  /// none, makes it with one key. An empty path keeps the key in memory.
  /// Errors: Unavailable, StorageFull, InvalidArgument (the file is damaged).
  static Result<std::vector<FernetKey>> load_keys(const std::filesystem::path& file,
                                                  Random& random);

 private:
  std::vector<FernetKey> keys_;
};

}  // namespace cloudos::identity

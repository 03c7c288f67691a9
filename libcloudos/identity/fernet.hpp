#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/random.hpp"

/// Sealed, dated, authenticated text: version 0x80, time, IV, AES-128-CBC, HMAC-SHA256.
/// Source: the public Fernet specification; padding of the base64 is left out, as in URLs.
namespace cloudos::identity {

/// Sixteen bytes that sign, sixteen that encrypt.
struct FernetKey {
  std::string signing, encryption;
};

class Fernet final {
 public:
  /// The first key seals; all of them open. At least one. What the ciphers need is looked up and
  /// set up here, once. Thread-safe afterwards.
  explicit Fernet(std::vector<FernetKey> keys);
  std::string seal(std::string_view plain, std::uint64_t unix_seconds, Random& random) const;
  /// Nothing when the text was not sealed by one of the keys, whatever is wrong with it.
  std::optional<std::string> open(std::string_view text) const;

 private:
  struct Tools;
  std::shared_ptr<const Tools> tools_;  // Shared by copies; constant.
};

}  // namespace cloudos::identity

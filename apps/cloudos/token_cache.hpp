#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "login.hpp"

namespace cli {

/// Tokens of earlier logins, one file each: 0600 in a folder that is ours alone (0700), named by a
/// digest of who logs in where, and bound to the password by a salted, slow digest. A cache that
/// cannot be used, or that others could read or plant, is as good as none: there are no errors.
class TokenCache {
 public:
  /// Empty `folder`: keeps nothing.
  TokenCache(std::string folder, const Credentials& credentials);

  /// The token as Identity described it, with its text as "id", when it holds for a while yet.
  std::optional<nlohmann::json> load(std::int64_t now_seconds) const;
  void store(const nlohmann::json& token) const;
  void drop() const;

 private:
  std::string folder_, path_, password_;
};

/// $XDG_CACHE_HOME/cloudos, else ~/.cache/cloudos; empty when neither is known.
std::string cache_folder(const Environment& environment);

}  // namespace cli

#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/images.hpp"

namespace cloudos::image {

/// What another image service says about an image of its own.
struct RemoteImage {
  std::string status;
  std::string disk_format, container_format;
  std::optional<std::uint64_t> size_bytes;
  std::string sha512;                        ///< Of its data; empty: it says none.
  std::map<std::string, std::string> texts;  ///< Every member whose value is a text.

  /// Those of `texts` whose names begin with one of `prefixes`; never a signature, or what
  /// a service keeps for itself.
  std::map<std::string, std::string> properties(const std::vector<std::string>& prefixes) const;
};

/// Reads the JSON object that GET /v2/images/{id} answers with. Pure; strict.
/// Errors: Unavailable (it is none).
Result<RemoteImage> read_remote_image(std::string_view json);

}  // namespace cloudos::image

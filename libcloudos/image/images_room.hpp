#pragma once
#include <map>
#include <memory>
#include <string>

#include "cloudos/image_imports.hpp"
#include "cloudos/image_stores.hpp"
#include "cloudos/images.hpp"
#include "cloudos/limits.hpp"
#include "image/guard.hpp"
#include "image/payload.hpp"
#include "image/url_guard.hpp"
#include "tasks/engine.hpp"

namespace cloudos {

namespace image {
/// The bytes that a URL has; the function is asked now and then whether to go on.
using OpenUrl = std::function<Result<std::unique_ptr<ByteSource>>(
    const std::string& url, const std::function<Result<void>()>& go_on)>;

/// Image services of other regions, for glance-download. Without its functions there are none.
struct RemoteServices {
  /// Where the catalog of this project and user has the region's. Errors: NotFound.
  std::function<Result<std::string>(const ProjectId&, const UserId&, const std::string& region,
                                    const std::string& interface)>
      find;
  /// A caller's token as it may be stored, and back. Errors: Unavailable, Internal.
  std::function<Result<std::string>(std::string_view)> seal, unseal;
  /// What a URL has for who shows this token; null: what the network has.
  using Open = std::function<Result<std::unique_ptr<ByteSource>>(
      const std::string& url, const std::string& token,
      const std::function<Result<void>()>& go_on)>;
  Open open;
};
}  // namespace image

struct ImageSettings {
  std::uint64_t max_bytes = limits::kImageBytes;  ///< Of one upload.
  /// Null: files in <data_dir>/images, or memory when data_dir is empty.
  std::unique_ptr<image::PayloadStore> payloads;
  ImageStoreOptions stores;
  ImageImportOptions imports;
  ImageRules rules;
  image::PolicyHooks policy;
  /// Names of URLs; null: the machine's own.
  std::unique_ptr<image::Resolver> resolver;
  /// What imports download; null: what the network has, within `imports.web`.
  image::OpenUrl open_url;
  image::RemoteServices remote;
  /// Stores of other kinds, by name: of type "other", with no weight.
  std::map<std::string, std::unique_ptr<image::PayloadStore>> more_payloads;
};

/// The room's one door for `cloud`. Adds the reconciler "images" to engine.runner: it clears what a
/// crash left (unfinished uploads) and the data of images that nobody refers to any more.
/// Errors: Unavailable, StorageFull (the folder for the data cannot be made).
Result<std::unique_ptr<Images>> make_images(const Engine& engine, ImageSettings settings = {});

}  // namespace cloudos

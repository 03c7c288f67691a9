#pragma once
#include <memory>

#include "cloudos/images.hpp"
#include "cloudos/limits.hpp"
#include "image/payload.hpp"
#include "tasks/engine.hpp"

namespace cloudos {

struct ImageSettings {
  std::uint64_t max_bytes = limits::kImageBytes;  ///< Of one upload.
  /// Null: files in <data_dir>/images, or memory when data_dir is empty.
  std::unique_ptr<image::PayloadStore> payloads;
};

/// The room's one door for `cloud`. Adds the reconciler "images" to engine.runner: it clears what a
/// crash left (unfinished uploads) and the data of images that nobody refers to any more.
/// Errors: Unavailable, StorageFull (the folder for the data cannot be made).
Result<std::unique_ptr<Images>> make_images(const Engine& engine, ImageSettings settings = {});

}  // namespace cloudos

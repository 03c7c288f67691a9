#pragma once
#include "image/impl.hpp"

namespace cloudos {

struct ImageStores::Impl {
  explicit Impl(Images::Impl& the_images) : images(the_images) {}
  Images::Impl& images;  ///< Owns us.

  /// One commit on both records of an image that the caller may change and that has data.
  Result<Image> change_locations(
      const Context& ctx, const ImageId& id,
      const std::function<Result<void>(store::Txn&, Image&, image::Payload&)>& edit);
};

}  // namespace cloudos

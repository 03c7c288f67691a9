#pragma once
#include <atomic>
#include <map>

#include "base/mutex.hpp"
#include "image/images_room.hpp"
#include "image/records.hpp"
#include "image/rules.hpp"

namespace cloudos {

struct Images::Impl {
  Impl(const Engine& e, ImageSettings s) : engine(e), settings(std::move(s)) {}

  const Engine engine;
  const ImageSettings settings;

  /// Who writes bytes of an image right now: uploads, and the sweep that clears after them. Only
  /// this process writes payloads (it runs the folder), so memory is the right place.
  Mutex mutex;
  struct Writing {
    bool cancelled = false;  ///< The image was deleted: nobody wants the rest of the bytes.
  };
  std::map<ImageId, Writing> claimed CLOUDOS_GUARDED_BY(mutex);
  std::atomic<bool> swept{false};  ///< What unfinished uploads left has been looked for.

  image::PayloadStore& payloads() const { return *settings.payloads; }
  /// An image the caller may see, else NotFound.
  Result<Image> visible(const Context& ctx, const ImageId& id) const;
  /// One commit that changes an image the caller may change, with its new updated_at.
  Result<Image> change(const Context& ctx, const ImageId& id,
                       const std::function<Result<void>(Image&)>& edit);
  /// The reconciler's pass: true when there is more to do.
  Result<bool> sweep();
  Result<void> sweep_leftovers();
  Result<void> sweep_leftover(const ImageId& id);
  /// Under a claim: removes the bytes of an upload that did not end, and Saving becomes Queued.
  Result<void> clear_unfinished(const ImageId& id);
};

namespace image {

/// The exclusive right to write bytes of an image.
class Claim {
 public:
  /// Check holds() before use.
  Claim(Images::Impl& impl, ImageId id);
  ~Claim();
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  bool holds() const { return holds_; }
  /// Somebody deleted the image meanwhile (see cancel_writer).
  bool cancelled() const;

 private:
  Images::Impl& impl_;
  ImageId id_;
  bool holds_;
};

/// Tells an upload of this image that it is in vain.
void cancel_writer(Images::Impl& impl, const ImageId& id);

/// Within the commit that removes an image or its last pin: once neither is left, the data is
/// garbage, and the id is not given out again before it is gone.
void release_payload(store::Txn& txn, const ImageId& id);

}  // namespace image
}  // namespace cloudos

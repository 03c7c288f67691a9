#pragma once
#include <atomic>
#include <map>

#include "base/mutex.hpp"
#include "cloudos/metadefs.hpp"
#include "image/images_room.hpp"
#include "image/records.hpp"
#include "image/rules.hpp"
#include "image/store_set.hpp"
#include "records/kept_rows.hpp"

namespace cloudos {

namespace image {
class Cache;
class Fetcher;
}  // namespace image

struct Images::Impl {
  Impl(const Engine& e, ImageSettings s);
  ~Impl();

  const Engine engine;
  const ImageSettings settings;
  image::Guard guard;
  std::unique_ptr<Metadefs> metadefs;

  std::unique_ptr<image::StoreSet> set;
  std::unique_ptr<image::Fetcher> fetcher;  ///< Of URLs that callers name.
  std::unique_ptr<image::Cache> cache;
  std::unique_ptr<ImageStores> stores;
  std::unique_ptr<Certificates> certificates;
  std::unique_ptr<ImageImports> imports;

  /// Who writes bytes of an image right now: uploads, and the sweep that clears after them; with a
  /// store's name: copies to it. Only this process writes payloads (it runs the folder), so memory
  /// is the right place.
  Mutex mutex;
  struct Writing {
    bool cancelled = false;  ///< The image was deleted: nobody wants the rest of the bytes.
  };
  std::map<std::pair<ImageId, std::string>, Writing> claimed CLOUDOS_GUARDED_BY(mutex);
  /// Data whose signature held: its checksum and the signature.
  std::map<ImageId, std::string> signed_data CLOUDOS_GUARDED_BY(mutex);
  mutable records::KeptRows<Image> rows;  ///< Of lists.
  std::atomic<bool> swept{false};  ///< What unfinished uploads left has been looked for.

  /// Of the store in the data folder.
  image::PayloadStore& payloads() const { return *set->find(image::kFirstStore)->payloads; }
  /// Checks a list's query; false: a filter asks for what the caller may not know of, so that
  /// nothing is found. Errors: InvalidArgument, TooLarge.
  Result<bool> may_list(const Context& ctx, const ImageQuery& query,
                        const image::PropertyAccess& access) const;
  /// An image the caller may see, else NotFound.
  Result<Image> visible(const Context& ctx, const ImageId& id) const;
  /// One commit that changes an image the caller may change, with its new updated_at.
  Result<Image> change(const Context& ctx, const ImageId& id,
                       const std::function<Result<void>(Image&)>& edit);
  /// The same, in a commit that may write more than the image.
  Result<Image> change_within(const Context& ctx, const ImageId& id,
                              const std::function<Result<void>(store::Txn&, Image&)>& edit);
  /// Queued -> Saving, with so much of the quota. Saving without a claim is what a crash left: it
  /// counts as Queued. Errors: as Images::upload.
  Result<Image> mark_saving(const Context& ctx, const ImageId& id, std::uint64_t reserved);
  /// The reconciler's pass: true when there is more to do.
  Result<bool> sweep();
  Result<void> sweep_leftovers();
  Result<void> sweep_leftover(const ImageId& id);
  Result<void> sweep_copy(const image::NamedStore& store, const ImageId& id);
  Result<void> sweep_garbage(const store::Entry& entry);
  /// Images whose time as PendingDelete is over.
  Result<void> scrub();
  /// Images of before quotas are counted: true when there are more.
  Result<bool> count_uncounted();
  /// Under a claim: removes the bytes of an upload that did not end, and Saving becomes Queued.
  Result<void> clear_unfinished(const ImageId& id);
};

namespace image {

/// The exclusive right to write bytes of an image.
class Claim {
 public:
  /// Check holds() before use.
  Claim(Images::Impl& impl, ImageId id, std::string store = {});
  ~Claim();
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;
  bool holds() const { return holds_; }
  const ImageId& image() const { return key_.first; }
  /// Somebody deleted the image meanwhile (see cancel_writer).
  bool cancelled() const;

 private:
  Images::Impl& impl_;
  std::pair<ImageId, std::string> key_;
  bool holds_;
};

/// Tells uploads and copies of this image that they are in vain.
void cancel_writer(Images::Impl& impl, const ImageId& id);

/// Within the commit that removes an image or its last pin: once neither is left, the data is
/// garbage, and the id is not given out again before it is gone.
void release_payload(store::Txn& txn, const ImageId& id);

}  // namespace image
}  // namespace cloudos

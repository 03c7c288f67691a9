#include "image/stores.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "identity/quota.hpp"
#include "image/cache.hpp"
#include "image/charge.hpp"
#include "image/copies.hpp"

// The service in front of stores, copies and the cache; locations.cpp has the rest of it.
namespace cloudos {
namespace {

Result<void> admins_only(const Context& ctx) {
  if (ctx.is_admin) return Result<void>();
  return fail(ErrorCode::Forbidden, "the image cache is for administrators only");
}

Result<void> check_has_data(const Image& image) {
  if (image.size_bytes && image.status != ImageStatus::PendingDelete) return Result<void>();
  return fail(ErrorCode::Conflict, fmt::format("image {} is {}: it has no data", image.id.value,
                                               to_string(image.status)));
}

tasks::TaskRecord image_task(const Engine& engine, const Context& ctx, std::string type,
                             const Image& image) {
  tasks::TaskRecord task;
  task.id = engine.ids.make<TaskId>();
  task.type = std::move(type);
  task.params["image"] = image.id.value;
  task.resource = "image/" + image.id.value;
  task.project = image.owner;
  task.request_id = ctx.request_id;
  task.traceparent = ctx.traceparent;
  task.created_at = engine.clock.wall();
  return task;
}

}  // namespace

ImageStores::ImageStores(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ImageStores::~ImageStores() = default;

std::vector<ImageStore> ImageStores::list() const {
  return impl_->images.set->described();
}
const ImageStoreOptions& ImageStores::options() const {
  return impl_->images.set->options();
}

Result<std::vector<std::string>> ImageStores::choose(const std::vector<std::string>& names,
                                                     std::optional<std::uint64_t> size) const {
  return impl_->images.set->choose(names, size);
}

Result<Image> ImageStores::Impl::change_locations(
    const Context& ctx, const ImageId& id,
    const std::function<Result<void>(store::Txn&, Image&, image::Payload&)>& edit) {
  CLOUDOS_CHECK(check_call(ctx, images.engine.clock));
  const WallTime now = images.engine.clock.wall();
  Image changed;
  CLOUDOS_CHECK(images.engine.store.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(Image image, records::get<Image>(txn, id));
    CLOUDOS_CHECK(image::check_may_change(ctx, image));
    CLOUDOS_CHECK(check_has_data(image));
    CLOUDOS_TRY(image::Payload payload, records::get<image::Payload>(txn, id));
    image.updated_at = now;
    CLOUDOS_CHECK(edit(txn, image, payload));
    changed = std::move(image);
    return Result<void>();
  }));
  return changed;
}

Result<std::vector<TaskId>> ImageStores::copy(const Context& ctx, const ImageId& id,
                                              const std::vector<std::string>& names) {
  CLOUDOS_TRY(const auto chosen, impl_->images.set->choose(names, {}));
  std::vector<TaskId> queued;
  CLOUDOS_CHECK(impl_->change_locations(
      ctx, id, [&](store::Txn& txn, Image& image, image::Payload&) -> Result<void> {
        queued.clear();
        for (const std::string& name : chosen) {
          const auto is_there = [&](const ImageLocation& at) {
            return at.url.empty() && at.store == name;
          };
          if (std::any_of(image.locations.begin(), image.locations.end(), is_there) ||
              std::find(image.importing_to.begin(), image.importing_to.end(), name) !=
                  image.importing_to.end())
            continue;
          image.importing_to.push_back(name);
          std::erase(image.failed_stores, name);
          tasks::TaskRecord task = image_task(impl_->images.engine, ctx, "copy-image", image);
          task.params["store"] = name;
          queued.push_back(task.id);
          CLOUDOS_CHECK(tasks::enqueue(txn, std::move(task)));
        }
        return image::update_image(txn, image);
      }));
  return queued;
}

Result<void> ImageStores::remove_copy(const Context& ctx, const ImageId& id,
                                      std::string_view store) {
  if (impl_->images.set->find(store) == nullptr) {
    return fail(ErrorCode::NotFound,
                fmt::format("there is no image store '{}'", store.substr(0, 64)));
  }
  CLOUDOS_CHECK(impl_->change_locations(
      ctx, id, [&](store::Txn& txn, Image& image, image::Payload& payload) -> Result<void> {
        if (image.is_protected) {
          return fail(ErrorCode::Forbidden,
                      fmt::format("image {} is protected: its data stays", id.value));
        }
        const auto at = std::find_if(payload.locations.begin(), payload.locations.end(),
                                     [&](const ImageLocation& l) { return l.store == store; });
        if (at == payload.locations.end()) {
          return fail(ErrorCode::NotFound,
                      fmt::format("image {} has no data in store '{}'", id.value, store));
        }
        const auto place = static_cast<std::size_t>(at - payload.locations.begin());
        return image::drop_location(txn, image, payload, place);
      }));
  impl_->images.engine.runner.wake_reconciler("images");
  return Result<void>();
}

Result<std::map<std::string, ImageUsage>> ImageStores::usage(const Context& ctx) const {
  CLOUDOS_TRY(const auto snapshot, impl_->images.engine.store.snapshot());
  CLOUDOS_TRY(const auto kept, Quota::usage(*snapshot, ctx.project));
  std::map<std::string, ImageUsage> usage;
  for (const char* name :
       {"image_size_total", "image_stage_total", "image_count_total", "image_count_uploading"}) {
    const QuotaUse& use = kept.at(name);
    usage[name] = {use.limit, use.in_use};
  }
  return usage;
}

// ---- the host's cache ----

Result<ImageCacheState> ImageStores::cache(const Context& ctx) const {
  CLOUDOS_CHECK(admins_only(ctx));
  return impl_->images.cache->state();
}

Result<void> ImageStores::queue_in_cache(const Context& ctx, const ImageId& id) {
  CLOUDOS_CHECK(admins_only(ctx));
  CLOUDOS_CHECK(check_call(ctx, impl_->images.engine.clock));
  CLOUDOS_TRY(const auto state, impl_->images.cache->state());
  for (const CachedImage& entry : state.cached)
    if (entry.image == id) return Result<void>();
  if (state.queued.size() >= limits::kImageCacheQueue) {
    return fail(ErrorCode::TooLarge,
                fmt::format("{} images wait to be cached already", state.queued.size()));
  }
  CLOUDOS_CHECK(impl_->images.engine.store.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(const Image image, records::get<Image>(txn, id));
    CLOUDOS_CHECK(check_has_data(image));
    if (txn.get(image::cache_queue_key(id))) return Result<void>();
    txn.put(image::cache_queue_key(id), id.value);
    return tasks::enqueue(txn, image_task(impl_->images.engine, ctx, "cache-image", image));
  }));
  return Result<void>();
}

Result<void> ImageStores::remove_from_cache(const Context& ctx, const ImageId& id) {
  CLOUDOS_CHECK(admins_only(ctx));
  CLOUDOS_CHECK(check_call(ctx, impl_->images.engine.clock));
  CLOUDOS_TRY(const auto state, impl_->images.cache->state());
  const auto queued = std::find(state.queued.begin(), state.queued.end(), id);
  const bool cached = std::any_of(state.cached.begin(), state.cached.end(),
                                  [&](const CachedImage& entry) { return entry.image == id; });
  if (queued == state.queued.end() && !cached) {
    return fail(ErrorCode::NotFound,
                fmt::format("image {} is not in the cache", id.value.substr(0, 64)));
  }
  if (queued != state.queued.end()) {
    CLOUDOS_CHECK(impl_->images.engine.store.transact([&](store::Txn& txn) {
      txn.erase(image::cache_queue_key(id));
      return Result<void>();
    }));
  }
  return cached ? impl_->images.cache->remove(id) : Result<void>();
}

Result<void> ImageStores::clear_cache(const Context& ctx, bool cached, bool queued) {
  CLOUDOS_CHECK(admins_only(ctx));
  CLOUDOS_CHECK(check_call(ctx, impl_->images.engine.clock));
  if (queued) {
    CLOUDOS_TRY(const auto state, impl_->images.cache->state());
    CLOUDOS_CHECK(impl_->images.engine.store.transact([&](store::Txn& txn) {
      for (const ImageId& id : state.queued) txn.erase(image::cache_queue_key(id));
      return Result<void>();
    }));
  }
  return cached ? impl_->images.cache->clear() : Result<void>();
}

Result<void> ImageStores::prune_cache(const Context& ctx) {
  CLOUDOS_CHECK(admins_only(ctx));
  CLOUDOS_CHECK(check_call(ctx, impl_->images.engine.clock));
  return impl_->images.cache->prune();
}

Result<void> ImageStores::clean_cache(const Context& ctx) {
  CLOUDOS_CHECK(admins_only(ctx));
  CLOUDOS_CHECK(check_call(ctx, impl_->images.engine.clock));
  return impl_->images.cache->clean();
}

}  // namespace cloudos

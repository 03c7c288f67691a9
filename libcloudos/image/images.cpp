#include <fmt/format.h>

#include "image/impl.hpp"

namespace cloudos {

Result<std::unique_ptr<Images>> make_images(const Engine& engine, ImageSettings settings) {
  if (!settings.payloads && engine.data_dir.empty()) {
    settings.payloads = image::open_payload_memory(limits::kImageMemoryBytes);
  } else if (!settings.payloads) {
    CLOUDOS_TRY(settings.payloads, image::open_payload_files(engine.data_dir / "images"));
  }
  auto impl = std::make_unique<Images::Impl>(engine, std::move(settings));
  Reconciler reconciler;
  reconciler.name = "images";
  reconciler.period = std::chrono::minutes(1);
  reconciler.wake_on = image::kGarbagePrefix;
  // The runner stops before its services go, so the pointer holds whenever a pass runs.
  reconciler.pass = [raw = impl.get()] { return raw->sweep(); };
  engine.runner.add(std::move(reconciler));
  return std::make_unique<Images>(std::move(impl));
}

Images::Images(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Images::~Images() = default;

Result<Image> Images::Impl::visible(const Context& ctx, const ImageId& id) const {
  CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
  CLOUDOS_TRY(Image image, records::get<Image>(*snapshot, id));
  if (!image::may_see(ctx, image)) return image::image_not_found(id);
  return image;
}

Result<Image> Images::Impl::change(const Context& ctx, const ImageId& id,
                                   const std::function<Result<void>(Image&)>& edit) {
  const WallTime now = engine.clock.wall();
  Image changed;
  CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(changed, records::modify<Image>(txn, id, [&](Image& image) -> Result<void> {
      CLOUDOS_CHECK(image::check_may_change(ctx, image));
      CLOUDOS_CHECK(edit(image));
      image.updated_at = now;
      return Result<void>();
    }));
    return Result<void>();
  }));
  return changed;
}

Result<Image> Images::create(const Context& ctx, const ImageCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_TRY(Image image, image::new_image(ctx, spec));
  if (spec.id.empty()) {
    image.id = impl_->engine.ids.make<ImageId>();
  } else {
    CLOUDOS_TRY(image.id, image::checked_image_id(spec.id));
  }
  image.created_at = image.updated_at = impl_->engine.clock.wall();
  CLOUDOS_CHECK(impl_->engine.store.transact([&](store::Txn& txn) -> Result<void> {
    // An id whose data is still there, pinned or not yet swept, is not free.
    const auto payload = records::record_key(image::Payload::kKind, image.id.value);
    if (txn.get(payload) || txn.get(image::garbage_key(image.id))) {
      return fail(ErrorCode::AlreadyExists,
                  fmt::format("image {} existed and is still in use", image.id.value));
    }
    return records::insert(txn, image);
  }));
  return image;
}

Result<Image> Images::get(const Context& ctx, const ImageId& id) const {
  return impl_->visible(ctx, id);
}

Result<std::vector<Image>> Images::list(const Context& ctx, const ImageQuery& query) const {
  CLOUDOS_CHECK(image::check_query(query));
  if (!query.marker.empty() && !impl_->visible(ctx, ImageId{query.marker})) {
    return records::bad_marker(Image::kKind, query.marker);
  }
  records::PageSpec<Image> spec;
  spec.matches = [&](const Image& image) { return image::matches(ctx, query, image); };
  if (!query.sort.empty()) {
    spec.less = [&](const Image& a, const Image& b) {
      return image::comes_before(query.sort, a, b);
    };
  }
  spec.marker = query.marker;
  spec.limit = query.limit;
  CLOUDOS_TRY(const auto snapshot, impl_->engine.store.snapshot());
  return records::page<Image>(*snapshot, spec);
}

Result<Image> Images::update(const Context& ctx, const ImageId& id, const ImageUpdate& changes) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  return impl_->change(ctx, id, [&](Image& image) {
    return image::apply_update(ctx, changes, image);
  });
}

Result<void> Images::remove(const Context& ctx, const ImageId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->engine.store.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(const Image image, records::get<Image>(txn, id));
    CLOUDOS_CHECK(image::check_may_change(ctx, image));
    if (image.is_protected) {
      return fail(ErrorCode::Forbidden,
                  fmt::format("image {} is protected and cannot be deleted", id.value));
    }
    CLOUDOS_CHECK(records::erase<Image>(txn, id));
    image::release_payload(txn, id);
    return Result<void>();
  }));
  image::cancel_writer(*impl_, id);
  impl_->engine.runner.wake_reconciler("images");
  return Result<void>();
}

Result<void> Images::add_tag(const Context& ctx, const ImageId& id, std::string_view tag) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->change(ctx, id, [&](Image& image) {
    image.tags.emplace(tag);
    return image::check_tags(image.tags);
  }));
  return Result<void>();
}

Result<void> Images::remove_tag(const Context& ctx, const ImageId& id, std::string_view tag) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->change(ctx, id, [&](Image& image) -> Result<void> {
    if (image.tags.erase(std::string(tag)) == 0) {
      return fail(ErrorCode::NotFound, fmt::format("image {} has no such tag", id.value));
    }
    return Result<void>();
  }));
  return Result<void>();
}

}  // namespace cloudos

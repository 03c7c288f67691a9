#include <fmt/format.h>

#include <algorithm>

#include "image/cache.hpp"
#include "image/certificates.hpp"
#include "image/charge.hpp"
#include "image/copies.hpp"
#include "image/stores.hpp"
#include "image/fetch.hpp"
#include "image/impl.hpp"
#include "image/imports.hpp"
#include "image/metadefs/metadefs_room.hpp"

namespace cloudos {

Images::Impl::Impl(const Engine& e, ImageSettings s)
    : engine(e), settings(std::move(s)), guard(settings.rules, settings.policy),
      metadefs(make_metadefs(engine)) {}
Images::Impl::~Impl() = default;

namespace {

/// The stores, the cache and whoever fetches from the web.
Result<void> open_places(Images::Impl& impl, const Engine& engine, ImageSettings& settings) {
  const bool on_disk = !engine.data_dir.empty();
  if (!settings.payloads && !on_disk) {
    settings.payloads = image::open_payload_memory(limits::kImageMemoryBytes);
  } else if (!settings.payloads) {
    CLOUDOS_TRY(settings.payloads, image::open_payload_files(engine.data_dir / "images"));
  }
  CLOUDOS_TRY(impl.set,
              image::StoreSet::open(settings.stores, on_disk ? engine.data_dir / "images" : "",
                                    std::move(settings.payloads),
                                    std::move(settings.more_payloads), engine.clock));
  CLOUDOS_TRY(auto guard, image::UrlGuard::make(settings.imports.web));
  if (!settings.resolver) settings.resolver = image::system_resolver();
  impl.fetcher = std::make_unique<image::Fetcher>(std::move(guard), std::move(settings.resolver),
                                                  settings.imports.ca_file);
  impl.cache = std::make_unique<image::Cache>(
      impl, on_disk ? engine.data_dir / "image-cache" : std::filesystem::path());
  return Result<void>();
}

}  // namespace

Result<std::unique_ptr<Images>> make_images(const Engine& engine, ImageSettings settings) {
  ImageSettings kept;
  kept.max_bytes = settings.max_bytes;
  kept.stores = settings.stores;
  kept.imports = settings.imports;
  kept.rules = settings.rules;
  kept.policy = settings.policy;
  auto impl = std::make_unique<Images::Impl>(engine, std::move(kept));
  CLOUDOS_CHECK(impl->guard.reload());
  CLOUDOS_CHECK(open_places(*impl, engine, settings));
  impl->stores = std::make_unique<ImageStores>(std::make_unique<ImageStores::Impl>(*impl));
  impl->certificates = make_certificates(engine);
  CLOUDOS_TRY(impl->imports, make_imports(*impl, std::move(settings.open_url),
                                             std::move(settings.remote)));
  Reconciler reconciler;
  reconciler.name = "images";
  reconciler.period = std::chrono::minutes(1);
  reconciler.wake_on = image::kGarbagePrefix;
  // The runner stops before its services go, so the pointer holds whenever a pass runs.
  reconciler.pass = [raw = impl.get()] { return raw->sweep(); };
  engine.runner.add(std::move(reconciler));
  engine.runner.add(image::copy_task(*impl));
  engine.runner.add(image::cache_task(*impl));
  engine.runner.add(image::location_task(*impl));
  return std::make_unique<Images>(std::move(impl));
}

ImageStores& Images::stores() { return *impl_->stores; }
Metadefs& Images::metadefs() { return *impl_->metadefs; }
Result<void> Images::reload_property_protections() { return impl_->guard.reload(); }

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
    CLOUDOS_TRY(changed, image::modify_image(txn, id, [&](Image& image) -> Result<void> {
      CLOUDOS_CHECK(image::check_may_change(ctx, image));
      if (image.status == ImageStatus::PendingDelete)
        return fail(ErrorCode::Conflict, fmt::format("image {} is deleted", id.value));
      CLOUDOS_CHECK(edit(image));
      image.updated_at = now;
      return Result<void>();
    }));
    return Result<void>();
  }));
  return changed;
}

Result<Image> Images::Impl::change_within(
    const Context& ctx, const ImageId& id,
    const std::function<Result<void>(store::Txn&, Image&)>& edit) {
  const WallTime now = engine.clock.wall();
  Image changed;
  CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(Image image, records::get<Image>(txn, id));
    CLOUDOS_CHECK(image::check_may_change(ctx, image));
    if (image.status == ImageStatus::PendingDelete)
      return fail(ErrorCode::Conflict, fmt::format("image {} is deleted", id.value));
    image.updated_at = now;
    CLOUDOS_CHECK(edit(txn, image));
    CLOUDOS_CHECK(image::update_image(txn, image));
    changed = std::move(image);
    return Result<void>();
  }));
  return changed;
}

Result<Image> Images::create(const Context& ctx, const ImageCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  const image::Caller caller(ctx, impl_->guard);
  CLOUDOS_TRY(Image image, image::new_image(caller, spec));
  if (spec.id.empty()) {
    image.id = impl_->engine.ids.make<ImageId>();
  } else {
    CLOUDOS_TRY(image.id, image::checked_image_id(spec.id));
  }
  image.created_at = image.updated_at = impl_->engine.clock.wall();
  CLOUDOS_CHECK(impl_->engine.store.transact([&](store::Txn& txn) -> Result<void> {
    // An id whose data is still there, pinned or not yet swept, is not free.
    const auto payload = records::record_key(image::Payload::kKind, image.id.value);
    const std::string garbage = image::garbage_key(image.id);
    if (txn.get(payload) || txn.get(garbage) || !txn.none(garbage + "/")) {
      return fail(ErrorCode::AlreadyExists,
                  fmt::format("image {} existed and is still in use", image.id.value));
    }
    return image::insert_image(txn, image);
  }));
  return caller.shown(std::move(image));
}

Result<Image> Images::get(const Context& ctx, const ImageId& id) const {
  CLOUDOS_TRY(Image image, impl_->visible(ctx, id));
  return image::Caller(ctx, impl_->guard).shown(std::move(image));
}

namespace {

records::PageSpec<Image> image_page(const Context& ctx, const ImageQuery& query) {
  records::PageSpec<Image> spec;
  spec.matches = [&](const Image& image) { return image::matches(ctx, query, image); };
  if (!query.sort.empty()) {
    spec.less = [&](const Image& a, const Image& b) {
      return image::comes_before(query.sort, a, b);
    };
  }
  spec.marker = query.marker;
  spec.limit = query.limit;
  return spec;
}

}  // namespace

Result<bool> Images::Impl::may_list(const Context& ctx, const ImageQuery& query,
                                    const image::PropertyAccess& access) const {
  CLOUDOS_CHECK(image::check_query(query));
  if (!query.marker.empty() && !visible(ctx, ImageId{query.marker}))
    return records::bad_marker(Image::kKind, query.marker);
  // Whether one is there must not be found out by filters either.
  return std::all_of(query.properties.begin(), query.properties.end(), [&](const auto& wanted) {
    return access.may(PropertyAction::Read, wanted.first);
  });
}

Result<std::vector<Image>> Images::list(const Context& ctx, const ImageQuery& query) const {
  const image::Caller caller(ctx, impl_->guard);
  const image::PropertyAccess access = caller.properties();
  CLOUDOS_TRY(const bool any, impl_->may_list(ctx, query, access));
  if (!any) return std::vector<Image>();
  CLOUDOS_TRY(const auto snapshot, impl_->engine.store.snapshot());
  CLOUDOS_TRY(auto found, records::page<Image>(*snapshot, image_page(ctx, query)));
  for (Image& image : found) access.hide(image);
  return found;
}

Result<RowTexts> Images::list(const Context& ctx, const ImageQuery& query,
                              const RowFormat<Image>& row) const {
  const image::Caller caller(ctx, impl_->guard);
  const image::PropertyAccess access = caller.properties();
  CLOUDOS_TRY(const bool any, impl_->may_list(ctx, query, access));
  if (!any) return RowTexts();
  CLOUDOS_TRY(const auto snapshot, impl_->engine.store.snapshot());
  if (!access.hides_some()) return impl_->rows.page(*snapshot, image_page(ctx, query), row);
  // What one caller is shown is not what another is: each row is told for this one.
  const RowFormat<Image> shown{{}, [&](std::string& out, const Image& image) {
                                 Image copy = image;
                                 access.hide(copy);
                                 row.write(out, copy);
                               }};
  return impl_->rows.page(*snapshot, image_page(ctx, query), shown);
}

Result<Image> Images::update(const Context& ctx, const ImageId& id, const ImageUpdate& changes) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  const image::Caller caller(ctx, impl_->guard);
  CLOUDOS_TRY(Image changed, impl_->change(ctx, id, [&](Image& image) {
    return image::apply_update(caller, changes, image);
  }));
  return caller.shown(std::move(changed));
}

Result<void> Images::remove(const Context& ctx, const ImageId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  const WallTime now = impl_->engine.clock.wall();
  CLOUDOS_CHECK(impl_->engine.store.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(Image image, records::get<Image>(txn, id));
    CLOUDOS_CHECK(image::check_may_change(ctx, image));
    if (image.is_protected) {
      return fail(ErrorCode::Forbidden,
                  fmt::format("image {} is protected and cannot be deleted", id.value));
    }
    // Admins end the wait by deleting it again.
    const auto wait = impl_->set->options().scrub_time;
    if (wait.count() > 0 && image.size_bytes && image.status != ImageStatus::PendingDelete) {
      image.status = ImageStatus::PendingDelete;
      image.importing_to.clear();
      image.updated_at = now;
      image.scrub_at = now + wait;
      return image::update_image(txn, image);
    }
    CLOUDOS_CHECK(image::erase_image(txn, id));
    image::release_payload(txn, id);
    return Result<void>();
  }));
  image::cancel_writer(*impl_, id);
  impl_->engine.runner.wake_reconciler("image-imports");  // What was staged for it.
  impl_->engine.runner.wake_reconciler("images");
  return Result<void>();
}

Result<void> Images::add_tag(const Context& ctx, const ImageId& id, std::string_view tag) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->change(ctx, id, [&](Image& image) {
    image.tags.emplace(tag);
    return image::check_tags(image.tags, impl_->guard.rules().most_tags);
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

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "image/charge.hpp"
#include "image/copies.hpp"
#include "image/imports.hpp"
#include "image/location_rules.hpp"
#include "image/reading.hpp"
#include "image/stores.hpp"

// The durable task that verifies a location which was added without waiting for it.
namespace cloudos {

namespace {

constexpr std::chrono::seconds kLocationPause{1};
/// A server that does not answer is asked so often.
constexpr std::uint32_t kLocationAttempts = 3;
constexpr std::string_view kLocationClaim = "/location";
constexpr std::string_view kMetaPrefix = "meta.";

tasks::TaskRecord location_task_record(const Engine& engine, const Context& ctx,
                                       const Image& image, const ImageTask& shown,
                                       const ImageLocationAdd& add) {
  tasks::TaskRecord task;
  task.id = shown.id;
  task.type = image::kLocationTask;
  task.params = {{"image", image.id.value},
                 {"url", shown.request.uri},
                 {"sha512", fold_case(add.hash)},
                 {"md5", fold_case(add.md5)}};
  for (const auto& [name, value] : add.metadata)
    task.params[std::string(kMetaPrefix) + name] = value;
  task.resource = "image/" + image.id.value;
  task.project = image.owner;
  task.request_id = ctx.request_id;
  task.traceparent = ctx.traceparent;
  task.created_at = engine.clock.wall();
  return task;
}

ImageTask shown_location_task(const Engine& engine, const Context& ctx, const ImageId& id,
                              const std::string& url) {
  ImageTask task;
  task.id = engine.ids.make<TaskId>();
  task.type = "location_import";
  task.image = id;
  task.owner = ctx.project;
  task.user = ctx.user;
  task.request_id = ctx.request_id;
  task.request.uri = url;
  task.created_at = task.updated_at = engine.clock.wall();
  return task;
}

ImageLocation location_of(const tasks::TaskRecord& task) {
  ImageLocation location{std::string(image::kHttpStore), task.params.at("url"), {}};
  for (const auto& [name, value] : task.params) {
    if (name.starts_with(kMetaPrefix)) location.metadata[name.substr(kMetaPrefix.size())] = value;
  }
  return location;
}

/// The image this task works for. Errors: NotFound (it is another's by now, or gone).
Result<Image> image_of_task(const store::Snapshot& at, const tasks::TaskRecord& task) {
  const ImageId id{task.params.at("image")};
  CLOUDOS_TRY(const Image image, records::get<Image>(at, id));
  if (image.size_bytes) return image;
  CLOUDOS_TRY(const bool ours, image::owns_image(at, id, task.id));
  if (!ours) return image::image_not_found(id);
  return image;
}

Result<void> read_added(Images::Impl& images, tasks::StepContext& step,
                        const image::Claim& claim) {
  CLOUDOS_TRY(const auto snapshot, step.snapshot());
  CLOUDOS_TRY(const Image image, image_of_task(*snapshot, step.task()));
  const auto go_on = [&]() -> Result<void> {
    if (claim.cancelled()) return image::image_not_found(image.id);
    if (images.engine.runner.stopping()) return fail(ErrorCode::Cancelled, "the cloud stops");
    return Result<void>();
  };
  CLOUDOS_TRY(const image::Findings found,
              image::read_location(images, Context::system(step.task().request_id),
                                   step.value("url"), image, go_on));
  CLOUDOS_CHECK(image::check_sums(found.sums, step.value("sha512"), step.value("md5")));
  if (image.size_bytes) CLOUDOS_CHECK(image::check_sums(found.sums, image.sha512, ""));
  step.output("size", fmt::format("{}", found.size_bytes));
  step.output("virtual_size", fmt::format("{}", found.verified.virtual_size_bytes));
  step.output("format_problem", found.verified.format_problem);
  step.output("found_md5", found.sums.md5);
  step.output("found_sha512", found.sums.sha512);
  return Result<void>();
}

Result<tasks::Outcome> verify_added(Images::Impl& images, tasks::StepContext& step) {
  const image::Claim claim(images, ImageId{step.value("image")}, std::string(kLocationClaim));
  if (!claim.holds()) return tasks::Outcome{tasks::Again{kLocationPause}};
  const auto done = read_added(images, step, claim);
  if (done) return tasks::Outcome{tasks::Done{}};
  // A stop of the process is no failure of the location's.
  if (done.error().code == ErrorCode::Cancelled)
    return tasks::Outcome{tasks::Again{kLocationPause}};
  if (is_retryable(done.error().code) && step.attempt() + 1 >= kLocationAttempts)
    return fail(ErrorCode::InvalidArgument, done.error().message, done.error().detail);
  return fail(done.error());
}

Result<void> record_in(store::Txn& txn, tasks::StepContext& step) {
  const tasks::TaskRecord& task = step.task();
  const ImageId id{task.params.at("image")};
  CLOUDOS_TRY(Image image, records::get<Image>(txn, id));
  if (image.size_bytes) return image::settle_location(txn, id, task.params.at("url"), "");
  const auto ours = image.properties.find(std::string(image::kImportTaskProperty));
  if (image.status != ImageStatus::Importing || ours == image.properties.end() ||
      ours->second != task.id.value)
    return image::image_not_found(id);
  image.properties.erase(ours);
  image::PreparedLocation ready;
  ready.location = location_of(task);
  ready.found.size_bytes = parse_unsigned(step.value("size")).value_or(0);
  ready.found.verified.virtual_size_bytes = parse_unsigned(step.value("virtual_size")).value_or(0);
  ready.found.verified.format_problem = step.value("format_problem");
  ready.found.sums = {step.value("found_md5"), step.value("found_sha512")};
  image.updated_at = step.clock().wall();
  image::Payload payload;
  return image::first_location(txn, image, payload, ready);
}

/// Queued again, or the location is known to be wrong from now on.
Result<void> refuse_added(store::Txn& txn, const tasks::TaskRecord& task, WallTime now,
                          const Error& why) {
  auto image = records::get<Image>(txn, ImageId{task.params.at("image")});
  if (!image) return Result<void>();
  if (image->size_bytes) {
    return image::settle_location(
        txn, image->id, task.params.at("url"),
        fmt::format("the data at {}: {}", task.params.at("url").substr(0, limits::kNameChars),
                    why.message));
  }
  const auto ours = image->properties.find(std::string(image::kImportTaskProperty));
  if (image->status != ImageStatus::Importing || ours == image->properties.end() ||
      ours->second != task.id.value)
    return Result<void>();
  image->properties.erase(ours);
  image->status = ImageStatus::Queued;
  image->updated_at = now;
  return image::update_image(txn, *image);
}

}  // namespace

namespace image {

tasks::TaskType location_task(Images::Impl& images) {
  tasks::TaskType type;
  type.name = kLocationTask;
  tasks::Step verify{"verify", tasks::Step::Kind::Remote,
                     [&images](tasks::StepContext& step) { return verify_added(images, step); },
                     {}};
  tasks::Step record{"record", tasks::Step::Kind::Local,
                     [](tasks::StepContext& step) -> Result<tasks::Outcome> {
                       CLOUDOS_CHECK(
                           step.commit([&](store::Txn& txn) { return record_in(txn, step); }));
                       return tasks::Outcome{tasks::Done{}};
                     },
                     {}};
  type.steps.push_back(std::move(verify));
  type.steps.push_back(std::move(record));
  type.failed = [&images](store::Txn& txn, const tasks::TaskRecord& task, const Error& why) {
    const WallTime now = images.engine.clock.wall();
    const auto refused = refuse_added(txn, task, now, why);
    return refused ? end_image_task(txn, task, now, &why) : refused;
  };
  type.done = [&images](store::Txn& txn, const tasks::TaskRecord& task) {
    return end_image_task(txn, task, images.engine.clock.wall(), nullptr);
  };
  return type;
}

}  // namespace image

Result<ImageLocation> ImageStores::queue_location(const Context& ctx, const ImageId& id,
                                                  const ImageLocationAdd& add) {
  Images::Impl& images = impl_->images;
  CLOUDOS_CHECK(check_call(ctx, images.engine.clock));
  CLOUDOS_CHECK(image::check_location_metadata(add.metadata));
  ImageLocation location{std::string(image::kHttpStore), {}, add.metadata};
  CLOUDOS_CHECK(images.visible(ctx, id));
  CLOUDOS_TRY(location.url, image::checked_location_url(images, add.url));
  const image::Claim claim(images, id);
  const ImageTask task = shown_location_task(images.engine, ctx, id, location.url);
  CLOUDOS_CHECK(images.change_within(ctx, id, [&](store::Txn& txn, Image& image) -> Result<void> {
    if (!claim.holds())
      return fail(ErrorCode::Conflict, fmt::format("image {} is being uploaded", id.value));
    CLOUDOS_CHECK(image::check_takes_location(image));
    CLOUDOS_CHECK(image::check_declared(add, image));
    CLOUDOS_CHECK(image::check_place(images, image, location.url));
    if (!image.size_bytes) {
      image.status = ImageStatus::Importing;
      image.reserved_bytes = 0;
      image.properties[std::string(image::kImportTaskProperty)] = task.id.value;
    } else if (image.sha512.empty()) {
      return fail(ErrorCode::Conflict, "the image's data has no checksum to compare with");
    } else {
      CLOUDOS_TRY(image::Payload payload, records::get<image::Payload>(txn, id));
      payload.sha512 = image.sha512;
      location.unverified = true;
      auto locations = payload.locations;
      locations.push_back(location);
      CLOUDOS_CHECK(image::put_locations(txn, image, payload, std::move(locations)));
    }
    ImageTask stored = task;
    CLOUDOS_CHECK(records::insert(txn, stored));
    return tasks::enqueue(txn, location_task_record(images.engine, ctx, image, task, add));
  }));
  images.engine.runner.wake();
  return location;
}

}  // namespace cloudos

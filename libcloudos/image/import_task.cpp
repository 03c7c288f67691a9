#include <fmt/format.h>

#include "base/text.hpp"
#include "cloudos/image_stores.hpp"
#include "image/certificates.hpp"
#include "image/charge.hpp"
#include "image/imports.hpp"
#include "image/pipeline.hpp"
#include "image/sandbox.hpp"
#include "image/verify.hpp"

// The durable task of an import: fetch, prepare, place, activate, clear. Bytes are in the staging
// area until the image is active; each remote step begins anew when it is called again.
namespace cloudos {

using image::Claim;
using image::GoOn;
using tasks::Again;
using tasks::Done;
using tasks::Outcome;
using tasks::StepContext;

namespace {

constexpr std::chrono::seconds kLaterPause{1};
/// A server that does not answer is asked so often.
constexpr std::uint32_t kFetchAttempts = 3;

ImageId image_of(const StepContext& step) { return ImageId{step.value("image")}; }

std::vector<std::string> names_of(const std::string& text) {
  std::vector<std::string> names;
  for (const std::string_view name : split(text, ','))
    if (!name.empty()) names.emplace_back(name);
  return names;
}

/// One call of a remote step: it writes bytes of the image alone, and looks up from time to time.
class ImportCall {
 public:
  ImportCall(ImageImports::Impl& imports, const StepContext& step, std::string_view claim)
      : imports_(imports), id_(image_of(step)), claim_(imports.images, id_, std::string(claim)),
        deadline_(imports.images.engine.clock.mono() + imports.options().download_time) {}
  /// Errors: NotFound (the image is not this import's any more).
  Result<Image> image(const StepContext& step) const {
    CLOUDOS_TRY(const auto snapshot, step.snapshot());
    CLOUDOS_TRY(const Image found, records::get<Image>(*snapshot, id_));
    CLOUDOS_TRY(const bool ours, image::owns_image(*snapshot, id_, step.task().id));
    if (!ours) return image::image_not_found(id_);
    return found;
  }
  bool holds() const { return claim_.holds(); }
  /// Outlived by this.
  GoOn go_on() const {
    return [this]() -> Result<void> {
      if (claim_.cancelled()) return image::image_not_found(id_);
      if (imports_.images.engine.runner.stopping()) {
        return fail(ErrorCode::Cancelled, "the cloud stops");
      }
      if (imports_.images.engine.clock.mono() > deadline_) {
        return fail(ErrorCode::InvalidArgument, "the import took longer than it may");
      }
      return Result<void>();
    };
  }

 private:
  ImageImports::Impl& imports_;
  const ImageId id_;
  const Claim claim_;
  const MonoTime deadline_;
};

/// What a step says when its work ended: a stop of the process is no failure of the import's.
Result<Outcome> ended(const Result<void>& work) {
  if (work) return Outcome{Done{}};
  if (work.error().code == ErrorCode::Cancelled) return Outcome{Again{kLaterPause}};
  return fail(work.error());
}

// ---- fetch ----

Result<void> reserve_staged(ImageImports::Impl& imports, const ImageId& id, std::uint64_t bytes) {
  CLOUDOS_CHECK(imports.images.engine.store.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(Image saved, records::get<Image>(txn, id));
    saved.staged_bytes = bytes;
    return image::update_image(txn, saved);
  }));
  return Result<void>();
}

Result<void> download(ImageImports::Impl& imports, const StepContext& step, const GoOn& go_on) {
  CLOUDOS_TRY(const auto source, imports.open_url(step.value("uri"), go_on));
  CLOUDOS_CHECK(image::stage_source(imports, image_of(step), *source, go_on));
  return Result<void>();
}

Result<Outcome> fetch_step(ImageImports::Impl& imports, StepContext& step) {
  const bool web = step.value("method") == to_string(ImportMethod::WebDownload);
  const bool remote = step.value("method") == to_string(ImportMethod::GlanceDownload);
  if (!web && !remote) return Outcome{Done{}};
  const ImportCall call(imports, step, image::kStagingClaim);
  if (!call.holds()) return Outcome{Again{kLaterPause}};
  CLOUDOS_TRY(const Image image, call.image(step));
  auto done = web ? download(imports, step, call.go_on())
                  : image::fetch_remote(imports, step, image, call.go_on());
  if (!done && is_retryable(done.error().code) && step.attempt() + 1 >= kFetchAttempts) {
    return fail(ErrorCode::InvalidArgument, done.error().message, done.error().detail);
  }
  return ended(done);
}

Result<Outcome> unfetch_step(ImageImports::Impl& imports, StepContext& step) {
  const Claim claim(imports.images, image_of(step), std::string(image::kStagingClaim));
  if (!claim.holds()) return Outcome{Again{kLaterPause}};
  CLOUDOS_TRY(const auto snapshot, step.snapshot());
  CLOUDOS_TRY(const bool ours, image::owns_image(*snapshot, claim.image(), step.task().id));
  const auto image = records::get<Image>(*snapshot, claim.image());
  // Another image of the same id may have staged bytes of its own by now.
  if (ours || !image) CLOUDOS_CHECK(imports.staging->remove(claim.image()));
  return Outcome{Done{}};
}

// ---- prepare ----

std::filesystem::path work_file(const ImageImports::Impl& imports, const StepContext& step) {
  return imports.work / step.task().id.value;
}

Result<void> unlink_work(const ImageImports::Impl& imports, const StepContext& step) {
  if (imports.work.empty()) return Result<void>();
  std::error_code error;
  std::filesystem::remove(work_file(imports, step), error);
  std::error_code second;
  std::filesystem::remove(work_file(imports, step).concat(".unpacked"), second);
  if (!error && !second) return Result<void>();
  return fail(ErrorCode::Unavailable, "the folder of conversions does not work",
              error ? error.message() : second.message());
}

/// What the data is and where, as it goes through the steps of preparation.
struct Prepared {
  DiskFormat disk = DiskFormat::Unset;
  ContainerFormat container = ContainerFormat::Unset;
  std::filesystem::path file;   ///< Of ours; empty: what was staged.
};

Result<void> needs_files(const ImageImports::Impl& imports) {
  if (!imports.work.empty()) return Result<void>();
  return fail(ErrorCode::Unsupported, "images are converted in a data folder only");
}

Result<void> unpack(ImageImports::Impl& imports, const StepContext& step, const Image& image,
                    const GoOn& go_on, Prepared& now) {
  if (!imports.options().decompress || now.container != ContainerFormat::Compressed)
    return Result<void>();
  CLOUDOS_CHECK(needs_files(imports));
  CLOUDOS_TRY(const auto staged, imports.staging->open(image.id));
  now.file = work_file(imports, step).concat(".unpacked");
  now.container = ContainerFormat::Bare;
  return image::unpack_gzip(*staged, now.file, imports.images.settings.max_bytes, go_on);
}

bool wants_conversion(const ImageImportOptions& options, const Image& image, const Prepared& now) {
  const DiskFormat to = options.conversion_format;
  if (to == DiskFormat::Unset || now.disk == to) return false;
  // A signature is over the bytes as they came; kernels, CDs and archives are no disks.
  if (image.properties.count("img_signature") != 0) return false;
  switch (now.disk) {
    case DiskFormat::Raw:
    case DiskFormat::Qcow2:
    case DiskFormat::Vmdk:
    case DiskFormat::Vhd:
    case DiskFormat::Vhdx:
    case DiskFormat::Vdi:
      return now.container == ContainerFormat::Bare;
    default:
      return false;
  }
}

Result<void> convert(ImageImports::Impl& imports, const StepContext& step, const GoOn& go_on,
                     Prepared& now) {
  CLOUDOS_CHECK(needs_files(imports));
  const ImageImportOptions& options = imports.options();
  const std::uint64_t most = imports.images.settings.max_bytes;
  const bool staged = now.file.empty();
  const auto from = staged ? imports.staging->path(image_of(step)) : now.file;
  CLOUDOS_TRY(const auto reader, image::open_plain_file(from));
  // Nothing is ever started on bytes that were not looked at here.
  CLOUDOS_TRY(const image::Verified found,
              image::verify_content(*reader, now.disk, now.container, true));
  const std::uint64_t disk = found.virtual_size_bytes;
  if (disk > most) {
    return fail(ErrorCode::TooLarge,
                fmt::format("its disk of {} bytes is larger than an image may be", disk));
  }
  const image::ConversionRules rules{options.qemu_img, options.conversion_memory_bytes,
                                     options.conversion_time,
                                     std::min(most, disk + disk / 64 + (std::uint64_t{64} << 20))};
  const auto to = work_file(imports, step);
  CLOUDOS_CHECK(image::convert_disk(rules, std::filesystem::absolute(from), now.disk, to,
                                    options.conversion_format, go_on));
  std::error_code ignored;
  if (!staged) std::filesystem::remove(now.file, ignored);
  now.file = to;
  now.disk = options.conversion_format;
  return Result<void>();
}

Result<void> prepare(ImageImports::Impl& imports, StepContext& step, const Image& image,
                     const GoOn& go_on) {
  Prepared now{image.disk_format, image.container_format, {}};
  // What comes from another image service has the formats that it has there.
  if (const auto told = disk_format_from(step.value("told_disk"))) now.disk = *told;
  if (const auto told = container_format_from(step.value("told_container"))) now.container = *told;
  CLOUDOS_CHECK(unlink_work(imports, step));
  CLOUDOS_CHECK(unpack(imports, step, image, go_on, now));
  if (wants_conversion(imports.options(), image, now))
    CLOUDOS_CHECK(convert(imports, step, go_on, now));
  step.output("disk_format", std::string(to_string(now.disk)));
  step.output("container_format", std::string(to_string(now.container)));
  step.output("file", now.file.filename().native());
  return Result<void>();
}

Result<Outcome> prepare_step(ImageImports::Impl& imports, StepContext& step) {
  const ImportCall call(imports, step, image::kStagingClaim);
  if (!call.holds()) return Outcome{Again{kLaterPause}};
  CLOUDOS_TRY(const Image image, call.image(step));
  const auto done = prepare(imports, step, image, call.go_on());
  if (!done) CLOUDOS_CHECK(unlink_work(imports, step));
  return ended(done);
}

Result<Outcome> unprepare_step(ImageImports::Impl& imports, StepContext& step) {
  CLOUDOS_CHECK(unlink_work(imports, step));
  return Outcome{Done{}};
}

// ---- place ----

Result<std::unique_ptr<image::RandomReader>> open_prepared(const ImageImports::Impl& imports,
                                                           const StepContext& step) {
  const std::string& file = step.value("file");
  if (!file.empty()) return image::open_plain_file(imports.work / file);
  return imports.staging->open(image_of(step));
}

Result<void> reserve_placed(ImageImports::Impl& imports, const ImageId& id, std::uint64_t bytes) {
  CLOUDOS_CHECK(imports.images.engine.store.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(Image saved, records::get<Image>(txn, id));
    saved.reserved_bytes = bytes;
    return image::update_image(txn, saved);
  }));
  return Result<void>();
}

/// One pass: checksums, signature, and every store at once.
Result<image::Digests::Values> pour(Images::Impl& images, image::RandomReader& from,
                                    std::optional<image::SignatureCheck>& signature,
                                    image::PayloadWriter& to, const GoOn& go_on) {
  CLOUDOS_TRY(const auto digests, image::DigestPipeline::make(images.engine.executor));
  std::vector<std::byte> buffer(limits::kImageChunkBytes);
  for (std::uint64_t at = 0; at < from.size();) {
    CLOUDOS_CHECK(go_on());
    CLOUDOS_TRY(const std::size_t got, from.read_at(at, buffer));
    if (got == 0) return fail(ErrorCode::Unavailable, "the staged data ended too early");
    const auto piece = std::span<const std::byte>(buffer).first(got);
    CLOUDOS_CHECK(digests->update(piece));
    if (signature) CLOUDOS_CHECK(signature->update(piece));
    CLOUDOS_CHECK(to.write(piece));
    at += got;
  }
  if (signature) CLOUDOS_CHECK(signature->finish());
  return digests->finish();
}

Result<void> place(ImageImports::Impl& imports, StepContext& step, const Image& image,
                   const GoOn& go_on) {
  Images::Impl& images = imports.images;
  const auto disk = disk_format_from(step.value("disk_format"));
  const auto container = container_format_from(step.value("container_format"));
  if (!disk || !container) return fail(ErrorCode::Internal, "the import lost its formats");
  CLOUDOS_TRY(const auto reader, open_prepared(imports, step));
  if (reader->size() == 0)
    return fail(ErrorCode::InvalidArgument, "image data refused: it has no bytes");
  CLOUDOS_TRY(const image::Verified found,
              image::verify_content(*reader, *disk, *container,
                                    images.guard.rules().require_format_match));
  CLOUDOS_TRY(const auto snapshot, step.snapshot());
  CLOUDOS_TRY(auto signature,
              image::begin_signature(*snapshot, image, imports.options().trusted_certificates,
                                     step.clock().wall()));
  const std::vector<std::string> stores = names_of(step.value("stores"));
  CLOUDOS_CHECK(reserve_placed(imports, image.id, reader->size() * stores.size()));
  CLOUDOS_TRY(const auto fan_out, images.set->create(image.id, stores, reader->size(),
                                                     !step.value("all").empty()));
  CLOUDOS_TRY(const auto values, pour(images, *reader, signature, *fan_out, go_on));
  const std::string& told = step.value("told_sha512");
  if (!told.empty() && step.value("file").empty() && !equals_ignore_case(told, values.sha512)) {
    return fail(ErrorCode::InvalidArgument,
                "the data is not what the other image service says that it has");
  }
  CLOUDOS_CHECK(fan_out->publish());
  step.output("size", fmt::format("{}", reader->size()));
  step.output("virtual_size", fmt::format("{}", found.virtual_size_bytes));
  step.output("format_problem", found.format_problem);
  step.output("md5", values.md5);
  step.output("sha512", values.sha512);
  step.output("placed", fmt::format("{}", fmt::join(fan_out->names(), ",")));
  step.output("failed", fmt::format("{}", fmt::join(fan_out->failed(), ",")));
  return Result<void>();
}

Result<Outcome> place_step(ImageImports::Impl& imports, StepContext& step) {
  const ImportCall call(imports, step, "");
  if (!call.holds()) return Outcome{Again{kLaterPause}};
  CLOUDOS_TRY(const Image image, call.image(step));
  return ended(place(imports, step, image, call.go_on()));
}

Result<Outcome> unplace_step(ImageImports::Impl& imports, StepContext& step) {
  const Claim claim(imports.images, image_of(step));
  if (!claim.holds()) return Outcome{Again{kLaterPause}};
  CLOUDOS_TRY(const auto snapshot, step.snapshot());
  const auto payload = records::get<image::Payload>(*snapshot, claim.image());
  if (payload) return Outcome{Done{}};  // Somebody else's: ours is never recorded before the end.
  if (payload.error().code != ErrorCode::NotFound) return fail(payload.error());
  const auto image = records::get<Image>(*snapshot, claim.image());
  CLOUDOS_TRY(const bool ours, image::owns_image(*snapshot, claim.image(), step.task().id));
  if (ours || !image) CLOUDOS_CHECK(imports.images.set->remove(claim.image()));
  return Outcome{Done{}};
}

// ---- activate ----

Result<void> activate_image(store::Txn& txn, const ImageImports::Impl& imports,
                            const StepContext& step) {
  CLOUDOS_TRY(Image saved, records::get<Image>(txn, image_of(step)));
  const auto task = saved.properties.find(std::string(image::kImportTaskProperty));
  if (saved.status != ImageStatus::Importing || task == saved.properties.end() ||
      task->second != step.task().id.value) {
    return image::image_not_found(saved.id);
  }
  image::Payload payload;
  payload.id = saved.id;
  saved.disk_format = disk_format_from(step.value("disk_format")).value_or(saved.disk_format);
  saved.container_format =
      container_format_from(step.value("container_format")).value_or(saved.container_format);
  payload.format = saved.disk_format;
  payload.size_bytes = parse_unsigned(step.value("size")).value_or(0);
  payload.virtual_size_bytes = parse_unsigned(step.value("virtual_size")).value_or(0);
  payload.sha512 = step.value("sha512");
  for (const std::string& name : names_of(step.value("placed")))
    payload.locations.push_back({name, {}, {}});
  if (!payload.locations.empty()) payload.boot_store = payload.locations.front().store;
  saved.status = ImageStatus::Active;
  saved.size_bytes = payload.size_bytes;
  saved.virtual_size_bytes.reset();
  if (payload.virtual_size_bytes != 0) saved.virtual_size_bytes = payload.virtual_size_bytes;
  saved.format_problem = step.value("format_problem");
  saved.md5 = step.value("md5");
  saved.sha512 = payload.sha512;
  saved.locations = payload.locations;
  saved.importing_to.clear();
  saved.failed_stores = names_of(step.value("failed"));
  saved.reserved_bytes = saved.staged_bytes = 0;
  saved.properties.erase(task);
  image::adopt_remote(step, saved);
  if (!step.value("inject").empty()) {
    for (const auto& [name, value] : imports.options().inject_properties)
      saved.properties[name] = value;
  }
  saved.updated_at = step.clock().wall();
  CLOUDOS_CHECK(records::insert(txn, payload));
  return image::update_image(txn, saved);
}

Result<Outcome> activate_step(ImageImports::Impl& imports, StepContext& step) {
  CLOUDOS_CHECK(step.commit(
      [&](store::Txn& txn) { return activate_image(txn, imports, step); }));
  return Outcome{Done{}};
}

// ---- clear ----

Result<Outcome> clear_step(ImageImports::Impl& imports, StepContext& step) {
  const Claim claim(imports.images, image_of(step), std::string(image::kStagingClaim));
  if (!claim.holds()) return Outcome{Again{kLaterPause}};
  CLOUDOS_CHECK(unlink_work(imports, step));
  CLOUDOS_TRY(const auto snapshot, step.snapshot());
  const auto image = records::get<Image>(*snapshot, claim.image());
  // Deleted since, and made anew by somebody who stages again: those bytes are theirs.
  const bool theirs = image && image->status != ImageStatus::Active;
  if (!theirs) CLOUDOS_CHECK(imports.staging->remove(claim.image()));
  return Outcome{Done{}};
}

// ---- how it ends ----

/// The image is Queued again: its owner may try once more.
Result<void> give_back(store::Txn& txn, const tasks::TaskRecord& task, WallTime now) {
  auto image = records::get<Image>(txn, ImageId{task.params.at("image")});
  if (!image || image->status != ImageStatus::Importing) return Result<void>();
  const auto ours = image->properties.find(std::string(image::kImportTaskProperty));
  if (ours == image->properties.end() || ours->second != task.id.value) return Result<void>();
  image->properties.erase(ours);
  image->status = ImageStatus::Queued;
  image->failed_stores = std::move(image->importing_to);
  image->importing_to.clear();
  image->staged_bytes = image->reserved_bytes = 0;
  image->updated_at = now;
  return image::update_image(txn, *image);
}

/// The hooks that both types share.
void add_ends(tasks::TaskType& type, ImageImports::Impl& imports) {
  type.failed = [&imports](store::Txn& txn, const tasks::TaskRecord& task, const Error& error) {
    const WallTime now = imports.images.engine.clock.wall();
    auto given = give_back(txn, task, now);
    return given ? image::end_image_task(txn, task, now, &error) : given;
  };
  type.done = [&imports](store::Txn& txn, const tasks::TaskRecord& task) {
    return image::end_image_task(txn, task, imports.images.engine.clock.wall(), nullptr);
  };
}

tasks::StepFunction bound(ImageImports::Impl& imports,
                          Result<Outcome> (*step)(ImageImports::Impl&, StepContext&)) {
  return [&imports, step](StepContext& context) { return step(imports, context); };
}

}  // namespace

namespace image {

Result<std::uint64_t> stage_source(ImageImports::Impl& imports, const ImageId& id,
                                   ByteSource& source, const GoOn& go_on) {
  const std::uint64_t most = imports.images.settings.max_bytes;
  const auto too_large = [&] {
    return fail(ErrorCode::TooLarge, fmt::format("an image has at most {} bytes", most));
  };
  if (source.size() && *source.size() > most) return too_large();
  std::uint64_t covered = source.size().value_or(0), total = 0;
  if (covered != 0) CLOUDOS_CHECK(reserve_staged(imports, id, covered));
  CLOUDOS_TRY(const auto writer, imports.staging->create(id));
  std::vector<std::byte> buffer(limits::kImageChunkBytes);
  for (;;) {
    CLOUDOS_CHECK(go_on());
    CLOUDOS_TRY(const std::size_t got, source.read(buffer));
    if (got == 0) break;
    if (got > most - total) return too_large();
    total += got;
    if (total > covered) {
      covered = total + limits::kImageReserveBytes;
      auto more = reserve_staged(imports, id, covered);
      if (!more && more.error().code == ErrorCode::QuotaExceeded)
        more = reserve_staged(imports, id, covered = total);
      CLOUDOS_CHECK(more);
    }
    CLOUDOS_CHECK(writer->write(std::span<const std::byte>(buffer).first(got)));
  }
  CLOUDOS_CHECK(writer->publish());
  CLOUDOS_CHECK(reserve_staged(imports, id, total));
  return total;
}

Result<void> end_image_task(store::Txn& txn, const tasks::TaskRecord& task, WallTime now,
                            const Error* error) {
  auto ours = records::get<ImageTask>(txn, task.id);
  if (!ours) return Result<void>();
  ours->status = error ? ImageTaskStatus::Failure : ImageTaskStatus::Success;
  if (error) ours->message = error->message;
  ours->updated_at = now;
  ours->expires_at = now + limits::kImageTaskTime;
  return records::update(txn, *ours);
}

Result<bool> owns_image(const store::Snapshot& at, const ImageId& id, const TaskId& task) {
  const auto image = records::get<Image>(at, id);
  if (!image && image.error().code == ErrorCode::NotFound) return false;
  if (!image) return fail(image.error());
  const auto named = image->properties.find(std::string(kImportTaskProperty));
  return image->status == ImageStatus::Importing && named != image->properties.end() &&
         named->second == task.value;
}

tasks::TaskType import_task(ImageImports::Impl& imports) {
  using tasks::Step;
  tasks::TaskType type;
  type.name = kImportTask;
  type.secrets = {"token"};
  type.steps = {
      {"fetch", Step::Kind::Remote, bound(imports, fetch_step), bound(imports, unfetch_step)},
      {"prepare", Step::Kind::Remote, bound(imports, prepare_step), bound(imports, unprepare_step)},
      {"place", Step::Kind::Remote, bound(imports, place_step), bound(imports, unplace_step)},
      {"activate", Step::Kind::Local, bound(imports, activate_step), {}},
      {"clear", Step::Kind::Remote, bound(imports, clear_step), {}, true},
  };
  add_ends(type, imports);
  return type;
}

namespace {

/// Asks the stores for copies, once for each, and waits until they are there or are not.
Result<Outcome> copies_step(ImageImports::Impl& imports, StepContext& step) {
  Images::Impl& images = imports.images;
  const std::vector<std::string> wanted = names_of(step.value("stores"));
  if (step.value("asked").empty()) {
    CLOUDOS_CHECK(images.stores->copy(Context::system(step.task().request_id), image_of(step),
                                      wanted));
    step.output("asked", "1");
  }
  CLOUDOS_TRY(const auto snapshot, step.snapshot());
  CLOUDOS_TRY(const Image image, records::get<Image>(*snapshot, image_of(step)));
  const auto among = [](const std::vector<std::string>& names, const std::string& one) {
    return std::find(names.begin(), names.end(), one) != names.end();
  };
  std::vector<std::string> failed;
  for (const std::string& name : wanted) {
    if (among(image.importing_to, name)) {
      return Outcome{tasks::WaitFor{records::record_key(Image::kKind, image.id.value)}};
    }
    if (among(image.failed_stores, name)) failed.push_back(name);
  }
  if (failed.empty() || (step.value("all").empty() && failed.size() < wanted.size()))
    return Outcome{Done{}};
  return fail(ErrorCode::InvalidArgument,
              fmt::format("no copy could be made in {}", fmt::join(failed, ", ")));
}

}  // namespace

tasks::TaskType import_copy_task(ImageImports::Impl& imports) {
  tasks::TaskType type;
  type.name = kImportCopyTask;
  type.steps = {{"copies", tasks::Step::Kind::Remote, bound(imports, copies_step), {}}};
  add_ends(type, imports);
  return type;
}

}  // namespace image
}  // namespace cloudos

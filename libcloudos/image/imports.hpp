#pragma once
#include "image/fetch_stream.hpp"
#include "image/impl.hpp"
#include "image/import_records.hpp"
#include "tasks/task.hpp"

/// How imports are done. Staged bytes are a payload store of their own; converted disks are files
/// "<task>" beside it.
namespace cloudos {

struct ImageImports::Impl {
  explicit Impl(Images::Impl& the_images) : images(the_images) {}

  Images::Impl& images;
  std::unique_ptr<image::PayloadStore> staging;
  std::filesystem::path work;  ///< Folder of converted disks; empty: nothing can be converted.
  std::atomic<bool> swept{false};
  image::OpenUrl open_url;
  image::RemoteServices remote;

  const ImageImportOptions& options() const { return images.settings.imports; }
  bool offers(ImportMethod method) const;
  /// Under a claim: no staged byte is left, and an image that was being staged is Queued.
  Result<void> clear_staging(const ImageId& id);
  /// The reconciler's pass: what a crash left, data nobody imports, records of old.
  Result<bool> sweep();
  Result<void> sweep_staging();
  Result<void> sweep_work();
  Result<bool> sweep_tasks();
};

/// The room's door to imports: adds their task types and their reconciler to the engine.
/// `open_url`, `remote`: see ImageSettings. Errors: Unavailable, StorageFull (folders).
Result<std::unique_ptr<ImageImports>> make_imports(Images::Impl& images, image::OpenUrl open_url,
                                                   image::RemoteServices remote);

namespace image {

inline constexpr std::string_view kImportTask = "import-image";
inline constexpr std::string_view kImportCopyTask = "import-copies";
/// The name under which bytes of an image are staged: see Claim. No store can be called so.
inline constexpr std::string_view kStagingClaim = "/staging";
/// The property that names an image's import while it is under way.
inline constexpr std::string_view kImportTaskProperty = "os_glance_import_task";

tasks::TaskType import_task(ImageImports::Impl& imports);
tasks::TaskType import_copy_task(ImageImports::Impl& imports);

inline constexpr std::string_view kLocationTask = "add-location";
tasks::TaskType location_task(Images::Impl& images);

/// In the commit that ends a task: its owner sees how, for a while.
Result<void> end_image_task(store::Txn& txn, const tasks::TaskRecord& task, WallTime now,
                            const Error* error);

/// Does this import still have the image? False when it was deleted, or is another one's by now.
Result<bool> owns_image(const store::Snapshot& at, const ImageId& id, const TaskId& task);

/// gzip data of `from` as a new file, at most `most` bytes. The file is gone after an error.
/// Errors: InvalidArgument (no gzip data, or broken), TooLarge, StorageFull, Unavailable, and what
/// go_on says.
Result<void> unpack_gzip(RandomReader& from, const std::filesystem::path& to, std::uint64_t most,
                         const GoOn& go_on);

/// Stages all that `source` has. Returns how much that was. Errors: TooLarge, QuotaExceeded,
/// StorageFull, and those of `source` and `go_on`.
Result<std::uint64_t> stage_source(ImageImports::Impl& imports, const ImageId& id,
                                   ByteSource& source, const GoOn& go_on);

// glance-download (import_remote.cpp).
/// Looks at the wish, and seals its token. Errors: InvalidArgument, Unsupported.
Result<void> check_remote_wish(const ImageImports::Impl& imports, ImageImport& wish);
/// Stages the data, and leaves in the task what else comes along.
Result<void> fetch_remote(ImageImports::Impl& imports, tasks::StepContext& step,
                          const Image& image, const GoOn& go_on);
/// The properties that fetch_remote left.
void adopt_remote(const tasks::StepContext& step, Image& image);
/// Errors: InvalidArgument (the rules for downloads).
Result<RemoteServices::Open> open_by_network(const Images::Impl& images);

/// A file of ours, for reading. Errors: NotFound, Unavailable.
Result<std::unique_ptr<RandomReader>> open_plain_file(const std::filesystem::path& path);

}  // namespace image
}  // namespace cloudos

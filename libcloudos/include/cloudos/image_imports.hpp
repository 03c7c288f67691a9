#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/bytes.hpp"
#include "cloudos/images.hpp"
#include "cloudos/limits.hpp"

namespace cloudos {

/// Which addresses this process may ask for data on behalf of callers. Hosts are names as URLs
/// have them, or ".example.org" for everything below it; networks are "10.0.0.0/8", "fd00::/8" or
/// single addresses. A denied one is refused even when it is also allowed.
struct UrlRules {
  std::vector<std::string> schemes{"https", "http"};
  std::vector<std::uint16_t> ports{80, 443};     ///< Empty: any.
  std::vector<std::string> allowed_hosts;        ///< Empty: any name.
  std::vector<std::string> denied_hosts;
  /// Reachable although they are no public addresses; loopback and link-local ones too.
  std::vector<std::string> allowed_networks;
  std::vector<std::string> denied_networks;
  unsigned redirects = 3;                        ///< Most hops; each is checked like the first.
};

/// How images are imported.
struct ImageImportOptions {
  bool glance_direct = true;
  bool web_download = true;
  bool copy_image = true;
  /// Lends the caller's token to another region's image service. Off unless the operator wants it.
  bool glance_download = false;
  /// Properties that come along from there: names that begin so.
  std::vector<std::string> download_properties{"hw_", "trait:", "os_distro", "os_secure_boot",
                                               "os_type"};
  UrlRules web;
  std::filesystem::path ca_file;                 ///< For https; empty: the system's.
  std::chrono::seconds download_time{6 * 3600};  ///< For one download, from its first byte.
  /// Imported disks become this format; Unset: they stay as they are. Raw or Qcow2.
  DiskFormat conversion_format = DiskFormat::Unset;
  std::filesystem::path qemu_img = "/usr/bin/qemu-img";
  std::uint64_t conversion_memory_bytes = std::uint64_t{1} << 30;  ///< Address space of the tool.
  std::chrono::seconds conversion_time{3'600};   ///< Both of the clock on the wall and of CPU.
  bool decompress = false;                       ///< gzip data of container format "compressed".
  /// Set on each imported image, unless the caller has one of `inject_not_for` roles.
  std::map<std::string, std::string> inject_properties;
  std::vector<std::string> inject_not_for{"admin"};
  /// Ids of certificates (see Certificates) that signers of images must descend from; empty: the
  /// signature must hold, whoever made it.
  std::vector<std::string> trusted_certificates;
  /// Signatures are checked again before a server starts from an image.
  bool verify_at_boot = false;
};

enum class ImportMethod : std::uint8_t {
  GlanceDirect,    ///< What was staged.
  WebDownload,     ///< What `uri` has.
  CopyImage,       ///< To more stores what the image has already.
  GlanceDownload,  ///< `remote_image` of the image service of `region`, with its formats.
};
/// "glance-direct", "web-download", "copy-image", "glance-download".
CLOUDOS_EXPORT std::string_view to_string(ImportMethod method);
CLOUDOS_EXPORT std::optional<ImportMethod> import_method_from(std::string_view text);

struct ImageImport {
  ImportMethod method = ImportMethod::GlanceDirect;
  std::string uri;                  ///< WebDownload.
  std::vector<std::string> stores;  ///< Empty: the default one.
  bool all_stores = false;          ///< Instead of `stores`.
  /// False: the image becomes active with the stores that worked, and the others are listed in its
  /// property os_glance_failed_import.
  bool all_stores_must_succeed = true;
  /// GlanceDownload: the catalog says where the region's image service is, by this interface.
  std::string region;
  std::string interface = "public";
  ImageId remote_image;
  /// GlanceDownload: whose rights count there. Sealed while the import waits, never shown, and in no
  /// record once the import has ended.
  std::string token;
};

enum class ImageTaskStatus : std::uint8_t { Pending, Processing, Success, Failure };
CLOUDOS_EXPORT std::string_view to_string(ImageTaskStatus status);
CLOUDOS_EXPORT std::optional<ImageTaskStatus> image_task_status_from(std::string_view text);

/// An import as its owner sees it; kept for two days after its end. The durable task that does the
/// work has the same id.
struct ImageTask {
  static constexpr std::string_view kKind = "image-task";
  static constexpr std::uint32_t kSchema = 1;

  TaskId id;
  std::uint64_t generation = 0;
  std::string type;                ///< "import" (tasks API), "api_image_import", "location_import".
  ImageTaskStatus status = ImageTaskStatus::Pending;
  ImageId image;
  ProjectId owner;
  UserId user;
  std::string request_id;
  ImageImport request;
  std::string import_from_format;  ///< Of type "import".
  std::map<std::string, std::string> image_properties;  ///< Of type "import": what was asked for.
  std::string message;             ///< Why it failed; empty before.
  WallTime created_at, updated_at;
  std::optional<WallTime> expires_at;
  std::string unknown;
};

/// Type "import" of the tasks API: makes an image of what a URL has.
struct ImageTaskCreate {
  std::string import_from;
  std::string import_from_format;  ///< A disk format.
  ImageCreate image;
  /// What the caller wrote, to be shown again.
  std::map<std::string, std::string> image_properties;
};

struct ImageTaskQuery {
  std::optional<ImageTaskStatus> status;
  std::string type;                ///< Empty: all.
  bool oldest_first = false;
  std::string marker;
  std::size_t limit = SIZE_MAX;
};

/// Data that waits to be imported, fed by whoever has the bytes. Dropped before finish() it leaves
/// nothing, and the image Queued. May not outlive the cloud. One thread at a time.
class CLOUDOS_EXPORT ImageStaging final {
 public:
  ~ImageStaging();
  /// Errors: as ImageImports::stage.
  Result<void> write(std::span<const std::byte> bytes);
  Result<Image> finish();

 private:
  friend class ImageImports;
  struct CLOUDOS_LOCAL Impl;
  explicit ImageStaging(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Brings data into images through a place of its own, where it is inspected, converted if the
/// operator wants, and only then stored: by durable tasks that survive a crash.
///
/// Thread-safe. Source: Image API v2, interoperable image import and tasks.
class CLOUDOS_EXPORT ImageImports final {
 public:
  /// Those on offer.
  std::vector<ImportMethod> methods() const;

  /// Queued -> Uploading, with the data staged when this returns. Staged bytes count towards quotas
  /// and go with the image, its import or its failure. Blocks.
  /// Errors: as Images::upload; Forbidden (the method is not on offer).
  Result<void> stage(const Context& ctx, const ImageId& id, ByteSource& data);
  Result<std::unique_ptr<ImageStaging>> begin_stage(const Context& ctx, const ImageId& id,
                                                    std::optional<std::uint64_t> size_bytes = {});

  /// Records the import and queues its durable task: one commit. The image is Importing until it
  /// ends Active, or Queued again with the reason in the task; CopyImage leaves it Active.
  /// Errors: NotFound, Forbidden (not the owner), Conflict (nothing staged, or the image is in
  /// another state), InvalidArgument (method, URL, stores).
  Result<ImageTask> import(const Context& ctx, const ImageId& id, const ImageImport& wish);

  /// The tasks API. Admins only, as Glance has it. Errors: Forbidden, NotFound, InvalidArgument.
  Result<ImageTask> create_task(const Context& ctx, const ImageTaskCreate& spec);
  Result<ImageTask> task(const Context& ctx, const TaskId& id) const;
  /// Newest first unless asked otherwise. Errors: Forbidden, InvalidArgument (marker).
  Result<std::vector<ImageTask>> tasks(const Context& ctx, const ImageTaskQuery& query) const;
  /// Those of one image that the caller may see. Errors: NotFound.
  Result<std::vector<ImageTask>> image_tasks(const Context& ctx, const ImageId& id) const;

  struct CLOUDOS_LOCAL Impl;
  explicit ImageImports(std::unique_ptr<Impl> impl);
  ~ImageImports();
  ImageImports(const ImageImports&) = delete;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace cloudos

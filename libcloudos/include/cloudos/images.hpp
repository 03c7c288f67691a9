#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/bytes.hpp"
#include "cloudos/clock.hpp"
#include "cloudos/context.hpp"
#include "cloudos/ids.hpp"
#include "cloudos/result.hpp"
#include "cloudos/row_texts.hpp"

namespace cloudos {

class Certificates;
class ImageImports;
class ImageStores;
class Metadefs;
namespace store { class Txn; }

enum class ImageStatus : std::uint8_t {
  Queued,       ///< Recorded, without data.
  Saving,       ///< An upload is under way.
  Active,       ///< Has its data, which never changes again.
  Deactivated,  ///< As Active, but only admins may read the data or boot it.
  Uploading,    ///< Data is being staged, or waits to be imported.
  Importing,    ///< A task brings its data in.
  PendingDelete,  ///< Deleted; its data goes later (ImageStoreOptions::scrub_time). Admins see it.
};
enum class ImageVisibility : std::uint8_t {
  Shared,     ///< Its project and its members.
  Private,    ///< Its project.
  Community,  ///< Everyone who knows of it: not in other projects' lists unless asked for.
  Public,     ///< Everyone. Admins only may set it.
};
/// How the bytes are laid out. Unset until the caller says so; an upload needs it.
enum class DiskFormat : std::uint8_t {
  Unset, Raw, Qcow2, Vmdk, Vhd, Vdi, Iso, Ami, Ari, Aki, Vhdx
};
enum class ContainerFormat : std::uint8_t {
  Unset, Bare, Ovf, Ova, Docker, Compressed, Ami, Ari, Aki
};
enum class MemberStatus : std::uint8_t { Pending, Accepted, Rejected };

/// As the Image API spells them: "queued", "public", "qcow2", "bare"; Unset is "".
CLOUDOS_EXPORT std::string_view to_string(ImageStatus status);
CLOUDOS_EXPORT std::string_view to_string(ImageVisibility visibility);
CLOUDOS_EXPORT std::string_view to_string(DiskFormat format);
CLOUDOS_EXPORT std::string_view to_string(ContainerFormat format);
CLOUDOS_EXPORT std::string_view to_string(MemberStatus status);
/// The inverse; nothing for text that is no such value, nor for "".
CLOUDOS_EXPORT std::optional<ImageStatus> image_status_from(std::string_view text);
CLOUDOS_EXPORT std::optional<ImageVisibility> image_visibility_from(std::string_view text);
CLOUDOS_EXPORT std::optional<DiskFormat> disk_format_from(std::string_view text);
CLOUDOS_EXPORT std::optional<ContainerFormat> container_format_from(std::string_view text);
CLOUDOS_EXPORT std::optional<MemberStatus> member_status_from(std::string_view text);
/// True for names that the Image API gives a meaning, which a free property therefore cannot have.
CLOUDOS_EXPORT bool is_image_attribute(std::string_view name);

/// A project that an image with visibility Shared is shared with.
struct ImageMember {
  ProjectId project;
  MemberStatus status = MemberStatus::Pending;  ///< Accepted: shows in the project's lists.
  WallTime created_at, updated_at;
};

/// Where a copy of an image's data is.
struct ImageLocation {
  std::string store;  ///< Its name: "file".
  std::string url;    ///< Of data that somebody else keeps; empty: it is ours.
  std::map<std::string, std::string> metadata;
  /// Its bytes were not compared yet with the checksum that was declared. Whoever reads it first
  /// compares them, and is given none that he could take for the whole before they agree.
  bool unverified = false;
  /// Why it is never read: its bytes are not what was declared.
  std::string problem{};
  friend bool operator==(const ImageLocation&, const ImageLocation&) = default;
};

/// A stored image: what it is called, who may use it, and what its bytes are.
struct Image {
  static constexpr std::string_view kKind = "image";
  static constexpr std::uint32_t kSchema = 1;

  ImageId id;
  std::uint64_t generation = 0;
  std::string name;               ///< 0..255 characters; need not be unique.
  ProjectId owner;                ///< Empty: the system's.
  ImageStatus status = ImageStatus::Queued;
  ImageVisibility visibility = ImageVisibility::Shared;
  DiskFormat disk_format = DiskFormat::Unset;
  ContainerFormat container_format = ContainerFormat::Unset;
  bool is_protected = false;      ///< Cannot be deleted.
  bool is_hidden = false;         ///< Not in lists unless asked for.
  std::uint32_t min_disk_gib = 0; ///< A flavor's disk must be at least that, and virtual_size.
  std::uint32_t min_ram_mib = 0;
  std::optional<std::uint64_t> size_bytes;          ///< Of the file; absent without data.
  std::optional<std::uint64_t> virtual_size_bytes;  ///< Of the disk a guest sees.
  std::string md5;                ///< 32 hexadecimal digits; empty without data.
  std::string sha512;             ///< 128 hexadecimal digits; empty without data.
  std::set<std::string> tags;
  std::map<std::string, std::string> properties;    ///< Everything that is no base attribute.
  std::map<std::string, ImageMember> members;       ///< By project id.
  WallTime created_at, updated_at;
  std::vector<ImageLocation> locations;    ///< Every copy of its data, in the order they came.
  std::vector<std::string> importing_to;   ///< Stores that its data is being copied to.
  std::vector<std::string> failed_stores;  ///< Stores that a copy failed for.
  std::uint64_t reserved_bytes = 0;        ///< An upload under way took from the quota.
  std::uint64_t staged_bytes = 0;          ///< Waits in the staging area.
  std::optional<WallTime> scrub_at;        ///< PendingDelete ends then.
  /// Why its data is not what disk_format says; empty: it was verified. Such data is given out as
  /// bytes, and never opened: no server boots from it and nothing converts it.
  std::string format_problem;
  bool counted = false;           ///< In its project's quota. False in folders of before quotas.
  std::string unknown;            ///< Fields of a newer version.
};

/// What a caller asks for. Field names follow the Image API.
struct ImageCreate {
  ImageId id;                     ///< Empty: one is made. Else a UUID that is not taken.
  std::string name;
  ProjectId owner;                ///< Empty: the caller's project. Another's: admins only.
  std::optional<ImageVisibility> visibility;  ///< Absent: Shared.
  DiskFormat disk_format = DiskFormat::Unset;
  ContainerFormat container_format = ContainerFormat::Unset;
  bool is_protected = false;
  bool is_hidden = false;
  std::uint32_t min_disk_gib = 0;
  std::uint32_t min_ram_mib = 0;
  std::set<std::string> tags;
  std::map<std::string, std::string> properties;
};

/// One change to an image's free properties, in the order given.
struct ImagePropertyChange {
  enum class Kind : std::uint8_t {
    Add,      ///< Sets it, whether it is there or not.
    Create,   ///< Conflict when it is there.
    Replace,  ///< Conflict when it is not there.
    Remove,   ///< Conflict when it is not there.
  } kind = Kind::Add;
  std::string name;
  std::string value;
};

/// What changes; absent members stay as they are.
struct ImageUpdate {
  std::optional<std::string> name;
  std::optional<ProjectId> owner;             ///< Admins only.
  std::optional<ImageVisibility> visibility;
  std::optional<DiskFormat> disk_format;      ///< Queued images only.
  std::optional<ContainerFormat> container_format;  ///< Queued images only.
  std::optional<bool> is_protected;
  std::optional<bool> is_hidden;
  std::optional<std::uint32_t> min_disk_gib;
  std::optional<std::uint32_t> min_ram_mib;
  std::optional<std::set<std::string>> tags;
  std::vector<ImagePropertyChange> properties;
};

/// Times before or after an instant: "created_at=gt:2026-01-01T00:00:00Z".
struct ImageTimeBound {
  enum class Op : std::uint8_t { Eq, Neq, Lt, Lte, Gt, Gte } op = Op::Eq;
  WallTime at;
};

enum class ImageSortKey : std::uint8_t {
  CreatedAt, UpdatedAt, Name, Status, Size, Id, DiskFormat, ContainerFormat,
};
struct ImageSort {
  ImageSortKey key = ImageSortKey::CreatedAt;
  bool descending = true;
};

/// Which images, in which order. Empty lists and absent members match everything.
struct ImageQuery {
  std::vector<ImageId> ids;
  std::vector<std::string> names;
  std::vector<ImageStatus> statuses;
  std::vector<DiskFormat> disk_formats;
  std::vector<ContainerFormat> container_formats;
  /// Absent: what the caller owns, public ones, and those shared with it and accepted.
  std::optional<ImageVisibility> visibility;
  bool all_visibilities = false;               ///< "visibility=all": community ones too.
  std::optional<ProjectId> owner;
  std::optional<MemberStatus> member_status;   ///< Absent: Accepted. Shared images only.
  bool any_member_status = false;
  std::optional<bool> is_protected;
  std::optional<bool> is_hidden;               ///< Absent: those that are not hidden.
  std::vector<std::string> tags;               ///< All of them.
  std::optional<std::uint64_t> size_min, size_max;
  std::optional<std::uint32_t> min_disk_gib, min_ram_mib;  ///< Equal.
  std::optional<std::string> md5, sha512;                  ///< Equal.
  std::map<std::string, std::string> properties;  ///< Equal.
  std::vector<ImageTimeBound> created, updated;
  /// Empty: by id, newest first (ids sort by creation, but for those that callers chose).
  std::vector<ImageSort> sort;
  std::string marker;                          ///< Id of the last image of the page before.
  std::size_t limit = SIZE_MAX;
};

/// The bytes of an image as a host reads them.
struct ImageFile {
  std::filesystem::path path;  ///< Never changes while it is there. Empty: held in memory.
  DiskFormat format = DiskFormat::Raw;  ///< Verified; pass it on, never guess it again.
  std::uint64_t virtual_size_bytes = 0;
  std::uint64_t size_bytes = 0;
};

/// An upload under way, fed by whoever has the bytes: no thread waits for them in between.
/// Dropped before finish() it leaves nothing, and the image Queued. May not outlive the cloud.
/// One thread at a time, which may change.
class CLOUDOS_EXPORT ImageUpload final {
 public:
  ~ImageUpload();
  /// Takes all of `bytes` or ends the upload. Blocks for the disk. Errors: as Images::upload.
  Result<void> write(std::span<const std::byte> bytes);
  /// Behind the last byte: verifies, and makes the image Active in one commit. Call it once.
  /// Errors: as Images::upload.
  Result<Image> finish();

 private:
  friend class Images;
  struct CLOUDOS_LOCAL Impl;
  explicit ImageUpload(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The images of a cloud: records, their data, and who boots from them.
///
/// Thread-safe. Calls block for at most one commit, except upload, which lasts as long as its
/// source. Images of other projects that are not visible to the caller are NotFound.
/// Source: Image API v2.
class CLOUDOS_EXPORT Images final {
 public:
  /// Records an image without data (Queued).
  /// Errors: InvalidArgument, Forbidden (public, foreign owner, reserved property),
  /// AlreadyExists (id), TooLarge (tags, properties).
  Result<Image> create(const Context& ctx, const ImageCreate& spec);
  /// Errors: NotFound.
  Result<Image> get(const Context& ctx, const ImageId& id) const;
  /// Errors: InvalidArgument (marker), TooLarge (too many to sort).
  Result<std::vector<Image>> list(const Context& ctx, const ImageQuery& query) const;
  /// The same as text.
  Result<RowTexts> list(const Context& ctx, const ImageQuery& query,
                        const RowFormat<Image>& row) const;
  /// Applies all changes or none. Errors: as create; NotFound, Forbidden (not the owner), Conflict
  /// (a property to replace or remove is not there).
  Result<Image> update(const Context& ctx, const ImageId& id, const ImageUpdate& changes);
  /// The record is gone on return, and its data unless a server boots from it: then with the last
  /// pin. An upload under way fails. Errors: NotFound, Forbidden (protected, not the owner).
  Result<void> remove(const Context& ctx, const ImageId& id);

  /// Errors: NotFound, Forbidden, InvalidArgument, TooLarge.
  Result<void> add_tag(const Context& ctx, const ImageId& id, std::string_view tag);
  /// Errors: NotFound (also the tag), Forbidden.
  Result<void> remove_tag(const Context& ctx, const ImageId& id, std::string_view tag);

  /// Reads `data` to its end, verifies that it is what the image's disk format says and names no
  /// other file, and makes the image Active in one commit once the bytes are durable.
  ///
  /// Memory is constant. On any error the image is Queued again and no byte is left. Blocks.
  /// Errors: NotFound (also: deleted meanwhile), Conflict (not Queued, or another upload runs),
  /// InvalidArgument (formats unset, content refused: the message says why), TooLarge,
  /// StorageFull, Timeout and Cancelled (looked at between two reads of `data`), and what `data`
  /// returns.
  ///
  /// The data goes to all of `stores` (see ImageStores::choose; none: the default one).
  Result<Image> upload(const Context& ctx, const ImageId& id, ByteSource& data,
                       const std::vector<std::string>& stores = {});
  /// The same, a piece at a time; `size_bytes` if it is known. One commit. Errors: as upload().
  Result<std::unique_ptr<ImageUpload>> begin_upload(
      const Context& ctx, const ImageId& id, std::optional<std::uint64_t> size_bytes = {},
      const std::vector<std::string>& stores = {});
  /// Where the data is. Errors: NotFound, Conflict (no data yet), Forbidden (deactivated).
  Result<ImageFile> file(const Context& ctx, const ImageId& id) const;
  /// The data from `offset`, at most `length` bytes; for images held in memory and for copying.
  /// The source's reads end with the call's deadline and cancel too. It may not outlive the cloud.
  /// Errors: as file().
  Result<std::unique_ptr<ByteSource>> read(const Context& ctx, const ImageId& id,
                                           std::uint64_t offset = 0,
                                           std::uint64_t length = UINT64_MAX) const;

  /// As read(), when a file that file() named cannot be read on: from the other locations, and what
  /// comes before `offset` is read there too, so that the whole is verified.
  Result<std::unique_ptr<ByteSource>> resume(const Context& ctx, const ImageId& id,
                                             const ImageFile& failed, std::uint64_t offset,
                                             std::uint64_t length = UINT64_MAX) const;

  /// Active -> Deactivated and back; nothing happens to one that is so already.
  /// Errors: NotFound, Forbidden (not the owner, or the image has no data).
  Result<void> deactivate(const Context& ctx, const ImageId& id);
  Result<void> reactivate(const Context& ctx, const ImageId& id);

  /// Sharing. The owner adds and removes, the member accepts or rejects; both list.
  /// Errors: NotFound, Forbidden (not the owner; image not Shared), AlreadyExists, TooLarge.
  Result<ImageMember> add_member(const Context& ctx, const ImageId& id, const ProjectId& project);
  Result<ImageMember> set_member_status(const Context& ctx, const ImageId& id,
                                        const ProjectId& project, MemberStatus status);
  Result<void> remove_member(const Context& ctx, const ImageId& id, const ProjectId& project);
  /// The owner sees all, a member itself alone.
  Result<std::vector<ImageMember>> members(const Context& ctx, const ImageId& id) const;

  /// Within the caller's transaction: `holder` ("server/<id>") boots from the image, whose data
  /// stays until unpin even if the image is deleted. Repeating it changes nothing. Check first
  /// with get() that the caller may use the image.
  /// Errors: NotFound, Conflict (not Active).
  Result<void> pin(store::Txn& txn, const ImageId& id, std::string_view holder);
  /// Ends a pin; nothing happens when there is none.
  Result<void> unpin(store::Txn& txn, const ImageId& id, std::string_view holder);
  /// The data of an image that exists or is pinned, as a file of this host; without a check of who
  /// asks. Data that is no such file yet is brought into the host's cache, its checksum verified:
  /// blocks for that. Errors: NotFound, Unavailable, StorageFull.
  Result<ImageFile> base_file(const ImageId& id) const;

  /// Data that comes in by staging, download or copy; and the certificates of signatures.
  ImageImports& imports();
  Certificates& certificates();
  /// Stores, copies and locations of data, usage, and the host's cache.
  ImageStores& stores();
  /// What properties of images and flavors mean.
  Metadefs& metadefs();

  /// Reads ImageRules::property_protection_file again, for every call that begins later.
  /// Errors: NotFound, Unavailable, InvalidArgument (the rules stay as they were).
  Result<void> reload_property_protections();

  struct CLOUDOS_LOCAL Impl;
  explicit Images(std::unique_ptr<Impl> impl);
  ~Images();
  Images(const Images&) = delete;
  Images& operator=(const Images&) = delete;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace cloudos

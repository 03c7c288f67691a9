#include "hypervisor/disk.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "base/text.hpp"
#include "cloudos/limits.hpp"
#include "hypervisor/process.hpp"
#include "hypervisor/qcow2.hpp"
#include "hypervisor/spec.hpp"

namespace cloudos::hypervisor {
namespace {

class File {
 public:
  File(const std::filesystem::path& path, int flags, mode_t mode = 0)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return fd_; }
  bool put(std::string_view bytes, std::uint64_t at) const {
    while (!bytes.empty()) {
      const ssize_t done = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(at));
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0) return false;
      at += static_cast<std::uint64_t>(done);
      bytes.remove_prefix(static_cast<std::size_t>(done));
    }
    return true;
  }

 private:
  int fd_;
};

Error disk_error(std::string_view what, const std::error_code& error) {
  const bool full = error == std::errc::no_space_on_device ||
                    error == std::error_code(EDQUOT, std::generic_category());
  return {full ? ErrorCode::StorageFull : ErrorCode::Unavailable,
          full ? "the disk that holds the servers' disks is full"
               : fmt::format("{}: {}", what, error.message()),
          {}};
}
Error disk_error(std::string_view what) {
  return disk_error(what, std::error_code(errno, std::generic_category()));
}

std::optional<std::uint64_t> qcow2_size(int fd) {
  std::string begin(104, '\0');
  const ssize_t got = ::pread(fd, begin.data(), begin.size(), 0);
  begin.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return qcow2_virtual_size(begin);
}

Result<std::filesystem::path> qemu_img() {
  auto path = find_program("qemu-img");
  if (path.empty()) {
    return fail(ErrorCode::Unsupported, "qemu-img is missing: install the package qemu-utils");
  }
  return path;
}

Result<std::uint64_t> size_by_qemu_img(const std::filesystem::path& path, std::string_view format) {
  CLOUDOS_TRY(auto tool, qemu_img());
  CLOUDOS_TRY(const auto end,
              run_program({tool, {"info", "-f", std::string(format), "--output=json", path}}));
  constexpr std::string_view kField = "\"virtual-size\": ";
  const auto at = end.output.find(kField);
  if (at != std::string::npos) {
    const std::string_view rest = std::string_view(end.output).substr(at + kField.size());
    if (const auto size = parse_unsigned(rest.substr(0, rest.find_first_not_of("0123456789")))) {
      return *size;
    }
  }
  return fail(ErrorCode::InvalidArgument, "the backing file is not of its format", end.output);
}

/// A rename is durable once the folder is.
Result<void> sync_folder(const std::filesystem::path& path) {
  const File folder(path, O_RDONLY | O_DIRECTORY);
  if (folder.get() < 0 || ::fsync(folder.get()) != 0) {
    return fail(disk_error("a disk could not be written"));
  }
  return Result<void>();
}

Result<void> write_draft(const DiskSpec& disk, const std::filesystem::path& path,
                         std::uint64_t size_bytes) {
  const auto draft =
      draft_qcow2(size_bytes, disk.backing.native(), qemu_format(disk.backing_format));
  const File file(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  if (file.get() < 0 || !file.put(draft.header, 0) ||
      !file.put(draft.refcounts, draft.refcount_table_at) ||
      ::ftruncate(file.get(), static_cast<off_t>(draft.file_bytes)) != 0 ||
      ::fsync(file.get()) != 0) {
    return fail(disk_error("a disk could not be written"));
  }
  return Result<void>();
}

}  // namespace

Result<std::uint64_t> virtual_size(const std::filesystem::path& path, std::string_view format) {
  const File file(path, O_RDONLY);
  struct stat status {};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) {
    if (errno == ENOENT) return fail(ErrorCode::NotFound, "the disk's backing file is missing");
    return fail(disk_error("the disk's backing file cannot be read"));
  }
  if (format == "raw") return static_cast<std::uint64_t>(status.st_size);
  if (format != "qcow2") return size_by_qemu_img(path, format);
  const auto size = qcow2_size(file.get());
  if (!size) return fail(ErrorCode::InvalidArgument, "the backing file is not of its format");
  return *size;
}

Result<void> make_overlay(const DiskSpec& disk) {
  CLOUDOS_CHECK(check_disk(disk));
  {
    const File ready(disk.path, O_RDONLY);
    if (ready.get() >= 0 && qcow2_size(ready.get())) return Result<void>();
  }
  std::uint64_t size_bytes = disk.size_bytes;
  if (!disk.backing.empty()) {
    CLOUDOS_TRY(const auto backing_bytes,
                virtual_size(disk.backing, qemu_format(disk.backing_format)));
    if (size_bytes == 0) size_bytes = backing_bytes;
    if (size_bytes < backing_bytes) {
      return fail(ErrorCode::InvalidArgument, "the disk is smaller than its backing file");
    }
  }
  if (size_bytes > limits::kDiskBytes) {
    return fail(ErrorCode::InvalidArgument, "a disk has at most 64 TiB");
  }
  std::error_code error;
  std::filesystem::create_directories(disk.path.parent_path(), error);
  if (error) return fail(disk_error("a server's folder could not be made", error));
  std::filesystem::path draft = disk.path;
  draft += ".part";
  std::filesystem::remove(draft, error);
  auto made = write_draft(disk, draft, size_bytes);
  if (made && ::rename(draft.c_str(), disk.path.c_str()) != 0) {
    made = fail(disk_error("a disk could not be put in place"));
  }
  if (!made) {
    std::filesystem::remove(draft, error);
    return made;
  }
  return sync_folder(disk.path.parent_path());
}

}  // namespace cloudos::hypervisor

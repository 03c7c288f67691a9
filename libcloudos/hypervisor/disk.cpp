#include "hypervisor/disk.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/text.hpp"
#include "hypervisor/process.hpp"
#include "hypervisor/spec.hpp"

namespace cloudos::hypervisor {
namespace {

constexpr std::size_t kQcow2SizeAt = 24;
constexpr std::size_t kQcow2HeaderBytes = 72;  // Version 2; version 3 is longer.

class File {
 public:
  File(const std::filesystem::path& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Error disk_error(std::string_view what, int number) {
  const bool full = number == ENOSPC || number == EDQUOT;
  return {full ? ErrorCode::StorageFull : ErrorCode::Unavailable,
          full ? "the disk that holds the servers' disks is full"
               : fmt::format("{}: {}", what, std::strerror(number)),
          {}};
}

/// The virtual size a qcow2 header states, or nothing when it is no whole qcow2 header.
std::optional<std::uint64_t> qcow2_size(int fd) {
  std::array<std::uint8_t, kQcow2HeaderBytes> header{};
  if (::pread(fd, header.data(), header.size(), 0) != static_cast<ssize_t>(header.size())) {
    return std::nullopt;
  }
  constexpr std::array<std::uint8_t, 4> kMagic = {'Q', 'F', 'I', 0xfb};
  if (std::memcmp(header.data(), kMagic.data(), kMagic.size()) != 0) return std::nullopt;
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < 8; ++i) size = size << 8 | header[kQcow2SizeAt + i];
  return size;
}

Result<std::filesystem::path> qemu_img() {
  auto path = find_program("qemu-img");
  if (path.empty()) {
    return fail(ErrorCode::Unsupported, "qemu-img is missing: install the package qemu-utils");
  }
  return path;
}

Result<void> judge(const ProgramEnd& end) {
  if (end.exit_code == 0) return Result<void>();
  const auto says = [&end](std::string_view text) {
    return end.output.find(text) != std::string::npos;
  };
  if (says("No space left on device") || says("Disk quota exceeded")) {
    return fail(disk_error("", ENOSPC));
  }
  return fail(ErrorCode::Internal, fmt::format("qemu-img failed with exit code {}", end.exit_code),
              end.output);
}

Result<std::uint64_t> size_by_qemu_img(const std::filesystem::path& path, std::string_view format) {
  CLOUDOS_TRY(auto tool, qemu_img());
  CLOUDOS_TRY(const auto end,
              run_program({tool, {"info", "-f", std::string(format), "--output=json", path}}));
  CLOUDOS_CHECK(judge(end));
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
Result<void> sync_file(const std::filesystem::path& path, int flags) {
  const File file(path, flags);
  if (file.get() < 0 || ::fsync(file.get()) != 0) {
    return fail(disk_error("a disk could not be written", errno));
  }
  return Result<void>();
}

Result<void> run_create(const DiskSpec& disk, const std::filesystem::path& draft,
                        std::uint64_t size_bytes) {
  CLOUDOS_TRY(auto tool, qemu_img());
  std::vector<std::string> arguments = {"create", "-q", "-f", "qcow2"};
  if (!disk.backing.empty()) {
    // -u: the size is known and the backing is never opened, so it cannot name other files.
    arguments.insert(arguments.end(), {"-u", "-F", std::string(qemu_format(disk.backing_format)), "-b",
                                       disk.backing});
  }
  arguments.push_back(draft);
  arguments.push_back(std::to_string(size_bytes));
  CLOUDOS_TRY(const auto end, run_program({tool, std::move(arguments)}));
  return judge(end);
}

}  // namespace

Result<std::uint64_t> virtual_size(const std::filesystem::path& path, std::string_view format) {
  const File file(path, O_RDONLY);
  struct stat status {};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) {
    if (errno == ENOENT) return fail(ErrorCode::NotFound, "the disk's backing file is missing");
    return fail(disk_error("the disk's backing file cannot be read", errno));
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
    CLOUDOS_TRY(const auto backing_bytes, virtual_size(disk.backing, qemu_format(disk.backing_format)));
    if (size_bytes == 0) size_bytes = backing_bytes;
    if (size_bytes < backing_bytes) {
      return fail(ErrorCode::InvalidArgument, "the disk is smaller than its backing file");
    }
  }
  std::error_code error;
  std::filesystem::create_directories(disk.path.parent_path(), error);
  if (error) return fail(disk_error("a server's folder could not be made", error.value()));
  std::filesystem::path draft = disk.path;
  draft += ".part";
  std::filesystem::remove(draft, error);
  auto made = run_create(disk, draft, size_bytes);
  if (made && ::chmod(draft.c_str(), 0600) != 0) made = fail(disk_error("a disk is gone", errno));
  if (made) made = sync_file(draft, O_RDWR);
  if (made && ::rename(draft.c_str(), disk.path.c_str()) != 0) {
    made = fail(disk_error("a disk could not be put in place", errno));
  }
  if (!made) {
    std::filesystem::remove(draft, error);
    return made;
  }
  return sync_file(disk.path.parent_path(), O_RDONLY | O_DIRECTORY);
}

}  // namespace cloudos::hypervisor

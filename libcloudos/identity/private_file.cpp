#include "identity/private_file.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "base/fd.hpp"

namespace cloudos::identity {
namespace {

constexpr std::size_t kPrivateFileBytes = 64 << 10;

Failure private_file_error(std::string_view what, const std::filesystem::path& path,
                                         int error) {
  const bool full = error == ENOSPC || error == EDQUOT;
  return fail(full ? ErrorCode::StorageFull : ErrorCode::Unavailable,
              fmt::format("cannot {} {}: {}", what, path.filename().string(),
                          std::strerror(error)),
              path.string());
}

Result<void> write_whole(int fd, std::string_view text, const std::filesystem::path& path) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return private_file_error("write", path, errno);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(fd) != 0) return private_file_error("write", path, errno);
  return Result<void>();
}

}  // namespace

Result<std::optional<std::string>> read_private_file(const std::filesystem::path& path) {
  return read_small_file(path, kPrivateFileBytes);
}

Result<std::optional<std::string>> read_small_file(const std::filesystem::path& path,
                                                   std::size_t most) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    if (errno == ENOENT) return std::optional<std::string>();
    return private_file_error("read", path, errno);
  }
  std::string text;
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return private_file_error("read", path, errno);
    if (got == 0) return std::optional<std::string>(std::move(text));
    text.append(buffer.data(), static_cast<std::size_t>(got));
    if (text.size() > most) {
      return fail(ErrorCode::TooLarge,
                  fmt::format("{} is larger than {} bytes", path.filename().string(), most));
    }
  }
}

Result<void> write_private_file(const std::filesystem::path& path, std::string_view text) {
  const std::filesystem::path folder = path.parent_path();
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return private_file_error("make the folder of", path, errno);
  }
  std::filesystem::path fresh = path;
  fresh += ".new";
  ::unlink(fresh.c_str());  // Left by a crash; O_EXCL must find nothing.
  {
    const Fd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (file.get() < 0) return private_file_error("write", path, errno);
    // The host program's umask may be stricter, never wider; its owner must be able to read.
    if (::fchmod(file.get(), 0600) != 0) return private_file_error("write", path, errno);
    if (auto written = write_whole(file.get(), text, path); !written) {
      ::unlink(fresh.c_str());
      return written;
    }
  }
  if (::rename(fresh.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(fresh.c_str());
    return private_file_error("write", path, error);
  }
  const Fd parent(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (parent.get() >= 0) ::fsync(parent.get());
  return Result<void>();
}

}  // namespace cloudos::identity

#include "new_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cloudos/random.hpp"

namespace cli {
namespace {

using cloudos::ErrorCode;
using cloudos::fail;
using cloudos::Result;

Result<void> new_file_error(const std::string& path, int number) {
  if (number == EEXIST)
    return fail(ErrorCode::Conflict, fmt::format("{} is there already: choose another.", path));
  const bool full = number == ENOSPC || number == EDQUOT;
  return fail(full ? ErrorCode::StorageFull : ErrorCode::Unavailable,
              fmt::format("{} cannot be written: {}.", path, std::strerror(number)));
}

/// 0, or what went wrong.
int write_and_sync(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return ::fsync(fd) == 0 ? 0 : errno;
}

/// Gives the draft its name unless somebody has it. 0, or what went wrong.
int publish(const std::string& draft, const std::string& path) {
  if (::renameat2(AT_FDCWD, draft.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  // This file system cannot; a second name for the same file is as exclusive.
  if (::link(draft.c_str(), path.c_str()) != 0) return errno;
  ::unlink(draft.c_str());
  return 0;
}

}  // namespace

Result<void> write_new_file(const std::string& path, std::string_view text) {
  std::uint8_t bytes[8];
  cloudos::SystemRandom().fill(bytes);
  std::string draft = path + ".";
  for (const std::uint8_t byte : bytes) draft += fmt::format("{:02x}", byte);
  const int fd = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd < 0) return new_file_error(path, errno);
  int failed = write_and_sync(fd, text);
  if (::close(fd) != 0 && failed == 0) failed = errno;
  if (failed == 0) failed = publish(draft, path);
  if (failed != 0) {
    ::unlink(draft.c_str());
    return new_file_error(path, failed);
  }
  const auto slash = path.rfind('/');
  const std::string folder = slash == path.npos ? "." : path.substr(0, slash + 1);
  const int parent = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (parent >= 0) {
    ::fsync(parent);
    ::close(parent);
  }
  return Result<void>();
}

}  // namespace cli

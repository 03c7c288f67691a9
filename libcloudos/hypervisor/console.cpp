#include "hypervisor/console.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

namespace cloudos::hypervisor {
namespace {

constexpr off_t kCutUnit = 64 << 10;  // A multiple of every block size in use.

void cut(int fd, off_t size, off_t drop) {
  drop -= drop % kCutUnit;
  if (::fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, drop) == 0) return;
  // tmpfs and others: keep the end by writing it anew.
  std::string kept(static_cast<std::size_t>(size - drop), '\0');
  const ssize_t got = ::pread(fd, kept.data(), kept.size(), drop);
  if (got <= 0 || ::ftruncate(fd, 0) != 0) return;
  // A short write loses old output of a guest, nothing else.
  [[maybe_unused]] const ssize_t put = ::write(fd, kept.data(), static_cast<std::size_t>(got));
}

}  // namespace

void trim_console(const std::filesystem::path& path, std::size_t limit_bytes) {
  const int fd = ::open(path.c_str(), O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return;
  struct stat status {};
  if (::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
      static_cast<std::size_t>(status.st_size) > limit_bytes) {
    cut(fd, status.st_size, status.st_size - static_cast<off_t>(limit_bytes / 2));
  }
  ::close(fd);
}

}  // namespace cloudos::hypervisor

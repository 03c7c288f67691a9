#include "cloud/wake.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

namespace cloudos {

struct WakeFd::Event {
  explicit Event(int descriptor) : fd(descriptor) {}
  ~Event() { close(fd); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  const int fd;
};

Result<int> WakeFd::open(Executor& executor) {
  const std::lock_guard lock(mutex_);
  if (event_) return event_->fd;
  const int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) {
    return fail(ErrorCode::Unavailable,
                std::string("cannot make a descriptor to wake the host program by: ") +
                    std::strerror(errno));
  }
  event_ = std::make_shared<Event>(fd);
  executor.on_wake([event = event_] {
    const std::uint64_t one = 1;
    // A counter that is full is readable already: nothing is lost.
    [[maybe_unused]] const auto written = write(event->fd, &one, sizeof one);
  });
  return fd;
}

void WakeFd::drain() {
  const std::lock_guard lock(mutex_);
  std::uint64_t count = 0;
  if (event_) [[maybe_unused]]
    const auto got = read(event_->fd, &count, sizeof count);
}

}  // namespace cloudos

#include "cloudosd/signals.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>

namespace cloudosd {
namespace {

std::atomic<int> wake_descriptor{-1};
std::atomic<bool> wants_stop{false}, wants_reload{false}, wants_dump{false};
static_assert(std::atomic<bool>::is_always_lock_free, "handlers may touch nothing else");

extern "C" void cloudosd_on_signal(int number) {
  const int saved = errno;
  if (number == SIGHUP)
    wants_reload = true;
  else if (number == SIGUSR1)
    wants_dump = true;
  else
    wants_stop = true;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_descriptor, &one, sizeof one);
  errno = saved;
}

extern "C" void cloudosd_on_pipe(int) {}

void handle(int number, int flags) {
  struct sigaction action = {};
  action.sa_handler = number == SIGPIPE ? cloudosd_on_pipe : cloudosd_on_signal;
  action.sa_flags = SA_RESTART | flags;
  ::sigaction(number, &action, nullptr);
}

}  // namespace

Signals::Signals() {
  wake_descriptor = ::eventfd(0, EFD_CLOEXEC);
  handle(SIGTERM, static_cast<int>(SA_RESETHAND));
  handle(SIGINT, static_cast<int>(SA_RESETHAND));
  handle(SIGHUP, 0);
  handle(SIGUSR1, 0);
  handle(SIGPIPE, 0);
}

Signals::Event Signals::next() {
  while (true) {
    if (wants_stop) return Event::Stop;
    if (wants_reload.exchange(false)) return Event::Reload;
    if (wants_dump.exchange(false)) return Event::Dump;
    std::uint64_t count = 0;
    pollfd fd{wake_descriptor, POLLIN, 0};
    if (::poll(&fd, 1, -1) > 0) [[maybe_unused]]
      const ssize_t got = ::read(wake_descriptor, &count, sizeof count);
  }
}

}  // namespace cloudosd

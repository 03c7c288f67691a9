#pragma once
#include <libvirt/libvirt.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/mutex.hpp"
#include "cloudos/limits.hpp"
#include "cloudos/log.hpp"
#include "cloudos/result.hpp"
#include "hypervisor/libvirt_process.hpp"

namespace cloudos::hypervisor {

using ConnectPtr = std::shared_ptr<virConnect>;  // Shared by the calls that are under way.

/// Keeps one connection open, and runs calls on it that end at a deadline. Thread-safe.
class LibvirtConnection {
 public:
  LibvirtConnection(std::string uri, std::chrono::milliseconds call_timeout, Log log,
                    std::shared_ptr<LibvirtUse> libvirt);
  /// Waits a little for calls under way; one that hangs keeps its thread and what it uses.
  ~LibvirtConnection();
  LibvirtConnection(const LibvirtConnection&) = delete;
  LibvirtConnection& operator=(const LibvirtConnection&) = delete;

  /// Opens the connection and makes libvirt find out what QEMU can, on a thread of its own.
  void warm_up();

  /// Runs `body` on the open connection. `doing` begins the message of a Timeout, after which the
  /// body may go on: it must own all it uses.
  template <class T>
  Result<T> call(std::string_view doing, std::function<Result<T>(const ConnectPtr&)> body);

 private:
  struct Shared;
  static Result<ConnectPtr> connection(Shared& shared);
  Error timed_out(std::string_view doing) const;
  /// Runs `work` on a thread that `shared_` counts; refuses when too many hang.
  Result<void> run(std::function<void()> work);

  std::shared_ptr<Shared> shared_;  // Shared with calls that outlive us.
  const std::chrono::milliseconds call_timeout_;
};

template <class T>
Result<T> LibvirtConnection::call(std::string_view doing,
                                  std::function<Result<T>(const ConnectPtr&)> body) {
  struct Answer {
    std::mutex mutex;
    std::condition_variable arrived;
    std::optional<Result<T>> value;
  };
  auto answer = std::make_shared<Answer>();  // Shared with a call that may come too late.
  auto work = [answer, shared = shared_, body = std::move(body)] {
    auto open = connection(*shared);
    Result<T> value = open ? body(*open) : Result<T>(Failure(open.error()));
    const std::lock_guard lock(answer->mutex);
    answer->value.emplace(std::move(value));
    answer->arrived.notify_all();
  };
  CLOUDOS_CHECK(run(std::move(work)));
  std::unique_lock lock(answer->mutex);
  if (!answer->arrived.wait_for(lock, call_timeout_, [&] { return answer->value.has_value(); })) {
    return fail(timed_out(doing));
  }
  return std::move(*answer->value);
}

}  // namespace cloudos::hypervisor

#include "hypervisor/libvirt_connection.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>

#include <cstdlib>
#include <system_error>

#include "hypervisor/libvirt_error.hpp"

namespace cloudos::hypervisor {
namespace {

constexpr std::chrono::seconds kClosePatience{5};
constexpr int kKeepAliveSeconds = 5;
constexpr unsigned kKeepAliveMisses = 3;

Result<ConnectPtr> open_connection(const std::string& uri) {
  const bool embed = uri.starts_with("qemu:///embed");
  std::unique_lock<std::mutex> turn;
  if (embed) turn = embed_turn();
  virConnectPtr raw = virConnectOpen(uri.c_str());
  if (raw == nullptr) {
    auto error = libvirt_error("connecting to the hypervisor");
    // The driver is a module of its own; without it libvirt just knows no such URI.
    if (embed && virGetLastErrorCode() == VIR_ERR_NO_CONNECT) {
      error.message =
          "libvirt's QEMU driver cannot be loaded: install the package libvirt-daemon-driver-qemu";
    }
    error.code = ErrorCode::Unavailable;
    return fail(std::move(error));
  }
  ConnectPtr connection(raw, [](virConnectPtr closing) { virConnectClose(closing); });
  // Refused by local drivers, which need none.
  virConnectSetKeepAlive(raw, kKeepAliveSeconds, kKeepAliveMisses);
  return connection;
}

}  // namespace

struct LibvirtConnection::Shared {
  std::string uri;
  Log log;
  std::shared_ptr<LibvirtUse> libvirt;  // Shared by all connections of the process.
  std::mutex opening;                   // One at a time opens; held while libvirt connects.
  std::mutex mutex;                     // Guards what follows; never held across libvirt.
  std::condition_variable idle;
  ConnectPtr open;
  std::size_t calls = 0;
};

LibvirtConnection::LibvirtConnection(std::string uri, std::chrono::milliseconds call_timeout,
                                     Log log, std::shared_ptr<LibvirtUse> libvirt)
    : shared_(std::make_shared<Shared>()), call_timeout_(call_timeout) {
  shared_->uri = std::move(uri);
  shared_->log = std::move(log);
  shared_->libvirt = std::move(libvirt);
}

LibvirtConnection::~LibvirtConnection() {
  std::unique_lock lock(shared_->mutex);
  if (!shared_->idle.wait_for(lock, kClosePatience, [this] { return shared_->calls == 0; })) {
    shared_->log.warn(
        fmt::format("leaving {} calls behind that libvirt has not returned from", shared_->calls));
  }
}

Result<ConnectPtr> LibvirtConnection::connection(Shared& shared) {
  const auto alive = [&shared]() -> ConnectPtr {
    ConnectPtr open;
    {
      const std::lock_guard lock(shared.mutex);
      open = shared.open;
    }
    return open && virConnectIsAlive(open.get()) == 1 ? open : nullptr;
  };
  if (auto open = alive()) return open;
  const std::lock_guard turn(shared.opening);
  if (auto open = alive()) return open;  // Whoever was before us opened it.
  CLOUDOS_TRY(auto fresh, open_connection(shared.uri));
  const std::lock_guard lock(shared.mutex);
  shared.open = fresh;
  return fresh;
}

void LibvirtConnection::warm_up() {
  auto work = [shared = shared_] {
    const auto open = connection(*shared);
    if (!open) {
      shared->log.warn(fmt::format("{} ({})", open.error().message, open.error().detail));
      return;
    }
    std::free(virConnectGetCapabilities(open->get()));
  };
  if (auto begun = run(std::move(work)); !begun) shared_->log.warn(begun.error().message);
}

Error LibvirtConnection::timed_out(std::string_view doing) const {
  return {ErrorCode::Timeout,
          fmt::format("{}: the hypervisor did not answer within {} s", doing,
                      std::chrono::duration_cast<std::chrono::seconds>(call_timeout_).count()),
          {}};
}

Result<void> LibvirtConnection::run(std::function<void()> work) {
  {
    const std::lock_guard lock(shared_->mutex);
    if (shared_->calls >= limits::kLibvirtCalls) {
      return fail(ErrorCode::Unavailable, "too many calls wait for the hypervisor");
    }
    ++shared_->calls;
  }
  const auto done = [shared = shared_] {
    // Notified under the lock: the destructor may free nothing before we let go of it.
    const std::lock_guard lock(shared->mutex);
    --shared->calls;
    shared->idle.notify_all();
  };
  try {
    std::thread([work = std::move(work), done]() mutable {
      sigset_t all;  // Signals are the host program's.
      sigfillset(&all);
      pthread_sigmask(SIG_BLOCK, &all, nullptr);
      work();
      work = nullptr;  // Lets go of the connection before we count as gone.
      done();
    }).detach();
  } catch (const std::system_error& error) {
    done();
    return fail(ErrorCode::Unavailable, "no thread is left for a hypervisor call", error.what());
  }
  return Result<void>();
}

}  // namespace cloudos::hypervisor

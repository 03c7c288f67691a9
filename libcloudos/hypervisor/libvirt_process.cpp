#include "hypervisor/libvirt_process.hpp"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <thread>

#include "base/mutex.hpp"

namespace cloudos::hypervisor {
namespace {

void ignore_timer(int, void*) {}
void ignore_error(void*, virErrorPtr) {}

/// libvirt's default event loop on a thread of ours.
class EventLoop final : public LibvirtUse {
 public:
  EventLoop() : thread_([this] { run(); }) {}
  ~EventLoop() override {
    stopping_ = true;
    // A timer that is due is the one documented way to wake the loop.
    const int timer = virEventAddTimeout(0, ignore_timer, nullptr, nullptr);
    thread_.join();
    if (timer >= 0) virEventRemoveTimeout(timer);
  }

 private:
  void run() {
    sigset_t all;  // Signals are the host program's: none is to land on this thread.
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    while (!stopping_) {
      if (virEventRunDefaultImpl() < 0) return;
    }
  }
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

struct ProcessState {
  std::mutex embed_turn;
  Mutex mutex;
  bool initialized CLOUDOS_GUARDED_BY(mutex) = false;
  std::weak_ptr<LibvirtUse> loop CLOUDOS_GUARDED_BY(mutex);
  std::filesystem::path embed_root CLOUDOS_GUARDED_BY(mutex);
};

ProcessState& process_state() {
  static ProcessState state;
  return state;
}

}  // namespace

Result<std::shared_ptr<LibvirtUse>> use_libvirt() {
  ProcessState& state = process_state();
  LockGuard lock(state.mutex);
  if (!state.initialized) {
    virSetErrorFunc(nullptr, ignore_error);
    if (virInitialize() != 0 || virEventRegisterDefaultImpl() != 0) {
      return fail(ErrorCode::Unavailable, "libvirt could not be initialised in this process");
    }
    state.initialized = true;
  }
  auto loop = state.loop.lock();
  if (!loop) {
    loop = std::make_shared<EventLoop>();  // Shared by the connections of all drivers.
    state.loop = loop;
  }
  return loop;
}

Result<void> claim_embed_root(const std::filesystem::path& root) {
  ProcessState& state = process_state();
  LockGuard lock(state.mutex);
  if (state.embed_root.empty()) state.embed_root = root;
  if (state.embed_root != root) {
    return fail(ErrorCode::Conflict,
                "this process already runs qemu:///embed for another data folder: run the second "
                "cloud in a process of its own, or give it another libvirt URI",
                state.embed_root.native() + " is in use, " + root.native() + " was asked for");
  }
  return Result<void>();
}

std::unique_lock<std::mutex> embed_turn() {
  return std::unique_lock(process_state().embed_turn);
}

}  // namespace cloudos::hypervisor

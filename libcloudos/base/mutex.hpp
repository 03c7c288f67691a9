#pragma once
#include <condition_variable>
#include <mutex>

// Clang's thread-safety annotations; GCC sees nothing.
#if defined(__clang__)
#define CLOUDOS_TSA(x) __attribute__((x))
#else
#define CLOUDOS_TSA(x)
#endif
#define CLOUDOS_GUARDED_BY(m) CLOUDOS_TSA(guarded_by(m))
#define CLOUDOS_REQUIRES(m) CLOUDOS_TSA(requires_capability(m))

namespace cloudos {

class CLOUDOS_TSA(capability("mutex")) Mutex {
 public:
  void lock() CLOUDOS_TSA(acquire_capability()) { mutex_.lock(); }
  void unlock() CLOUDOS_TSA(release_capability()) { mutex_.unlock(); }
  bool try_lock() CLOUDOS_TSA(try_acquire_capability(true)) { return mutex_.try_lock(); }

 private:
  std::mutex mutex_;
};

class CLOUDOS_TSA(scoped_lockable) LockGuard {
 public:
  explicit LockGuard(Mutex& mutex) CLOUDOS_TSA(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~LockGuard() CLOUDOS_TSA(release_capability()) { mutex_.unlock(); }
  LockGuard(const LockGuard&) = delete;
  LockGuard& operator=(const LockGuard&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace cloudos

#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "dataplane/support.hpp"

/// Traffic that is measured: how much goes through, and what of a steady stream is lost.
namespace dataplane {

/// Bytes of datagrams a second that get from one guest to `port` of another, sent as fast as it
/// goes for `span`. The receiver listens on `bound`, which is `address` unless that is translated.
double datagram_rate(const Guest& from, const Guest& to, const std::string& address,
                     std::uint16_t port, const std::string& bound = "",
                     std::chrono::milliseconds span = std::chrono::milliseconds(1'000));

/// One datagram each ten milliseconds from one guest to another, from its making to finish().
class Stream {
 public:
  Stream(const Guest& from, const Guest& to, const std::string& address, std::uint16_t port,
         const std::string& bound = "");
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  int sent() const { return sent_; }
  /// Ends it; how many never came.
  int finish();

 private:
  cloudos::Fd out_, in_;
  std::atomic<int> sent_{0}, got_{0};
  std::atomic<bool> over_{false};
  std::thread thread_;
};

/// Keeps a host as a plan has it, as the service does: at the start, and whenever the driver's own
/// watchman says that somebody touched it. Nobody else calls converge.
class Keeper {
 public:
  Keeper(std::shared_ptr<cloudos::network::LinuxBridgeDriver> driver, const Plan& plan)
      : driver_(std::move(driver)), plan_(plan), thread_([this] { work(); }) {
    driver_->watch([this] { notice(); });
    notice();
  }
  ~Keeper() {
    driver_->watch(nullptr);
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;
  /// Waits until it has had nothing to do for a while: what is done to the host in the middle of a
  /// pass goes unnoticed until the next.
  void rest() {
    std::unique_lock lock(mutex_);
    const auto idle = [&] {
      return !wanted_ && !busy_ && std::chrono::steady_clock::now() - last_ > kQuiet;
    };
    while (!idle()) changed_.wait_for(lock, kQuiet / 4);
  }
  int failures() const { return failures_; }

 private:
  static constexpr std::chrono::milliseconds kQuiet{300};
  void notice() {
    {
      const std::lock_guard lock(mutex_);
      wanted_ = true;
    }
    changed_.notify_all();
  }
  void work() {
    std::unique_lock lock(mutex_);
    while (!over_) {
      changed_.wait(lock, [&] { return wanted_ || over_; });
      if (over_) return;
      wanted_ = false;
      busy_ = true;
      lock.unlock();
      if (!driver_->converge(plan_)) ++failures_;
      lock.lock();
      busy_ = false;
      last_ = std::chrono::steady_clock::now();
    }
  }
  std::shared_ptr<cloudos::network::LinuxBridgeDriver> driver_;
  const Plan plan_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool wanted_ = false, busy_ = false, over_ = false;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
  std::atomic<int> failures_{0};
  std::thread thread_;  // Last: it uses the others.
};

/// A stream connection over IPv6; "%eth0" is understood.
cloudos::Fd connect6(const Guest& guest, const std::string& address, std::uint16_t port);

/// The frame with a tag put before its type.
std::vector<std::uint8_t> with_tag(std::vector<std::uint8_t> frame, std::uint16_t tag);
/// The tag of the next frame with the text; -1: it has none, -2: no such frame came.
int tag_of_next(const cloudos::Fd& sniffer, const std::string& needle);

}  // namespace dataplane

#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
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

/// A stream connection over IPv6; "%eth0" is understood.
cloudos::Fd connect6(const Guest& guest, const std::string& address, std::uint16_t port);

/// The frame with a tag put before its type.
std::vector<std::uint8_t> with_tag(std::vector<std::uint8_t> frame, std::uint16_t tag);
/// The tag of the next frame with the text; -1: it has none, -2: no such frame came.
int tag_of_next(const cloudos::Fd& sniffer, const std::string& needle);

}  // namespace dataplane

#pragma once
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace cloudosd {

/// Looks again and again whether the parts of the process really answer; on a thread of its own,
/// as a part that hangs takes whoever asks it along.
class Liveness final {
 public:
  /// A question that returns once a part has answered: empty, or why it is not well. It may hang.
  struct Question {
    std::string name;
    std::function<std::string()> ask;
  };
  /// Called on that thread after each round: all parts were well, or why not. Neither comes while
  /// a question hangs.
  struct Reports {
    std::function<void()> answered;
    std::function<void(const std::string& why)> unwell;
  };
  Liveness(std::vector<Question> questions, Reports reports, std::chrono::microseconds period);
  /// Waits for the question that is being asked.
  ~Liveness();
  Liveness(const Liveness&) = delete;
  Liveness& operator=(const Liveness&) = delete;

 private:
  void ask_all();
  void run();

  const std::vector<Question> questions_;
  const Reports reports_;
  const std::chrono::microseconds period_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace cloudosd

#pragma once
#include <unistd.h>

#include <chrono>
#include <string>

#include "session.hpp"

namespace cli {

/// One line on stderr that is written over where that is a terminal, and once per change elsewhere.
class Progress {
 public:
  Progress() = default;
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void show(const std::string& text);
  bool terminal() const { return terminal_; }

 private:
  const bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  bool shown_ = false;
  std::string last_;
};

/// Asks until its status is the noun's `ready`. With a status of its own that is waited for, as
/// long as a task works on the server. Errors: Internal (it is `broken`), Timeout, Conflict (nothing
/// works on it and it is another), Unavailable (nobody does the work).
cloudos::Result<json> wait_until_ready(Session& session, const cloudos::verbs::Noun& noun,
                                       const json& made, std::chrono::seconds patience,
                                       std::string_view status_wanted = {});

/// A thing whose deletion was accepted.
struct Removal {
  const cloudos::verbs::Noun* noun = nullptr;
  std::string id;
};
/// Asks until it is gone. Errors: Timeout, Unavailable (nobody does the work).
cloudos::Result<void> wait_until_gone(Session& session, const Removal& removal,
                                      std::chrono::seconds patience);

}  // namespace cli

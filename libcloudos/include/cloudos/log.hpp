#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "cloudos/clock.hpp"
#include "cloudos/export.hpp"
#include "cloudos/result.hpp"

namespace cloudos {

enum class LogLevel : std::uint8_t { Debug, Info, Warning, Error };

CLOUDOS_EXPORT std::string_view to_string(LogLevel level);

/// One line of the log, as the host program's callback gets it. Views live for the call only.
struct LogRecord {
  LogLevel level = LogLevel::Info;
  std::string_view room;        ///< "store", "network", ...
  std::string_view message;     ///< One line, no secrets.
  std::string_view request_id = {};  ///< "req-…" of the call this belongs to, or empty.
  std::string_view trace_id = {};    ///< Of the W3C trace it belongs to, or empty.
};

/// Called from any thread, also concurrently; must not block for long nor call back into the Cloud.
using LogSink = std::function<void(const LogRecord&)>;

/// From which level on lines are wanted: of every room, and of some rooms otherwise.
struct LogLevels {
  LogLevel all = LogLevel::Info;
  std::map<std::string, LogLevel, std::less<>> rooms;  ///< "tasks" -> Debug
  friend bool operator==(const LogLevels&, const LogLevels&) = default;
};

/// Reads "info" or "info,tasks=debug,store=warning". Errors: InvalidArgument (what is wrong).
CLOUDOS_EXPORT Result<LogLevels> parse_log_levels(std::string_view text);
CLOUDOS_EXPORT std::string to_string(const LogLevels& levels);

/// What a room logs through. A copyable value; a line that is not wanted costs one load and one
/// comparison. Lines take the request and trace of the thread's current work when none is given.
///
/// Thread-safe. All that came from one Log by copy and for_room() share its sink and its levels.
class CLOUDOS_EXPORT Log {
 public:
  Log() = default;
  Log(LogSink sink, std::string_view room, LogLevel least = LogLevel::Info);
  Log for_room(std::string_view room) const;
  bool wants(LogLevel level) const {
    return least_ != nullptr && level >= least_->load(std::memory_order_relaxed);
  }
  void write(LogLevel level, std::string_view message, std::string_view request_id = {}) const {
    if (wants(level)) emit(level, message, request_id);
  }
  void debug(std::string_view message) const { write(LogLevel::Debug, message); }
  void info(std::string_view message) const { write(LogLevel::Info, message); }
  void warn(std::string_view message) const { write(LogLevel::Warning, message); }
  void error(std::string_view message) const { write(LogLevel::Error, message); }

  /// Holds from now on for every Log that shares with this one.
  void set_levels(const LogLevels& levels) const;
  LogLevels levels() const;

 private:
  struct CLOUDOS_LOCAL Shared;
  void emit(LogLevel level, std::string_view message, std::string_view request_id) const;

  std::shared_ptr<Shared> shared_;  // Shared by all copies: the sink, and a level per room.
  const std::atomic<LogLevel>* least_ = nullptr;  // In *shared_: this room's.
  std::string room_;
};

}  // namespace cloudos

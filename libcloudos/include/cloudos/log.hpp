#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "cloudos/clock.hpp"
#include "cloudos/export.hpp"

namespace cloudos {

enum class LogLevel : std::uint8_t { Debug, Info, Warning, Error };

CLOUDOS_EXPORT std::string_view to_string(LogLevel level);

/// One line of the log, as the host program's callback gets it. Views live for the call only.
struct LogRecord {
  LogLevel level = LogLevel::Info;
  std::string_view room;        ///< "store", "network", ...
  std::string_view message;     ///< One line, no secrets.
  std::string_view request_id;  ///< "req-…" of the call this belongs to, or empty.
};

/// Called from any thread, also concurrently; must not block for long nor call back into the Cloud.
using LogSink = std::function<void(const LogRecord&)>;

/// What a room logs through. A copyable value; without a sink it costs one comparison.
class CLOUDOS_EXPORT Log {
 public:
  Log() = default;
  Log(LogSink sink, std::string_view room, LogLevel least = LogLevel::Info)
      : sink_(std::move(sink)), room_(room), least_(least) {}
  Log for_room(std::string_view room) const { return Log(sink_, room, least_); }
  bool wants(LogLevel level) const { return sink_ && level >= least_; }
  void write(LogLevel level, std::string_view message, std::string_view request_id = {}) const {
    if (wants(level)) sink_(LogRecord{level, room_, message, request_id});
  }
  void debug(std::string_view message) const { write(LogLevel::Debug, message); }
  void info(std::string_view message) const { write(LogLevel::Info, message); }
  void warn(std::string_view message) const { write(LogLevel::Warning, message); }
  void error(std::string_view message) const { write(LogLevel::Error, message); }

 private:
  LogSink sink_;
  std::string room_;
  LogLevel least_ = LogLevel::Info;
};

}  // namespace cloudos

#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/clock.hpp"
#include "cloudos/log.hpp"
#include "cloudos/result.hpp"

namespace cloudosd {

enum class LogFormat : std::uint8_t {
  Text,  ///< For people: time, level, room, request id and trace if any, message.
  Json,  ///< One object a line: time, level, room, request_id, trace_id, message.
};
std::optional<LogFormat> parse_log_format(std::string_view text);  ///< "text", "json"

/// The line as written, with its end. Control characters, also those that would forge a line,
/// become '?' in text and escapes in JSON; bytes that are no UTF-8 become U+FFFD in JSON. Pure.
std::string log_line(const cloudos::LogRecord& record, cloudos::WallTime now,
                     LogFormat format = LogFormat::Text);

/// Thins out a line that a loop gone mad writes over and over. Of the same line (level, room and
/// message; not time nor request) 20 pass in ten seconds; how many did not is said afterwards.
/// Requests' own lines always pass: who reads them counts them. One thread at a time.
class RepeatLimit final {
 public:
  static constexpr std::uint32_t kPass = 20;
  static constexpr std::chrono::seconds kWindow{10};

  bool passes(const cloudos::LogRecord& record, cloudos::MonoTime now);
  /// What was held back and is over now: one sentence each, to be logged.
  struct Note {
    std::string room;
    std::string message;
  };
  std::vector<Note> notes(cloudos::MonoTime now);

 private:
  struct Slot {
    std::uint64_t hash = 0;
    cloudos::MonoTime began{};
    std::uint32_t seen = 0;
    Note held;  ///< The line; empty until one is held back.
  };
  static std::string note_text(const Slot& slot);
  std::array<Slot, 256> slots_{};
  std::vector<Note> ended_;  ///< Of slots that another line took.
  cloudos::MonoTime swept_{};
};

/// Where log lines go: stderr, or a file that can be opened anew. Each line is one write(2), so that
/// lines of several threads and processes stay whole. Thread-safe.
class LogOutput final {
 public:
  /// `path` empty: stderr. Errors: Unavailable (the file cannot be opened).
  static cloudos::Result<std::shared_ptr<LogOutput>> open(const std::filesystem::path& path,
                                                          LogFormat format);
  ~LogOutput();
  LogOutput(const LogOutput&) = delete;
  LogOutput& operator=(const LogOutput&) = delete;

  void write(const cloudos::LogRecord& record);
  void set_format(LogFormat format);
  /// Opens the file under its name again, for log rotation: rename it, then call this. No line is
  /// lost or torn; those written before go to the renamed file. stderr: nothing happens.
  /// Errors: Unavailable; the file that is open stays in use then.
  cloudos::Result<void> reopen();
  const std::filesystem::path& path() const { return path_; }

 private:
  LogOutput(std::filesystem::path path, int fd, LogFormat format);
  struct State;
  const std::filesystem::path path_;
  const int fd_;  // The same number for life: reopen() puts another file behind it.
  const std::unique_ptr<State> state_;
};

/// A sink that shares `output`.
cloudos::LogSink log_sink(std::shared_ptr<LogOutput> output);

/// Text to stderr.
cloudos::LogSink stderr_lines();

}  // namespace cloudosd

#include "cloudosd/log_lines.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <functional>
#include <mutex>

#include "base/text.hpp"

namespace cloudosd {
namespace {

using cloudos::LogRecord;

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

/// The bytes of the UTF-8 character that `text` begins with; 0: none.
std::size_t character_bytes(std::string_view text) {
  for (std::size_t size = 1; size <= 4 && size <= text.size(); ++size)
    if (cloudos::utf8_length(text.substr(0, size)) == 1u) return size;
  return 0;
}

void append_json_text(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const char c = text.front();
    const std::size_t size = character_bytes(text);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (is_control(c)) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else if (size == 0) {
      out += "\\ufffd";
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  out += '"';
}

std::string json_line(const LogRecord& record, cloudos::WallTime now) {
  std::string line = "{\"time\":\"";
  line += cloudos::format_time(now, true);
  line += "\",\"level\":\"";
  line += cloudos::to_string(record.level);
  line += '"';
  const auto member = [&line](std::string_view name, std::string_view value) {
    line += ",\"";
    line += name;
    line += "\":";
    append_json_text(line, value);
  };
  member("room", record.room);
  if (!record.request_id.empty()) member("request_id", record.request_id);
  if (!record.trace_id.empty()) member("trace_id", record.trace_id);
  member("message", record.message);
  line += "}\n";
  return line;
}

/// `text`, and blanks until it is `width` wide.
void append_column(std::string& line, std::string_view text, std::size_t width) {
  line += text;
  if (text.size() < width) line.append(width - text.size(), ' ');
  line += ' ';
}

std::string text_line(const LogRecord& record, cloudos::WallTime now) {
  // Every request writes one: one piece of memory, and no format to be read.
  std::string line;
  line.reserve(80 + record.request_id.size() + record.trace_id.size() + record.message.size());
  append_column(line, cloudos::format_time(now, true), 0);
  append_column(line, cloudos::to_string(record.level), 7);
  append_column(line, record.room, 9);
  if (!record.request_id.empty()) append_column(line, record.request_id, 0);
  if (!record.trace_id.empty()) {
    line += "trace ";
    append_column(line, record.trace_id, 0);
  }
  line += record.message;
  for (char& c : line)
    if (is_control(c)) c = '?';
  line += '\n';
  return line;
}

int open_log(const std::filesystem::path& path) {
  return ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
}

cloudos::Failure cannot_open(const std::filesystem::path& path, int number) {
  return cloudos::fail(
      cloudos::ErrorCode::Unavailable,
      fmt::format("The log {} cannot be opened: {}.", path.string(), std::strerror(number)));
}

}  // namespace

std::optional<LogFormat> parse_log_format(std::string_view text) {
  if (cloudos::equals_ignore_case(text, "text")) return LogFormat::Text;
  if (cloudos::equals_ignore_case(text, "json")) return LogFormat::Json;
  return std::nullopt;
}

std::string log_line(const LogRecord& record, cloudos::WallTime now, LogFormat format) {
  return format == LogFormat::Json ? json_line(record, now) : text_line(record, now);
}

std::string RepeatLimit::note_text(const Slot& slot) {
  return fmt::format("this line came {} times more within {} s: {}", slot.seen - kPass,
                     kWindow.count(), slot.held.message);
}

bool RepeatLimit::passes(const LogRecord& record, cloudos::MonoTime now) {
  if (record.room == "rest" && record.level == cloudos::LogLevel::Info) return true;
  std::uint64_t hash = std::hash<std::string_view>{}(record.message);
  hash ^=
      std::hash<std::string_view>{}(record.room) * 31 + static_cast<std::uint64_t>(record.level);
  Slot& slot = slots_[hash % slots_.size()];
  if (slot.hash != hash || now - slot.began >= kWindow) {
    if (!slot.held.message.empty()) ended_.push_back({slot.held.room, note_text(slot)});
    slot = Slot{hash, now, 0, {}};
  }
  if (++slot.seen <= kPass) return true;
  if (slot.held.message.empty())
    slot.held = {std::string(record.room), std::string(record.message)};
  return false;
}

std::vector<RepeatLimit::Note> RepeatLimit::notes(cloudos::MonoTime now) {
  if (now - swept_ >= kWindow) {
    swept_ = now;
    for (Slot& slot : slots_) {
      if (slot.held.message.empty() || now - slot.began < kWindow) continue;
      ended_.push_back({slot.held.room, note_text(slot)});
      slot = {};
    }
  }
  return std::exchange(ended_, {});
}

struct LogOutput::State {
  std::atomic<LogFormat> format;
  std::mutex mutex;
  RepeatLimit limit;  // By mutex.
};

LogOutput::LogOutput(std::filesystem::path path, int fd, LogFormat format)
    : path_(std::move(path)), fd_(fd), state_(std::make_unique<State>()) {
  state_->format = format;
}

LogOutput::~LogOutput() {
  if (fd_ != STDERR_FILENO) ::close(fd_);
}

cloudos::Result<std::shared_ptr<LogOutput>> LogOutput::open(const std::filesystem::path& path,
                                                            LogFormat format) {
  const int fd = path.empty() ? STDERR_FILENO : open_log(path);
  if (fd < 0) return cannot_open(path, errno);
  return std::shared_ptr<LogOutput>(new LogOutput(path, fd, format));
}

void LogOutput::set_format(LogFormat format) {
  state_->format = format;
}

void LogOutput::write(const LogRecord& record) {
  const cloudos::SystemClock clock;
  const auto now = clock.mono();
  bool passes = true;
  std::vector<RepeatLimit::Note> notes;
  {
    const std::lock_guard lock(state_->mutex);
    passes = state_->limit.passes(record, now);
    notes = state_->limit.notes(now);
  }
  const auto put = [&](const LogRecord& one) {
    const std::string line = log_line(one, clock.wall(), state_->format);
    // A log that cannot be written must not stop the cloud: there is nobody left to tell.
    [[maybe_unused]] const ssize_t written = ::write(fd_, line.data(), line.size());
  };
  for (const auto& note : notes) put({cloudos::LogLevel::Warning, note.room, note.message, {}, {}});
  if (passes) put(record);
}

cloudos::Result<void> LogOutput::reopen() {
  if (fd_ == STDERR_FILENO) return cloudos::Result<void>();
  const int fresh = open_log(path_);
  if (fresh < 0) return cannot_open(path_, errno);
  // In one step: a thread that writes meanwhile finds the one file or the other behind the number.
  const bool put = ::dup3(fresh, fd_, O_CLOEXEC) >= 0;
  const int number = errno;
  ::close(fresh);
  if (!put) return cannot_open(path_, number);
  return cloudos::Result<void>();
}

cloudos::LogSink log_sink(std::shared_ptr<LogOutput> output) {
  return [output = std::move(output)](const LogRecord& record) { output->write(record); };
}

cloudos::LogSink stderr_lines() {
  // stderr needs no opening, so this cannot fail.
  return log_sink(*LogOutput::open({}, LogFormat::Text));
}

}  // namespace cloudosd

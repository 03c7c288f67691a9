#include "cloudos/log.hpp"

#include <fmt/format.h>

#include "base/mutex.hpp"
#include "base/text.hpp"
#include "base/trace.hpp"
#include "cloudos/result.hpp"

namespace cloudos {

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::Debug: return "debug";
    case LogLevel::Info: return "info";
    case LogLevel::Warning: return "warning";
    case LogLevel::Error: return "error";
  }
  return "error";
}

namespace {

std::optional<LogLevel> log_level_of(std::string_view text) {
  for (const LogLevel level : {LogLevel::Debug, LogLevel::Info, LogLevel::Warning, LogLevel::Error})
    if (equals_ignore_case(text, to_string(level))) return level;
  return std::nullopt;
}

}  // namespace

Result<LogLevels> parse_log_levels(std::string_view text) {
  LogLevels levels;
  while (!text.empty()) {
    const auto comma = text.find(',');
    const std::string_view part = trim(text.substr(0, comma));
    text = comma == text.npos ? std::string_view() : text.substr(comma + 1);
    const auto equals = part.find('=');
    const std::string_view word = equals == part.npos ? part : trim(part.substr(equals + 1));
    const auto level = log_level_of(word);
    if (!level)
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("'{}' is no log level: debug, info, warning or error, alone or as "
                              "room=level",
                              word));
    const std::string_view room = equals == part.npos ? "" : trim(part.substr(0, equals));
    if (equals != part.npos && room.empty())
      return fail(ErrorCode::InvalidArgument, fmt::format("'{}' names no room", part));
    if (room.empty())
      levels.all = *level;
    else
      levels.rooms.insert_or_assign(std::string(room), *level);
  }
  return levels;
}

std::string to_string(const LogLevels& levels) {
  std::string text(to_string(levels.all));
  for (const auto& [room, level] : levels.rooms)
    text += fmt::format(",{}={}", room, to_string(level));
  return text;
}

struct Log::Shared {
  LogSink sink;
  Mutex mutex;
  LogLevels levels CLOUDOS_GUARDED_BY(mutex);
  // Cells stay where they are: every Log points to its room's.
  std::map<std::string, std::atomic<LogLevel>, std::less<>> cells CLOUDOS_GUARDED_BY(mutex);

  LogLevel level_of(std::string_view room) {
    const auto found = levels.rooms.find(room);
    return found == levels.rooms.end() ? levels.all : found->second;
  }
  const std::atomic<LogLevel>* cell(std::string_view room) {
    LockGuard lock(mutex);
    const auto found = cells.find(room);
    if (found != cells.end()) return &found->second;
    return &cells.try_emplace(std::string(room), level_of(room)).first->second;
  }
};

Log::Log(LogSink sink, std::string_view room, LogLevel least) : room_(room) {
  if (!sink) return;
  shared_ = std::make_shared<Shared>();
  shared_->sink = std::move(sink);
  shared_->levels.all = least;
  least_ = shared_->cell(room);
}

Log Log::for_room(std::string_view room) const {
  Log log;
  log.room_ = room;
  if (!shared_) return log;
  log.shared_ = shared_;
  log.least_ = shared_->cell(room);
  return log;
}

void Log::emit(LogLevel level, std::string_view message, std::string_view request_id) const {
  LogRecord record{level, room_, message, request_id, {}};
  if (const Work* work = current_work()) {
    if (request_id.empty()) record.request_id = work->request_id;
    if (work->trace && record.request_id == work->request_id)
      record.trace_id = work->trace->trace_id;
  }
  shared_->sink(record);
}

void Log::set_levels(const LogLevels& levels) const {
  if (!shared_) return;
  LockGuard lock(shared_->mutex);
  shared_->levels = levels;
  for (auto& [room, cell] : shared_->cells)
    cell.store(shared_->level_of(room), std::memory_order_relaxed);
}

LogLevels Log::levels() const {
  if (!shared_) return {};
  LockGuard lock(shared_->mutex);
  return shared_->levels;
}

}  // namespace cloudos

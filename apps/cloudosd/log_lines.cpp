#include "cloudosd/log_lines.hpp"

#include <fmt/format.h>
#include <unistd.h>

namespace cloudosd {

std::string log_line(const cloudos::LogRecord& record, cloudos::WallTime now) {
  std::string line = fmt::format("{} {:<7} {:<9} {}{}{}", cloudos::format_time(now, true),
                                 cloudos::to_string(record.level), record.room, record.request_id,
                                 record.request_id.empty() ? "" : " ", record.message);
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  line += '\n';
  return line;
}

cloudos::LogSink stderr_lines() {
  return [](const cloudos::LogRecord& record) {
    const std::string line = log_line(record, cloudos::SystemClock().wall());
    // A log that cannot be written must not stop the cloud: there is nobody left to tell.
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
  };
}

}  // namespace cloudosd

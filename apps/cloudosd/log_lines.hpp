#pragma once
#include "cloudos/clock.hpp"
#include "cloudos/log.hpp"

namespace cloudosd {

/// A sink that writes one line per record to stderr, each with one write(2), so that lines of
/// several threads stay whole. Control characters, also those that would forge a line, become '?'.
cloudos::LogSink stderr_lines();

/// The line as written, with its end. Pure.
std::string log_line(const cloudos::LogRecord& record, cloudos::WallTime now);

}  // namespace cloudosd

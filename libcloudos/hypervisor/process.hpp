#pragma once
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "cloudos/result.hpp"

namespace cloudos::hypervisor {

/// A program run to its end, without a shell.
struct Program {
  std::filesystem::path path;          ///< Absolute; see find_program.
  std::vector<std::string> arguments;  ///< Without the name of the program.
  std::chrono::milliseconds timeout{60'000};
  std::uint64_t memory_bytes = std::uint64_t{1} << 30;  ///< Address space it may take.
  std::chrono::seconds cpu{30};
};

struct ProgramEnd {
  int exit_code = 0;   ///< 128 + n when signal n ended it.
  std::string output;  ///< The first 16 KiB of what it wrote, both streams.
};

/// Where the program lies on the standard search path (the host program's PATH is not asked), or
/// an empty path.
std::filesystem::path find_program(std::string_view name);

/// Blocks until the program ended; it inherits no descriptor, signal mask or handler of ours, runs
/// under limits, and is killed at the timeout. Safe beside a host program with children of its own.
/// Errors: Timeout, Unavailable (could not be started).
Result<ProgramEnd> run_program(const Program& program);

}  // namespace cloudos::hypervisor

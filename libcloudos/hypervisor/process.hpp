#pragma once
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "base/process.hpp"

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

using cloudos::find_program;

/// Blocks until the program ended, under limits and to the timeout at most (base/process.hpp).
/// Errors: Timeout, Unavailable (could not be started).
Result<ProgramEnd> run_program(const Program& program);

}  // namespace cloudos::hypervisor

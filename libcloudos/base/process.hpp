#pragma once
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "cloudos/result.hpp"

namespace cloudos {

/// A program of others that is run to its end beside us: what it gets, what it may take, and what
/// ends it.
struct ChildRun {
  std::filesystem::path program;         ///< Absolute; see find_program.
  std::vector<std::string> arguments;    ///< Without its name; no shell reads them.
  std::vector<std::string> environment;  ///< "NAME=value"; nothing else is there.
  std::chrono::milliseconds time{0};     ///< On the wall.
  std::size_t output_bytes = 0;          ///< Of what it says this much is kept.
  // Limits; 0: none of ours. Cores are never written.
  std::uint64_t memory_bytes = 0;        ///< Address space.
  std::chrono::seconds cpu{0};
  std::uint64_t file_bytes = 0;          ///< The longest file it may write.
  std::uint64_t stack_bytes = 0;
  std::uint64_t files = 0;               ///< Open at one time.
  /// Works on bytes of strangers: at low priority, in "/", with no way to more rights.
  bool strangers = false;
  /// Asked now and then; an error ends it and is returned. May be empty.
  std::function<Result<void>()> go_on;
  /// Whose child it must be when it begins: another's means that we are no more.
  pid_t parent = ::getpid();
};

struct ChildEnd {
  bool exited = true;  ///< false: a signal ended it.
  int status = 0;      ///< Its code, or the signal's number.
  std::string output;  ///< Both streams.
};

/// Where the program lies on the standard search path (the host program's PATH is not asked), or an
/// empty path.
std::filesystem::path find_program(std::string_view name);

/// Runs it to its end: in a process group of its own that is killed as a whole, with /dev/null for
/// input, no descriptor, signal mask or handler of ours, and no life beyond the calling thread's,
/// however early that ends. Safe beside a host program with children of its own; where that reaps
/// ours (waitpid(-1), or SIGCHLD ignored), how it ended is not known, and that is an error. Blocks.
/// Errors: Timeout, Unsupported (a helper program is missing), Unavailable (could not be started;
/// its end is not known), and what go_on says.
Result<ChildEnd> run_child(const ChildRun& run);

}  // namespace cloudos

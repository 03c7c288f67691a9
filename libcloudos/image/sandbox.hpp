#pragma once
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "cloudos/images.hpp"
#include "image/fetch_stream.hpp"

namespace cloudos::image {

/// A program that works on bytes of strangers: what it may take, and what ends it.
struct SandboxRun {
  std::filesystem::path program;        ///< Absolute.
  std::vector<std::string> arguments;   ///< No shell reads them.
  std::uint64_t memory_bytes = 0;       ///< Address space.
  std::chrono::seconds time{0};         ///< Of CPU, and of the clock on the wall.
  std::uint64_t file_bytes = 0;         ///< The longest file it may write.
  GoOn go_on;                           ///< An error kills it and is returned.
};

/// Runs it to its end: in a process group of its own that is killed as a whole, with an empty
/// environment (but for MALLOC_ARENA_MAX), /dev/null for input, no descriptor of ours, low
/// priority, no way to more rights, and no life beyond the calling thread's, however early that
/// ends (base/process.hpp). Blocks.
/// Returns what it wrote, the first 4 KiB of both streams.
/// Errors: InvalidArgument (it failed, or took more than it may: the message says what),
/// Timeout, Unsupported (a helper program is missing), Unavailable, and what go_on says.
Result<std::string> run_sandboxed(const SandboxRun& run);

/// How images are converted.
struct ConversionRules {
  std::filesystem::path qemu_img;
  std::uint64_t memory_bytes = 0;
  std::chrono::seconds time{0};
  std::uint64_t most_bytes = 0;  ///< Of the file that comes out.
};

/// Writes the disk in `from`, which was inspected and is of this format, to the new file `to`.
/// Both formats are said and never guessed. `to` is gone after an error. Blocks.
/// Errors: as run_sandboxed(); Unsupported (formats).
Result<void> convert_disk(const ConversionRules& rules, const std::filesystem::path& from,
                          DiskFormat from_format, const std::filesystem::path& to,
                          DiskFormat to_format, const GoOn& go_on);

}  // namespace cloudos::image

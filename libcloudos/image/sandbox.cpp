#include "image/sandbox.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include "base/process.hpp"
#include "image/inspect_formats.hpp"

namespace cloudos::image {
namespace {

constexpr std::size_t kSandboxOutputBytes = 4'096;
constexpr std::size_t kSandboxStackBytes = 1 << 20;  ///< Of each of its threads.
constexpr std::uint64_t kSandboxFiles = 64;

Failure bad_end(const SandboxRun& run, ChildEnd end) {
  std::string why = fmt::format("it ended with code {}", end.status);
  if (!end.exited && end.status == SIGXFSZ) {
    why = fmt::format("what it writes is longer than {} bytes", run.file_bytes);
  } else if (!end.exited && end.status == SIGXCPU) {
    why = fmt::format("it took more than {} seconds of CPU", run.time.count());
  } else if (!end.exited) {
    why = fmt::format("signal {} ended it", end.status);
  }
  // Its own words may tell of paths: they go to the log.
  return fail(ErrorCode::InvalidArgument,
              fmt::format("{} refused the data: {}", run.program.filename().native(), why),
              std::move(end.output));
}

Result<std::string_view> tool_format(DiskFormat format) {
  switch (format) {
    case DiskFormat::Raw:
    case DiskFormat::Iso:
    case DiskFormat::Ami:
      return std::string_view("raw");
    case DiskFormat::Qcow2:
      return std::string_view("qcow2");
    case DiskFormat::Vmdk:
      return std::string_view("vmdk");
    case DiskFormat::Vhd:
      return std::string_view("vpc");
    case DiskFormat::Vhdx:
      return std::string_view("vhdx");
    case DiskFormat::Vdi:
      return std::string_view("vdi");
    default:
      return fail(ErrorCode::Unsupported,
                  fmt::format("{} cannot be converted", cloudos::to_string(format)));
  }
}

}  // namespace

Result<std::string> run_sandboxed(const SandboxRun& run) {
  if (!run.program.is_absolute() || ::access(run.program.c_str(), X_OK) != 0) {
    return fail(ErrorCode::Unsupported,
                fmt::format("{} is missing: install the package qemu-utils", run.program.native()));
  }
  ChildRun child;
  child.program = run.program;
  child.arguments = run.arguments;
  // Each thread may else set 64 MiB of addresses aside for a heap of its own: with the limit on
  // addresses a dozen of them is too many.
  child.environment = {"MALLOC_ARENA_MAX=1"};
  child.time = child.cpu = run.time;
  child.output_bytes = kSandboxOutputBytes;
  child.memory_bytes = run.memory_bytes;
  child.file_bytes = run.file_bytes;
  child.stack_bytes = kSandboxStackBytes;
  child.files = kSandboxFiles;
  child.strangers = true;
  child.go_on = run.go_on;
  auto end = run_child(child);
  if (!end && end.error().code == ErrorCode::Timeout) {
    return fail(ErrorCode::Timeout,
                fmt::format("{} did not end within {} seconds", run.program.filename().native(),
                            run.time.count()));
  }
  if (!end) return fail(std::move(end).error());
  if (!end->exited || end->status != 0) return bad_end(run, std::move(*end));
  return std::move(end->output);
}

Result<void> convert_disk(const ConversionRules& rules, const std::filesystem::path& from,
                          DiskFormat from_format, const std::filesystem::path& to,
                          DiskFormat to_format, const GoOn& go_on) {
  CLOUDOS_TRY(const std::string_view in, tool_format(from_format));
  CLOUDOS_TRY(const std::string_view out, tool_format(to_format));
  if (!from.is_absolute() || !to.is_absolute()) {
    return fail(ErrorCode::Internal, "paths for a conversion must be absolute");
  }
  SandboxRun run;
  run.program = rules.qemu_img;
  run.arguments = {"convert", "-q", "-f", std::string(in), "-O",       std::string(out),
                   "-m",      "1",  "--", from.native(),   to.native()};
  run.memory_bytes = rules.memory_bytes;
  run.time = rules.time;
  run.file_bytes = rules.most_bytes;
  run.go_on = go_on;
  (void)::unlink(to.c_str());
  const auto done = run_sandboxed(run);
  if (done) return Result<void>();
  (void)::unlink(to.c_str());
  return fail(done.error());
}

}  // namespace cloudos::image

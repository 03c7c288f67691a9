#include "hypervisor/process.hpp"

namespace cloudos::hypervisor {
namespace {

constexpr std::size_t kOutputBytes = 16 << 10;
constexpr char kSearchPath[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

}  // namespace

Result<ProgramEnd> run_program(const Program& program) {
  ChildRun run;
  run.program = program.path;
  run.arguments = program.arguments;
  run.environment = {kSearchPath, "LC_ALL=C"};  // Messages are matched above us.
  run.time = program.timeout;
  run.output_bytes = kOutputBytes;
  run.memory_bytes = program.memory_bytes;
  run.cpu = program.cpu;
  CLOUDOS_TRY(auto end, run_child(run));
  return ProgramEnd{end.exited ? end.status : 128 + end.status, std::move(end.output)};
}

}  // namespace cloudos::hypervisor

#include <fcntl.h>

#include "image/sandbox.hpp"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "image/world.hpp"

// What runs beside us on bytes of strangers. These tests start real programs.
using namespace cloudos;
using namespace image_test;
using image::SandboxRun;

namespace {

SandboxRun shell(const std::string& script) {
  SandboxRun run;
  run.program = "/bin/sh";
  run.arguments = {"-c", script};
  run.memory_bytes = std::uint64_t{1} << 30;
  run.time = std::chrono::seconds(20);
  run.file_bytes = 1 << 20;
  return run;
}

bool have_qemu_img() {
  const bool there = ::access("/usr/bin/qemu-img", X_OK) == 0;
  if (!there) MESSAGE("skipped: qemu-img is not installed");
  return there;
}

image::ConversionRules rules() {
  return {"/usr/bin/qemu-img", std::uint64_t{1} << 30, std::chrono::seconds(60), 1 << 30};
}

}  // namespace

TEST_CASE("a program in the sandbox has nothing of ours") {
  ::setenv("CLOUDOS_TEST_SECRET", "hunter2", 1);
  const Folder folder;
  const int leaked = ::open(folder.path.c_str(), 0);  // Without O_CLOEXEC, as a host may do.
  const auto said = image::run_sandboxed(
      shell("env; echo fds: /proc/self/fd/*; cat; pwd; nice; ulimit -c; "
            "grep NoNewPrivs /proc/self/status; ps -o pgid= -p $$ 2>/dev/null; echo pid $$"));
  ::close(leaked);
  ::unsetenv("CLOUDOS_TEST_SECRET");
  REQUIRE(said);
  CAPTURE(*said);
  CHECK(said->find("hunter2") == std::string::npos);
  CHECK(said->find("HOME=") == std::string::npos);
  CHECK(said->find("/fd/" + std::to_string(leaked) + " ") == std::string::npos);
  CHECK(said->find("NoNewPrivs:\t1") != std::string::npos);
  CHECK(said->find("\n/\n") != std::string::npos);  // Its folder is no one's.
}

TEST_CASE("a program that takes more than it may is ended and the caller told") {
  const Folder folder;
  const std::string file = (folder.path / "big").native();
  struct Row {
    std::string what, script;
    std::chrono::seconds time;
    ErrorCode code;
    const char* says;
  };
  const Row rows[] = {
      {"output", "exec /bin/dd if=/dev/zero of=" + file + " bs=65536 count=1000 2>/dev/null",
       std::chrono::seconds(20), ErrorCode::InvalidArgument, "longer than"},
      {"CPU", "while :; do :; done", std::chrono::seconds(1), ErrorCode::InvalidArgument, ""},
      {"wall time", "exec /bin/sleep 30", std::chrono::seconds(1), ErrorCode::Timeout, "1 seconds"},
      {"failure", "exit 3", std::chrono::seconds(20), ErrorCode::InvalidArgument, "code 3"},
      {"memory", "exec /usr/bin/head -c 2000000000 /dev/zero | /usr/bin/tail -c 1999999999 "
                 ">/dev/null || exit 7; exit 7",
       std::chrono::seconds(20), ErrorCode::InvalidArgument, ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    SandboxRun run = shell(row.script);
    run.time = row.time;
    if (row.what == "memory") run.memory_bytes = 128 << 20;
    const auto said = image::run_sandboxed(run);
    REQUIRE_FALSE(said);
    CAPTURE(said.error().message);
    const bool timed = row.what == "CPU" && said.error().code == ErrorCode::Timeout;
    CHECK((said.error().code == row.code || timed));
    CHECK(said.error().message.find(row.says) != std::string::npos);
  }
}

TEST_CASE("cancelling ends a program and whatever it started") {
  const Folder folder;
  const std::string pids = (folder.path / "pids").native();
  SandboxRun run = shell("/bin/sleep 300 & echo $! >" + pids + "; wait");
  run.go_on = [&]() -> Result<void> {
    std::ifstream file(pids);
    int pid = 0;
    if (!(file >> pid)) return Result<void>();
    return fail(ErrorCode::Cancelled, "enough");
  };
  const auto said = image::run_sandboxed(run);
  REQUIRE_FALSE(said);
  CHECK(said.error().code == ErrorCode::Cancelled);
  int pid = 0;
  std::ifstream(pids) >> pid;
  REQUIRE(pid > 0);
  // Gone, or somebody's zombie that has not been waited for yet: the kernel needs a moment for it.
  std::string state;
  for (int look = 0; look < 5'000; ++look) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string skip;
    state = "gone";
    if (stat >> skip >> skip) stat >> state;
    if (state == "gone" || state == "Z" || state == "X") break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK((state == "gone" || state == "Z" || state == "X"));
}

TEST_CASE("a program that is not there is named, with what to install") {
  SandboxRun run = shell("");
  run.program = "/usr/bin/no-such-qemu-img";
  const auto said = image::run_sandboxed(run);
  REQUIRE_FALSE(said);
  CHECK(said.error().code == ErrorCode::Unsupported);
  CHECK(said.error().message.find("qemu-utils") != std::string::npos);
}

TEST_CASE("disks are converted between the formats that are said") {
  if (!have_qemu_img()) return;
  const Folder folder;
  const auto raw = folder.path / "raw";
  std::string bytes(3 << 20, '\0');
  for (std::size_t i = 0; i < bytes.size(); i += 4'096) bytes[i] = static_cast<char>(i >> 12);
  std::ofstream(raw, std::ios::binary) << bytes;
  std::filesystem::path from = raw;
  DiskFormat format = DiskFormat::Raw;
  for (const DiskFormat next : {DiskFormat::Qcow2, DiskFormat::Vmdk, DiskFormat::Vdi,
                                DiskFormat::Vhdx, DiskFormat::Raw}) {
    const auto to = folder.path / std::string(to_string(next)).append("-out");
    const auto done = image::convert_disk(rules(), from, format, to, next, {});
    const std::string why = done ? "" : done.error().message + done.error().detail;
    INFO(why);
    REQUIRE(done);
    from = to;
    format = next;
  }
  std::ifstream file(from, std::ios::binary);
  const std::string back((std::istreambuf_iterator<char>(file)), {});
  CHECK(back == bytes);
}

TEST_CASE("a conversion that fails leaves no file, and guesses no format (OSSA-2026-002)") {
  if (!have_qemu_img()) return;
  const Folder folder;
  const auto to = folder.path / "out";
  // A qcow2 that leads to another file, said to be raw: its bytes are copied, nothing is followed.
  std::ofstream(folder.path / "secret") << std::string(1 << 20, 's');
  std::ofstream(folder.path / "trick", std::ios::binary)
      << qcow2_with_backing((folder.path / "secret").native()).bytes;
  REQUIRE(image::convert_disk(rules(), folder.path / "trick", DiskFormat::Raw, to, DiskFormat::Raw,
                              {}));
  std::ifstream file(to, std::ios::binary);
  const std::string copied((std::istreambuf_iterator<char>(file)), {});
  CHECK(copied.starts_with("QFI\xfb"));
  // Plain bytes, said to be qcow2.
  std::ofstream(folder.path / "plain") << std::string(4'096, 'x');
  CHECK(code_of(image::convert_disk(rules(), folder.path / "plain", DiskFormat::Qcow2, to,
                                    DiskFormat::Raw, {})) == ErrorCode::InvalidArgument);
  CHECK_FALSE(std::filesystem::exists(to));
  // More than it may write.
  std::ofstream(folder.path / "long", std::ios::binary) << std::string(4 << 20, 'x');
  image::ConversionRules tight = rules();
  tight.most_bytes = 1 << 20;
  CHECK(code_of(image::convert_disk(tight, folder.path / "long", DiskFormat::Raw, to,
                                    DiskFormat::Raw, {})) == ErrorCode::InvalidArgument);
  CHECK_FALSE(std::filesystem::exists(to));
  // Stopped half-way.
  std::atomic<int> asked{0};
  const auto stopped = image::convert_disk(
      rules(), folder.path / "long", DiskFormat::Raw, to, DiskFormat::Raw, [&]() -> Result<void> {
        ++asked;
        return fail(ErrorCode::Cancelled, "enough");
      });
  CHECK(code_of(stopped) == ErrorCode::Cancelled);
  CHECK_FALSE(std::filesystem::exists(to));
  CHECK(code_of(image::convert_disk(rules(), folder.path / "long", DiskFormat::Ari, to,
                                    DiskFormat::Raw, {})) == ErrorCode::Unsupported);
}

// What the host tells about its own start.
#include "hypervisor/host.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace cloudos;

namespace {

/// A /proc of our own.
class FakeProc {
 public:
  FakeProc() {
    std::string name = std::filesystem::temp_directory_path() / "cloudos-proc-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~FakeProc() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  void put(const std::string& file, const std::string& text) const {
    std::filesystem::create_directories((path / file).parent_path());
    std::ofstream(path / file) << text;
  }
  std::filesystem::path path;
};

std::string first_process(const std::string& name, const std::string& began) {
  return "1 (" + name + ") S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 " + began + " 0 0\n";
}

}  // namespace

TEST_CASE("a start of the machine is its kernel's, and in a container that of its first process") {
  const FakeProc proc;
  CHECK(hypervisor::machine_boot(proc.path).empty());
  proc.put("sys/kernel/random/boot_id", "aaaa-bbbb\n");
  CHECK(hypervisor::machine_boot(proc.path) == "aaaa-bbbb");
  proc.put("1/stat", first_process("init", "42"));
  CHECK(hypervisor::machine_boot(proc.path) == "aaaa-bbbb/42");
  proc.put("1/stat", first_process("my ) (init", "43"));
  CHECK(hypervisor::machine_boot(proc.path) == "aaaa-bbbb/43");
  proc.put("1/stat", "nonsense");
  CHECK(hypervisor::machine_boot(proc.path) == "aaaa-bbbb");
  // Of this machine: known, and the same each time.
  CHECK_FALSE(hypervisor::machine_boot().empty());
  CHECK(hypervisor::machine_boot() == hypervisor::machine_boot());
}

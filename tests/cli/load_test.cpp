// What the program loads before it can do anything: most of the time of a command over HTTP.
#include <algorithm>

#include "support/program.hpp"

using namespace program_test;

namespace {

/// The shared libraries that the loader finds for a program, which is not run.
std::vector<std::string> loaded_by(const std::string& program) {
  const Ran listed = run_program({program}, {{"LD_TRACE_LOADED_OBJECTS", "1"}});
  REQUIRE(listed.code == 0);
  std::vector<std::string> libraries;
  std::istringstream lines(listed.out);
  for (std::string line; std::getline(lines, line);) {
    const auto begin = line.find_first_not_of(" \t");
    if (begin != line.npos) libraries.push_back(line.substr(begin, line.find(' ', begin) - begin));
  }
  return libraries;
}

}  // namespace

TEST_CASE("the client of HTTP loads what HTTP and YAML need, and nothing of what runs a cloud") {
  const auto libraries = loaded_by(CLOUDOS_PROGRAM);
  std::string all;
  for (const std::string& library : libraries) all += library + " ";
  CAPTURE(all);
  // A sanitizer brings a few of its own.
  CHECK(libraries.size() >= 4);
  CHECK(libraries.size() <= 20);
  for (const char* foreign :
       {"libvirt", "liblmdb", "libnftables", "libcrypt.", "libglib", "libargon"})
    CHECK(all.find(foreign) == all.npos);
}

// One program per target: libFuzzer's entry for the target named at compile time.
#include <cstddef>
#include <cstdint>

#include "fuzz/targets.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  cloudos::fuzz::CLOUDOS_FUZZ_RUN({reinterpret_cast<const char*>(data), size});
  return 0;
}

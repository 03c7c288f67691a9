#pragma once
#include <cstdint>

#include "cloudos/metrics.hpp"

namespace cloudos {

/// What the kernel says of this process. A number that it does not tell is 0.
struct ProcessFacts {
  std::uint64_t anon_bytes = 0;      ///< Memory of its own; pages of mapped files are not in it.
  std::uint64_t resident_bytes = 0;  ///< All that is in memory, the store's mapped pages too.
  std::uint64_t open_files = 0;
  std::uint64_t most_files = 0;      ///< RLIMIT_NOFILE
  std::uint64_t threads = 0;
  double cpu_seconds = 0;
};
ProcessFacts read_process();
void report_process(MetricsReading& reading);

}  // namespace cloudos

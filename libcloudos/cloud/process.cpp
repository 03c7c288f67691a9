#include "cloud/process.hpp"

#include <dirent.h>
#include <sys/resource.h>

#include <fstream>

#include "base/text.hpp"

namespace cloudos {

namespace {

std::uint64_t count_descriptors() {
  DIR* const folder = ::opendir("/proc/self/fd");
  if (!folder) return 0;
  std::uint64_t count = 0;
  while (::readdir(folder) != nullptr) ++count;
  ::closedir(folder);
  return count > 3 ? count - 3 : 0;  // Less ".", ".." and the folder's own.
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

ProcessFacts read_process() {
  ProcessFacts facts;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    const auto colon = line.find(':');
    if (colon == line.npos) continue;
    const std::string_view name = std::string_view(line).substr(0, colon);
    std::string_view rest = trim(std::string_view(line).substr(colon + 1));
    const auto number = parse_unsigned(rest.substr(0, rest.find(' '))).value_or(0);
    if (name == "RssAnon") facts.anon_bytes = number << 10;
    if (name == "VmRSS") facts.resident_bytes = number << 10;
    if (name == "Threads") facts.threads = number;
  }
  facts.open_files = count_descriptors();
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) facts.most_files = files.rlim_cur;
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0)
    facts.cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
  return facts;
}

void report_process(MetricsReading& reading) {
  const ProcessFacts facts = read_process();
  const auto number = [](std::uint64_t value) { return static_cast<double>(value); };
  reading.gauge("cloudos_process_anon_bytes",
                "Resident memory of the process's own (RssAnon), without mapped files.",
                number(facts.anon_bytes));
  reading.gauge("process_resident_memory_bytes", "Resident memory, mapped files too.",
                number(facts.resident_bytes));
  reading.gauge("process_open_fds", "Open file descriptors.", number(facts.open_files));
  reading.gauge("process_max_fds", "Descriptors that may be open.", number(facts.most_files));
  reading.gauge("cloudos_process_threads", "Threads of the process.", number(facts.threads));
  reading.counter("process_cpu_seconds_total", "CPU time, user and system.", facts.cpu_seconds);
}

}  // namespace cloudos

#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <thread>

#include "bench.hpp"

namespace cloudos::bench {

namespace {

struct Group {
  std::string_view name;
  std::vector<Figure> (*run)(const Settings&);
};

// A group of cases is one file; this is the table of them.
constexpr Group kGroups[] = {
    {"cli", bench_cli},           {"compute", bench_compute},
    {"http", bench_http},         {"hypervisor", bench_hypervisor},
    {"identity", bench_identity}, {"image", bench_image},
    {"network", bench_network},   {"store", bench_store},
    {"startup", bench_startup},
};

std::filesystem::path& folder_in_use() {
  static std::filesystem::path folder;
  return folder;
}

/// A case that gives up leaves by exit(): servers that it started and its data go along.
void clear_up() {
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream children(thread.path() / "children");
    for (pid_t child = 0; children >> child;) {
      ::kill(child, SIGTERM);
      ::waitpid(child, nullptr, 0);
    }
  }
  std::error_code ignored;
  if (!folder_in_use().empty()) std::filesystem::remove_all(folder_in_use(), ignored);
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void print(const std::vector<Figure>& figures) {
  fmt::print("{{\n  \"cores\": {},\n  \"figures\": [", std::thread::hardware_concurrency());
  const char* comma = "\n";
  for (const Figure& f : figures) {
    fmt::print(
        "{}    {{\"name\": \"{}\", \"what\": \"{}\", \"unit\": \"{}\",\n"
        "     \"ours\": {:.1f}, \"reference\": {:.1f}, \"ratio\": {:.2f}, "
        "\"ratio_least\": {:.2f}, \"ratio_most\": {:.2f}",
        comma, f.name, f.what, f.unit, f.ours, f.reference, f.ratio, f.ratio_least, f.ratio_most);
    if (f.cpu_us_per_request > 0)
      fmt::print(", \"cpu_us_per_request\": {:.1f}", f.cpu_us_per_request);
    if (f.reference_cpu_us_per_request > 0)
      fmt::print(", \"reference_cpu_us_per_request\": {:.1f}", f.reference_cpu_us_per_request);
    fmt::print("}}");
    comma = ",\n";
  }
  fmt::print("\n  ]\n}}\n");
}

int usage() {
  fmt::print(
      stderr,
      "usage: cloudos_bench [--quick] [--dir FOLDER] [--compare URL] [--compare-images URL] [GROUP[.CASE]...]\ngroups:");
  for (const Group& group : kGroups) fmt::print(stderr, " {}", group.name);
  fmt::print(stderr, "\n");
  return 2;
}

int run(const std::vector<std::string_view>& words) {
  Settings settings{.folder = std::filesystem::temp_directory_path()};
  std::vector<const Group*> chosen;
  for (std::size_t i = 0; i < words.size(); ++i) {
    // "compute", or a case of it: "compute.boots".
    const std::string_view name = words[i].substr(0, words[i].find('.'));
    const auto* const group = std::find_if(std::begin(kGroups), std::end(kGroups),
                                           [&](const Group& g) { return g.name == name; });
    if (words[i] == "--quick") {
      settings.quick = true;
    } else if (words[i] == "--dir" && i + 1 < words.size()) {
      settings.folder = words[++i];
    } else if (words[i] == "--compare" && i + 1 < words.size()) {
      settings.peer = words[++i];
    } else if (words[i] == "--compare-images" && i + 1 < words.size()) {
      settings.peer_images = words[++i];
    } else if (group != std::end(kGroups)) {
      if (std::find(chosen.begin(), chosen.end(), group) == chosen.end()) chosen.push_back(group);
      settings.cases.emplace_back(words[i]);
    } else {
      return usage();
    }
  }
  if (chosen.empty())
    for (const Group& group : kGroups) chosen.push_back(&group);
  std::string folder = (settings.folder / "cloudos-bench-XXXXXX").native();
  if (!::mkdtemp(folder.data())) {
    fmt::print(stderr, "cloudos_bench: cannot write to {}\n", settings.folder.native());
    return 1;
  }
  settings.folder = folder_in_use() = folder;
  std::atexit(clear_up);
  std::vector<Figure> figures;
  for (const Group* group : chosen) {
    for (Figure& figure : group->run(settings)) figures.push_back(std::move(figure));
  }
  print(figures);
  return 0;
}

}  // namespace

void Rounds::add(double ours, double reference) {
  ours_.push_back(ours);
  reference_.push_back(reference);
}

Figure Rounds::figure(std::string name, std::string what, std::string unit) const {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < ours_.size(); ++i) ratios.push_back(ours_[i] / reference_[i]);
  const auto [least, most] = std::minmax_element(ratios.begin(), ratios.end());
  return {std::move(name),    std::move(what), std::move(unit), median(ours_),
          median(reference_), median(ratios),  *least,          *most,
          cpu_us_.empty() ? 0 : median(cpu_us_), 0};
}

}  // namespace cloudos::bench

int main(int argc, char** argv) {
  return cloudos::bench::run({argv + 1, argv + argc});
}

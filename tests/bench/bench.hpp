#pragma once
#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

/// Measures against a reference taken in the same minute on the same machine: a ratio travels, an
/// absolute time does not. Nothing here asserts.
namespace cloudos::bench {

struct Settings {
  std::filesystem::path folder;  ///< For data; on the disk to be measured. Emptied afterwards.
  bool quick = false;            ///< Tiny counts: shows that it runs, measures nothing.
  /// "http://127.0.0.1:5000/v3": an Identity service of another make, to measure beside ours.
  std::string peer;
  std::vector<std::string> cases;  ///< "compute.boots": only cases that begin so. Empty: all.

  bool wants(std::string_view name) const {
    if (cases.empty()) return true;
    return std::any_of(cases.begin(), cases.end(), [&](const std::string& wanted) {
      return name.starts_with(wanted) || std::string_view(wanted).starts_with(name);
    });
  }
};

/// One result. `ratio` is the median over rounds of ours/reference, each round taken together.
struct Figure {
  std::string name;  ///< "store.one_caller"
  std::string what;  ///< What was counted, on both sides.
  std::string unit;  ///< Of `ours` and `reference`: "commits/s".
  double ours = 0;   ///< Median over rounds.
  double reference = 0;
  double ratio = 0;
  double ratio_least = 0;  ///< Of the rounds.
  double ratio_most = 0;
};

/// Takes both sides of each round and makes the figure of them.
class Rounds {
 public:
  void add(double ours, double reference);
  Figure figure(std::string name, std::string what, std::string unit) const;

 private:
  std::vector<double> ours_, reference_;
};

std::vector<Figure> bench_compute(const Settings& settings);
std::vector<Figure> bench_http(const Settings& settings);
std::vector<Figure> bench_hypervisor(const Settings& settings);
std::vector<Figure> bench_identity(const Settings& settings);
std::vector<Figure> bench_image(const Settings& settings);
std::vector<Figure> bench_store(const Settings& settings);
std::vector<Figure> bench_startup(const Settings& settings);

}  // namespace cloudos::bench

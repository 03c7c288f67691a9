#pragma once
#include <filesystem>
#include <string>
#include <vector>

/// Measures against a reference taken in the same minute on the same machine: a ratio travels, an
/// absolute time does not. Nothing here asserts.
namespace cloudos::bench {

struct Settings {
  std::filesystem::path folder;  ///< For data; on the disk to be measured. Emptied afterwards.
  bool quick = false;            ///< Tiny counts: shows that it runs, measures nothing.
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

std::vector<Figure> bench_hypervisor(const Settings& settings);
std::vector<Figure> bench_store(const Settings& settings);
std::vector<Figure> bench_startup(const Settings& settings);

}  // namespace cloudos::bench

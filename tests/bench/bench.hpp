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
  std::string peer_images;  ///< The same, of an Image service: "http://127.0.0.1:9292/v2".
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
  /// CPU of our server (both modes, all threads) for one request, median over rounds; 0: not
  /// counted. Unlike a rate it hardly depends on what else runs.
  double cpu_us_per_request = 0;
  double reference_cpu_us_per_request = 0;  ///< The same of a peer.
};

/// Takes both sides of each round and makes the figure of them.
class Rounds {
 public:
  void add(double ours, double reference);
  /// The same, and what our server's CPU had to do for one request.
  void add(double ours, double reference, double cpu_us) {
    add(ours, reference);
    cpu_us_.push_back(cpu_us);
  }
  Figure figure(std::string name, std::string what, std::string unit) const;

 private:
  std::vector<double> ours_, reference_, cpu_us_;
};

std::vector<Figure> bench_cli(const Settings& settings);
std::vector<Figure> bench_compute(const Settings& settings);
std::vector<Figure> bench_http(const Settings& settings);
std::vector<Figure> bench_hypervisor(const Settings& settings);
std::vector<Figure> bench_identity(const Settings& settings);
std::vector<Figure> bench_image(const Settings& settings);
std::vector<Figure> bench_network(const Settings& settings);
/// The cases of group "network" that need a host: network.host_….
std::vector<Figure> bench_plane(const Settings& settings);
/// Its cases by HTTP, network.http_…; called on a host of their own.
std::vector<Figure> bench_plane_http(const Settings& settings);
/// network.idle_1000; called so, too.
Figure bench_plane_idle(const Settings& settings);
std::vector<Figure> bench_store(const Settings& settings);
std::vector<Figure> bench_startup(const Settings& settings);

class Daemon;
/// http.list_ports_1000 and http.post_ports, as far as they are wanted.
std::vector<Figure> bench_http_ports(const Settings& settings, const Daemon& daemon,
                                     const std::string& token);

}  // namespace cloudos::bench

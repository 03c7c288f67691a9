#pragma once
#include <functional>
#include <string>
#include <vector>

#include "cloudos/log.hpp"
#include "cloudos/result.hpp"
#include "cloudosd/options.hpp"

namespace cloudosd {

/// Reads the configuration again and applies what can be applied while the cloud runs. One thread.
///
/// A configuration with anything wrong in it is not applied at all, and everything that is wrong
/// is logged. A part that fails for a reason outside the file (a certificate that is none) keeps
/// what it had; the other parts go on.
class Reloader final {
 public:
  using Apply = std::function<cloudos::Result<void>(const cloudos::config::Settings&)>;
  /// `now`: what the process was started with.
  Reloader(Invocation invocation, cloudos::config::Settings now, cloudos::Log log)
      : invocation_(std::move(invocation)), now_(std::move(now)), log_(std::move(log)) {}

  /// A part called at every reload, also when none of its keys changed: files that keys name may
  /// have. `sections`: whose reloadable keys are in force once it succeeds.
  void add(std::string what, std::vector<std::string> sections, Apply apply);

  /// True: all of it is in force but what needs a restart.
  bool reload();
  const cloudos::config::Settings& now() const { return now_; }

 private:
  struct Part {
    std::string what;
    std::vector<std::string> sections;
    Apply apply;
  };
  void name_restarts(const cloudos::config::Settings& next) const;
  void keep(const Part& part, const cloudos::config::Settings& next);

  Invocation invocation_;
  cloudos::config::Settings now_;
  cloudos::Log log_;
  std::vector<Part> parts_;
};

}  // namespace cloudosd

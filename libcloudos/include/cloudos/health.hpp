#pragma once
#include <string>
#include <vector>

namespace cloudos {

/// One thing that a cloud needs to serve.
struct HealthCheck {
  std::string name;  ///< "store", "runner", "hypervisor", "network"
  bool ok = true;
  std::string why;   ///< What is wrong, in one sentence; empty when ok.
};

/// Is a cloud fit to take requests now? What /readyz answers.
struct Health {
  std::vector<HealthCheck> checks;
  bool ready() const {
    for (const HealthCheck& check : checks)
      if (!check.ok) return false;
    return true;
  }
};

}  // namespace cloudos

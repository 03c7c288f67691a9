#pragma once
#include <memory>
#include <string>

#include "base/mutex.hpp"
#include "base/trace.hpp"
#include "cloudos/health.hpp"
#include "cloudos/hypervisor.hpp"
#include "cloudos/metrics.hpp"
#include "cloudos/network_driver.hpp"

/// Drivers as the services get them: each call is counted, measured, traced and handed on.
namespace cloudos {

/// Whether a driver answers, by the last of those calls that are made on a period. Thread-safe.
class DriverPulse final {
 public:
  explicit DriverPulse(std::string what) : what_(std::move(what)) {}
  void note(const Error* error);
  HealthCheck check() const;

 private:
  const std::string what_;
  mutable Mutex mutex_;
  bool heard_ CLOUDOS_GUARDED_BY(mutex_) = false;
  std::string why_ CLOUDOS_GUARDED_BY(mutex_);
};

/// What observing needs. Outlives the drivers' wrappers.
struct DriverWatch {
  Metrics& metrics;
  const Tracer& tracer;
  const Clock& clock;
};

struct ObservedHypervisor {
  std::shared_ptr<hypervisor::Driver> driver;  ///< Of the services and of whoever passed it in.
  std::shared_ptr<DriverPulse> pulse;          ///< Of the driver and of the health check.
};
ObservedHypervisor observe_hypervisor(const DriverWatch& watch,
                                      std::shared_ptr<hypervisor::Driver> driver);

struct ObservedMechanism {
  std::shared_ptr<network::MechanismDriver> driver;
  std::shared_ptr<DriverPulse> pulse;
};
ObservedMechanism observe_mechanism(const DriverWatch& watch,
                                    std::shared_ptr<network::MechanismDriver> driver);

}  // namespace cloudos

#pragma once
#include <memory>
#include <string>
#include <vector>

#include "cloud/observed.hpp"
#include "cloudos/cloud.hpp"
#include "cloudos/metrics.hpp"
#include "cloudos/store.hpp"
#include "tasks/runner.hpp"

namespace cloudos {

/// Everything that looks at a cloud from the side: metrics, traces, health, the dump of its state.
/// Thread-safe after watch().
class Observatory final {
 public:
  /// `options` has its clock and randomness, and outlives this.
  explicit Observatory(const Options& options);
  ~Observatory();

  /// Shared with the store, which a host program may keep for longer.
  const std::shared_ptr<Metrics> shared_metrics = std::make_shared<Metrics>();
  Metrics& metrics = *shared_metrics;
  const Tracer tracer;

  std::shared_ptr<hypervisor::Driver> observe(std::shared_ptr<hypervisor::Driver> driver);
  std::shared_ptr<network::MechanismDriver> observe(
      std::shared_ptr<network::MechanismDriver> driver);

  /// Begins to look. Until stop() all three must live.
  void watch(store::Store& store, Executor& executor, TaskRunner& runner);
  void stop();

  Health health();
  std::string dump() const;

 private:
  struct Probe;
  void collect(MetricsReading& reading) const;
  void collect_drivers(MetricsReading& reading) const;
  HealthCheck check_store() const;
  HealthCheck check_runner();
  HealthCheck check_hypervisors() const;
  std::vector<HealthCheck> check_drivers() const;

  const Options& options_;
  const MonoTime began_;
  store::Store* store_ = nullptr;
  Executor* executor_ = nullptr;
  TaskRunner* runner_ = nullptr;
  const std::shared_ptr<Probe> probe_;  // Shared with the closure that waits in the executor.
  std::vector<std::shared_ptr<DriverPulse>> hypervisors_, mechanisms_;
  Metrics::Collector collector_;
};

}  // namespace cloudos

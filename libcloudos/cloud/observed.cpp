#include "cloud/observed.hpp"

#include <fmt/format.h>

namespace cloudos {

namespace {

/// The durations of one verb of one driver, by how it ended.
struct VerbMeter {
  VerbMeter(Metrics& metrics, std::string_view driver, std::string_view verb)
      : ok(meter(metrics, driver, verb, "ok")), failed(meter(metrics, driver, verb, "failed")) {}
  static Histogram& meter(Metrics& metrics, std::string_view driver, std::string_view verb,
                          std::string_view outcome) {
    return metrics.histogram("cloudos_driver_call_seconds",
                             "Time of one call of a driver, by driver, verb and outcome.",
                             Buckets::seconds(),
                             {{"driver", std::string(driver)},
                              {"verb", std::string(verb)},
                              {"outcome", std::string(outcome)}});
  }
  Histogram& ok;
  Histogram& failed;
};

template <class T>
const Error* error_of(const Result<T>& result) {
  return result ? nullptr : &result.error();
}

/// Calls, measures and traces. `id` is the thing's that the call is about, or empty.
template <class Call>
auto observed_call(const DriverWatch& watch, VerbMeter& meter, std::string_view driver,
                   std::string_view verb, std::string_view kind, const std::string& id,
                   const Call& call) {
  SpanScope span(&watch.tracer, fmt::format("{} {}", driver, verb));
  if (!id.empty()) span.attribute(fmt::format("{}.id", kind), id);
  const MonoTime began = watch.clock.mono();
  auto result = call();
  (result ? meter.ok : meter.failed).observe(watch.clock.mono() - began);
  if (!result) span.failed(result.error().message);
  return result;
}

class HypervisorObserver final : public hypervisor::Driver {
  template <class Call>
  auto run(VerbMeter& meter, std::string_view verb, const ServerId& id, const Call& call) {
    return observed_call(watch_, meter, name(), verb, "server", id.value, call);
  }

 public:
  HypervisorObserver(const DriverWatch& watch, std::shared_ptr<hypervisor::Driver> driver,
                     std::shared_ptr<DriverPulse> pulse)
      : watch_(watch), driver_(std::move(driver)), pulse_(std::move(pulse)) {}

  std::string_view name() const override { return driver_->name(); }
  Result<hypervisor::Capabilities> capabilities() override {
    auto result = run(capabilities_, "capabilities", {}, [&] { return driver_->capabilities(); });
    pulse_->note(error_of(result));
    return result;
  }
  Result<void> make_disk(const hypervisor::DiskSpec& disk) override {
    return run(make_disk_, "make_disk", {}, [&] { return driver_->make_disk(disk); });
  }
  Result<void> define(const hypervisor::DomainSpec& spec) override {
    return run(define_, "define", spec.id, [&] { return driver_->define(spec); });
  }
  Result<void> start(const ServerId& id) override {
    return run(start_, "start", id, [&] { return driver_->start(id); });
  }
  Result<void> stop(const ServerId& id, hypervisor::StopMode mode) override {
    return run(stop_, "stop", id, [&] { return driver_->stop(id, mode); });
  }
  Result<void> destroy(const ServerId& id) override {
    return run(destroy_, "destroy", id, [&] { return driver_->destroy(id); });
  }
  Result<std::vector<hypervisor::DomainState>> list(const std::optional<ServerId>& only) override {
    auto result =
        run(list_, "list", only.value_or(ServerId{}), [&] { return driver_->list(only); });
    pulse_->note(error_of(result));
    return result;
  }

 private:
  const DriverWatch watch_;
  const std::shared_ptr<hypervisor::Driver> driver_;  // Shared with whoever passed it in.
  const std::shared_ptr<DriverPulse> pulse_;
  VerbMeter capabilities_{watch_.metrics, driver_->name(), "capabilities"};
  VerbMeter make_disk_{watch_.metrics, driver_->name(), "make_disk"};
  VerbMeter define_{watch_.metrics, driver_->name(), "define"};
  VerbMeter start_{watch_.metrics, driver_->name(), "start"};
  VerbMeter stop_{watch_.metrics, driver_->name(), "stop"};
  VerbMeter destroy_{watch_.metrics, driver_->name(), "destroy"};
  VerbMeter list_{watch_.metrics, driver_->name(), "list"};
};

std::string_view change_kind(network::Change::Kind kind) {
  switch (kind) {
    case network::Change::Kind::Network:
      return "network";
    case network::Change::Kind::Group:
      return "security_group";
    case network::Change::Kind::Port:
      return "port";
  }
  return "port";
}

class MechanismObserver final : public network::MechanismDriver {
 public:
  MechanismObserver(const DriverWatch& watch, std::shared_ptr<network::MechanismDriver> driver,
                    std::shared_ptr<DriverPulse> pulse)
      : watch_(watch), driver_(std::move(driver)), pulse_(std::move(pulse)) {}

  std::string_view name() const override { return driver_->name(); }
  // Within a transaction, or pure: nothing that a driver may take its time for.
  Result<void> precommit(store::Txn& txn, const network::Change& change) override {
    return driver_->precommit(txn, change);
  }
  std::optional<network::Binding> bind_port(const network::PortContext& port) const override {
    return driver_->bind_port(port);
  }
  Result<void> postcommit(const network::Change& change) override {
    return observed_call(watch_, postcommit_, name(), "postcommit", change_kind(change.kind),
                         change.id, [&] { return driver_->postcommit(change); });
  }
  Result<void> converge(const network::Plan& plan) override {
    auto result = observed_call(watch_, converge_, name(), "converge", {}, {},
                                [&] { return driver_->converge(plan); });
    pulse_->note(error_of(result));
    return result;
  }

 private:
  const DriverWatch watch_;
  const std::shared_ptr<network::MechanismDriver> driver_;  // Shared with whoever passed it in.
  const std::shared_ptr<DriverPulse> pulse_;
  VerbMeter postcommit_{watch_.metrics, driver_->name(), "postcommit"};
  VerbMeter converge_{watch_.metrics, driver_->name(), "converge"};
};

}  // namespace

void DriverPulse::note(const Error* error) {
  const LockGuard lock(mutex_);
  heard_ = true;
  why_ = error ? error->message : std::string();
}

HealthCheck DriverPulse::check() const {
  const LockGuard lock(mutex_);
  if (!heard_) return {what_, false, "it has not answered since the start"};
  return {what_, why_.empty(), why_};
}

ObservedHypervisor observe_hypervisor(const DriverWatch& watch,
                                      std::shared_ptr<hypervisor::Driver> driver) {
  auto pulse = std::make_shared<DriverPulse>(fmt::format("hypervisor {}", driver->name()));
  return {std::make_shared<HypervisorObserver>(watch, std::move(driver), pulse), pulse};
}

ObservedMechanism observe_mechanism(const DriverWatch& watch,
                                    std::shared_ptr<network::MechanismDriver> driver) {
  auto pulse = std::make_shared<DriverPulse>(fmt::format("network {}", driver->name()));
  return {std::make_shared<MechanismObserver>(watch, std::move(driver), pulse), pulse};
}

}  // namespace cloudos

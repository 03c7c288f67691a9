#include "cloud/observed.hpp"

#include <fmt/format.h>

#include "base/caught.hpp"
#include "cloud/observed_call.hpp"

namespace cloudos {

namespace {

class HypervisorObserver final : public hypervisor::Driver {
  /// One that throws has failed, as one that returns an error: the step that asked tries again.
  template <class Call>
  auto run(VerbMeter& meter, std::string_view verb, const ServerId& id, const Call& call) {
    return observed_call(watch_, meter, name_, verb, "server", id.value, [&] {
      return caught(
          ErrorCode::Unavailable,
          fmt::format("hypervisor driver {} broke off in {}: the log says why", name_, verb), call);
    });
  }

 public:
  HypervisorObserver(const DriverWatch& watch, std::shared_ptr<hypervisor::Driver> driver,
                     std::shared_ptr<DriverPulse> pulse)
      : watch_(watch),
        driver_(std::move(driver)),
        pulse_(std::move(pulse)),
        name_(driver_->name()) {}

  std::string_view name() const override { return name_; }
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
  Result<void> attach_interface(const ServerId& id, const hypervisor::NicSpec& nic) override {
    return run(attach_, "attach_interface", id, [&] { return driver_->attach_interface(id, nic); });
  }
  Result<hypervisor::Detached> detach_interface(const ServerId& id,
                                                const std::string& mac) override {
    return run(detach_, "detach_interface", id, [&] { return driver_->detach_interface(id, mac); });
  }

 private:
  const DriverWatch watch_;
  const std::shared_ptr<hypervisor::Driver> driver_;  // Shared with whoever passed it in.
  const std::shared_ptr<DriverPulse> pulse_;
  const std::string name_;
  VerbMeter capabilities_{watch_.metrics, name_, "capabilities"};
  VerbMeter make_disk_{watch_.metrics, name_, "make_disk"};
  VerbMeter define_{watch_.metrics, name_, "define"};
  VerbMeter start_{watch_.metrics, name_, "start"};
  VerbMeter stop_{watch_.metrics, name_, "stop"};
  VerbMeter destroy_{watch_.metrics, name_, "destroy"};
  VerbMeter list_{watch_.metrics, name_, "list"};
  VerbMeter attach_{watch_.metrics, name_, "attach_interface"};
  VerbMeter detach_{watch_.metrics, name_, "detach_interface"};
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

}  // namespace cloudos

#include <fmt/format.h>

#include "cloud/observatory.hpp"
#include "cloud/observed_call.hpp"

// Mechanism drivers as the networks service gets them; hypervisors' are in observed.cpp.
namespace cloudos {
namespace {

std::string_view change_kind(network::Change::Kind kind) {
  switch (kind) {
    case network::Change::Kind::Network:
      return "network";
    case network::Change::Kind::Group:
      return "security_group";
    case network::Change::Kind::Port:
      return "port";
    case network::Change::Kind::AddressGroup:
      return "address_group";
    case network::Change::Kind::Router:
      return "router";
  }
  return "port";
}

/// Tells the pulse of a call that was left without its result.
struct ThrowNote {
  DriverPulse& pulse;
  const Error& error;
  const bool& returned;
  ~ThrowNote() {
    if (!returned) pulse.note(&error);
  }
};

class MechanismObserver final : public network::MechanismDriver {
 public:
  MechanismObserver(const DriverWatch& watch, std::shared_ptr<network::MechanismDriver> driver,
                    std::shared_ptr<DriverPulse> pulse)
      : watch_(watch), driver_(std::move(driver)), pulse_(std::move(pulse)) {}

  std::string_view name() const override { return driver_->name(); }
  std::string host() const override { return driver_->host(); }
  std::string tunnel_address() const override { return driver_->tunnel_address(); }
  std::vector<network::Ability> abilities() const override { return driver_->abilities(); }
  void watch(std::function<void()> disturbed) override { driver_->watch(std::move(disturbed)); }
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
  Result<network::Finding> inspect(const network::Inspection& asked) override {
    return driver_->inspect(asked);
  }
  Result<void> converge(const network::Plan& plan) override {
    // Until it returns: who throws instead is not well.
    const Error threw{ErrorCode::Unavailable, "the driver threw", {}, {}};
    bool returned = false;
    auto result = observed_call(watch_, converge_, name(), "converge", {}, {}, [&] {
      const ThrowNote note{*pulse_, threw, returned};
      auto done = driver_->converge(plan);
      returned = true;
      return done;
    });
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

ObservedMechanism observe_mechanism(const DriverWatch& watch,
                                    std::shared_ptr<network::MechanismDriver> driver) {
  auto pulse = std::make_shared<DriverPulse>(fmt::format("network {}", driver->name()));
  return {std::make_shared<MechanismObserver>(watch, std::move(driver), pulse), pulse};
}

std::shared_ptr<network::MechanismDriver> Observatory::observe(
    std::shared_ptr<network::MechanismDriver> driver) {
  auto observed = observe_mechanism({metrics, tracer, *options_.clock}, std::move(driver));
  mechanisms_.push_back(observed.pulse);
  return observed.driver;
}

}  // namespace cloudos

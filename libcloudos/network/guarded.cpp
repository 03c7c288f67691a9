#include "network/guarded.hpp"

#include <fmt/format.h>

#include <mutex>

#include "base/caught.hpp"

namespace cloudos::network {

/// What a driver calls when it was disturbed: it may do so late, or when it threw as it was told not to.
struct GuardedDriver::Ear {
  std::mutex mutex;
  std::function<void()> heard;  // Guarded by mutex, which is held while it runs.

  void tell() {
    const std::lock_guard lock(mutex);
    if (heard) heard();
  }
};

GuardedDriver::GuardedDriver(std::shared_ptr<MechanismDriver> driver, Log log)
    : driver_(std::move(driver)),
      log_(std::move(log)),
      ear_(std::make_shared<Ear>()),
      name_(driver_->name()),
      host_(driver_->host()),
      tunnel_address_(driver_->tunnel_address()) {}

template <class Call>
auto GuardedDriver::run(std::string_view verb, const Call& call) const -> decltype(call()) {
  bool returned = false;
  auto result = caught(
      ErrorCode::Unavailable,
      fmt::format("mechanism driver {} broke off in {}: the log says why", name_, verb), [&] {
        auto done = call();
        returned = true;
        return done;
      });
  if (!returned)
    log_.error(fmt::format("driver {} threw in {}: {}", name_, verb, result.error().detail));
  return result;
}

std::vector<Ability> GuardedDriver::abilities() const {
  auto found =
      run("abilities", [&]() -> Result<std::vector<Ability>> { return driver_->abilities(); });
  return found ? std::move(*found) : std::vector<Ability>();
}

void GuardedDriver::watch(std::function<void()> disturbed) {
  std::function<void()> call;
  if (disturbed) call = [ear = ear_] { ear->tell(); };
  {
    const std::lock_guard lock(ear_->mutex);
    ear_->heard = std::move(disturbed);
  }
  // What it does not watch is found by the period.
  const auto set = run("watch", [&]() -> Result<void> {
    driver_->watch(std::move(call));
    return Result<void>();
  });
  static_cast<void>(set);
}

Result<void> GuardedDriver::precommit(store::Txn& txn, const Change& change) {
  return run("precommit", [&] { return driver_->precommit(txn, change); });
}

Result<void> GuardedDriver::postcommit(const Change& change) {
  return run("postcommit", [&] { return driver_->postcommit(change); });
}

Result<void> GuardedDriver::converge(const Plan& plan) {
  return run("converge", [&] { return driver_->converge(plan); });
}

Result<std::optional<Binding>> GuardedDriver::bind_port(const PortContext& port) const {
  auto bound = run("bind_port",
                   [&]() -> Result<std::optional<Binding>> { return driver_->bind_port(port); });
  if (!bound) bound.error().type = "PortBindingError";
  return bound;
}

Result<Finding> GuardedDriver::inspect(const Inspection& asked) {
  return run("inspect", [&] { return driver_->inspect(asked); });
}

}  // namespace cloudos::network

#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cloudos/network_driver.hpp"

namespace cloudos::network {

/// A data plane in memory that says what a real one has to do: it keeps what it was told, refuses
/// what would be out of order, and fails where a test says so. Binds every port on every host.
/// Thread-safe.
class SimulatedDriver final : public MechanismDriver {
 public:
  /// Called with what is about to be done; an error is what the call returns, undone.
  using Fault = std::function<std::optional<Error>(std::string_view call, const std::string& id)>;

  SimulatedDriver() = default;
  /// Works on one host alone, whose tunnels end at `tunnel_address`.
  explicit SimulatedDriver(std::string host, std::string tunnel_address = {})
      : host_(std::move(host)), tunnel_address_(std::move(tunnel_address)) {}

  std::string_view name() const override { return "simulated"; }
  std::string host() const override { return host_; }
  std::string tunnel_address() const override { return tunnel_address_; }
  /// All that is asked of drivers: in memory everything works.
  std::vector<Ability> abilities() const override;
  void watch(std::function<void()> disturbed) override;
  Result<void> precommit(store::Txn& txn, const Change& change) override;
  Result<void> postcommit(const Change& change) override;
  Result<void> converge(const Plan& plan) override;
  std::optional<Binding> bind_port(const PortContext& port) const override;
  /// Compares what it was told with what is asked for.
  Result<Finding> inspect(const Inspection& asked) override;

  /// Calls are "precommit", "postcommit" and "converge".
  void set_fault(Fault fault);
  Plan state() const;
  /// Forgets everything, as a host that was started again.
  void reboot();
  /// Forgets everything and says so, as a host on which somebody deleted it.
  void disturb();
  struct Calls {
    std::size_t precommit = 0, postcommit = 0, converge = 0;
  };
  Calls calls() const;
  /// What was told against the rules of MechanismDriver: a revision that ran backwards, a port
  /// before its network or groups. Empty when all was well.
  std::vector<std::string> complaints() const;

 private:
  std::optional<Error> fault(std::string_view call, const std::string& id) const;
  void check_order_locked(const Change& change);

  const std::string host_, tunnel_address_;
  std::mutex telling_;  ///< Held while `disturbed_` runs: replacing it waits for that.
  std::function<void()> disturbed_;
  mutable std::mutex mutex_;
  Fault fault_;
  Plan state_;
  Calls calls_;
  std::map<std::pair<Change::Kind, std::string>, std::uint64_t> revisions_;
  std::vector<std::string> complaints_;
};

}  // namespace cloudos::network

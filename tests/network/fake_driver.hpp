#pragma once
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cloudos/network_driver.hpp"

namespace network_test {

/// A mechanism driver whose abilities, host and moods a test sets. What it was asked and told is
/// kept. Thread-safe.
class FakeDriver final : public cloudos::network::MechanismDriver {
 public:
  using Ask = cloudos::network::PortContext;
  FakeDriver(std::string name, std::string host, std::set<std::string> types)
      : name_(std::move(name)), host_(std::move(host)), types_(std::move(types)) {}

  /// What it wants below itself; nothing: it carries ports whole.
  std::optional<cloudos::network::LowerSegment> lower;
  /// Physical networks it reaches; empty: all.
  std::set<std::string> reaches;
  std::vector<cloudos::network::Ability> says;
  /// Called before it answers, outside of its lock.
  std::function<void(const Ask&)> asked;
  std::function<std::optional<cloudos::Error>(std::string_view call, const std::string& id)> fault;

  std::string_view name() const override { return name_; }
  std::string host() const override { return host_; }
  std::vector<cloudos::network::Ability> abilities() const override { return says; }
  cloudos::Result<void> precommit(cloudos::store::Txn&,
                                  const cloudos::network::Change& change) override {
    return moody("precommit", change.id);
  }
  cloudos::Result<void> postcommit(const cloudos::network::Change& change) override {
    auto done = moody("postcommit", change.id);
    const std::lock_guard lock(mutex_);
    if (done) told_[change.id].push_back(change.revision);
    if (done && change.network) networks_[change.network->id] = *change.network;
    if (done && change.port) ports_[change.port->id] = *change.port;
    if (done && change.gone()) ports_.erase(cloudos::PortId{change.id});
    return done;
  }
  cloudos::Result<void> converge(const cloudos::network::Plan& plan) override {
    auto done = moody("converge", "");
    const std::lock_guard lock(mutex_);
    if (!done) return done;
    networks_ = plan.networks;
    ports_ = plan.ports;
    return done;
  }
  std::optional<cloudos::network::Binding> bind_port(const Ask& port) const override {
    if (asked) asked(port);
    const std::lock_guard lock(mutex_);
    asks_.push_back(port);
    const bool near = reaches.empty() || reaches.count(port.physical_network) > 0;
    if (types_.count(port.network_type) == 0 || !near) return std::nullopt;
    return cloudos::network::Binding{name_, "fake", {{"by", name_}}, lower};
  }

  std::vector<Ask> asks() const {
    const std::lock_guard lock(mutex_);
    return asks_;
  }
  std::vector<std::uint64_t> told(const std::string& id) const {
    const std::lock_guard lock(mutex_);
    const auto found = told_.find(id);
    return found == told_.end() ? std::vector<std::uint64_t>() : found->second;
  }
  std::map<cloudos::NetworkId, cloudos::network::NetworkPlan> networks() const {
    const std::lock_guard lock(mutex_);
    return networks_;
  }
  std::map<cloudos::PortId, cloudos::network::PortPlan> ports() const {
    const std::lock_guard lock(mutex_);
    return ports_;
  }

 private:
  cloudos::Result<void> moody(std::string_view call, const std::string& id) const {
    if (fault)
      if (auto error = fault(call, id)) return cloudos::fail(std::move(*error));
    return cloudos::Result<void>();
  }
  const std::string name_, host_;
  const std::set<std::string> types_;
  mutable std::mutex mutex_;
  mutable std::vector<Ask> asks_;
  std::map<std::string, std::vector<std::uint64_t>> told_;
  std::map<cloudos::NetworkId, cloudos::network::NetworkPlan> networks_;
  std::map<cloudos::PortId, cloudos::network::PortPlan> ports_;
};

}  // namespace network_test

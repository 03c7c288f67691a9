#pragma once
#include <functional>
#include <optional>

#include "network/simulated.hpp"

namespace cloudos::sim {

/// The data plane in memory with answers that fail or get lost; like the hypervisor, it outlives
/// the process.
class Mechanism final : public network::MechanismDriver {
 public:
  using Fault = std::function<std::optional<Error>(std::string_view verb)>;
  /// `host`: it works there alone, under that name.
  Mechanism(Fault before, Fault after, const std::string& host = {})
      : before_(std::move(before)), after_(std::move(after)), inner_(host) {}

  std::string_view name() const override {
    return inner_.host().empty() ? inner_.name() : std::string_view(own_name_);
  }
  std::string host() const override { return inner_.host(); }
  std::vector<network::Ability> abilities() const override { return inner_.abilities(); }
  Result<void> precommit(store::Txn& txn, const network::Change& change) override {
    return inner_.precommit(txn, change);
  }
  Result<void> postcommit(const network::Change& change) override {
    if (auto error = before_("postcommit")) return fail(std::move(*error));
    CLOUDOS_CHECK(inner_.postcommit(change));
    if (auto error = after_("postcommit")) return fail(std::move(*error));
    return Result<void>();
  }
  Result<void> converge(const network::Plan& plan) override {
    if (auto error = before_("converge")) return fail(std::move(*error));
    CLOUDOS_CHECK(inner_.converge(plan));
    if (auto error = after_("converge")) return fail(std::move(*error));
    return Result<void>();
  }
  std::optional<network::Binding> bind_port(const network::PortContext& port) const override {
    auto binding = inner_.bind_port(port);
    if (binding) binding->driver = name();
    return binding;
  }

  network::SimulatedDriver& inner() { return inner_; }

 private:
  Fault before_, after_;
  network::SimulatedDriver inner_;
  const std::string own_name_ = "plane-of-" + inner_.host();
};

}  // namespace cloudos::sim

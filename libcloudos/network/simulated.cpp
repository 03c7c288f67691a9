#include "network/simulated.hpp"

#include <fmt/format.h>

namespace cloudos::network {

std::optional<Error> SimulatedDriver::fault(std::string_view call, const std::string& id) const {
  Fault ask;
  {
    const std::lock_guard lock(mutex_);
    ask = fault_;
  }
  return ask ? ask(call, id) : std::nullopt;
}

std::vector<Ability> SimulatedDriver::abilities() const {
  std::vector<Ability> all;
  for (const char* name : {"router", "dhcp", "metadata", "trunk", "qos", "metering", "ipv6"})
    all.push_back({name, true, {}});
  return all;
}

Result<void> SimulatedDriver::precommit(store::Txn&, const Change& change) {
  if (auto error = fault("precommit", change.id)) return fail(std::move(*error));
  const std::lock_guard lock(mutex_);
  ++calls_.precommit;
  return Result<void>();
}

void SimulatedDriver::check_order_locked(const Change& change) {
  auto& newest = revisions_[{change.kind, change.id}];
  if (change.revision < newest) {
    complaints_.push_back(
        fmt::format("{} was told revision {} after {}", change.id, change.revision, newest));
  }
  newest = change.revision;
  if (change.router) {
    for (const RouterPortPlan& leg : change.router->legs)
      if (!state_.networks.count(leg.network))
        complaints_.push_back(fmt::format("router {} came before a network of its", change.id));
  }
  if (!change.port) return;
  if (!state_.networks.count(change.port->network))
    complaints_.push_back(fmt::format("port {} came before its network", change.id));
  for (const SecurityGroupId& group : change.port->groups)
    if (!state_.groups.count(group))
      complaints_.push_back(fmt::format("port {} came before group {}", change.id, group.value));
}

Result<void> SimulatedDriver::postcommit(const Change& change) {
  if (auto error = fault("postcommit", change.id)) return fail(std::move(*error));
  const std::lock_guard lock(mutex_);
  ++calls_.postcommit;
  check_order_locked(change);
  switch (change.kind) {
    case Change::Kind::Network:
      if (change.network)
        state_.networks.insert_or_assign(change.network->id, *change.network);
      else
        state_.networks.erase(NetworkId{change.id});
      break;
    case Change::Kind::Group:
      if (change.group)
        state_.groups.insert_or_assign(change.group->id, *change.group);
      else
        state_.groups.erase(SecurityGroupId{change.id});
      break;
    case Change::Kind::Port:
      if (change.port)
        state_.ports.insert_or_assign(change.port->id, *change.port);
      else
        state_.ports.erase(PortId{change.id});
      break;
    case Change::Kind::AddressGroup:
      if (change.address_group)
        state_.address_groups.insert_or_assign(change.address_group->id, *change.address_group);
      else
        state_.address_groups.erase(AddressGroupId{change.id});
      break;
    case Change::Kind::Router:
      if (change.router)
        state_.routers.insert_or_assign(change.router->id, *change.router);
      else
        state_.routers.erase(RouterId{change.id});
      break;
  }
  return Result<void>();
}

Result<void> SimulatedDriver::converge(const Plan& plan) {
  if (auto error = fault("converge", {})) return fail(std::move(*error));
  const std::lock_guard lock(mutex_);
  ++calls_.converge;
  state_ = plan;
  return Result<void>();
}

std::optional<Binding> SimulatedDriver::bind_port(const PortContext& port) const {
  if (port.vnic_type != "normal") return std::nullopt;
  if (!host_.empty() && port.host != host_) return std::nullopt;
  return Binding{"simulated", "tap", {{"port_filter", "true"}}};
}

void SimulatedDriver::set_fault(Fault fault) {
  const std::lock_guard lock(mutex_);
  fault_ = std::move(fault);
}

Plan SimulatedDriver::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void SimulatedDriver::reboot() {
  const std::lock_guard lock(mutex_);
  state_ = Plan{};
}

void SimulatedDriver::watch(std::function<void()> disturbed) {
  const std::lock_guard lock(telling_);
  disturbed_ = std::move(disturbed);
}

void SimulatedDriver::disturb() {
  reboot();
  const std::lock_guard lock(telling_);
  if (disturbed_) disturbed_();
}

SimulatedDriver::Calls SimulatedDriver::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

std::vector<std::string> SimulatedDriver::complaints() const {
  const std::lock_guard lock(mutex_);
  return complaints_;
}

}  // namespace cloudos::network

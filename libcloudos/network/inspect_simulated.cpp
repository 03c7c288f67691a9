#include "network/simulated.hpp"
#include "network/trace_rules.hpp"

// The simulated host, looked at: it holds what it was told, or something else.
namespace cloudos::network {
namespace {

using tracing::tell;

/// What `has` holds under the id is to be what `wanted` holds there.
template <class Records, class Id>
void compare_told(const Records& has, const Records& wanted, const Id& id, std::string missing,
                  Finding& finding) {
  const auto should = wanted.find(id);
  if (should == wanted.end()) return;
  finding.known = true;
  finding.device = id.value;
  const auto is = has.find(id);
  if (is == has.end()) {
    finding.fault(std::move(missing), id.value + " is not there");
  } else if (!(is->second == should->second)) {
    finding.fault(tell("The host has not yet heard of the last change."), id.value + " differs",
                  false);
  }
}

/// The one rule that lets the packet through is to be among those the host has.
void compare_rules(const Plan& has, const Inspection& asked, Finding& finding) {
  const auto wanted = asked.plan->groups.find(asked.group);
  if (asked.group.empty() || wanted == asked.plan->groups.end()) return;
  const auto is = has.groups.find(asked.group);
  for (const RulePlan& rule : wanted->second.rules) {
    bool there = false;
    if (is != has.groups.end())
      for (const RulePlan& one : is->second.rules) there = there || one == rule;
    if (!there)
      finding.fault(tell("A rule of the packet filter that this packet needs is missing."),
                    asked.group.value + " has it not");
  }
}

}  // namespace

Result<Finding> SimulatedDriver::inspect(const Inspection& asked) {
  if (auto error = fault("inspect", asked.port.value)) return fail(std::move(*error));
  const std::lock_guard lock(mutex_);
  Finding finding;
  if (!asked.plan) return finding;
  switch (asked.place) {
    case Inspection::Place::Device:
    case Inspection::Place::Sender:
    case Inspection::Place::Egress:
    case Inspection::Place::Ingress:
      compare_told(state_.ports, asked.plan->ports, asked.port,
                   tell("The port's device is not there."), finding);
      compare_rules(state_, asked, finding);
      break;
    case Inspection::Place::Network:
    case Inspection::Place::Forwarding:
    case Inspection::Place::Dhcp:
      compare_told(state_.networks, asked.plan->networks, asked.network,
                   tell("The network's bridge is not there."), finding);
      break;
    case Inspection::Place::Router:
    case Inspection::Place::Leg:
    case Inspection::Place::Route:
    case Inspection::Place::TranslateIn:
    case Inspection::Place::TranslateOut:
      compare_told(state_.routers, asked.plan->routers, asked.router,
                   tell("The router's namespace is not there."), finding);
      break;
  }
  return finding;
}

}  // namespace cloudos::network

#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cloudos/routers.hpp"
#include "network/trace_path.hpp"
#include "network/trace_rules.hpp"

namespace cloudos::network::tracing {

/// Goes a packet's way through the records: trace_path.cpp has ports and networks, trace_router.cpp
/// routers. One use each.
class Walker {
 public:
  Walker(const store::Snapshot& snapshot, const FindScope& scope_of, Packet packet)
      : snapshot_(snapshot), scope_of_(scope_of), packet_(std::move(packet)) {}
  Result<void> from_port(const Port& port);
  Result<void> from_outside();
  std::vector<Step> take() { return std::move(steps_); }

 private:
  /// Where a frame is: on a network, at a host.
  struct Spot {
    std::string driver, host;
    ProjectId sender;  ///< Whose the sender is.
  };
  Step& add(std::string place, const ProjectId& owner, std::string text);
  void drop(std::string place, const ProjectId& owner, std::string text, std::string remedy);
  void about(Step& step, std::string_view resource, const std::string& id);
  /// Asks the port's host; `plan` is complete.
  Inspection& ask(Step& step, const Port& port, Inspection::Place place, Plan plan);

  bool port_hop(const Port& port, const Network& network, bool sends);
  /// The network as a host's plan has it.
  Result<NetworkPlan> network_at(const Network& network, const std::string& driver,
                                 const std::string& host);
  Result<Plan> plan_with(const Port& port, const Network& network);
  Result<void> device_hop(const Port& port, const Network& network, bool sends);
  Result<void> addresses_hop(const Port& port, const Network& network);
  Result<void> source_hop(const Port& port, const Network& network);
  Result<void> rules_hop(const Port& port, const Network& network, bool ingress);
  /// Where the guest sends the packet on its own network; empty: it was dropped.
  Result<std::string> next_hop(const Port& port, const Network& network);
  Result<void> carry(const Network& network, const Spot& from, const std::string& target);
  Result<void> network_hop(const Network& network, const Spot& at);
  Result<void> forwarding_hop(const Network& network, const Spot& from, const Port& to);
  Result<void> reach_nobody(const Network& network, const Spot& at, const std::string& target);
  Result<void> reach(const Network& network, const Spot& from, const Port& port);
  Result<void> reach_floating(const Network& network, const Spot& from, const Port& outer);
  Result<void> receive(const Port& port, const Network& network);
  Result<void> serve_dhcp(const Port& port, const Network& network, const Spot& at);
  Result<std::optional<Port>> gateway_before(const Network& network, const std::string& address);
  Result<std::optional<Port>> port_at(const Network& network, const std::string& address);

  // trace_router.cpp
  struct Way {
    const RouterPortPlan* leg = nullptr;
    std::string via, destination;
  };
  Result<void> route(const Port& in, const std::string& floating);
  bool translate_in(const Router& router, const RouterPlan& plan, const Port& in, bool& changed);
  std::optional<Way> way_out(const RouterPlan& plan) const;
  void route_hop(const Router& router, const RouterPlan& plan, const Port& in,
                 const std::optional<Way>& way);
  void translate_out(const Router& router, const RouterPlan& plan, const Port& in,
                     const RouterPortPlan& out, bool translated);
  void leg_hop(const Router& router, const RouterPlan& plan, const Port& leg,
               std::vector<std::string> addresses, const std::string& network);
  bool for_router_itself(const Router& router, const RouterPlan& plan, const Port& in);

  const store::Snapshot& snapshot_;
  const FindScope& scope_of_;
  Packet packet_;
  std::vector<Step> steps_;
  bool over_ = false;
  unsigned routers_ = 0;
};

/// Its name, or its id when it has none.
template <class T>
std::string called(const T& record) {
  return record.name.empty() ? record.id.value : record.name;
}

}  // namespace cloudos::network::tracing

// Floating addresses by their servers, and rules of QoS policies whatever their type.
#include <fmt/format.h>

#include <algorithm>

#include "verbs/recipes.hpp"

namespace cloudos::verbs {
namespace {

using nlohmann::json;

/// The noun of a type of rule: "bandwidth-limit" or "bandwidth_limit".
Result<std::string_view> rules_of_type(std::string type) {
  constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {"bandwidth-limit", "qos_bandwidth_rules"},
      {"dscp-marking", "qos_dscp_rules"},
      {"minimum-bandwidth", "qos_minimum_rules"}};
  std::replace(type.begin(), type.end(), '_', '-');
  for (const auto& [name, noun] : kTypes)
    if (name == type) return noun;
  return fail(ErrorCode::InvalidArgument,
              fmt::format("'{}' is no type of rule: bandwidth-limit, dscp-marking or "
                          "minimum-bandwidth",
                          type.substr(0, 64)));
}

/// The rule as its policy shows it.
Result<json> rule_in_policy(Doer& doer, const json& parameters) {
  CLOUDOS_TRY(const json rules, list_qos_rules(doer, parameters));
  const std::string wanted = text_of(parameters, "id");
  for (const json& rule : rules)
    if (text_of(rule, "id") == wanted) return rule;
  return fail(ErrorCode::NotFound, fmt::format("The policy has no rule '{}'.", wanted));
}

Result<json> on_rule(Doer& doer, std::string_view verb, const json& parameters) {
  CLOUDOS_TRY(const json rule, rule_in_policy(doer, parameters));
  CLOUDOS_TRY(const std::string_view noun, rules_of_type(text_of(rule, "type")));
  return doer.perform(fmt::format("{}.{}", noun, verb), parameters);
}

}  // namespace

Result<json> create_qos_rule(Doer& doer, const json& parameters) {
  CLOUDOS_TRY(const std::string_view noun, rules_of_type(text_of(parameters, "type")));
  json rest = parameters;
  rest.erase("type");
  return doer.perform(fmt::format("{}.create", noun), rest);
}

Result<json> list_qos_rules(Doer& doer, const json& parameters) {
  CLOUDOS_TRY(json policy,
              doer.perform("qos_policies.show", {{"id", text_of(parameters, "policy_id")}}));
  json rules = policy.value("rules", json::array());
  for (json& rule : rules)
    if (!rule.contains("qos_policy_id")) rule["qos_policy_id"] = text_of(policy, "id");
  return rules;
}

Result<json> show_qos_rule(Doer& doer, const json& parameters) {
  return rule_in_policy(doer, parameters);
}

Result<json> update_qos_rule(Doer& doer, const json& parameters) {
  return on_rule(doer, "update", parameters);
}

Result<json> delete_qos_rule(Doer& doer, const json& parameters) {
  return on_rule(doer, "delete", {{"policy_id", text_of(parameters, "policy_id")},
                                  {"id", text_of(parameters, "id")}});
}

Result<json> add_floating_ip(Doer& doer, const json& parameters) {
  CLOUDOS_TRY(const auto ports,
              doer.list("ports.list", {{"device_id", text_of(parameters, "id")}}));
  if (ports.empty())
    return fail(ErrorCode::Conflict, "The server has no port that an address could lead to.");
  const std::string fixed = text_of(parameters, "fixed_ip_address");
  Error last;
  for (const json& port : ports) {
    json change = {{"id", text_of(parameters, "floating_id")}, {"port_id", text_of(port, "id")}};
    if (!fixed.empty()) change["fixed_ip_address"] = fixed;
    auto done = doer.perform("floating_ips.update", change);
    if (done) return done;
    last = done.error();
  }
  // None of its networks has a way outside, or none has that address.
  return fail(std::move(last));
}

Result<json> remove_floating_ip(Doer& doer, const json& parameters) {
  CLOUDOS_TRY(const json address,
              doer.perform("floating_ips.show", {{"id", text_of(parameters, "floating_id")}}));
  CLOUDOS_TRY(const auto ports,
              doer.list("ports.list", {{"device_id", text_of(parameters, "id")}}));
  const std::string port = text_of(address, "port_id");
  const bool leads_there = std::any_of(ports.begin(), ports.end(), [&](const json& each) {
    return text_of(each, "id") == port;
  });
  if (port.empty() || !leads_there)
    return fail(ErrorCode::NotFound, "The address does not lead to that server.");
  return doer.perform("floating_ips.update",
                      {{"id", text_of(address, "id")}, {"port_id", nullptr}});
}

Result<json> detach_network(Doer& doer, const json& parameters) {
  const std::string server = text_of(parameters, "id"), network = text_of(parameters, "net_id");
  CLOUDOS_TRY(const auto interfaces, doer.list("servers.list_interfaces", {{"id", server}}));
  bool found = false;
  for (const json& each : interfaces) {
    if (text_of(each, "net_id") != network) continue;
    CLOUDOS_CHECK(doer.perform("servers.detach_interface",
                               {{"id", server}, {"port_id", text_of(each, "port_id")}}));
    found = true;
  }
  if (!found)
    return fail(ErrorCode::NotFound, "The server has no port on that network.");
  return json();
}

}  // namespace cloudos::verbs

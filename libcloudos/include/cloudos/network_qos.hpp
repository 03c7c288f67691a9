#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/networks.hpp"

namespace cloudos {

/// What a policy does to the traffic of its ports.
struct QosRule {
  static constexpr std::string_view kBandwidth = "bandwidth_limit";
  static constexpr std::string_view kDscp = "dscp_marking";
  /// Kept and shown as the API has it; no driver here holds it, so no port or network gets it.
  static constexpr std::string_view kMinimum = "minimum_bandwidth";
  QosRuleId id;
  std::string type;               ///< One of the above.
  std::uint32_t max_kbps = 0;     ///< bandwidth_limit: kilobits a second.
  std::uint32_t max_burst_kbps = 0;  ///< Kilobits at once; 0: four fifths of a second.
  std::uint32_t min_kbps = 0;     ///< minimum_bandwidth: kilobits a second.
  bool ingress = false;           ///< To the port; else from it.
  std::uint32_t dscp_mark = 0;    ///< dscp_marking: one of NetworkQos::dscp_marks().
  friend bool operator==(const QosRule&, const QosRule&) = default;
};

/// Rules that networks and ports are given together.
struct QosPolicy {
  static constexpr std::string_view kKind = "qos_policy";
  static constexpr std::string_view kNoun = "QosPolicy";
  static constexpr std::uint32_t kSchema = 1;
  QosPolicyId id;
  std::uint64_t generation = 0;
  ProjectId project;
  std::string name, description;
  bool shared = false;
  bool is_default = false;        ///< Its project's new networks get it. One a project.
  std::vector<QosRule> rules;
  WallTime created_at, updated_at;
  std::vector<std::string> tags;
  std::string unknown;
};

struct QosPolicyCreate {
  std::string name, description;
  std::optional<ProjectId> project;
  bool shared = false, is_default = false;
};
struct QosPolicyUpdate {
  std::optional<std::string> name, description;
  std::optional<bool> shared, is_default;
};
/// Absent fields stay as they are, or get their default.
struct QosRuleSpec {
  std::string type;
  std::optional<std::int64_t> max_kbps, max_burst_kbps, min_kbps, dscp_mark;
  std::optional<std::string> direction;  ///< "egress" (the default), "ingress"
};

/// A kind of rule, and who enforces it.
struct QosRuleType {
  std::string type;
  std::vector<std::string> drivers;
};

/// QoS policies. Admins write them; projects use their own, shared ones and those granted to them.
/// Thread-safe; part of Networks.
/// Source: Networking API v2.0 (qos, qos-bw-limit-direction, qos-default, qos-rules-alias).
class CLOUDOS_EXPORT NetworkQos final {
 public:
  /// All of a list or none. Errors: Conflict (its project has a default policy).
  Result<std::vector<QosPolicy>> create(const Context& ctx,
                                        const std::vector<QosPolicyCreate>& specs);
  Result<QosPolicy> policy(const Context& ctx, const QosPolicyId& id) const;
  Result<std::vector<QosPolicy>> policies(const Context& ctx,
                                          const NetworkListSpec& spec = {}) const;
  /// Errors: NotFound, Forbidden, Conflict (shared no more, while networks or ports use it).
  Result<QosPolicy> update(const Context& ctx, const QosPolicyId& id,
                           const QosPolicyUpdate& change);
  /// Errors: NotFound, Conflict (networks or ports use it).
  Result<void> remove(const Context& ctx, const QosPolicyId& id);

  /// Errors: NotFound, InvalidArgument, Conflict (the policy has one of that kind and direction, or
  /// is in use and no driver here holds rules of that kind).
  Result<QosRule> add_rule(const Context& ctx, const QosPolicyId& policy, const QosRuleSpec& spec);
  Result<QosRule> rule(const Context& ctx, const QosPolicyId& policy, std::string_view type,
                       const QosRuleId& id) const;
  Result<QosRule> update_rule(const Context& ctx, const QosPolicyId& policy, const QosRuleId& id,
                              const QosRuleSpec& change);
  Result<void> remove_rule(const Context& ctx, const QosPolicyId& policy, std::string_view type,
                           const QosRuleId& id);
  /// The policy that has the rule: for paths that name the rule alone. Errors: NotFound.
  Result<QosPolicyId> policy_of(const Context& ctx, std::string_view type,
                                const QosRuleId& id) const;

  /// What a dscp_mark may be.
  static std::span<const std::uint32_t> dscp_marks();
  /// Kinds that some driver here enforces.
  std::vector<QosRuleType> rule_types() const;

  explicit NetworkQos(Networks::Impl& impl) : impl_(impl) {}

 private:
  Networks::Impl& impl_;
};

}  // namespace cloudos

#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/networks.hpp"

namespace cloudos {

/// A name under which the traffic of a project's routers is counted.
struct MeteringLabel {
  static constexpr std::string_view kKind = "metering_label";
  static constexpr std::string_view kNoun = "MeteringLabel";
  static constexpr std::uint32_t kSchema = 1;
  MeteringLabelId id;
  std::uint64_t generation = 0;
  ProjectId project;
  std::string name, description;
  bool shared = false;         ///< Counts every project's routers.
  WallTime created_at, updated_at;
  std::string unknown;
};
struct MeteringLabelCreate {
  std::string name, description;
  std::optional<ProjectId> project;
  bool shared = false;
};

/// What a label counts.
struct MeteringRule {
  static constexpr std::string_view kKind = "metering_rule";
  static constexpr std::string_view kNoun = "MeteringLabelRule";
  static constexpr std::uint32_t kSchema = 1;
  MeteringRuleId id;
  std::uint64_t generation = 0;
  ProjectId project;           ///< Its label's.
  MeteringLabelId label;
  bool ingress = true;
  bool excluded = false;       ///< Not counted, whatever the label's other rules say.
  std::string remote, source, destination;  ///< Prefixes; empty: any.
  WallTime created_at, updated_at;
  std::string unknown;
};
struct MeteringRuleCreate {
  MeteringLabelId label;
  std::string direction = "ingress";
  bool excluded = false;
  std::string remote, source, destination;
};

/// Metering labels and their rules: admins'. Drivers count; the Linux bridge's counters are in the
/// nftables of each router's namespace. Thread-safe; part of Networks.
/// Source: Networking API v2.0 (metering).
class CLOUDOS_EXPORT MeteringLabels final {
 public:
  /// All of a list or none, in one commit.
  Result<std::vector<MeteringLabel>> create(const Context& ctx,
                                            const std::vector<MeteringLabelCreate>& specs);
  Result<MeteringLabel> label(const Context& ctx, const MeteringLabelId& id) const;
  Result<std::vector<MeteringLabel>> labels(const Context& ctx,
                                            const NetworkListSpec& spec = {}) const;
  /// Takes its rules with it.
  Result<void> remove(const Context& ctx, const MeteringLabelId& id);

  /// Errors: NotFound (label), InvalidArgument, Conflict (overlaps another rule of the label).
  Result<std::vector<MeteringRule>> create_rules(const Context& ctx,
                                                 const std::vector<MeteringRuleCreate>& specs);
  Result<MeteringRule> rule(const Context& ctx, const MeteringRuleId& id) const;
  Result<std::vector<MeteringRule>> rules(const Context& ctx,
                                          const NetworkListSpec& spec = {}) const;
  Result<void> remove_rule(const Context& ctx, const MeteringRuleId& id);

  explicit MeteringLabels(Networks::Impl& impl) : impl_(impl) {}

 private:
  Networks::Impl& impl_;
};

}  // namespace cloudos

#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/networks.hpp"

namespace cloudos {

/// A grant of one project's thing to another project, or to all of them: an RBAC policy.
struct RbacPolicy {
  static constexpr std::string_view kKind = "rbac_policy";
  static constexpr std::string_view kNoun = "RbacPolicy";
  static constexpr std::uint32_t kSchema = 1;
  RbacPolicyId id;
  std::uint64_t generation = 0;
  ProjectId project;         ///< Who gave it.
  std::string object_type;   ///< "network", "qos_policy", "security_group", "address_scope",
                             ///< "subnetpool", "address_group"
  std::string object_id;
  std::string action = "access_as_shared";  ///< Or "access_as_external", of networks.
  std::string target;        ///< A project's id, or "*".
  WallTime created_at, updated_at;
  std::string unknown;
};

struct RbacPolicyCreate {
  std::string object_type, object_id, action, target;
  std::optional<ProjectId> project;  ///< Admins.
};

/// Grants. Whoever owns a thing may grant it to a project; only admins grant to "*", and only they
/// make networks external. `shared` and `router:external` of networks are grants to "*": the two
/// follow each other. Thread-safe; part of Networks.
/// Source: Networking API v2.0 (rbac-policies and its kin).
class CLOUDOS_EXPORT NetworkSharing final {
 public:
  /// All of a list or none. Errors: InvalidArgument, NotFound (the thing), Forbidden,
  /// AlreadyExists, QuotaExceeded.
  Result<std::vector<RbacPolicy>> create(const Context& ctx,
                                         const std::vector<RbacPolicyCreate>& specs);
  /// One's own: who is granted something sees that, not who else is.
  Result<RbacPolicy> policy(const Context& ctx, const RbacPolicyId& id) const;
  Result<std::vector<RbacPolicy>> policies(const Context& ctx,
                                           const NetworkListSpec& spec = {}) const;
  /// Another target. Errors: as remove() for the old one, as create() for the new one.
  Result<RbacPolicy> retarget(const Context& ctx, const RbacPolicyId& id,
                              const std::string& target);
  /// Errors: NotFound, Conflict (the target uses what it would lose).
  Result<void> remove(const Context& ctx, const RbacPolicyId& id);

  explicit NetworkSharing(Networks::Impl& impl) : impl_(impl) {}

 private:
  Networks::Impl& impl_;
};

}  // namespace cloudos

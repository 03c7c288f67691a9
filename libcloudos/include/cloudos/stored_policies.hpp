#pragma once
#include <optional>
#include <string>
#include <vector>

#include "cloudos/identity.hpp"

namespace cloudos {

using StoredPolicyId = Id<struct StoredPolicyTag>;

/// A text that we keep for services and do not read: rules of theirs. Our own are cloudos::Policy.
struct StoredPolicy {
  StoredPolicyId id;
  std::uint64_t generation = 0;
  std::string type;  ///< "application/json"
  std::string blob;
  ExtraFields extra;
  WallTime created_at;
};
struct StoredPolicyCreate {
  std::string type, blob;
  ExtraFields extra;
};
struct StoredPolicyUpdate {
  std::optional<std::string> type, blob;
  ExtraChanges extra;
};

/// For what a policy is: an endpoint, a service, or a service within a region.
struct PolicyUse {
  EndpointId endpoint;
  ServiceId service;
  std::string region;
};

/// Texts kept for services, and for which endpoints they are.
///
/// Thread-safe. A change is committed when its call returns. Errors of all: NotFound, Forbidden.
/// Source: Identity API v3, policies and OS-ENDPOINT-POLICY.
class CLOUDOS_EXPORT StoredPolicies final {
 public:
  explicit StoredPolicies(Identity::Impl& of) : of_(of) {}

  Result<StoredPolicy> create(const Context& ctx, const StoredPolicyCreate& spec);
  Result<StoredPolicy> get(const Context& ctx, const StoredPolicyId& id) const;
  Result<std::vector<StoredPolicy>> list(const Context& ctx, const IdentityFilter& filter) const;
  Result<StoredPolicy> update(const Context& ctx, const StoredPolicyId& id,
                              const StoredPolicyUpdate& with);
  /// Its uses go with it.
  Result<void> remove(const Context& ctx, const StoredPolicyId& id);

  /// Takes the place of the policy that was for it.
  Result<void> use(const Context& ctx, const StoredPolicyId& id, const PolicyUse& what);
  Result<void> check_use(const Context& ctx, const StoredPolicyId& id,
                         const PolicyUse& what) const;
  Result<void> stop_use(const Context& ctx, const StoredPolicyId& id, const PolicyUse& what);
  /// What is for the endpoint itself, else for its service in its region or one around that, else
  /// for its service. Errors: NotFound (none is).
  Result<StoredPolicy> of_endpoint(const Context& ctx, const EndpointId& endpoint) const;
  /// Those that any use of it means.
  Result<std::vector<Endpoint>> endpoints_of(const Context& ctx, const StoredPolicyId& id) const;

 private:
  Identity::Impl& of_;
};

}  // namespace cloudos

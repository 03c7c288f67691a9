#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cloudos/identity.hpp"

namespace cloudos {

/// What one user (the trustor) lets another (the trustee) do on their behalf.
///
/// The trustee logs in with Scope::Kind::Trust and gets a token with these roles on this project,
/// as long as the trustor has them too. It never outlives the trust, and cannot be exchanged.
struct Trust {
  TrustId id;
  std::uint64_t generation = 0;
  UserId trustor, trustee;
  ProjectId project;                ///< Empty: no project and no roles.
  std::vector<Token::Named> roles;  ///< On the project; what they imply comes along.
  bool impersonation = false;       ///< Tokens show the trustor as their user.
  std::optional<WallTime> expires_at;
  std::optional<std::uint32_t> remaining_uses;  ///< Tokens that may still be made; absent: any.
  TrustId redelegated_from;              ///< The trust that this one hands on; else empty.
  std::uint32_t redelegation_count = 0;  ///< How often it may be handed on in turn.
  WallTime created_at;
};

struct TrustCreate {
  UserId trustor, trustee;
  ProjectId project;
  std::vector<NamedReference> roles;  ///< By id, or by name.
  bool impersonation = false;
  std::optional<WallTime> expires_at;
  std::optional<std::uint32_t> remaining_uses;  ///< At least 1.
  bool allow_redelegation = false;
  /// With allow_redelegation: 1..limits::kTrustDepth, absent: the most.
  std::optional<std::uint32_t> redelegation_count;
};

struct TrustFilter {
  std::optional<UserId> trustor, trustee;
};

/// Trusts: made by their trustor, used by their trustee.
///
/// Deleting a trust ends its tokens and those of all trusts that hand it on, with that commit. A
/// trust whose time is over, or whose uses are spent, is not found any more; it is erased later.
/// Thread-safe. Source: Identity API v3, OS-TRUST.
class CLOUDOS_EXPORT Trusts final {
 public:
  explicit Trusts(Identity::Impl& impl) : impl_(impl) {}
  Trusts(const Trusts&) = delete;
  Trusts& operator=(const Trusts&) = delete;

  /// The caller must be the trustor and hold the roles. A caller by a trust hands that one on: it
  /// must allow so, and the new one has no more roles, time, uses nor further steps than it.
  /// Errors: Forbidden (not the trustor; a role not held; redelegation refused; a restricted
  /// application credential), NotFound (trustee, project, role), InvalidArgument, QuotaExceeded.
  Result<Trust> create(const Context& ctx, const TrustCreate& spec);
  /// For its trustor, its trustee and admins. Errors: NotFound.
  Result<Trust> get(const Context& ctx, const TrustId& id) const;
  /// One's own given or received ones; without a filter all, for admins. Errors: Forbidden.
  Result<std::vector<Trust>> list(const Context& ctx, const TrustFilter& filter) const;
  /// For its trustor and admins; those that hand it on go along. Errors: NotFound, Forbidden.
  Result<void> remove(const Context& ctx, const TrustId& id);
  /// The roles of a trust in full. Errors: NotFound.
  Result<std::vector<Role>> roles(const Context& ctx, const TrustId& id) const;

 private:
  Identity::Impl& impl_;
};

}  // namespace cloudos

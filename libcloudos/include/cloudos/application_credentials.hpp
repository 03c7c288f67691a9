#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/identity.hpp"

namespace cloudos {

/// A secret by which a program logs in as a user, for one project, with some of the user's roles.
///
/// It is worth nothing from the moment the user loses one of the grants it was made under, is
/// disabled or removed, or the project is; a change of the user's password does not touch it.
struct ApplicationCredential {
  ApplicationCredentialId id;
  std::uint64_t generation = 0;
  UserId user;
  std::string name;  ///< Unique among the user's.
  std::string description;
  ProjectId project;
  std::vector<Token::Named> roles;
  std::optional<WallTime> expires_at;
  /// Its tokens may make and delete application credentials, trusts and other credentials too.
  bool unrestricted = false;
  std::optional<std::vector<AccessRule>> access_rules;  ///< Absent: any request.
  WallTime created_at;
  std::string secret;  ///< In the reply of create() only.
};

struct ApplicationCredentialCreate {
  UserId user;  ///< Must be the caller.
  std::string name, description;
  std::optional<std::string> secret;  ///< Absent: one is made.
  std::vector<NamedReference> roles;  ///< By id or name; none: all that the caller's token has.
  std::optional<WallTime> expires_at;
  bool unrestricted = false;
  /// With an id: one of the user's rules that there is; without: one like it is used or made.
  std::optional<std::vector<AccessRule>> access_rules;
};

/// Application credentials and the rules on what their tokens may be used for.
///
/// Deleting one ends its tokens with that commit. An access rule stays when its last credential
/// goes, until it is deleted itself.
/// Thread-safe. create() blocks for one password hash. Source: Identity API v3.
class CLOUDOS_EXPORT ApplicationCredentials final {
 public:
  explicit ApplicationCredentials(Identity::Impl& impl) : impl_(impl) {}
  ApplicationCredentials(const ApplicationCredentials&) = delete;
  ApplicationCredentials& operator=(const ApplicationCredentials&) = delete;

  /// For the caller's own user and the project of the caller's token.
  /// Errors: Forbidden (another user; a caller by a trust or a restricted application credential),
  /// InvalidArgument (no project; a role not held; a rule), NotFound (role, rule), AlreadyExists
  /// (name), QuotaExceeded, those of hashing.
  Result<ApplicationCredential> create(const Context& ctx,
                                       const ApplicationCredentialCreate& spec);
  /// Errors of all that follow: NotFound, Forbidden.
  Result<ApplicationCredential> get(const Context& ctx, const UserId& user,
                                    const ApplicationCredentialId& id) const;
  Result<std::vector<ApplicationCredential>> list(const Context& ctx, const UserId& user,
                                                  std::string_view name = {}) const;
  Result<void> remove(const Context& ctx, const UserId& user, const ApplicationCredentialId& id);

  Result<std::vector<AccessRule>> list_rules(const Context& ctx, const UserId& user) const;
  Result<AccessRule> get_rule(const Context& ctx, const UserId& user,
                              const std::string& id) const;
  /// Errors: also Forbidden (a credential still goes by it).
  Result<void> remove_rule(const Context& ctx, const UserId& user, const std::string& id);

 private:
  Identity::Impl& impl_;
};

}  // namespace cloudos

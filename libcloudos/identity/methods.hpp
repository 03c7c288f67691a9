#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "identity/impl.hpp"

/// The methods of a login, one function each: who proved what, and nothing about scopes. auth.cpp
/// puts them together.
///
/// None holds a snapshot while it hashes. All fail with bad_login(), whatever is wrong, so that no
/// message tells users, secrets and scopes apart.
namespace cloudos::identity {

Failure bad_login();
Failure bad_token();

/// The user whose password it is, in the state that it was checked in.
/// Errors: Unauthenticated, Unavailable (too many logins wait).
Result<UserRecord> verify_password(const Identity::Impl& impl, const Login::Password& given);

/// The same for a user who is about to change it: one that has expired will do.
Result<UserRecord> verify_own_password(const Identity::Impl& impl, const UserId& id,
                                       std::string_view password);
/// The end of every attempt to log in with a secret, told by the account rules. A wrong one is
/// counted; so is one of nobody, for time's sake. False.
Result<bool> settle_failure(const Identity::Impl& impl, const std::optional<UserRecord>& named);
/// A right one, which is refused (false) to the locked out and the inactive. `forgive`: the wrong
/// ones of before count no more.
Result<bool> settle_attempt(const Identity::Impl& impl, const UserId& id, bool forgive);
/// The part of it for keys and secrets that nobody guesses: who locks a user out by wrong passwords
/// does not stop the user's programs. Also notes that the user is active.
Result<bool> settle_by_key(const Identity::Impl& impl, const UserRecord& user);

/// The user of whose authenticator it is a code. Each code holds once. Errors: Unauthenticated.
Result<UserRecord> verify_totp(const Identity::Impl& impl, const Login::Totp& given);

struct ProvenCredential {
  UserRecord user;
  ApplicationCredentialId credential;
};
/// Errors: those of verify_password.
Result<ProvenCredential> verify_application_credential(const Identity::Impl& impl,
                                                       const Login::ApplicationCredential& given);

/// The user that the host program vouches for. Errors: Unauthenticated.
Result<UserRecord> verify_external(const Identity::Impl& impl, const NamedReference& who);

/// Lists of methods of which one must hold as a whole, by the rules of this user; empty: `methods`
/// (bits of TokenPayload::Method) are enough. Pure, and of the record alone: it is kept as long as
/// the state of the store stays what it is.
std::vector<std::vector<std::string>> required_methods_missing(const UserRecord& user,
                                                               std::uint32_t methods);

/// When the user's password ends; nothing: never. Pure, as above.
std::optional<WallTime> password_expiry(const Identity::Impl& impl, const UserRecord& user);

/// Refuses by the name of the policy what no token by a trust or by a restricted application
/// credential may do, whatever its roles. `target.user`: whom it is done to, if that is known.
/// Errors: Forbidden.
Result<void> check_delegation(const Context& ctx, std::string_view policy,
                              const PolicyTarget& target);

/// Roles by id or name, each once. Errors: NotFound, InvalidArgument (too many).
Result<std::vector<RoleId>> named_roles(const store::Snapshot& at,
                                        const std::vector<NamedReference>& given);
/// Those that still exist.
std::vector<Token::Named> role_names(const store::Snapshot& at, const std::vector<RoleId>& roles);
/// Are these roles, with all they imply, among `held`? Errors: `otherwise`, naming the role.
Result<void> check_held(const Identity::Impl& impl, const store::Snapshot& at,
                        const std::vector<RoleId>& roles, const std::vector<Token::Named>& held,
                        ErrorCode otherwise);

/// Is this a rule that a token may be bound to? Errors: InvalidArgument.
Result<void> check_access_rule(const AccessRule& rule);

}  // namespace cloudos::identity

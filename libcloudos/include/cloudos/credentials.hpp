#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/identity.hpp"

namespace cloudos {

using CredentialId = Id<struct CredentialTag>;

/// The two halves of an EC2 key: who signs, and with what.
struct Ec2Key {
  std::string access, secret;
  friend bool operator==(const Ec2Key&, const Ec2Key&) = default;
};

/// A secret that is kept for a user.
struct Credential {
  CredentialId id;  ///< Of type ec2: the SHA-256 of the access key it was made with.
  std::uint64_t generation = 0;
  std::string type;  ///< "ec2", "totp", "cert" or any other.
  std::string blob;  ///< As it was given; of type totp the secret in base32. Sealed in the store.
  Ec2Key ec2;        ///< Of type ec2.
  UserId user;
  ProjectId project;
  /// What the token rested on that made it: a token for its signature rests on the same.
  TrustId trust;
  ApplicationCredentialId application_credential;
  ExtraFields extra;
  WallTime created_at;
};

struct CredentialCreate {
  std::string type, blob;
  Ec2Key ec2;  ///< Of type ec2: must both be given.
  UserId user;
  ProjectId project;
  ExtraFields extra;
};
struct CredentialUpdate {
  std::optional<std::string> type, blob;
  std::optional<Ec2Key> ec2;
  std::optional<UserId> user;
  std::optional<ProjectId> project;
  ExtraChanges extra;
};
struct CredentialFilter {
  std::optional<UserId> user;
  std::optional<std::string> type;
  std::string marker;
  std::size_t limit = SIZE_MAX;
};

/// A request that somebody signed with an EC2 key, as the service that got it tells it.
struct SignedRequest {
  std::string access, signature;
  std::string verb, host, path, body_hash;
  std::map<std::string, std::string> params, headers;
  std::string string_to_sign;  ///< S3: what the signature is of; the rest is not looked at.
};

/// What may be said about a key that secrets are sealed with; never the key.
struct CredentialKey {
  std::string id;             ///< Eight hexadecimal digits of its SHA-256, to tell keys apart.
  bool seals = false;         ///< One does; the others open what is not sealed anew yet.
  std::uint64_t secrets = 0;  ///< Sealed with it now.
};

/// Secrets of users: EC2 keys, TOTP secrets, certificates and whatever else a service keeps.
///
/// Thread-safe. Secrets are sealed with keys/credentials before they are stored. Owners see and
/// change their own; whose and of which project one is, only admins change. A token of a trust or
/// an application credential hands those on to the EC2 keys made with it, for good; one of an
/// application credential that is not unrestricted changes no credential at all.
/// Source: Identity API v3, /credentials, OS-EC2.
class CLOUDOS_EXPORT Credentials final {
 public:
  explicit Credentials(Identity::Impl& impl) : impl_(impl) {}
  Credentials(const Credentials&) = delete;
  Credentials& operator=(const Credentials&) = delete;

  /// Errors of all calls: Forbidden, NotFound (also for another's).
  /// Errors: InvalidArgument (type, blob, project of an EC2 key), AlreadyExists (access key),
  /// QuotaExceeded (limits::kCredentialsOfUser).
  Result<Credential> create(const Context& ctx, const CredentialCreate& spec);
  Result<Credential> get(const Context& ctx, const CredentialId& id) const;
  /// Those that the caller may see, oldest first.
  Result<std::vector<Credential>> list(const Context& ctx, const CredentialFilter& filter) const;
  Result<Credential> update(const Context& ctx, const CredentialId& id,
                            const CredentialUpdate& with);
  Result<void> remove(const Context& ctx, const CredentialId& id);

  /// A new EC2 key for this user on this project, on which they must have a role.
  Result<Credential> create_ec2(const Context& ctx, const UserId& user, const ProjectId& project);
  Result<Credential> get_ec2(const Context& ctx, const UserId& user,
                             std::string_view access) const;
  Result<std::vector<Credential>> list_ec2(const Context& ctx, const UserId& user) const;
  Result<void> remove_ec2(const Context& ctx, const UserId& user, std::string_view access);

  /// A token for whoever signed the request: of the key's user on its project, or of the trust or
  /// application credential it was made with. Only for services (rule identity:ec2tokens). A
  /// signature without a time of signing, or AccountRules::signature_life old, is refused; so is
  /// one that has been shown before. Errors: Unauthenticated (whatever is wrong with it), Forbidden.
  Result<Token> token_for_ec2(const Context& ctx, const SignedRequest& request);
  Result<Token> token_for_s3(const Context& ctx, const SignedRequest& request);

  /// The keys of keys/credentials, the one that seals first. Errors: Forbidden.
  Result<std::vector<CredentialKey>> keys(const Context& ctx) const;
  /// A new key seals from now on, in every process on the folder. The one before opens what it
  /// sealed until the reconciler "credential-keys" has sealed all of it anew. Errors: Forbidden,
  /// Conflict (not all is sealed with the present key yet), Unavailable, StorageFull.
  Result<std::vector<CredentialKey>> rotate_keys(const Context& ctx);

 private:
  Identity::Impl& impl_;
};

}  // namespace cloudos

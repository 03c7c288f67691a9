#pragma once
#include <optional>
#include <string>
#include <vector>

#include "cloudos/identity.hpp"

namespace cloudos {

using OAuthConsumerId = Id<struct OAuthConsumerTag>;

/// A program of somebody else's that may ask users to let it act for them.
struct OAuthConsumer {
  OAuthConsumerId id;
  std::uint64_t generation = 0;
  std::string description;
  std::string secret;  ///< What create() drew; empty ever after.
  ExtraFields extra;
  WallTime created_at;
};
struct OAuthConsumerCreate {
  std::string description;
  ExtraFields extra;
};
struct OAuthConsumerUpdate {
  std::optional<std::string> description;
  ExtraChanges extra;
};

/// The consumers of OAuth 1.0a. Their secrets are sealed with keys/credentials, so that signatures
/// made with them can be checked.
///
/// Consumers are all there is: nothing gives out request tokens or access tokens, users cannot
/// authorize one, and no login takes the method oauth1. Trusts and application credentials let
/// others act for a user.
///
/// Thread-safe. A change is committed when its call returns. Errors of all: NotFound, Forbidden,
/// InvalidArgument. Source: Identity API v3, OS-OAUTH1.
class CLOUDOS_EXPORT OAuthConsumers final {
 public:
  explicit OAuthConsumers(Identity::Impl& of) : of_(of) {}

  /// Errors: Unavailable (no key to seal the secret with).
  Result<OAuthConsumer> create(const Context& ctx, const OAuthConsumerCreate& spec);
  Result<OAuthConsumer> get(const Context& ctx, const OAuthConsumerId& id) const;
  Result<std::vector<OAuthConsumer>> list(const Context& ctx, const IdentityFilter& filter) const;
  Result<OAuthConsumer> update(const Context& ctx, const OAuthConsumerId& id,
                               const OAuthConsumerUpdate& with);
  Result<void> remove(const Context& ctx, const OAuthConsumerId& id);

 private:
  Identity::Impl& of_;
};

}  // namespace cloudos

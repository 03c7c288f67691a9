#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/limits.hpp"
#include "identity/fernet.hpp"
#include "identity/identity.hpp"
#include "identity/passwords.hpp"
#include "identity/policy.hpp"
#include "identity/records.hpp"
#include "identity/tokens.hpp"
#include "records/table.hpp"

namespace cloudos {

/// What the service's files share. Thread-safe: members are constant or guard themselves.
struct Identity::Impl {
  Engine engine;
  IdentitySettings settings;
  identity::Fernet fernet;
  identity::PolicyTable policies;
  mutable identity::Passwords passwords;
  mutable identity::TokenCache cache;

  Impl(const Engine& the_engine, IdentitySettings the_settings,
       std::vector<identity::FernetKey> keys);

  Result<std::unique_ptr<store::Snapshot>> snapshot() const { return engine.store.snapshot(); }
  /// Commits a change, and tells every cache of tokens (in every process) to look again.
  Result<void> commit(const store::Body& body) const;
  /// Commits a change that no token depends on.
  Result<void> commit_quietly(const store::Body& body) const;
  std::uint64_t draw() const;

  Result<Token> validate(std::string_view text) const;
  /// What the sealed content means now. Errors: Unauthenticated.
  Result<Token> resolve(const store::Snapshot& at, const identity::TokenPayload& payload,
                        std::string_view text) const;
  /// Seals a token for a user who has proved who they are.
  Result<Token> issue(const store::Snapshot& at, identity::TokenPayload payload,
                      const identity::UserRecord& user, const Scope& scope) const;
  Result<std::optional<identity::TokenPayload>> open(std::string_view text) const;

  /// Roles that a user has on a project or domain, by themselves and by groups.
  struct Effective {
    std::vector<Token::Named> roles;  ///< By name; implied ones included.
    std::vector<std::uint64_t> stamps;
  };
  Result<Effective> effective_roles(const store::Snapshot& at, const identity::UserRecord& user,
                                    const ProjectId& project, const DomainId& domain) const;
  /// The roles and all that they imply. Roles that are gone are left out.
  Result<std::vector<identity::RoleRecord>> closure(const store::Snapshot& at,
                                                    const std::vector<RoleId>& roles) const;

  Result<std::optional<identity::UserRecord>> find_user(const store::Snapshot& at,
                                                        const NamedReference& who) const;
  Result<std::optional<identity::ProjectRecord>> find_project(const store::Snapshot& at,
                                                              const NamedReference& which) const;
  Result<std::optional<identity::DomainRecord>> find_domain(const store::Snapshot& at,
                                                            std::string_view id,
                                                            std::string_view name) const;

  /// Erases what an index of the grants holds, in as many commits as it takes; the last one also
  /// runs `last`, and leaves nothing under the index.
  Result<void> drop_grants(std::string_view field, std::string_view value,
                           const store::Body& last) const;
  /// Takes a group's members out of it.
  Result<void> empty_group(const GroupId& group) const;

  /// First start: admin, roles, catalog. Later: what is missing of the catalog.
  Result<void> bootstrap();
  Result<void> write_client_files() const;
  /// Erases revocations of tokens that have expired. Returns true when more are due.
  Result<bool> sweep_revocations() const;
};

namespace identity {

/// Changes with every commit that a token may depend on.
inline constexpr std::string_view kStateKey = "/identity-state";

Result<void> need_admin(const Context& ctx, std::string_view policy);
tl::unexpected<Error> forbidden(std::string_view policy);
Result<void> check_title(std::string_view what, std::string_view name, std::size_t most);
Result<void> check_text(std::string_view what, std::string_view text);
Result<void> check_extra(const ExtraFields& extra);
Result<void> apply_extra(ExtraFields& extra, const ExtraChanges& changes);

/// The value of a text field, for filters; nothing when the record lacks it.
using TextOf = std::function<std::optional<std::string>(std::string_view field)>;
bool text_matches(const std::vector<TextFilter>& filters, const TextOf& text_of);
std::optional<std::string> extra_text(const ExtraFields& extra, std::string_view field);

/// One page of records as their public part.
template <class Public, class Record>
Result<std::vector<Public>> public_page(const store::Snapshot& at,
                                        const records::PageSpec<Record>& spec) {
  CLOUDOS_TRY(auto found, records::page(at, spec));
  std::vector<Public> list;
  list.reserve(found.size());
  for (Record& record : found) list.push_back(std::move(record));
  return list;
}

}  // namespace identity
}  // namespace cloudos

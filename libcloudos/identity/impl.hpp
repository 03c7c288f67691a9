#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "cloudos/application_credentials.hpp"
#include "cloudos/credentials.hpp"
#include "cloudos/domain_configs.hpp"
#include "cloudos/endpoint_filters.hpp"
#include "cloudos/limits.hpp"
#include "cloudos/limits_registry.hpp"
#include "cloudos/oauth.hpp"
#include "cloudos/stored_policies.hpp"
#include "cloudos/trusts.hpp"
#include "identity/delegation_records.hpp"
#include "identity/account_rules.hpp"
#include "identity/credential_keys.hpp"
#include "identity/identity.hpp"
#include "identity/keyring.hpp"
#include "identity/passwords.hpp"
#include "identity/policy.hpp"
#include "identity/records.hpp"
#include "identity/tokens.hpp"
#include "records/kept_rows.hpp"
#include "records/table.hpp"

namespace cloudos {
namespace identity {

/// How many logins of one user are under way: whoever guesses one user's password must not take
/// the turns of all others. Bounded by those who may wait for a hash at all. Thread-safe.
class LoginTurns final {
 public:
  class Turn {
   public:
    Turn(LoginTurns& of, std::string who) : of_(&of), who_(std::move(who)) {}
    Turn(Turn&& other) noexcept
        : of_(std::exchange(other.of_, nullptr)), who_(std::move(other.who_)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (of_ != nullptr) of_->end(who_);
    }

   private:
    LoginTurns* of_;
    std::string who_;
  };
  /// Errors: Unavailable (limits::kLoginsOfUser are under way).
  Result<Turn> begin(const std::string& who);

 private:
  void end(const std::string& who);

  std::mutex mutex_;
  std::map<std::string, unsigned> under_way_;  // Guarded by mutex_.
};

/// The catalogue as texts, each for one project and user where URLs name those. Bounded: all are
/// dropped when there are too many, or when the state has changed. Thread-safe.
class CatalogCache final {
 public:
  using Write = std::string (*)(const std::vector<CatalogEntry>&);
  struct Key {
    Write write;
    std::string project, user;
    friend bool operator<(const Key& a, const Key& b) {
      if (a.write != b.write) return std::less<Write>()(a.write, b.write);
      return std::tie(a.project, a.user) < std::tie(b.project, b.user);
    }
  };
  struct Books {
    bool by_project = false, by_user = false;  ///< What URLs name.
  };
  /// What is known in this state of what URLs name; nothing: look.
  std::optional<Books> books(const StateMark& mark) const;
  std::shared_ptr<const std::string> find(const StateMark& mark, const Key& key) const;
  void put(const StateMark& mark, Books books, Key key, std::shared_ptr<const std::string> text);

 private:
  mutable std::mutex mutex_;
  StateMark mark_;              // These four are guarded by mutex_.
  std::optional<Books> books_;
  std::map<Key, std::shared_ptr<const std::string>> texts_;
  std::size_t bytes_ = 0;
};

}  // namespace identity

namespace identity {

/// Records of a kind that name another by an index, and how some of them are found and erased.
struct Dependent {
  std::string_view kind, field;
  Result<std::vector<std::string>> (*find)(const store::Snapshot& at, std::string_view field,
                                           std::string_view value, std::size_t most);
  Result<void> (*erase)(store::Txn& txn, const std::string& id);
};
template <class Record>
constexpr Dependent dependent(std::string_view by) {
  return {Record::kKind, by,
          [](const store::Snapshot& at, std::string_view field, std::string_view value,
             std::size_t most) -> Result<std::vector<std::string>> {
            records::PageSpec<Record> spec;
            spec.range = {std::string(field), std::string(value), false};
            spec.limit = most;
            CLOUDOS_TRY(const auto found, records::page(at, spec));
            std::vector<std::string> ids;
            for (const Record& record : found) ids.push_back(records::id_text(record.id));
            return ids;
          },
          [](store::Txn& txn, const std::string& id) { return records::erase<Record>(txn, id); }};
}

// What a target says once its record is known.
inline void tell_id(PolicyTarget& target, const UserId& id) { target.user = id; }
inline void tell_id(PolicyTarget& target, const ProjectId& id) { target.project = id; }
inline void tell_id(PolicyTarget& target, const DomainId& id) { target.domain = id; }
inline void tell_id(PolicyTarget&, const GroupId&) {}
inline void tell(PolicyTarget& target, const UserRecord& user) {
  target.user = user.id;
  target.user_domain = user.domain;
  target.enabled = user.enabled;
}
inline void tell(PolicyTarget& target, const ProjectRecord& project) {
  target.project = project.id;
  target.project_domain = project.domain;
  target.enabled = project.enabled;
}
inline void tell(PolicyTarget& target, const GroupRecord& group) {
  target.group_domain = group.domain;
}
inline void tell(PolicyTarget& target, const DomainRecord& domain) {
  target.domain = domain.id;
  target.enabled = domain.enabled;
}

}  // namespace identity

/// What the service's files share. Thread-safe: members are constant or guard themselves.
struct Identity::Impl {
  Engine engine;
  IdentitySettings settings;
  std::atomic<std::chrono::seconds> token_lifetime{settings.token_lifetime};  ///< In force now.
  std::unique_ptr<identity::KeyRing> keys;
  mutable identity::Passwords passwords;
  identity::RulesInForce rules;
  mutable identity::PasscodeTries passcode_tries;
  mutable identity::CredentialKeys credential_keys;
  mutable Credentials credentials{*this};
  mutable identity::TokenCache cache;
  mutable identity::CatalogCache catalogs;
  mutable identity::LoginTurns logins;
  mutable LimitsRegistry limits_registry{*this};
  mutable EndpointFilters endpoint_filters{*this};
  mutable StoredPolicies stored_policies{*this};
  mutable DomainConfigs domain_configs{*this};
  mutable OAuthConsumers oauth_consumers{*this};
  mutable identity::ConclusionCache conclusions;
  mutable records::KeptRows<identity::ProjectRecord> project_rows;
  mutable Trusts trusts{*this};
  mutable ApplicationCredentials application_credentials{*this};

  Impl(const Engine& the_engine, IdentitySettings the_settings,
       std::unique_ptr<identity::KeyRing> the_keys);

  /// Shared with the calls that go by it while it is being replaced.
  std::shared_ptr<const Policy> policy() const;
  Result<void> set_policy(std::string_view text);
  Result<void> load_policy();
  /// Policy on a target that is told in full.
  Result<void> allow(const Context& ctx, std::string_view name, PolicyTarget target = {}) const;
  /// Policy on a target of which more is to be read: refuses who may not whatever that says.
  Result<void> may_ask(const Context& ctx, std::string_view name,
                       const PolicyTarget& target = {}) const;
  Result<void> allow_member(const Context& ctx, std::string_view name, const GroupId& group,
                            const UserId& user) const;
  /// identity:<verb>_grant, or identity:<verb>_system_grant. Errors: Forbidden, NotFound (either
  /// end), InvalidArgument.
  Result<void> allow_grant(const Context& ctx, std::string_view verb, const Assignment& a) const;
  /// Of which domain a list may be shown: the one that is asked for, every one (nothing), or
  /// else that of the caller's token. Errors: Forbidden.
  Result<std::optional<DomainId>> allow_list(const Context& ctx, std::string_view name,
                                             const std::optional<DomainId>& asked) const;

  Result<std::unique_ptr<store::Snapshot>> snapshot() const { return engine.store.snapshot(); }
  /// The record, if the caller may do this to it. Who may not whatever it holds learns nothing of
  /// it, not even whether it is there. Errors: Forbidden, NotFound.
  template <class Record, class IdType>
  Result<Record> owned(const Context& ctx, std::string_view name, const IdType& id) const {
    PolicyTarget target{{}, {}};
    identity::tell_id(target, id);
    CLOUDOS_CHECK(may_ask(ctx, name, target));
    CLOUDOS_TRY(auto record, by_snapshot([&](const store::Snapshot& at) {
      return records::get<Record>(at, id);
    }));
    identity::tell(target, record);
    // Whoever might have been allowed, had it been another's, learns not even that it is there.
    if (!allow(ctx, name, std::move(target)))
      return records::not_found(Record::kKind, records::id_text(id));
    return record;
  }
  /// Reads by a snapshot, again by a newer one when another process overtook it.
  template <class Read>
  auto by_snapshot(const Read& read) const -> decltype(read(std::declval<store::Snapshot&>())) {
    for (std::size_t round = 1;; ++round) {
      CLOUDOS_TRY(const auto at, snapshot());
      auto done = read(*at);
      if (done || done.error().code != ErrorCode::Stale || round == limits::kReplanRounds)
        return done;
    }
  }
  /// Commits a change, and tells every cache of tokens (in every process) to look again.
  Result<void> commit(const store::Body& body) const;
  /// Commits a change that no token depends on.
  Result<void> commit_quietly(const store::Body& body) const;
  std::uint64_t draw() const;
  void audit_failed_login(const Login& login, const Error& error) const;
  /// Of a login by a signature; hands `outcome` on.
  Result<Token> audit_key_login(Result<Token> outcome) const;
  void audit_key_rotation(const Context& ctx, std::string_view operation) const;

  /// Of a token that expired up to `grace` ago, too. Errors: Unauthenticated.
  Result<std::shared_ptr<const ValidToken>> valid(std::string_view text,
                                                  std::chrono::seconds grace = {}) const;
  /// The same with what was sealed. Errors: Stale (a guest's snapshot), beside those of valid().
  Result<identity::TokenCache::Entry> held_at(const store::Snapshot& at, std::string_view text,
                                              std::chrono::seconds grace = {}) const;
  Result<identity::StateMark> mark(const store::Snapshot& at) const;
  Result<std::optional<identity::TokenPayload>> open(std::string_view text) const;
  Result<identity::ReceiptPayload> open_receipt(std::string_view text) const;

  /// What the sealed content means now. Errors: Unauthenticated.
  Result<Token> resolve(const store::Snapshot& at, const identity::TokenPayload& payload,
                        std::string_view text) const;
  /// Roles of a token: those of `who` on `on`, or only those `only` names, which must all be held.
  /// Errors: Unauthenticated.
  Result<void> tell_roles(const store::Snapshot& at, const identity::UserRecord& who,
                          const Assignment& on, const std::vector<RoleId>* only,
                          const identity::TokenPayload& payload, Token& token) const;
  Result<void> tell_trust(const store::Snapshot& at, const identity::TokenPayload& payload,
                          Token& token) const;
  Result<void> tell_application_credential(const store::Snapshot& at,
                                           const identity::UserRecord& user,
                                           const identity::TokenPayload& payload,
                                           Token& token) const;
  /// What a login means that has been proved by these methods. Errors: Unauthenticated; for trusts
  /// those of Identity::log_in.
  Result<identity::Conclusion> conclude(const store::Snapshot& at, const UserId& user,
                                        std::uint32_t methods, const Scope& scope,
                                        const ApplicationCredentialId& credential) const;
  Result<void> aim(const store::Snapshot& at, const identity::UserRecord& user, const Scope& scope,
                   identity::TokenPayload& payload) const;
  Result<void> aim_at_trust(const store::Snapshot& at, const identity::UserRecord& user,
                            const TrustId& id, identity::TokenPayload& payload) const;
  Result<void> aim_at_credential(const store::Snapshot& at, const identity::UserRecord& user,
                                 const ApplicationCredentialId& id,
                                 identity::TokenPayload& payload) const;
  /// A trust with those it hands on, up to the user whose roles they all are.
  struct TrustChain {
    identity::TrustRecord trust;
    identity::UserRecord trustor;  ///< Of the trust itself.
    identity::UserRecord root;     ///< Whose roles they are.
    std::uint64_t epochs = 0, domain_epochs = 0;
  };
  /// Errors: NotFound (gone or expired, also one above it), Forbidden (a trustor is disabled).
  Result<TrustChain> trust_chain(const store::Snapshot& at, const TrustId& id) const;
  /// For whoever has signed with a key of this user. Errors: those of Identity::log_in.
  Result<LoginOutcome> log_in_by_key(const identity::UserRecord& user, const Scope& scope,
                                     const ApplicationCredentialId& credential) const;
  /// What the user's record says to those who look: inactive users are disabled.
  User shown(identity::UserRecord record) const;
  Result<std::vector<User>> users_in(const store::Snapshot& at, records::Range range,
                                     const IdentityFilter& filter) const;
  /// Erases signatures that would not hold any more anyway. Returns true when more are due.
  Result<bool> sweep_signatures() const;
  /// Seals anew what is not sealed with the first of the credentials' keys. True: there is more.
  Result<bool> reseal_credentials() const;
  mutable std::atomic<std::uint64_t> resealed{UINT64_MAX};  ///< All was, under that version of keys.
  mutable std::mutex credential_rotation;                   ///< One at a time.
  /// Spends one use. Errors: NotFound (none left).
  Result<void> use_trust(const TrustId& id) const;
  /// Erases trusts that are over, or hand on one that is gone. Returns true when more are due.
  Result<bool> sweep_trusts() const;

  /// Roles that a user has on a project or domain, by themselves and by groups, given there or
  /// inherited from what it lies under. None on a project that lies under a disabled one.
  struct Effective {
    std::vector<Token::Named> roles;  ///< By name; implied ones included, no domain's own.
    std::vector<std::uint64_t> stamps;
  };
  /// `on`: the target; its user, group and role are not looked at.
  Result<Effective> effective_roles(const store::Snapshot& at, const identity::UserRecord& user,
                                    const Assignment& on) const;
  /// The roles and all that they imply. Roles that are gone are left out.
  Result<std::vector<identity::RoleRecord>> closure(const store::Snapshot& at,
                                                    const std::vector<RoleId>& roles) const;
  /// What the user and their groups were given, anywhere.
  Result<std::vector<identity::GrantRecord>> grants_of(const store::Snapshot& at,
                                                       const identity::UserRecord& user) const;
  /// The projects above it, its parent first. Errors: Internal (deeper than projects may nest).
  Result<std::vector<identity::ProjectRecord>> ancestors(
      const store::Snapshot& at, const identity::ProjectRecord& project) const;
  /// Those that the caller may see, or has a role on.
  Result<std::vector<Project>> visible(const Context& ctx, const store::Snapshot& at,
                                       const std::vector<identity::ProjectRecord>& projects) const;
  /// The projects below a project or domain, each after its parent.
  Result<std::vector<identity::ProjectRecord>> descendants(const store::Snapshot& at,
                                                           const std::string& above) const;

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
  /// The same for whatever goes with a record: `of` names kinds and their index on it.
  Result<void> drop_dependents(std::span<const identity::Dependent> of, std::string_view value,
                               const store::Body& last) const;
  /// Erases a service's registered limits with the limits by them.
  Result<void> drop_registered_limits(const ServiceId& service) const;
  /// Takes a group's members out of it.
  Result<void> empty_group(const GroupId& group) const;

  /// First start: admin, roles, catalog. Later: what is missing of the catalog.
  Result<void> bootstrap();
  Result<void> write_client_files() const;
  /// Erases revocations of tokens that have expired. Returns true when more are due.
  Result<bool> sweep_revocations() const;
  /// Rotates the keys once the primary one is older than the settings say.
  Result<bool> age_keys() const;

  mutable std::mutex policy_mutex;
  std::shared_ptr<const Policy> policy_now;       // By policy_mutex.
  std::atomic<std::uint64_t> policy_changes{0};   // After policy_now was replaced.
};

namespace identity {

/// How the settings say that passwords are hashed.
inline PasswordHashing hashing_of(const IdentitySettings& settings) {
  PasswordHashing with = settings.password_hashing;
  with.bcrypt_cost = settings.password_cost;
  return with;
}

/// Changes with every commit that a token may depend on.
inline constexpr std::string_view kStateKey = "/identity-state";

Result<void> check_title(std::string_view what, std::string_view name, std::size_t most);
Result<void> check_text(std::string_view what, std::string_view text);
Result<void> check_extra(const ExtraFields& extra);
Result<void> check_tags(const std::vector<std::string>& tags);
/// Refuses to change, or delete, what says so of itself. `only_unsets`: the change does nothing
/// else but unset it. Errors: Forbidden.
Result<void> check_mutable(std::string_view kind, const std::string& id,
                           const std::optional<bool>& immutable, bool only_unsets = false);
/// The change unsets `immutable` and touches nothing else.
bool only_unsets_immutable(const IdentityUpdate& with);
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

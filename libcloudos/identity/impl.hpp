#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "cloudos/limits.hpp"
#include "identity/identity.hpp"
#include "identity/keyring.hpp"
#include "identity/passwords.hpp"
#include "identity/policy.hpp"
#include "identity/records.hpp"
#include "identity/tokens.hpp"
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
  mutable identity::TokenCache cache;
  mutable identity::CatalogCache catalogs;
  mutable identity::LoginTurns logins;

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
    CLOUDOS_CHECK(allow(ctx, name, std::move(target)));
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

  Result<std::shared_ptr<const ValidToken>> valid(std::string_view text) const;
  /// Errors: Stale (a guest's snapshot), beside those of valid().
  Result<std::shared_ptr<const ValidToken>> valid_at(const store::Snapshot& at,
                                                     std::string_view text) const;
  Result<identity::StateMark> mark(const store::Snapshot& at) const;
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
  /// `on`: the target; its user, group and role are not looked at.
  Result<Effective> effective_roles(const store::Snapshot& at, const identity::UserRecord& user,
                                    const Assignment& on) const;
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
  /// Rotates the keys once the primary one is older than the settings say.
  Result<bool> age_keys() const;

  mutable std::mutex policy_mutex;
  std::shared_ptr<const Policy> policy_now;       // By policy_mutex.
  std::atomic<std::uint64_t> policy_changes{0};   // After policy_now was replaced.
};

namespace identity {

/// Changes with every commit that a token may depend on.
inline constexpr std::string_view kStateKey = "/identity-state";

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

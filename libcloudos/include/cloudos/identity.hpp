#pragma once
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/account_rules.hpp"
#include "cloudos/clock.hpp"
#include "cloudos/context.hpp"
#include "cloudos/export.hpp"
#include "cloudos/ids.hpp"
#include "cloudos/policy.hpp"
#include "cloudos/result.hpp"
#include "cloudos/row_texts.hpp"
#include "cloudos/token_keys.hpp"

namespace cloudos {

/// Fields that clients send and we only keep: name to value as JSON text ("\"a@b.c\"", "[1]").
using ExtraFields = std::map<std::string, std::string>;
/// A change of those: a value sets, nothing removes.
using ExtraChanges = std::map<std::string, std::optional<std::string>>;

/// Holds users and projects; their names are unique within it. `default` always exists.
struct Domain {
  DomainId id;
  std::uint64_t generation = 0;
  std::string name;  ///< Unique, without regard to case.
  std::string description;
  bool enabled = true;
  ExtraFields extra;
  WallTime created_at;
  std::vector<std::string> tags;
  std::optional<bool> immutable;  ///< Set to true: nobody changes or deletes it before it is unset.
};

struct Project {
  ProjectId id;
  std::uint64_t generation = 0;
  std::string name;  ///< Unique within its domain, without regard to case.
  std::string description;
  DomainId domain;
  ProjectId parent;  ///< Empty: directly under its domain.
  bool enabled = true;
  std::vector<std::string> tags;
  ExtraFields extra;
  WallTime created_at;
  std::optional<bool> immutable;  ///< As a domain's.
};

/// What users are excused from or held to; absent: nobody has said.
struct UserOptions {
  std::optional<bool> ignore_change_password_upon_first_use;
  std::optional<bool> ignore_password_expiry;
  std::optional<bool> ignore_lockout_failure_attempts;
  std::optional<bool> ignore_user_inactivity;
  std::optional<bool> lock_password;  ///< The user cannot change the password; admins can.
  std::optional<bool> multi_factor_auth_enabled;
  /// Methods that must all hold; each list alone would do. Methods that there are none of are not
  /// looked at, and a list of nothing else asks for nothing.
  std::optional<std::vector<std::vector<std::string>>> multi_factor_auth_rules;
  friend bool operator==(const UserOptions&, const UserOptions&) = default;
};

struct User {
  UserId id;
  std::uint64_t generation = 0;
  std::string name;  ///< Unique within its domain, without regard to case.
  std::string description;
  DomainId domain;
  ProjectId default_project;  ///< What a login without scope is scoped to, if it may.
  bool enabled = true;
  ExtraFields extra;  ///< email and whatever else
  WallTime created_at;
  bool has_password = false;
  UserOptions options;
  std::optional<WallTime> password_expires_at;  ///< By the rule when it was set; absent: never.
};

struct Group {
  GroupId id;
  std::uint64_t generation = 0;
  std::string name;  ///< Unique within its domain, without regard to case.
  std::string description;
  DomainId domain;
  ExtraFields extra;
  WallTime created_at;
};

struct Role {
  RoleId id;
  std::uint64_t generation = 0;
  std::string name;  ///< Unique within its domain, or among those of no domain.
  std::string description;
  std::vector<RoleId> implies;  ///< Whoever has this role has those too.
  ExtraFields extra;
  WallTime created_at;
  /// A name for roles that a domain gives on what is its own: no token shows the role itself, only
  /// what it implies. Empty: the whole cloud's.
  DomainId domain;
  std::optional<bool> immutable;  ///< As a domain's.
};

struct Region {
  std::string id;  ///< "RegionOne"; chosen by the caller or made.
  std::uint64_t generation = 0;
  std::string description;
  std::string parent;  ///< Id of another region, or empty.
  ExtraFields extra;
  WallTime created_at;
};

/// An entry of the catalog: what kind of API, by which name.
struct CatalogService {
  ServiceId id;
  std::uint64_t generation = 0;
  std::string type;  ///< "compute"
  std::string name;  ///< "nova"
  std::string description;
  bool enabled = true;
  ExtraFields extra;
  WallTime created_at;
};

/// Where a service answers. In `url`, $(public_url)s, $(project_id)s and $(user_id)s (also with a
/// percent sign, also tenant_id) are filled in when a catalog is made.
struct Endpoint {
  EndpointId id;
  std::uint64_t generation = 0;
  ServiceId service;
  std::string interface;  ///< "public", "internal" or "admin"
  std::string region;
  std::string url;
  std::string description;
  bool enabled = true;
  ExtraFields extra;
  WallTime created_at;
};

/// Who has which role on what: one of user and group, one of project, domain and system.
struct Assignment {
  UserId user;
  GroupId group;
  ProjectId project;
  DomainId domain;
  RoleId role;
  bool system = false;  ///< On the whole cloud.
  /// Not on the project or domain itself but on every project below it.
  bool inherited = false;
  friend auto operator<=>(const Assignment&, const Assignment&) = default;
  friend bool operator==(const Assignment&, const Assignment&) = default;
};

/// An assignment with the names a reader wants to see.
struct NamedAssignment {
  Assignment assignment;
  std::string actor_name, target_name, role_name;
  DomainId actor_domain, target_domain;  ///< Of the user or group, and of the project.
  std::string actor_domain_name, target_domain_name;
  DomainId role_domain;  ///< Of a role of one domain.
  std::string role_domain_name;
  /// On record. With AssignmentFilter::effective the one that `assignment` follows from: by a
  /// group, an ancestor, a role that implies.
  Assignment source;
};

struct AssignmentFilter {
  std::optional<UserId> user;
  std::optional<GroupId> group;
  std::optional<ProjectId> project;
  std::optional<DomainId> domain;
  std::optional<RoleId> role;
  bool effective = false;  ///< Groups become their members, implied roles are listed too.
  bool system = false;     ///< Those on the whole cloud only.
  bool subtree = false;    ///< With `project`: those on the projects below it too.
  bool inherited = false;  ///< Those that are inherited, or follow from such, only.
};

/// "name equals", "name__icontains" and so on. A field that the records lack matches nothing.
struct TextFilter {
  enum class Match : std::uint8_t { Equals, Contains, StartsWith, EndsWith };
  std::string field;  ///< "name", "description", "email", ...
  Match match = Match::Equals;
  bool ignore_case = false;
  std::string value;
};

/// "password_expires_at=lt:2026-01-01T00:00:00Z" and its kin.
struct TimeFilter {
  enum class Match : std::uint8_t { Equal, NotEqual, Before, NotAfter, After, NotBefore };
  Match match = Match::Equal;
  WallTime time;
};

/// What a list of users, projects, domains, groups, roles, services or endpoints is narrowed by.
struct IdentityFilter {
  std::optional<DomainId> domain;
  std::optional<bool> enabled;
  std::optional<std::string> parent;      ///< Projects: a project's or a domain's id. Regions.
  std::optional<ServiceId> service;       ///< Endpoints.
  std::optional<std::string> interface;   ///< Endpoints.
  std::optional<std::string> region;      ///< Endpoints.
  std::vector<std::string> tags, tags_any, not_tags, not_tags_any;  ///< Projects.
  std::vector<TextFilter> text;
  std::vector<TimeFilter> password_expires_at;  ///< Users; one whose never does matches none.
  bool domain_roles = false;  ///< Roles: with no `domain`, those of every domain too.
  std::string marker;
  std::size_t limit = SIZE_MAX;
};

struct DomainCreate {
  std::string name, description;
  bool enabled = true;
  ExtraFields extra;
  std::optional<DomainId> id;  ///< Chosen by the caller (32 hexadecimal digits); else made.
  std::vector<std::string> tags;
  std::optional<bool> immutable;
};
struct ProjectCreate {
  std::string name, description;
  DomainId domain;
  ProjectId parent;
  bool enabled = true;
  std::vector<std::string> tags;
  ExtraFields extra;
  std::optional<bool> immutable;
};
struct UserCreate {
  std::string name, description;
  DomainId domain;
  ProjectId default_project;
  bool enabled = true;
  std::optional<std::string> password;
  ExtraFields extra;
  UserOptions options;
  /// Instead of a password, what hashing it gave elsewhere: "$2b$…", "$2y$…", "$bcrypt-sha256$…",
  /// "$scrypt$…", "$pbkdf2-sha512$…", "$6$…", "$argon2id$…".
  std::optional<std::string> password_hash;
};
struct GroupCreate {
  std::string name, description;
  DomainId domain;
  ExtraFields extra;
};
struct RoleCreate {
  std::string name, description;
  ExtraFields extra;
  DomainId domain;  ///< Empty: the whole cloud's.
  std::optional<bool> immutable;
};
struct RegionCreate {
  std::string id, description, parent;
  ExtraFields extra;
};
struct ServiceCreate {
  std::string type, name, description;
  bool enabled = true;
  ExtraFields extra;
};
struct EndpointCreate {
  ServiceId service;
  std::string interface, region, url, description;
  bool enabled = true;
  ExtraFields extra;
};

/// Changes: what is absent stays as it is. One type per kind of thing would repeat these fields.
struct IdentityUpdate {
  std::optional<std::string> name, description;
  std::optional<bool> enabled;
  std::optional<std::vector<std::string>> tags;          ///< Projects and domains.
  /// Projects, domains and roles: unset by an empty one. What is immutable takes no other change.
  std::optional<std::optional<bool>> immutable;
  std::optional<ProjectId> default_project;              ///< Users; empty removes.
  std::optional<std::string> password;                   ///< Users: set by an admin.
  UserOptions options;                                   ///< Users: those given are set …
  std::vector<std::string> unset_options;                ///< … and those named are taken away.
  std::optional<std::string> parent;                     ///< Regions.
  std::optional<std::string> type, interface, region, url;  ///< Services and endpoints.
  std::optional<ServiceId> service;                      ///< Endpoints.
  ExtraChanges extra;
};

/// A user or project as a client names it: by id, or by name within a domain (by id or name).
struct NamedReference {
  std::string id, name;
  std::string domain_id, domain_name;
};

/// What a new token should be good for.
struct Scope {
  enum class Kind : std::uint8_t {
    Default,   ///< The user's default project if it may be used, else nothing.
    Unscoped,
    Project,   ///< `target` is a project.
    Domain,    ///< `target` is a domain: id or name.
    System,    ///< The whole cloud: for what belongs to no project.
    Trust,     ///< `target.id` is a trust of which the user is the trustee.
  } kind = Kind::Default;
  NamedReference target;
};

/// A login by one method or several, which must all hold and name the same user.
struct Login {
  struct Password {
    NamedReference user;
    std::string password;
  };
  /// A code of the user's authenticator (RFC 6238).
  struct Totp {
    NamedReference user;
    std::string passcode;
  };
  /// By its id, or by its name and whose it is. Its scope is its own.
  struct ApplicationCredential {
    std::string id, name;
    NamedReference user;
    std::string secret;
  };
  std::optional<Password> password;
  std::optional<std::string> token;  ///< A valid token; the new one never outlives it.
  std::optional<Totp> totp;
  std::optional<ApplicationCredential> application_credential;
  /// The host program vouches for this user. Never set it from anything a client sent.
  std::optional<NamedReference> external;
  std::string receipt;  ///< Id of a Receipt: counts the methods that held then.
  Scope scope;
};

/// What a token by an application credential may be used for: requests of this method whose path
/// matches, to this type of service. `*` in a path stands for anything but `/`, `**` for anything,
/// `{name}` for one or more characters but `/`.
struct AccessRule {
  std::string id;
  std::string service;  ///< "compute"
  std::string method;   ///< "GET"
  std::string path;     ///< "/v2.1/servers/*/ips"
};

/// A token that holds now, with what it says about its bearer.
struct CLOUDOS_EXPORT Token {
  struct Named {
    std::string id, name;
    friend bool operator==(const Named&, const Named&) = default;
  };
  std::string text;  ///< What the client sends as X-Auth-Token.
  std::vector<std::string> methods;
  Named user, user_domain;
  std::optional<Named> project, project_domain;  ///< Scoped to a project.
  std::optional<Named> domain;                   ///< Scoped to a domain.
  bool system = false;                           ///< Scoped to the whole cloud.
  std::vector<Named> roles;                      ///< On the scope, implied ones included.
  WallTime issued_at, expires_at;
  std::vector<std::string> audit_ids;  ///< Its own, then that of the login it goes back to.
  bool is_admin = false;               ///< By rule context_is_admin, when it was looked at.
  bool is_domain = false;              ///< The project is a domain.
  std::optional<WallTime> password_expires_at;  ///< The user's.

  /// The trust that it acts by: roles and scope are the trust's.
  struct ByTrust {
    TrustId id;
    UserId trustor, trustee;
    bool impersonation = false;  ///< `user` is the trustor.
  };
  std::optional<ByTrust> trust;
  /// The application credential that it acts by.
  struct ByApplicationCredential {
    ApplicationCredentialId id;
    std::string name;
    bool restricted = true;  ///< May make and delete no credentials, trusts and such.
    /// Absent: it may be used for every request. None in the list: for no request.
    std::optional<std::vector<AccessRule>> access_rules;
  };
  std::optional<ByApplicationCredential> application_credential;

  /// Who calls, for the services.
  Context context(std::string request_id) const;
};

/// A token as it holds in one state of the cloud, shared by all who ask in that state: no copies.
/// Thread-safe.
class CLOUDOS_EXPORT ValidToken final {
 public:
  explicit ValidToken(Token the_token) : token(std::move(the_token)), context(token.context({})) {}
  ValidToken(const ValidToken&) = delete;
  ValidToken& operator=(const ValidToken&) = delete;
  ~ValidToken();
  const Token token;
  const Context context;  ///< Without a request id.

  /// What an edge writes about this token, kept from the first who asks (of several at once each
  /// may write, and one's is kept). One `write` per program.
  const std::string& written(std::string (*write)(const Token&)) const;

 private:
  // Not std::call_once: that is a system call for the first, and most tokens are asked for once.
  mutable std::atomic<const std::string*> text_{nullptr};
};

/// What a login that needs further methods gets instead of a token: proof of those that held.
struct Receipt {
  std::string id;  ///< What the client sends back as Openstack-Auth-Receipt.
  Token::Named user, user_domain;
  std::vector<std::string> methods;  ///< That held.
  WallTime issued_at, expires_at;
  std::vector<std::vector<std::string>> required;  ///< Each list alone would do.
};

/// How a login that was right ended: one of the two.
struct LoginOutcome {
  std::shared_ptr<const ValidToken> token;  ///< Shared with whoever uses the token meanwhile.
  std::optional<Receipt> receipt;
};

/// What ended tokens before their time.
struct RevocationEvent {
  std::string audit_id;        ///< One token: its own audit id; else empty.
  std::string audit_chain_id;  ///< Every token that goes back to one login; else empty.
  // Else every token that all of these hold for which are set.
  UserId user;
  ProjectId project;
  DomainId domain;
  RoleId role;
  TrustId trust;
  WallTime revoked_at;
};

/// One service of the catalog with the endpoints a client picks from.
struct CatalogEntry {
  CatalogService service;
  std::vector<Endpoint> endpoints;  ///< With URLs filled in.
};

class Trusts;
class ApplicationCredentials;
class Credentials;
class LimitsRegistry;
class EndpointFilters;
class StoredPolicies;
class DomainConfigs;
class OAuthConsumers;

/// Who may do what: domains, projects, users, groups, roles, tokens, catalog.
///
/// Thread-safe. Tokens cost no write. Every change is committed when a call returns, and kills the
/// tokens it must kill with that very commit. Calls that take a password block for one password
/// hash (a quarter of a second by default), at most two of which run at once.
/// Source: Identity API v3.
class CLOUDOS_EXPORT Identity final {
 public:
  struct CLOUDOS_LOCAL Impl;
  explicit Identity(std::unique_ptr<Impl> impl);
  ~Identity();
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;

  /// Makes a token. Writes nothing. Blocks for a password hash when the login has a password.
  /// Errors: Unauthenticated (whatever is wrong with the login), InvalidArgument (no method),
  /// Unavailable (too many logins wait).
  Result<Token> authenticate(const Login& login);
  /// The same, but a login that lacks methods which the user's rules ask for is no error. A login
  /// by a trust with a limited number of uses commits the use.
  /// Errors: also NotFound (the trust is gone, expired or used up), Forbidden (not the trust's
  /// trustee; the trustor may no longer do what the trust says; a token that may not be exchanged).
  Result<LoginOutcome> log_in(const Login& login);
  /// What the token says, if it holds at this moment. Never blocks for a hash.
  /// Errors: Unauthenticated.
  Result<Token> validate(std::string_view token_text) const;
  /// Ends this token before its time, or with `chain` all that go back to the same login: one's
  /// own, or any for an admin. Errors: NotFound (no valid token), Forbidden.
  Result<void> revoke(const Context& ctx, std::string_view token_text, bool chain = false);
  /// What ended tokens that would not have expired yet, oldest first: revoke(), and what became of
  /// users, projects, domains, roles and trusts; with `since` only what ended then or later.
  /// Errors: Forbidden.
  Result<std::vector<RevocationEvent>> list_revocations(
      const Context& ctx, const std::optional<WallTime>& since = {}) const;
  /// The same without a copy: what an edge asks for every request.
  /// Shared with the callers that ask in the same state; dropped with the last of them.
  Result<std::shared_ptr<const ValidToken>> valid(std::string_view token_text) const;
  /// The same for a service that finishes what began while the token held: it may have expired up
  /// to limits::kExpiredTokenWindow ago, but is otherwise as good. Errors: Unauthenticated.
  Result<std::shared_ptr<const ValidToken>> valid_or_expired(std::string_view token_text) const;

  /// What users let others do on their behalf; see trusts.hpp.
  Trusts& trusts() const;
  /// Secrets that programs log in by; see application_credentials.hpp.
  ApplicationCredentials& application_credentials() const;
  /// Secrets that are kept for users, EC2 keys among them; see credentials.hpp.
  Credentials& credentials() const;

  /// May the caller do what the rule of that name guards? Pure; see Policy.
  /// Errors: Forbidden, Internal (no such rule).
  Result<void> enforce(const Context& ctx, std::string_view policy,
                       const PolicyTarget& target = {}) const;
  /// The rules in force in this process.
  Policy policy() const;
  /// Puts the rules of a policy file's text over the defaults, for every call that begins later.
  /// Empty: the defaults. Errors: those of Policy::parse; the rules stay as they were.
  Result<void> set_policy(std::string_view text);
  /// Reads Options::policy_file again. Errors: NotFound, Unavailable, those of set_policy.
  Result<void> reload_policy();
  /// How long tokens live that are given from now on; those that there are keep their end.
  /// Errors: InvalidArgument (not positive), Unsupported (longer than before in a cloud without a
  /// folder), those of reading and writing the folder's keys.
  Result<void> set_token_lifetime(std::chrono::seconds lifetime);
  /// What hashing a password costs from now on; those that there are keep theirs. bcrypt, 4..16.
  /// Errors: InvalidArgument.
  Result<void> set_password_cost(unsigned cost);
  /// The same for algorithm and every cost. Errors: InvalidArgument.
  Result<void> set_password_hashing(const PasswordHashing& hashing);
  /// What is asked of passwords and logins from now on. Errors: InvalidArgument.
  Result<void> set_account_rules(const AccountRules& rules);
  AccountRules account_rules() const;

  /// The keys that tokens are sealed with; see token_keys.hpp. Errors: Forbidden.
  Result<std::vector<TokenKey>> token_keys(const Context& ctx) const;
  /// Errors: those of cloudos::rotate_token_keys, Forbidden.
  Result<std::vector<TokenKey>> rotate_token_keys(const Context& ctx, bool force = false);

  /// The enabled services and endpoints, URLs filled in for this project and user.
  Result<std::vector<CatalogEntry>> catalog(const ProjectId& project, const UserId& user) const;
  /// The same as `write` tells it, made again only after a commit that may have changed it.
  /// Shared with the callers that use it while it is being replaced.
  Result<std::shared_ptr<const std::string>> catalog_text(
      const ProjectId& project, const UserId& user,
      std::string (*write)(const std::vector<CatalogEntry>&)) const;
  /// Enabled projects (domains) on which the user has any role: what a token may be scoped to.
  /// Errors of these three: NotFound (user), Forbidden (another's, without the right to see it).
  Result<std::vector<Project>> projects_of(const Context& ctx, const UserId& user) const;
  Result<std::vector<Domain>> domains_of(const Context& ctx, const UserId& user) const;
  /// Roles that the user has on the whole cloud, also by groups. None: no system scope.
  Result<std::vector<Role>> system_roles_of(const Context& ctx, const UserId& user) const;

  /// What services are told to limit; see limits_registry.hpp.
  LimitsRegistry& limits() const;
  /// Which endpoints a project's catalog shows; see endpoint_filters.hpp.
  EndpointFilters& endpoint_filters() const;
  /// Texts kept for services, and for which endpoints they are; see stored_policies.hpp.
  StoredPolicies& stored_policies() const;
  /// What domains say of where their users are kept; see domain_configs.hpp.
  DomainConfigs& domain_configs() const;
  /// Programs that may ask users to act for them; see oauth.hpp.
  OAuthConsumers& oauth_consumers() const;
  /// The most entries that an edge shows of one list; 0: all.
  std::size_t list_limit() const;

  /// Errors of all create calls: InvalidArgument, AlreadyExists (name), Forbidden; of get, update
  /// and remove: NotFound, Forbidden. Lists come newest first, or sorted as named.
  Result<Domain> create_domain(const Context& ctx, const DomainCreate& spec);
  Result<Domain> get_domain(const Context& ctx, const DomainId& id) const;
  Result<std::vector<Domain>> list_domains(const Context& ctx, const IdentityFilter& filter) const;
  Result<Domain> update_domain(const Context& ctx, const DomainId& id, const IdentityUpdate& with);
  /// Only a disabled domain; takes all that is in it along. Errors: Forbidden (still enabled, or
  /// `default`).
  Result<void> remove_domain(const Context& ctx, const DomainId& id);

  Result<Project> create_project(const Context& ctx, const ProjectCreate& spec);
  Result<Project> get_project(const Context& ctx, const ProjectId& id) const;
  Result<std::vector<Project>> list_projects(const Context& ctx,
                                             const IdentityFilter& filter) const;
  /// The same as text.
  Result<RowTexts> list_projects(const Context& ctx, const IdentityFilter& filter,
                                 const RowFormat<Project>& row) const;
  Result<Project> update_project(const Context& ctx, const ProjectId& id,
                                 const IdentityUpdate& with);
  /// The projects it lies under, its parent first, and all below it, each after its parent; those
  /// that the caller may see. Errors: NotFound, Forbidden.
  Result<std::vector<Project>> parents_of(const Context& ctx, const ProjectId& id) const;
  Result<std::vector<Project>> subtree_of(const Context& ctx, const ProjectId& id) const;
  /// Its assignments go with it. What other services hold for it stays, visible to admins; the log
  /// names it. Errors: Forbidden (has projects below it).
  Result<void> remove_project(const Context& ctx, const ProjectId& id);

  Result<User> create_user(const Context& ctx, const UserCreate& spec);
  Result<User> get_user(const Context& ctx, const UserId& id) const;
  Result<std::vector<User>> list_users(const Context& ctx, const IdentityFilter& filter) const;
  Result<User> update_user(const Context& ctx, const UserId& id, const IdentityUpdate& with);
  Result<void> remove_user(const Context& ctx, const UserId& id);
  /// The user's own change; the password in use proves who it is, so that one who cannot log in
  /// because it has expired can change it: `ctx` may be nobody's, but not another user's.
  /// Errors: Unauthenticated (also of a user who is not there or locked out), InvalidArgument (the
  /// rules refuse the new one), Forbidden (another's, or UserOptions::lock_password).
  Result<void> change_password(const Context& ctx, const UserId& id, std::string_view original,
                               std::string_view password);

  Result<Group> create_group(const Context& ctx, const GroupCreate& spec);
  Result<Group> get_group(const Context& ctx, const GroupId& id) const;
  Result<std::vector<Group>> list_groups(const Context& ctx, const IdentityFilter& filter) const;
  Result<Group> update_group(const Context& ctx, const GroupId& id, const IdentityUpdate& with);
  Result<void> remove_group(const Context& ctx, const GroupId& id);
  /// Who is a member already stays one. Errors: NotFound, Forbidden, InvalidArgument (the user is in
  /// limits::kGroupsOfUser groups already).
  Result<void> add_to_group(const Context& ctx, const GroupId& group, const UserId& user);
  /// Errors: NotFound (group, user, or not a member), Forbidden.
  Result<void> remove_from_group(const Context& ctx, const GroupId& group, const UserId& user);
  /// Errors: NotFound (group, user, or not a member).
  Result<void> check_in_group(const Context& ctx, const GroupId& group, const UserId& user) const;
  Result<std::vector<User>> users_of_group(const Context& ctx, const GroupId& group,
                                           const IdentityFilter& filter) const;
  Result<std::vector<Group>> groups_of_user(const Context& ctx, const UserId& user,
                                            const IdentityFilter& filter) const;

  Result<Role> create_role(const Context& ctx, const RoleCreate& spec);
  Result<Role> get_role(const Context& ctx, const RoleId& id) const;
  Result<std::vector<Role>> list_roles(const Context& ctx, const IdentityFilter& filter) const;
  Result<Role> update_role(const Context& ctx, const RoleId& id, const IdentityUpdate& with);
  Result<void> remove_role(const Context& ctx, const RoleId& id);
  /// Errors: InvalidArgument (a circle, or a role implying itself), Forbidden (role `admin`; a
  /// role of a domain by one of the whole cloud's).
  Result<void> imply_role(const Context& ctx, const RoleId& prior, const RoleId& implied);
  Result<void> stop_implying_role(const Context& ctx, const RoleId& prior, const RoleId& implied);

  /// Giving a role that is held already succeeds. Errors: NotFound (actor, target, role),
  /// Forbidden (a role of another domain), InvalidArgument (inherited from the system; a role of a
  /// domain on the system).
  Result<void> grant(const Context& ctx, const Assignment& assignment);
  /// Errors: NotFound (also when it is not held).
  Result<void> ungrant(const Context& ctx, const Assignment& assignment);
  Result<void> check_grant(const Context& ctx, const Assignment& assignment) const;
  /// Roles held directly; `assignment.role` is not looked at.
  Result<std::vector<Role>> roles_of(const Context& ctx, const Assignment& assignment) const;
  Result<std::vector<NamedAssignment>> list_assignments(const Context& ctx,
                                                        const AssignmentFilter& filter) const;

  Result<Region> create_region(const Context& ctx, const RegionCreate& spec);
  Result<Region> get_region(const Context& ctx, const std::string& id) const;
  Result<std::vector<Region>> list_regions(const Context& ctx, const IdentityFilter& filter) const;
  Result<Region> update_region(const Context& ctx, const std::string& id,
                               const IdentityUpdate& with);
  /// Errors: Conflict (has regions below it or endpoints in it).
  Result<void> remove_region(const Context& ctx, const std::string& id);

  Result<CatalogService> create_service(const Context& ctx, const ServiceCreate& spec);
  Result<CatalogService> get_service(const Context& ctx, const ServiceId& id) const;
  Result<std::vector<CatalogService>> list_services(const Context& ctx,
                                                    const IdentityFilter& filter) const;
  Result<CatalogService> update_service(const Context& ctx, const ServiceId& id,
                                        const IdentityUpdate& with);
  /// Its endpoints go with it.
  Result<void> remove_service(const Context& ctx, const ServiceId& id);

  /// Makes the region where it is missing, as Keystone does.
  Result<Endpoint> create_endpoint(const Context& ctx, const EndpointCreate& spec);
  Result<Endpoint> get_endpoint(const Context& ctx, const EndpointId& id) const;
  Result<std::vector<Endpoint>> list_endpoints(const Context& ctx,
                                               const IdentityFilter& filter) const;
  Result<Endpoint> update_endpoint(const Context& ctx, const EndpointId& id,
                                   const IdentityUpdate& with);
  Result<void> remove_endpoint(const Context& ctx, const EndpointId& id);

 private:
  Result<LoginOutcome> perform_login(const Login& login);  // log_in() without its audit.
  std::unique_ptr<Impl> impl_;
};

}  // namespace cloudos

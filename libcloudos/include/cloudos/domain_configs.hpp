#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cloudos/identity.hpp"

namespace cloudos {

/// What an option is set to; nothing: a default that there is none of.
using DomainOption =
    std::variant<std::monostate, std::string, std::int64_t, double, bool, std::vector<std::string>>;
/// Options by group and name: {"ldap": {"url": …}}.
using DomainConfig = std::map<std::string, std::map<std::string, DomainOption>>;

/// All of a configuration; a group of it; one option of a group.
struct DomainConfigPart {
  std::string group, option;  ///< An option needs its group.
};

/// What a domain says of where its users and groups are kept: the group `identity` (driver,
/// list_limit) and the group `ldap`.
///
/// identity.list_limit is in force: edges cut lists of the domain's users and of its groups by it
/// instead of by the cloud's own. Everything else is kept, checked and shown, but no directory is
/// asked yet: users of every domain are records here whatever identity.driver says. ldap.password
/// is sealed with keys/credentials, and no call shows it again.
///
/// Thread-safe. A change is committed when its call returns. A configuration goes with its domain.
/// Errors of all: Forbidden (also for a group or option that there is none of, as Keystone
/// answers), NotFound (the domain, or what is not set). Source: Identity API v3, domain
/// configuration.
class CLOUDOS_EXPORT DomainConfigs final {
 public:
  explicit DomainConfigs(Identity::Impl& of) : of_(of) {}

  struct Replaced {
    DomainConfig config;
    bool was_set = false;  ///< There was a configuration before.
  };
  /// Takes the place of what was set. Errors: InvalidArgument (a value that is none of the
  /// option's), Unavailable (a secret, and no key to seal it with).
  Result<Replaced> replace(const Context& ctx, const DomainId& domain, const DomainConfig& config);
  /// What is set, but for secrets.
  Result<DomainConfig> get(const Context& ctx, const DomainId& domain,
                           const DomainConfigPart& part = {}) const;
  /// Puts options beside, or in place of, those that are set; returns them all. Where `part` names
  /// something, that must be set already, and `config` holds nothing else. Errors: as replace().
  Result<DomainConfig> update(const Context& ctx, const DomainId& domain,
                              const DomainConfigPart& part, const DomainConfig& config);
  /// Errors: NotFound (a part that is not set); nothing to remove at all is none.
  Result<void> remove(const Context& ctx, const DomainId& domain,
                      const DomainConfigPart& part = {});
  /// What holds where a domain sets nothing; secrets have no default.
  Result<DomainConfig> defaults(const Context& ctx, const DomainConfigPart& part = {}) const;
  /// What is asked of passwords, for everyone to see: the group security_compliance with
  /// password_regex and password_regex_description. Errors: Forbidden (another domain than
  /// `default`, another option).
  Result<DomainConfig> password_rules(const Context& ctx, const DomainId& domain,
                                      const std::string& option = {}) const;
  /// The most users, or groups, of a domain that an edge shows of one list; 0: all. What the cloud
  /// says when the domain says nothing.
  Result<std::size_t> list_limit(const DomainId& domain) const;

 private:
  Identity::Impl& of_;
};

}  // namespace cloudos

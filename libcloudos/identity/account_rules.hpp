#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/account_rules.hpp"
#include "cloudos/clock.hpp"
#include "identity/records.hpp"

/// What AccountRules mean for one user. Pure but for the pattern, which PCRE2 compiles.
namespace cloudos::identity {

/// A pattern that passwords must begin with; the work of one match is bounded. Thread-safe.
class PasswordPattern final {
 public:
  /// Errors: InvalidArgument (not a pattern, too long, or one that takes too much work).
  static Result<std::shared_ptr<const PasswordPattern>> compile(const std::string& text);
  enum class Found : std::uint8_t { No, Yes, TooMuchWork };
  Found find(std::string_view password) const;
  ~PasswordPattern();

 private:
  struct Compiled;
  explicit PasswordPattern(std::unique_ptr<Compiled> compiled);
  std::unique_ptr<Compiled> compiled_;
};

/// The rules in force, with their pattern compiled. Thread-safe.
class RulesInForce final {
 public:
  struct State {
    AccountRules rules;
    std::shared_ptr<const PasswordPattern> pattern;  // Null: any password will do.
  };
  explicit RulesInForce(AccountRules rules);
  /// Shared with the calls that go by it while it is being replaced.
  std::shared_ptr<const State> now() const;
  /// Errors: InvalidArgument.
  Result<void> set(AccountRules rules);

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const State> state_;  // Guarded by mutex_.
};

/// May a password like this be chosen? Errors: InvalidArgument (with the rules' own description).
Result<void> check_strength(const RulesInForce::State& rules, std::string_view password);

/// Too many wrong passwords in a row, too short a time ago.
bool locked_out(const UserRecord& user, const AccountRules& rules, WallTime now);
/// Counts a wrong password.
void count_failure(UserRecord& user, const AccountRules& rules, WallTime now);
/// Nobody has logged in as this user for too long.
bool inactive(const UserRecord& user, const AccountRules& rules, WallTime now);
/// Enabled, and not inactive.
bool may_log_in(const UserRecord& user, const AccountRules& rules, WallTime now);
bool password_expired(const UserRecord& user, WallTime now);
/// When the password expires as things stand; absent: never.
std::optional<WallTime> expiry_shown(const UserRecord& user);

enum class SetBy : std::uint8_t { Admin, User };
/// Replaces the password: tokens of before end, the old one goes to the history as far as the rules
/// ask for one.
void set_password_of(UserRecord& user, const std::string& hash, const AccountRules& rules,
                     WallTime now, SetBy by);
/// Passwords that may not be chosen again: the hashes of those last used, the newest first.
std::vector<std::string> used_hashes(const UserRecord& user, const AccountRules& rules);
/// Errors: InvalidArgument (chosen too short a time ago).
Result<void> check_age(const UserRecord& user, const AccountRules& rules, WallTime now);

/// Errors: InvalidArgument (too many rules, or methods in one).
Result<void> check_options(const UserOptions& options);
void apply_options(UserOptions& options, const UserOptions& set,
                   const std::vector<std::string>& unset);

/// Is a user with these options content with what held? Nothing: yes. Else the lists of methods of
/// which each alone would do. `known`: the methods that there are.
/// Source: Keystone's multi-factor rules.
std::optional<std::vector<std::vector<std::string>>> missing_factors(
    const UserOptions& options, const std::vector<std::string>& held,
    const std::vector<std::string>& known);

/// Six digits are guessed quickly: how often one may try in a half minute. Bounded: when too many
/// users are counted, the count begins anew. Thread-safe.
class PasscodeTries final {
 public:
  /// One more try; false: too many.
  bool begin(const std::string& who, WallTime now);

 private:
  std::mutex mutex_;
  std::int64_t window_ = 0;                // Guarded by mutex_.
  std::map<std::string, unsigned> tries_;  // Guarded by mutex_.
};

}  // namespace cloudos::identity

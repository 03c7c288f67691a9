#include "identity/account_rules.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "cloudos/limits.hpp"

namespace cloudos {
namespace {

Result<void> check_number(std::string_view what, std::uint64_t value, std::uint64_t least,
                          std::uint64_t most) {
  if (value >= least && value <= most) return Result<void>();
  return fail(ErrorCode::InvalidArgument, fmt::format("{}: must be {} to {}", what, least, most));
}

constexpr unsigned kMostDays = 36'500;

}  // namespace

Result<void> check_account_rules(const AccountRules& rules) {
  CLOUDOS_CHECK(check_number("lockout_failure_attempts", rules.lockout_attempts, 0, 1'000'000));
  if (rules.lockout_duration < std::chrono::seconds::zero())
    return fail(ErrorCode::InvalidArgument, "lockout_duration: must not be negative");
  CLOUDOS_CHECK(check_number("disable_user_account_days_inactive", rules.inactive_days, 0,
                             kMostDays));
  CLOUDOS_CHECK(check_number("password_expires_days", rules.password_days, 0, kMostDays));
  CLOUDOS_CHECK(check_number("minimum_password_age", rules.password_age_days, 0, kMostDays));
  CLOUDOS_CHECK(check_number("unique_last_password_count", rules.unique_passwords, 0,
                             limits::kPasswordHistory));
  if (rules.password_days != 0 && rules.password_age_days >= rules.password_days)
    return fail(ErrorCode::InvalidArgument,
                "minimum_password_age: must be less than password_expires_days, or nobody could "
                "change a password before it expires");
  CLOUDOS_CHECK(check_number("totp_previous_windows", rules.totp_previous_windows, 0, 10));
  if (rules.signature_life <= std::chrono::seconds::zero() ||
      rules.signature_life > std::chrono::hours(24)) {
    return fail(ErrorCode::InvalidArgument, "signature_lifetime: must be 1 second to 24 hours");
  }
  if (!rules.password_regex.empty())
    CLOUDOS_CHECK(identity::PasswordPattern::compile(rules.password_regex));
  return Result<void>();
}

Result<void> check_password_hashing(const PasswordHashing& with) {
  CLOUDOS_CHECK(check_number("password cost", with.bcrypt_cost, 4, 16));
  CLOUDOS_CHECK(check_number("scrypt cost", with.scrypt_cost, 4, 20));
  CLOUDOS_CHECK(check_number("argon2 memory in KiB", with.argon2_memory_kib, 64, 1 << 20));
  CLOUDOS_CHECK(check_number("argon2 passes", with.argon2_passes, 1, 16));
  return Result<void>();
}

namespace identity {
namespace {

constexpr std::chrono::seconds kPasscodeWindow{30};

std::chrono::hours days_of(unsigned days) { return std::chrono::hours(24) * days; }

bool says_yes(const std::optional<bool>& option) { return option.value_or(false); }

}  // namespace

RulesInForce::RulesInForce(AccountRules rules) {
  // make_identity has checked them: what would not compile is no pattern here.
  if (!set(std::move(rules))) state_ = std::make_shared<const State>();
}

std::shared_ptr<const RulesInForce::State> RulesInForce::now() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

Result<void> RulesInForce::set(AccountRules rules) {
  CLOUDOS_CHECK(check_account_rules(rules));
  auto fresh = std::make_shared<State>();
  if (!rules.password_regex.empty()) {
    CLOUDOS_TRY(fresh->pattern, PasswordPattern::compile(rules.password_regex));
  }
  fresh->rules = std::move(rules);
  const std::lock_guard lock(mutex_);
  state_ = std::move(fresh);
  return Result<void>();
}

Result<void> check_strength(const RulesInForce::State& in_force, std::string_view password) {
  if (!in_force.pattern || in_force.pattern->find(password) == PasswordPattern::Found::Yes)
    return Result<void>();
  const std::string& told = in_force.rules.password_regex_description;
  return fail(ErrorCode::InvalidArgument,
              fmt::format("password: does not meet the requirements{}{}", told.empty() ? "" : ": ",
                          told));
}

bool locked_out(const UserRecord& user, const AccountRules& rules, WallTime now) {
  if (rules.lockout_attempts == 0 || says_yes(user.options.ignore_lockout_failure_attempts) ||
      user.failed_logins < rules.lockout_attempts) {
    return false;
  }
  return rules.lockout_duration == std::chrono::seconds::zero() ||
         now <= user.failed_at + rules.lockout_duration;
}

void count_failure(UserRecord& user, const AccountRules& rules, WallTime now) {
  // Who is locked out stays so for the time that was said: more tries make it no longer.
  if (locked_out(user, rules, now)) return;
  if (user.failed_logins >= rules.lockout_attempts) user.failed_logins = 0;
  ++user.failed_logins;
  user.failed_at = now;
}

bool inactive(const UserRecord& user, const AccountRules& rules, WallTime now) {
  if (rules.inactive_days == 0 || says_yes(user.options.ignore_user_inactivity)) return false;
  return now >= std::max(user.last_active_at, user.created_at) + days_of(rules.inactive_days);
}

bool may_log_in(const UserRecord& user, const AccountRules& rules, WallTime now) {
  return user.enabled && !inactive(user, rules, now);
}

std::optional<WallTime> expiry_shown(const UserRecord& user) {
  if (says_yes(user.options.ignore_password_expiry)) return std::nullopt;
  return user.password_expires_at;
}

bool password_expired(const UserRecord& user, WallTime now) {
  const auto expiry = expiry_shown(user);
  return expiry && now >= *expiry;
}

void set_password_of(UserRecord& user, const std::string& hash, const AccountRules& rules,
                     WallTime now, SetBy by) {
  const std::size_t kept = rules.unique_passwords == 0 ? 0 : rules.unique_passwords - 1;
  if (kept != 0 && !user.password_hash.empty())
    user.old_hashes.insert(user.old_hashes.begin(), user.password_hash);
  if (user.old_hashes.size() > kept) user.old_hashes.resize(kept);
  user.password_hash = hash;
  user.foreign_hash = false;
  user.has_password = true;
  user.password_changed_at = now;
  user.password_by_user = by == SetBy::User;
  user.failed_logins = 0;
  user.password_expires_at.reset();
  if (rules.password_days != 0) user.password_expires_at = now + days_of(rules.password_days);
  if (by == SetBy::Admin && rules.change_upon_first_use &&
      !says_yes(user.options.ignore_change_password_upon_first_use)) {
    user.password_expires_at = now;
  }
  ++user.epoch;
}

std::vector<std::string> used_hashes(const UserRecord& user, const AccountRules& rules) {
  std::vector<std::string> hashes;
  if (rules.unique_passwords == 0) return hashes;
  if (!user.password_hash.empty()) hashes.push_back(user.password_hash);
  for (const std::string& old : user.old_hashes) {
    if (hashes.size() >= rules.unique_passwords) break;
    hashes.push_back(old);
  }
  return hashes;
}

Result<void> check_age(const UserRecord& user, const AccountRules& rules, WallTime now) {
  if (rules.password_age_days == 0 || !user.password_by_user) return Result<void>();
  if (now >= user.password_changed_at + days_of(rules.password_age_days)) return Result<void>();
  return fail(ErrorCode::InvalidArgument,
              fmt::format("password: was chosen less than {} days ago and cannot be changed yet",
                          rules.password_age_days));
}

Result<void> check_options(const UserOptions& options) {
  if (!options.multi_factor_auth_rules) return Result<void>();
  const auto& rules = *options.multi_factor_auth_rules;
  bool fits = rules.size() <= limits::kFactorRules;
  for (const auto& rule : rules) {
    fits = fits && rule.size() <= limits::kFactorRules;
    for (const std::string& method : rule) fits = fits && method.size() <= limits::kNameChars;
  }
  if (fits) return Result<void>();
  return fail(ErrorCode::InvalidArgument,
              fmt::format("multi_factor_auth_rules: more than {} rules, or methods in one",
                          limits::kFactorRules));
}

void apply_options(UserOptions& options, const UserOptions& set,
                   const std::vector<std::string>& unset) {
  const auto apply = [&](std::string_view name, auto& have, const auto& want) {
    if (want) have = want;
    if (std::find(unset.begin(), unset.end(), name) != unset.end()) have.reset();
  };
  apply("ignore_change_password_upon_first_use", options.ignore_change_password_upon_first_use,
        set.ignore_change_password_upon_first_use);
  apply("ignore_password_expiry", options.ignore_password_expiry, set.ignore_password_expiry);
  apply("ignore_lockout_failure_attempts", options.ignore_lockout_failure_attempts,
        set.ignore_lockout_failure_attempts);
  apply("ignore_user_inactivity", options.ignore_user_inactivity, set.ignore_user_inactivity);
  apply("lock_password", options.lock_password, set.lock_password);
  apply("multi_factor_auth_enabled", options.multi_factor_auth_enabled,
        set.multi_factor_auth_enabled);
  apply("multi_factor_auth_rules", options.multi_factor_auth_rules, set.multi_factor_auth_rules);
}

std::optional<std::vector<std::vector<std::string>>> missing_factors(
    const UserOptions& options, const std::vector<std::string>& held,
    const std::vector<std::string>& known) {
  if (!says_yes(options.multi_factor_auth_enabled) || !options.multi_factor_auth_rules)
    return std::nullopt;
  std::set<std::set<std::string>> rules;
  const auto is_known = [&](const std::string& method) {
    return std::find(known.begin(), known.end(), method) != known.end();
  };
  for (const auto& given : *options.multi_factor_auth_rules) {
    std::set<std::string> rule;
    for (const std::string& method : given)
      if (is_known(method)) rule.insert(method);
    // Asks for nothing that there is: it must not let everybody in, nor lock everybody out.
    if (!rule.empty()) rules.insert(std::move(rule));
  }
  if (rules.empty()) return std::nullopt;
  const std::set<std::string> have(held.begin(), held.end());
  std::vector<std::vector<std::string>> wanted;
  for (const std::set<std::string>& rule : rules) {
    if (std::includes(have.begin(), have.end(), rule.begin(), rule.end())) return std::nullopt;
    wanted.emplace_back(rule.begin(), rule.end());
  }
  return wanted;
}

bool PasscodeTries::begin(const std::string& who, WallTime now) {
  const std::int64_t window =
      std::chrono::floor<std::chrono::seconds>(now).time_since_epoch() / kPasscodeWindow;
  const std::lock_guard lock(mutex_);
  if (window != window_ || tries_.size() >= limits::kPasscodeUsers) {
    tries_.clear();
    window_ = window;
  }
  return ++tries_[who] <= limits::kPasscodeTries;
}

}  // namespace identity
}  // namespace cloudos

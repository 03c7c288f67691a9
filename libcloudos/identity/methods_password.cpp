#include "base/text.hpp"
#include "identity/methods.hpp"

namespace cloudos::identity {
namespace {

/// A failure of somebody who is not there is written down too: it takes as long.
constexpr std::string_view kUnknownLogin = "/login-unknown";

/// Counts a wrong password or passcode, if a rule asks for the count.
Result<void> write_failure(const Identity::Impl& impl, const std::optional<UserRecord>& named) {
  const AccountRules rules = impl.rules.now()->rules;
  if (rules.lockout_attempts == 0) return Result<void>();
  const WallTime now = impl.engine.clock.wall();
  auto written = impl.commit_quietly([&](store::Txn& txn) -> Result<void> {
    if (!named) {
      txn.put(kUnknownLogin, std::to_string(now.time_since_epoch().count()));
      return Result<void>();
    }
    CLOUDOS_CHECK(records::modify<UserRecord>(txn, named->id, [&](UserRecord& r) {
      count_failure(r, rules, now);
      return Result<void>();
    }));
    return Result<void>();
  });
  if (!written && written.error().code == ErrorCode::NotFound) return Result<void>();
  return written;
}

/// Hashes the password anew as it is hashed now. What goes wrong is the next login's to do.
void renew_hash(const Identity::Impl& impl, const UserRecord& user, std::string_view password) {
  const auto hash = impl.passwords.hash(password);
  if (!hash) return;
  const auto written = impl.commit_quietly([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::modify<UserRecord>(txn, user.id, [&](UserRecord& r) {
      if (r.password_hash == user.password_hash) {
        r.password_hash = *hash;
        r.foreign_hash = false;
      }
      return Result<void>();
    }));
    return Result<void>();
  });
  if (!written)
    impl.engine.log.warn("a password's hash could not be renewed: " + written.error().message);
}

struct ProvenPassword {
  UserRecord user;
  bool renew = false;
};

/// Whose password it is, if that user is neither locked out nor disabled.
Result<ProvenPassword> prove_password(const Identity::Impl& impl, const NamedReference& who,
                                      std::string_view password) {
  // The snapshot is not held during the hash: it pins pages.
  CLOUDOS_TRY(auto named,
              impl.by_snapshot([&](const store::Snapshot& at) { return impl.find_user(at, who); }));
  CLOUDOS_TRY(const auto turn,
              impl.logins.begin(named ? named->id.value : fold_case(who.id + who.name)));
  const KeptHash kept{named ? std::string_view(named->password_hash) : std::string_view(),
                      named && named->foreign_hash};
  const auto matched = impl.passwords.verify(password, kept);
  if (!matched && matched.error().code != ErrorCode::Unauthenticated) return fail(matched.error());
  const bool right = matched && named;
  // With a second method to come nothing is forgiven yet.
  const bool last = !named || !named->options.multi_factor_auth_enabled.value_or(false);
  CLOUDOS_TRY(const bool open,
              right ? settle_attempt(impl, named->id, last) : settle_failure(impl, named));
  if (!right || !open || !named->enabled) return bad_login();
  return ProvenPassword{std::move(*named), *matched};
}

}  // namespace

Result<bool> settle_failure(const Identity::Impl& impl, const std::optional<UserRecord>& named) {
  CLOUDOS_CHECK(write_failure(impl, named));
  return false;
}

Result<bool> settle_attempt(const Identity::Impl& impl, const UserId& id, bool forgive) {
  const AccountRules rules = impl.rules.now()->rules;
  if (rules.lockout_attempts == 0 && rules.inactive_days == 0) return true;
  const WallTime now = impl.engine.clock.wall();
  // As it is now: others may have tried while this one was being hashed.
  CLOUDOS_TRY(const auto user, impl.by_snapshot([&](const store::Snapshot& at) {
    return impl.find_user(at, {id.value, {}, {}, {}});
  }));
  if (!user) return false;
  if (locked_out(*user, rules, now)) return settle_failure(impl, user);
  if (inactive(*user, rules, now)) return false;
  const bool active =
      rules.inactive_days != 0 && now >= user->last_active_at + std::chrono::hours(24);
  const bool clear = forgive && user->failed_logins != 0;
  if (!active && !clear) return true;
  bool open = true;
  CLOUDOS_CHECK(impl.commit_quietly([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::modify<UserRecord>(txn, id, [&](UserRecord& r) {
      open = !locked_out(r, rules, now);
      if (!open) return Result<void>();
      if (clear) r.failed_logins = 0;
      if (active) r.last_active_at = now;
      return Result<void>();
    }));
    return Result<void>();
  }));
  return open;
}

Result<bool> settle_by_key(const Identity::Impl& impl, const UserRecord& user) {
  const AccountRules rules = impl.rules.now()->rules;
  const WallTime now = impl.engine.clock.wall();
  if (rules.inactive_days == 0) return true;
  if (inactive(user, rules, now)) return false;
  if (now < user.last_active_at + std::chrono::hours(24)) return true;
  auto written = impl.commit_quietly([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::modify<UserRecord>(txn, user.id, [&](UserRecord& r) {
      r.last_active_at = now;
      return Result<void>();
    }));
    return Result<void>();
  });
  if (!written && written.error().code == ErrorCode::NotFound) return false;
  if (!written) return fail(std::move(written).error());
  return true;
}

Result<UserRecord> verify_password(const Identity::Impl& impl, const Login::Password& given) {
  CLOUDOS_TRY(auto proven, prove_password(impl, given.user, given.password));
  if (password_expired(proven.user, impl.engine.clock.wall())) {
    return fail(ErrorCode::Unauthenticated,
                "the password is right but has expired: choose a new one by POST "
                "/v3/users/" +
                    proven.user.id.value + "/password");
  }
  if (proven.renew) renew_hash(impl, proven.user, given.password);
  return std::move(proven.user);
}

Result<UserRecord> verify_own_password(const Identity::Impl& impl, const UserId& id,
                                       std::string_view password) {
  CLOUDOS_TRY(auto proven, prove_password(impl, {id.value, {}, {}, {}}, password));
  return std::move(proven.user);
}

std::optional<WallTime> password_expiry(const Identity::Impl&, const UserRecord& user) {
  return expiry_shown(user);
}

}  // namespace cloudos::identity

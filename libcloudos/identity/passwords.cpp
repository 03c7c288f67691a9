#include "identity/passwords.hpp"

#include <memory>

#include <fmt/format.h>

#include "base/text.hpp"
#include "cloudos/limits.hpp"

namespace cloudos::identity {

/// A place at the gate; released by the destructor.
class Passwords::Turn {
 public:
  static Result<std::unique_ptr<Turn>> take(Passwords& gate) {
    std::unique_lock lock(gate.mutex_);
    if (gate.running_ >= kAtOnce) {
      if (gate.waiting_ >= kWaiting) {
        return fail(ErrorCode::Unavailable, "too many logins wait: try again in a moment");
      }
      ++gate.waiting_;
      const bool free =
          gate.freed_.wait_for(lock, kPatience, [&] { return gate.running_ < kAtOnce; });
      --gate.waiting_;
      if (!free) return fail(ErrorCode::Unavailable, "logins are slow now: try again in a moment");
    }
    ++gate.running_;
    if (gate.counter_) gate.counter_->add();
    return std::make_unique<Turn>(gate);
  }
  explicit Turn(Passwords& gate) : gate_(gate) {}
  ~Turn() {
    {
      const std::lock_guard lock(gate_.mutex_);
      --gate_.running_;
    }
    gate_.freed_.notify_one();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  Passwords& gate_;
};

Passwords::Load Passwords::load() const {
  const std::lock_guard lock(mutex_);
  return {running_, waiting_};
}

Result<void> Passwords::check(std::string_view password) {
  if (password.empty()) return fail(ErrorCode::InvalidArgument, "password: must not be empty");
  if (password.size() > limits::kPasswordBytes) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("password: longer than {} bytes", limits::kPasswordBytes));
  }
  return Result<void>();
}

void Passwords::set_cost(unsigned cost) {
  const std::lock_guard lock(mutex_);
  with_.bcrypt_cost = cost;
}

void Passwords::set_hashing(const PasswordHashing& with) {
  const std::lock_guard lock(mutex_);
  with_ = with;
}

PasswordHashing Passwords::hashing() const {
  const std::lock_guard lock(mutex_);
  return with_;
}

Result<std::string> Passwords::hash(std::string_view password) {
  CLOUDOS_CHECK(check(password));
  CLOUDOS_TRY(const auto turn, Turn::take(*this));
  return make_hash(hashing(), password, random_);
}

Result<bool> Passwords::verify(std::string_view password, const KeptHash& hash) {
  const auto wrong = [] { return fail(ErrorCode::Unauthenticated, "wrong user or password"); };
  // The length is the caller's own doing, so refusing early gives nothing away.
  if (password.size() > limits::kPasswordBytes) return wrong();
  const PasswordHashing with = hashing();
  CLOUDOS_TRY(const auto turn, Turn::take(*this));
  if (hash.text.empty()) {
    match_hash(password, {decoy_hash(with, random_)});
    return wrong();
  }
  const HashMatch match = match_hash(password, hash);
  if (match == HashMatch::No) return wrong();
  return match == HashMatch::Renew || !made_with(with, hash.text);
}

}  // namespace cloudos::identity

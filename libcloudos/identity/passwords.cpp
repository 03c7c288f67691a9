#include "identity/passwords.hpp"

#include <array>
#include <crypt.h>
#include <memory>

#include <fmt/format.h>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "cloudos/limits.hpp"

namespace cloudos::identity {
namespace {

/// bcrypt reads 72 bytes and stops at a zero byte. What it would cut is digested first, so that
/// every byte of a password counts.
std::string for_bcrypt(std::string_view password) {
  constexpr std::size_t kBcryptBytes = 72;
  if (password.size() <= kBcryptBytes && password.find('\0') == std::string_view::npos) {
    return std::string(password);
  }
  return to_base64(sha256(password));
}

/// The hash of `password` under `setting` (a salt or another hash); empty when that is malformed.
std::string bcrypt(const std::string& password, const std::string& setting) {
  const auto data = std::make_unique<crypt_data>();  // 32 KiB: too much for a stack.
  const char* const hashed =
      crypt_rn(password.c_str(), setting.c_str(), data.get(), sizeof(crypt_data));
  return hashed == nullptr || *hashed == '*' ? std::string() : std::string(hashed);
}

}  // namespace

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

std::string Passwords::salt(unsigned cost) {
  std::array<std::uint8_t, 16> bytes{};
  random_.fill(bytes);
  std::array<char, CRYPT_GENSALT_OUTPUT_SIZE> text{};
  const char* const made =
      crypt_gensalt_rn("$2b$", cost, reinterpret_cast<const char*>(bytes.data()),
                       static_cast<int>(bytes.size()), text.data(), static_cast<int>(text.size()));
  CLOUDOS_ASSERT(made != nullptr);
  return made;
}

Result<std::string> Passwords::hash(std::string_view password) {
  CLOUDOS_CHECK(check(password));
  CLOUDOS_TRY(const auto turn, Turn::take(*this));
  std::string hashed = bcrypt(for_bcrypt(password), salt(cost_));
  if (hashed.empty()) {
    return fail(ErrorCode::Internal, "the password could not be hashed", "crypt_rn gave nothing");
  }
  return hashed;
}

Result<void> Passwords::verify(std::string_view password, std::string_view hash) {
  const auto wrong = [] { return fail(ErrorCode::Unauthenticated, "wrong user or password"); };
  // The length is the caller's own doing, so refusing early gives nothing away.
  if (password.size() > limits::kPasswordBytes) return wrong();
  CLOUDOS_TRY(const auto turn, Turn::take(*this));
  const std::string setting = hash.empty() ? salt(cost_) : std::string(hash);
  const std::string hashed = bcrypt(for_bcrypt(password), setting);
  if (hash.empty() || hashed.empty() || !equal_secret(hashed, hash)) return wrong();
  return Result<void>();
}

}  // namespace cloudos::identity

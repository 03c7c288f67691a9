#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>

#include <fmt/format.h>

#include "base/text.hpp"
#include "identity/credential_records.hpp"
#include "identity/methods.hpp"

namespace cloudos::identity {
namespace {

constexpr std::chrono::seconds kCodeLife{30};
constexpr std::size_t kCodeDigits = 6;

std::int64_t window_of(WallTime now) {
  return std::chrono::floor<std::chrono::seconds>(now).time_since_epoch() / kCodeLife;
}

/// The credential and half minute that a code is of. Every one is looked at, whichever it is.
struct FoundCode {
  CredentialId credential;
  std::int64_t window = 0;
};
Result<std::optional<FoundCode>> find_code(const Identity::Impl& impl,
                                           const std::vector<CredentialRecord>& held,
                                           std::string_view passcode) {
  const std::int64_t now = window_of(impl.engine.clock.wall());
  const std::int64_t first = now - impl.rules.now()->rules.totp_previous_windows;
  std::optional<FoundCode> found;
  for (const CredentialRecord& record : held) {
    if (!equals_ignore_case(record.type, "totp")) continue;
    CLOUDOS_TRY(const std::string blob, impl.credential_keys.unseal(record.sealed_blob));
    const std::string secret = read_totp_secret(blob);
    if (secret.empty()) continue;
    for (std::int64_t window = first; window <= now; ++window) {
      const bool same = equal_secret(totp_code(secret, window), passcode);
      if (same && window > record.used_window) found = FoundCode{record.id, window};
    }
  }
  return found;
}

/// A code holds once, also for two who show it at the same time, and over a crash.
Result<bool> use_code(const Identity::Impl& impl, const FoundCode& code) {
  bool first = false;
  auto used = impl.commit_quietly([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(
        records::modify<CredentialRecord>(txn, code.credential, [&](CredentialRecord& r) {
          first = code.window > r.used_window;
          if (first) r.used_window = code.window;
          return Result<void>();
        }));
    return Result<void>();
  });
  if (!used && used.error().code == ErrorCode::NotFound) return false;
  if (!used) return fail(std::move(used).error());
  return first;
}

}  // namespace

std::string read_totp_secret(std::string_view base32) {
  std::string bytes;
  std::uint32_t bits = 0;
  unsigned count = 0;
  bool padded = false;
  for (const char c : base32) {
    if (c == ' ' || c == '-' || c == '\n' || c == '\r' || c == '\t') continue;
    if (c == '=') {
      padded = true;
      continue;
    }
    unsigned value = 0;
    if (c >= 'A' && c <= 'Z') value = static_cast<unsigned>(c - 'A');
    else if (c >= 'a' && c <= 'z') value = static_cast<unsigned>(c - 'a');
    else if (c >= '2' && c <= '7') value = static_cast<unsigned>(c - '2') + 26;
    else return {};
    if (padded) return {};
    bits = (bits << 5 | value) & 0xffff;
    count += 5;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>((bits >> count) & 0xff);
    }
  }
  return bytes;
}

std::string totp_code(std::string_view secret, std::int64_t window) {
  std::array<unsigned char, 8> counter{};
  for (std::size_t i = 0; i < counter.size(); ++i)
    counter[i] = static_cast<unsigned char>(static_cast<std::uint64_t>(window) >> (56 - 8 * i));
  std::array<unsigned char, EVP_MAX_MD_SIZE> mac{};
  unsigned size = 0;
  HMAC(EVP_sha1(), secret.data(), static_cast<int>(secret.size()), counter.data(), counter.size(),
       mac.data(), &size);
  const std::size_t at = mac[19] & 0x0f;
  const std::uint32_t number = (std::uint32_t{mac[at]} & 0x7f) << 24 |
                               std::uint32_t{mac[at + 1]} << 16 | std::uint32_t{mac[at + 2]} << 8 |
                               std::uint32_t{mac[at + 3]};
  return fmt::format("{:06}", number % 1'000'000);
}

Result<UserRecord> verify_totp(const Identity::Impl& impl, const Login::Totp& given) {
  CLOUDOS_TRY(auto named, impl.by_snapshot([&](const store::Snapshot& at) {
    return impl.find_user(at, given.user);
  }));
  // Six digits are guessed soon: few tries of one user at a time, and few in each half minute.
  CLOUDOS_TRY(const auto turn, impl.logins.begin(named ? named->id.value : std::string("totp")));
  const bool may_try =
      impl.passcode_tries.begin(named ? named->id.value : std::string(), impl.engine.clock.wall());
  std::vector<CredentialRecord> held;
  if (named) {
    CLOUDOS_TRY(held, impl.by_snapshot([&](const store::Snapshot& at) {
      return records::all<CredentialRecord>(at, "user", named->id.value);
    }));
  }
  std::optional<FoundCode> code;
  if (may_try && given.passcode.size() == kCodeDigits) {
    CLOUDOS_TRY(code, find_code(impl, held, given.passcode));
  }
  if (!code) {
    CLOUDOS_CHECK(settle_failure(impl, named));
    return bad_login();
  }
  CLOUDOS_TRY(const bool open, settle_attempt(impl, named->id, true));
  if (!open || !named->enabled) return bad_login();
  CLOUDOS_TRY(const bool first, use_code(impl, *code));
  if (!first) return bad_login();
  return std::move(*named);
}

}  // namespace cloudos::identity

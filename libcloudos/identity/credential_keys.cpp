#include "identity/credential_keys.hpp"

#include <vector>

#include "base/text.hpp"
#include "identity/private_file.hpp"

namespace cloudos::identity {
namespace {

constexpr std::size_t kHalfKeyBytes = 16;

std::string fresh_credential_key(Random& random) {
  std::string key(2 * kHalfKeyBytes, '\0');
  random.fill({reinterpret_cast<std::uint8_t*>(key.data()), key.size()});
  return to_base64(key);
}

}  // namespace

Result<void> CredentialKeys::open(const std::filesystem::path& file, Random& random, bool owner) {
  std::optional<std::string> text;
  if (!file.empty()) {
    CLOUDOS_TRY(text, read_private_file(file));
    if (!text && !owner) return Result<void>();
  }
  if (!text) {
    text = fresh_credential_key(random) + "\n";
    if (!file.empty()) CLOUDOS_CHECK(write_private_file(file, *text));
  }
  std::vector<FernetKey> keys;
  for (const std::string_view line : split(*text, '\n')) {
    if (trim(line).empty()) continue;
    const auto key = from_base64(trim(line));
    if (!key || key->size() != 2 * kHalfKeyBytes) {
      return fail(ErrorCode::InvalidArgument,
                  "keys/credentials is damaged: a line of it is no key; restore it from a backup");
    }
    keys.push_back({key->substr(0, kHalfKeyBytes), key->substr(kHalfKeyBytes)});
  }
  if (keys.empty()) {
    return fail(
        ErrorCode::InvalidArgument,
        "keys/credentials is empty: restore it from a backup, or move it away to begin anew "
        "without the credentials of before");
  }
  fernet_ = std::make_unique<Fernet>(std::move(keys));
  return Result<void>();
}

Result<std::string> CredentialKeys::seal(std::string_view plain, Random& random) const {
  if (!fernet_) return fail(ErrorCode::Unavailable, "this process has no key for credentials");
  return fernet_->seal(plain, 0, random);
}

Result<std::string> CredentialKeys::unseal(std::string_view sealed) const {
  auto plain = fernet_ ? fernet_->open(sealed) : std::nullopt;
  if (plain) return std::move(*plain);
  return fail(ErrorCode::Internal, "a credential cannot be opened",
              "keys/credentials has no key that it was sealed with");
}

}  // namespace cloudos::identity

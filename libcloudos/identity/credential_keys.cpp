#include "identity/credential_keys.hpp"

#include <sys/stat.h>

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

Result<std::shared_ptr<const CredentialKeys::State>> CredentialKeys::read(std::string text) {
  auto state = std::make_shared<State>();
  state->text = std::move(text);
  for (const std::string_view line : split(state->text, '\n')) {
    if (trim(line).empty()) continue;
    const auto key = from_base64(trim(line));
    if (!key || key->size() != 2 * kHalfKeyBytes) {
      return fail(ErrorCode::InvalidArgument,
                  "keys/credentials is damaged: a line of it is no key; restore it from a backup");
    }
    const std::string digest = sha256(*key);
    state->ids.push_back(to_hex({reinterpret_cast<const std::uint8_t*>(digest.data()), 4}));
    state->each.emplace_back(std::vector<FernetKey>{
        {key->substr(0, kHalfKeyBytes), key->substr(kHalfKeyBytes)}});
  }
  if (state->each.empty()) {
    return fail(
        ErrorCode::InvalidArgument,
        "keys/credentials is empty: restore it from a backup, or move it away to begin anew "
        "without the credentials of before");
  }
  return std::shared_ptr<const State>(std::move(state));
}

std::optional<CredentialKeys::Stamp> CredentialKeys::stamp_of(const std::filesystem::path& file) {
  struct stat found {};
  if (file.empty() || ::stat(file.c_str(), &found) != 0) return std::nullopt;
  return Stamp{found.st_dev, found.st_ino, found.st_mtim.tv_sec, found.st_mtim.tv_nsec};
}

Result<void> CredentialKeys::open(const std::filesystem::path& file, Random& random, bool owner) {
  file_ = file;
  std::optional<std::string> text;
  if (!file.empty()) {
    CLOUDOS_TRY(text, read_private_file(file));
    if (!text && !owner) return Result<void>();
  }
  if (!text) {
    text = fresh_credential_key(random) + "\n";
    if (!file.empty()) CLOUDOS_CHECK(write_private_file(file, *text));
  }
  CLOUDOS_TRY(auto state, read(std::move(*text)));
  const std::lock_guard lock(mutex_);
  state_ = std::move(state);
  return Result<void>();
}

std::shared_ptr<const CredentialKeys::State> CredentialKeys::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void CredentialKeys::refresh() const {
  const auto stamp = stamp_of(file_);
  const auto known = state();
  if (!stamp || (known && known->stamp == *stamp)) return;
  auto text = read_private_file(file_);
  if (!text || !*text) return;
  auto fresh = read(std::move(**text));
  if (!fresh) return;
  // Of the file as it was before it was read: a newer one is seen by the next look.
  auto stamped = std::make_shared<State>(**fresh);
  stamped->stamp = *stamp;
  const std::lock_guard lock(mutex_);
  state_ = std::move(stamped);
  version_.fetch_add(1, std::memory_order_release);
}

Result<std::string> CredentialKeys::seal(std::string_view plain, Random& random) const {
  refresh();
  const auto now = state();
  if (!now) return fail(ErrorCode::Unavailable, "this process has no key for credentials");
  return now->each.front().seal(plain, 0, random);
}

Result<std::string> CredentialKeys::unseal(std::string_view sealed) const {
  for (const bool again : {false, true}) {
    if (again) refresh();
    const auto now = state();
    if (!now) continue;
    for (const Fernet& key : now->each)
      if (auto plain = key.open(sealed)) return std::move(*plain);
  }
  return fail(ErrorCode::Internal, "a credential cannot be opened",
              "keys/credentials has no key that it was sealed with");
}

std::vector<std::string> CredentialKeys::ids() const {
  refresh();
  const auto now = state();
  return now ? now->ids : std::vector<std::string>();
}

std::optional<std::size_t> CredentialKeys::sealed_by(std::string_view sealed) const {
  const auto now = state();
  for (std::size_t at = 0; now && at < now->each.size(); ++at)
    if (now->each[at].open(sealed)) return at;
  return std::nullopt;
}

Result<void> CredentialKeys::rotate(Random& random) {
  refresh();
  const auto now = state();
  if (!now) return fail(ErrorCode::Unavailable, "this process has no key for credentials");
  std::string_view first;
  for (const std::string_view line : split(now->text, '\n')) {
    if (first.empty()) first = trim(line);
  }
  std::string text = fresh_credential_key(random) + "\n" + std::string(first) + "\n";
  if (!file_.empty()) {
    CLOUDOS_CHECK(write_private_file(file_, text));
    refresh();
    return Result<void>();
  }
  CLOUDOS_TRY(auto fresh, read(std::move(text)));
  const std::lock_guard lock(mutex_);
  state_ = std::move(fresh);
  version_.fetch_add(1, std::memory_order_release);
  return Result<void>();
}

}  // namespace cloudos::identity

#include "identity/keyring.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "cloudos/limits.hpp"
#include "identity/private_file.hpp"

namespace cloudos::identity {
namespace {

constexpr std::size_t kKeyHalf = 16;
/// Between the look at the file and the sealed token: another process may still seal with the key
/// that was primary a moment ago.
constexpr std::chrono::seconds kKeySlack{60};

struct NamedKeyRole {
  std::string_view name;
  TokenKey::Role role;
};
constexpr NamedKeyRole kKeyRoles[] = {
    {"primary", TokenKey::Role::Primary},
    {"staged", TokenKey::Role::Staged},
    {"secondary", TokenKey::Role::Secondary},
};

Failure damaged_keys(std::string_view why) {
  return fail(
      ErrorCode::InvalidArgument,
      fmt::format("the token keys in the data folder are damaged ({}): restore keys/tokens, "
                  "or remove it to have new ones made (every token ends)",
                  why));
}

std::string key_id(const FernetKey& key) {
  const std::string digest = sha256(key.signing + key.encryption);
  return to_hex({reinterpret_cast<const std::uint8_t*>(digest.data()), 4});
}

KeyFile::Line fresh_key(TokenKey::Role role, WallTime now, Random& random) {
  std::string raw(2 * kKeyHalf, '\0');
  random.fill({reinterpret_cast<std::uint8_t*>(raw.data()), raw.size()});
  KeyFile::Line line;
  line.key = {raw.substr(0, kKeyHalf), raw.substr(kKeyHalf)};
  line.info = {role, key_id(line.key), now, {}};
  return line;
}

std::int64_t key_seconds(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

std::optional<WallTime> key_time(std::string_view word) {
  const auto seconds = parse_unsigned(word);
  if (!seconds || *seconds > 1'000'000'000'000) return std::nullopt;
  return WallTime{std::chrono::seconds{static_cast<std::int64_t>(*seconds)}};
}

std::vector<std::string_view> key_words(std::string_view line) {
  std::vector<std::string_view> words;
  for (const std::string_view word : split(trim(line), ' '))
    if (!word.empty()) words.push_back(word);
  return words;
}

Result<KeyFile::Line> read_key_line(const std::vector<std::string_view>& words, bool first) {
  KeyFile::Line line;
  const auto raw = from_base64(words[0], true);
  if (!raw || raw->size() != 2 * kKeyHalf) return damaged_keys("a line holds no key");
  line.key = {raw->substr(0, kKeyHalf), raw->substr(kKeyHalf)};
  line.info.id = key_id(line.key);
  line.info.role = first ? TokenKey::Role::Primary : TokenKey::Role::Secondary;
  if (words.size() == 1) {
    // Of a version that kept no times: it may be in use for ever.
    if (!first) line.info.until = WallTime{std::chrono::seconds{1'000'000'000'000}};
    return line;
  }
  const auto role = std::find_if(std::begin(kKeyRoles), std::end(kKeyRoles),
                                 [&](const NamedKeyRole& known) { return known.name == words[1]; });
  const bool secondary = role != std::end(kKeyRoles) && role->role == TokenKey::Role::Secondary;
  if (role == std::end(kKeyRoles) || words.size() != (secondary ? 4u : 3u))
    return damaged_keys("a key without a known role");
  const auto since = key_time(words[2]), until = key_time(words.back());
  if (!since || !until) return damaged_keys("a key without its time");
  line.info.role = role->role;
  line.info.since = *since;
  if (secondary) line.info.until = *until;
  return line;
}

/// The folder of the keys, locked for one who replaces them. The lock goes with the descriptor.
Result<Fd> lock_keys(const std::filesystem::path& file) {
  const std::filesystem::path folder = file.parent_path();
  Fd lock(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock.valid())
    return fail(ErrorCode::NotFound, "the data folder has no token keys yet", folder.string());
  // Whoever holds it writes one small file; whoever is stopped meanwhile must not stop us too.
  for (int tries = 0; ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0; ++tries) {
    if (tries == 200) return fail(ErrorCode::Conflict, "another rotation of the keys runs");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return lock;
}

Result<KeyFile> read_key_file(const std::filesystem::path& file) {
  CLOUDOS_TRY(const auto text, read_private_file(file));
  if (!text) return fail(ErrorCode::NotFound, "the data folder has no token keys yet");
  return KeyFile::parse(*text);
}

}  // namespace

Result<KeyFile> KeyFile::parse(std::string_view text) {
  KeyFile file;
  for (const std::string_view row : split(text, '\n')) {
    const auto words = key_words(row);
    if (words.empty() || words[0].front() == '#') continue;
    if (words[0] == "lifetime") {
      const auto seconds = words.size() == 2 ? parse_unsigned(words[1]) : std::nullopt;
      if (!seconds || *seconds > 1'000'000'000) return damaged_keys("the lifetime");
      file.lifetime = std::chrono::seconds{*seconds};
      continue;
    }
    if (file.lines.size() == limits::kTokenKeys) return damaged_keys("too many keys");
    CLOUDOS_TRY(auto line, read_key_line(words, file.lines.empty()));
    file.lines.push_back(std::move(line));
  }
  std::stable_sort(file.lines.begin(), file.lines.end(),
                   [](const Line& a, const Line& b) { return a.info.role < b.info.role; });
  const auto count = [&](TokenKey::Role role) {
    return std::count_if(file.lines.begin(), file.lines.end(),
                         [&](const Line& line) { return line.info.role == role; });
  };
  if (count(TokenKey::Role::Primary) != 1 || count(TokenKey::Role::Staged) > 1)
    return damaged_keys("there must be one primary key and at most one staged");
  return file;
}

std::string KeyFile::text() const {
  std::string out =
      "# Keys of tokens. Whoever reads them can make any token: keep this file as it is, 0600.\n"
      "# Change them by `cloudos keys rotate`, also while the cloud runs.\n";
  out += fmt::format("lifetime {}\n", lifetime.count());
  for (const Line& line : lines) {
    const auto& role = kKeyRoles[static_cast<std::size_t>(line.info.role)];
    out += fmt::format("{} {} {}", to_base64(line.key.signing + line.key.encryption, true),
                       role.name, key_seconds(line.info.since));
    if (line.info.role == TokenKey::Role::Secondary)
      out += fmt::format(" {}", key_seconds(line.info.until));
    out += '\n';
  }
  return out;
}

std::vector<FernetKey> KeyFile::keys() const {
  std::vector<FernetKey> keys;
  for (const Line& line : lines) keys.push_back(line.key);
  return keys;
}

std::vector<TokenKey> KeyFile::infos() const {
  std::vector<TokenKey> infos;
  for (const Line& line : lines) infos.push_back(line.info);
  return infos;
}

KeyFile KeyFile::make(WallTime now, Random& random) {
  KeyFile file;
  file.lines.push_back(fresh_key(TokenKey::Role::Primary, now, random));
  file.lines.push_back(fresh_key(TokenKey::Role::Staged, now, random));
  return file;
}

Result<void> KeyFile::rotate(WallTime now, Random& random, bool force) {
  KeyFile next;
  next.lifetime = lifetime;
  Line retired = lines.front();
  retired.info.role = TokenKey::Role::Secondary;
  retired.info.since = now;
  retired.info.until = now + lifetime + kKeySlack;
  const bool staged = lines.size() > 1 && lines[1].info.role == TokenKey::Role::Staged;
  next.lines.push_back(staged ? lines[1] : fresh_key(TokenKey::Role::Primary, now, random));
  next.lines.front().info.role = TokenKey::Role::Primary;
  next.lines.front().info.since = now;
  next.lines.push_back(fresh_key(TokenKey::Role::Staged, now, random));
  next.lines.push_back(std::move(retired));
  for (std::size_t i = staged ? 2 : 1; i < lines.size(); ++i)
    if (lines[i].info.until > now) next.lines.push_back(lines[i]);
  if (next.lines.size() > limits::kTokenKeys && !force) {
    return fail(ErrorCode::Conflict,
                fmt::format("{} keys still open tokens that have not expired: rotate again after "
                            "{}, or force it and end the oldest tokens",
                            limits::kTokenKeys, format_time(next.lines.back().info.until)));
  }
  if (next.lines.size() > limits::kTokenKeys) next.lines.resize(limits::kTokenKeys);
  *this = std::move(next);
  return Result<void>();
}

Result<std::unique_ptr<KeyRing>> KeyRing::open(std::filesystem::path file, const Clock& clock,
                                               Random& random, std::chrono::seconds lifetime,
                                               bool owner) {
  std::unique_ptr<KeyRing> ring(new KeyRing(std::move(file), clock, random));
  if (ring->file_.empty()) {
    KeyFile made = KeyFile::make(clock.wall(), random);
    made.lifetime = lifetime;
    const auto keys = made.keys();
    ring->state_ = std::make_shared<const State>(State{std::move(made), Fernet(keys), {}});
    return ring;
  }
  if (owner) {
    CLOUDOS_TRY(const auto text, read_private_file(ring->file_));
    KeyFile now;
    if (text) {
      CLOUDOS_TRY(now, KeyFile::parse(*text));
    } else {
      now = KeyFile::make(clock.wall(), random);
    }
    if (!text || now.lifetime < lifetime) {
      now.lifetime = lifetime;
      // Makes the folder too; nobody rotates what is not there yet.
      if (!text) CLOUDOS_CHECK(write_private_file(ring->file_, now.text()));
      CLOUDOS_TRY(const auto lock, lock_keys(ring->file_));
      CLOUDOS_TRY(auto newest, read_key_file(ring->file_));
      newest.lifetime = std::max(newest.lifetime, lifetime);
      if (newest.text() != (text ? *text : now.text()))
        CLOUDOS_CHECK(write_private_file(ring->file_, newest.text()));
    }
  }
  CLOUDOS_CHECK(ring->load());
  return ring;
}

KeyRing::Seen KeyRing::look_at(const std::filesystem::path& file) {
  Seen seen;
  seen.file = Fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (seen.file.valid()) seen.stamp = stamp_of(seen.file);
  return seen;
}

KeyRing::Stamp KeyRing::stamp_of(const Fd& file) {
  struct ::stat info {};
  if (::fstat(file.get(), &info) != 0) return {};
  return {info.st_dev,
          info.st_ino,
          info.st_nlink,
          static_cast<std::uint64_t>(info.st_size),
          {info.st_mtim.tv_sec, info.st_mtim.tv_nsec},
          {info.st_ctim.tv_sec, info.st_ctim.tv_nsec}};
}

Result<void> KeyRing::load() const {
  // The look first: a file that is replaced in between is read again next time.
  Seen seen = look_at(file_);
  CLOUDOS_TRY(auto file, read_key_file(file_));
  const auto keys = file.keys();
  auto fresh =
      std::make_shared<const State>(State{std::move(file), Fernet(keys), std::move(seen)});
  {
    const std::lock_guard lock(mutex_);
    state_ = std::move(fresh);
  }
  version_.fetch_add(1, std::memory_order_acq_rel);
  return Result<void>();
}

std::shared_ptr<const KeyRing::State> KeyRing::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

void KeyRing::refresh() const {
  if (file_.empty()) return;
  const auto now = state();
  const Seen& seen = now->seen;
  // One that had lost its name by then tells nothing of the one that has it now.
  if (seen.file.valid() && seen.stamp.names > 0 && stamp_of(seen.file) == seen.stamp) return;
  find();
}

void KeyRing::find() const {
  Seen seen = look_at(file_);
  const auto now = state();
  if (!seen.file.valid() || seen.stamp == now->seen.stamp) return;
  if (load()) return;
  // Unreadable: what we have goes on. Its stamp is kept, so that it is not read for every token.
  const std::lock_guard lock(mutex_);
  state_ = std::make_shared<const State>(State{state_->file, state_->fernet, std::move(seen)});
}

void KeyRing::follow() const {
  if (file_.empty()) return;
  const MonoTime now = clock_.mono();
  auto next = next_look_.load(std::memory_order_relaxed);
  if (now.time_since_epoch().count() < next) return;
  // One of those who come at the same time looks; the others are a moment early.
  const MonoTime then = now + std::chrono::duration_cast<MonoTime::duration>(kKeyLook);
  if (next_look_.compare_exchange_strong(next, then.time_since_epoch().count())) find();
}

std::string KeyRing::seal(std::string_view plain, std::uint64_t unix_seconds) const {
  refresh();
  return state()->fernet.seal(plain, unix_seconds, random_);
}

std::optional<std::string> KeyRing::open(std::string_view text) const {
  const auto now = state();
  auto plain = now->fernet.open(text);
  if (plain) return plain;
  refresh();
  const auto later = state();
  return later == now ? std::nullopt : later->fernet.open(text);
}

std::vector<TokenKey> KeyRing::list() const {
  refresh();
  return state()->file.infos();
}

std::chrono::microseconds KeyRing::age() const {
  refresh();
  return clock_.wall() - state()->file.lines.front().info.since;
}

Result<std::vector<TokenKey>> KeyRing::rotate(bool force) {
  if (file_.empty()) {
    const std::lock_guard lock(mutex_);
    KeyFile next = state_->file;
    CLOUDOS_CHECK(next.rotate(clock_.wall(), random_, force));
    const auto keys = next.keys();
    state_ = std::make_shared<const State>(State{std::move(next), Fernet(keys), {}});
    version_.fetch_add(1, std::memory_order_acq_rel);
    return state_->file.infos();
  }
  CLOUDOS_TRY(auto keys,
              rotate_token_keys(file_.parent_path().parent_path(), clock_, random_, force));
  refresh();
  return keys;
}

}  // namespace cloudos::identity

namespace cloudos {

Result<std::vector<TokenKey>> list_token_keys(const std::filesystem::path& data_dir) {
  CLOUDOS_TRY(const auto file, identity::read_key_file(data_dir / "keys" / "tokens"));
  return file.infos();
}

Result<std::vector<TokenKey>> rotate_token_keys(const std::filesystem::path& data_dir,
                                                const Clock& clock, Random& random, bool force) {
  const std::filesystem::path path = data_dir / "keys" / "tokens";
  CLOUDOS_TRY(const auto lock, identity::lock_keys(path));
  CLOUDOS_TRY(auto file, identity::read_key_file(path));
  CLOUDOS_CHECK(file.rotate(clock.wall(), random, force));
  CLOUDOS_CHECK(identity::write_private_file(path, file.text()));
  return file.infos();
}

}  // namespace cloudos

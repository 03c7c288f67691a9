#include "identity/hashes.hpp"

#include <argon2.h>
#include <crypt.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "cloudos/limits.hpp"

namespace cloudos::identity {
namespace {

constexpr std::size_t kBcryptBytes = 72;  // What bcrypt reads.
constexpr std::size_t kBcryptMixed = 54;  // Where Keystone cut for some releases.
constexpr std::size_t kBcryptSalt = 22;
constexpr std::size_t kBcryptDigest = 31;
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kDigestBytes = 32;
constexpr std::string_view kPrehashed = "$bcrypt-sha256$";
constexpr std::string_view kScrypt = "$scrypt$";
constexpr std::string_view kPbkdf2 = "$pbkdf2-sha512$";
constexpr std::string_view kSha512 = "$6$";
constexpr std::string_view kArgon2 = "$argon2id$";
// The most that a hash from elsewhere may cost.
constexpr std::uint64_t kMemoryBytes = std::uint64_t{1} << 30;
constexpr std::uint64_t kRounds = 10'000'000;
constexpr std::uint64_t kLanes = 16;

bool is_bcrypt(std::string_view hash) {
  return hash.size() == 60 && hash.starts_with("$2") && hash[3] == '$' && hash[6] == '$' &&
         (hash[2] == 'a' || hash[2] == 'b' || hash[2] == 'y');
}

/// crypt(3) of `password` under `setting` (a salt or a whole hash); empty when that is malformed.
std::string crypt_of(const std::string& password, const std::string& setting) {
  const auto data = std::make_unique<crypt_data>();  // 32 KiB: too much for a stack.
  const char* const hashed =
      crypt_rn(password.c_str(), setting.c_str(), data.get(), sizeof(crypt_data));
  return hashed == nullptr || *hashed == '*' ? std::string() : std::string(hashed);
}

std::string hmac_sha256_of(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data(), &size);
  return {reinterpret_cast<const char*>(out.data()), size};
}

std::string fresh_salt(Random& random) {
  std::string salt(kSaltBytes, '\0');
  random.fill({reinterpret_cast<std::uint8_t*>(salt.data()), salt.size()});
  return salt;
}

/// Standard base64 without padding, as passlib and PHC strings have it.
std::string bare_base64(std::string_view bytes) {
  std::string text = to_base64(bytes);
  while (text.ends_with('=')) text.pop_back();
  return text;
}
std::optional<std::string> read_bare_base64(std::string_view text) {
  std::string standard(text);
  for (char& c : standard)
    if (c == '.') c = '+';  // passlib's own alphabet.
  return from_base64(standard);
}

/// "a=1,b=2"; nothing when it is anything else.
std::optional<std::map<std::string, std::string, std::less<>>> read_costs(std::string_view text) {
  std::map<std::string, std::string, std::less<>> costs;
  for (const std::string_view item : split(text, ',')) {
    const auto mark = item.find('=');
    if (mark == item.npos) return std::nullopt;
    costs.emplace(item.substr(0, mark), item.substr(mark + 1));
  }
  return costs;
}
std::uint64_t cost_of(const std::map<std::string, std::string, std::less<>>& costs,
                      std::string_view name) {
  const auto found = costs.find(name);
  return found == costs.end() ? 0 : parse_unsigned(found->second).value_or(0);
}

/// "$bcrypt-sha256$v=2,t=2b,r=12$<salt>$<digest>"
struct Prehashed {
  std::string setting, salt, digest;
};
std::optional<Prehashed> read_prehashed(std::string_view hash) {
  if (!hash.starts_with(kPrehashed)) return std::nullopt;
  const auto parts = split(hash.substr(kPrehashed.size()), '$');
  if (parts.size() != 3) return std::nullopt;
  const auto costs = read_costs(parts[0]);
  if (!costs || cost_of(*costs, "v") != 2) return std::nullopt;
  const auto kind = costs->find("t");
  const std::uint64_t rounds = cost_of(*costs, "r");
  if (kind == costs->end() || (kind->second != "2b" && kind->second != "2a") || rounds < 4 ||
      rounds > 31 || parts[1].size() != kBcryptSalt || parts[2].size() != kBcryptDigest) {
    return std::nullopt;
  }
  return Prehashed{fmt::format("${}${:02}${}", kind->second, rounds, parts[1]),
                   std::string(parts[1]), std::string(parts[2])};
}
/// What bcrypt gets instead of the password.
std::string prehash(std::string_view salt, std::string_view password) {
  return to_base64(hmac_sha256_of(salt, password));
}

struct Scrypt {
  std::uint64_t blocks = 0, block_size = 0, lanes = 0;
  std::string salt, digest;
};
std::optional<Scrypt> read_scrypt(std::string_view hash) {
  if (!hash.starts_with(kScrypt)) return std::nullopt;
  const auto parts = split(hash.substr(kScrypt.size()), '$');
  if (parts.size() != 3) return std::nullopt;
  const auto costs = read_costs(parts[0]);
  const auto salt = read_bare_base64(parts[1]), digest = read_bare_base64(parts[2]);
  if (!costs || !salt || !digest || digest->empty() || digest->size() > 64) return std::nullopt;
  const std::uint64_t log = cost_of(*costs, "ln");
  if (log == 0 || log > 24) return std::nullopt;
  Scrypt read{std::uint64_t{1} << log, cost_of(*costs, "r"), cost_of(*costs, "p"), *salt, *digest};
  if (read.block_size == 0 || read.lanes == 0 || read.lanes > kLanes || read.block_size > 1'024 ||
      read.blocks * read.block_size * 128 > kMemoryBytes) {
    return std::nullopt;
  }
  return read;
}
std::string scrypt_of(std::string_view password, const Scrypt& with, std::size_t bytes) {
  std::string out(bytes, '\0');
  const int done = EVP_PBE_scrypt(
      password.data(), password.size(), reinterpret_cast<const unsigned char*>(with.salt.data()),
      with.salt.size(), with.blocks, with.block_size, with.lanes, kMemoryBytes + (16 << 20),
      reinterpret_cast<unsigned char*>(out.data()), out.size());
  return done == 1 ? out : std::string();
}

struct Pbkdf2 {
  std::uint64_t rounds = 0;
  std::string salt, digest;
};
std::optional<Pbkdf2> read_pbkdf2(std::string_view hash) {
  if (!hash.starts_with(kPbkdf2)) return std::nullopt;
  const auto parts = split(hash.substr(kPbkdf2.size()), '$');
  if (parts.size() != 3) return std::nullopt;
  const auto rounds = parse_unsigned(parts[0]);
  const auto salt = read_bare_base64(parts[1]), digest = read_bare_base64(parts[2]);
  if (!rounds || *rounds == 0 || *rounds > kRounds || !salt || !digest || digest->size() != 64)
    return std::nullopt;
  return Pbkdf2{*rounds, *salt, *digest};
}
bool pbkdf2_matches(std::string_view password, const Pbkdf2& with) {
  std::string out(with.digest.size(), '\0');
  const int done = PKCS5_PBKDF2_HMAC(
      password.data(), static_cast<int>(password.size()),
      reinterpret_cast<const unsigned char*>(with.salt.data()), static_cast<int>(with.salt.size()),
      static_cast<int>(with.rounds), EVP_sha512(), static_cast<int>(out.size()),
      reinterpret_cast<unsigned char*>(out.data()));
  return done == 1 && equal_secret(out, with.digest);
}

/// Does libargon2 read it, and do we bear what it costs?
bool bearable_argon2(std::string_view hash) {
  const auto parts = split(hash, '$');  // "", "argon2id", "v=19", "m=…,t=…,p=…", salt, digest
  if (parts.size() != 6 || parts[2] != "v=19") return false;
  const auto costs = read_costs(parts[3]);
  if (!costs) return false;
  const std::uint64_t memory = cost_of(*costs, "m"), passes = cost_of(*costs, "t"),
                      lanes = cost_of(*costs, "p");
  return memory >= 8 && memory <= kMemoryBytes / 1'024 && passes >= 1 && passes <= 64 &&
         lanes >= 1 && lanes <= kLanes && read_bare_base64(parts[4]) && read_bare_base64(parts[5]);
}

bool bearable_sha512(std::string_view hash) {
  const auto parts = split(hash, '$');  // "", "6", ["rounds=…",] salt, digest
  if (parts.size() == 5 && parts[2].starts_with("rounds=")) {
    const auto rounds = parse_unsigned(parts[2].substr(7));
    return rounds && *rounds <= kRounds && parts[4].size() == 86;
  }
  return parts.size() == 4 && parts[3].size() == 86;
}

bool has_zero(std::string_view password) {
  return password.find('\0') != password.npos;
}

/// Everything that this password may have been when it was hashed into "$2…".
std::vector<std::string> bcrypt_candidates(std::string_view password, bool foreign) {
  if (!foreign) {
    if (password.size() <= kBcryptBytes && !has_zero(password)) return {std::string(password)};
    return {to_base64(sha256(password))};  // Before "$bcrypt-sha256$" was what we made.
  }
  if (has_zero(password)) return {};
  std::vector<std::string> all{std::string(password.substr(0, kBcryptBytes))};
  if (password.size() > kBcryptMixed) all.emplace_back(password.substr(0, kBcryptMixed));
  return all;
}
/// How many runs of bcrypt a wrong password costs, whatever is tried.
std::size_t bcrypt_runs(std::string_view password) {
  return password.size() > kBcryptMixed && !has_zero(password) ? 2 : 1;
}

HashMatch match_bcrypt(std::string_view password, const KeptHash& hash) {
  const std::string setting(hash.text);
  const auto candidates = bcrypt_candidates(password, hash.foreign);
  std::size_t runs = 0;
  for (const std::string& candidate : candidates) {
    ++runs;
    if (!equal_secret(crypt_of(candidate, setting), setting)) continue;
    const bool plain = !hash.foreign && candidate == password;
    return plain ? HashMatch::Yes : HashMatch::Renew;
  }
  for (; runs < bcrypt_runs(password); ++runs) crypt_of("a wrong one", setting);
  return HashMatch::No;
}

HashMatch match_prehashed(std::string_view password, const KeptHash& hash) {
  const auto read = read_prehashed(hash.text);
  if (!read) return HashMatch::No;
  const std::string made = crypt_of(prehash(read->salt, password), read->setting);
  if (made.size() > kBcryptDigest &&
      equal_secret(std::string_view(made).substr(made.size() - kBcryptDigest), read->digest)) {
    return hash.foreign ? HashMatch::Renew : HashMatch::Yes;
  }
  for (std::size_t runs = 1; runs < bcrypt_runs(password); ++runs)
    crypt_of("a wrong one", read->setting);
  return HashMatch::No;
}

std::string bcrypt_salt(unsigned cost, Random& random) {
  const std::string bytes = fresh_salt(random);
  std::array<char, CRYPT_GENSALT_OUTPUT_SIZE> text{};
  const char* const made =
      crypt_gensalt_rn("$2b$", cost, bytes.data(), static_cast<int>(bytes.size()), text.data(),
                       static_cast<int>(text.size()));
  CLOUDOS_ASSERT(made != nullptr);
  return made;
}

std::string make_bcrypt(unsigned cost, std::string_view password, Random& random) {
  const std::string setting = bcrypt_salt(cost, random);
  if (password.size() <= kBcryptBytes && !has_zero(password))
    return crypt_of(std::string(password), setting);
  const std::string salt = setting.substr(setting.size() - kBcryptSalt);
  const std::string made = crypt_of(prehash(salt, password), setting);
  if (made.size() < kBcryptDigest) return {};
  return fmt::format("{}v=2,t=2b,r={}${}${}", kPrehashed, cost, salt,
                     made.substr(made.size() - kBcryptDigest));
}

std::string make_scrypt(unsigned cost, std::string_view password, Random& random) {
  const Scrypt with{std::uint64_t{1} << cost, 8, 1, fresh_salt(random), {}};
  const std::string digest = scrypt_of(password, with, kDigestBytes);
  if (digest.empty()) return {};
  return fmt::format("{}ln={},r=8,p=1${}${}", kScrypt, cost, bare_base64(with.salt),
                     bare_base64(digest));
}

std::string make_argon2(const PasswordHashing& with, std::string_view password, Random& random) {
  const std::string salt = fresh_salt(random);
  std::array<char, 256> encoded{};
  const int done = argon2id_hash_encoded(with.argon2_passes, with.argon2_memory_kib, 1,
                                         password.data(), password.size(), salt.data(), salt.size(),
                                         kDigestBytes, encoded.data(), encoded.size());
  return done == ARGON2_OK ? std::string(encoded.data()) : std::string();
}

}  // namespace

Result<std::string> make_hash(const PasswordHashing& with, std::string_view password,
                              Random& random) {
  std::string made;
  switch (with.algorithm) {
    case PasswordHashing::Algorithm::Bcrypt:
      made = make_bcrypt(with.bcrypt_cost, password, random);
      break;
    case PasswordHashing::Algorithm::Scrypt:
      made = make_scrypt(with.scrypt_cost, password, random);
      break;
    case PasswordHashing::Algorithm::Argon2id:
      made = make_argon2(with, password, random);
      break;
  }
  if (made.empty())
    return fail(ErrorCode::Internal, "the password could not be hashed", "no hash was made");
  return made;
}

std::string decoy_hash(const PasswordHashing& with, Random& random) {
  const auto drawn = [&] { return bare_base64(fresh_salt(random) + fresh_salt(random)); };
  switch (with.algorithm) {
    case PasswordHashing::Algorithm::Bcrypt:
      return bcrypt_salt(with.bcrypt_cost, random) + std::string(kBcryptDigest, '.');
    case PasswordHashing::Algorithm::Scrypt:
      return fmt::format("{}ln={},r=8,p=1${}${}", kScrypt, with.scrypt_cost,
                         bare_base64(fresh_salt(random)), drawn());
    case PasswordHashing::Algorithm::Argon2id:
      return fmt::format("{}v=19$m={},t={},p=1${}${}", kArgon2, with.argon2_memory_kib,
                         with.argon2_passes, bare_base64(fresh_salt(random)), drawn());
  }
  return {};
}

HashMatch match_hash(std::string_view password, const KeptHash& hash) {
  if (!check_hash(hash.text)) return HashMatch::No;
  if (is_bcrypt(hash.text)) return match_bcrypt(password, hash);
  if (hash.text.starts_with(kPrehashed)) return match_prehashed(password, hash);
  const auto told = [&](bool matches) {
    return !matches ? HashMatch::No : hash.foreign ? HashMatch::Renew : HashMatch::Yes;
  };
  if (const auto scrypt = read_scrypt(hash.text)) {
    const std::string made = scrypt_of(password, *scrypt, scrypt->digest.size());
    return told(!made.empty() && equal_secret(made, scrypt->digest));
  }
  if (const auto pbkdf2 = read_pbkdf2(hash.text)) return told(pbkdf2_matches(password, *pbkdf2));
  const std::string text(hash.text);
  if (hash.text.starts_with(kArgon2))
    return told(argon2id_verify(text.c_str(), password.data(), password.size()) == ARGON2_OK);
  if (has_zero(password)) return HashMatch::No;
  return told(equal_secret(crypt_of(std::string(password), text), text));
}

bool made_with(const PasswordHashing& with, std::string_view hash) {
  switch (with.algorithm) {
    case PasswordHashing::Algorithm::Bcrypt:
      return hash.starts_with(fmt::format("$2b${:02}$", with.bcrypt_cost)) ||
             hash.starts_with(fmt::format("{}v=2,t=2b,r={}$", kPrehashed, with.bcrypt_cost));
    case PasswordHashing::Algorithm::Scrypt:
      return hash.starts_with(fmt::format("{}ln={},r=8,p=1$", kScrypt, with.scrypt_cost));
    case PasswordHashing::Algorithm::Argon2id:
      return hash.starts_with(fmt::format("{}v=19$m={},t={},p=1$", kArgon2, with.argon2_memory_kib,
                                          with.argon2_passes));
  }
  return false;
}

Result<void> check_hash(std::string_view hash) {
  const auto rounds = [&] { return parse_unsigned(hash.substr(4, 2)).value_or(0); };
  const bool good = hash.size() <= limits::kPasswordHashBytes && hash.find('\0') == hash.npos &&
                    ((is_bcrypt(hash) && rounds() >= 4 && rounds() <= 20) || read_prehashed(hash) ||
                     read_scrypt(hash) || read_pbkdf2(hash) ||
                     (hash.starts_with(kArgon2) && bearable_argon2(hash)) ||
                     (hash.starts_with(kSha512) && bearable_sha512(hash)));
  if (good) return Result<void>();
  return fail(ErrorCode::InvalidArgument,
              "password hash: must be of bcrypt, bcrypt-sha256, scrypt, pbkdf2-sha512, argon2id or "
              "sha512-crypt, whole and of a usual cost");
}

}  // namespace cloudos::identity

#include "token_cache.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "base/text.hpp"
#include "cloudos/clock.hpp"

namespace cli {
namespace {

using cloudos::from_hex;
using cloudos::to_hex;
using nlohmann::json;

constexpr std::size_t kTokenFileBytes = 1 << 20;
constexpr std::int64_t kSpareSeconds = 60;  // A token must outlive the command that uses it.
constexpr int kRounds = 2'000;              // Half a millisecond.

std::string hex(std::string_view bytes) {
  return to_hex({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

std::string password_digest(const std::string& password, const std::string& salt) {
  std::array<unsigned char, 32> out{};
  PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                    reinterpret_cast<const unsigned char*>(salt.data()),
                    static_cast<int>(salt.size()), kRounds, EVP_sha256(),
                    static_cast<int>(out.size()), out.data());
  return to_hex(out);
}

/// Each field with its length, so that no two logins run together.
std::string identity_of(const Credentials& c) {
  std::string all = "2";
  for (const std::string* field :
       {&c.auth_url, &c.username, &c.user_id, &c.user_domain_name, &c.user_domain_id,
        &c.project_name, &c.project_id, &c.project_domain_name, &c.project_domain_id,
        &c.application_credential_id, &c.application_credential_name, &c.domain_name, &c.domain_id,
        &c.system_scope})
    all += "|" + std::to_string(field->size()) + ":" + *field;
  return hex(cloudos::sha256(all)).substr(0, 40);
}

/// A real folder of ours that nobody else can enter.
bool is_private_folder(const std::string& path) {
  struct stat info {};
  return ::lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == ::geteuid() &&
         (info.st_mode & 0077) == 0;
}

std::string private_text(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return {};
  std::string text;
  struct stat info {};
  if (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == ::geteuid() &&
      (info.st_mode & 0077) == 0 && info.st_nlink == 1 &&
      static_cast<std::size_t>(info.st_size) <= kTokenFileBytes) {
    text.resize(static_cast<std::size_t>(info.st_size));
    std::size_t have = 0;
    while (have < text.size()) {
      const ssize_t count = ::read(fd, text.data() + have, text.size() - have);
      if (count <= 0) break;
      have += static_cast<std::size_t>(count);
    }
    text.resize(have);
  }
  ::close(fd);
  return text;
}

bool write_private(const std::string& path, const std::string& text) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return false;
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t count = ::write(fd, text.data() + done, text.size() - done);
    if (count <= 0) break;
    done += static_cast<std::size_t>(count);
  }
  return ::close(fd) == 0 && done == text.size();
}

/// A member that is a text; empty when it is something else.
std::string kept_text(const json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

}  // namespace

TokenCache::TokenCache(std::string folder, const Credentials& credentials)
    : folder_(std::move(folder)), password_(credentials.secret()) {
  if (!folder_.empty()) path_ = folder_ + "/token-" + identity_of(credentials) + ".json";
}

std::optional<json> TokenCache::load(std::int64_t now_seconds) const {
  if (path_.empty() || !is_private_folder(folder_)) return std::nullopt;
  const json kept = json::parse(private_text(path_), nullptr, false);
  if (!kept.is_object() || !kept.contains("token") || !kept["token"].is_object())
    return std::nullopt;
  const auto salt = from_hex(kept_text(kept, "salt"));
  if (!salt || salt->size() < 16) return std::nullopt;
  if (!cloudos::equal_secret(password_digest(password_, *salt), kept_text(kept, "password")))
    return std::nullopt;
  const json& token = kept["token"];
  const auto expires = cloudos::parse_time(kept_text(token, "expires_at"));
  if (!expires || kept_text(token, "id").empty()) return std::nullopt;
  const auto until =
      std::chrono::duration_cast<std::chrono::seconds>(expires->time_since_epoch()).count();
  if (until < now_seconds + kSpareSeconds) return std::nullopt;
  return token;
}

void TokenCache::store(const json& token) const {
  if (path_.empty()) return;
  std::error_code ec;
  std::filesystem::create_directories(std::filesystem::path(folder_).parent_path(), ec);
  (void)::mkdir(folder_.c_str(), 0700);
  if (!is_private_folder(folder_)) return;
  std::array<unsigned char, 24> random{};
  if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1) return;
  const std::string salt(reinterpret_cast<const char*>(random.data()), 16);
  const json kept = {
      {"salt", hex(salt)}, {"password", password_digest(password_, salt)}, {"token", token}};
  // Whole or not at all, and never in the place of a link that somebody put there.
  const std::string half =
      path_ + "." + to_hex({reinterpret_cast<const std::uint8_t*>(random.data()) + 16, 8});
  if (!write_private(half, kept.dump()) || ::rename(half.c_str(), path_.c_str()) != 0)
    ::unlink(half.c_str());
}

void TokenCache::drop() const {
  if (!path_.empty()) ::unlink(path_.c_str());
}

std::string cache_folder(const Environment& environment) {
  const auto cache = environment("XDG_CACHE_HOME");
  if (cache && cache->starts_with("/")) return *cache + "/cloudos";
  const auto home = environment("HOME");
  return home && home->starts_with("/") ? *home + "/.cache/cloudos" : std::string();
}

}  // namespace cli

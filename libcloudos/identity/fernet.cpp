#include "identity/fernet.hpp"

#include <array>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/assert.hpp"
#include "base/text.hpp"

namespace cloudos::identity {
namespace {

constexpr char kFernetVersion = '\x80';
constexpr std::size_t kFernetHead = 1 + 8 + 16;  // version, time, IV
constexpr std::size_t kFernetMac = 32;
constexpr std::size_t kFernetBlock = 16;

struct CipherFree {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, CipherFree>;

const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* octets(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

std::string fernet_mac(std::string_view key, std::string_view text) {
  std::string mac(kFernetMac, '\0');
  unsigned size = kFernetMac;
  const auto* done = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), octets(text),
                          text.size(), octets(mac), &size);
  CLOUDOS_ASSERT(done != nullptr && size == kFernetMac);
  return mac;
}

std::string random_text(Random& random, std::size_t bytes) {
  std::string text(bytes, '\0');
  random.fill({octets(text), text.size()});
  return text;
}

}  // namespace

Fernet::Fernet(std::vector<FernetKey> keys) : keys_(std::move(keys)) {
  CLOUDOS_ASSERT(!keys_.empty());
}

std::string Fernet::seal(std::string_view plain, std::uint64_t unix_seconds,
                         Random& random) const {
  const FernetKey& key = keys_.front();
  std::string sealed(1, kFernetVersion);
  for (int shift = 56; shift >= 0; shift -= 8)
    sealed += static_cast<char>((unix_seconds >> shift) & 0xff);
  const std::string iv = random_text(random, kFernetBlock);
  sealed += iv;

  std::string cipher(plain.size() + kFernetBlock, '\0');
  int first = 0, last = 0;
  const Cipher context(EVP_CIPHER_CTX_new());
  CLOUDOS_ASSERT(context != nullptr);
  CLOUDOS_ASSERT(EVP_EncryptInit_ex(context.get(), EVP_aes_128_cbc(), nullptr,
                                    octets(key.encryption), octets(iv)) == 1);
  CLOUDOS_ASSERT(EVP_EncryptUpdate(context.get(), octets(cipher), &first, octets(plain),
                                   static_cast<int>(plain.size())) == 1);
  CLOUDOS_ASSERT(EVP_EncryptFinal_ex(context.get(), octets(cipher) + first, &last) == 1);
  cipher.resize(static_cast<std::size_t>(first + last));
  sealed += cipher;
  sealed += fernet_mac(key.signing, sealed);
  return to_base64(sealed, true);
}

std::optional<std::string> Fernet::open(std::string_view text) const {
  const auto sealed = from_base64(text, true);
  if (!sealed || sealed->size() < kFernetHead + kFernetBlock + kFernetMac) return std::nullopt;
  if (sealed->front() != kFernetVersion) return std::nullopt;
  const std::string_view body = std::string_view(*sealed).substr(0, sealed->size() - kFernetMac);
  const std::string_view mac = std::string_view(*sealed).substr(body.size());
  const std::string_view cipher = body.substr(kFernetHead);
  if (cipher.size() % kFernetBlock != 0) return std::nullopt;
  for (const FernetKey& key : keys_) {
    // The MAC is checked before anything is decrypted: no padding oracle.
    if (!equal_secret(fernet_mac(key.signing, body), mac)) continue;
    std::string plain(cipher.size() + kFernetBlock, '\0');
    int first = 0, last = 0;
    const Cipher context(EVP_CIPHER_CTX_new());
    CLOUDOS_ASSERT(context != nullptr);
    if (EVP_DecryptInit_ex(context.get(), EVP_aes_128_cbc(), nullptr, octets(key.encryption),
                           octets(body.substr(9, kFernetBlock))) != 1 ||
        EVP_DecryptUpdate(context.get(), octets(plain), &first, octets(cipher),
                          static_cast<int>(cipher.size())) != 1 ||
        EVP_DecryptFinal_ex(context.get(), octets(plain) + first, &last) != 1) {
      return std::nullopt;
    }
    plain.resize(static_cast<std::size_t>(first + last));
    return plain;
  }
  return std::nullopt;
}

}  // namespace cloudos::identity

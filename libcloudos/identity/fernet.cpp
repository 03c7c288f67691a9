#include "identity/fernet.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <array>

#include "base/assert.hpp"
#include "base/text.hpp"

namespace cloudos::identity {
namespace {

constexpr char kFernetVersion = '\x80';
constexpr std::size_t kFernetHead = 1 + 8 + 16;  // version, time, IV
constexpr std::size_t kFernetMac = 32;
constexpr std::size_t kFernetBlock = 16;

constexpr std::size_t kHmacBlock = 64;  // Of SHA-256.

const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* octets(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

}  // namespace

// Named, for Fernet::Tools holds them: in a unity build its header would otherwise seem to.
template <auto Free>
struct FernetFree {
  template <class T>
  void operator()(T* thing) const {
    Free(thing);
  }
};
using FernetCipher = std::unique_ptr<EVP_CIPHER_CTX, FernetFree<EVP_CIPHER_CTX_free>>;
using FernetDigest = std::unique_ptr<EVP_MD_CTX, FernetFree<EVP_MD_CTX_free>>;
using FernetCipherKind = std::unique_ptr<EVP_CIPHER, FernetFree<EVP_CIPHER_free>>;
using FernetDigestKind = std::unique_ptr<EVP_MD, FernetFree<EVP_MD_free>>;

/// HMAC with the key's own block digested beforehand: what is left to do is the text.
class FernetMac {
 public:
  FernetMac(const std::string& key, const EVP_MD* kind) {
    CLOUDOS_ASSERT(key.size() <= kHmacBlock);
    inner_ = begun(key, 0x36, kind);
    outer_ = begun(key, 0x5c, kind);
  }
  std::string operator()(std::string_view text) const {
    std::string mac(kFernetMac, '\0');
    const FernetDigest work(EVP_MD_CTX_new());
    CLOUDOS_ASSERT(work != nullptr);
    finish(*work, *inner_, text, mac);
    const std::string inner = mac;
    finish(*work, *outer_, inner, mac);
    return mac;
  }

 private:
  static FernetDigest begun(const std::string& key, char pad, const EVP_MD* kind) {
    std::string block(kHmacBlock, pad);
    for (std::size_t i = 0; i < key.size(); ++i) block[i] = static_cast<char>(key[i] ^ pad);
    FernetDigest digest(EVP_MD_CTX_new());
    CLOUDOS_ASSERT(digest != nullptr && EVP_DigestInit_ex2(digest.get(), kind, nullptr) == 1);
    CLOUDOS_ASSERT(EVP_DigestUpdate(digest.get(), block.data(), block.size()) == 1);
    OPENSSL_cleanse(block.data(), block.size());
    return digest;
  }
  static void finish(EVP_MD_CTX& work, const EVP_MD_CTX& from, std::string_view text,
                     std::string& out) {
    unsigned size = 0;
    CLOUDOS_ASSERT(EVP_MD_CTX_copy_ex(&work, &from) == 1);
    CLOUDOS_ASSERT(EVP_DigestUpdate(&work, text.data(), text.size()) == 1);
    CLOUDOS_ASSERT(EVP_DigestFinal_ex(&work, octets(out), &size) == 1 && size == kFernetMac);
  }
  FernetDigest inner_, outer_;
};

struct Fernet::Tools {
  struct Key {
    std::string encryption;
    FernetMac mac;
  };
  FernetCipherKind cipher;
  std::vector<Key> keys;
};

Fernet::Fernet(std::vector<FernetKey> keys) {
  CLOUDOS_ASSERT(!keys.empty());
  auto tools = std::make_shared<Tools>();
  // Fetched once: a context that names its algorithm looks it up under a lock for every text.
  tools->cipher.reset(EVP_CIPHER_fetch(nullptr, "AES-128-CBC", nullptr));
  const FernetDigestKind digest(EVP_MD_fetch(nullptr, "SHA256", nullptr));
  CLOUDOS_ASSERT(tools->cipher != nullptr && digest != nullptr);
  for (FernetKey& key : keys)
    tools->keys.push_back({std::move(key.encryption), FernetMac(key.signing, digest.get())});
  tools_ = std::move(tools);
}

std::string Fernet::seal(std::string_view plain, std::uint64_t unix_seconds, Random& random) const {
  const Tools::Key& key = tools_->keys.front();
  // In place: head, what is encrypted with its padding, and room for the MAC.
  std::string sealed(kFernetHead + plain.size() + kFernetBlock + kFernetMac, '\0');
  sealed[0] = kFernetVersion;
  for (int i = 0; i < 8; ++i)
    sealed[1 + static_cast<std::size_t>(i)] =
        static_cast<char>((unix_seconds >> (56 - 8 * i)) & 0xff);
  unsigned char* const iv = octets(sealed) + kFernetHead - kFernetBlock;
  random.fill({iv, kFernetBlock});

  unsigned char* const cipher = octets(sealed) + kFernetHead;
  int first = 0, last = 0;
  const FernetCipher context(EVP_CIPHER_CTX_new());
  CLOUDOS_ASSERT(context != nullptr);
  CLOUDOS_ASSERT(EVP_EncryptInit_ex2(context.get(), tools_->cipher.get(), octets(key.encryption),
                                     iv, nullptr) == 1);
  CLOUDOS_ASSERT(EVP_EncryptUpdate(context.get(), cipher, &first, octets(plain),
                                   static_cast<int>(plain.size())) == 1);
  CLOUDOS_ASSERT(EVP_EncryptFinal_ex(context.get(), cipher + first, &last) == 1);
  sealed.resize(kFernetHead + static_cast<std::size_t>(first + last));
  sealed += key.mac(sealed);
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
  for (const Tools::Key& key : tools_->keys) {
    // The MAC is checked before anything is decrypted: no padding oracle.
    if (!equal_secret(key.mac(body), mac)) continue;
    std::string plain(cipher.size() + kFernetBlock, '\0');
    int first = 0, last = 0;
    const FernetCipher context(EVP_CIPHER_CTX_new());
    CLOUDOS_ASSERT(context != nullptr);
    if (EVP_DecryptInit_ex2(context.get(), tools_->cipher.get(), octets(key.encryption),
                            octets(body.substr(9, kFernetBlock)), nullptr) != 1 ||
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

#include "compute/ssh_key.hpp"

#include <array>
#include <memory>

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/text.hpp"
#include "cloudos/limits.hpp"

namespace cloudos::compute {
namespace {

constexpr unsigned kRsaBitsLeast = 1'024, kRsaBitsMost = 16'384, kRsaBitsMade = 2'048;

Failure bad_key(std::string_view why) {
  return fail(ErrorCode::InvalidArgument,
              fmt::format("public_key: {}; give one line as ssh-keygen writes it", why));
}

/// Takes a part led by its length in four bytes off the front.
std::optional<std::string_view> take_part(std::string_view& blob) {
  if (blob.size() < 4) return std::nullopt;
  std::uint32_t size = 0;
  for (std::size_t i = 0; i < 4; ++i) size = size << 8 | static_cast<unsigned char>(blob[i]);
  if (size > blob.size() - 4) return std::nullopt;
  const auto part = blob.substr(4, size);
  blob.remove_prefix(4 + size);
  return part;
}

void add_part(std::string& blob, std::string_view part) {
  const auto size = static_cast<std::uint32_t>(part.size());
  for (int shift = 24; shift >= 0; shift -= 8) blob += static_cast<char>(size >> shift & 0xff);
  blob += part;
}

/// Bits of a positive big number as ssh writes it; 0 when it is negative or empty.
std::size_t number_bits(std::string_view number) {
  if (number.empty() || (static_cast<unsigned char>(number[0]) & 0x80) != 0) return 0;
  while (!number.empty() && number[0] == 0) number.remove_prefix(1);
  if (number.empty()) return 0;
  std::size_t bits = (number.size() - 1) * 8;
  for (auto first = static_cast<unsigned char>(number[0]); first != 0; first >>= 1) ++bits;
  return bits;
}

Result<void> check_parts(std::string_view type, std::string_view blob) {
  const auto inner = take_part(blob);
  if (!inner || *inner != type) return bad_key("its bytes are not of the type it names");
  if (type == "ssh-rsa") {
    const auto exponent = take_part(blob);
    const auto modulus = take_part(blob);
    if (!exponent || !modulus || number_bits(*exponent) == 0) return bad_key("it is cut off");
    const std::size_t bits = number_bits(*modulus);
    if (bits < kRsaBitsLeast || bits > kRsaBitsMost) {
      return bad_key(fmt::format("an RSA key of {} bits is not taken ({} to {} are)", bits,
                                 kRsaBitsLeast, kRsaBitsMost));
    }
  } else if (type == "ssh-ed25519") {
    const auto point = take_part(blob);
    if (!point || point->size() != 32) return bad_key("an Ed25519 key has 32 bytes");
  } else {
    const auto curve = take_part(blob);
    const auto point = take_part(blob);
    if (!curve || !point || type.substr(11) != *curve) return bad_key("its curve does not match");
    const std::size_t bytes = *curve == "nistp256" ? 32 : *curve == "nistp384" ? 48 : 66;
    if (point->size() != 1 + 2 * bytes || (*point)[0] != 4)
      return bad_key("its point is malformed");
  }
  if (!blob.empty()) return bad_key("bytes follow its end");
  return Result<void>();
}

std::string md5_fingerprint(std::string_view bytes) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_md5(), nullptr) != 1)
    return {};
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{}{:02x}", i ? ":" : "", digest[i]);
  return text;
}

struct FreePkey { void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); } };
struct FreeBio { void operator()(BIO* bio) const { BIO_free(bio); } };
struct FreeNumber { void operator()(BIGNUM* number) const { BN_free(number); } };

/// A number of the key as ssh writes it: big-endian, with a zero byte before a set top bit.
std::optional<std::string> key_number_part(const EVP_PKEY* key, const char* name) {
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &raw) != 1) return std::nullopt;
  const std::unique_ptr<BIGNUM, FreeNumber> number(raw);
  std::string bytes(static_cast<std::size_t>(BN_num_bytes(raw)), '\0');
  BN_bn2bin(raw, reinterpret_cast<unsigned char*>(bytes.data()));
  if (!bytes.empty() && (static_cast<unsigned char>(bytes[0]) & 0x80) != 0)
    bytes.insert(0, 1, '\0');
  return bytes;
}

}  // namespace

Result<SshPublicKey> parse_ssh_key(std::string_view text) {
  if (text.size() > limits::kPublicKeyBytes) return bad_key("it is too long");
  text = trim(text);
  if (!utf8_length(text) || text.find_first_of("\n\r") != text.npos || text.find('\0') != text.npos)
    return bad_key("it is more than one line of text");
  const auto type_end = text.find(' ');
  if (type_end == text.npos) return bad_key("it is no type followed by base64");
  const auto type = text.substr(0, type_end);
  const auto rest = trim(text.substr(type_end));
  const auto blob_text = rest.substr(0, rest.find(' '));
  constexpr std::string_view kTypes[] = {"ssh-rsa", "ssh-ed25519", "ecdsa-sha2-nistp256",
                                         "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"};
  if (std::find(std::begin(kTypes), std::end(kTypes), type) == std::end(kTypes))
    return bad_key("its type is none of ssh-rsa, ssh-ed25519, ecdsa-sha2-nistp256, -384, -521");
  const auto blob = from_base64(blob_text);
  if (!blob || blob->empty()) return bad_key("its second part is not base64");
  CLOUDOS_CHECK(check_parts(type, *blob));
  return SshPublicKey{std::string(text), std::string(type), md5_fingerprint(*blob)};
}

Result<SshKeyPair> generate_ssh_key(std::string_view comment) {
  const auto broken = [] { return fail(ErrorCode::Internal, "a key pair could not be made"); };
  const std::unique_ptr<EVP_PKEY, FreePkey> key(EVP_RSA_gen(kRsaBitsMade));
  if (!key) return broken();
  const auto exponent = key_number_part(key.get(), OSSL_PKEY_PARAM_RSA_E);
  const auto modulus = key_number_part(key.get(), OSSL_PKEY_PARAM_RSA_N);
  const std::unique_ptr<BIO, FreeBio> bio(BIO_new(BIO_s_mem()));
  if (!exponent || !modulus || !bio ||
      PEM_write_bio_PrivateKey_traditional(bio.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                           nullptr) != 1) {
    return broken();
  }
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  if (size <= 0) return broken();
  std::string blob;
  add_part(blob, "ssh-rsa");
  add_part(blob, *exponent);
  add_part(blob, *modulus);
  const std::string line = fmt::format("ssh-rsa {} {}", to_base64(blob), comment);
  CLOUDOS_TRY(auto public_key, parse_ssh_key(line));
  return SshKeyPair{std::move(public_key), std::string(data, static_cast<std::size_t>(size))};
}

}  // namespace cloudos::compute

#include "image/signature.hpp"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>

#include <fmt/format.h>

#include "base/text.hpp"
#include "cloudos/limits.hpp"

namespace cloudos::image {
namespace {

constexpr std::string_view kSignatureKey = "img_signature";
constexpr std::string_view kHashKey = "img_signature_hash_method";
constexpr std::string_view kKeyTypeKey = "img_signature_key_type";
constexpr std::string_view kCertificateKey = "img_signature_certificate_uuid";

using CertificatePtr = std::unique_ptr<x509_st, FreeSignature>;

Failure bad_signature(std::string_view why) {
  ERR_clear_error();
  return fail(ErrorCode::InvalidArgument, fmt::format("the image's signature: {}", why));
}

const EVP_MD* hash_of(std::string_view method) {
  if (method == "SHA-224") return EVP_sha224();
  if (method == "SHA-256") return EVP_sha256();
  if (method == "SHA-384") return EVP_sha384();
  if (method == "SHA-512") return EVP_sha512();
  return nullptr;
}

struct SignatureKey {
  std::string_view name;
  const char* algorithm;
  std::string_view group;  ///< Of an elliptic curve, as OpenSSL calls it.
};
constexpr std::array kSignatureKeys{
    SignatureKey{"RSA-PSS", "RSA", ""},
    SignatureKey{"DSA", "DSA", ""},
    SignatureKey{"ECC_SECT571K1", "EC", "sect571k1"},
    SignatureKey{"ECC_SECT409K1", "EC", "sect409k1"},
    SignatureKey{"ECC_SECT571R1", "EC", "sect571r1"},
    SignatureKey{"ECC_SECT409R1", "EC", "sect409r1"},
    SignatureKey{"ECC_SECP521R1", "EC", "secp521r1"},
    SignatureKey{"ECC_SECP384R1", "EC", "secp384r1"},
};
const SignatureKey* key_of(std::string_view name) {
  for (const SignatureKey& key : kSignatureKeys)
    if (key.name == name) return &key;
  return nullptr;
}

bool is_key(EVP_PKEY* key, const SignatureKey& wanted) {
  const bool pss = wanted.name == "RSA-PSS" && EVP_PKEY_is_a(key, "RSA-PSS") == 1;
  if (!pss && EVP_PKEY_is_a(key, wanted.algorithm) != 1) return false;
  if (wanted.group.empty()) return true;
  char group[64] = {};
  std::size_t length = 0;
  return EVP_PKEY_get_group_name(key, group, sizeof group, &length) == 1 && group == wanted.group;
}

CertificatePtr decode_pem(std::string_view pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  CertificatePtr certificate(bio ? PEM_read_bio_X509(bio, nullptr, nullptr, nullptr) : nullptr);
  BIO_free(bio);
  ERR_clear_error();
  return certificate;
}

std::string name_text(const X509_NAME* name) {
  BIO* bio = BIO_new(BIO_s_mem());
  std::string text;
  if (bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    text.assign(data, static_cast<std::size_t>(std::max(size, 0L)));
  }
  BIO_free(bio);
  return text;
}

WallTime time_of(const ASN1_TIME* time) {
  tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return WallTime{} + std::chrono::seconds(timegm(&parts));
}

Result<void> check_times(const Certificate& certificate, WallTime now) {
  if (now < certificate.not_before || now > certificate.not_after) {
    return bad_signature(fmt::format("the certificate {} is not valid now", certificate.id.value));
  }
  return Result<void>();
}

/// Did `authority` sign `certificate`, and may it?
bool vouches(const Certificate& authority, const Certificate& certificate) {
  const CertificatePtr above = decode_pem(authority.pem), below = decode_pem(certificate.pem);
  if (!above || !below || X509_check_ca(above.get()) == 0) return false;
  const bool good = X509_check_issued(above.get(), below.get()) == X509_V_OK &&
                    X509_verify(below.get(), X509_get0_pubkey(above.get())) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace

void FreeSignature::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }
void FreeSignature::operator()(x509_st* certificate) const { X509_free(certificate); }

Result<std::optional<SignatureWish>> signature_wish(
    const std::map<std::string, std::string>& properties) {
  std::array<std::string, 4> values;
  std::size_t given = 0;
  const std::array keys{kSignatureKey, kHashKey, kKeyTypeKey, kCertificateKey};
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto at = properties.find(std::string(keys[i]));
    if (at == properties.end()) continue;
    values[i] = at->second;
    ++given;
  }
  if (given == 0) return std::optional<SignatureWish>();
  if (given != keys.size()) {
    return bad_signature("img_signature, img_signature_hash_method, img_signature_key_type and "
                         "img_signature_certificate_uuid go together");
  }
  const auto raw = from_base64(values[0]);
  if (!raw || raw->empty()) return bad_signature("img_signature is no base64");
  if (!hash_of(values[1])) {
    return bad_signature("img_signature_hash_method is SHA-224, SHA-256, SHA-384 or SHA-512");
  }
  if (!key_of(values[2])) {
    return bad_signature("img_signature_key_type is RSA-PSS, DSA or one of the ECC_ curves");
  }
  return std::optional<SignatureWish>(
      SignatureWish{*raw, values[1], values[2], CertificateId{fold_case(values[3])}});
}

Result<SignatureCheck> SignatureCheck::make(const SignatureWish& wish,
                                            const Certificate& certificate, WallTime now) {
  CLOUDOS_CHECK(check_times(certificate, now));
  const CertificatePtr decoded = decode_pem(certificate.pem);
  EVP_PKEY* key = decoded ? X509_get0_pubkey(decoded.get()) : nullptr;
  const SignatureKey* wanted = key_of(wish.key_type);
  if (!key || !wanted || !is_key(key, *wanted)) {
    return bad_signature(fmt::format("the certificate's key is not of type {}", wish.key_type));
  }
  ContextPtr context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* parameters = nullptr;
  const EVP_MD* hash = hash_of(wish.hash_method);
  if (!context || EVP_DigestVerifyInit(context.get(), &parameters, hash, nullptr, key) != 1) {
    return bad_signature("it cannot be checked with this certificate");
  }
  if (wish.key_type == "RSA-PSS" &&
      (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) != 1 ||
       EVP_PKEY_CTX_set_rsa_mgf1_md(parameters, hash) != 1 ||
       EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_AUTO) != 1)) {
    return bad_signature("it cannot be checked with this certificate");
  }
  return SignatureCheck(std::move(context), wish.signature);
}

Result<void> SignatureCheck::update(std::span<const std::byte> bytes) {
  if (EVP_DigestVerifyUpdate(context_.get(), bytes.data(), bytes.size()) != 1) {
    return fail(ErrorCode::Internal, "the cryptographic library does not verify");
  }
  return Result<void>();
}

Result<void> SignatureCheck::finish() {
  const int holds = EVP_DigestVerifyFinal(
      context_.get(), reinterpret_cast<const unsigned char*>(signature_.data()), signature_.size());
  if (holds != 1) return bad_signature("it is not of these bytes");
  return Result<void>();
}

Result<Certificate> read_certificate(std::string_view pem) {
  constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";
  if (pem.size() > limits::kCertificateBytes) {
    return fail(ErrorCode::TooLarge, fmt::format("a certificate has at most {} bytes",
                                                 limits::kCertificateBytes));
  }
  if (pem.find("PRIVATE KEY") != std::string_view::npos) {
    return fail(ErrorCode::InvalidArgument,
                "this text holds a private key, which belongs to nobody but its owner: send the "
                "certificate alone");
  }
  const std::size_t first = pem.find(kBegin);
  if (first == std::string_view::npos || pem.find(kBegin, first + 1) != std::string_view::npos) {
    return fail(ErrorCode::InvalidArgument, "send exactly one certificate as PEM");
  }
  const CertificatePtr decoded = decode_pem(pem);
  if (!decoded) return fail(ErrorCode::InvalidArgument, "this is no X.509 certificate");
  Certificate certificate;
  certificate.subject = name_text(X509_get_subject_name(decoded.get()));
  certificate.issuer = name_text(X509_get_issuer_name(decoded.get()));
  certificate.not_before = time_of(X509_get0_notBefore(decoded.get()));
  certificate.not_after = time_of(X509_get0_notAfter(decoded.get()));
  certificate.is_authority = X509_check_ca(decoded.get()) != 0;
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest;
  unsigned length = 0;
  if (X509_digest(decoded.get(), EVP_sha256(), digest.data(), &length) != 1 ||
      !X509_get0_pubkey(decoded.get())) {
    ERR_clear_error();
    return fail(ErrorCode::InvalidArgument, "the certificate's key is of no known type");
  }
  certificate.sha256 = to_hex(std::span(digest).first(length));
  certificate.pem = pem;
  return certificate;
}

Result<void> check_chain(const Certificate& signer, const std::vector<Certificate>& trusted,
                         const std::vector<Certificate>& all, WallTime now) {
  const auto in = [](const std::vector<Certificate>& list, const Certificate& one) {
    for (const Certificate& other : list)
      if (other.sha256 == one.sha256) return true;
    return false;
  };
  CLOUDOS_CHECK(check_times(signer, now));
  std::vector<Certificate> chain{signer};
  // Breadth first: `chain` grows by everybody who vouches for somebody in it.
  std::size_t level_end = 1, level = 0;
  for (std::size_t at = 0; at < chain.size(); ++at) {
    if (in(trusted, chain[at])) return Result<void>();
    if (at == level_end) {
      level_end = chain.size();
      if (++level == limits::kCertificateChain) break;
    }
    for (const auto* list : {&trusted, &all}) {
      for (const Certificate& candidate : *list) {
        if (in(chain, candidate) || candidate.subject != chain[at].issuer) continue;
        if (check_times(candidate, now) && vouches(candidate, chain[at]))
          chain.push_back(candidate);
      }
    }
  }
  return bad_signature("its signer is not vouched for by a trusted certificate");
}

}  // namespace cloudos::image

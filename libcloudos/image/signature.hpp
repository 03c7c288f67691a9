#pragma once
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cloudos/certificates.hpp"
#include "cloudos/images.hpp"

struct evp_md_ctx_st;
struct evp_pkey_st;
struct x509_st;

/// Signatures of images, as their properties img_signature* describe them.
/// Source: Glance, image signing; its key types and hash methods.
namespace cloudos::image {

/// What an image says about its signature.
struct SignatureWish {
  std::string signature;      ///< Raw bytes.
  std::string hash_method;    ///< "SHA-256"
  std::string key_type;       ///< "RSA-PSS", "DSA", "ECC_SECP384R1"
  CertificateId certificate;
};
/// Nothing: the image is not signed. Errors: InvalidArgument (some of the four properties are
/// missing, or one is not understood: a signature that cannot be checked is none that holds).
Result<std::optional<SignatureWish>> signature_wish(
    const std::map<std::string, std::string>& properties);

struct FreeSignature {
  void operator()(evp_md_ctx_st* context) const;
  void operator()(x509_st* certificate) const;
};

/// Checks a signature over bytes that come in pieces. One thread at a time.
class SignatureCheck {
 public:
  /// Errors: InvalidArgument (the certificate's key is of another type, or it is not valid at
  /// `now`), Internal.
  static Result<SignatureCheck> make(const SignatureWish& wish, const Certificate& certificate,
                                     WallTime now);
  /// Errors: Internal.
  Result<void> update(std::span<const std::byte> bytes);
  /// Call it once. Errors: InvalidArgument: it does not hold.
  Result<void> finish();

 private:
  using ContextPtr = std::unique_ptr<evp_md_ctx_st, FreeSignature>;
  SignatureCheck(ContextPtr context, std::string signature)
      : context_(std::move(context)), signature_(std::move(signature)) {}
  ContextPtr context_;
  std::string signature_;
};

/// What a PEM text holds. Errors: InvalidArgument (none, several, a private key, too long).
Result<Certificate> read_certificate(std::string_view pem);

/// Is the signer one of `trusted`, or vouched for by one of them through `all` (the certificates
/// there are), with every link valid at `now`? Errors: InvalidArgument: it is not.
Result<void> check_chain(const Certificate& signer, const std::vector<Certificate>& trusted,
                         const std::vector<Certificate>& all, WallTime now);

}  // namespace cloudos::image

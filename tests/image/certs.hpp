#pragma once
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include <doctest/doctest.h>

/// Keys, certificates and signatures made on the spot: nothing secret lies in the repository.
namespace image_test {

struct FreeOpenssl {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeOpenssl>;
using Cert = std::unique_ptr<X509, FreeOpenssl>;

inline Key rsa_key() { return Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048})); }
inline Key curve_key(const char* group) {
  return Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", group));
}
inline Key dsa_key() {
  const std::unique_ptr<EVP_PKEY_CTX, FreeOpenssl> parameters(
      EVP_PKEY_CTX_new_from_name(nullptr, "DSA", nullptr));
  EVP_PKEY* raw = nullptr;
  REQUIRE(EVP_PKEY_paramgen_init(parameters.get()) == 1);
  REQUIRE(EVP_PKEY_CTX_set_dsa_paramgen_bits(parameters.get(), 1'024) == 1);
  REQUIRE(EVP_PKEY_paramgen(parameters.get(), &raw) == 1);
  const Key group(raw);
  const std::unique_ptr<EVP_PKEY_CTX, FreeOpenssl> generator(
      EVP_PKEY_CTX_new(group.get(), nullptr));
  raw = nullptr;
  REQUIRE(EVP_PKEY_keygen_init(generator.get()) == 1);
  REQUIRE(EVP_PKEY_keygen(generator.get(), &raw) == 1);
  return Key(raw);
}

struct CertWish {
  std::string name;
  bool authority = false;
  std::string host;             ///< Subject alternative name: "IP:127.0.0.1".
  long from_seconds = -3'600, to_seconds = 3'600;  ///< Of the real clock.
};

inline void add_extension(X509* certificate, int kind, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
  REQUIRE(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

/// Signed by `issuer`, or by itself when that is null.
inline Cert make_cert(const CertWish& wish, EVP_PKEY* key, X509* issuer = nullptr,
                      EVP_PKEY* issuer_key = nullptr) {
  static long serial = 1;
  Cert certificate(X509_new());
  X509* c = certificate.get();
  X509_set_version(c, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(c), serial++);
  X509_gmtime_adj(X509_getm_notBefore(c), wish.from_seconds);
  X509_gmtime_adj(X509_getm_notAfter(c), wish.to_seconds);
  X509_set_pubkey(c, key);
  X509_NAME* name = X509_get_subject_name(c);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(wish.name.c_str()), -1, -1, 0);
  X509_set_issuer_name(c, issuer ? X509_get_subject_name(issuer) : name);
  if (wish.authority) {
    add_extension(c, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(c, NID_key_usage, "critical,keyCertSign,cRLSign");
  }
  if (!wish.host.empty()) add_extension(c, NID_subject_alt_name, wish.host);
  REQUIRE(X509_sign(c, issuer_key ? issuer_key : key, EVP_sha256()) > 0);
  return certificate;
}

inline std::string bio_text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}
inline std::string pem_of(X509* certificate) {
  BIO* bio = BIO_new(BIO_s_mem());
  REQUIRE(PEM_write_bio_X509(bio, certificate) == 1);
  return bio_text(bio);
}
inline std::string pem_of(EVP_PKEY* key) {
  BIO* bio = BIO_new(BIO_s_mem());
  REQUIRE(PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return bio_text(bio);
}

/// Raw signature bytes, as an owner of the key makes them.
inline std::string sign(EVP_PKEY* key, const EVP_MD* hash, const std::string& data, bool pss) {
  const std::unique_ptr<EVP_MD_CTX, FreeOpenssl> context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* parameters = nullptr;
  REQUIRE(EVP_DigestSignInit(context.get(), &parameters, hash, nullptr, key) == 1);
  if (pss) {
    REQUIRE(EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1);
    REQUIRE(EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_MAX) == 1);
  }
  REQUIRE(EVP_DigestSignUpdate(context.get(), data.data(), data.size()) == 1);
  std::size_t size = 0;
  REQUIRE(EVP_DigestSignFinal(context.get(), nullptr, &size) == 1);
  std::string signature(size, '\0');
  REQUIRE(EVP_DigestSignFinal(context.get(), reinterpret_cast<unsigned char*>(signature.data()),
                              &size) == 1);
  signature.resize(size);
  return signature;
}

}  // namespace image_test

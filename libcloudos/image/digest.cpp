#include "image/digest.hpp"

#include <array>

#include <openssl/evp.h>

#include "base/text.hpp"

namespace cloudos::image {
namespace {

Failure digest_failure(std::string_view what) {
  return fail(ErrorCode::Internal, "the checksum of the image cannot be computed",
              std::string(what));
}

}  // namespace

void Digest::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Result<Digest> Digest::make(const char* algorithm) {
  ContextPtr context(EVP_MD_CTX_new());
  const EVP_MD* const method = EVP_get_digestbyname(algorithm);
  if (!context || method == nullptr ||
      EVP_DigestInit_ex(context.get(), method, nullptr) != 1) {
    return digest_failure("init");
  }
  return Digest(std::move(context));
}

Result<void> Digest::update(std::span<const std::byte> bytes) {
  if (EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) != 1) {
    return digest_failure("update");
  }
  return Result<void>();
}

Result<std::string> Digest::finish() {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  if (EVP_DigestFinal_ex(context_.get(), digest.data(), &length) != 1)
    return digest_failure("final");
  return to_hex({digest.data(), length});
}

Result<Digests> Digests::make() {
  CLOUDOS_TRY(Digest md5, Digest::make("md5"));
  CLOUDOS_TRY(Digest sha512, Digest::make("sha512"));
  return Digests(std::move(md5), std::move(sha512));
}

Result<void> Digests::update(std::span<const std::byte> bytes) {
  CLOUDOS_CHECK(md5_.update(bytes));
  return sha512_.update(bytes);
}

Result<Digests::Values> Digests::finish() {
  Values values;
  CLOUDOS_TRY(values.md5, md5_.finish());
  CLOUDOS_TRY(values.sha512, sha512_.finish());
  return values;
}

}  // namespace cloudos::image

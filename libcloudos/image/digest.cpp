#include "image/digest.hpp"

#include <array>

#include <openssl/evp.h>

#include "base/text.hpp"

namespace cloudos::image {
namespace {

tl::unexpected<Error> digest_failure(std::string_view what) {
  return fail(ErrorCode::Internal, "the checksum of the image cannot be computed",
              std::string(what));
}

Result<std::string> finish_digest(EVP_MD_CTX* context) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  if (EVP_DigestFinal_ex(context, digest.data(), &length) != 1) return digest_failure("final");
  return to_hex({digest.data(), length});
}

}  // namespace

void Digests::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Result<Digests> Digests::make() {
  ContextPtr md5(EVP_MD_CTX_new());
  ContextPtr sha512(EVP_MD_CTX_new());
  if (!md5 || !sha512 || EVP_DigestInit_ex(md5.get(), EVP_md5(), nullptr) != 1 ||
      EVP_DigestInit_ex(sha512.get(), EVP_sha512(), nullptr) != 1) {
    return digest_failure("init");
  }
  return Digests(std::move(md5), std::move(sha512));
}

Result<void> Digests::update(std::span<const std::byte> bytes) {
  if (EVP_DigestUpdate(md5_.get(), bytes.data(), bytes.size()) != 1 ||
      EVP_DigestUpdate(sha512_.get(), bytes.data(), bytes.size()) != 1) {
    return digest_failure("update");
  }
  return Result<void>();
}

Result<Digests::Values> Digests::finish() {
  Values values;
  CLOUDOS_TRY(values.md5, finish_digest(md5_.get()));
  CLOUDOS_TRY(values.sha512, finish_digest(sha512_.get()));
  return values;
}

}  // namespace cloudos::image

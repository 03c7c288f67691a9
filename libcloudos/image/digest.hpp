#pragma once
#include <memory>
#include <span>
#include <string>

#include "cloudos/result.hpp"

struct evp_md_ctx_st;

namespace cloudos::image {

/// One checksum over bytes that come in pieces. One thread at a time.
class Digest {
 public:
  /// "md5", "sha512". Errors: Internal (the cryptographic library has no such algorithm).
  static Result<Digest> make(const char* algorithm);
  Result<void> update(std::span<const std::byte> bytes);
  /// Hexadecimal. Call it once.
  Result<std::string> finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  using ContextPtr = std::unique_ptr<evp_md_ctx_st, Free>;
  explicit Digest(ContextPtr context) : context_(std::move(context)) {}
  ContextPtr context_;
};

/// The two checksums the Image API shows, over bytes that come in pieces. One thread at a time.
class Digests {
 public:
  /// Errors: Internal (the cryptographic library has no such algorithm).
  static Result<Digests> make();
  Result<void> update(std::span<const std::byte> bytes);
  struct Values {
    std::string md5, sha512;  ///< Hexadecimal.
  };
  Result<Values> finish();

 private:
  Digests(Digest md5, Digest sha512) : md5_(std::move(md5)), sha512_(std::move(sha512)) {}
  Digest md5_, sha512_;
};

}  // namespace cloudos::image

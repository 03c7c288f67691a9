#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/clock.hpp"
#include "cloudos/context.hpp"
#include "cloudos/ids.hpp"
#include "cloudos/result.hpp"

namespace cloudos {

using CertificateId = Id<struct CertificateTag>;

/// An X.509 certificate that signatures of images are checked with. It holds no secret.
struct Certificate {
  static constexpr std::string_view kKind = "certificate";
  static constexpr std::uint32_t kSchema = 1;

  CertificateId id;
  std::uint64_t generation = 0;
  std::string name;           ///< 1..255 characters; need not be unique.
  ProjectId project;          ///< Whose it is; others cannot use it. Empty: everybody's.
  std::string subject, issuer;  ///< As RFC 2253 writes them.
  std::string sha256;         ///< Fingerprint: 64 hexadecimal digits.
  WallTime not_before, not_after;
  bool is_authority = false;  ///< May vouch for others.
  std::string pem;
  WallTime created_at;
  std::string unknown;
};

/// The certificates of a cloud: what img_signature_certificate_uuid of an image names.
///
/// Thread-safe. Calls block for at most one commit.
class CLOUDOS_EXPORT Certificates final {
 public:
  /// One certificate as PEM. `everybody`: for all projects; admins only.
  /// Errors: InvalidArgument (no certificate, more than one, a private key), Forbidden, TooLarge.
  Result<Certificate> add(const Context& ctx, std::string_view name, std::string_view pem,
                          bool everybody = false);
  /// Own ones and everybody's; admins see all. Errors: NotFound.
  Result<Certificate> get(const Context& ctx, const CertificateId& id) const;
  /// Newest first. Errors: InvalidArgument (marker).
  Result<std::vector<Certificate>> list(const Context& ctx, std::string_view marker = {},
                                        std::size_t limit = 1'000) const;
  /// Signatures made with it can no longer be checked. Errors: NotFound, Forbidden (everybody's).
  Result<void> remove(const Context& ctx, const CertificateId& id);

  struct CLOUDOS_LOCAL Impl;
  explicit Certificates(std::unique_ptr<Impl> impl);
  ~Certificates();
  Certificates(const Certificates&) = delete;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace cloudos

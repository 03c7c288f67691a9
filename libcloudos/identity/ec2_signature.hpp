#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "cloudos/clock.hpp"
#include "cloudos/credentials.hpp"

/// Signatures of EC2 and S3 requests, computed anew from the request and the secret. Pure.
/// Source: AWS signature versions 0, 1, 2 and 4, as keystoneclient's Ec2Signer has them.
namespace cloudos::identity {

struct ComputedSignature {
  std::string text;        ///< base64, or hexadecimal (version 4).
  WallTime signed_at;      ///< As the signed part of the request says.
  std::optional<WallTime> expires_at;  ///< S3: what a signed URL says itself.
};

/// Errors: Unauthenticated: no version that we know, a part of the request missing, no time of
/// signing; nothing in it tells about the secret.
Result<ComputedSignature> ec2_signature(const SignedRequest& request, std::string_view host,
                                        std::string_view secret);
/// Does the signed S3 request say of itself that it changes something, and is meant for one use?
/// Of version 1 without an end; what is signed by version 4 does not tell.
bool s3_changes(const SignedRequest& request);
/// Of `string_to_sign`. Errors: Unauthenticated.
Result<ComputedSignature> s3_signature(const SignedRequest& request, std::string_view secret);

/// "20200102T030405Z", "2020-01-02T03:04:05Z" (also with fractions),
/// "Thu, 02 Jan 2020 03:04:05 GMT".
std::optional<WallTime> read_signing_time(std::string_view text);
/// The query as versions 2 and 4 sign it: sorted, escaped, without the signature itself.
std::string canonical_query(const std::map<std::string, std::string>& params);

}  // namespace cloudos::identity

#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cloudos/credentials.hpp"
#include "cloudos/store.hpp"
#include "codec/fields.hpp"
#include "records/keys.hpp"

/// What is kept of users' secrets.
namespace cloudos::identity {

struct CredentialRecord {
  static constexpr std::string_view kKind = "credential";
  static constexpr std::uint32_t kSchema = 1;
  CredentialId id;
  std::uint64_t generation = 0;
  std::string type;
  std::string sealed_blob;    ///< By CredentialKeys, as is the next.
  std::string access, sealed_secret;
  UserId user;
  ProjectId project;
  TrustId trust;
  ApplicationCredentialId application_credential;
  ExtraFields extra;
  WallTime created_at;
  /// Of type totp: the half minute since 1970 whose code was used last. No code up to it holds.
  std::int64_t used_window = 0;
  std::string unknown;
};

/// A signature that has been shown, until it would not hold any more anyway.
struct SignatureRecord {
  static constexpr std::string_view kKind = "signature";
  static constexpr std::uint32_t kSchema = 1;
  std::string id;  ///< SHA-256 of access key and signature.
  std::uint64_t generation = 0;
  WallTime expires_at;
  std::string unknown;
};

void fields(codec::FieldVisitor& v, CredentialRecord& r);
void fields(codec::FieldVisitor& v, SignatureRecord& r);
void keys(records::Keys& k, const CredentialRecord& r);
void keys(records::Keys& k, const SignatureRecord& r);

/// The EC2 key with this access key, if there is one.
Result<std::optional<CredentialRecord>> find_ec2(const store::Snapshot& at,
                                                 std::string_view access);
/// The bytes that base32 text stands for, blanks and padding left out; empty when it is none.
std::string read_totp_secret(std::string_view base32);
/// The six digits of this half minute since 1970. Source: RFC 6238 with SHA-1.
std::string totp_code(std::string_view secret, std::int64_t window);

}  // namespace cloudos::identity

#pragma once
#include <string>
#include <string_view>

#include "cloudos/result.hpp"

/// Public keys as ssh writes them, and new pairs. The one file that sees OpenSSL.
namespace cloudos::compute {

struct SshPublicKey {
  std::string line;         ///< Type, base64 and comment on one line, without a line end.
  std::string type;         ///< "ssh-ed25519"
  std::string fingerprint;  ///< MD5 of the decoded bytes: "aa:bb:…".
};

/// Reads one public key line strictly: type, length of every part, no bytes left over.
/// Errors: InvalidArgument, saying what is wrong.
Result<SshPublicKey> parse_ssh_key(std::string_view text);

struct SshKeyPair {
  SshPublicKey public_key;
  std::string private_pem;
};
/// RSA of 2,048 bits: what every ssh and cloud image takes. Errors: Internal.
Result<SshKeyPair> generate_ssh_key(std::string_view comment);

}  // namespace cloudos::compute

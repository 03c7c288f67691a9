#pragma once
#include <string>
#include <string_view>

#include "cloudos/account_rules.hpp"
#include "cloudos/random.hpp"
#include "cloudos/result.hpp"

/// Passwords to hashes and back to yes or no. Pure but for the salt; slow on purpose.
///
/// Made here: "$2b$…" (bcrypt), "$bcrypt-sha256$…" where bcrypt alone would ignore bytes (over 72,
/// or with a zero byte), "$scrypt$…", "$argon2id$…". Read as well: "$2a$", "$2y$",
/// "$pbkdf2-sha512$…", "$6$…". Source: passlib's formats, PHC strings, crypt(5).
namespace cloudos::identity {

/// Errors: Internal (the algorithm failed: no memory).
Result<std::string> make_hash(const PasswordHashing& with, std::string_view password,
                              Random& random);

/// Looks like a hash made this way; no password is known to belong to it.
std::string decoy_hash(const PasswordHashing& with, Random& random);

/// A hash as it is kept. `foreign`: made elsewhere, by somebody who may have cut long passwords at
/// 54 or 72 bytes first, as Keystone does for bcrypt.
struct KeptHash {
  std::string_view text;
  bool foreign = false;
};
enum class HashMatch : std::uint8_t { No, Yes, Renew };  ///< Renew: yes, and hash it anew.
/// Takes as long for every wrong password of one length, whichever hash of one algorithm and cost.
HashMatch match_hash(std::string_view password, const KeptHash& hash);
/// Was it made with this algorithm and cost?
bool made_with(const PasswordHashing& with, std::string_view hash);
/// A format we read, whole, and of a cost that we bear. Errors: InvalidArgument.
Result<void> check_hash(std::string_view hash);

}  // namespace cloudos::identity

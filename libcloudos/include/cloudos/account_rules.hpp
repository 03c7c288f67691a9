#pragma once
#include <chrono>
#include <cstdint>
#include <string>

#include "cloudos/export.hpp"
#include "cloudos/result.hpp"

namespace cloudos {

/// How passwords are hashed from now on. Hashes that there are keep working whatever made them;
/// each is made anew at its user's next login.
struct PasswordHashing {
  enum class Algorithm : std::uint8_t { Bcrypt, Scrypt, Argon2id } algorithm = Algorithm::Bcrypt;
  unsigned bcrypt_cost = 12;               ///< 2^cost rounds, 4..16.
  unsigned scrypt_cost = 16;               ///< 2^cost blocks of 1 KiB each, 4..20.
  std::uint32_t argon2_memory_kib = 65'536;  ///< 64 KiB to 1 GiB.
  std::uint32_t argon2_passes = 3;         ///< 1..16.
  friend bool operator==(const PasswordHashing&, const PasswordHashing&) = default;
};

/// What is asked of passwords and logins. Zero and empty: not asked; that is so for all of them
/// unless said. A user's options may excuse that user.
/// Source: Keystone's security compliance.
struct AccountRules {
  unsigned lockout_attempts = 0;             ///< Wrong passwords in a row that lock a user out.
  std::chrono::seconds lockout_duration{1800};  ///< Zero: until an admin sets a password.
  unsigned inactive_days = 0;                ///< Without a login for as long: disabled.
  unsigned password_days = 0;                ///< Then a password has expired.
  unsigned password_age_days = 0;            ///< Until users may change one they chose again.
  unsigned unique_passwords = 0;             ///< The last so many, that in use included, at most 24.
  std::string password_regex;                ///< PCRE; a password must begin with it.
  std::string password_regex_description;    ///< What users are told it wants.
  bool change_upon_first_use = false;        ///< Of a password that an admin chose.
  unsigned totp_previous_windows = 1;        ///< Passcodes of the last so many half minutes, 0..10.
  std::chrono::seconds signature_life{900};  ///< Of a signed EC2 or S3 request.
  friend bool operator==(const AccountRules&, const AccountRules&) = default;
};

/// Errors: InvalidArgument, naming what is out of range, or the pattern that does not compile.
CLOUDOS_EXPORT Result<void> check_account_rules(const AccountRules& rules);
CLOUDOS_EXPORT Result<void> check_password_hashing(const PasswordHashing& hashing);

}  // namespace cloudos

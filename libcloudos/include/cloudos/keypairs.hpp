#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/clock.hpp"
#include "cloudos/context.hpp"
#include "cloudos/export.hpp"
#include "cloudos/ids.hpp"
#include "cloudos/result.hpp"

namespace cloudos {

/// A user's public key for logging in to servers.
struct Keypair {
  static constexpr std::string_view kKind = "keypair";
  static constexpr std::uint32_t kSchema = 1;
  std::string id;             ///< A digest of user and name.
  std::uint64_t generation = 0;
  std::uint64_t number = 0;   ///< Microseconds of its creation: the numeric id that the API shows.
  UserId user;
  std::string name;           ///< Unique per user; letters, digits, blanks, . _ - @; 1..255.
  std::string public_key;     ///< One line: "ssh-ed25519 AAAA… comment".
  std::string fingerprint;    ///< MD5 of the key's bytes: "aa:bb:…".
  WallTime created_at;
  std::string unknown;
};

/// What a list of key pairs goes on behind (see cloudos/pages.hpp): they are told apart by name.
inline std::string marker_of(const Keypair& pair) { return pair.name; }

/// A pair made here; the private half is returned once and kept nowhere.
struct GeneratedKeypair {
  Keypair keypair;
  std::string private_key;    ///< PEM that ssh reads.
};

/// Key pairs belong to users, not to projects.
///
/// Thread-safe. `user` names another user, for admins only; empty: the caller.
/// Errors of all: Forbidden (another's, not an admin), InvalidArgument (nobody is calling).
class CLOUDOS_EXPORT Keypairs final {
 public:
  /// Takes a public key of type ssh-rsa (1,024 bits and more), ssh-ed25519 or ecdsa-sha2-nistp*.
  /// One commit. Errors: InvalidArgument (name or key), AlreadyExists, QuotaExceeded.
  Result<Keypair> import(const Context& ctx, std::string_view name, std::string_view public_key,
                         const UserId& user = {});
  /// Makes an RSA pair of 2,048 bits: takes tens of milliseconds of CPU. One commit.
  /// Errors: InvalidArgument, AlreadyExists, QuotaExceeded.
  Result<GeneratedKeypair> generate(const Context& ctx, std::string_view name,
                                    const UserId& user = {});
  /// Errors: NotFound.
  Result<Keypair> get(const Context& ctx, std::string_view name, const UserId& user = {}) const;
  /// By name. Errors: InvalidArgument (marker).
  Result<std::vector<Keypair>> list(const Context& ctx, std::string_view marker = {},
                                    std::size_t limit = SIZE_MAX, const UserId& user = {}) const;
  /// Servers keep the key they were made with. Errors: NotFound.
  Result<void> remove(const Context& ctx, std::string_view name, const UserId& user = {});

  struct CLOUDOS_LOCAL Impl;
  explicit Keypairs(std::unique_ptr<Impl> impl);
  ~Keypairs();
  Keypairs(const Keypairs&) = delete;
  Keypairs& operator=(const Keypairs&) = delete;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace cloudos

#pragma once
#include <chrono>
#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include "cloudos/identity.hpp"
#include "cloudos/limits_registry.hpp"
#include "tasks/engine.hpp"

namespace cloudos {

struct IdentitySettings {
  /// What catalog URLs, clouds.yaml and openrc begin with.
  std::string public_url = "http://127.0.0.1:5000";
  /// Of the first admin; empty: one is made. Looked at on the first start only.
  std::string admin_password;
  std::chrono::seconds token_lifetime{3600};
  unsigned password_cost = 12;  ///< bcrypt: 2^cost rounds, 4..16.
  PasswordHashing password_hashing;  ///< But bcrypt's cost, which stands above.
  AccountRules account_rules;
  /// Rules over the defaults: a file that reload_policy() reads again, or else a text.
  std::filesystem::path policy_file;
  std::string policy;
  /// How old the key that seals may grow before it is rotated; zero: for ever.
  std::chrono::seconds key_rotation{0};
  std::size_t list_limit = 0;      ///< Of one list over REST; 0: all.
  bool show_all_endpoints = true;  ///< To a project for which none was chosen.
  LimitModel limit_model = LimitModel::Flat;
  /// Types of services that this cloud does not have: no token's catalog shows them.
  std::set<std::string, std::less<>> left_out;
};

/// Opens identity on the engine's store: loads (or makes) the token keys, makes the first domain,
/// admin, roles and catalog where they are missing, refreshes clouds.yaml and openrc, and registers
/// its reconcilers; a guest (Engine::guest) only reads. Blocks for one password hash on the first
/// start, for a few reads later.
/// Errors: InvalidArgument (settings, policy), NotFound (policy file; a guest's keys), Unavailable,
/// StorageFull.
Result<std::unique_ptr<Identity>> make_identity(const Engine& engine, IdentitySettings settings);

}  // namespace cloudos

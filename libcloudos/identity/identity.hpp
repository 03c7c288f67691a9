#pragma once
#include <chrono>
#include <memory>
#include <string>

#include "cloudos/identity.hpp"
#include "tasks/engine.hpp"

namespace cloudos {

struct IdentitySettings {
  /// What catalog URLs, clouds.yaml and openrc begin with.
  std::string public_url = "http://127.0.0.1:5000";
  /// Of the first admin; empty: one is made. Looked at on the first start only.
  std::string admin_password;
  std::chrono::seconds token_lifetime{3600};
  unsigned password_cost = 12;  ///< bcrypt: 2^cost rounds, 4..16.
};

/// Opens identity on the engine's store: loads (or makes) the token keys, makes the first domain,
/// admin, roles and catalog where they are missing, refreshes clouds.yaml and openrc, and registers
/// its reconciler. Blocks for one password hash on the first start, for a few reads later.
/// Errors: InvalidArgument (settings), Unavailable, StorageFull.
Result<std::unique_ptr<Identity>> make_identity(const Engine& engine, IdentitySettings settings);

}  // namespace cloudos

#pragma once
#include "identity/impl.hpp"
#include "identity/support.hpp"
#include "records/table.hpp"

/// What tests of passwords and credentials read behind the service's back.
namespace identity_test {

inline cloudos::identity::UserRecord stored_user(World& world, const cloudos::UserId& id) {
  const auto at = world.store->snapshot();
  REQUIRE(at);
  auto record = cloudos::records::get<cloudos::identity::UserRecord>(**at, id);
  REQUIRE(record);
  return *record;
}

inline std::string stored_hash(World& world, const cloudos::UserId& id) {
  return stored_user(world, id).password_hash;
}

template <class T>
cloudos::ErrorCode failure(const cloudos::Result<T>& result) {
  REQUIRE_FALSE(result);
  return result.error().code;
}

}  // namespace identity_test

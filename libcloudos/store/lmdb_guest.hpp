#pragma once
#include "cloudos/store.hpp"

namespace cloudos::store::lmdb {

/// A reader beside the owner, from any process (lmdb_pages.hpp tells how). Thread-safe.
Result<std::unique_ptr<Store>> open_guest(const LmdbOptions& options);

}  // namespace cloudos::store::lmdb

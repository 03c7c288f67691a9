#pragma once
#include <functional>
#include <memory>

#include "cloudos/store.hpp"

namespace cloudos::test {

/// A backend under test: opens it fresh, with a change log of at least 64 entries.
using OpenStore = std::function<std::unique_ptr<store::Store>()>;

/// What every store must do; called within a TEST_CASE of each backend.
void check_store_contract(const OpenStore& open);

}  // namespace cloudos::test

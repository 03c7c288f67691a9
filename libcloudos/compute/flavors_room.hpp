#pragma once
#include "cloudos/flavors.hpp"
#include "cloudos/keypairs.hpp"
#include "tasks/engine.hpp"

namespace cloudos::compute {

std::unique_ptr<Flavors> make_flavors(const Engine& engine);
/// Writes the first flavors, once in the life of a store.
Result<void> seed_flavors(const Engine& engine);
std::unique_ptr<Keypairs> make_keypairs(const Engine& engine);

/// Keys "a-z A-Z 0-9 - _ . :" and blanks of 1..255 characters, values of at most 255.
/// Errors: InvalidArgument, naming `what`; TooLarge (items).
Result<void> check_items(std::string_view what, const std::map<std::string, std::string>& items,
                         bool plain_keys);

}  // namespace cloudos::compute

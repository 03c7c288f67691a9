#pragma once
#include <cstdint>
#include <span>

#include "config/key.hpp"

/// The parts of the table of keys, in the order of the sample file; keys.cpp puts them together.
namespace cloudos::config {

inline constexpr std::uint64_t kDay = 86'400;  ///< Seconds.

std::span<const Key> cloud_keys();
std::span<const Key> image_keys();
std::span<const Key> identity_keys();

}  // namespace cloudos::config

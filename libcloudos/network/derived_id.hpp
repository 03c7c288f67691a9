#pragma once
#include <initializer_list>
#include <string>
#include <string_view>

namespace cloudos::network {

/// An id in the form of a UUID that is made of words: the same after every restart.
std::string derived_id(std::initializer_list<std::string_view> words);

}  // namespace cloudos::network

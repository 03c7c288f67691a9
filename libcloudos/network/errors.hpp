#pragma once
#include <string>
#include <string_view>

#include "cloudos/result.hpp"

namespace cloudos::network {

/// An error with the name the Networking API gives it ("NetworkInUse").
inline Failure fail_as(std::string_view type, ErrorCode code, std::string message) {
  return fail(Error{code, std::move(message), {}, std::string(type)});
}
/// The request is wrong in a way that has no name of its own.
inline Failure invalid(std::string message) {
  return fail_as("InvalidInput", ErrorCode::InvalidArgument, std::move(message));
}
inline Failure forbidden(std::string message) {
  return fail_as("PolicyNotAuthorized", ErrorCode::Forbidden, std::move(message));
}

}  // namespace cloudos::network

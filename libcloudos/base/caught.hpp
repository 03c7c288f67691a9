#pragma once
#include <exception>
#include <string>
#include <string_view>

#include "cloudos/result.hpp"

namespace cloudos {

/// Runs `call`, which returns a Result and may be of a host program's making: what it throws, an
/// exception or anything else, is an error of that code and message; the log gets the rest. For
/// where our threads, marks and locks must not depend on others' manners.
template <class Call>
auto caught(ErrorCode code, std::string_view message, const Call& call) -> decltype(call()) {
  std::string detail = "what was thrown is not an exception";
  try {
    return call();
  } catch (const std::exception& thrown) {
    detail = thrown.what();
  } catch (...) {
  }
  return fail(code, std::string(message), detail);
}

}  // namespace cloudos

#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

#include "cloudos/export.hpp"

namespace cloudos {

/// What a caller can react to. A new value needs a caller that reacts to it.
enum class ErrorCode : std::uint8_t {
  InvalidArgument,   ///< The request is wrong and stays wrong: shape, range, unknown reference.
  Unauthenticated,   ///< No valid token, or wrong credentials.
  Forbidden,         ///< Authenticated, but policy says no.
  NotFound,          ///< No such thing, or not yours: the two look alike on purpose.
  AlreadyExists,     ///< A unique name, address or id is taken.
  Conflict,          ///< The resource is in the wrong state or busy with another task.
  QuotaExceeded,     ///< The project's limit; the message names resource, limit and use.
  NoCapacity,        ///< No host, address or segment is left.
  TooLarge,          ///< A body, name or list is over a named limit.
  Unsupported,       ///< Known, but not on this host, driver or version.
  Stale,             ///< Read too early: take a new snapshot and try again (see store::replan).
  Unavailable,       ///< A back end does not answer now; trying again may help.
  Timeout,           ///< A deadline passed.
  StorageFull,       ///< The disk or the store's map is full; nothing was changed.
  Internal,          ///< Our bug. The message is safe to show; the detail is in the log.
  Cancelled,         ///< The caller's CancelToken fired; nothing was left half done.
};

CLOUDOS_EXPORT std::string_view to_string(ErrorCode code);

/// True when the same call may succeed later without anyone changing anything. The only oracle.
constexpr bool is_retryable(ErrorCode code) {
  return code == ErrorCode::Unavailable || code == ErrorCode::Timeout || code == ErrorCode::Stale;
}

struct Error {
  ErrorCode code = ErrorCode::Internal;
  std::string message;  ///< For whoever called: what, where, what to do. Holds no secret or path.
  std::string detail;   ///< For the log only.
  std::string type{};   ///< The API's own name of it ("NetworkInUse"), for bodies that show one.

  friend bool operator==(const Error&, const Error&) = default;
};

/// A value or an Error. Same members as tl::expected (std::expected later), but a result that is
/// dropped does not compile.
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

inline tl::unexpected<Error> fail(ErrorCode code, std::string message, std::string detail = {}) {
  return tl::unexpected<Error>(Error{code, std::move(message), std::move(detail)});
}
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }
/// The same error with where it happened put in front: "creating port on net-a: no address left".
inline tl::unexpected<Error> fail_in(std::string_view where, Error error) {
  error.message = std::string(where) + ": " + error.message;
  return tl::unexpected<Error>(std::move(error));
}

}  // namespace cloudos

#define CLOUDOS_CONCAT_(a, b) a##b
#define CLOUDOS_CONCAT(a, b) CLOUDOS_CONCAT_(a, b)

// A fresh name for each use, so that a closure inside the expression may use the macros too.
#define CLOUDOS_TRY_(result, decl, expr)                                               \
  auto result = (expr);                                                                \
  if (!result) return ::tl::unexpected<::cloudos::Error>(std::move(result).error());   \
  decl = std::move(*result)
#define CLOUDOS_CHECK_(result, expr)                                                   \
  do {                                                                                 \
    auto result = (expr);                                                              \
    if (!result) return ::tl::unexpected<::cloudos::Error>(std::move(result).error()); \
  } while (false)

/// Declares `decl` from the value of a Result, or returns its error. `decl` holds no comma.
#define CLOUDOS_TRY(decl, ...) \
  CLOUDOS_TRY_(CLOUDOS_CONCAT(cloudos_try_, __COUNTER__), decl, (__VA_ARGS__))
/// Returns the error of a Result<void> (or of one whose value is not needed), if it has one.
#define CLOUDOS_CHECK(...) \
  CLOUDOS_CHECK_(CLOUDOS_CONCAT(cloudos_check_, __COUNTER__), (__VA_ARGS__))

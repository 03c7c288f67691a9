#pragma once
#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "cloudos/export.hpp"

namespace cloudos {

/// What a caller can react to. A new value needs a caller that reacts to it.
enum class ErrorCode : std::uint8_t {
  InvalidArgument,  ///< The request is wrong and stays wrong: shape, range, unknown reference.
  Unauthenticated,  ///< No valid token, or wrong credentials.
  Forbidden,        ///< Authenticated, but policy says no.
  NotFound,         ///< No such thing, or not yours: the two look alike on purpose.
  AlreadyExists,    ///< A unique name, address or id is taken.
  Conflict,         ///< The resource is in the wrong state or busy with another task.
  QuotaExceeded,    ///< The project's limit; the message names resource, limit and use.
  NoCapacity,       ///< No host, address or segment is left.
  TooLarge,         ///< A body, name or list is over a named limit.
  Unsupported,      ///< Known, but not on this host, driver or version.
  Stale,            ///< Read too early: take a new snapshot and try again (see store::replan).
  Unavailable,      ///< A back end does not answer now; trying again may help.
  Timeout,          ///< A deadline passed.
  StorageFull,      ///< The disk or the store's map is full; nothing was changed.
  Internal,         ///< Our bug. The message is safe to show; the detail is in the log.
  Cancelled,        ///< The caller's CancelToken fired; nothing was left half done.
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

/// What fail() gives and any Result takes: "this went wrong", before it is known what was wanted.
class [[nodiscard]] Failure {
 public:
  explicit Failure(Error error) : error_(std::move(error)) {}
  const Error& error() const& { return error_; }
  Error&& error() && { return std::move(error_); }

 private:
  Error error_;
};

template <class T>
class Result;

namespace detail {
template <class T>
inline constexpr bool kIsResult = false;
template <class T>
inline constexpr bool kIsResult<Result<T>> = true;
template <>
inline constexpr bool kIsResult<Failure> = true;
}  // namespace detail

/// A value or an Error: of std::expected what is used here, and a result that is dropped does not
/// compile. A plain union of its own: the layers of a full expected type, instantiated for
/// every record there is, were a seventh of what the whole library took to compile.
/// `*` and `->` of a failed one, and error() of one with a value, are undefined: ask first.
/// Moved from, it is what it was, a value or an error; its parts are as moving leaves them. T's move
/// must not throw. As thread-safe as T.
template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  using error_type = Error;

  Result() requires std::is_default_constructible_v<T> : value_(), ok_(true) {}
  Result(Failure failure) : error_(std::move(failure).error()), ok_(false) {}
  template <class U = T>
  requires(!detail::kIsResult<std::remove_cvref_t<U>> && std::is_convertible_v<U, T>)
      Result(U&& value)
      : value_(std::forward<U>(value)), ok_(true) {}
  Result(const Result& other) : ok_(other.ok_) {
    if (ok_) {
      ::new (static_cast<void*>(&value_)) T(other.value_);
    } else {
      ::new (static_cast<void*>(&error_)) Error(other.error_);
    }
  }
  Result(Result&& other) noexcept : ok_(other.ok_) { take(other); }
  Result& operator=(const Result& other) { return *this = Result(other); }
  Result& operator=(Result&& other) noexcept {
    if (this == &other) return *this;
    clear();
    ok_ = other.ok_;
    take(other);
    return *this;
  }
  ~Result() { clear(); }

  bool has_value() const { return ok_; }
  explicit operator bool() const { return ok_; }
  T& operator*() & { return value_; }
  const T& operator*() const& { return value_; }
  /// By value, so that `for (auto& x : *f())` may be written: what it walks lives as long.
  T operator*() && { return static_cast<T&&>(value_); }
  T* operator->() { return &value_; }
  const T* operator->() const { return &value_; }
  Error& error() & { return error_; }
  const Error& error() const& { return error_; }
  Error&& error() && { return static_cast<Error&&>(error_); }
  template <class U>
  T value_or(U&& other) const& {
    return ok_ ? value_ : static_cast<T>(std::forward<U>(other));
  }
  template <class U>
  T value_or(U&& other) && {
    return ok_ ? static_cast<T&&>(value_) : static_cast<T>(std::forward<U>(other));
  }
  /// True of a value that equals `value`; a failure equals none.
  template <class U>
  requires(!detail::kIsResult<U>) friend bool operator==(const Result& result, const U& value) {
    return result.ok_ && result.value_ == value;
  }

 private:
  void take(Result& other) {
    if (ok_) {
      ::new (static_cast<void*>(&value_)) T(static_cast<T&&>(other.value_));
    } else {
      ::new (static_cast<void*>(&error_)) Error(static_cast<Error&&>(other.error_));
    }
  }
  void clear() {
    if (ok_) {
      value_.~T();
    } else {
      error_.~Error();
    }
  }

  union {
    T value_;
    Error error_;
  };
  bool ok_;
};

/// Done, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  using error_type = Error;

  Result() = default;
  Result(Failure failure) : error_(std::move(failure).error()) {}

  bool has_value() const { return !error_; }
  explicit operator bool() const { return !error_; }
  void operator*() const {}
  Error& error() & { return *error_; }
  const Error& error() const& { return *error_; }
  Error&& error() && { return std::move(*error_); }

 private:
  std::optional<Error> error_;
};

inline Failure fail(ErrorCode code, std::string message, std::string detail = {}) {
  return Failure(Error{code, std::move(message), std::move(detail)});
}
inline Failure fail(Error error) {
  return Failure(std::move(error));
}
/// The same error with where it happened put in front: "creating port on net-a: no address left".
inline Failure fail_in(std::string_view where, Error error) {
  error.message = std::string(where) + ": " + error.message;
  return Failure(std::move(error));
}

}  // namespace cloudos

#define CLOUDOS_CONCAT_(a, b) a##b
#define CLOUDOS_CONCAT(a, b) CLOUDOS_CONCAT_(a, b)

// A fresh name for each use, so that a closure inside the expression may use the macros too.
#define CLOUDOS_TRY_(result, decl, expr)                             \
  auto result = (expr);                                              \
  if (!result) return ::cloudos::Failure(std::move(result).error()); \
  decl = std::move(*result)
#define CLOUDOS_CHECK_(result, expr)                                   \
  do {                                                                 \
    auto result = (expr);                                              \
    if (!result) return ::cloudos::Failure(std::move(result).error()); \
  } while (false)

/// Declares `decl` from the value of a Result, or returns its error. `decl` holds no comma.
#define CLOUDOS_TRY(decl, ...) \
  CLOUDOS_TRY_(CLOUDOS_CONCAT(cloudos_try_, __COUNTER__), decl, (__VA_ARGS__))
/// Returns the error of a Result<void> (or of one whose value is not needed), if it has one.
#define CLOUDOS_CHECK(...) \
  CLOUDOS_CHECK_(CLOUDOS_CONCAT(cloudos_check_, __COUNTER__), (__VA_ARGS__))

#pragma once
#include <concepts>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

#if defined(__clang__)
#define CLOUDOS_LIFETIME_BOUND [[clang::lifetimebound]]
#else
#define CLOUDOS_LIFETIME_BOUND
#endif

namespace cloudos {

template <class Signature>
class FunctionRef;

/// Something to call, handed down for as long as one call lasts: a parameter, never kept.
///
/// Owns nothing and never allocates: it names the lambda, or other object, that it was made of,
/// which the caller keeps. It is neither copied nor assigned, so that nobody keeps it by accident.
/// `f(nullptr)` makes one that is false and must not be called.
template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  FunctionRef(std::nullptr_t = nullptr) noexcept {}
  template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, FunctionRef> &&
             std::is_object_v<std::remove_reference_t<F>> &&
             requires(F& f, Args... args) { static_cast<R>(f(static_cast<Args&&>(args)...)); })
  FunctionRef(F&& f CLOUDOS_LIFETIME_BOUND) noexcept
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_(&call<std::remove_reference_t<F>>) {}
  FunctionRef(const FunctionRef&) = delete;
  FunctionRef& operator=(const FunctionRef&) = delete;

  explicit operator bool() const noexcept { return call_ != nullptr; }
  R operator()(Args... args) const { return call_(object_, static_cast<Args&&>(args)...); }

 private:
  template <class F>
  static R call(void* object, Args... args) {
    return (*static_cast<F*>(object))(static_cast<Args&&>(args)...);
  }

  void* object_ = nullptr;
  R (*call_)(void*, Args...) = nullptr;
};

}  // namespace cloudos

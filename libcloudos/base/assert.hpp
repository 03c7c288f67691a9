#pragma once

namespace cloudos {
/// Prints the fact that does not hold and aborts: crash-only, restart converges.
[[noreturn]] void assertion_failed(const char* fact, const char* file, int line);
}  // namespace cloudos

/// States a fact about our own code, never about input. Stays on in release.
#define CLOUDOS_ASSERT(fact) \
  ((fact) ? static_cast<void>(0) : ::cloudos::assertion_failed(#fact, __FILE__, __LINE__))

#include "cloudos/result.hpp"

#include <cstdio>
#include <cstdlib>

#include "base/assert.hpp"

namespace cloudos {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::InvalidArgument: return "InvalidArgument";
    case ErrorCode::Unauthenticated: return "Unauthenticated";
    case ErrorCode::Forbidden: return "Forbidden";
    case ErrorCode::NotFound: return "NotFound";
    case ErrorCode::AlreadyExists: return "AlreadyExists";
    case ErrorCode::Conflict: return "Conflict";
    case ErrorCode::QuotaExceeded: return "QuotaExceeded";
    case ErrorCode::NoCapacity: return "NoCapacity";
    case ErrorCode::TooLarge: return "TooLarge";
    case ErrorCode::Unsupported: return "Unsupported";
    case ErrorCode::Stale: return "Stale";
    case ErrorCode::Unavailable: return "Unavailable";
    case ErrorCode::Timeout: return "Timeout";
    case ErrorCode::StorageFull: return "StorageFull";
    case ErrorCode::Cancelled: return "Cancelled";
    case ErrorCode::Internal: return "Internal";
  }
  return "Internal";
}

void assertion_failed(const char* fact, const char* file, int line) {
  std::fprintf(stderr, "libcloudos: %s:%d: this must hold: %s\n", file, line, fact);
  std::abort();
}

}  // namespace cloudos

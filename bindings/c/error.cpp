#include <cstdlib>
#include <new>

#include "handle.hpp"

namespace cloudos::c {
namespace {

// By position: ErrorCode's order is not the interface's, which never changes.
constexpr std::pair<ErrorCode, cloudos_code> kCodes[] = {
    {ErrorCode::InvalidArgument, CLOUDOS_INVALID_ARGUMENT},
    {ErrorCode::Unauthenticated, CLOUDOS_UNAUTHENTICATED},
    {ErrorCode::Forbidden, CLOUDOS_FORBIDDEN},
    {ErrorCode::NotFound, CLOUDOS_NOT_FOUND},
    {ErrorCode::AlreadyExists, CLOUDOS_ALREADY_EXISTS},
    {ErrorCode::Conflict, CLOUDOS_CONFLICT},
    {ErrorCode::QuotaExceeded, CLOUDOS_QUOTA_EXCEEDED},
    {ErrorCode::NoCapacity, CLOUDOS_NO_CAPACITY},
    {ErrorCode::TooLarge, CLOUDOS_TOO_LARGE},
    {ErrorCode::Unsupported, CLOUDOS_UNSUPPORTED},
    {ErrorCode::Stale, CLOUDOS_STALE},
    {ErrorCode::Unavailable, CLOUDOS_UNAVAILABLE},
    {ErrorCode::Timeout, CLOUDOS_TIMEOUT},
    {ErrorCode::StorageFull, CLOUDOS_STORAGE_FULL},
    {ErrorCode::Internal, CLOUDOS_INTERNAL},
    {ErrorCode::Cancelled, CLOUDOS_CANCELLED},
};

std::optional<ErrorCode> ours(cloudos_code code) {
  for (const auto& [mine, theirs] : kCodes) {
    if (theirs == code) return mine;
  }
  return std::nullopt;
}

}  // namespace

cloudos_code code_of(ErrorCode code) {
  for (const auto& [mine, theirs] : kCodes) {
    if (mine == code) return theirs;
  }
  return CLOUDOS_INTERNAL;
}

cloudos_code report(cloudos_error** place, ErrorCode code, std::string_view message) {
  const cloudos_code number = code_of(code);
  if (place == nullptr) return number;
  *place = nullptr;
  try {
    *place = new cloudos_error{number, std::string(message)};
  } catch (const std::bad_alloc&) {
    // The code alone has to do.
  }
  return number;
}

}  // namespace cloudos::c

extern "C" {

const char* cloudos_code_name(cloudos_code code) {
  if (code == CLOUDOS_OK) return "Ok";
  const auto known = cloudos::c::ours(code);
  // to_string() gives views of literals, which end with a NUL.
  return known ? cloudos::to_string(*known).data() : "Unknown";
}

int cloudos_code_is_retryable(cloudos_code code) {
  const auto known = cloudos::c::ours(code);
  return known && cloudos::is_retryable(*known) ? 1 : 0;
}

cloudos_code cloudos_error_code(const cloudos_error* error) {
  return error == nullptr ? CLOUDOS_OK : error->code;
}

const char* cloudos_error_message(const cloudos_error* error) {
  return error == nullptr ? "" : error->message.c_str();
}

void cloudos_error_free(cloudos_error* error) {
  delete error;
}

const char* cloudos_version(void) {
  return CLOUDOS_VERSION;
}

void cloudos_free(char* text) {
  std::free(text);
}

}  // extern "C"

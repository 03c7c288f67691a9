#include "hypervisor/libvirt_error.hpp"

#include <fmt/format.h>

#include "hypervisor/spec.hpp"

namespace cloudos::hypervisor {

Error translate_libvirt(std::string_view doing, int code, std::string_view text) {
  const auto says = [text](std::string_view part) { return text.find(part) != text.npos; };
  const auto error = [&](ErrorCode ours, std::string_view message) {
    return Error{ours, fmt::format("{}: {}", doing, message),
                 fmt::format("libvirt error {}: {}", code, text)};
  };
  if (says("No space left on device") || says("Disk quota exceeded")) {
    return error(ErrorCode::StorageFull, "the hypervisor's disk is full");
  }
  if (says("Failed to terminate process")) {  // Stuck in the kernel, e.g. on dead storage.
    return error(ErrorCode::Timeout, "the server's process does not end");
  }
  switch (code) {
    case VIR_ERR_NO_DOMAIN:
      return error(ErrorCode::NotFound, unknown_domain().message);
    case VIR_ERR_DOM_EXIST:
      return error(ErrorCode::Conflict, foreign_domain().message);
    case VIR_ERR_OPERATION_FAILED:
      if (says("already exists with uuid") || says("is already defined with uuid")) {
        return error(ErrorCode::Conflict, foreign_domain().message);
      }
      return error(ErrorCode::Internal, "the hypervisor refused");
    case VIR_ERR_OPERATION_TIMEOUT:
    case VIR_ERR_AGENT_UNRESPONSIVE:
      return error(ErrorCode::Timeout, "the hypervisor did not answer in time");
    case VIR_ERR_XML_ERROR:
    case VIR_ERR_XML_DETAIL:
    case VIR_ERR_INVALID_ARG:
    case VIR_ERR_CONFIG_UNSUPPORTED:
      return error(ErrorCode::InvalidArgument, "the hypervisor does not take this configuration");
    case VIR_ERR_NO_CONNECT:
    case VIR_ERR_INVALID_CONN:
    case VIR_ERR_RPC:
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_CANCELLED:
    case VIR_ERR_NO_CLIENT:
      return error(ErrorCode::Unavailable, "no connection to the hypervisor");
    case VIR_ERR_OPERATION_INVALID:
      return error(ErrorCode::Conflict, "the server is not in a state for this");
    case VIR_ERR_NO_MEMORY:
      return error(ErrorCode::Unavailable, "the host has no memory left");
    default:
      return error(ErrorCode::Internal, "the hypervisor refused");
  }
}

Error libvirt_error(std::string_view doing) {
  const virErrorPtr last = virGetLastError();
  if (last == nullptr) return translate_libvirt(doing, VIR_ERR_INTERNAL_ERROR, "no error was set");
  return translate_libvirt(doing, last->code, last->message != nullptr ? last->message : "");
}

bool domain_is_gone() {
  return virGetLastErrorCode() == VIR_ERR_NO_DOMAIN;
}

}  // namespace cloudos::hypervisor

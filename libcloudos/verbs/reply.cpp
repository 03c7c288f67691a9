// What a service's refusal says, whoever carried it.
#include <nlohmann/json.hpp>

#include "verbs/request.hpp"

namespace cloudos::verbs {

std::string reply_message(const nlohmann::json& body) {
  if (!body.is_object()) return {};
  if (const auto it = body.find("message"); it != body.end() && it->is_string())
    return it->get<std::string>();
  for (const auto& [name, member] : body.items())
    if (std::string text = reply_message(member); !text.empty()) return text;
  return {};
}

ErrorCode code_of_status(int status) {
  switch (status) {
    case 401:
      return ErrorCode::Unauthenticated;
    case 403:
      return ErrorCode::Forbidden;
    case 404:
      return ErrorCode::NotFound;
    case 409:
      return ErrorCode::Conflict;
    case 413:
      return ErrorCode::TooLarge;
    case 405:
    case 406:
    case 501:
      return ErrorCode::Unsupported;
    case 429:
    case 503:
      return ErrorCode::Unavailable;
    case 408:
    case 504:
      return ErrorCode::Timeout;
    default:
      return status < 500 ? ErrorCode::InvalidArgument : ErrorCode::Internal;
  }
}

}  // namespace cloudos::verbs

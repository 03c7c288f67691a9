#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "cloudos/locale.hpp"
#include "rest/json.hpp"
#include "rest/router.hpp"

namespace cloudos::rest {
namespace {

std::string_view compute_fault_name(int status) {
  struct Row {
    int status;
    std::string_view name;
  };
  static constexpr Row kRows[] = {
      {400, "badRequest"},     {401, "unauthorized"},       {403, "forbidden"},
      {404, "itemNotFound"},   {405, "badMethod"},          {409, "conflictingRequest"},
      {413, "overLimit"},      {415, "badMediaType"},       {429, "overLimit"},
      {501, "notImplemented"}, {503, "serviceUnavailable"},
  };
  for (const Row& row : kRows)
    if (row.status == status) return row.name;
  return "computeFault";
}

/// A word of our messages and what Network calls it in its error types. Longer ones first.
struct Noun {
  std::string_view word, name;
};
constexpr Noun kNouns[] = {
    {"security group rule", "SecurityGroupRule"},
    {"security group", "SecurityGroup"},
    {"subnet pool", "SubnetPool"},
    {"subnet", "Subnet"},
    {"network", "Network"},
    {"port", "Port"},
    {"mac address", "MacAddress"},
    {"address", "IpAddress"},
    {"extension", "Extension"},
};

bool is_word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/// The noun that comes first in the message; empty when none does.
std::string_view first_noun(std::string_view message) {
  const std::string folded = fold_case(message);
  std::size_t best = std::string::npos;
  std::string_view name;
  for (const Noun& noun : kNouns) {
    for (auto at = folded.find(noun.word); at != std::string::npos;
         at = folded.find(noun.word, at + 1)) {
      const auto end = at + noun.word.size();
      if ((at > 0 && is_word_char(folded[at - 1])) ||
          (end < folded.size() && is_word_char(folded[end])))
        continue;
      if (at < best) {
        best = at;
        name = noun.name;
      }
      break;
    }
  }
  return name;
}

std::string network_error_type(const Error& error) {
  const std::string noun(first_noun(error.message));
  switch (error.code) {
    case ErrorCode::InvalidArgument:
      return "InvalidInput";
    case ErrorCode::Unauthenticated:
      return "HTTPUnauthorized";
    case ErrorCode::Forbidden:
      return "PolicyNotAuthorized";
    case ErrorCode::NotFound:
      return noun.empty() ? "HTTPNotFound" : noun + "NotFound";
    case ErrorCode::AlreadyExists:
      if (noun == "IpAddress" || noun == "MacAddress") return noun + "InUse";
      return noun.empty() ? "HTTPConflict" : noun + "Exists";
    case ErrorCode::Conflict:
      return noun.empty() ? "HTTPConflict" : noun + "InUse";
    case ErrorCode::QuotaExceeded:
      return "OverQuota";
    case ErrorCode::NoCapacity:
      return noun == "Network" ? "NoNetworkAvailable" : "IpAddressGenerationFailure";
    case ErrorCode::TooLarge:
      return "RequestTooLarge";
    case ErrorCode::Unsupported:
      return "HTTPNotImplemented";
    case ErrorCode::Stale:
    case ErrorCode::Unavailable:
    case ErrorCode::Timeout:
    case ErrorCode::Cancelled:
      return "ServiceUnavailable";
    case ErrorCode::StorageFull:
      return "InsufficientStorage";
    case ErrorCode::Internal:
      break;
  }
  return "HTTPInternalServerError";
}

/// "HTTPMethodNotAllowed" for 405.
std::string http_error_type(int status) {
  std::string type = "HTTP";
  for (const char c : reason_phrase(status))
    if (c != ' ') type += c;
  return type;
}

std::string html_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string keystone_body(int status, std::string_view message) {
  JsonWriter w;
  w.open().key("error").open();
  w.member("code", status).member("title", reason_phrase(status)).member("message", message);
  w.close().close();
  return std::move(w).take();
}

std::string compute_body(int status, std::string_view message) {
  JsonWriter w;
  w.open().key(compute_fault_name(status)).open();
  w.member("code", status).member("message", message).close().close();
  return std::move(w).take();
}

std::string network_body(std::string_view type, std::string_view message) {
  JsonWriter w;
  w.open().key("NeutronError").open();
  w.member("type", type).member("message", message).member("detail", "").close().close();
  return std::move(w).take();
}

/// Images answer in what the client accepts, as the original's WebOb does: HTML, JSON or plain.
void image_body(Response& response, std::string_view message, const Request& request) {
  const std::string_view accept = request.headers.get("Accept");
  const auto accepts = [&](std::string_view type) { return accept.find(type) != accept.npos; };
  const std::string title = fmt::format("{} {}", response.status, reason_phrase(response.status));
  if (accepts("application/json")) {
    JsonWriter w;
    w.open().member("message", message).member("code", title);
    w.member("title", reason_phrase(response.status)).close();
    response.headers.set("Content-Type", "application/json; charset=UTF-8");
    response.body = std::move(w).take();
  } else if (accept.empty() || accepts("text/html") || accepts("*/*")) {
    response.headers.set("Content-Type", "text/html; charset=UTF-8");
    response.body = fmt::format(
        "<html>\n <head>\n  <title>{0}</title>\n </head>\n <body>\n  <h1>{0}</h1>\n  {1}<br /><br "
        "/>\n"
        "\n\n\n </body>\n</html>",
        title, html_escape(message));
  } else {
    response.headers.set("Content-Type", "text/plain; charset=UTF-8");
    response.body = fmt::format("{}\n\n{}\n\n   ", title, message);
  }
}

Response refusal(Service service, int status, std::string_view type, std::string_view message,
                 const Request& request) {
  Response response;
  response.status = status;
  // Only here, once the English text has said what kind of error it is.
  std::string localised;
  if (const std::string_view wanted = request.headers.get("Accept-Language"); !wanted.empty()) {
    const auto& catalogues =
        request.catalogues ? *request.catalogues : locale::Catalogues::built_in();
    const std::string_view language = catalogues.choose(wanted);
    localised = catalogues.translate(language, message);
    message = localised;
    response.headers.set("Content-Language", std::string(language));
  }
  response.headers.set("Content-Type", "application/json");
  if (status == 401) {
    // The same for every service: the original's token check sits in front of all of them.
    response.headers.set("WWW-Authenticate",
                         fmt::format("Keystone uri=\"{}/identity/v3\"", request.base_url));
    response.body = keystone_body(status, message);
    return response;
  }
  switch (service) {
    case Service::None:
    case Service::Identity:
      response.body = keystone_body(status, message);
      break;
    case Service::Compute:
      response.body = compute_body(status, message);
      break;
    case Service::Network:
      response.body = network_body(type, message);
      break;
    case Service::Image:
      image_body(response, message, request);
      break;
  }
  if (status == 503) response.headers.set("Retry-After", "1");
  return response;
}

}  // namespace

int http_status(Service service, ErrorCode code) {
  switch (code) {
    case ErrorCode::InvalidArgument:
      return 400;
    case ErrorCode::Unauthenticated:
      return 401;
    case ErrorCode::Forbidden:
      return 403;
    case ErrorCode::NotFound:
      return 404;
    case ErrorCode::AlreadyExists:
    case ErrorCode::Conflict:
    case ErrorCode::NoCapacity:
      return 409;
    case ErrorCode::QuotaExceeded:
      if (service == Service::Network) return 409;
      return service == Service::Image ? 413 : 403;
    case ErrorCode::TooLarge:
      return 413;
    case ErrorCode::Unsupported:
      return service == Service::Image || service == Service::Network ? 400 : 501;
    case ErrorCode::Stale:
    case ErrorCode::Unavailable:
    case ErrorCode::Cancelled:
      return 503;
    case ErrorCode::Timeout:
      return 504;
    case ErrorCode::StorageFull:
      return service == Service::Image ? 413 : 507;
    case ErrorCode::Internal:
      break;
  }
  return 500;
}

Response error_response(Service service, const Error& error, const Request& request) {
  const std::string type = service != Service::Network ? std::string()
                           : error.type.empty()        ? network_error_type(error)
                                                       : error.type;
  return refusal(service, http_status(service, error.code), type, error.message, request);
}

Response status_response(Service service, int status, std::string_view message,
                         const Request& request) {
  return refusal(service, status, http_error_type(status), message, request);
}

Response json_response(int status, std::string body) {
  Response response;
  response.status = status;
  response.headers.add("Content-Type", "application/json");
  response.body = std::move(body);
  return response;
}

Response empty_response(int status) {
  Response response;
  response.status = status;
  return response;
}

}  // namespace cloudos::rest

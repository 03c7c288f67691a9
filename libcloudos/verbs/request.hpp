#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "verbs/verbs.hpp"

/// A verb and its parameters as a request, whoever carries it: the router or HTTP.
namespace cloudos::verbs {

struct Request {
  std::string path;  ///< As the verb's, filled in and escaped, with its query.
  std::string body;  ///< Empty: none.
  std::string content_type;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string upload;    ///< Path of a file to send as the body.
  std::string download;  ///< Path of a file that takes the reply's body.
};

/// `parameters` is an object; null values of a query are left out.
/// Errors: InvalidArgument (not an object, a path member missing or empty).
Result<Request> make_request(const Verb& verb, const nlohmann::json& parameters);

struct Answer {
  std::string body;
  std::string subject;  ///< X-Subject-Token.
};
/// Sends it through the router. Errors: the service's own; InvalidArgument, StorageFull (files).
Result<Answer> send(const rest::Router& router, const Context& caller, const Verb& verb,
                    const Request& request);

/// The reply's JSON out of its wrapper. `subject` is what X-Subject-Token held.
nlohmann::json unwrap_reply(const Verb& verb, nlohmann::json reply, const std::string& subject);

/// The first text called message, wherever the service's reply has it; empty: there is none.
std::string reply_message(const nlohmann::json& body);
/// What only the status tells of a refusal (400 and above).
ErrorCode code_of_status(int status);

}  // namespace cloudos::verbs

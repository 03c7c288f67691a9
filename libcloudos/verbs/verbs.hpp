#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "cloudos/context.hpp"
#include "cloudos/rest.hpp"
#include "cloudos/result.hpp"

/// One description of every verb of the services that exist: its name, the request that does it,
/// its parameters and its help. The CLI, the C ABI, completion and man pages are made from it.
namespace cloudos::verbs {

struct Verb {
  std::string_view name;     ///< "servers.create", "servers.start", "volumes.list": plural noun, dot, verb.
  std::string_view method;   ///< "POST"
  std::string_view path;     ///< "/compute/v2.1/servers/{id}/action"
  std::string_view wrapper;  ///< Member that holds the body: "server", "os-start"; empty: bare.
  std::string_view reply;    ///< Member that holds the reply: "server", "servers"; empty: bare.
  std::string_view help;     ///< One sentence.
};

/// Every verb, sorted by name.
std::span<const Verb> all();
/// Null when there is no verb of that name.
const Verb* find(std::string_view name);
/// The known name nearest to `name`, for error messages; empty when none is near.
std::string_view nearest(std::string_view name);

/// Does one verb in this process, through the same routes that HTTP requests take.
///
/// `parameters` is a JSON object (empty text: {}). Members named in the path's {braces} go there;
/// of the rest, reads make a query and writes a body inside `wrapper`. Returns the reply's JSON
/// without its wrapper ("null" when there is none). Blocks as the verb itself does.
/// Errors: InvalidArgument (not an object, a missing path member, an unknown verb with the nearest
/// name), and the service's own, with its message.
Result<std::string> call(const rest::Router& router, const Context& caller, std::string_view verb,
                         std::string_view parameters);

}  // namespace cloudos::verbs

#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>

#include "cloudos/context.hpp"
#include "cloudos/rest.hpp"
#include "cloudos/result.hpp"

/// One description of every verb of the services that exist: its name, the request that does it,
/// its parameters and its help. The CLI, the C ABI, completion and man pages are made from it.
namespace cloudos::verbs {

/// The Compute microversion that all verbs speak: pinned, so that replies keep their shape.
inline constexpr std::string_view kComputeVersion = "2.19";

/// What a parameter's value is in a request, and how a text on a command line becomes it.
enum class Kind : std::uint8_t {
  Text,
  Integer,
  Flag,        ///< true or false.
  TextOrNone,  ///< A text; "none" becomes null.
  Constant,    ///< `extra`, which is JSON; on a command line a switch.
  TextList,    ///< May be repeated.
  Reference,   ///< The key of one of `noun`, by name or id.
  ReferenceList,
  ReferenceIn, ///< A reference: the member `extra` of the object of that name.
  ObjectList,  ///< {extra: text}, with a `noun` {extra: its id}; may be repeated.
  Members,     ///< key=value: a member beside the others. A bare key: null.
  Map,         ///< key=value: a member of the object of that name.
  CommaLists,  ///< "a,b": one list of those in member `extra` of the object of that name.
  PairList,    ///< "a=x,b=y" as {"a": "x", "b": "y"}; `extra` renames: "subnet:subnet_id".
  PortRange,   ///< "22" or "80:443": port_range_min and port_range_max.
  FileText,    ///< The text of a file.
  FileBase64,  ///< Its bytes as base64.
  File,        ///< A file that is sent or written as the body itself.
  Secret,      ///< Text that is never shown; "-" on a command line reads it from the terminal.
  Prompt,      ///< The same, asked for: on a command line a switch.
  Mine,        ///< The id of the login's `extra`, "project" or "user": on a command line a switch.
  Json,        ///< JSON, or the path of a file with it.
  Fixed,       ///< `extra`, which is JSON, always: nobody types it.
  Made,        ///< The key of what the command's first verb made: nobody types it.
};

/// How a list that is changed treats what is there already.
enum class Merge : std::uint8_t { Replace, Append, Remove };

/// A parameter of a verb: a member of its path, its query or its body.
struct Parameter {
  std::string_view name;  ///< "flavorRef". Empty: only chooses the verb.
  Kind kind = Kind::Text;
  std::string_view flag;  ///< "--flavor"; without dashes it has a place: "SERVER", "SERVER...".
  std::string_view help;
  std::string_view noun = {};   ///< Kind::Reference and its lists: "flavors".
  std::string_view extra = {};  ///< As `kind` says. Reference: "project" or "user" is the default.
  bool required = false;
  Merge merge = Merge::Replace;
};

/// How a request's body and its reply are made.
enum class Style : std::uint8_t {
  Json,
  Patch,     ///< Members as JSON Patch: null removes, everything else adds or replaces.
  Upload,    ///< The file `file` is the body.
  Download,  ///< The reply is written to the file `file`.
  Subject,   ///< `token` goes to the header X-Subject-Token, and comes from there as `id`.
};

class Doer;
/// What a verb does that is several requests (verbs/recipes.hpp).
using Recipe = Result<nlohmann::json> (*)(Doer& doer, const nlohmann::json& parameters);

struct Verb {
  std::string_view name;     ///< "servers.create", "servers.start": plural noun, dot, verb.
  std::string_view method;   ///< "POST"
  std::string_view path;     ///< "/compute/v2.1/servers/{id}/action"; empty: it has a recipe.
  std::string_view wrapper;  ///< Member that holds the body: "server", "os-start"; empty: bare.
  std::string_view reply;    ///< Member that holds the reply: "server", "servers"; empty: bare.
  std::string_view help;     ///< One sentence.
  std::string_view words;    ///< The command: "server start". Several verbs may make up one.
  std::span<const Parameter> parameters = {};
  Style style = Style::Json;
  Recipe recipe = nullptr;
};

/// Every verb, sorted by name.
std::span<const Verb> all();
/// Null when there is no verb of that name.
const Verb* find(std::string_view name);
/// The known name nearest to `name`, for error messages; empty when none is near.
std::string_view nearest(std::string_view name);
/// The nearest of `known`; empty when none is near.
std::string_view nearest_of(std::string_view name, std::span<const std::string_view> known);

/// The parameter is a {member} of the verb's path.
bool in_path(const Verb& verb, std::string_view parameter);
/// Of what is not in the path: it makes a query, not a body.
bool makes_query(const Verb& verb);

/// Does one verb in this process, through the same routes that HTTP requests take.
///
/// `parameters` is a JSON object (empty text: {}). Members named in the path's {braces} go there;
/// of the rest, GET, HEAD and DELETE make a query and others a body inside `wrapper`. Returns the
/// reply's JSON without its wrapper ("null" when there is none). Blocks as the verb itself does; a
/// recipe that waits for the cloud's work calls `pause`, or sleeps where there is none.
/// Errors: InvalidArgument (not an object, a missing path member, an unknown verb with the nearest
/// name), and the service's own, with its message.
Result<std::string> call(const rest::Router& router, const Context& caller, std::string_view verb,
                         std::string_view parameters,
                         const std::function<void(std::chrono::milliseconds)>& pause = {});

}  // namespace cloudos::verbs

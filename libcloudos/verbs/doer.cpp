// Verbs done one after the other: replies taken apart, pages followed.
#include <fmt/format.h>

#include "base/caught.hpp"
#include "verbs/recipes.hpp"

namespace cloudos::verbs {
namespace {

using nlohmann::json;

constexpr std::size_t kMostPages = 10'000;

Failure no_json(const Verb& verb) {
  return fail(ErrorCode::Internal,
              fmt::format("{}: the cloud did not reply with JSON.", verb.name));
}

Result<const Verb*> known_verb(std::string_view name) {
  const Verb* const verb = find(name);
  if (verb == nullptr) return fail(ErrorCode::Internal, fmt::format("There is no verb {}.", name));
  return verb;
}

/// The query of the next page's link; empty: there is none. Links may begin as another server sees
/// itself, so only what they ask for counts.
std::string next_query(const Verb& verb, const json& reply) {
  std::string next;
  const auto links = reply.find(std::string(verb.reply) + "_links");
  if (links != reply.end() && links->is_array())
    for (const json& link : *links)
      if (link.is_object() && text_of(link, "rel") == "next") next = text_of(link, "href");
  if (next.empty()) next = text_of(reply, "next");
  if (next.empty() && reply.contains("links") && reply["links"].is_object())
    next = text_of(reply["links"], "next");
  const auto mark = next.find('?');
  return mark == next.npos ? std::string() : next.substr(mark);
}

/// Takes the things of a list until there are `limit`. Errors: Internal (it is no list).
Result<void> take_things(const Verb& verb, json things, std::size_t limit, std::vector<json>& all) {
  if (!things.is_array())
    return fail(ErrorCode::Internal, fmt::format("{}: the reply is no list.", verb.name));
  for (json& thing : things)
    if (all.size() < limit) all.push_back(std::move(thing));
  return Result<void>();
}

/// Errors: InvalidArgument (the verb has no such parameter, or another value for it).
Result<void> check_value(const Verb& verb, const std::string& name, const json& value) {
  bool is_known = false, is_number = false;
  for (const Parameter& parameter : verb.parameters) {
    if (parameter.name != name) continue;
    is_known = true;
    is_number = parameter.kind == Kind::Integer;
    const bool fits = parameter.kind == Kind::Constant
                          ? value == json::parse(parameter.extra) || value == json(false)
                          : !is_number || value.is_number_integer();
    if (fits) return Result<void>();
  }
  const std::string_view shown = std::string_view(name).substr(0, 64);
  if (!is_known)
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} has no parameter '{}'", verb.name, shown));
  if (is_number)
    return fail(ErrorCode::InvalidArgument, fmt::format("{}: '{}' is no integer", verb.name, shown));
  return fail(ErrorCode::InvalidArgument,
              fmt::format("{}: '{}' cannot have that value", verb.name, shown));
}

/// No service looks at what a recipe is given, and a "dryrun" must not be a purge.
/// Errors: InvalidArgument.
Result<void> check_parameters(const Verb& verb, const json& parameters) {
  if (!parameters.is_object())
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the parameters of {} must be a JSON object", verb.name));
  for (const auto& [name, value] : parameters.items())
    CLOUDOS_CHECK(check_value(verb, name, value));
  for (const Parameter& parameter : verb.parameters)
    if (parameter.required && !parameter.name.empty() &&
        text_of(parameters, parameter.name).empty())
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("{} needs '{}', a text", verb.name, parameter.name));
  return Result<void>();
}

}  // namespace

std::string text_of(const json& object, std::string_view member) {
  if (!object.is_object()) return {};
  const auto it = object.find(std::string(member));
  if (it == object.end() || it->is_null()) return {};
  return it->is_string() ? it->get<std::string>() : it->dump();
}

Result<json> Doer::perform(const Verb& verb, const json& parameters) {
  if (verb.recipe != nullptr) {
    CLOUDOS_CHECK(check_parameters(verb, parameters));
    return caught(ErrorCode::Internal,
                  fmt::format("{}: the cloud's reply is not what it should be.", verb.name),
                  [&] { return verb.recipe(*this, parameters); });
  }
  CLOUDOS_TRY(const Request request, make_request(verb, parameters));
  CLOUDOS_TRY(const Answer answer, carry(verb, request));
  if (answer.body.empty()) return json();
  json body = json::parse(answer.body, nullptr, false);
  // "202 Accepted" may come with a word of text.
  if (body.is_discarded() && verb.reply.empty()) return json();
  if (body.is_discarded()) return no_json(verb);
  return unwrap_reply(verb, std::move(body), answer.subject);
}

Result<json> Doer::perform(std::string_view name, const json& parameters) {
  CLOUDOS_TRY(const Verb* verb, known_verb(name));
  return perform(*verb, parameters);
}

Result<std::vector<json>> Doer::list(const Verb& verb, const json& parameters, std::size_t limit) {
  std::vector<json> all;
  if (verb.recipe != nullptr) {
    CLOUDOS_TRY(json things, perform(verb, parameters));
    CLOUDOS_CHECK(take_things(verb, std::move(things), limit, all));
    return all;
  }
  CLOUDOS_TRY(Request request, make_request(verb, parameters));
  const std::string path = request.path.substr(0, request.path.find('?'));
  for (std::size_t page = 0; page < kMostPages && all.size() < limit; ++page) {
    CLOUDOS_TRY(const Answer answer, carry(verb, request));
    json body = json::parse(answer.body, nullptr, false);
    if (body.is_discarded()) return no_json(verb);
    const std::string next = body.is_object() ? next_query(verb, body) : std::string();
    const std::size_t before = all.size();
    CLOUDOS_CHECK(
        take_things(verb, unwrap_reply(verb, std::move(body), answer.subject), limit, all));
    if (next.empty() || all.size() == before) break;
    request.path = path + next;
  }
  return all;
}

Result<std::vector<json>> Doer::list(std::string_view name, const json& parameters) {
  CLOUDOS_TRY(const Verb* verb, known_verb(name));
  return list(*verb, parameters.is_null() ? json::object() : parameters);
}

}  // namespace cloudos::verbs

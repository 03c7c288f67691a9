#include "session.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace cli {
namespace {

using cloudos::ErrorCode;
using cloudos::fail;
using cloudos::Result;
namespace verbs = cloudos::verbs;

bool is_plain(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

cloudos::Failure none_called(const verbs::Noun& noun, const std::string& wanted) {
  return fail(ErrorCode::NotFound, fmt::format("No {} is called '{}'. See: cloudos {} list",
                                               noun.words, wanted, noun.words));
}

}  // namespace

Result<json> Session::find(const verbs::Noun& noun, const std::string& wanted,
                           const std::string& domain) {
  if (wanted.empty())
    return fail(ErrorCode::InvalidArgument, fmt::format("The name of a {} is empty.", noun.words));
  const verbs::Verb* show = verbs::find(std::string(noun.name) + ".show");
  if (show) {
    auto direct = perform(*show, {{"id", wanted}});
    if (direct && direct->is_object() &&
        (domain.empty() || text_member(*direct, "domain_id") == domain))
      return direct;
    // An id that is malformed is 400 at some services; a name is looked up either way.
    if (!direct && direct.error().code != ErrorCode::NotFound &&
        direct.error().code != ErrorCode::InvalidArgument)
      return direct;
  }
  // The path was its name, or it has none.
  if (noun.label.empty() || noun.label == noun.key) return none_called(noun, wanted);
  return find_by_name(noun, wanted, domain);
}

Result<json> Session::find_by_name(const verbs::Noun& noun, const std::string& wanted,
                                   const std::string& domain) {
  const verbs::Verb* verb = verbs::find(std::string(noun.name) + ".list");
  if (!verb) return none_called(noun, wanted);
  json query = json::object();
  // Compute's name filters are patterns: names with signs in them are compared here alone.
  if (!noun.filter.empty() && (noun.service != "compute" || is_plain(wanted)))
    query[std::string(noun.filter)] = wanted;
  // Compute lists public flavors alone where nothing is said.
  if (noun.name == "flavors") query["is_public"] = "None";
  if (everywhere_ && noun.name == "servers") query["all_tenants"] = "1";
  if (!domain.empty()) query["domain_id"] = domain;
  CLOUDOS_TRY(std::vector<json> all, list(*verb, std::move(query)));
  std::vector<json> named;
  for (json& thing : all)
    if (text_member(thing, noun.label) == wanted &&
        (domain.empty() || text_member(thing, "domain_id") == domain))
      named.push_back(std::move(thing));
  // "compute" is a service's type; its name is its operator's choice.
  if (named.empty() && noun.name == "services") {
    CLOUDOS_TRY(all, list(*verb, {{"type", wanted}}));
    named = std::move(all);
  }
  if (named.size() == 1) return std::move(named[0]);
  if (named.empty()) return none_called(noun, wanted);
  std::string ids;
  for (const json& thing : named) ids += (ids.empty() ? "" : ", ") + text_member(thing, noun.key);
  return fail(ErrorCode::Conflict, fmt::format("{} {}s are called '{}': use one of their ids: {}",
                                               named.size(), noun.words, wanted, ids));
}

Result<std::string> Session::key_of(const verbs::Noun& noun, const std::string& wanted,
                                    const std::string& domain) {
  CLOUDOS_TRY(const json thing, find(noun, wanted, domain));
  return text_member(thing, noun.key);
}

std::string Session::member_of(std::string_view name, const std::string& id,
                               const std::string& member) {
  const std::string key = std::string(name) + " " + id;
  auto known = known_.find(key);
  if (known == known_.end()) {
    json thing;
    if (auto found = perform(std::string(name) + ".show", {{"id", id}})) thing = std::move(*found);
    known = known_.emplace(key, std::move(thing)).first;
  }
  const std::string text = text_member(known->second, member);
  return text.empty() ? id : text;
}

}  // namespace cli

#include "verbs/request.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace cloudos::verbs {
namespace {

using nlohmann::json;

/// As rest/target.hpp has it; here, so that a client of HTTP links no router.
std::string escaped(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
        c == '.' || c == '_' || c == '~') {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

std::string query_text(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// The verb's path with its {members} taken out of `rest`. Errors: InvalidArgument.
Result<std::string> fill_path(const Verb& verb, json& rest) {
  std::string out;
  std::string_view path = verb.path;
  for (auto open = path.find('{'); open != path.npos; open = path.find('{')) {
    const auto close = path.find('}', open);
    const std::string name(path.substr(open + 1, close - open - 1));
    const auto member = rest.find(name);
    if (member == rest.end() || member->is_null() || member->is_structured())
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("{} needs '{}', a text", verb.name, name));
    const std::string value = query_text(*member);
    // A path with a hole would be another path.
    if (value.empty() || value == "." || value == "..")
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("{}: '{}' must be neither empty nor dots", verb.name, name));
    out += path.substr(0, open);
    out += escaped(value);
    rest.erase(member);
    path.remove_prefix(close + 1);
  }
  return out + std::string(path);
}

void add_query(std::string& path, std::string_view name, const json& value) {
  if (value.is_null()) return;
  if (value.is_array()) {
    for (const json& each : value) add_query(path, name, each);
    return;
  }
  path += path.find('?') == path.npos ? '?' : '&';
  path += escaped(name) + "=" + escaped(query_text(value));
}

json patch_of(const json& members) {
  json operations = json::array();
  for (const auto& [name, value] : members.items()) {
    std::string pointer = "/";
    for (const char c : name) {
      if (c == '~')
        pointer += "~0";
      else if (c == '/')
        pointer += "~1";
      else
        pointer += c;
    }
    if (value.is_null())
      operations.push_back({{"op", "remove"}, {"path", pointer}});
    else
      operations.push_back({{"op", "add"}, {"path", pointer}, {"value", value}});
  }
  return operations;
}

bool has_body_parameters(const Verb& verb) {
  for (const Parameter& parameter : verb.parameters) {
    if (parameter.kind == Kind::Members) return true;
    if (!parameter.name.empty() && !in_path(verb, parameter.name)) return true;
  }
  return false;
}

json body_of(const Verb& verb, json rest) {
  if (verb.wrapper.empty()) return rest;
  // What takes nothing is sent null, as {"os-start": null}.
  if (rest.empty() && !has_body_parameters(verb)) rest = nullptr;
  json body{{std::string(verb.wrapper), json::object()}};
  if (verb.name == "images.import")  // Stores stand beside the method.
    for (const char* beside : {"stores", "all_stores", "all_stores_must_succeed"})
      if (const auto member = rest.find(beside); member != rest.end()) {
        body[beside] = std::move(*member);
        rest.erase(beside);
      }
  body[std::string(verb.wrapper)] = std::move(rest);
  return body;
}

/// Takes a text out of the parameters. Errors: InvalidArgument.
Result<std::string> take_text(const Verb& verb, json& rest, const char* name) {
  const auto member = rest.find(name);
  if (member == rest.end() || !member->is_string() || member->get_ref<std::string&>().empty())
    return fail(ErrorCode::InvalidArgument, fmt::format("{} needs '{}', a text", verb.name, name));
  std::string value = std::move(member->get_ref<std::string&>());
  rest.erase(member);
  return value;
}

}  // namespace

Result<Request> make_request(const Verb& verb, const json& parameters) {
  if (!parameters.is_object())
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the parameters of {} must be a JSON object", verb.name));
  json rest = parameters;
  Request out;
  CLOUDOS_TRY(out.path, fill_path(verb, rest));
  if (verb.path.starts_with("/compute/"))
    out.headers.emplace_back("OpenStack-API-Version", fmt::format("compute {}", kComputeVersion));
  if (verb.style == Style::Upload) {
    CLOUDOS_TRY(out.upload, take_text(verb, rest, "file"));
    out.content_type = "application/octet-stream";
    return out;
  }
  if (verb.style == Style::Download) {
    CLOUDOS_TRY(out.download, take_text(verb, rest, "file"));
  }
  if (verb.style == Style::Subject && verb.wrapper.empty()) {
    CLOUDOS_TRY(std::string token, take_text(verb, rest, "token"));
    out.headers.emplace_back("X-Subject-Token", std::move(token));
  }
  if (makes_query(verb)) {
    for (const auto& [name, value] : rest.items()) add_query(out.path, name, value);
    return out;
  }
  if (verb.wrapper.empty() && rest.empty() && !has_body_parameters(verb)) return out;
  const bool patch = verb.style == Style::Patch;
  out.body = (patch ? patch_of(rest) : body_of(verb, std::move(rest)))
                 .dump(-1, ' ', false, json::error_handler_t::replace);
  out.content_type = patch ? "application/openstack-images-v2.1-json-patch" : "application/json";
  return out;
}

json unwrap_reply(const Verb& verb, json reply, const std::string& subject) {
  if (!verb.reply.empty() && reply.is_object()) {
    const auto member = reply.find(std::string(verb.reply));
    if (member != reply.end()) reply = json(std::move(*member));
  }
  // Definitions of properties are listed by name.
  if (verb.name == "metadef_properties.list" && reply.is_object()) {
    json list = json::array();
    for (const auto& [name, property] : reply.items()) {
      list.push_back(property);
      list.back()["name"] = name;
    }
    reply = std::move(list);
  }
  // Compute wraps each key pair of a list once more.
  if (verb.name == "keypairs.list" && reply.is_array())
    for (json& each : reply)
      if (each.is_object() && each.contains("keypair")) each = json(std::move(each["keypair"]));
  if (verb.style == Style::Subject && reply.is_object() && !subject.empty()) reply["id"] = subject;
  return reply;
}

}  // namespace cloudos::verbs

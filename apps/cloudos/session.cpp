#include "session.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace cli {
namespace {

using cloudos::ErrorCode;
using cloudos::fail;
using cloudos::Result;

constexpr std::size_t kPages = 10'000;

ErrorCode code_of(int status) {
  switch (status) {
    case 400:
      return ErrorCode::InvalidArgument;
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
    case 503:
      return ErrorCode::Unavailable;
    case 504:
      return ErrorCode::Timeout;
    default:
      return ErrorCode::Internal;
  }
}

std::string first_message(const json& body) {
  if (!body.is_object()) return {};
  if (const auto it = body.find("message"); it != body.end() && it->is_string())
    return it->get<std::string>();
  for (const auto& [name, member] : body.items())
    if (std::string text = first_message(member); !text.empty()) return text;
  return {};
}

std::string without_tags(std::string_view html) {
  std::string out;
  bool tag = false, blank = true;
  for (const char c : html) {
    if (c == '<') tag = true;
    const bool space = tag || c == '\n' || c == ' ' || c == '>';
    if (c == '>') tag = false;
    if (space && blank) continue;
    out += space ? ' ' : c;
    blank = space;
  }
  return std::string(cloudos::trim(out));
}

json by_id_or_name(const std::string& id, const std::string& name, const std::string& domain_id,
                   const std::string& domain_name) {
  if (!id.empty()) return {{"id", id}};
  json domain;
  if (!domain_id.empty())
    domain["id"] = domain_id;
  else
    domain["name"] = domain_name;
  return {{"name", name}, {"domain", domain}};
}

/// The page after this one, as a path behind the service's URL; empty: none.
std::string next_page(const Noun& noun, const json& reply) {
  std::string next;
  if (const auto it = reply.find("next"); it != reply.end() && it->is_string()) next = *it;
  if (const auto it = reply.find(std::string(noun.plural) + "_links"); it != reply.end())
    for (const auto& link : *it)
      if (link.value("rel", "") == "next") next = link.value("href", "");
  const auto path = next.find(noun.list_path);
  if (next.empty() || path == next.npos) return {};
  // Links may begin with another name of the same cloud: only what follows the version counts.
  return next.substr(path);
}

}  // namespace

std::string escape(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                       (byte >= 'a' && byte <= 'z') || c == '-' || c == '.' || c == '_' || c == '~';
    if (plain)
      out += c;
    else
      (out += '%') += {kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return out;
}

std::string error_text(const HttpReply& reply) {
  const json body = json::parse(reply.body, nullptr, false);
  std::string text = body.is_discarded() ? without_tags(reply.body) : first_message(body);
  if (text.empty()) text = fmt::format("status {} without words", reply.status);
  return text.substr(0, 2'000);
}

json unwrapped(const Noun& noun, json reply) {
  if (noun.single.empty() || !reply.is_object()) return reply;
  const auto it = reply.find(std::string(noun.single));
  return it == reply.end() ? reply : json(std::move(*it));
}

Result<Session> Session::open(const Credentials& credentials, Http::Settings settings) {
  Session session(Http(std::move(settings)), credentials);
  CLOUDOS_CHECK(session.log_in());
  return session;
}

Result<void> Session::log_in() {
  const Credentials& c = credentials_;
  json user = by_id_or_name(c.user_id, c.username, c.user_domain_id, c.user_domain_name);
  user["password"] = c.password;
  json auth = {{"identity", {{"methods", {"password"}}, {"password", {{"user", user}}}}}};
  if (!c.project_id.empty() || !c.project_name.empty())
    auth["scope"]["project"] =
        by_id_or_name(c.project_id, c.project_name, c.project_domain_id, c.project_domain_name);
  HttpRequest request;
  request.method = "POST";
  request.url = c.auth_url + (c.auth_url.ends_with("/v3") ? "" : "/v3") + "/auth/tokens";
  request.body = json{{"auth", auth}}.dump();
  CLOUDOS_TRY(const HttpReply reply, http_.send(request));
  if (reply.status == 401)
    return fail(ErrorCode::Unauthenticated,
                fmt::format("{} refused the login of '{}': check user, password and project of {}.",
                            c.auth_url, c.user_id.empty() ? c.username : c.user_id, c.source));
  if (reply.status >= 300)
    return fail(code_of(reply.status),
                fmt::format("Login at {} failed: {}", c.auth_url, error_text(reply)));
  token_text_ = reply.header("X-Subject-Token");
  json body = json::parse(reply.body, nullptr, false);
  if (token_text_.empty() || !body.is_object() || !body.contains("token"))
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} does not speak the Identity API: check auth_url of {}.", c.auth_url,
                            c.source));
  token_ = std::move(body["token"]);
  return Result<void>();
}

Result<std::string> Session::url_of(const Noun& noun) const {
  for (const auto& service : token_.value("catalog", json::array())) {
    if (service.value("type", "") != noun.service) continue;
    for (const auto& endpoint : service.value("endpoints", json::array())) {
      if (endpoint.value("interface", "") != credentials_.interface) continue;
      if (!credentials_.region.empty() && endpoint.value("region", "") != credentials_.region)
        continue;
      std::string url = endpoint.value("url", "");
      while (url.ends_with('/')) url.pop_back();
      if (noun.service == "image" && !url.ends_with("/v2")) url += "/v2";
      if (noun.service == "network" && !url.ends_with("/v2.0")) url += "/v2.0";
      return url;
    }
  }
  return fail(ErrorCode::InvalidArgument,
              fmt::format("The cloud's catalog has no {} {} service{}. Is a project chosen?",
                          credentials_.interface, noun.service,
                          credentials_.region.empty() ? "" : " in region " + credentials_.region));
}

Result<HttpReply> Session::send(const Noun& noun, HttpRequest request, const std::string& path) {
  CLOUDOS_TRY(const std::string url, url_of(noun));
  request.url = url + path;
  request.headers.emplace_back("X-Auth-Token", token_text_);
  request.headers.emplace_back("Accept", "application/json");
  CLOUDOS_TRY(HttpReply reply, http_.send(request));
  if (reply.status >= 400) return fail(code_of(reply.status), error_text(reply));
  return reply;
}

Result<json> Session::get(const Noun& noun, const std::string& path) {
  HttpRequest request;
  request.method = "GET";
  CLOUDOS_TRY(const HttpReply reply, send(noun, std::move(request), path));
  json body = json::parse(reply.body, nullptr, false);
  if (body.is_discarded())
    return fail(ErrorCode::Internal,
                fmt::format("The {} service did not reply with JSON.", noun.service));
  return body;
}

Result<json> Session::post(const Noun& noun, const std::string& path, const json& body) {
  HttpRequest request;
  request.method = "POST";
  request.body = body.dump();
  CLOUDOS_TRY(const HttpReply reply, send(noun, std::move(request), path));
  json answer = json::parse(reply.body, nullptr, false);
  if (answer.is_discarded()) return json::object();
  return answer;
}

Result<void> Session::remove(const Noun& noun, const std::string& path) {
  HttpRequest request;
  request.method = "DELETE";
  CLOUDOS_CHECK(send(noun, std::move(request), path));
  return Result<void>();
}

Result<void> Session::upload(const Noun& noun, const std::string& path, const std::string& file) {
  HttpRequest request;
  request.method = "PUT";
  request.upload = file;
  CLOUDOS_CHECK(send(noun, std::move(request), path));
  return Result<void>();
}

Result<std::vector<json>> Session::list(const Noun& noun, const std::string& query) {
  std::vector<json> all;
  std::string path = std::string(noun.list_path) + (query.empty() ? "" : "?" + query);
  for (std::size_t page = 0; page < kPages && !path.empty(); ++page) {
    CLOUDOS_TRY(json reply, get(noun, path));
    const auto items = reply.find(std::string(noun.plural));
    if (items == reply.end() || !items->is_array())
      return fail(ErrorCode::Internal, fmt::format("The reply has no list of {}.", noun.plural));
    for (auto& item : *items) all.push_back(unwrapped(noun, std::move(item)));
    path = items->empty() ? "" : next_page(noun, reply);
  }
  return all;
}

Result<json> Session::find(const Noun& noun, const std::string& wanted) {
  auto direct = get(noun, fmt::format("{}/{}", noun.path, escape(wanted)));
  if (direct) return unwrapped(noun, std::move(*direct));
  // An id that is malformed is 400 at some services; a name is looked up either way.
  const ErrorCode code = direct.error().code;
  if (code != ErrorCode::NotFound && code != ErrorCode::InvalidArgument)
    return fail(direct.error());
  // The path was its name, or it has none.
  if (noun.key == "name" || noun.subject_field != "name")
    return fail(ErrorCode::NotFound, fmt::format("No {} is called '{}'. See: cloudos {} list",
                                                 noun.words, wanted, noun.words));
  // Compute's name filters are patterns: everything is fetched there, and compared here.
  const std::string query = noun.service == "compute" ? "" : "name=" + escape(wanted);
  CLOUDOS_TRY(std::vector<json> all, list(noun, query));
  std::vector<json> named;
  for (json& item : all)
    if (item.value("name", "") == wanted) named.push_back(std::move(item));
  if (named.size() == 1) return std::move(named[0]);
  if (named.empty())
    return fail(ErrorCode::NotFound, fmt::format("No {} is called '{}'. See: cloudos {} list",
                                                 noun.words, wanted, noun.words));
  std::string ids;
  for (const json& item : named) ids += (ids.empty() ? "" : ", ") + item.value("id", "");
  return fail(ErrorCode::Conflict, fmt::format("{} {}s are called '{}': use one of their ids: {}",
                                               named.size(), noun.words, wanted, ids));
}

std::string Session::name_of(const Noun& noun, const std::string& id) {
  auto& name = names_[std::string(noun.words) + " " + id];
  if (!name.empty()) return name;
  name = id;
  if (const auto found = get(noun, fmt::format("{}/{}", noun.path, escape(id))))
    if (const json thing = unwrapped(noun, *found); thing.is_object())
      name = thing.value("name", id);
  return name;
}

}  // namespace cli

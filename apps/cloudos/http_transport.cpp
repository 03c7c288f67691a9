#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "base/text.hpp"
#include "speech.hpp"
#include "token_cache.hpp"
#include "transport.hpp"
#include "verbs/commands.hpp"

namespace cli {
namespace {

using cloudos::ErrorCode;
using cloudos::fail;
using cloudos::Result;
namespace verbs = cloudos::verbs;

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

std::string text_in(const json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

std::int64_t now_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

class HttpTransport final : public Transport {
 public:
  explicit HttpTransport(HttpSettings settings)
      : http_(std::move(settings.http)),
        credentials_(std::move(settings.credentials)),
        cache_(settings.cache_dir, credentials_) {}

  Result<Reply> send(const verbs::Verb& verb, const verbs::Request& request) override {
    CLOUDOS_CHECK(ensure_token());
    CLOUDOS_TRY(HttpReply reply, send_once(verb, request));
    if (reply.status == 401 && from_cache_) {
      // It was revoked, or the cloud is another one now.
      cache_.drop();
      token_ = json();
      CLOUDOS_CHECK(ensure_token());
      CLOUDOS_TRY(reply, send_once(verb, request));
    }
    if (reply.status >= 400)
      return fail(verbs::code_of_status(reply.status), error_text(reply.body));
    if (verb.name == "tokens.revoke") cache_.drop();
    return Reply{std::move(reply.body), reply.header("X-Subject-Token")};
  }

  Result<json> login() override {
    CLOUDOS_CHECK(ensure_token());
    return token_;
  }

  bool pause(std::chrono::milliseconds time) override {
    std::this_thread::sleep_for(time);
    return true;
  }

 private:
  Result<void> ensure_token() {
    if (token_.is_object()) return Result<void>();
    if (auto kept = cache_.load(now_seconds())) {
      token_ = std::move(*kept);
      from_cache_ = true;
      return Result<void>();
    }
    CLOUDOS_CHECK(log_in());
    from_cache_ = false;
    cache_.store(token_);
    return Result<void>();
  }

  std::string identity_url() const {
    const std::string& url = credentials_.auth_url;
    return url.ends_with("/v3") ? url : url + "/v3";
  }

  /// Who asks, in the words of the Identity API.
  json identity_of_login() const {
    const Credentials& c = credentials_;
    if (c.by_application_credential()) {
      json credential = {{"secret", c.application_credential_secret}};
      if (!c.application_credential_id.empty()) {
        credential["id"] = c.application_credential_id;
      } else {
        credential["name"] = c.application_credential_name;
        credential["user"] =
            by_id_or_name(c.user_id, c.username, c.user_domain_id, c.user_domain_name);
      }
      return {{"methods", {"application_credential"}}, {"application_credential", credential}};
    }
    if (!c.token.empty()) return {{"methods", {"token"}}, {"token", {{"id", c.token}}}};
    json user = by_id_or_name(c.user_id, c.username, c.user_domain_id, c.user_domain_name);
    json identity = {{"methods", {"password"}}};
    if (!c.passcode.empty()) {
      user["passcode"] = c.passcode;
      identity["methods"].push_back("totp");
      identity["totp"]["user"] = user;
      user.erase("passcode");
    }
    user["password"] = c.password;
    identity["password"]["user"] = user;
    return identity;
  }

  /// What the login is for; nothing for an application credential, which says so itself.
  json scope_of_login() const {
    const Credentials& c = credentials_;
    if (c.by_application_credential()) return {};
    if (!c.system_scope.empty()) return {{"system", {{"all", true}}}};
    if (!c.project_id.empty() || !c.project_name.empty())
      return {{"project", by_id_or_name(c.project_id, c.project_name, c.project_domain_id,
                                        c.project_domain_name)}};
    if (!c.domain_id.empty()) return {{"domain", {{"id", c.domain_id}}}};
    if (!c.domain_name.empty()) return {{"domain", {{"name", c.domain_name}}}};
    return {};
  }

  cloudos::Failure refused_login() const {
    const Credentials& c = credentials_;
    if (c.by_application_credential())
      return fail(ErrorCode::Unauthenticated,
                  fmt::format("{} refused the application credential of {}.", c.auth_url, c.source));
    if (!c.token.empty())
      return fail(ErrorCode::Unauthenticated,
                  fmt::format("{} refused the token of {}: it has ended, or has no role there.",
                              c.auth_url, c.source));
    return fail(ErrorCode::Unauthenticated,
                fmt::format("{} refused the login of '{}': check user, password and project of {}.",
                            c.auth_url, c.user_id.empty() ? c.username : c.user_id, c.source));
  }

  Result<void> log_in() {
    const Credentials& c = credentials_;
    json auth = {{"identity", identity_of_login()}};
    if (json scope = scope_of_login(); scope.is_object()) auth["scope"] = std::move(scope);
    HttpRequest request;
    request.method = "POST";
    request.url = identity_url() + "/auth/tokens";
    request.body = json{{"auth", auth}}.dump(-1, ' ', false, json::error_handler_t::replace);
    CLOUDOS_TRY(const HttpReply reply, http_.send(request));
    if (reply.status == 401 && !reply.header("Openstack-Auth-Receipt").empty())
      return fail(ErrorCode::Unauthenticated,
                  fmt::format("The login of '{}' takes a passcode too: give it by OS_PASSCODE.",
                              c.user_id.empty() ? c.username : c.user_id));
    if (reply.status == 401) return refused_login();
    if (reply.status >= 300)
      return fail(verbs::code_of_status(reply.status),
                  fmt::format("Login at {} failed: {}", c.auth_url, error_text(reply.body)));
    const std::string text = reply.header("X-Subject-Token");
    json body = json::parse(reply.body, nullptr, false);
    if (text.empty() || !body.is_object() || !body.contains("token") || !body["token"].is_object())
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("{} does not speak the Identity API: check auth_url of {}.",
                              c.auth_url, c.source));
    token_ = std::move(body["token"]);
    token_["id"] = text;
    return Result<void>();
  }

  /// Where the service answers, without the slash at its end.
  Result<std::string> url_of(const verbs::ServicePath& service) const {
    if (service.service == "identity") return identity_url();
    for (const auto& entry : token_.value("catalog", json::array())) {
      if (text_in(entry, "type") != service.service) continue;
      for (const auto& endpoint : entry.value("endpoints", json::array())) {
        if (text_in(endpoint, "interface") != credentials_.interface) continue;
        if (!credentials_.region.empty() && text_in(endpoint, "region") != credentials_.region)
          continue;
        return with_version(service, text_in(endpoint, "url"));
      }
    }
    // Tasks and events are no services of the catalog: they are beside Identity.
    if (service.service == "tasks" || service.service == "audit") {
      std::string root = identity_url();
      for (const std::string_view end : {"/v3", "/identity"})
        if (root.ends_with(end)) root.resize(root.size() - end.size());
      return root + std::string(service.path);
    }
    return fail(
        ErrorCode::Unsupported,
        fmt::format("The cloud's catalog has no {} {} service{}. Is a project chosen?",
                    credentials_.interface, service.service,
                    credentials_.region.empty() ? "" : " in region " + credentials_.region));
  }

  static std::string with_version(const verbs::ServicePath& service, std::string url) {
    while (url.ends_with('/')) url.pop_back();
    const std::string version(service.path.substr(service.path.rfind('/')));
    if ((service.service == "image" || service.service == "network") && !url.ends_with(version))
      url += version;
    return url;
  }

  /// "http://host/compute" of "http://host/compute/v2.1/<project>".
  static std::string without_version(const std::string& url) {
    for (auto at = url.rfind("/v"); at != url.npos && at > 0; at = url.rfind("/v", at - 1))
      if (at + 2 < url.size() && url[at + 2] >= '0' && url[at + 2] <= '9') return url.substr(0, at);
    return url;
  }

  Result<HttpReply> send_once(const verbs::Verb& verb, const verbs::Request& request) {
    const verbs::ServicePath* service = nullptr;
    bool root = false;
    for (const auto& each : verbs::service_paths()) {
      // "/compute" is where Compute tells which versions it has.
      const bool in_front = each.path.substr(0, each.path.rfind('/')) == verb.path;
      if (in_front || verb.path.starts_with(each.path)) service = &each;
      root = root || in_front;
    }
    if (!service) return fail(ErrorCode::Internal, "the verb belongs to no service");
    CLOUDOS_TRY(const std::string url, url_of(*service));
    HttpRequest out;
    out.method = verb.method;
    out.url = root ? without_version(url) + "/"
                   : url + request.path.substr(service->path.size());
    out.headers = request.headers;
    out.headers.emplace_back("X-Auth-Token", text_in(token_, "id"));
    out.headers.emplace_back("Accept", "application/json");
    if (language() != "en") out.headers.emplace_back("Accept-Language", language());
    out.body = request.body;
    if (!request.content_type.empty()) out.content_type = request.content_type;
    out.upload = request.upload;
    out.download = request.download;
    return http_.send(out);
  }

  Http http_;
  const Credentials credentials_;
  const TokenCache cache_;
  json token_;
  bool from_cache_ = false;
};

}  // namespace

std::string error_text(const std::string& reply) {
  const json body = json::parse(reply, nullptr, false);
  std::string text = body.is_discarded() ? without_tags(reply) : verbs::reply_message(body);
  if (text.empty()) text = "The cloud refused without words.";
  return text.substr(0, 2'000);
}

std::unique_ptr<Transport> http_transport(HttpSettings settings) {
  return std::make_unique<HttpTransport>(std::move(settings));
}

}  // namespace cli

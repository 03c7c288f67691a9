#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/result.hpp"
#include "http.hpp"
#include "login.hpp"
#include "nouns.hpp"

namespace cli {

using nlohmann::json;

/// A login to a cloud: token, catalog, and requests with them. One thread at a time.
class Session {
 public:
  /// Logs in. Errors: Unauthenticated, Unavailable, InvalidArgument; each says what to do.
  static cloudos::Result<Session> open(const Credentials& credentials, Http::Settings settings);

  /// The body of a reply below 400. Errors: by status, with the service's own words.
  cloudos::Result<json> get(const Noun& noun, const std::string& path);
  cloudos::Result<json> post(const Noun& noun, const std::string& path, const json& body);
  cloudos::Result<void> remove(const Noun& noun, const std::string& path);
  cloudos::Result<void> upload(const Noun& noun, const std::string& path, const std::string& file);

  /// Every thing of that noun, page after page; `query` is "name=x&…" or empty.
  cloudos::Result<std::vector<json>> list(const Noun& noun, const std::string& query);
  /// The one thing with this id or name. Errors: NotFound, Conflict (several of that name).
  cloudos::Result<json> find(const Noun& noun, const std::string& name_or_id);
  /// Its name for people; the id when it has none (any more).
  std::string name_of(const Noun& noun, const std::string& id);

  const json& token() const { return token_; }  ///< As Identity describes it.
  const std::string& token_text() const { return token_text_; }

 private:
  Session(Http http, Credentials credentials)
      : http_(std::move(http)), credentials_(std::move(credentials)) {}
  cloudos::Result<void> log_in();
  cloudos::Result<std::string> url_of(const Noun& noun) const;
  cloudos::Result<HttpReply> send(const Noun& noun, HttpRequest request, const std::string& path);

  Http http_;
  Credentials credentials_;
  std::string token_text_;
  json token_;
  std::map<std::string, std::string> names_;  // name_of's memory: noun and id to name.
};

/// Takes "what" out of its wrapper member, if it has one.
json unwrapped(const Noun& noun, json reply);
/// What a service's error body says, whichever service it is.
std::string error_text(const HttpReply& reply);
std::string escape(std::string_view text);

}  // namespace cli

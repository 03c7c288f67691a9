#pragma once
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cloudos/result.hpp"
#include "http.hpp"
#include "login.hpp"
#include "verbs/request.hpp"

namespace cli {

using nlohmann::json;

/// How a verb reaches a cloud: by HTTP, or through the router in this process.
class Transport {
 public:
  virtual ~Transport() = default;

  using Reply = cloudos::verbs::Answer;
  /// A reply below 400. Errors: by status, with the service's own words.
  virtual cloudos::Result<Reply> send(const cloudos::verbs::Verb& verb,
                                      const cloudos::verbs::Request& request) = 0;
  /// The login as Identity describes a token, with the token's text as its id.
  virtual cloudos::Result<json> login() = 0;
  /// Lets time pass for what is being waited for; false: nobody does it.
  virtual bool pause(std::chrono::milliseconds time) = 0;
  /// What to tell at the end about work that was asked for and that nobody does now; empty: none.
  virtual std::string left_undone() { return {}; }
};

struct HttpSettings {
  Credentials credentials;
  Http::Settings http;
  std::string cache_dir;  ///< Tokens are kept there; empty: nowhere.
};
/// Nothing is sent before it is needed.
std::unique_ptr<Transport> http_transport(HttpSettings settings);

struct LocalSettings {
  std::string folder;
  std::string project;     ///< By name, of the default domain.
  bool simulated = false;  ///< Who runs the folder when nobody does: simulated hosts, here.
  bool reads = false;      ///< Nothing will be changed: where there is no cloud none is made.
};
/// Opens the folder: beside the process that runs it, or as the one who does.
/// Errors: those of Cloud::open(), NotFound (no such project; no cloud, and none to be made),
/// Conflict (a folder of other things).
cloudos::Result<std::unique_ptr<Transport>> local_transport(const LocalSettings& settings);

/// The first text called message in a service's error body, whichever service it is.
std::string error_text(const std::string& body);

}  // namespace cli

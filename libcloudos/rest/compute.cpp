#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "rest/compute_api.hpp"
#include "rest/target.hpp"

namespace cloudos::rest {

std::span<const Route> compute_routes() {
  static const std::vector<Route> kAllComputeRoutes = [] {
    std::vector<Route> all;
    for (const auto part : {compute_api::server_routes(), compute_api::server_item_routes(),
                            compute_api::flavor_routes(), compute_api::keypair_routes(),
                            compute_api::host_routes(), compute_api::quota_routes()}) {
      all.insert(all.end(), part.begin(), part.end());
    }
    return all;
  }();
  return kAllComputeRoutes;
}

namespace compute_api {

void write_links(JsonWriter& w, const Call& call, std::string_view collection,
                 std::string_view id) {
  const std::string& url = call.service_url;
  w.key("links").open_list();
  w.open().member("rel", "self").member("href", fmt::format("{}/{}/{}", url, collection, id));
  w.close().open().member("rel", "bookmark");
  // The bookmark outlives versions: it has none.
  w.member("href", fmt::format("{}/{}/{}", url.substr(0, url.rfind('/')), collection, id));
  w.close().close_list();
}

void write_bookmark(JsonWriter& w, const Call& call, std::string_view collection,
                    std::string_view id) {
  const std::string& url = call.service_url;
  w.key("links").open_list().open().member("rel", "bookmark");
  w.member("href", fmt::format("{}/{}/{}", url.substr(0, url.rfind('/')), collection, id));
  w.close().close_list();
}

void write_next_link(JsonWriter& w, const Call& call, std::string_view name,
                     std::string_view path, std::string_view marker) {
  std::string href = fmt::format("{}/{}?", call.service_url, path);
  for (const auto& [key, value] : call.query_all()) {
    if (key != "marker") href += fmt::format("{}={}&", percent_encode(key), percent_encode(value));
  }
  href += fmt::format("marker={}", percent_encode(marker));
  w.key(name).open_list().open().member("rel", "next").member("href", href);
  w.close().close_list();
}

std::string plain_time(WallTime time) {
  std::string text = format_time(time, true);
  if (!text.empty() && text.back() == 'Z') text.pop_back();
  return text;
}

void write_time(JsonWriter& w, std::string_view name, const std::optional<WallTime>& time) {
  w.key(name);
  if (time) w.value(plain_time(*time));
  else w.null();
}

Result<std::optional<bool>> query_flag(const Call& call, std::string_view name) {
  const auto text = call.query(name);
  if (!text) return std::optional<bool>();
  for (const std::string_view yes : {"1", "t", "true", "on", "y", "yes", ""})
    if (equals_ignore_case(*text, yes)) return std::optional<bool>(true);
  for (const std::string_view no : {"0", "f", "false", "off", "n", "no"})
    if (equals_ignore_case(*text, no)) return std::optional<bool>(false);
  return fail(ErrorCode::InvalidArgument, fmt::format("{} must be true or false", name));
}

Result<std::optional<std::int64_t>> query_number(const Call& call, std::string_view name,
                                                 std::int64_t least, std::int64_t most) {
  const auto text = call.query(name);
  if (!text || text->empty()) return std::optional<std::int64_t>();
  const auto number = parse_signed(*text);
  if (!number || *number < least || *number > most) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} must be a number from {} to {}", name, least, most));
  }
  return std::optional<std::int64_t>(*number);
}

}  // namespace compute_api
}  // namespace cloudos::rest

// What comes with images: patches of their records, URLs of their data, and what another image
// service says of them.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "fuzz/targets.hpp"
#include "image/remote_image.hpp"
#include "image/url_guard.hpp"
#include "rest/image_codec.hpp"

namespace cloudos::fuzz {

void run_json_patch(std::string_view bytes) {
  const auto body = rest::parse_json(bytes);
  if (!body) return;
  for (const auto dialect : {rest::PatchDialect::V20, rest::PatchDialect::V21}) {
    const auto patch = rest::decode_image_patch(*body, dialect);
    if (!patch) {
      const bool said = patch.error().code == ErrorCode::InvalidArgument ||
                        patch.error().code == ErrorCode::Forbidden ||
                        patch.error().code == ErrorCode::Conflict ||
                        patch.error().code == ErrorCode::TooLarge;
      expect(said && !patch.error().message.empty(), "a patch that is refused says why");
    }
  }
}

namespace {

/// No URL leads to this host, wherever a redirect goes from there.
void check_url(const image::UrlGuard& guard, const image::Url& url) {
  const auto again = image::parse_url(url.text());
  expect(again && again->text() == url.text(), "a URL written out stays as it is");
  expect(url.scheme == "http" || url.scheme == "https", "only the two schemes get through");
  expect(url.target.starts_with('/'), "a target is a path");
  expect((url.host + url.target).find_first_of(std::string_view(" \r\n\0", 4)) ==
             std::string::npos, "nothing gets out of a request's line");
  if (url.address) {
    const bool local = url.address->is_v4() && url.address->bytes[12] == 127;
    expect(!local || !guard.check_url(url), "loopback is refused");
  } else {
    expect(url.host.find_first_not_of("0123456789.") != std::string::npos, "numbers are addresses");
  }
}

}  // namespace

/// A URL, and behind the first line end where it redirects to; or a network of a rule.
void run_url(std::string_view bytes) {
  static const auto guard = image::UrlGuard::make(UrlRules{});
  const std::size_t end = bytes.find('\n');
  const auto url = image::parse_url(bytes.substr(0, end));
  if (url) {
    check_url(*guard, *url);
    if (end != std::string_view::npos) {
      const auto next = image::follow_location(*url, bytes.substr(end + 1));
      if (next) check_url(*guard, *next);
    }
  }
  const auto network = image::parse_network(bytes);
  if (network) expect(network->contains(network->base), "a network has its own base");
  const auto address = image::parse_address(bytes);
  if (address) {
    expect(image::parse_address(image::to_string(*address)) == address,
           "an address written out is that address");
  }
}

namespace {

bool has_exponent(std::string_view bytes) {
  for (std::size_t i = 1; i < bytes.size(); ++i) {
    const bool digit = bytes[i - 1] >= '0' && bytes[i - 1] <= '9';
    if (digit && (bytes[i] == 'e' || bytes[i] == 'E')) return true;
  }
  return false;
}

/// Where our reader promises to read all that is JSON: nothing deep, no name twice or in disguise.
bool is_plain_image(std::string_view bytes, const nlohmann::json& whole) {
  const auto nested = std::count_if(bytes.begin(), bytes.end(),
                                    [](char c) { return c == '[' || c == '{'; });
  const std::size_t first = bytes.find("\"size\"");
  const bool once = first == bytes.npos || bytes.find("\"size\"", first + 1) == bytes.npos;
  return whole.is_object() && nested <= 16 && once && !bytes.starts_with("\xef\xbb\xbf") &&
         bytes.find_first_of(std::string_view("\\\0", 2)) == bytes.npos &&
         !(whole.contains("size") && whole["size"].is_structured());
}

}  // namespace

/// What GET /v2/images/{id} of another cloud answers: read as the JSON library reads it.
void run_remote_image(std::string_view bytes) {
  const auto told = image::read_remote_image(bytes);
  const auto whole = nlohmann::json::parse(bytes.begin(), bytes.end(), nullptr, false);
  if (whole.is_discarded()) {
    // Numbers that no machine holds are numbers still.
    expect(!told || has_exponent(bytes) || bytes.size() > 300, "what is read is JSON");
    return;
  }
  expect(told || !is_plain_image(bytes, whole), "what is JSON is read");
  if (!told) return;
  expect(whole.is_object(), "an image is an object");
  for (const auto& [name, value] : whole.items()) {
    if (!value.is_string()) continue;
    const auto text = told->texts.find(name);
    expect(text != told->texts.end() && text->second == value.get_ref<const std::string&>(),
           "texts are read as they are");
  }
  for (const auto& [name, value] : told->properties({"hw_", "os_"}))
    expect(!name.starts_with("os_glance") && !name.starts_with("os_hash_"), "some are kept back");
}

}  // namespace cloudos::fuzz

#pragma once
#include <atomic>
#include <string>

#include "base/text.hpp"
#include "image/digest.hpp"
#include "image/web.hpp"
#include "image/world.hpp"

namespace image_test {

/// A server with one file, which can be cut off or changed.
struct FileServer {
  explicit FileServer(std::string the_body)
      : body(std::move(the_body)), web([this](const std::string& head) { return answer(head); }) {}
  std::string answer(const std::string& head) {
    if (head.starts_with("GET /hop")) return redirect("http://169.254.169.254/latest");
    if (head.starts_with("GET /gone")) return "HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n";
    std::string lower = fold_case(head);
    const auto range = lower.find("range: bytes=");
    std::size_t from = 0, to = body.size();
    if (range != std::string::npos) {
      const auto dash = lower.find('-', range);
      from = parse_unsigned(lower.substr(range + 13, dash - range - 13)).value_or(0);
      const auto end = lower.find('\r', dash);
      if (const auto last = parse_unsigned(lower.substr(dash + 1, end - dash - 1))) to = *last + 1;
    }
    to = std::min(to, body.size());
    std::string part = body.substr(from, to - from);
    const std::string size = std::to_string(part.size());
    if (part.size() > breaks_after) part.resize(breaks_after);
    if (range == std::string::npos)
      return "HTTP/1.1 200 OK\r\nContent-Length: " + size + "\r\n\r\n" + part;
    return "HTTP/1.1 206 Partial Content\r\nContent-Length: " + size + "\r\nContent-Range: bytes " +
           std::to_string(from) + "-" + std::to_string(to - 1) + "/" + std::to_string(body.size()) +
           "\r\n\r\n" + part;
  }
  std::string body;
  std::atomic<std::size_t> breaks_after{SIZE_MAX};
  WebServer web;
};

inline ImageSettings with_http(std::uint16_t port) {
  ImageSettings settings;
  settings.stores.http = true;
  settings.imports.web.ports = {port, 80};
  settings.imports.web.allowed_networks = {"127.0.0.1"};
  return settings;
}

inline std::string sha512_of(const std::string& text) {
  auto digests = image::Digest::make("sha512");
  REQUIRE(digests->update(std::as_bytes(std::span(text))));
  return *digests->finish();
}

}  // namespace image_test

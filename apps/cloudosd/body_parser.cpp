#include "cloudosd/body_parser.hpp"

#include <boost/beast/core/error.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <limits>
#include <optional>
#include <utility>

#include "cloudos/limits.hpp"

namespace cloudosd {
namespace http = boost::beast::http;

struct BodyParser::Impl {
  std::optional<http::request_parser<http::buffer_body>> parser;
};

BodyParser::BodyParser() : impl_(std::make_unique<Impl>()) {}
BodyParser::~BodyParser() = default;

bool BodyParser::begin(std::string_view head) {
  auto& parser = impl_->parser.emplace();
  parser.header_limit(static_cast<std::uint32_t>(cloudos::limits::kHeaderBytes + 1));
  // The connection counts what comes out. Not boost::none: Boost 1.74 then refuses every length.
  parser.body_limit(UINT64_MAX);
  boost::system::error_code ec;
  const auto used = parser.put(boost::asio::buffer(head.data(), head.size()), ec);
  if (ec || used != head.size() || !parser.is_header_done()) return false;
  parser.eager(true);
  return true;
}

BodyParser::Step BodyParser::feed(std::string_view in, std::span<char> out) {
  auto& parser = *impl_->parser;
  Step step{State::More, 0, 0};
  while (!parser.is_done()) {
    if (in.empty()) return step;
    auto& body = parser.get().body();
    body.data = out.data() + step.produced;
    body.size = out.size() - step.produced;
    body.more = true;
    boost::system::error_code ec;
    const auto used = parser.put(boost::asio::buffer(in.data(), in.size()), ec);
    const std::size_t got = out.size() - step.produced - body.size;
    in.remove_prefix(used);
    step.consumed += used;
    step.produced += got;
    if (ec == http::error::need_buffer || (!ec && step.produced == out.size() && !parser.is_done()))
      return step;
    if (ec == http::error::need_more || (!ec && used == 0 && got == 0)) return step;
    if (ec) {
      step.state = State::Bad;
      return step;
    }
  }
  step.state = State::Done;
  return step;
}

bool BodyParser::done() const {
  return !impl_->parser || impl_->parser->is_done();
}

}  // namespace cloudosd

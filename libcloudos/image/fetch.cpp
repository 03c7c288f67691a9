#include "image/fetch.hpp"

#include <array>
#include <cstring>

#include <fmt/format.h>

#include "base/text.hpp"

// Source: RFC 9110 and 9112, a client that asks for one thing and goes.
namespace cloudos::image {
namespace {

constexpr std::size_t kChunkLineBytes = 1'024;

Failure bad_answer(const Url& url, std::string_view why) {
  return fail(ErrorCode::Unavailable, fmt::format("{} answers wrongly: {}", url.host, why));
}

/// Bytes of a connection with what was read too far kept for the next call.
class FetchInput {
 public:
  FetchInput(std::unique_ptr<FetchStream> stream, Url from)
      : url(std::move(from)), stream_(std::move(stream)) {}
  /// A line without its end. Errors: Unavailable (too long, or no end).
  Result<std::string> line(std::size_t most) {
    for (;;) {
      const std::size_t end = kept_.find('\n');
      if (end != std::string::npos && end <= most) {
        std::string text = kept_.substr(0, end);
        kept_.erase(0, end + 1);
        if (text.ends_with('\r')) text.pop_back();
        return text;
      }
      if (kept_.size() > most) return bad_answer(url, "a line is too long");
      std::array<std::byte, 4'096> piece;
      CLOUDOS_TRY(const std::size_t got, stream_->read(piece));
      if (got == 0) return bad_answer(url, "it ended too early");
      kept_.append(reinterpret_cast<const char*>(piece.data()), got);
    }
  }
  /// 0: the end.
  Result<std::size_t> read(std::span<std::byte> buffer) {
    if (kept_.empty()) return stream_->read(buffer);
    const std::size_t count = std::min(buffer.size(), kept_.size());
    std::memcpy(buffer.data(), kept_.data(), count);
    kept_.erase(0, count);
    return count;
  }
  const Url url;

 private:
  std::unique_ptr<FetchStream> stream_;
  std::string kept_;
};

struct FetchHead {
  unsigned status = 0;
  bool chunked = false;
  std::optional<std::uint64_t> length;          ///< Content-Length
  std::optional<std::uint64_t> first, total;    ///< Content-Range
  std::string location, etag, modified;
};

/// "bytes 0-499/1234"
void read_content_range(std::string_view value, FetchHead& head) {
  if (!value.starts_with("bytes ")) return;
  value.remove_prefix(6);
  head.first = parse_unsigned(value.substr(0, value.find('-')));
  const std::size_t slash = value.find('/');
  if (slash != std::string_view::npos) head.total = parse_unsigned(value.substr(slash + 1));
}

Result<void> read_field(const Url& url, std::string_view name, std::string_view value,
                        FetchHead& head) {
  if (equals_ignore_case(name, "Content-Length")) {
    const auto length = parse_unsigned(value);
    if (!length || (head.length && *head.length != *length)) {
      return bad_answer(url, "its length is none");
    }
    head.length = length;
  } else if (equals_ignore_case(name, "Transfer-Encoding")) {
    if (head.chunked || !equals_ignore_case(value, "chunked")) {
      return bad_answer(url, "its transfer coding is unknown");
    }
    head.chunked = true;
  } else if (equals_ignore_case(name, "Content-Encoding")) {
    if (!equals_ignore_case(value, "identity")) {
      return bad_answer(url, "it codes content, which was not asked for");
    }
  } else if (equals_ignore_case(name, "Content-Range")) {
    read_content_range(value, head);
  } else if (equals_ignore_case(name, "Location")) {
    head.location = value;
  } else if (equals_ignore_case(name, "ETag")) {
    head.etag = value;
  } else if (equals_ignore_case(name, "Last-Modified")) {
    head.modified = value;
  }
  return Result<void>();
}

Result<FetchHead> read_one_head(FetchInput& input) {
  FetchHead head;
  std::size_t left = limits::kFetchHeadBytes;
  CLOUDOS_TRY(const std::string status, input.line(left));
  const bool ours = status.size() >= 12 && status.starts_with("HTTP/1.") && status[8] == ' ';
  const auto number = ours ? parse_unsigned(std::string_view(status).substr(9, 3)) : std::nullopt;
  if (!number || *number < 100) return bad_answer(input.url, "it speaks no HTTP/1.1");
  head.status = static_cast<unsigned>(*number);
  for (;;) {
    CLOUDOS_TRY(const std::string line, input.line(left));
    if (line.empty()) break;
    left -= std::min(left, line.size() + 2);
    const std::size_t colon = line.find(':');
    if (left == 0 || colon == std::string::npos || colon == 0 ||
        line.find_first_of(" \t") < colon) {
      return bad_answer(input.url, "its head is malformed or too long");
    }
    CLOUDOS_CHECK(read_field(input.url, std::string_view(line).substr(0, colon),
                             trim(std::string_view(line).substr(colon + 1)), head));
  }
  if (head.chunked && head.length) return bad_answer(input.url, "its length is given twice");
  return head;
}

Result<FetchHead> read_head(FetchInput& input) {
  for (int interim = 0; interim < 4; ++interim) {
    CLOUDOS_TRY(FetchHead head, read_one_head(input));
    if (head.status >= 200) return head;
  }
  return bad_answer(input.url, "it never comes to an answer");
}

class AnswerBody final : public FetchBody {
 public:
  AnswerBody(std::unique_ptr<FetchInput> input, FetchHead head, std::uint64_t most)
      : input_(std::move(input)), head_(std::move(head)), most_(most) {
    left_ = head_.length.value_or(0);
  }
  std::optional<std::uint64_t> size() const override {
    if (head_.length) return std::min(*head_.length, most_);
    return std::nullopt;
  }
  std::optional<std::uint64_t> total() const override {
    return head_.status == 206 ? head_.total : head_.length;
  }
  std::string version() const override { return head_.etag.empty() ? head_.modified : head_.etag; }

  Result<std::size_t> read(std::span<std::byte> buffer) override {
    buffer = buffer.first(static_cast<std::size_t>(
        std::min<std::uint64_t>(buffer.size(), most_ - given_)));
    if (buffer.empty() || ended_) return std::size_t{0};
    if (head_.chunked && left_ == 0) CLOUDOS_CHECK(next_chunk());
    if (ended_) return std::size_t{0};
    const bool counted = head_.chunked || head_.length;
    if (counted && left_ == 0) return std::size_t{0};
    if (counted) {
      buffer = buffer.first(
          static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left_)));
    }
    CLOUDOS_TRY(const std::size_t got, input_->read(buffer));
    if (got == 0 && counted) return bad_answer(input_->url, "the data ended too early");
    left_ -= counted ? got : 0;
    given_ += got;
    if (head_.chunked && left_ == 0) CLOUDOS_CHECK(end_chunk());
    return got;
  }

 private:
  Result<void> next_chunk() {
    CLOUDOS_TRY(const std::string line, input_->line(kChunkLineBytes));
    const std::string_view digits = trim(std::string_view(line).substr(0, line.find(';')));
    if (digits.empty() || digits.size() > 15) return bad_answer(input_->url, "a chunk has no size");
    for (const char c : digits) {
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return bad_answer(input_->url, "a chunk has no size");
      left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
    }
    ended_ = left_ == 0;  // Trailers say nothing that we ask for.
    return Result<void>();
  }
  Result<void> end_chunk() {
    CLOUDOS_TRY(const std::string line, input_->line(kChunkLineBytes));
    if (!line.empty()) return bad_answer(input_->url, "a chunk is longer than it says");
    return Result<void>();
  }

  std::unique_ptr<FetchInput> input_;
  const FetchHead head_;
  const std::uint64_t most_;
  std::uint64_t left_ = 0, given_ = 0;
  bool ended_ = false;
};

std::string request_text(const Url& url, const FetchRange& range, const std::string& token) {
  std::string text = fmt::format(
      "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: cloudos\r\nAccept: */*\r\n"
      "Accept-Encoding: identity\r\nConnection: close\r\n", url.target, url.authority());
  if (range.offset != 0 || range.length != UINT64_MAX) {
    text += fmt::format("Range: bytes={}-", range.offset);
    const bool ends = range.length != 0 && range.length <= UINT64_MAX - range.offset;
    if (range.length != UINT64_MAX && ends)
      text += fmt::format("{}", range.offset + range.length - 1);
    text += "\r\n";
  }
  if (!token.empty()) text += fmt::format("X-Auth-Token: {}\r\n", token);
  return text + "\r\n";
}

bool is_redirect(unsigned status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

Result<void> check_status(const Url& url, const FetchHead& head, const FetchRange& range,
                          bool by_token) {
  if (by_token && (head.status == 401 || head.status == 403)) {
    return fail(ErrorCode::Forbidden,
                fmt::format("{} does not let the caller's token read it", url.host));
  }
  if (head.status == 404 || head.status == 410) {
    return fail(ErrorCode::NotFound, fmt::format("{} has nothing there", url.host));
  }
  if (head.status == 416) {
    return fail(ErrorCode::InvalidArgument, fmt::format("{} has fewer bytes", url.host));
  }
  if (head.status == 206) {
    if (head.first != range.offset) return bad_answer(url, "it gives other bytes than asked for");
    return Result<void>();
  }
  if (head.status != 200) return bad_answer(url, fmt::format("status {}", head.status));
  if (range.offset != 0) {
    return fail(ErrorCode::Unsupported,
                fmt::format("{} does not give parts of its data", url.host));
  }
  return Result<void>();
}

}  // namespace

Result<std::unique_ptr<FetchBody>> Fetcher::get(const FetchRequest& request) const {
  CLOUDOS_TRY(Url url, parse_url(request.url));
  for (unsigned hop = 0;; ++hop) {
    if (request.go_on) CLOUDOS_CHECK(request.go_on());
    CLOUDOS_TRY(const auto addresses, checked_addresses(guard_, *resolver_, url));
    const StreamOptions options{limits::kFetchConnectTime, stall_time_, ca_file_, request.go_on};
    CLOUDOS_TRY(auto stream, connect_stream(url, addresses, options));
    CLOUDOS_CHECK(stream->write(request_text(url, request.range, request.token)));
    auto input = std::make_unique<FetchInput>(std::move(stream), url);
    CLOUDOS_TRY(FetchHead head, read_head(*input));
    if (!is_redirect(head.status)) {
      CLOUDOS_CHECK(check_status(url, head, request.range, !request.token.empty()));
      return std::unique_ptr<FetchBody>(std::make_unique<AnswerBody>(
          std::move(input), std::move(head), request.range.length));
    }
    if (hop >= guard_.redirects() || !request.token.empty())
      return bad_answer(url, "it redirects too often");
    CLOUDOS_TRY(const Url next, follow_location(url, head.location));
    if (url.scheme == "https" && next.scheme != "https") {
      return fail(ErrorCode::Forbidden, fmt::format("{} redirects from https to http", url.host));
    }
    url = next;
  }
}

}  // namespace cloudos::image

#include <array>
#include <cstring>
#include <mutex>

#include "cloudosd/site.hpp"

using namespace site_test;

namespace {

/// Any stretch of it tells where it is from.
std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  std::uint32_t state = 1;
  for (char& c : text) {
    state = state * 1'664'525u + 1'013'904'223u;
    c = static_cast<char>(state >> 24);
  }
  return text;
}

constexpr std::size_t kLength = 3'000'017;
const std::string& payload() {
  static const std::string text = pattern(kLength);
  return text;
}

class PayloadSource final : public cloudos::ByteSource {
 public:
  PayloadSource(std::optional<std::uint64_t> said, std::size_t has, bool fails,
                std::size_t from = 0)
      : said_(said), has_(has), at_(from), fails_(fails) {}
  cloudos::Result<std::size_t> read(std::span<std::byte> buffer) override {
    const std::size_t count = std::min({buffer.size(), has_ - at_, std::size_t{40'000}});
    if (count == 0 && fails_)
      return cloudos::fail(cloudos::ErrorCode::Unavailable, "the disk is gone");
    std::memcpy(buffer.data(), payload().data() + at_, count);
    at_ += count;
    return count;
  }
  std::optional<std::uint64_t> size() const override { return said_; }

 private:
  std::optional<std::uint64_t> said_;
  std::size_t has_, at_;
  bool fails_;
};

class KeepingReceiver final : public cloudos::rest::BodyReceiver {
 public:
  cloudos::Result<void> write(std::span<const std::byte> bytes) override {
    text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (text_.size() > kLength)
      return cloudos::fail(cloudos::ErrorCode::TooLarge, "that is more than there is room for");
    return cloudos::Result<void>();
  }
  cloudos::Result<cloudos::rest::Response> end() override {
    return cloudos::rest::json_response(200, text_ == payload() ? "same" : "other");
  }

 private:
  std::string text_;
};

std::string file_path, cut_path;

cloudos::Result<cloudos::rest::Response> send_payload(cloudos::rest::Call& call) {
  const std::string_view how = call.query("how").value_or("");
  cloudos::rest::Response response;
  if (how == "file") {
    response.body = cloudos::rest::FileRange{file_path, 17, kLength - 17};
    return response;
  }
  if (how == "cut" || how == "gone" || how == "hopeless") {
    cloudos::rest::FileRange range{how == "gone" ? "/nowhere" : cut_path, 17, kLength - 17};
    range.resume = [how = std::string(how)](std::uint64_t from)
        -> std::unique_ptr<cloudos::ByteSource> {
      if (how == "hopeless") return nullptr;
      return std::make_unique<PayloadSource>(kLength - from, kLength, false,
                                             static_cast<std::size_t>(from));
    };
    response.body = std::move(range);
    return response;
  }
  std::optional<std::uint64_t> said;
  if (how != "unsized") said = kLength;
  const std::size_t has = how == "short" ? kLength - 1 : kLength;
  if (how == "long") said = kLength - 1;
  response.body = std::make_unique<PayloadSource>(said, has, how == "fails");
  if (how == "null") response.body = std::unique_ptr<cloudos::ByteSource>();
  return response;
}

cloudos::Result<cloudos::rest::Response> take_payload(cloudos::rest::Call& call) {
  cloudos::rest::Response response;
  if (call.query("unwanted"))
    return cloudos::fail(cloudos::ErrorCode::Conflict, "not that, not now");
  if (call.request.pushes_body) response.receiver = std::make_unique<KeepingReceiver>();
  return response;
}

constexpr cloudos::rest::Route kTransferRoutes[] = {
    {"GET", "/down", send_payload, "", cloudos::rest::Service::None,
     cloudos::rest::RouteClass::Streams, false},
    {"PUT", "/up", take_payload, "", cloudos::rest::Service::None,
     cloudos::rest::RouteClass::Streams, false},
};

cloudosd::ServerOptions two_places(const TempDir& dir) {
  cloudosd::ServerOptions options;
  options.listen = {{}, {.tls = true}};
  options.tls = make_certificate(dir, "cloud-a");
  return options;
}

std::string chunks_of(std::string_view text, std::size_t size) {
  std::string out;
  for (; !text.empty(); text.remove_prefix(std::min(size, text.size()))) {
    const auto piece = text.substr(0, size);
    std::array<char, 20> line{};
    std::snprintf(line.data(), line.size(), "%zx\r\n", piece.size());
    out.append(line.data()).append(piece).append("\r\n");
  }
  return out + "0\r\nX-Trailer: a\r\n\r\n";
}

}  // namespace

TEST_CASE("downloads arrive whole or visibly cut, in the clear and by TLS") {
  TempDir dir;
  file_path = dir.file("payload", payload());
  cut_path = dir.file("cut", payload().substr(0, 1'234'567));
  Site site(two_places(dir), {kTransferRoutes});
  const auto places = site.server.bound();
  const TlsClient tls;
  struct Row {
    std::string how;
    std::size_t from;
    std::string framing;
    bool whole;
  };
  const Row rows[] = {
      {"sized", 0, "Content-Length: 3000017", true},
      {"unsized", 0, "Transfer-Encoding: chunked", true},
      {"file", 17, "Content-Length: 3000000", true},
      {"cut", 17, "Content-Length: 3000000", true},  // It goes on from elsewhere.
      {"gone", 17, "Content-Length: 3000000", true},
      {"hopeless", 17, "Content-Length: 3000000", false},
      {"short", 0, "Content-Length: 3000017", false},
      {"long", 0, "Content-Length: 3000016", false},
      {"fails", 0, "Content-Length: 3000017", true},  // Behind the last byte: no harm done.
  };
  for (const cloudosd::Listen& place : places) {
    for (const Row& row : rows) {
      CAPTURE(place.tls);
      CAPTURE(row.how);
      Wire wire(place.port, place.tls ? tls.get() : nullptr);
      const auto reply = wire.get("/down?how=" + row.how);
      CHECK(reply.status == 200);
      CHECK(reply.has(row.framing));
      const bool same = reply.body == std::string_view(payload()).substr(row.from);
      if (row.how == "sized" || row.how == "unsized" || row.how == "file" || row.how == "cut" ||
          row.how == "gone") {
        CHECK(reply.whole);
        CHECK(same);
        // The connection goes on.
        CHECK(wire.get("/nowhere").status == 404);
      } else {
        CHECK(wire.get("/nowhere").status == 0);
      }
      if (row.how == "short" || row.how == "hopeless") CHECK_FALSE(reply.whole);
    }
    Wire wire(place.port, place.tls ? tls.get() : nullptr);
    REQUIRE(wire.send("HEAD /down?how=unsized HTTP/1.1\r\nHost: a\r\n\r\n"));
    CHECK(wire.read_reply(true).status == 200);
    REQUIRE(wire.send("HEAD /down?how=file HTTP/1.1\r\nHost: a\r\n\r\n"));
    CHECK(wire.read_reply(true).has("Content-Length: 3000000"));
    CHECK(wire.get("/down?how=null").status == 200);
    REQUIRE(wire.send("GET /down?how=unsized HTTP/1.0\r\n\r\n"));
    const auto old = wire.read_reply();
    CHECK(old.has("Connection: close"));
    CHECK(old.body == payload());
  }
}

TEST_CASE("uploads arrive whole, in the clear and by TLS, and the connection goes on") {
  TempDir dir;
  Site site(two_places(dir), {kTransferRoutes});
  const auto places = site.server.bound();
  const TlsClient tls;
  const std::string put = "PUT /up HTTP/1.1\r\nHost: a\r\n";
  const std::string sized = "Content-Length: " + std::to_string(kLength) + "\r\n";
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  struct Row {
    std::string what, fields, body;
  };
  const Row rows[] = {
      {"by its length", sized, payload()},
      {"in large chunks", chunked, chunks_of(payload(), 100'000)},
      {"in small chunks", chunked, chunks_of(payload(), 7)},
      {"in one chunk", chunked, chunks_of(payload(), kLength)},
  };
  for (const cloudosd::Listen& place : places) {
    for (const Row& row : rows) {
      CAPTURE(place.tls);
      CAPTURE(row.what);
      Wire wire(place.port, place.tls ? tls.get() : nullptr);
      // Another request right behind the body must not be taken for a part of it.
      REQUIRE(wire.send(put + row.fields + "\r\n" + row.body +
                        "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n"));
      CHECK(wire.read_reply().body == "same");
      CHECK(wire.read_reply().status == 404);
      REQUIRE(wire.send(put + row.fields + "Expect: 100-continue\r\n\r\n"));
      CHECK(wire.read_reply().status == 100);
      REQUIRE(wire.send(row.body));
      CHECK(wire.read_reply().body == "same");
    }
  }
}

TEST_CASE("an upload that is refused says why, before or amid its body") {
  TempDir dir;
  Site site(two_places(dir), {kTransferRoutes});
  const std::string put = " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n";
  struct Row {
    std::string what, bytes;
    int status;
  };
  const Row rows[] = {
      {"before, with 100-continue", "PUT /up?unwanted=1" + put + "Expect: 100-continue\r\n\r\n", 409},
      {"before", "PUT /up?unwanted=1" + put + "\r\n" + chunks_of(payload(), 50'000), 409},
      {"amid", "PUT /up" + put + "\r\n" + chunks_of(pattern(kLength + 500'000), 50'000), 413},
      {"malformed", "PUT /up" + put + "\r\n5\r\nhelloX", 400},
      {"malformed later", "PUT /up" + put + "\r\n" + "186a0\r\n" + payload().substr(0, 100'000) +
       "\r\nnonsense\r\n", 400},
      {"no body at all", "PUT /up HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 200},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Wire wire(site.port);
    wire.send(row.bytes);
    const auto reply = wire.read_reply();
    CHECK(reply.status == row.status);
    CHECK(reply.has(row.status == 200 ? "Connection: keep-alive" : "Connection: close"));
  }
}

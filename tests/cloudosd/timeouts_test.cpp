#include <atomic>

#include "cloudos/limits.hpp"
#include "cloudosd/site.hpp"

using namespace site_test;

namespace {

constexpr auto kNever = 10'000ms;
std::atomic<int> made_receivers{0}, dropped_receivers{0};

class CountingReceiver final : public cloudos::rest::BodyReceiver {
 public:
  CountingReceiver() { ++made_receivers; }
  ~CountingReceiver() override { ++dropped_receivers; }
  cloudos::Result<void> write(std::span<const std::byte> bytes) override {
    total_ += bytes.size();
    return cloudos::Result<void>();
  }
  cloudos::Result<cloudos::rest::Response> end() override {
    return cloudos::rest::json_response(200, std::to_string(total_));
  }

 private:
  std::size_t total_ = 0;
};

class EndlessSource final : public cloudos::ByteSource {
 public:
  cloudos::Result<std::size_t> read(std::span<std::byte> buffer) override { return buffer.size(); }
};

cloudos::Result<cloudos::rest::Response> take_counting(cloudos::rest::Call& call) {
  cloudos::rest::Response response;
  if (!call.request.pushes_body) return cloudos::rest::json_response(200, "none");
  response.receiver = std::make_unique<CountingReceiver>();
  return response;
}
cloudos::Result<cloudos::rest::Response> send_endless(cloudos::rest::Call&) {
  cloudos::rest::Response response;
  response.body = std::make_unique<EndlessSource>();
  return response;
}
cloudos::Result<cloudos::rest::Response> send_long_text(cloudos::rest::Call&) {
  return cloudos::rest::json_response(200, std::string(32 << 20, 'x'));
}

constexpr auto kStreams = cloudos::rest::RouteClass::Streams;
constexpr cloudos::rest::Route kSlowRoutes[] = {
    {"GET", "/health", take_counting, "", cloudos::rest::Service::None, kStreams, false},
    {"PUT", "/up", take_counting, "", cloudos::rest::Service::None, kStreams, false},
    {"GET", "/endless", send_endless, "", cloudos::rest::Service::None, kStreams, false},
    {"GET", "/long", send_long_text, "", cloudos::rest::Service::None,
     cloudos::rest::RouteClass::Inline, false},
};

/// Sends the bytes one at a time until the other side has enough of it; how long that took.
std::chrono::milliseconds trickle(Wire& wire, std::string_view bytes, std::chrono::milliseconds gap,
                                  std::chrono::milliseconds most) {
  const auto began = std::chrono::steady_clock::now();
  const auto passed = [&] {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 began);
  };
  pollfd fd{wire.socket(), POLLIN, 0};
  for (std::size_t i = 0; passed() < most; ++i) {
    if (!wire.send({&bytes[i % bytes.size()], 1})) break;
    if (::poll(&fd, 1, static_cast<int>(gap.count())) > 0) break;
  }
  return passed();
}

}  // namespace

TEST_CASE("clients have as long as the limits say, unless a test says otherwise") {
  namespace limits = cloudos::limits;
  const cloudosd::Timeouts timeouts;
  CHECK(timeouts.handshake == limits::kHandshakeTime);
  CHECK(timeouts.head == limits::kHeadTime);
  CHECK(timeouts.body == limits::kBodyTime);
  CHECK(timeouts.idle == limits::kIdleTime);
  CHECK(timeouts.stall == limits::kStallTime);
  CHECK(timeouts.linger == limits::kLingerTime);
  CHECK(timeouts.drain == limits::kDrainTime);
}

TEST_CASE("a client that sends a byte now and then has no more time than one that sends none") {
  cloudosd::ServerOptions options{.timeouts = hurried()};
  Site site(options, {kSlowRoutes});
  struct Row {
    std::string what;
    std::string first;    ///< Sent at once.
    std::string trickle;  ///< Then one of these at a time, for ever.
    int status;           ///< 0: ended without a word.
  };
  const Row rows[] = {
      {"a request line", "", "G", 408},
      {"header fields", "GET / HTTP/1.1\r\nHost: a\r\nX: ", "a", 408},
      {"a body by its length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n", "a", 408},
      {"a body in chunks", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
       "1\r\na\r\n", 408},
      {"trailers", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
       "A: b\r\n", 408},
      {"an upload", "PUT /up HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n", "a", 504},
      {"an upload in chunks", "PUT /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
       "1\r\na\r\n", 504},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Wire wire(site.port);
    REQUIRE(wire.send(row.first));
    const auto took = trickle(wire, row.trickle, 20ms, kNever);
    CHECK(took > 250ms);
    CHECK(took < 3'000ms);
    CHECK(wire.read_reply().status == row.status);
  }
}

TEST_CASE("whoever says nothing is let go in time, whatever was going on") {
  TempDir dir;
  cloudosd::ServerOptions options{.timeouts = hurried()};
  options.listen = {{}, {.tls = true}};
  options.tls = make_certificate(dir, "cloud-a");
  Site site(options, {kSlowRoutes});
  struct Row {
    std::string what;
    bool tls_port;
    std::string bytes;
  };
  const Row rows[] = {
      {"a fresh connection", false, ""},
      {"between two requests", false, "GET /health HTTP/1.1\r\nHost: a\r\n\r\n"},
      {"a TLS handshake not begun", true, ""},
      {"a TLS handshake half done", true, "\x16\x03\x01\x02"},
      {"an upload", false, "PUT /up HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\nhello"},
      {"a body awaited after 100", false,
       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\nExpect: 100-continue\r\n\r\n"},
  };
  const auto places = site.server.bound();
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Wire wire(places[row.tls_port ? 1 : 0].port);
    REQUIRE(wire.send(row.bytes));
    const auto took = wire.time_to_end();
    CHECK(took > 150ms);
    CHECK(took < 5'000ms);
  }
}

TEST_CASE("a client that was refused and sends on and on is listened to for a while only") {
  cloudosd::ServerOptions options{.timeouts = hurried()};
  Site site(options, {kSlowRoutes});
  Wire wire(site.port);
  REQUIRE(wire.send("nonsense\r\n\r\n"));
  CHECK(wire.read_reply().status == 400);
  const auto began = std::chrono::steady_clock::now();
  while (wire.send("more") && std::chrono::steady_clock::now() - began < kNever)
    std::this_thread::sleep_for(10ms);
  CHECK(std::chrono::steady_clock::now() - began > 100ms);
  CHECK(std::chrono::steady_clock::now() - began < 3'000ms);
}

TEST_CASE("a client that does not read what it asked for is let go and holds nothing") {
  cloudosd::ServerOptions options{.timeouts = hurried()};
  Site site(options, {kSlowRoutes});
  for (const std::string path : {"/endless", "/long"}) {
    CAPTURE(path);
    std::vector<std::unique_ptr<Wire>> idle;
    // More than there are threads for transfers: the next one is served all the same.
    for (int i = 0; i < 100; ++i) {
      idle.push_back(std::make_unique<Wire>(site.port));
      REQUIRE(idle.back()->send("GET " + path + " HTTP/1.1\r\nHost: a\r\n\r\n"));
      if (path == "/long" && i == 4) break;  // 32 MiB each.
    }
    Wire other(site.port);
    CHECK(other.get("/health").status == 200);
    std::this_thread::sleep_for(path == "/long" ? 1'500ms : 900ms);
    for (auto& one : idle) {
      const auto reply = one->read_reply();
      CHECK(reply.status == 200);
      CHECK_FALSE(reply.whole);
    }
  }
}

TEST_CASE("what an upload leaves behind is dropped once, however it ends") {
  made_receivers = dropped_receivers = 0;
  {
    cloudosd::ServerOptions options{.timeouts = hurried()};
    Site site(options, {kSlowRoutes});
    const std::string head = "PUT /up HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    Wire whole(site.port);
    REQUIRE(whole.send(head + "hello"));
    CHECK(whole.read_reply().body == "5");
    { Wire gone(site.port); REQUIRE(gone.send(head + "hel")); }
    Wire stalled(site.port);
    REQUIRE(stalled.send(head + "hel"));
    CHECK(stalled.read_reply().status == 504);
    Wire open(site.port);
    REQUIRE(open.send(head + "hel"));
    for (int i = 0; (dropped_receivers < 3 || made_receivers < 4) && i < 500; ++i)
      std::this_thread::sleep_for(1ms);
    CHECK(dropped_receivers == 3);
  }
  CHECK(dropped_receivers == 4);  // The server's end was the last one's.
}

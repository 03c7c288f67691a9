#include <doctest/doctest.h>

#include <sched.h>

#include <future>

#include "cloudosd/body_parser.hpp"
#include "cloudosd/head.hpp"
#include "cloudosd/log_lines.hpp"
#include "cloudosd/pool.hpp"

using namespace cloudosd;

namespace {

std::string head_with(const std::string& fields, const std::string& line = "GET / HTTP/1.1") {
  return line + "\r\nHost: a\r\n" + fields + "\r\n";
}

std::string many_fields(std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += "X-" + std::to_string(i) + ": y\r\n";
  return out;
}

}  // namespace

TEST_CASE("heads that two readers could understand differently are refused") {
  struct Row {
    std::string what;
    std::string bytes;
    int status;
  };  // 0: taken
  const Row rows[] = {
      {"plain", head_with(""), 0},
      {"POST with a length", head_with("Content-Length: 5\r\n"), 0},
      {"chunked", head_with("Transfer-Encoding: chunked\r\n"), 0},
      {"chunked in capitals", head_with("transfer-encoding: CHUNKED\r\n"), 0},
      {"absolute URL", head_with("", "GET http://b/x HTTP/1.1"), 0},
      {"HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", 0},
      {"bytes above ASCII in a value", head_with("X: \xc3\xa4\r\n"), 0},
      {"both length and chunked", head_with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
       400},
      {"two lengths", head_with("Content-Length: 5\r\nContent-Length: 6\r\n"), 400},
      {"two equal lengths", head_with("Content-Length: 5\r\nContent-Length: 5\r\n"), 400},
      {"list of lengths", head_with("Content-Length: 5, 5\r\n"), 400},
      {"negative length", head_with("Content-Length: -1\r\n"), 400},
      {"signed length", head_with("Content-Length: +5\r\n"), 400},
      {"hexadecimal length", head_with("Content-Length: 0x10\r\n"), 400},
      {"empty length", head_with("Content-Length:\r\n"), 400},
      {"length beyond 64 bits", head_with("Content-Length: 99999999999999999999\r\n"), 400},
      {"two encodings", head_with("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
       400},
      {"encoding before chunked", head_with("Transfer-Encoding: gzip, chunked\r\n"), 501},
      {"identity", head_with("Transfer-Encoding: identity\r\n"), 501},
      {"obscured chunked", head_with("Transfer-Encoding: \vchunked\r\n"), 400},
      {"chunked twice", head_with("Transfer-Encoding: chunked, chunked\r\n"), 501},
      {"chunked in HTTP/1.0", head_with("Transfer-Encoding: chunked\r\n", "GET / HTTP/1.0"), 400},
      {"blank before the colon", head_with("Content-Length : 5\r\n"), 400},
      {"folded line", head_with("X: a\r\n b\r\n"), 400},
      {"folded with a tab", head_with("X: a\r\n\tb\r\n"), 400},
      {"field without a colon", head_with("X\r\n"), 400},
      {"field without a name", head_with(": x\r\n"), 400},
      {"bare LF between fields", head_with("X: a\nContent-Length: 5\r\n"), 400},
      {"bare CR", head_with("X: a\rY: b\r\n"), 400},
      {"zero byte", head_with(std::string("X: a\0b\r\n", 8)), 400},
      {"escape character", head_with("X: \x1b[2J\r\n"), 400},
      {"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"two Hosts", head_with("Host: b\r\n"), 400},
      {"two blanks", head_with("", "GET  / HTTP/1.1"), 400},
      {"blank in the target", head_with("", "GET /a b HTTP/1.1"), 400},
      {"tab for a blank", head_with("", "GET\t/ HTTP/1.1"), 400},
      {"no version", head_with("", "GET /"), 400},
      {"lower case version", head_with("", "GET / http/1.1"), 400},
      {"HTTP/2.0", head_with("", "GET / HTTP/2.0"), 505},
      {"HTTP/1.2", head_with("", "GET / HTTP/1.2"), 505},
      {"asterisk", head_with("", "OPTIONS * HTTP/1.1"), 400},
      {"authority", head_with("", "CONNECT a:1 HTTP/1.1"), 400},
      {"fragment", head_with("", "GET /a#b HTTP/1.1"), 400},
      {"raw UTF-8 in the target", head_with("", "GET /\xc3\xa4 HTTP/1.1"), 400},
      {"method of odd characters", head_with("", "G(T / HTTP/1.1"), 400},
      {"endless method", head_with("", std::string(500, 'G') + " / HTTP/1.1"), 400},
      {"endless URL", head_with("", "GET /" + std::string(20'000, 'a') + " HTTP/1.1"), 414},
      {"as many fields as may be", head_with(many_fields(127)), 0},
      {"one field more", head_with(many_fields(128)), 431},
      {"unknown expectation", head_with("Expect: 200-ok\r\n"), 417},
      {"nothing", "\r\n\r\n", 400},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto parsed = parse_head(row.bytes);
    const auto* refusal = std::get_if<Refusal>(&parsed);
    CHECK((refusal ? refusal->status : 0) == row.status);
  }
}

TEST_CASE("a head says what the connection needs to know") {
  struct Row {
    std::string what;
    std::string bytes;
    bool keep_alive, chunked, continues;
    std::optional<std::uint64_t> length;
  };
  const Row rows[] = {
      {"1.1 stays open", head_with(""), true, false, false, {}},
      {"close", head_with("Connection: close\r\n"), false, false, false, {}},
      {"close among others", head_with("Connection: x, Close\r\n"), false, false, false, {}},
      {"1.0 closes", "GET / HTTP/1.0\r\n\r\n", false, false, false, {}},
      {"1.0 stays when asked",
       "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
       true,
       false,
       false,
       {}},
      {"chunked", head_with("Transfer-Encoding: chunked\r\n"), true, true, false, {}},
      {"length", head_with("Content-Length: 12\r\nExpect: 100-Continue\r\n"), true, false, true,
       12},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto parsed = parse_head(row.bytes);
    REQUIRE(std::holds_alternative<Head>(parsed));
    const Head& head = std::get<Head>(parsed);
    CHECK(head.keep_alive == row.keep_alive);
    CHECK(head.chunked == row.chunked);
    CHECK(head.expects_continue == row.continues);
    CHECK(head.content_length == row.length);
  }
}

TEST_CASE("an absolute URL is cut down to its path and query, wherever its host ends") {
  struct Row {
    std::string url, target;  // Empty: refused.
  };
  const Row rows[] = {
      {"http://b", "/"},
      {"http://b?x=1", "/?x=1"},
      {"http://b/p?x=1", "/p?x=1"},
      {"http://b?y/path", "/?y/path"},
      {"https://b:80/", "/"},
      {"HTTP://b/p", "/p"},
      {"http://[::1]:80/p/q", "/p/q"},
      {"http://b//p", "//p"},
      {"http:///p", ""},
      {"http://?x", ""},
      {"ftp://b/p", ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.url);
    const auto parsed = parse_head(head_with("", "GET " + row.url + " HTTP/1.1"));
    const auto* head = std::get_if<Head>(&parsed);
    CHECK((head ? head->target : "") == row.target);
  }
}

TEST_CASE("reply fields cannot break out of their line") {
  cloudos::rest::Response response;
  response.headers.add("Location", "http://a/\r\nSet-Cookie: evil=1");
  response.headers.add("X\r\nEvil", "1");
  response.headers.add("X-Good", "yes");
  const std::string head = response_head(response, 5, false, true);
  CHECK(head ==
        "HTTP/1.1 200 OK\r\nX-Good: yes\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n");
}

TEST_CASE("bodies come out of their framing whole, however they are cut") {
  struct Row {
    std::string what;
    std::string fields, wire, body, rest;
    bool good;
  };
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  const Row rows[] = {
      {"length", "Content-Length: 5\r\n", "hello", "hello", "", true},
      {"next request behind", "Content-Length: 5\r\n", "helloGET / ", "hello", "GET / ", true},
      {"chunks", chunked, "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", "", true},
      {"chunk extension", chunked, "5;a=b\r\nhello\r\n0\r\n\r\nX", "hello", "X", true},
      {"trailer", chunked, "1\r\nx\r\n0\r\nA: b\r\n\r\n", "x", "", true},
      {"negative chunk", chunked, "-5\r\nhello\r\n0\r\n\r\n", "", "", false},
      {"chunk of no number", chunked, "xyz\r\nhello", "", "", false},
      {"chunk beyond 64 bits", chunked, "ffffffffffffffffff\r\nx", "", "", false},
      {"chunk longer than said", chunked, "3\r\nhello\r\n0\r\n\r\n", "", "", false},
      {"prefix 0x", chunked, "0x5\r\nhello\r\n0\r\n\r\n", "", "", false},
      {"blank before the size", chunked, " 5\r\nhello\r\n0\r\n\r\n", "", "", false},
      {"blank behind the size", chunked, "5 \r\nhello\r\n0\r\n\r\n", "", "", false},
      {"signed size", chunked, "+5\r\nhello\r\n0\r\n\r\n", "", "", false},
      {"empty size", chunked, "\r\nhello\r\n0\r\n\r\n", "", "", false},
      {"size of sixteen digits", chunked, "0000000000000005\r\nhello\r\n0\r\n\r\n", "", "", false},
      {"size ends in LF", chunked, "5\nhello\r\n0\r\n\r\n", "", "", false},
      {"size ends in CR", chunked, "5\rxhello\r\n0\r\n\r\n", "", "", false},
      {"LF in an extension", chunked, "5;a\nb\r\nhello\r\n0\r\n\r\n", "", "", false},
      {"NUL in an extension", chunked, std::string("5;\0\r\nhello\r\n0\r\n\r\n", 17), "", "",
       false},
      {"long extension", chunked, "5;" + std::string(300, 'a') + "\r\nhello\r\n0\r\n\r\n", "", "",
       false},
      {"chunk ends in LF", chunked, "5\r\nhello\n0\r\n\r\n", "", "", false},
      {"chunk without an end", chunked, "5\r\nhello0\r\n\r\n", "", "", false},
      {"trailer without a colon", chunked, "0\r\nGET / HTTP/1.1\r\n\r\n", "", "", false},
      {"folded trailer", chunked, "0\r\nA: b\r\n c\r\n\r\n", "", "", false},
      {"trailer ends in LF", chunked, "0\r\nA: b\n\r\n", "", "", false},
      {"endless trailers", chunked, "0\r\n" + many_fields(5'000) + "\r\n", "", "", false},
      {"endless trailer", chunked, "0\r\nA: " + std::string(50'000, 'a') + "\r\n\r\n", "", "",
       false},
  };
  for (const Row& row : rows) {
    for (const std::size_t step : {std::size_t{1}, std::size_t{3}, row.wire.size()}) {
      CAPTURE(row.what);
      CAPTURE(step);
      const auto head = parse_head(head_with(row.fields, "POST / HTTP/1.1"));
      REQUIRE(std::holds_alternative<Head>(head));
      BodyParser parser;
      parser.begin(std::get<Head>(head));
      std::string held, body;
      auto state = BodyParser::State::More;
      for (std::size_t given = 0; given < row.wire.size();) {
        held += row.wire.substr(given, step);
        given += std::min(step, row.wire.size() - given);
        for (bool moved = true; moved && state == BodyParser::State::More;) {
          const auto fed = parser.feed(held);
          body += fed.piece;
          state = fed.state;
          moved = fed.consumed > 0;
          held.erase(0, fed.consumed);
        }
      }
      CHECK(state == (row.good ? BodyParser::State::Done : BodyParser::State::Bad));
      if (!row.good) continue;
      CHECK(body == row.body);
      CHECK(held == row.rest);
    }
  }
}

TEST_CASE("a pool has no more threads and no longer a queue than it may") {
  std::promise<void> go;
  const std::shared_future<void> gate = go.get_future().share();
  std::atomic<int> running{0}, most{0}, done{0};
  Pool pool(3, 5);
  const auto work = [&, gate] {
    const int now = ++running;
    int seen = most;
    while (seen < now && !most.compare_exchange_weak(seen, now)) {
    }
    gate.wait();
    --running;
    ++done;
  };
  int taken = 0;
  for (int i = 0; i < 3; ++i) taken += pool.post(work);
  while (running < 3) std::this_thread::yield();
  for (int i = 0; i < 20; ++i) taken += pool.post(work);
  CHECK(taken == 3 + 5);
  go.set_value();
  pool.stop();
  CHECK(done == taken);
  CHECK(most == 3);
  CHECK_FALSE(pool.post([] {}));
}

TEST_CASE("work of the lowest priority steps back, and is raised where that would be for ever") {
  Pool pool(1, 5, Pool::Priority::Lowest);
  std::promise<int> policies[3];
  std::promise<void> go;
  pool.post([&, gate = go.get_future().share()] {
    policies[0].set_value(::sched_getscheduler(0));
    gate.wait();
    policies[1].set_value(::sched_getscheduler(0));
  });
  CHECK(policies[0].get_future().get() == SCHED_IDLE);
  CHECK(pool.raise_starved(std::chrono::hours(1)) == 0);
  CHECK(pool.raise_starved(std::chrono::milliseconds(-1)) == 1);
  go.set_value();
  CHECK(policies[1].get_future().get() == SCHED_OTHER);
  pool.post([&] { policies[2].set_value(::sched_getscheduler(0)); });
  CHECK(policies[2].get_future().get() == SCHED_IDLE);
  pool.stop();
  CHECK(pool.raise_starved(std::chrono::milliseconds(-1)) == 0);
}

TEST_CASE("a log record is one line, whatever is in it") {
  const cloudos::LogRecord record{cloudos::LogLevel::Info, "rest", "a\nforged line\x1b[2J",
                                  "req-1"};
  const std::string line = log_line(record, cloudos::WallTime{});
  CHECK(line.find('\n') == line.size() - 1);
  CHECK(line.find('\x1b') == std::string::npos);
  CHECK(line.find("req-1 a?forged line") != std::string::npos);
}

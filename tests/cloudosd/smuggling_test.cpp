#include "cloudosd/site.hpp"

using namespace site_test;

namespace {

cloudos::Result<cloudos::rest::Response> say_body(cloudos::rest::Call& call) {
  std::string text;
  std::array<std::byte, 4096> buffer;
  while (call.request.body) {
    CLOUDOS_TRY(const std::size_t got, call.request.body->read(buffer));
    if (got == 0) break;
    text.append(reinterpret_cast<const char*>(buffer.data()), got);
  }
  return cloudos::rest::json_response(200, text);
}
/// Gives back what the client chose as header fields, as redirects and Location do.
cloudos::Result<cloudos::rest::Response> reflect(cloudos::rest::Call& call) {
  auto response = cloudos::rest::json_response(200, "x");
  response.headers.add("X-Reflected", std::string(call.query("a").value_or("")));
  response.headers.add(std::string(call.query("a").value_or("")), "1");
  return response;
}
cloudos::Result<cloudos::rest::Response> give_secret(cloudos::rest::Call&) {
  return cloudos::rest::json_response(200, "smuggled");
}

constexpr cloudos::rest::Route kEchoRoutes[] = {
    {"POST", "/echo", say_body, "", cloudos::rest::Service::None,
     cloudos::rest::RouteClass::Inline, false},
    {"GET", "/echo", say_body, "", cloudos::rest::Service::None,
     cloudos::rest::RouteClass::Inline, false},
    {"GET", "/reflect", reflect, "", cloudos::rest::Service::None,
     cloudos::rest::RouteClass::Inline, false},
    {"GET", "/secret", give_secret, "", cloudos::rest::Service::None,
     cloudos::rest::RouteClass::Inline, false},
};

const std::string kSecond = "GET /secret HTTP/1.1\r\nHost: a\r\n\r\n";

std::string echo(const std::string& fields, const std::string& method = "POST") {
  return method + " /echo HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}

}  // namespace

TEST_CASE("two readers of the same bytes never see different requests: in doubt there is none") {
  Site site({}, {kEchoRoutes});
  struct Row {
    std::string what;
    std::string bytes;
    int status;           ///< Of the first reply.
    bool second = false;  ///< The one behind it is a request of its own right, and answered.
  };
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  const std::string ended = "0\r\n\r\n";
  const Row rows[] = {
      // What is in order.
      {"a length", echo("Content-Length: 5\r\n") + "hello" + kSecond, 200, true},
      {"chunks", echo(chunked) + "5\r\nhello\r\n" + ended + kSecond, 200, true},
      {"chunk extensions", echo(chunked) + "5;a=\"b\"\r\nhello\r\n" + ended + kSecond, 200, true},
      {"trailers", echo(chunked) + "0\r\nContent-Length: 30\r\n\r\n" + kSecond, 200, true},
      {"GET with a body", echo("Content-Length: 5\r\n", "GET") + "hello" + kSecond, 200, true},
      {"an empty body", echo("Content-Length: 0\r\n") + kSecond, 200, true},
      // CL.TE and TE.CL.
      {"length before chunked", echo("Content-Length: 44\r\n" + chunked) + ended + kSecond, 400},
      {"chunked before length", echo(chunked + "Content-Length: 4\r\n") + "5c\r\n" + kSecond, 400},
      {"length 0 and chunked", echo("Content-Length: 0\r\n" + chunked) + ended + kSecond, 400},
      // Lengths.
      {"two lengths", echo("Content-Length: 5\r\nContent-Length: 0\r\n") + "hello" + kSecond, 400},
      {"the same twice", echo("Content-Length: 5\r\nContent-Length: 5\r\n") + "hello" + kSecond, 400},
      {"a list", echo("Content-Length: 5, 5\r\n") + "hello" + kSecond, 400},
      {"a sign", echo("Content-Length: +5\r\n") + "hello" + kSecond, 400},
      {"a fraction", echo("Content-Length: 5.0\r\n") + "hello" + kSecond, 400},
      {"digits of another script", echo("Content-Length: \xd9\xa5\r\n") + "hello" + kSecond, 400},
      {"blanks amid digits", echo("Content-Length: 1 0\r\n") + "hello" + kSecond, 400},
      {"beyond 64 bits", echo("Content-Length: 18446744073709551621\r\n") + "hello" + kSecond, 400},
      {"underscore for hyphen is another field", echo("Content_Length: 44\r\n") + kSecond, 200, true},
      // Encodings.
      {"chunked twice", echo(chunked + chunked) + ended + kSecond, 400},
      {"a list that ends so", echo("Transfer-Encoding: gzip, chunked\r\n") + ended + kSecond, 501},
      {"identity and chunked", echo("Transfer-Encoding: identity\r\n" + chunked) + ended + kSecond,
       400},
      {"with parameters", echo("Transfer-Encoding: chunked;q=1\r\n") + ended + kSecond, 501},
      {"quoted", echo("Transfer-Encoding: \"chunked\"\r\n") + ended + kSecond, 501},
      {"misspelled", echo("Transfer-Encoding: xchunked\r\n") + ended + kSecond, 501},
      {"vertical tab", echo("Transfer-Encoding: \x0b" "chunked\r\n") + ended + kSecond, 400},
      {"blank before the colon", echo("Transfer-Encoding : chunked\r\n") + ended + kSecond, 400},
      {"folded", echo("Transfer-Encoding:\r\n chunked\r\n") + ended + kSecond, 400},
      {"folded name", echo("X: a\r\n Transfer-Encoding: chunked\r\n") + ended + kSecond, 400},
      {"first line folded", "POST /echo HTTP/1.1\r\n Host: a\r\n\r\n" + kSecond, 400},
      {"in HTTP/1.0", "POST /echo HTTP/1.0\r\n" + chunked + "\r\n" + ended + kSecond, 400},
      // Lines.
      {"bare LF hides a field", echo("X: a\nTransfer-Encoding: chunked\r\n") + ended + kSecond, 400},
      {"bare CR hides a field", echo("X: a\rContent-Length: 44\r\n") + kSecond, 400},
      {"LF CR", "POST /echo HTTP/1.1\n\rHost: a\n\r\n\r" + kSecond, 400},
      {"NUL in a value", echo(std::string("X: a\0b\r\n", 8)) + kSecond, 400},
      {"NUL in a name", echo(std::string("X\0Y: b\r\n", 8)) + kSecond, 400},
      {"NUL in the target", std::string("GET /ec\0ho HTTP/1.1\r\nHost: a\r\n\r\n", 32) + kSecond, 400},
      {"field without a name", echo(": chunked\r\n") + kSecond, 400},
      {"two hosts", echo("Host: b\r\n") + kSecond, 400},
      {"a second request line", "GET /echo HTTP/1.1\r\nGET /secret HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"HTTP/0.9", "GET /secret\r\n\r\n" + kSecond, 400},
      // Chunks.
      {"size in 0x", echo(chunked) + "0x5\r\nhello\r\n" + ended + kSecond, 400},
      {"size with a sign", echo(chunked) + "+5\r\nhello\r\n" + ended + kSecond, 400},
      {"negative", echo(chunked) + "-5\r\nhello\r\n" + ended + kSecond, 400},
      {"blank behind", echo(chunked) + "5 \r\nhello\r\n" + ended + kSecond, 400},
      {"size overflows", echo(chunked) + "10000000000000005\r\nhello\r\n" + ended + kSecond, 400},
      {"bare LF behind the size", echo(chunked) + "5\nhello\r\n" + ended + kSecond, 400},
      {"LF in an extension", echo(chunked) + "5;a\nb\r\nhello\r\n" + ended + kSecond, 400},
      {"data longer than its size", echo(chunked) + "3\r\nhello\r\n" + ended + kSecond, 400},
      {"data ends in LF", echo(chunked) + "5\r\nhello\n" + ended + kSecond, 400},
      {"trailer that is a request", echo(chunked) + "0\r\n" + kSecond, 400},
      {"folded trailer", echo(chunked) + "0\r\nA: b\r\n c\r\n\r\n" + kSecond, 400},
      {"bare LF ends it", echo(chunked) + "0\r\n\n" + kSecond, 400},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Wire wire(site.port);
    REQUIRE(wire.send(row.bytes));
    const auto first = wire.read_reply();
    CHECK(first.status == row.status);
    CHECK(first.has(row.second ? "Connection: keep-alive" : "Connection: close"));
    const auto second = wire.read_reply();
    CHECK(second.status == (row.second ? 200 : 0));
    CHECK((second.body == "smuggled") == row.second);
  }
}

TEST_CASE("what a client sends cannot begin a line of a reply's header") {
  Site own({}, {kEchoRoutes});
  Site product;
  const std::string injections[] = {"%0d%0aX-Evil:%201", "%0aX-Evil:%201", "%0dX-Evil:%201",
                                    "a%0d%0a%0d%0aHTTP/1.1%20200%20OK%0d%0aX-Evil:%201",
                                    "%c4%8d%c4%8aX-Evil:1", "%20%0d%0a%09X-Evil:1"};
  for (const std::string& injection : injections) {
    CAPTURE(injection);
    Wire wire(own.port);
    const auto reply = wire.get("/reflect?a=" + injection);
    CHECK(reply.status == 200);
    CHECK(reply.head.find("\nX-Evil") == std::string::npos);
    CHECK(reply.head.find("\rX-Evil") == std::string::npos);
    CHECK(wire.get("/secret").body == "smuggled");  // In step still.
    for (const std::string path : {"/v3/", "/identity", "/compute/v2.1/", "/image/v2/images/",
                                   "/image/v2/images?marker=", "/network/v2.0/", "/"}) {
      CAPTURE(path);
      Wire other(product.port);
      const auto answer = other.get(path + injection, "X-Auth-Token: " + product.admin_token() +
                                                          "\r\nX-Openstack-Request-Id: a\r\n");
      CHECK(answer.status != 0);
      CHECK(answer.head.find("\nX-Evil") == std::string::npos);
      CHECK(other.get("/v3").status == 200);
    }
  }
}

TEST_CASE("endless things are cut off where their limit is, and cost no memory") {
  Site site({}, {kEchoRoutes});
  const auto full = [] {
    std::ifstream in("/proc/self/status");
    for (std::string line; std::getline(in, line);)
      if (line.starts_with("RssAnon:")) return std::atol(line.c_str() + 8) >> 10;
    return 0L;
  };
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  struct Row {
    std::string what, first, again;
    int status;
  };
  const Row rows[] = {
      {"a million fields", "GET /echo HTTP/1.1\r\nHost: a\r\n", "A: b\r\n", 431},
      {"a field without end", "GET /echo HTTP/1.1\r\nHost: a\r\nA: ", "bbbbbb", 431},
      {"a name without end", "GET /echo HTTP/1.1\r\nHost: a\r\n", "bbbbbb", 431},
      {"a URL without end", "GET /", "aaaaaa", 414},
      {"blank lines without end", "\r\n", "\r\n\r\n\r\n", 400},
      {"a body without end", echo(chunked), "6\r\nabcdef\r\n", 413},
      {"a chunk extension without end", echo(chunked) + "5;", "aaaaaa", 400},
      {"a chunk size without end", echo(chunked), "000000", 400},
      {"trailers without end", echo(chunked) + "0\r\n", "A: b\r\n", 400},
      {"a trailer without end", echo(chunked) + "0\r\nA: ", "bbbbbb", 400},
  };
  const long before = full();
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Wire wire(site.port);
    std::string lump = row.first;
    for (int i = 0; i < 10'000; ++i) lump += row.again;
    // Up to 6 MB; the server stops listening long before.
    for (int i = 0; i < 100 && wire.send(lump); ++i) lump.erase(0, i == 0 ? row.first.size() : 0);
    const auto reply = wire.read_reply();
    CHECK(reply.status == row.status);
    CHECK(wire.get("/secret").status == 0);
  }
  if (kMeasuresMemory) CHECK(full() - before < 16);
}

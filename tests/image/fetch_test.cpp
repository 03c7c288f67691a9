#include <fstream>

#include "image/fetch.hpp"
#include "image/web.hpp"
#include "image/world.hpp"

using namespace cloudos;
using namespace image_test;
using image::FetchRequest;
using image::Fetcher;

namespace {

/// Loopback is open, as an operator could say; the ports are a test's own.
UrlRules open_loopback() {
  UrlRules rules;
  rules.ports.clear();
  rules.allowed_networks = {"127.0.0.1"};
  return rules;
}

Fetcher fetcher(UrlRules rules, std::vector<std::vector<std::string>> answers = {{"127.0.0.1"}},
                std::filesystem::path ca_file = {}) {
  auto guard = image::UrlGuard::make(rules);
  REQUIRE(guard);
  return Fetcher(std::move(*guard), std::make_unique<ScriptedResolver>(std::move(answers)),
                 std::move(ca_file), std::chrono::milliseconds{2'000});
}

Result<std::string> fetched(const Fetcher& from, const std::string& url,
                            image::FetchRange range = {}) {
  FetchRequest request;
  request.url = url;
  request.range = range;
  CLOUDOS_TRY(const auto body, from.get(request));
  std::string all;
  std::byte piece[777];
  for (;;) {
    CLOUDOS_TRY(const std::size_t got, body->read(piece));
    if (got == 0) return all;
    all.append(reinterpret_cast<const char*>(piece), got);
  }
}

}  // namespace

TEST_CASE("data is fetched by length, in chunks, or until the other side goes") {
  const std::string text(100'000, 'x');
  WebServer web([&](const std::string& head) {
    if (head.starts_with("GET /chunked")) {
      return std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "5;ext=1\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n");
    }
    if (head.starts_with("GET /end")) return "HTTP/1.0 200 OK\r\n\r\n" + text;
    return ok(text);
  });
  const Fetcher from = fetcher(open_loopback());
  for (const char* target : {"/length", "/end"}) {
    const auto got = fetched(from, web.url(target));
    REQUIRE(got);
    CHECK(*got == text);
  }
  CHECK(fetched(from, web.url("/chunked")) == "hello, world");
  const std::string head = web.heads().at(0);
  CHECK(head.find("Accept-Encoding: identity") != std::string::npos);
  CHECK(head.find("Authorization") == std::string::npos);
}

TEST_CASE("ranges are asked for, and an answer with other bytes is refused") {
  const std::string text = "0123456789";
  WebServer web([&](const std::string& head) {
    if (head.find("Range: bytes=3-6") == std::string::npos) return ok(text);
    const bool lies = head.starts_with("GET /lies");
    return "HTTP/1.1 206 Part\r\nContent-Range: bytes " + std::string(lies ? "0-3" : "3-6") +
           "/10\r\nContent-Length: 4\r\nETag: \"v1\"\r\n\r\n3456";
  });
  const Fetcher from = fetcher(open_loopback());
  FetchRequest request;
  request.url = web.url("/file");
  request.range = {3, 4};
  const auto body = from.get(request);
  REQUIRE(body);
  CHECK((*body)->size() == 4);
  CHECK((*body)->total() == 10);
  CHECK((*body)->version() == "\"v1\"");
  CHECK(fetched(from, web.url("/file"), {3, 4}) == "3456");
  CHECK(fetched(from, web.url("/file"), {0, 5}) == "01234");  // A server without ranges.
  CHECK(code_of(fetched(from, web.url("/lies"), {3, 4})) == ErrorCode::Unavailable);
  CHECK(code_of(fetched(from, web.url("/file"), {5, 2})) == ErrorCode::Unsupported);
}

TEST_CASE("a redirect to a forbidden place is not followed, at any hop (OSSA-2026-004)") {
  std::atomic<int> secrets{0};
  WebServer secret([&](const std::string&) {
    ++secrets;
    return ok("the secret");
  });
  const std::string port = std::to_string(secret.port);
  struct Row {
    std::string what, location;
    ErrorCode code;
  };
  const Row rows[] = {
      {"another loopback address", "http://127.0.0.2:" + port + "/", ErrorCode::Forbidden},
      {"metadata server", "http://169.254.169.254/latest/", ErrorCode::Forbidden},
      {"private network", "http://10.0.0.1/", ErrorCode::Forbidden},
      {"IPv6 loopback", "http://[::1]:" + port + "/", ErrorCode::Forbidden},
      {"NAT64", "http://[64:ff9b::7f00:2]:" + port + "/", ErrorCode::Forbidden},
      {"6to4", "http://[2002:7f00:2::]:" + port + "/", ErrorCode::Forbidden},
      {"unspecified", "http://0.0.0.0:" + port + "/", ErrorCode::Forbidden},
      {"decimal", "http://2130706433:" + port + "/", ErrorCode::InvalidArgument},
      {"octal", "http://0177.0.0.2:" + port + "/", ErrorCode::InvalidArgument},
      {"userinfo", "http://example.org@127.0.0.2:" + port + "/", ErrorCode::InvalidArgument},
      {"a file", "file:///etc/passwd", ErrorCode::InvalidArgument},
      {"gopher", "gopher://127.0.0.1/", ErrorCode::InvalidArgument},
      {"a name that is denied", "http://internal.example.org/", ErrorCode::Forbidden},
  };
  UrlRules rules = open_loopback();
  rules.denied_hosts = {"internal.example.org"};
  for (const Row& row : rows) {
    CAPTURE(row.what);
    // The first hop is honest, the second one leads astray.
    WebServer web([&](const std::string& head) {
      return head.starts_with("GET /1") ? redirect("/2") : redirect(row.location);
    });
    CHECK(code_of(fetched(fetcher(rules), web.url("/1"))) == row.code);
  }
  CHECK(secrets == 0);
}

TEST_CASE("a name whose address changes between two questions does not get in (rebinding)") {
  std::atomic<int> reached{0};
  WebServer web([&](const std::string& head) {
    ++reached;
    if (head.starts_with("GET /first")) return redirect("/again");
    return ok("x");
  });
  const std::string url = "http://example.org:" + std::to_string(web.port) + "/first";
  // Asked once per hop, and the connection goes to that very answer.
  CHECK(code_of(fetched(fetcher(open_loopback(), {{"127.0.0.1"}, {"127.0.0.2"}}), url)) ==
        ErrorCode::Forbidden);
  CHECK(reached == 1);
  CHECK(fetched(fetcher(open_loopback(), {{"127.0.0.1"}, {"127.0.0.1"}, {"127.0.0.2"}}), url) ==
        "x");
  CHECK(reached == 3);
  CHECK(code_of(fetched(fetcher(open_loopback(), {{"127.0.0.1", "10.0.0.1"}}), url)) ==
        ErrorCode::Forbidden);
  CHECK(reached == 3);
}

TEST_CASE("redirects end after a few hops") {
  WebServer web([](const std::string&) { return redirect("/next"); });
  CHECK(code_of(fetched(fetcher(open_loopback()), web.url("/"))) == ErrorCode::Unavailable);
  CHECK(web.heads().size() == 4);
}

TEST_CASE("answers that are no plain data are refused") {
  struct Row {
    std::string what, answer;
    ErrorCode code;
  };
  const Row rows[] = {
      {"nothing", "", ErrorCode::Unavailable},
      {"another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n", ErrorCode::Unavailable},
      {"not found", "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", ErrorCode::NotFound},
      {"server error", "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", ErrorCode::Unavailable},
      {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
       ErrorCode::Unavailable},
      {"length and chunks",
       "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n",
       ErrorCode::Unavailable},
      {"negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", ErrorCode::Unavailable},
      {"gzip nobody asked for", ok("x", "Content-Encoding: gzip\r\n"), ErrorCode::Unavailable},
      {"negative chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nx",
       ErrorCode::Unavailable},
      {"huge chunk size",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\nx",
       ErrorCode::Unavailable},
      {"a chunk longer than it says",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n0\r\n\r\n",
       ErrorCode::Unavailable},
      {"cut off", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nxxx", ErrorCode::Unavailable},
      {"endless head", "HTTP/1.1 200 OK\r\n" + std::string(100'000, 'a') + ": b\r\n\r\n",
       ErrorCode::Unavailable},
      {"a head of many fields", [] {
         std::string head = "HTTP/1.1 200 OK\r\n";
         for (int i = 0; i < 5'000; ++i) head += "X-Field: some value\r\n";
         return head + "\r\n";
       }(), ErrorCode::Unavailable},
      {"redirect to nowhere", redirect(""), ErrorCode::InvalidArgument},
  };
  const Fetcher from = fetcher(open_loopback());
  for (const Row& row : rows) {
    CAPTURE(row.what);
    WebServer web([&](const std::string&) { return row.answer; });
    CHECK(code_of(fetched(from, web.url("/"))) == row.code);
  }
}

TEST_CASE("https needs a certificate for that very host from somebody trusted") {
  const Folder folder;
  const Key ca_key = rsa_key(), key = rsa_key(), fake_key = rsa_key();
  const Cert ca = make_cert({.name = "our CA", .authority = true}, ca_key.get());
  const Cert fake = make_cert({.name = "our CA", .authority = true}, fake_key.get());
  const std::filesystem::path trusted = folder.path / "ca.pem";
  std::ofstream(trusted) << pem_of(ca.get());
  const CertWish here{.name = "web", .host = "IP:127.0.0.1,DNS:good.example.org"};
  const Cert good = make_cert(here, key.get(), ca.get(), ca_key.get());
  const Cert forged = make_cert(here, key.get(), fake.get(), fake_key.get());
  const Cert elsewhere = make_cert({.name = "web", .host = "DNS:other.example.org"}, key.get(),
                                   ca.get(), ca_key.get());
  CertWish old = here;
  old.from_seconds = -7'200;
  old.to_seconds = -3'600;
  const Cert expired = make_cert(old, key.get(), ca.get(), ca_key.get());
  struct Row {
    std::string what;
    X509* certificate;
    std::string host;
    bool passes;
  };
  const Row rows[] = {
      {"good, by address", good.get(), "127.0.0.1", true},
      {"good, by name", good.get(), "good.example.org", true},
      {"for another name", good.get(), "bad.example.org", false},
      {"by a fake CA of the same name", forged.get(), "127.0.0.1", false},
      {"for another host", elsewhere.get(), "127.0.0.1", false},
      {"expired", expired.get(), "127.0.0.1", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    WebServer web([](const std::string&) { return ok("over TLS"); }, row.certificate, key.get());
    const std::string url = "https://" + row.host + ":" + std::to_string(web.port) + "/";
    const auto got = fetched(fetcher(open_loopback(), {{"127.0.0.1"}}, trusted), url);
    CHECK(got.has_value() == row.passes);
    if (got) CHECK(*got == "over TLS");
    else CHECK(got.error().message.find("certificate is not trusted") != std::string::npos);
  }
  WebServer web([](const std::string&) { return ok("over TLS"); }, good.get(), key.get());
  CHECK_FALSE(fetched(fetcher(open_loopback()), web.url("/")));  // The system knows no such CA.
}

TEST_CASE("https never leads on to http") {
  const Folder folder;
  const Key ca_key = rsa_key(), key = rsa_key();
  const Cert ca = make_cert({.name = "our CA", .authority = true}, ca_key.get());
  const Cert good = make_cert({.name = "web", .host = "IP:127.0.0.1"}, key.get(), ca.get(),
                              ca_key.get());
  std::ofstream(folder.path / "ca.pem") << pem_of(ca.get());
  WebServer plain([](const std::string&) { return ok("plain"); });
  WebServer web([&](const std::string&) { return redirect(plain.url("/")); }, good.get(),
                key.get());
  const Fetcher from = fetcher(open_loopback(), {{"127.0.0.1"}}, folder.path / "ca.pem");
  CHECK(code_of(fetched(from, web.url("/"))) == ErrorCode::Forbidden);
  CHECK(plain.heads().empty());
}

TEST_CASE("whoever waits for data can be told to stop") {
  WebServer web([](const std::string&) {
    return std::string("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nxxx");
  });
  int asked = 0;
  FetchRequest request;
  request.url = web.url("/");
  request.go_on = [&]() -> Result<void> {
    if (++asked < 3) return Result<void>();
    return fail(ErrorCode::Cancelled, "enough");
  };
  const Fetcher from = fetcher(open_loopback());
  const auto body = from.get(request);
  if (!body) {
    CHECK(body.error().code == ErrorCode::Cancelled);
    return;
  }
  std::byte piece[100];
  Result<std::size_t> got = std::size_t{1};
  while (got && *got > 0) got = (*body)->read(piece);
  CHECK_FALSE(got);
}

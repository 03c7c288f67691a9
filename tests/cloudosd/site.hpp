#pragma once
#include <openssl/ssl.h>

#include <optional>

#include "cloudos/cloud.hpp"
#include "cloudos/identity.hpp"
#include "cloudosd/server.hpp"
#include "rest/router.hpp"
#include "support/program.hpp"

/// A server in the test's own process, with options of the test's choice, and clients of it.
namespace site_test {

using namespace program_test;
using namespace std::chrono_literals;

/// A certificate for localhost that vouches for itself, and its key.
inline cloudosd::TlsFiles make_certificate(const TempDir& dir, const std::string& name) {
  const std::string certificate = (dir.path() / (name + ".crt")).string();
  const std::string key = (dir.path() / (name + ".key")).string();
  const Ran made = run_program(
      {"/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
       "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=" + name,
       "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"});
  INFO(made.err);
  REQUIRE(made.code == 0);
  return {certificate, key, {}};
}

class Site {
 public:
  using Tables = std::vector<std::span<const cloudos::rest::Route>>;

  /// Without tables: all of the product's routes.
  explicit Site(cloudosd::ServerOptions options = {}, const Tables& tables = {})
      : server([&] {
          for (auto& place : options.listen) place.port = 0;
          return std::move(options);
        }()) {
    const auto bound = server.bind();
    const std::string why = bound ? "" : bound.error().message;
    INFO(why);
    REQUIRE(bound);
    port = server.port();
    cloudos::Options cloud_options;
    cloud_options.workers = 0;
    cloud_options.password_cost = 4;
    cloud_options.admin_password = "a secret of the admin's";
    cloud_options.log_level = cloudos::LogLevel::Error;
    auto opened = cloudos::Cloud::open(std::move(cloud_options));
    REQUIRE(opened);
    cloud = std::move(*opened);
    router = tables.empty() ? std::make_unique<cloudos::rest::Router>(*cloud)
                            : std::make_unique<cloudos::rest::Router>(*cloud, tables);
    server.start(*cloud, *router, "http://localhost:" + std::to_string(port));
  }
  ~Site() { server.stop(); }

  std::string admin_token() const {
    cloudos::Login login;
    login.password =
        cloudos::Login::Password{{"", "admin", "default", ""}, "a secret of the admin's"};
    login.scope.kind = cloudos::Scope::Kind::Project;
    login.scope.target = {"", "admin", "default", ""};
    const auto token = cloud->identity().authenticate(login);
    REQUIRE(token);
    return token->text;
  }

  std::unique_ptr<cloudos::Cloud> cloud;
  std::unique_ptr<cloudos::rest::Router> router;
  cloudosd::Server server;
  std::uint16_t port = 0;
};

/// All of them short.
inline cloudosd::Timeouts hurried() {
  return {.handshake = 300ms, .head = 300ms, .body = 400ms, .idle = 300ms, .stall = 300ms,
          .linger = 200ms, .drain = 1'000ms};
}

/// A client in the clear or by TLS; what it sends is exactly what the test writes.
class Wire {
 public:
  /// `ctx` null: in the clear. It outlives this.
  explicit Wire(std::uint16_t port, SSL_CTX* ctx = nullptr) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(socket_ >= 0);
    const timeval patience{20, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    if (!ctx) return;
    std::signal(SIGPIPE, [](int) {});  // OpenSSL's writes raise it; programs do not inherit this.
    ssl_ = SSL_new(ctx);
    SSL_set_fd(ssl_, socket_);
    shaken_ = SSL_connect(ssl_) == 1;
  }
  ~Wire() {
    if (ssl_) SSL_free(ssl_);
    ::close(socket_);
  }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  SSL* ssl() const { return ssl_; }
  bool shaken() const { return shaken_; }
  int socket() const { return socket_; }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ssl_ ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()))
                             : ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  struct Reply {
    int status = 0;  ///< 0: the connection ended first.
    std::string head, body;
    bool whole = false;  ///< The body came to its end by its own framing.
    bool has(std::string_view text) const { return head.find(text) != std::string::npos; }
  };
  /// One reply, by its length or its chunks; else up to the connection's end.
  Reply read_reply(bool bodyless = false) {
    Reply reply;
    while (held_.find("\r\n\r\n") == std::string::npos)
      if (!receive()) return reply;
    reply.head = take(held_.find("\r\n\r\n") + 4);
    reply.status = std::atoi(reply.head.c_str() + 9);
    const auto at = reply.head.find("Content-Length: ");
    if (bodyless || reply.status == 100 || reply.status == 204) {
      reply.whole = true;
    } else if (reply.has("Transfer-Encoding: chunked")) {
      reply.whole = read_chunks(reply.body);
    } else if (at != std::string::npos) {
      const std::size_t length = std::stoul(reply.head.substr(at + 16));
      while (held_.size() < length && receive()) {
      }
      reply.whole = held_.size() >= length;
      reply.body = take(std::min(held_.size(), length));
    } else {
      while (receive()) {
      }
      reply.whole = true;
      reply.body = take(held_.size());
    }
    return reply;
  }
  Reply get(const std::string& path, const std::string& fields = "") {
    if (!send("GET " + path + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n")) return {};
    return read_reply();
  }
  /// How long until the other side ends it; what comes first is dropped.
  std::chrono::milliseconds time_to_end() {
    const auto began = std::chrono::steady_clock::now();
    while (receive()) {
    }
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 began);
  }

 private:
  bool receive() {
    char buffer[65536];
    const auto got = ssl_ ? SSL_read(ssl_, buffer, sizeof buffer)
                          : ::recv(socket_, buffer, sizeof buffer, 0);
    if (got <= 0) return false;
    held_.append(buffer, static_cast<std::size_t>(got));
    return true;
  }
  std::string take(std::size_t count) {
    std::string out = held_.substr(0, count);
    held_.erase(0, count);
    return out;
  }
  bool read_chunks(std::string& body) {
    while (true) {
      while (held_.find("\r\n") == std::string::npos)
        if (!receive()) return false;
      const std::size_t size = std::stoul(take(held_.find("\r\n") + 2), nullptr, 16);
      while (held_.size() < size + 2)
        if (!receive()) return false;
      body += take(size);
      if (take(2) != "\r\n") return false;
      if (size == 0) return true;
    }
  }

  int socket_ = -1;
  SSL* ssl_ = nullptr;
  bool shaken_ = false;
  std::string held_;
};

/// What clients make TLS connections with; trusts nobody in particular.
class TlsClient {
 public:
  TlsClient() : ctx_(SSL_CTX_new(TLS_client_method())) { REQUIRE(ctx_ != nullptr); }
  ~TlsClient() { SSL_CTX_free(ctx_); }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;
  SSL_CTX* get() const { return ctx_; }

 private:
  SSL_CTX* ctx_;
};

/// "cloud-a" of a certificate with /CN=cloud-a.
inline std::string peer_name(const Wire& wire) {
  X509* certificate = SSL_get1_peer_certificate(wire.ssl());
  if (!certificate) return {};
  char name[128] = {};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
  X509_free(certificate);
  return name;
}

}  // namespace site_test

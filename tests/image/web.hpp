#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "image/certs.hpp"
#include "image/url_guard.hpp"

/// A server on loopback that says what a test wants, and a name service that does.
namespace image_test {

class WebServer {
 public:
  /// From the head of a request to the bytes of the answer.
  using Answer = std::function<std::string(const std::string& head)>;
  explicit WebServer(Answer answer, X509* certificate = nullptr, EVP_PKEY* key = nullptr)
      : answer_(std::move(answer)) {
    if (certificate) {
      tls_ = SSL_CTX_new(TLS_server_method());
      REQUIRE(SSL_CTX_use_certificate(tls_, certificate) == 1);
      REQUIRE(SSL_CTX_use_PrivateKey(tls_, key) == 1);
    }
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    socklen_t size = sizeof address;
    REQUIRE(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port = ntohs(address.sin_port);
    REQUIRE(::listen(listener_, 8) == 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~WebServer() {
    stop_ = true;
    thread_.join();
    ::close(listener_);
    SSL_CTX_free(tls_);
  }
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;
  std::string url(const std::string& target) const {
    return std::string(tls_ ? "https" : "http") + "://127.0.0.1:" + std::to_string(port) + target;
  }
  std::vector<std::string> heads() const {
    const std::lock_guard lock(mutex_);
    return heads_;
  }
  std::uint16_t port = 0;

 private:
  void serve() {
    while (!stop_) {
      pollfd waiting{listener_, POLLIN, 0};
      if (::poll(&waiting, 1, 20) <= 0) continue;
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      const timeval patience{5, 0};  // A client that stalls ends the talk, not the test.
      ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
      if (tls_) talk_tls(fd);
      else talk(fd);
      ::close(fd);
    }
  }
  void remember(const std::string& head) {
    const std::lock_guard lock(mutex_);
    heads_.push_back(head);
  }
  void talk(int fd) {
    std::string head;
    char piece[1'024];
    while (head.find("\r\n\r\n") == std::string::npos) {
      const ssize_t got = ::recv(fd, piece, sizeof piece, 0);
      if (got <= 0) return;
      head.append(piece, static_cast<std::size_t>(got));
    }
    remember(head);
    std::string_view rest_view;
    const std::string text = answer_(head);
    for (rest_view = text; !rest_view.empty();) {
      const ssize_t sent = ::send(fd, rest_view.data(), rest_view.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      rest_view.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void talk_tls(int fd) {
    SSL* session = SSL_new(tls_);
    SSL_set_fd(session, fd);
    if (SSL_accept(session) == 1) {
      char piece[4'096];
      const int got = SSL_read(session, piece, sizeof piece);
      if (got > 0) {
        const std::string head(piece, static_cast<std::size_t>(got));
        remember(head);
        const std::string text = answer_(head);
        SSL_write(session, text.data(), static_cast<int>(text.size()));
        SSL_shutdown(session);
      }
    }
    SSL_free(session);
  }

  Answer answer_;
  SSL_CTX* tls_ = nullptr;
  int listener_ = -1;
  std::atomic<bool> stop_{false};
  std::thread thread_;
  mutable std::mutex mutex_;
  std::vector<std::string> heads_;
};

inline std::string ok(const std::string& body, const std::string& more = "") {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more +
         "\r\n" + body;
}
inline std::string redirect(const std::string& location, int status = 302) {
  return "HTTP/1.1 " + std::to_string(status) + " Elsewhere\r\nLocation: " + location +
         "\r\nContent-Length: 0\r\n\r\n";
}

/// Names to addresses as a test says; each call takes the next list, the last one stays.
class ScriptedResolver final : public cloudos::image::Resolver {
 public:
  explicit ScriptedResolver(std::vector<std::vector<std::string>> answers)
      : answers_(std::move(answers)) {}
  cloudos::Result<std::vector<cloudos::image::Address>> resolve(const std::string&) override {
    std::vector<cloudos::image::Address> all;
    for (const std::string& text : answers_[std::min(calls, answers_.size() - 1)]) {
      const auto address = cloudos::image::parse_address(text);
      REQUIRE(address);
      all.push_back(*address);
    }
    ++calls;
    return all;
  }
  std::size_t calls = 0;

 private:
  std::vector<std::vector<std::string>> answers_;
};

}  // namespace image_test

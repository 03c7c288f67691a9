#include "image/fetch_stream.hpp"

#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "cloudos/limits.hpp"

// Sockets and OpenSSL, seen by this file alone. TLS goes through memory, so that every byte is
// sent by send(2) without SIGPIPE: the host program's signals are its own.
namespace cloudos::image {
namespace {

using Milliseconds = std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;
constexpr Milliseconds kAskEvery{200};

Failure unreachable(std::string_view host, std::string_view why) {
  return fail(ErrorCode::Unavailable, fmt::format("{} cannot be read from: {}", host, why));
}

class PlainStream final : public FetchStream {
 public:
  PlainStream(int fd, std::string host, const StreamOptions& options)
      : fd_(fd), host_(std::move(host)), options_(options) {}
  ~PlainStream() override { ::close(fd_); }
  PlainStream(const PlainStream&) = delete;
  PlainStream& operator=(const PlainStream&) = delete;

  Result<void> write(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent > 0) {
        bytes.remove_prefix(static_cast<std::size_t>(sent));
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        CLOUDOS_CHECK(wait(POLLOUT, options_.stall_time));
      } else if (errno != EINTR) {
        return unreachable(host_, std::strerror(errno));
      }
    }
    return Result<void>();
  }
  Result<std::size_t> read(std::span<std::byte> buffer) override {
    for (;;) {
      const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno == EAGAIN || errno == EWOULDBLOCK) {
        CLOUDOS_CHECK(wait(POLLIN, options_.stall_time));
      } else if (errno != EINTR) {
        return unreachable(host_, std::strerror(errno));
      }
    }
  }
  /// Until the socket is ready. Errors: Timeout, and what go_on says.
  Result<void> wait(short events, Milliseconds patience) const {
    const SteadyTime until = std::chrono::steady_clock::now() + patience;
    for (;;) {
      if (options_.go_on) CLOUDOS_CHECK(options_.go_on());
      const auto left = std::chrono::ceil<Milliseconds>(until - std::chrono::steady_clock::now());
      if (left.count() <= 0) {
        return fail(ErrorCode::Timeout, fmt::format("{} did not answer in time", host_));
      }
      pollfd waiting{fd_, events, 0};
      const int ready = ::poll(&waiting, 1, static_cast<int>(std::min(left, kAskEvery).count()));
      if (ready > 0) return Result<void>();
      if (ready < 0 && errno != EINTR) return unreachable(host_, std::strerror(errno));
    }
  }

 private:
  const int fd_;
  const std::string host_;
  const StreamOptions options_;
};

struct FreeTls {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* session) const { SSL_free(session); }
};

std::string tls_reason() {
  char text[256] = "no reason given";
  const unsigned long error = ERR_get_error();
  if (error != 0) ERR_error_string_n(error, text, sizeof text);
  ERR_clear_error();
  return text;
}

class TlsStream final : public FetchStream {
 public:
  explicit TlsStream(std::unique_ptr<PlainStream> plain, std::string host)
      : plain_(std::move(plain)), host_(std::move(host)) {}

  Result<void> open(const Url& url, const StreamOptions& options) {
    context_.reset(SSL_CTX_new(TLS_client_method()));
    if (!context_) return broken();
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    const int loaded = options.ca_file.empty()
                           ? SSL_CTX_set_default_verify_paths(context_.get())
                           : SSL_CTX_load_verify_file(context_.get(), options.ca_file.c_str());
    if (loaded != 1) return broken();
    session_.reset(SSL_new(context_.get()));
    if (!session_) return broken();
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(session_.get(), in_, out_);  // Owns both.
    if (url.address) {
      if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session_.get()), url.host.c_str()) != 1)
        return broken();
    } else {
      SSL_set_hostflags(session_.get(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
      if (SSL_set1_host(session_.get(), url.host.c_str()) != 1) return broken();
      if (SSL_set_tlsext_host_name(session_.get(), url.host.c_str()) != 1) return broken();
    }
    CLOUDOS_TRY(const int done, run([&] { return SSL_connect(session_.get()); }));
    if (done == 1) return Result<void>();
    const long verdict = SSL_get_verify_result(session_.get());
    if (verdict != X509_V_OK) {
      ERR_clear_error();
      return unreachable(host_, fmt::format("its certificate is not trusted ({})",
                                            X509_verify_cert_error_string(verdict)));
    }
    return broken();
  }
  Result<void> write(std::string_view bytes) override {
    CLOUDOS_TRY(const int sent, run([&] {
      return SSL_write(session_.get(), bytes.data(), static_cast<int>(bytes.size()));
    }));
    if (sent <= 0) return broken();
    return flush();
  }
  Result<std::size_t> read(std::span<std::byte> buffer) override {
    const int most = static_cast<int>(std::min<std::size_t>(buffer.size(), INT32_MAX));
    CLOUDOS_TRY(const int got, run([&] { return SSL_read(session_.get(), buffer.data(), most); }));
    if (got > 0) return static_cast<std::size_t>(got);
    if (SSL_get_error(session_.get(), got) == SSL_ERROR_ZERO_RETURN) return std::size_t{0};
    return broken();  // Also an end without goodbye: somebody else may have cut it.
  }

 private:
  Failure broken() const {
    return unreachable(host_, fmt::format("TLS failed ({})", tls_reason()));
  }
  Result<void> flush() {
    char piece[16'384];
    for (;;) {
      const int got = BIO_read(out_, piece, sizeof piece);
      if (got <= 0) return Result<void>();
      CLOUDOS_CHECK(plain_->write({piece, static_cast<std::size_t>(got)}));
    }
  }
  /// Calls until OpenSSL wants no more bytes of the network; what the last call returned.
  template <class Call>
  Result<int> run(const Call& call) {
    for (;;) {
      ERR_clear_error();
      const int result = call();
      CLOUDOS_CHECK(flush());
      if (result > 0 || SSL_get_error(session_.get(), result) != SSL_ERROR_WANT_READ) return result;
      std::array<std::byte, 16'384> piece;
      CLOUDOS_TRY(const std::size_t got, plain_->read(piece));
      if (got == 0) return -1;
      if (BIO_write(in_, piece.data(), static_cast<int>(got)) != static_cast<int>(got)) return -1;
    }
  }

  std::unique_ptr<PlainStream> plain_;
  std::string host_;
  std::unique_ptr<SSL_CTX, FreeTls> context_;
  std::unique_ptr<SSL, FreeTls> session_;
  BIO* in_ = nullptr;
  BIO* out_ = nullptr;
};

socklen_t fill_address(const Address& address, std::uint16_t port, sockaddr_storage& storage) {
  storage = {};
  if (address.is_v4()) {
    auto* in = reinterpret_cast<sockaddr_in*>(&storage);
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    std::memcpy(&in->sin_addr, address.bytes.data() + 12, 4);
    return sizeof *in;
  }
  auto* in = reinterpret_cast<sockaddr_in6*>(&storage);
  in->sin6_family = AF_INET6;
  in->sin6_port = htons(port);
  std::memcpy(&in->sin6_addr, address.bytes.data(), 16);
  return sizeof *in;
}

Result<std::unique_ptr<PlainStream>> connect_plain(const Url& url, const Address& address,
                                                   const StreamOptions& options) {
  sockaddr_storage storage;
  const socklen_t length = fill_address(address, url.port, storage);
  const int fd = ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return unreachable(url.host, std::strerror(errno));
  auto stream = std::make_unique<PlainStream>(fd, url.host, options);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&storage), length) == 0) return stream;
  if (errno != EINPROGRESS && errno != EINTR) return unreachable(url.host, std::strerror(errno));
  CLOUDOS_CHECK(stream->wait(POLLOUT, options.connect_time));
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return unreachable(url.host, std::strerror(error));
  return stream;
}

}  // namespace

Result<std::unique_ptr<FetchStream>> connect_stream(const Url& url,
                                                    const std::vector<Address>& addresses,
                                                    const StreamOptions& options) {
  std::unique_ptr<PlainStream> plain;
  for (const Address& address : addresses) {
    auto connected = connect_plain(url, address, options);
    if (connected) {
      plain = std::move(*connected);
      break;
    }
    if (options.go_on) CLOUDOS_CHECK(options.go_on());
    if (&address == &addresses.back()) return fail(connected.error());
  }
  if (!plain) return unreachable(url.host, "it has no address");
  if (url.scheme == "http") return std::unique_ptr<FetchStream>(std::move(plain));
  auto secure = std::make_unique<TlsStream>(std::move(plain), url.host);
  CLOUDOS_CHECK(secure->open(url, options));
  return std::unique_ptr<FetchStream>(std::move(secure));
}

}  // namespace cloudos::image

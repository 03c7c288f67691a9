#include "cloudosd/tls.hpp"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <fstream>
#include <vector>

namespace cloudosd {
namespace {

using cloudos::ErrorCode;
using cloudos::fail;
using cloudos::Result;

constexpr std::size_t kRecord = 16 << 10;         // The largest of TLS.
constexpr std::size_t kFilePiece = 256 << 10;     // Read at once.
constexpr std::uintmax_t kPemBytes = 1 << 20;
constexpr std::size_t kChainCertificates = 16;
// For 1.2; those of 1.3 are all good. Forward secrecy, and no modes that need care with padding.
constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr const char* kGroups = "X25519:P-256:P-384";
constexpr std::string_view kPlainClient =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 45\r\n"
    "Connection: close\r\n\r\nThis port speaks TLS: use an https:// address";

struct Free {
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
  void operator()(SSL* p) const { SSL_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(BIO* p) const { BIO_free(p); }
  void operator()(BIO_METHOD* p) const { BIO_meth_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

/// OpenSSL's last words on what went wrong; empties its queue.
std::string openssl_reason() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code ? ERR_reason_error_string(code) : nullptr;
  ERR_clear_error();
  return reason ? reason : "unknown reason";
}

cloudos::Failure bad_file(const std::filesystem::path& path, std::string_view why) {
  return fail(ErrorCode::InvalidArgument, fmt::format("TLS: {}: {}.", path.string(), why));
}

/// In memory, so that a file that is replaced meanwhile is read once and as a whole.
Result<std::string> read_pem(const std::filesystem::path& path, std::string_view what) {
  if (path.empty())
    return fail(ErrorCode::InvalidArgument, fmt::format("TLS needs {} in a PEM file.", what));
  std::error_code ec;
  if (!std::filesystem::is_regular_file(path, ec))
    return bad_file(path, ec ? ec.message() : "it is no file");
  if (std::filesystem::file_size(path, ec) > kPemBytes) return bad_file(path, "it is too large");
  std::ifstream in(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), {});
  if (!in) return bad_file(path, "it cannot be read");
  return text;
}

Owned<BIO> reader_of(const std::string& text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// Nobody is there to ask, and a prompt on a terminal would hang the start.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

Result<std::vector<Owned<X509>>> read_certificates(const std::filesystem::path& path) {
  CLOUDOS_TRY(const std::string text, read_pem(path, "the server's certificate"));
  const auto bio = reader_of(text);
  std::vector<Owned<X509>> found;
  while (found.size() <= kChainCertificates) {
    Owned<X509> one(PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr));
    if (!one) break;
    found.push_back(std::move(one));
  }
  const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  const std::string reason = openssl_reason();
  if (found.empty()) return bad_file(path, "it holds no certificate in PEM form");
  if (!ended) return bad_file(path, fmt::format("a certificate in it is damaged: {}", reason));
  return found;
}

Result<Owned<EVP_PKEY>> read_key(const std::filesystem::path& path) {
  CLOUDOS_TRY(const std::string text, read_pem(path, "the certificate's key"));
  const auto bio = reader_of(text);
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  if (key) return key;
  if (text.find("ENCRYPTED") != text.npos)
    return bad_file(path, "the key is encrypted, and nobody is there to unlock it");
  return bad_file(path, "it holds no private key in PEM form");
}

/// HTTP/1.1 or nothing: a client that speaks only other protocols is better off with an error now.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* in, unsigned in_size, void*) {
  static constexpr unsigned char kHttp[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kHttp, sizeof kHttp - 1, in, in_size) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

/// OpenSSL's own socket BIO raises SIGPIPE; this one does not.
int bio_write(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const auto socket = static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
  const ssize_t sent = ::send(socket, bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}
int bio_read(BIO* bio, char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const auto socket = static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
  const ssize_t got = ::recv(socket, bytes, static_cast<std::size_t>(size), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  return static_cast<int>(got);
}
long bio_control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

Owned<BIO_METHOD> socket_method() {
  Owned<BIO_METHOD> method(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket"));
  BIO_meth_set_write(method.get(), bio_write);
  BIO_meth_set_read(method.get(), bio_read);
  BIO_meth_set_ctrl(method.get(), bio_control);
  return method;
}

class TlsTransport final : public Transport {
 public:
  TlsTransport(Owned<SSL> ssl, int socket, std::shared_ptr<BIO_METHOD> method)
      : method_(std::move(method)), ssl_(std::move(ssl)), socket_(socket) {}

  Io handshake() override {
    ERR_clear_error();
    const int result = SSL_accept(ssl_.get());
    if (result == 1) return Io::Done;
    const Io io = outcome(result);
    if (io == Io::Failed || io == Io::End) greet_plain_client();
    return io;
  }

  Moved read(std::span<char> out) override {
    ERR_clear_error();
    std::size_t got = 0;
    const int result = SSL_read_ex(ssl_.get(), out.data(), out.size(), &got);
    if (result == 1 && got > 0) return {Io::Done, got};
    return {outcome(result)};
  }

  Moved write(std::string_view first, std::string_view second) override {
    if (first.empty()) return write_record(second.substr(0, kRecord));
    if (second.empty() || first.size() >= kRecord) return write_record(first.substr(0, kRecord));
    // One record for a head and what fits of its body: half the packets, half the cost.
    std::array<char, kRecord> record;
    const std::size_t more = std::min(second.size(), kRecord - first.size());
    std::memcpy(record.data(), first.data(), first.size());
    std::memcpy(record.data() + first.size(), second.data(), more);
    return write_record({record.data(), first.size() + more});
  }

  /// As many records as the socket takes of one piece that is read at once.
  Moved send_file(int file, std::uint64_t offset, std::uint64_t most) override {
    thread_local std::vector<char> piece(kFilePiece);
    std::size_t held = 0;
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(most, piece.size()));
    while (held < wanted) {
      const ssize_t got =
          ::pread(file, piece.data() + held, wanted - held, static_cast<off_t>(offset + held));
      if (got > 0) held += static_cast<std::size_t>(got);
      else if (got == 0 || errno != EINTR) break;
    }
    if (held == 0) return {Io::Failed};
    std::size_t sent = 0;
    while (sent < held) {
      // What does not go now is read again: the same bytes from the same place.
      const Moved moved = write_record({piece.data() + sent, std::min(kRecord, held - sent)});
      if (moved.io != Io::Done) return sent > 0 ? Moved{Io::Done, sent} : moved;
      sent += moved.bytes;
    }
    return {Io::Done, sent};
  }

  bool holds_bytes() const override { return SSL_has_pending(ssl_.get()) == 1; }

  void finish() override {
    ERR_clear_error();
    if (!broken_) SSL_shutdown(ssl_.get());
    ERR_clear_error();
    ::shutdown(socket_, SHUT_WR);
  }

  Moved drop() override {
    std::array<char, kRecord> nowhere;
    const ssize_t got = ::recv(socket_, nowhere.data(), nowhere.size(), 0);
    if (got > 0) return {Io::Done, static_cast<std::size_t>(got)};
    if (got == 0) return {Io::End};
    return {errno == EAGAIN || errno == EINTR ? Io::WantRead : Io::Failed};
  }

 private:
  Moved write_record(std::string_view bytes) {
    ERR_clear_error();
    std::size_t sent = 0;
    const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &sent);
    if (result == 1 && sent > 0) return {Io::Done, sent};
    return {outcome(result)};
  }

  Io outcome(int result) {
    switch (SSL_get_error(ssl_.get(), result)) {
      case SSL_ERROR_WANT_READ:
        return Io::WantRead;
      case SSL_ERROR_WANT_WRITE:
        return Io::WantWrite;
      case SSL_ERROR_ZERO_RETURN:
        return Io::End;
      default:
        broken_ = true;  // SSL_shutdown() must not follow.
        return Io::Failed;
    }
  }

  void greet_plain_client() {
    if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST)
      [[maybe_unused]] const ssize_t sent =
          ::send(socket_, kPlainClient.data(), kPlainClient.size(), MSG_NOSIGNAL);
    ERR_clear_error();
  }

  std::shared_ptr<BIO_METHOD> method_;  // Shared with the context, which may be replaced before.
  Owned<SSL> ssl_;
  const int socket_;
  bool broken_ = false;
};

cloudos::WallTime time_of(const ASN1_TIME* text) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(text, &parts) != 1) return {};
  return cloudos::WallTime(std::chrono::seconds(::timegm(&parts)));
}

}  // namespace

struct TlsContext::Impl {
  Owned<SSL_CTX> ctx{SSL_CTX_new(TLS_server_method())};
  std::shared_ptr<BIO_METHOD> method{socket_method().release(), Free{}};

  void settle(bool only_1_3);
  Result<void> take(const TlsFiles& files);
};

void TlsContext::Impl::settle(bool only_1_3) {
  SSL_CTX_set_min_proto_version(ctx.get(), only_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(ctx.get(), kCiphers);
  SSL_CTX_set1_groups_list(ctx.get(), kGroups);
  SSL_CTX_set_options(ctx.get(), SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_NO_TICKET | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_num_tickets(ctx.get(), 0);
  SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_OFF);
  // Idle connections hold no buffers; writes go on where they stopped, from wherever the bytes are.
  SSL_CTX_set_mode(ctx.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(ctx.get(), 1);
  SSL_CTX_set_alpn_select_cb(ctx.get(), choose_protocol, nullptr);
}

Result<void> TlsContext::Impl::take(const TlsFiles& files) {
  CLOUDOS_TRY(auto certificates, read_certificates(files.certificate));
  if (!files.chain.empty()) {
    CLOUDOS_TRY(auto more, read_certificates(files.chain));
    std::move(more.begin(), more.end(), std::back_inserter(certificates));
  }
  CLOUDOS_TRY(const auto key, read_key(files.key));
  if (SSL_CTX_use_certificate(ctx.get(), certificates[0].get()) != 1)
    return bad_file(files.certificate,
                    fmt::format("the certificate is of no use: {}", openssl_reason()));
  if (X509_check_private_key(certificates[0].get(), key.get()) != 1) {
    ERR_clear_error();
    return bad_file(files.key, fmt::format("it is not the key of the certificate in {}",
                                           files.certificate.string()));
  }
  if (SSL_CTX_use_PrivateKey(ctx.get(), key.get()) != 1)
    return bad_file(files.key, fmt::format("the key is of no use: {}", openssl_reason()));
  for (std::size_t i = 1; i < certificates.size(); ++i)
    if (SSL_CTX_add1_chain_cert(ctx.get(), certificates[i].get()) != 1)
      return bad_file(files.chain.empty() ? files.certificate : files.chain,
                      fmt::format("certificate {} is of no use: {}", i + 1, openssl_reason()));
  return Result<void>();
}

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {
  const X509* certificate = SSL_CTX_get0_certificate(impl_->ctx.get());
  not_before_ = time_of(X509_get0_notBefore(certificate));
  not_after_ = time_of(X509_get0_notAfter(certificate));
  std::array<char, 256> name{};
  X509_NAME_oneline(X509_get_subject_name(certificate), name.data(), name.size());
  summary_ = fmt::format("{}, until {}", name.data(), cloudos::format_time(not_after_));
}

TlsContext::~TlsContext() = default;

Result<std::shared_ptr<const TlsContext>> TlsContext::load(const TlsFiles& files) {
  auto impl = std::make_unique<Impl>();
  if (!impl->ctx) return fail(ErrorCode::Unavailable, "TLS is out of memory.", openssl_reason());
  impl->settle(files.only_1_3);
  CLOUDOS_CHECK(impl->take(files));
  return std::shared_ptr<const TlsContext>(new TlsContext(std::move(impl)));
}

std::unique_ptr<Transport> TlsContext::transport(int socket) const {
  Owned<SSL> ssl(SSL_new(impl_->ctx.get()));
  BIO* bio = ssl ? BIO_new(impl_->method.get()) : nullptr;
  if (!bio) return nullptr;
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(socket)));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl.get(), bio, bio);  // Takes it.
  return std::make_unique<TlsTransport>(std::move(ssl), socket, impl_->method);
}

}  // namespace cloudosd

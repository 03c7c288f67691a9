#include "http.hpp"

#include <fmt/format.h>
#include <httplib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "base/text.hpp"

namespace cli {

using cloudos::ErrorCode;
using cloudos::fail;
using cloudos::Result;

namespace {

constexpr std::chrono::seconds kConnectTime{10};
constexpr std::chrono::seconds kReplyTime{120};
constexpr std::size_t kRefusalBytes = 64 << 10;

/// "http://host:port" and "/path?query".
std::pair<std::string, std::string> split_url(const std::string& url) {
  const auto scheme = url.find("://");
  if (scheme == url.npos) return {};
  const auto slash = url.find('/', scheme + 3);
  if (slash == url.npos) return {url, "/"};
  return {url.substr(0, slash), url.substr(slash)};
}

Result<HttpReply> failed_send(httplib::Error error, const std::string& base) {
  switch (error) {
    case httplib::Error::Connection:
    case httplib::Error::ConnectionTimeout:
      return fail(
          ErrorCode::Unavailable,
          fmt::format("No cloud answers at {}. Is cloudosd running, and is that its address?",
                      base));
    case httplib::Error::SSLConnection:
    case httplib::Error::SSLLoadingCerts:
    case httplib::Error::SSLServerVerification:
      return fail(
          ErrorCode::Unavailable,
          fmt::format("The certificate of {} cannot be trusted: set OS_CACERT, or cacert in "
                      "clouds.yaml.",
                      base));
    case httplib::Error::Read:
      return fail(ErrorCode::Timeout,
                  fmt::format("{} broke off, or took longer than {} s. Try again.", base,
                              kReplyTime.count()));
    default:
      return fail(ErrorCode::Unavailable, fmt::format("The exchange with {} failed: {}. Try again.",
                                                      base, httplib::to_string(error)));
  }
}

}  // namespace

std::string HttpReply::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (cloudos::equals_ignore_case(key, name)) return value;
  return {};
}

struct Http::Impl {
  Settings settings;
  std::map<std::string, std::unique_ptr<httplib::Client>> clients;

  httplib::Client* client_for(const std::string& base) {
    auto& client = clients[base];
    if (client) return client.get();
    client = std::make_unique<httplib::Client>(base);
    if (!client->is_valid()) return nullptr;
    client->set_tcp_nodelay(true);  // Or each request waits 40 ms for an acknowledgement.
    client->set_keep_alive(true);
    client->set_url_encode(false);  // Ours are escaped already.
    client->set_connection_timeout(kConnectTime);
    client->set_read_timeout(kReplyTime);
    client->set_write_timeout(kReplyTime);
    client->enable_server_certificate_verification(settings.verify);
    if (!settings.ca_file.empty()) client->set_ca_cert_path(settings.ca_file.c_str());
    return client.get();
  }

  /// The reply's body goes to the file, but for the words of a refusal.
  static void attach_download(httplib::Request& out, std::ofstream& file, std::string& refusal,
                              int& status) {
    out.response_handler = [&status](const httplib::Response& response) {
      status = response.status;
      return true;
    };
    out.content_receiver = [&](const char* data, std::size_t size, std::uint64_t, std::uint64_t) {
      if (status >= 400) {
        refusal.append(data, std::min<std::size_t>(size, kRefusalBytes - refusal.size()));
        return true;
      }
      file.write(data, static_cast<std::streamsize>(size));
      return file.good();
    };
  }

  Result<void> attach_upload(httplib::Request& out, const std::string& path) {
    std::error_code ec;
    const auto size = std::filesystem::file_size(path, ec);
    auto file =
        std::make_shared<std::ifstream>(path, std::ios::binary);  // Shared with the closure.
    if (ec || !*file)
      return fail(ErrorCode::InvalidArgument, fmt::format("Cannot read the file {}.", path));
    out.content_length_ = size;
    out.content_provider_ = [file, size, this](std::size_t offset, std::size_t length,
                                               httplib::DataSink& sink) {
      std::string piece(std::min<std::size_t>(length, 256 << 10), '\0');
      file->seekg(static_cast<std::streamoff>(offset));
      file->read(piece.data(), static_cast<std::streamsize>(piece.size()));
      if (file->gcount() <= 0) return false;
      const auto count = static_cast<std::size_t>(file->gcount());
      if (!sink.write(piece.data(), count)) return false;
      if (settings.progress) settings.progress(offset + count, size);
      return true;
    };
    return Result<void>();
  }
};

Http::Http(Settings settings) : impl_(std::make_unique<Impl>()) {
  impl_->settings = std::move(settings);
}
Http::~Http() = default;
Http::Http(Http&&) noexcept = default;

Result<HttpReply> Http::send(const HttpRequest& request) {
  const auto [base, target] = split_url(request.url);
  httplib::Client* client = base.empty() ? nullptr : impl_->client_for(base);
  if (!client)
    return fail(ErrorCode::InvalidArgument,
                fmt::format("'{}' is not an http:// URL.", request.url));
  httplib::Request out;
  out.method = request.method;
  out.path = target;
  for (const auto& [name, value] : request.headers) out.set_header(name, value);
  if (!request.upload.empty()) {
    CLOUDOS_CHECK(impl_->attach_upload(out, request.upload));
    out.set_header("Content-Type", "application/octet-stream");
  } else if (!request.body.empty()) {
    out.body = request.body;
    out.set_header("Content-Type", request.content_type);
  }
  std::ofstream file;
  std::string refusal;
  int status = 0;
  if (!request.download.empty()) {
    file.open(request.download, std::ios::binary | std::ios::trunc);
    if (!file)
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("Cannot write the file {}.", request.download));
    impl_->attach_download(out, file, refusal, status);
  }
  const auto result = client->send(out);
  if (file.is_open()) {
    file.close();
    const bool whole = result && result->status < 400 && file.good();
    // Half an image looks like an image.
    if (!whole) ::unlink(request.download.c_str());
    if (result && result->status < 400 && !whole)
      return fail(ErrorCode::StorageFull,
                  fmt::format("Cannot write {} to its end.", request.download));
  }
  if (!result) return failed_send(result.error(), base);
  HttpReply reply;
  reply.status = result->status;
  reply.body = refusal.empty() ? result->body : refusal;
  for (const auto& [name, value] : result->headers) reply.headers.emplace_back(name, value);
  return reply;
}

}  // namespace cli

// Images over HTTP, beside what the disk, the checksums and a plain file server cost.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <optional>
#include <thread>

#include "bench.hpp"
#include "daemon.hpp"
#include "http_load.hpp"
#include "peer.hpp"
#include "seed.hpp"

namespace cloudos::bench {
namespace {

constexpr std::size_t kPieceBytes = 256 << 10;

/// A client that costs as little as one can.
class Pipe {
 public:
  explicit Pipe(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      give_up("image: cannot connect");
  }
  ~Pipe() { ::close(fd_); }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) give_up("image: the other side went away");
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  /// The reply's head; what came behind it is counted in `body`.
  std::string head(std::uint64_t& body) {
    std::string text;
    while (text.find("\r\n\r\n") == text.npos) {
      const ssize_t got = ::recv(fd_, buffer_.data(), buffer_.size(), 0);
      if (got <= 0) give_up("image: no reply");
      text.append(buffer_.data(), static_cast<std::size_t>(got));
    }
    const auto end = text.find("\r\n\r\n") + 4;
    body = text.size() - end;
    if (!text.starts_with("HTTP/1.1 2")) give_up("image: " + text.substr(0, 400));
    return text.substr(0, end);
  }
  void drop(std::uint64_t bytes) {
    while (bytes > 0) {
      const ssize_t got = ::recv(fd_, buffer_.data(), buffer_.size(), 0);
      if (got <= 0) give_up("image: the download was cut");
      bytes -= std::min(bytes, static_cast<std::uint64_t>(got));
    }
  }

 private:
  int fd_;
  std::vector<char> buffer_ = std::vector<char>(kPieceBytes);
};

double mib_per_second(std::uint64_t bytes, std::chrono::steady_clock::time_point began) {
  return static_cast<double>(bytes) / (1 << 20) / (ms_since(began) / 1'000);
}

std::string noise_piece() {
  std::string piece(kPieceBytes, '\0');
  std::uint64_t state = 88'172'645'463'325'252u;
  for (char& c : piece) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    c = static_cast<char>(state >> 32);
  }
  return piece;
}

std::string record_image(const Daemon& daemon, const std::string& token) {
  const std::string body = R"({"name":"i","disk_format":"raw","container_format":"bare"})";
  const std::string reply = ask_once(
      daemon.port(),
      fmt::format("POST /image/v2/images HTTP/1.1\r\nHost: localhost\r\nX-Auth-Token: {}\r\n"
                  "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                  token, body.size(), body));
  const auto at = reply.find("/image/v2/images/");
  if (at == reply.npos) give_up("image: " + reply.substr(0, 400));
  return reply.substr(at + 17, 36);
}

void remove_image(const Daemon& daemon, const std::string& token, const std::string& id) {
  ask_once(daemon.port(), fmt::format("DELETE /image/v2/images/{} HTTP/1.1\r\nHost: localhost\r\n"
                                      "X-Auth-Token: {}\r\n\r\n",
                                      id, token));
}

double upload(const Daemon& daemon, const std::string& token, const std::string& id,
              std::uint64_t size, const std::string& piece) {
  Pipe pipe(daemon.port());
  const auto began = std::chrono::steady_clock::now();
  pipe.send(
      fmt::format("PUT /image/v2/images/{}/file HTTP/1.1\r\nHost: localhost\r\n"
                  "X-Auth-Token: {}\r\nContent-Type: application/octet-stream\r\n"
                  "Content-Length: {}\r\n\r\n",
                  id, token, size));
  for (std::uint64_t sent = 0; sent < size; sent += piece.size()) pipe.send(piece);
  std::uint64_t more = 0;
  pipe.head(more);
  return mib_per_second(size, began);
}

double download(std::uint16_t port, const std::string& request, std::uint64_t size) {
  Pipe pipe(port);
  const auto began = std::chrono::steady_clock::now();
  pipe.send(request);
  std::uint64_t have = 0;
  pipe.head(have);
  pipe.drop(size - std::min(size, have));
  return mib_per_second(size, began);
}

/// One pass of the same checksums over a file, and a durable copy of it: one after the other.
double hash_and_copy(const std::filesystem::path& from, const std::filesystem::path& to,
                     std::uint64_t size) {
  EVP_MD_CTX* const md5 = EVP_MD_CTX_new();
  EVP_MD_CTX* const sha512 = EVP_MD_CTX_new();
  EVP_DigestInit_ex(md5, EVP_md5(), nullptr);
  EVP_DigestInit_ex(sha512, EVP_sha512(), nullptr);
  std::vector<char> buffer(kPieceBytes);
  const int source = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
  const int target = ::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (source < 0 || target < 0) give_up("image: the reference's files do not open");
  const auto began = std::chrono::steady_clock::now();
  for (ssize_t got; (got = ::read(source, buffer.data(), buffer.size())) > 0;) {
    EVP_DigestUpdate(md5, buffer.data(), static_cast<std::size_t>(got));
    EVP_DigestUpdate(sha512, buffer.data(), static_cast<std::size_t>(got));
    if (::write(target, buffer.data(), static_cast<std::size_t>(got)) != got)
      give_up("image: the disk is full");
  }
  ::fsync(target);
  const double rate = mib_per_second(size, began);
  ::close(source);
  ::close(target);
  EVP_MD_CTX_free(md5);
  EVP_MD_CTX_free(sha512);
  std::filesystem::remove(to);
  return rate;
}

/// nginx where there is one, in a folder of its own; else the least that a file server can do: a
/// loop of sendfile().
class FilePeer {
 public:
  FilePeer(const std::filesystem::path& folder, const std::filesystem::path& file,
           std::uint64_t size)
      : file_(file), size_(size) {
    if (std::filesystem::exists("/usr/sbin/nginx")) {
      start_nginx(folder);
      return;
    }
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
        ::listen(listener_, 4) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) != 0)
      give_up("image: no port for the reference");
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~FilePeer() {
    if (nginx_ > 0) {
      ::kill(nginx_, SIGQUIT);
      ::waitpid(nginx_, nullptr, 0);
      return;
    }
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  FilePeer(const FilePeer&) = delete;
  FilePeer& operator=(const FilePeer&) = delete;
  std::uint16_t port() const { return port_; }
  std::string name() const { return nginx_ > 0 ? "nginx" : "a loop of sendfile()"; }

 private:
  void start_nginx(const std::filesystem::path& folder) {
    std::filesystem::create_directories(folder);
    for (int attempt = 0; attempt < 20; ++attempt) {
      port_ = static_cast<std::uint16_t>(20'000 + (::getpid() * 7 + attempt * 131) % 20'000);
      std::ofstream(folder / "nginx.conf") << fmt::format(
          "{3}daemon off; pid {0}/pid; error_log {0}/error.log; worker_processes 2;\n"
          "events {{ worker_connections 64; }}\n"
          "http {{ access_log off; sendfile on; tcp_nopush on;\n"
          "  client_body_temp_path {0}/a; proxy_temp_path {0}/b;\n"
          "  fastcgi_temp_path {0}/c; uwsgi_temp_path {0}/d; scgi_temp_path {0}/e;\n"
          "  server {{ listen 127.0.0.1:{1}; root {2}; }} }}\n",
          folder.string(), port_, file_.parent_path().string(),
          ::geteuid() == 0 ? "user root; " : "");
      const std::string conf = folder / "nginx.conf";
      const char* argv[] = {"/usr/sbin/nginx", "-p", folder.c_str(), "-c", conf.c_str(), nullptr};
      if (::posix_spawn(&nginx_, argv[0], nullptr, nullptr, const_cast<char**>(argv), environ))
        give_up("image: nginx does not start");
      for (int wait = 0; wait < 50; ++wait) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        if (::waitpid(nginx_, nullptr, WNOHANG) == nginx_) break;
        if (!ask_once(port_, "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").empty())
          return;
      }
    }
    give_up("image: nginx does not answer");
  }
  void serve() {
    while (true) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      char head[4'096];
      (void)!::recv(fd, head, sizeof head, 0);
      const std::string reply = fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", size_);
      (void)!::send(fd, reply.data(), reply.size(), MSG_NOSIGNAL);
      const int file = ::open(file_.c_str(), O_RDONLY | O_CLOEXEC);
      off_t at = 0;
      while (::sendfile(fd, file, &at, 1 << 20) > 0) {
      }
      ::close(file);
      ::close(fd);
    }
  }
  const std::filesystem::path file_;
  const std::uint64_t size_;
  pid_t nginx_ = -1;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

double rss_anon_mib(pid_t pid) {
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssAnon:")) return std::strtod(line.c_str() + 8, nullptr) / 1'024;
  return 0;
}

/// The most of it while something lasts.
class MemoryWatch {
 public:
  explicit MemoryWatch(pid_t pid)
      : thread_([this, pid] {
          while (!stop_) {
            most_ = std::max(most_.load(), rss_anon_mib(pid));
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
          }
        }) {}
  ~MemoryWatch() { end(); }
  double end() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    return most_;
  }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<double> most_{0};
  std::thread thread_;
};

std::string get_image_file(const std::string& id, const std::string& token) {
  return Daemon::get("/image/v2/images/" + id + "/file", "X-Auth-Token: " + token + "\r\n");
}

void bench_transfers(const Settings& settings, const Daemon& daemon, const std::string& token,
                     std::vector<Figure>& figures) {
  const std::uint64_t size = settings.quick ? 8 << 20 : std::uint64_t{1} << 30;
  const int rounds = settings.quick ? 1 : 5;
  const std::string piece = noise_piece();
  const auto folder = settings.folder / "image-peer";
  std::filesystem::create_directories(folder);
  const auto source = folder / "payload";
  {
    std::ofstream out(source, std::ios::binary);
    for (std::uint64_t at = 0; at < size; at += piece.size()) out << piece;
  }
  const FilePeer peer(folder / "nginx", source, size);
  Rounds up, down, memory;
  for (int round = 0; round < rounds; ++round) {
    const std::string id = record_image(daemon, token);
    const double idle = rss_anon_mib(daemon.pid());
    MemoryWatch watch(daemon.pid());
    const double ours = upload(daemon, token, id, size, piece);
    up.add(ours, hash_and_copy(source, folder / "copy", size));
    const double fetched = download(daemon.port(), get_image_file(id, token), size);
    memory.add(watch.end(), idle);
    down.add(fetched, download(peer.port(), Daemon::get("/payload"), size));
    remove_image(daemon, token, id);
  }
  if (settings.wants("image.upload"))
    figures.push_back(up.figure("image.upload",
                                "PUT of the data, beside md5, sha512 and a durable copy", "MiB/s"));
  if (settings.wants("image.download"))
    figures.push_back(
        down.figure("image.download", "GET of the data, beside " + peer.name(), "MiB/s"));
  if (settings.wants("image.memory"))
    figures.push_back(memory.figure(
        "image.memory", "most RssAnon while it is sent both ways, beside before", "MiB"));
  std::filesystem::remove_all(folder);
}

void bench_list(const Settings& settings, const Daemon& daemon, const std::string& token,
                std::vector<Figure>& figures) {
  const int count = settings.quick ? 20 : 1'000;
  for (int i = 0; i < count; ++i) record_image(daemon, token);
  const std::string list = Daemon::get(fmt::format("/image/v2/images?limit={}", count),
                                       "X-Auth-Token: " + token + "\r\n");
  const HelloServer hello(2);
  const auto during = std::chrono::milliseconds(settings.quick ? 50 : 1'500);
  const auto warm_up = during / 5;
  Rounds rounds;
  for (int round = 0; round < (settings.quick ? 1 : 5); ++round) {
    double cpu_us = 0;
    const Load ours = daemon.drive(list, 1, warm_up, during, cpu_us);
    const Load plain = drive(hello.port(), "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1, warm_up, during);
    rounds.add(ours.per_second, plain.per_second, cpu_us);
  }
  figures.push_back(rounds.figure(
      "image.list_1000", "GET of a page of 1,000 images, one connection, beside hello world",
      "requests/s"));
  for (Figure& figure : bench_image_peer(settings, daemon, list))
    figures.push_back(std::move(figure));
}

}  // namespace

std::vector<Figure> bench_image(const Settings& settings) {
  const Daemon daemon(settings.folder / "image");
  const std::string token = daemon.token();
  std::vector<Figure> figures;
  if (settings.wants("image.upload") || settings.wants("image.download") ||
      settings.wants("image.memory"))
    bench_transfers(settings, daemon, token, figures);
  if (settings.wants("image.list_1000")) bench_list(settings, daemon, token, figures);
  return figures;
}

}  // namespace cloudos::bench

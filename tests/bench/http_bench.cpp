// Tokens over HTTP, beside what HTTP alone costs.
#include <crypt.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <thread>

#include "bench.hpp"
#include "daemon.hpp"
#include "http_load.hpp"
#include "peer.hpp"
#include "seed.hpp"

namespace cloudos::bench {
namespace {

using namespace std::chrono_literals;

constexpr unsigned kClients = 16;
constexpr unsigned kIoThreads = 2;

struct Times {
  std::chrono::milliseconds warm_up, during;
  int rounds;
};

std::string must_ask(const Daemon& daemon, const std::string& request) {
  std::string reply = ask_once(daemon.port(), request);
  if (!reply.starts_with("HTTP/1.1 2")) give_up("http: " + reply.substr(0, 400));
  return reply;
}

std::string with_body(std::string_view method, const std::string& path, const std::string& token,
                      const std::string& type, const std::string& body) {
  return fmt::format(
      "{} {} HTTP/1.1\r\nHost: localhost\r\nX-Auth-Token: {}\r\nContent-Type: {}\r\n"
      "Content-Length: {}\r\n\r\n{}",
      method, path, token, type, body.size(), body);
}

/// The text behind the first `"id": "` behind `where`.
std::string id_behind(const std::string& reply, std::string_view where) {
  auto at = reply.find(where);
  at = at == reply.npos ? at : reply.find("\"id\":", at);
  const auto from = at == reply.npos ? at : reply.find('"', at + 5);
  if (from == reply.npos) give_up("http: no id in " + reply.substr(0, 400));
  return reply.substr(from + 1, reply.find('"', from + 1) - from - 1);
}

/// An image to boot from, no quota, and the request that makes a server of it.
std::string create_server(const Daemon& daemon, const std::string& token) {
  const std::string json = "application/json";
  const std::string project =
      id_behind(must_ask(daemon, Daemon::login(fmt::format(
                                     R"({{"methods":["token"],"token":{{"id":"{}"}}}})", token))),
                "\"project\":");
  must_ask(daemon, with_body("PUT", "/compute/v2.1/os-quota-sets/" + project, token, json,
                             R"({"quota_set":{"instances":-1,"cores":-1,"ram":-1}})"));
  const std::string image =
      id_behind(must_ask(daemon, with_body("POST", "/image/v2/images", token, json,
                                           R"({"name":"i","disk_format":"raw",)"
                                           R"("container_format":"bare"})")),
                "{");
  must_ask(daemon, with_body("PUT", "/image/v2/images/" + image + "/file", token,
                             "application/octet-stream", std::string(4'096, 'x')));
  return with_body(
      "POST", "/compute/v2.1/servers", token, json,
      fmt::format(R"({{"server":{{"name":"s","imageRef":"{}","flavorRef":"1"}}}})", image));
}

/// Servers are made and built behind the replies, as in life.
Figure creating(const Daemon& daemon, const std::string& token, const Times& times) {
  const std::string request = create_server(daemon, token);
  const HelloServer hello(kIoThreads);
  Rounds rounds;
  double most = 0;
  for (int i = 0; i < times.rounds; ++i) {
    const Load ours = drive(daemon.port(), request, kClients, times.warm_up, times.during);
    const Load plain = drive(hello.port(), Daemon::get("/"), kClients, times.warm_up, times.during);
    rounds.add(ours.p99_us / 1'000, plain.p99_us / 1'000);
    most = std::max(most, ours.per_second);
  }
  return rounds.figure("http.post_servers",
                       fmt::format("99th percentile of POST /servers, {} connections, up to {:.0f} "
                                   "a second; reference: hello world's",
                                   kClients, most),
                       "ms");
}

/// Logs in with passwords as fast as the server hashes, for as long as it lives.
class Logins {
 public:
  Logins(std::uint16_t port, unsigned clients) {
    for (unsigned i = 0; i < clients; ++i)
      threads_.emplace_back([this, port] {
        while (!over_) {
          if (ask_once(port, Daemon::password_login()).starts_with("HTTP/1.1 201")) ++done_;
        }
      });
  }
  ~Logins() {
    over_ = true;
    for (auto& thread : threads_) thread.join();
  }
  Logins(const Logins&) = delete;
  Logins& operator=(const Logins&) = delete;
  unsigned done() const { return done_; }

 private:
  std::atomic<bool> over_{false};
  std::atomic<unsigned> done_{0};
  std::vector<std::thread> threads_;
};

Figure against_hello(const char* name, const char* what, const Daemon& daemon,
                     const std::string& request, const Times& times) {
  const HelloServer hello(kIoThreads);
  const std::string plain = Daemon::get("/");
  Rounds rounds;
  for (int i = 0; i < times.rounds; ++i) {
    double cpu_us = 0;
    const Load ours = daemon.drive(request, kClients, times.warm_up, times.during, cpu_us);
    const Load reference = drive(hello.port(), plain, kClients, times.warm_up, times.during);
    rounds.add(ours.per_second, reference.per_second, cpu_us);
  }
  return rounds.figure(name,
                       fmt::format("{}, {} connections; reference: hello world with "
                                   "Boost.Beast, same client",
                                   what, kClients),
                       "requests/s");
}

Figure beside_hashing(const char* name, const Daemon& daemon, const std::string& request,
                      unsigned clients, const Times& times) {
  Rounds rounds;
  unsigned logins = 0;
  for (int i = 0; i < times.rounds; ++i) {
    const Load alone = drive(daemon.port(), request, clients, times.warm_up, times.during);
    const Logins busy(daemon.port(), 8);
    const Load beside = drive(daemon.port(), request, clients, times.warm_up, times.during);
    rounds.add(beside.p99_us, alone.p99_us);
    logins += busy.done();
  }
  return rounds.figure(name,
                       fmt::format("99th percentile of a validation, {} connections, while "
                                   "passwords are hashed ({} logins); reference: alone",
                                   clients, logins),
                       "us");
}

/// One login with a password at a time, beside the bare hash of the same cost.
Figure login_figure(const Daemon& daemon, const Times& times) {
  const std::string password = "bench";
  const std::string setting = "$2b$12$abcdefghijklmnopqrstuu";  // Keystone's cost, and our default.
  Rounds rounds;
  for (int i = 0; i < times.rounds; ++i) {
    const auto hashed = [&] {
      crypt_data data{};
      if (!crypt_rn(password.c_str(), setting.c_str(), &data, sizeof data)) give_up("http: bcrypt");
    };
    auto began = std::chrono::steady_clock::now();
    hashed();
    const std::chrono::duration<double, std::milli> bare = std::chrono::steady_clock::now() - began;
    // One by one, however long it takes: hashing gives way to everything else.
    std::vector<double> took;
    for (int login = 0; login < 5; ++login) {
      began = std::chrono::steady_clock::now();
      must_ask(daemon, Daemon::password_login());
      took.push_back(
          std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began)
              .count());
    }
    std::sort(took.begin(), took.end());
    rounds.add(took[took.size() / 2], bare.count());
  }
  return rounds.figure(
      "http.login",
      "a login with a password, one connection; reference: one bare bcrypt hash of "
      "cost 12",
      "ms");
}

/// GET of a list, after `count` of its things were made.
Figure projects_figure(const Daemon& daemon, const std::string& token, int count,
                       const Times& times) {
  for (int i = 0; i < count; ++i)
    must_ask(daemon, with_body("POST", "/identity/v3/projects", token, "application/json",
                               fmt::format(R"({{"project":{{"name":"proj-{}"}}}})", i)));
  return against_hello(
      "http.projects_1000", "GET /v3/projects of 1,000", daemon,
      Daemon::get("/identity/v3/projects", fmt::format("X-Auth-Token: {}\r\n", token)), times);
}

}  // namespace

std::vector<Figure> bench_http(const Settings& settings) {
  const Times times = settings.quick ? Times{10ms, 50ms, 1} : Times{300ms, 2'000ms, 7};
  const Daemon daemon(settings.folder / "http");
  const std::string token = daemon.token();
  const std::string validate =
      Daemon::get("/identity/v3/auth/tokens",
                  fmt::format("X-Auth-Token: {0}\r\nX-Subject-Token: {0}\r\n", token));
  const std::string renew =
      Daemon::login(fmt::format(R"({{"methods":["token"],"token":{{"id":"{}"}}}})", token));
  std::vector<Figure> figures;
  if (settings.wants("http.validate"))
    figures.push_back(against_hello("http.validate", "GET /v3/auth/tokens of one's own token",
                                    daemon, validate, times));
  if (settings.wants("http.token_for_token"))
    figures.push_back(against_hello("http.token_for_token", "POST /v3/auth/tokens with a token",
                                    daemon, renew, times));
  if (settings.wants("http.p99_hashing"))
    figures.push_back(beside_hashing("http.p99_hashing", daemon, validate, kClients, times));
  if (settings.wants("http.p99_hashing_one"))
    figures.push_back(beside_hashing("http.p99_hashing_one", daemon, validate, 1, times));
  if (settings.wants("http.post_servers")) figures.push_back(creating(daemon, token, times));
  if (settings.wants("http.login")) figures.push_back(login_figure(daemon, times));
  if (settings.wants("http.projects_1000"))
    figures.push_back(projects_figure(daemon, token, settings.quick ? 3 : 1'000, times));
  for (Figure& figure : bench_http_ports(settings, daemon, token))
    figures.push_back(std::move(figure));
  for (Figure& figure : bench_identity_peer(settings, daemon, token))
    figures.push_back(std::move(figure));
  return figures;
}

}  // namespace cloudos::bench

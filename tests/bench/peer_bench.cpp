// The same requests at a service of another make: --compare, --compare-images.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "peer.hpp"

namespace cloudos::bench {
namespace {

using namespace std::chrono_literals;

constexpr unsigned kPeerClients = 16;

std::string environment(const char* name, const char* fallback) {
  const char* text = std::getenv(name);
  return text ? text : fallback;
}

/// The sockets that listen on a port of this machine, as /proc names them.
std::set<std::string> listening_sockets(std::uint16_t port) {
  std::set<std::string> sockets;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream file(table);
    std::string line;
    std::getline(file, line);
    while (std::getline(file, line)) {
      std::istringstream fields(line);
      std::string slot, local, remote, state, skipped, inode;
      fields >> slot >> local >> remote >> state;
      for (int i = 0; i < 5; ++i) fields >> skipped;
      fields >> inode;
      if (state == "0A" && local.ends_with(fmt::format(":{:04X}", port)))
        sockets.insert(fmt::format("socket:[{}]", inode));
    }
  }
  return sockets;
}

/// Whoever has one of them open: a server's parent and its workers.
std::set<int> processes_behind(std::uint16_t port) {
  const auto sockets = listening_sockets(port);
  std::set<int> found;
  std::error_code error;
  for (std::filesystem::directory_iterator at("/proc", error), end; !error && at != end;
       at.increment(error)) {
    const int pid = std::atoi(at->path().filename().c_str());
    if (pid <= 0) continue;
    std::error_code hidden;
    for (std::filesystem::directory_iterator fd(at->path() / "fd", hidden), last;
         !hidden && fd != last; fd.increment(hidden)) {
      std::error_code gone;
      const auto target = std::filesystem::read_symlink(fd->path(), gone);
      if (!gone && sockets.contains(target.string())) {
        found.insert(pid);
        break;
      }
    }
  }
  return found;
}

struct PeerTimes {
  std::chrono::milliseconds warm_up, during;
  int rounds;
};
PeerTimes times_of(const Settings& settings) {
  return settings.quick ? PeerTimes{10ms, 50ms, 1} : PeerTimes{500ms, 3'000ms, 3};
}

Figure beside(const std::string& name, const std::string& what, const Daemon& daemon,
              const std::string& ours, const Peer& peer, const std::string& theirs,
              unsigned clients, const PeerTimes& times) {
  Rounds rounds;
  std::vector<double> peer_cpu_us;
  for (int i = 0; i < times.rounds; ++i) {
    double cpu_us = 0, their_us = 0;
    const Load load = daemon.drive(ours, clients, times.warm_up, times.during, cpu_us);
    const Load other = peer.drive(theirs, clients, times.warm_up, times.during, their_us);
    rounds.add(load.per_second, other.per_second, cpu_us);
    peer_cpu_us.push_back(their_us);
  }
  std::sort(peer_cpu_us.begin(), peer_cpu_us.end());
  Figure figure = rounds.figure(
      name, fmt::format("{}, {} connections; reference: {}", what, clients, peer.url()),
      "requests/s");
  figure.reference_cpu_us_per_request = peer_cpu_us[peer_cpu_us.size() / 2];
  return figure;
}

std::string json_request(std::string_view method, const std::string& path, const std::string& token,
                         const std::string& body) {
  return fmt::format(
      "{} {} HTTP/1.1\r\nHost: localhost\r\nX-Auth-Token: {}\r\nContent-Type: application/json"
      "\r\nContent-Length: {}\r\n\r\n{}",
      method, path, token, body.size(), body);
}

/// Things that the peer is lent for a case, and gives back.
class Lent {
 public:
  Lent(const Peer& peer, std::string token, std::string collection)
      : peer_(peer), token_(std::move(token)), collection_(std::move(collection)) {}
  ~Lent() {
    for (const std::string& id : ids_)
      ask_once(peer_.port(), json_request("DELETE", collection_ + "/" + id, token_, ""));
  }
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;
  void add(const std::string& body) {
    const std::string reply = peer_.must_ask(json_request("POST", collection_, token_, body));
    // The id of the thing itself: 32 digits, or 36 with dashes, behind "id".
    for (auto at = reply.find("\"id\": \""); at != reply.npos;
         at = reply.find("\"id\": \"", at + 1)) {
      const std::string id = reply.substr(at + 7, reply.find('"', at + 7) - at - 7);
      if (id.size() == 32 || id.size() == 36) {
        ids_.push_back(id);
        return;
      }
    }
    give_up("--compare: no id in " + reply.substr(reply.find("\r\n\r\n") + 4, 200));
  }

 private:
  const Peer& peer_;
  const std::string token_, collection_;
  std::vector<std::string> ids_;
};

std::size_t occurrences(const std::string& text, std::string_view what) {
  std::size_t count = 0;
  for (auto at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++count;
  return count;
}

std::string token_login(const std::string& path, const std::string& token) {
  return Daemon::post(
      path, fmt::format(R"({{"auth":{{"identity":{{"methods":["token"],"token":{{"id":"{}"}}}},)"
                        R"("scope":{{"project":{{"name":"{}","domain":{{"id":"default"}}}}}}}}}})",
                        token, environment("OS_PROJECT_NAME", "admin")));
}

std::string project_name(int number) {
  return fmt::format(R"({{"project":{{"name":"cloudos-bench-{}","domain_id":"default"}}}})",
                     number);
}

}  // namespace

Peer::Peer(const std::string& url) : url_(url) {
  constexpr std::string_view kScheme = "http://127.0.0.1:";
  if (!url.starts_with(kScheme)) give_up("--compare: http://127.0.0.1:PORT/PATH");
  const auto slash = url.find('/', kScheme.size());
  port_ = static_cast<std::uint16_t>(std::atoi(url.c_str() + kScheme.size()));
  path_ = slash == std::string::npos ? "" : url.substr(slash);
  while (path_.ends_with('/')) path_.pop_back();
  processes_ = processes_behind(port_);
}

std::string Peer::must_ask(const std::string& request) const {
  std::string reply = ask_once(port_, request);
  if (reply.size() < 10 || reply.substr(8, 2) != " 2")
    give_up(fmt::format("--compare: {} answers: {}", url_, reply.substr(0, 300)));
  return reply;
}

std::string Peer::token() const {
  const std::string body = fmt::format(
      R"({{"auth":{{"identity":{{"methods":["password"],"password":{{"user":{{"name":"{}",)"
      R"("domain":{{"id":"default"}},"password":"{}"}}}}}},)"
      R"("scope":{{"project":{{"name":"{}","domain":{{"id":"default"}}}}}}}}}})",
      environment("OS_USERNAME", "admin"), environment("OS_PASSWORD", ""),
      environment("OS_PROJECT_NAME", "admin"));
  const std::string reply = must_ask(Daemon::post(path_ + "/auth/tokens", body));
  const auto at = reply.find("X-Subject-Token: ");
  if (at == reply.npos) give_up("--compare: no token there: " + reply.substr(0, 200));
  return reply.substr(at + 17, reply.find('\r', at) - at - 17);
}

Load Peer::drive(const std::string& request, unsigned connections,
                 std::chrono::milliseconds warm_up, std::chrono::milliseconds during,
                 double& cpu_us) const {
  const auto so_far = [&] {
    double all = 0;
    for (const int pid : processes_) all += cpu_us_of(pid);
    return all;
  };
  const double before = so_far();
  const Load load = bench::drive(port_, request, connections, warm_up, during);
  cpu_us = (so_far() - before) / static_cast<double>(load.replies);
  return load;
}

std::vector<Figure> bench_identity_peer(const Settings& settings, const Daemon& daemon,
                                        const std::string& token) {
  std::vector<Figure> figures;
  if (settings.peer.empty()) return figures;
  const Peer peer(settings.peer);
  const std::string theirs = peer.token();
  const PeerTimes times = times_of(settings);
  const auto both = [](const std::string& of) {
    return fmt::format("X-Auth-Token: {0}\r\nX-Subject-Token: {0}\r\n", of);
  };
  if (settings.wants("http.validate"))
    figures.push_back(beside("http.validate_peer", "GET /v3/auth/tokens of one's own token", daemon,
                             Daemon::get("/identity/v3/auth/tokens", both(token)), peer,
                             Daemon::get(peer.path() + "/auth/tokens", both(theirs)), kPeerClients,
                             times));
  if (settings.wants("http.token_for_token"))
    figures.push_back(beside("http.token_for_token_peer", "POST /v3/auth/tokens with a token",
                             daemon, token_login("/identity/v3/auth/tokens", token), peer,
                             token_login(peer.path() + "/auth/tokens", theirs), kPeerClients,
                             times));
  if (settings.wants("http.projects_1000")) {
    const std::size_t wanted = settings.quick ? 3 : 1'000;
    const auto list = [&](const std::string& path, const std::string& who) {
      return Daemon::get(path + "/projects", fmt::format("X-Auth-Token: {}\r\n", who));
    };
    const auto count = [&](const std::string& reply) {
      return occurrences(reply, "\"is_domain\"");
    };
    for (auto have = count(ask_once(daemon.port(), list("/identity/v3", token))); have < wanted;
         ++have)
      ask_once(daemon.port(), json_request("POST", "/identity/v3/projects", token,
                                           project_name(static_cast<int>(have))));
    Lent lent(peer, theirs, peer.path() + "/projects");
    for (auto have = count(peer.must_ask(list(peer.path(), theirs))); have < wanted; ++have)
      lent.add(project_name(static_cast<int>(have)));
    figures.push_back(beside("http.projects_1000_peer", "GET /v3/projects of 1,000", daemon,
                             list("/identity/v3", token), peer, list(peer.path(), theirs), 1,
                             times));
  }
  return figures;
}

std::vector<Figure> bench_image_peer(const Settings& settings, const Daemon& daemon,
                                     const std::string& list) {
  std::vector<Figure> figures;
  if (settings.peer_images.empty()) return figures;
  const Peer peer(settings.peer_images);
  std::string token = environment("OS_TOKEN", "");
  if (token.empty() && !settings.peer.empty()) token = Peer(settings.peer).token();
  if (token.empty()) give_up("--compare-images needs OS_TOKEN, or --compare with an Identity");
  const std::size_t wanted = settings.quick ? 20 : 1'000;
  const std::string theirs = Daemon::get(fmt::format("{}/images?limit={}", peer.path(), wanted),
                                         fmt::format("X-Auth-Token: {}\r\n", token));
  Lent lent(peer, token, peer.path() + "/images");
  for (auto have = occurrences(peer.must_ask(theirs), "\"/v2/schemas/image\""); have < wanted;
       ++have)
    lent.add(R"({"name":"cloudos-bench","disk_format":"raw","container_format":"bare"})");
  figures.push_back(beside("image.list_1000_peer", "GET of a page of 1,000 images", daemon, list,
                           peer, theirs, 1, times_of(settings)));
  return figures;
}

}  // namespace cloudos::bench

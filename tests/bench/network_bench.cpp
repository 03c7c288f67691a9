// Ports: made by many callers at once, by HTTP, and listed.
#include <fmt/format.h>
#include <sys/resource.h>

#include <atomic>
#include <thread>

#include "bench.hpp"
#include "cloudos/networks.hpp"
#include "daemon.hpp"
#include "http_load.hpp"
#include "recorder.hpp"
#include "seed.hpp"

namespace cloudos::bench {

double process_cpu_us() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto us = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return us(used.ru_utime) + us(used.ru_stime);
}

namespace {

using namespace std::chrono_literals;

// ---- in the process -----------------------------------------------------------------------------

/// Creates `count` ports from 64 callers.
double ports_ms(const Seeded& seeded, const NetworkId& network, std::size_t count) {
  std::atomic<std::size_t> next{0};
  std::vector<std::thread> callers;
  const auto began = std::chrono::steady_clock::now();
  for (int caller = 0; caller < 64; ++caller) {
    callers.emplace_back([&] {
      for (std::size_t i = next++; i < count; i = next++) {
        PortCreate port;
        port.network = network;
        port.name = fmt::format("port-{}", i);
        must(seeded.cloud->networks().create_port(seeded.me, port), "a port");
      }
    });
  }
  for (auto& caller : callers) caller.join();
  return ms_since(began);
}

Figure ports_figure(const Settings& settings) {
  const std::size_t count = settings.quick ? 64 : 5'000;
  Rounds rounds;
  for (int round = 0; round < (settings.quick ? 1 : 7); ++round) {
    const auto folder = settings.folder / fmt::format("ports-{}", round);
    std::filesystem::create_directories(folder);
    const auto recorder = std::make_shared<Recorder>(
        must(store::open_lmdb({.directory = folder / "store"}), "opening the store"));
    const Seeded seeded = seed(folder, 1, recorder);
    NetworkCreate spec;
    spec.name = "net";
    const Network network = must(seeded.cloud->networks().create_network(seeded.me, spec), "net");
    SubnetCreate subnet;
    subnet.network = network.id;
    subnet.cidr = "10.0.0.0/8";
    must(seeded.cloud->networks().create_subnet(seeded.me, subnet), "a subnet");
    ports_ms(seeded, network.id, 64);
    recorder->take();
    const double cpu_us = process_cpu_us();
    const auto many = static_cast<double>(count);
    const double ours = ports_ms(seeded, network.id, count);
    const double cpu_us_each = (process_cpu_us() - cpu_us) / many;
    const double raw = raw_ms(folder / "raw", recorder->take());
    rounds.add(many * 1'000 / ours, many * 1'000 / raw, cpu_us_each);
  }
  return rounds.figure(
      "network.ports_64_callers",
      "durable creations of ports from 64 callers; reference: plain LMDB, same keys, 64 a commit",
      "ports/s");
}

// ---- by HTTP ------------------------------------------------------------------------------------

std::string port_request(std::string_view method, const std::string& path, const std::string& token,
                         const std::string& body) {
  return fmt::format(
      "{} /network/v2.0/{} HTTP/1.1\r\nHost: localhost\r\nX-Auth-Token: {}\r\n"
      "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
      method, path, token, body.size(), body);
}

/// The value behind `"key":` in a reply that must say yes.
std::string told_by(const Daemon& daemon, const std::string& request, std::string_view key) {
  const std::string reply = ask_once(daemon.port(), request);
  if (!reply.starts_with("HTTP/1.1 2")) give_up("http: " + reply.substr(0, 400));
  auto at = reply.find(fmt::format("\"{}\":", key));
  at = at == reply.npos ? at : reply.find('"', at + key.size() + 3);
  if (at == reply.npos) give_up("http: no " + std::string(key) + " in " + reply.substr(0, 400));
  return reply.substr(at + 1, reply.find('"', at + 1) - at - 1);
}

/// A network with room for whatever may come, and no quota.
std::string wide_network(const Daemon& daemon, const std::string& token) {
  const std::string body = R"({"network":{"name":"wide"}})";
  const std::string id = told_by(daemon, port_request("POST", "networks", token, body), "id");
  const std::string project =
      told_by(daemon, port_request("GET", "networks/" + id, token, ""), "project_id");
  told_by(daemon,
          port_request("POST", "subnets", token,
                       fmt::format(R"({{"subnet":{{"network_id":"{}","ip_version":4,)"
                                   R"("cidr":"10.0.0.0/8"}}}})",
                                   id)),
          "id");
  const std::string quota =
      port_request("PUT", "quotas/" + project, token, R"({"quota":{"port":-1}})");
  if (!ask_once(daemon.port(), quota).starts_with("HTTP/1.1 2")) give_up("http: no quota");
  return id;
}

Figure list_figure(const Daemon& daemon, const std::string& token, const std::string& network,
                   bool quick) {
  const int calls = quick ? 1 : 10;
  for (int call = 0; call < calls; ++call) {
    std::string ports;
    for (int i = 0; i < 100; ++i)
      ports += fmt::format(R"({}{{"network_id":"{}","name":"port-{}"}})", i == 0 ? "" : ",",
                           network, call * 100 + i);
    told_by(daemon, port_request("POST", "ports", token, fmt::format(R"({{"ports":[{}]}})", ports)),
            "id");
  }
  const HelloServer hello(2);
  const std::string list = port_request("GET", "ports?network_id=" + network, token, "");
  Rounds rounds;
  for (int i = 0; i < (quick ? 1 : 7); ++i) {
    double cpu_us = 0;
    const Load ours = daemon.drive(list, 1, quick ? 10ms : 300ms, quick ? 50ms : 1'500ms, cpu_us);
    const Load plain = drive(hello.port(), Daemon::get("/"), 1, 100ms, quick ? 50ms : 500ms);
    rounds.add(ours.p50_us / 1'000, plain.p50_us / 1'000, cpu_us);
  }
  return rounds.figure("http.list_ports_1000",
                       fmt::format("GET of {} ports, one connection, median; reference: hello "
                                   "world's",
                                   calls * 100),
                       "ms");
}

Figure post_figure(const Daemon& daemon, const std::string& token, const std::string& network,
                   bool quick) {
  const std::string post = port_request(
      "POST", "ports", token, fmt::format(R"({{"port":{{"network_id":"{}"}}}})", network));
  const HelloServer hello(2);
  Rounds rounds;
  for (int i = 0; i < (quick ? 1 : 7); ++i) {
    double cpu_us = 0;
    const Load ours = daemon.drive(post, 16, quick ? 10ms : 300ms, quick ? 50ms : 2'000ms, cpu_us);
    const Load plain = drive(hello.port(), Daemon::get("/"), 16, 100ms, quick ? 50ms : 1'000ms);
    rounds.add(ours.per_second, plain.per_second, cpu_us);
  }
  return rounds.figure("http.post_ports",
                       "POST /v2.0/ports, 16 connections; reference: hello world with Boost.Beast, "
                       "same client",
                       "requests/s");
}

}  // namespace

std::vector<Figure> bench_network(const Settings& settings) {
  std::vector<Figure> figures;
  if (settings.wants("network.ports_64_callers")) figures.push_back(ports_figure(settings));
#if CLOUDOS_BENCH_PLANE
  for (Figure& figure : bench_plane(settings)) figures.push_back(std::move(figure));
#endif
  return figures;
}

std::vector<Figure> bench_http_ports(const Settings& settings, const Daemon& daemon,
                                     const std::string& token) {
  std::vector<Figure> figures;
  const bool list = settings.wants("http.list_ports_1000");
  const bool post = settings.wants("http.post_ports");
  if (!list && !post) return figures;
  const std::string network = wide_network(daemon, token);
  if (list) figures.push_back(list_figure(daemon, token, network, settings.quick));
  if (post) figures.push_back(post_figure(daemon, token, network, settings.quick));
  return figures;
}

}  // namespace cloudos::bench

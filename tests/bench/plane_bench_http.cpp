// Rules by HTTP, in a cloudosd with the Linux-bridge driver on a host of its own: until the answer,
// and until the kernel filters by them.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>
#include <thread>

#include "bench.hpp"
#include "daemon.hpp"
#include "http_load.hpp"
#include "network/linuxbridge/netlink.hpp"
#include "plane.hpp"
#include "seed.hpp"

namespace cloudos::bench {
namespace {

namespace lb = cloudos::network::linuxbridge;
using Clock = std::chrono::steady_clock;

/// Hears the kernel tell of rules that are new: it does so once they are in force.
class NewRules {
 public:
  NewRules()
      : socket_(must(lb::Netlink::listen(NETLINK_NETFILTER, 1U << (NFNLGRP_NFTABLES - 1)),
                     "listening to nftables")) {}
  /// When the `count`th new rule from now on was told of; nothing: not within ten seconds.
  /// `begin` is called once it listens.
  std::optional<Clock::time_point> wait(int count, const std::function<void()>& begin) {
    read_all();
    heard_ = 0;
    begin();
    const auto until = Clock::now() + std::chrono::seconds(10);
    while (Clock::now() < until) {
      pollfd one{socket_.get(), POLLIN, 0};
      if (::poll(&one, 1, 100) <= 0) continue;
      const auto now = Clock::now();
      read_all();
      if (heard_ >= count) return now;
    }
    return std::nullopt;
  }

 private:
  void read_all() {
    alignas(nlmsghdr) std::array<char, 64 << 10> buffer;
    for (;;) {
      const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got < 0 && errno == ENOBUFS) continue;
      if (got <= 0) return;
      auto left = static_cast<unsigned>(got);
      for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
           NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
        if (message->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE)) ++heard_;
      }
    }
  }
  Fd socket_;
  int heard_ = 0;
};

/// What is asked of the daemon, by its admin.
class Asking {
 public:
  explicit Asking(const Daemon& daemon) : daemon_(daemon), token_(daemon.token()) {}
  std::string request(std::string_view method, const std::string& path, const std::string& body,
                      const std::string& type = "application/json") const {
    return fmt::format(
        "{} {} HTTP/1.1\r\nHost: localhost\r\nX-Auth-Token: {}\r\nContent-Type: {}\r\n"
        "Content-Length: {}\r\n\r\n{}",
        method, path, token_, type, body.size(), body);
  }
  std::string ask(std::string_view method, const std::string& path, const std::string& body = "",
                  const std::string& type = "application/json") const {
    return send(request(method, path, body, type));
  }
  std::string send(const std::string& text) const {
    std::string reply = ask_once(daemon_.port(), text);
    if (!reply.starts_with("HTTP/1.1 2")) give_up("http: " + reply.substr(0, 400));
    return reply;
  }
  /// The texts behind each `"key":` of a reply, in order.
  static std::vector<std::string> values(const std::string& reply, std::string_view key) {
    std::vector<std::string> out;
    const std::string mark = fmt::format("\"{}\":", key);
    for (auto at = reply.find(mark); at != reply.npos; at = reply.find(mark, at + 1)) {
      const auto from = reply.find('"', at + mark.size());
      if (from == reply.npos) break;
      out.push_back(reply.substr(from + 1, reply.find('"', from + 1) - from - 1));
    }
    return out;
  }
  static std::string value(const std::string& reply, std::string_view key) {
    const auto all = values(reply, key);
    if (all.empty()) give_up(fmt::format("http: no {} in {}", key, reply.substr(0, 400)));
    return all.front();
  }

 private:
  const Daemon& daemon_;
  std::string token_;
};

/// DHCP servers outlive the cloud that started them: these are ended after it.
class DhcpServers {
 public:
  explicit DhcpServers(const std::filesystem::path& folder)
      : networks_(folder / "data" / "run" / "networks") {}
  ~DhcpServers() {
    for (const int pid : pids()) ::kill(pid, SIGTERM);
  }
  DhcpServers(const DhcpServers&) = delete;
  DhcpServers& operator=(const DhcpServers&) = delete;
  std::vector<int> pids() const {
    std::vector<int> out;
    std::error_code none;
    for (const auto& network : std::filesystem::directory_iterator(networks_, none)) {
      int pid = 0;
      if (std::ifstream(network.path() / "dnsmasq.pid") >> pid) out.push_back(pid);
    }
    return out;
  }
  double cpu_us() const {
    double sum = 0;
    for (const int pid : pids()) sum += cpu_us_of(pid);
    return sum;
  }

 private:
  std::filesystem::path networks_;
};

/// A project without quotas, and an image to boot guests from that are simulated. Their ports are
/// real ones.
struct Project {
  const Asking& asking;
  std::string image;

  explicit Project(const Asking& by) : asking(by) {
    const std::string network = make_network(0);
    const std::string project =
        Asking::value(asking.ask("GET", "/network/v2.0/networks/" + network), "project_id");
    asking.ask("DELETE", "/network/v2.0/networks/" + network);
    asking.ask(
        "PUT", "/network/v2.0/quotas/" + project,
        R"({"quota":{"network":-1,"subnet":-1,"port":-1,"security_group_rule":-1}})");
    asking.ask("PUT", "/compute/v2.1/os-quota-sets/" + project,
               R"({"quota_set":{"instances":-1,"cores":-1,"ram":-1}})");
    image = Asking::value(
        asking.ask("POST", "/image/v2/images",
                   R"({"name":"i","disk_format":"raw","container_format":"bare"})"),
        "id");
    asking.ask("PUT", "/image/v2/images/" + image + "/file", std::string(4'096, 'x'),
               "application/octet-stream");
  }
  std::string make_network(int i) const {
    std::string id = Asking::value(
        asking.ask("POST", "/network/v2.0/networks", R"({"network":{"name":"n"}})"), "id");
    asking.ask("POST", "/network/v2.0/subnets",
               fmt::format(R"({{"subnet":{{"network_id":"{}","ip_version":4,)"
                           R"("cidr":"10.{}.0.0/16"}}}})",
                           id, i % 256));
    return id;
  }
  /// `where`: R"("port":"ID")" or R"("uuid":"ID")".
  void boot(const std::string& where) const {
    asking.ask("POST", "/compute/v2.1/servers",
               fmt::format(R"({{"server":{{"name":"s","imageRef":"{}","flavorRef":"1",)"
                           R"("networks":[{{{}}}]}}}})",
                           image, where));
  }
  void await_guests(int count) const {
    for (int i = 0; i < 3'000; ++i) {
      const std::string up =
          asking.ask("GET", "/network/v2.0/ports?device_owner=compute:nova&fields=status");
      const auto states = Asking::values(up, "status");
      if (std::count(states.begin(), states.end(), "ACTIVE") == count) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    give_up("network: the guests' ports did not come up");
  }
};

/// A group with members, some of which have devices on the host. Its id.
std::string make_members(const Asking& asking, int ports, int guests) {
  const Project project(asking);
  const std::string network = project.make_network(1);
  std::string group = Asking::value(asking.ask("POST", "/network/v2.0/security-groups",
                                               R"({"security_group":{"name":"g"}})"),
                                    "id");
  std::vector<std::string> made;
  const std::string one =
      fmt::format(R"({{"network_id":"{}","security_groups":["{}"]}})", network, group);
  for (int done = 0; done < ports; done += 100) {
    std::string all = one;
    for (int i = done + 1; i < std::min(done + 100, ports); ++i) all += "," + one;
    const std::string reply =
        asking.ask("POST", "/network/v2.0/ports", fmt::format(R"({{"ports":[{}]}})", all));
    for (auto& id : Asking::values(reply, "id")) made.push_back(std::move(id));
  }
  for (int i = 0; i < guests; ++i)
    project.boot(fmt::format(R"("port":"{}")", made[static_cast<std::size_t>(i)]));
  project.await_guests(guests);
  return group;
}

std::string rules_body(const std::string& group, int count) {
  std::string all;
  for (int i = 0; i < count; ++i)
    all += fmt::format(R"({0}{{"security_group_id":"{1}","direction":"ingress","ethertype":"IPv4",)"
                       R"("protocol":"tcp","port_range_min":{2},"port_range_max":{2}}})",
                       i == 0 ? "" : ",", group, 1'000 + i);
  return fmt::format(R"({{"security_group_rules":[{}]}})", all);
}

/// Four KiB written behind the others and made durable: what a commit cannot do without.
double durable_write_ms(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const std::string page(4'096, 'x');
  const auto began = Clock::now();
  const bool written = ::write(fd, page.data(), page.size()) == 4'096 && ::fdatasync(fd) == 0;
  const double ms = ms_since(began);
  ::close(fd);
  if (!written) give_up("cannot write to " + file.native());
  return ms;
}

struct RuleRounds {
  Rounds answered, live;
};

/// `count` rules made in one request, and unmade one by one.
void time_rules(const Asking& asking, const Daemon& daemon, const std::string& group, int count,
                const std::filesystem::path& aside, RuleRounds& rounds) {
  NewRules news;
  const std::string request =
      asking.request("POST", "/network/v2.0/security-group-rules", rules_body(group, count));
  std::string reply;
  Clock::time_point began, answered;
  const double cpu = cpu_us_of(daemon.pid());
  std::thread caller;
  const auto live = news.wait(count, [&] {
    caller = std::thread([&] {
      began = Clock::now();
      reply = asking.send(request);
      answered = Clock::now();
    });
  });
  caller.join();
  if (!live) give_up("network: rules did not get to the host");
  const double cpu_us = cpu_us_of(daemon.pid()) - cpu;
  const auto ms = [&](Clock::time_point at) {
    return std::chrono::duration<double, std::milli>(at - began).count();
  };
  const double reference = durable_write_ms(aside);
  rounds.answered.add(ms(answered), reference, cpu_us);
  rounds.live.add(ms(std::max(*live, began)), reference, cpu_us);
  for (const auto& id : Asking::values(reply, "id"))
    asking.ask("DELETE", "/network/v2.0/security-group-rules/" + id);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // For the host to follow.
}

void bring_up_loopback() {
  auto links = must(lb::Netlink::open(NETLINK_ROUTE), "netlink");
  const auto lo = must(lb::find_link(links, "lo"), "lo");
  if (lo) must(lb::change_link(links, *lo, {.up = true}), "lo");
}

}  // namespace

Figure bench_plane_idle(const Settings& settings) {
  bring_up_loopback();
  const auto folder = settings.folder / "plane-idle";
  const DhcpServers servers(folder);
  const Daemon daemon(folder, Daemon::Plane::LinuxBridge);
  const Asking asking(daemon);
  const int count = settings.quick ? 2 : 1'000;
  const std::chrono::seconds during(settings.quick ? 1 : 60);
  {
    const Project project(asking);
    for (int i = 0; i < count; ++i)
      project.boot(fmt::format(R"("uuid":"{}")", project.make_network(i)));
    project.await_guests(count);
  }
  // Until a pass has seen that what was written has settled.
  std::this_thread::sleep_for(std::chrono::seconds(settings.quick ? 0 : 70));
  Rounds rounds;
  for (int i = 0; i < (settings.quick ? 1 : 3); ++i) {
    const double before = cpu_us_of(daemon.pid()), theirs_before = servers.cpu_us();
    std::this_thread::sleep_for(during);
    const double ours = cpu_us_of(daemon.pid()) - before;
    const double theirs = servers.cpu_us() - theirs_before;
    fmt::print(stderr, "# idle: cloudosd {:.0f} ms of CPU, its {} DHCP servers {:.0f} ms\n",
               ours / 1'000, servers.pids().size(), theirs / 1'000);
    rounds.add((ours + theirs) / 1'000, static_cast<double>(during.count()) * 1'000);
  }
  return rounds.figure("network.idle_1000",
                       fmt::format("CPU of cloudosd and its DHCP servers with {} networks, each "
                                   "with a subnet, DHCP and a port on the host, while nothing is "
                                   "asked; reference: the time it took",
                                   count),
                       "ms");
}

std::vector<Figure> bench_plane_http(const Settings& settings) {
  bring_up_loopback();
  const auto folder = settings.folder / "plane-http";
  const DhcpServers servers(folder);
  const Daemon daemon(folder, Daemon::Plane::LinuxBridge);
  const Asking asking(daemon);
  const int ports = settings.quick ? 3 : 1'000;
  const int guests = settings.quick ? 1 : 20;
  const std::string group = make_members(asking, ports, guests);
  RuleRounds hundred, one;
  for (int i = 0; i < (settings.quick ? 1 : 11); ++i) {
    const auto aside = settings.folder / "aside";
    time_rules(asking, daemon, group, settings.quick ? 5 : 100, aside, hundred);
    time_rules(asking, daemon, group, 1, aside, one);
  }
  const std::string where = fmt::format(
      "a group of {} ports, {} of them on the host; reference: 4 KiB written durably", ports,
      guests);
  return {hundred.answered.figure("network.http_rules_100",
                                  "100 rules in one POST, until the answer; " + where, "ms"),
          hundred.live.figure("network.http_rules_100_live",
                              "the same until the kernel filters by them; " + where, "ms"),
          one.answered.figure("network.http_rule_of_1000",
                              "one rule in a POST, until the answer; " + where, "ms"),
          one.live.figure("network.http_rule_of_1000_live",
                          "the same until the kernel filters by it; " + where, "ms")};
}

}  // namespace cloudos::bench

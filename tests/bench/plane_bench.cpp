// The Linux-bridge driver on a host of its own: how long until things are as told, and what it
// costs to look whether they still are.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/netlink.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "bench.hpp"
#include "network/changes.hpp"
#include "network/linuxbridge/linuxbridge.hpp"
#include "network/linuxbridge/netlink.hpp"
#include "network/linuxbridge/nft.hpp"
#include "plane.hpp"
#include "seed.hpp"

namespace cloudos::bench {
namespace {

using namespace cloudos::network;
namespace lb = cloudos::network::linuxbridge;

constexpr const char* kBenchFolder = "be9c0001";

/// Of this process, all its threads, and of the children it waited for.
double cpu_ms() {
  double total = 0;
  for (const int who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage used{};
    ::getrusage(who, &used);
    for (const timeval& time : {used.ru_utime, used.ru_stime})
      total += static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
  }
  return total;
}

NetworkPlan network_plan(int i) {
  NetworkPlan network;
  network.id = NetworkId(fmt::format("11111111-1111-4111-8111-{:012}", i));
  network.type = "local";
  network.dhcp_mac = fmt::format("fa:16:3e:01:{:02x}:{:02x}", i / 256, i % 256);
  SubnetPlan subnet;
  subnet.id = SubnetId(fmt::format("22222222-2222-4222-8222-{:012}", i));
  subnet.cidr = "10.0.0.0/16";
  subnet.gateway = "10.0.0.1";
  subnet.dhcp_address = "10.0.0.2";
  network.subnets.push_back(subnet);
  return network;
}

GroupPlan group_plan() {
  GroupPlan group;
  group.id = SecurityGroupId("33333333-3333-4333-8333-333333333333");
  RulePlan out;
  out.ingress = false;
  RulePlan in;
  in.remote_group = group.id;
  group.rules = {out, in};
  return group;
}

/// Port `i` of the network, which gets to know of it.
PortPlan port_plan(NetworkPlan& network, GroupPlan& group, int i) {
  PortPlan port;
  port.id = PortId(fmt::format("44444444-4444-4444-8444-{:012}", i));
  port.network = network.id;
  port.mac = fmt::format("fa:16:3e:02:{:02x}:{:02x}", i / 256, i % 256);
  port.addresses = {fmt::format("10.0.{}.{}", 1 + i / 250, 1 + i % 250)};
  port.groups = {group.id};
  port.tap = fmt::format("tapbench{}", i);
  DhcpHost host;
  host.port = port.id;
  host.subnet = network.subnets.front().id;
  host.mac = port.mac;
  host.address = port.addresses.front();
  host.host_name = fmt::format("host-{}", i);
  network.hosts.push_back(host);
  group.members.push_back(port.addresses.front());
  return port;
}

RulePlan tcp_rule(std::uint32_t port) {
  RulePlan rule;
  rule.protocol = "tcp";
  rule.port_min = rule.port_max = port;
  return rule;
}

struct PlaneHost {
  std::filesystem::path dir;
  std::shared_ptr<LinuxBridgeDriver> driver;

  explicit PlaneHost(const std::filesystem::path& folder) : dir(folder) {
    std::filesystem::create_directories(dir);
    LinuxBridgeSettings settings;
    settings.folder_id = kBenchFolder;
    settings.run_dir = dir;
    driver = must(make_linuxbridge(settings, nullptr, Log()), "the driver");
    driver->watch([] {});
  }
  ~PlaneHost() {
    driver->watch(nullptr);
    if (!driver->converge({})) fmt::print(stderr, "cloudos_bench: the host was not cleared\n");
  }
  void tell(const Change& change) const { must(driver->postcommit(change), "telling"); }
};

/// One element more in a table of nobody's, by a context that is kept.
class SmallChange {
 public:
  SmallChange() : nft_(must(lb::Nft::open(), "nftables")) {
    must(nft_.run("add table inet bench_aside\n"
                  "add set inet bench_aside s { type ipv4_addr; }\n"),
         "a table");
  }
  ~SmallChange() { static_cast<void>(nft_.run("delete table inet bench_aside\n")); }
  double take_ms() {
    const auto began = std::chrono::steady_clock::now();
    must(nft_.run(
             fmt::format("add element inet bench_aside s {{ 10.9.{}.{} }}\n", n_ / 250, n_ % 250)),
         "an element");
    ++n_;
    return ms_since(began);
  }

 private:
  lb::Nft nft_;
  int n_ = 0;
};

/// The DHCP server's program started, and ended for it has nothing to do.
double bare_dnsmasq_ms() {
  const auto began = std::chrono::steady_clock::now();
  const pid_t child = ::vfork();
  if (child == 0) {
    ::execl("/usr/sbin/dnsmasq", "dnsmasq", "--test", "--conf-file=/dev/null", nullptr);
    _exit(1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return ms_since(began);
}

Figure ready_figure(const Settings& settings) {
  Rounds rounds;
  const int count = settings.quick ? 1 : 25;
  const PlaneHost host(settings.folder / "plane-ready");
  GroupPlan group = group_plan();
  for (int i = 0; i < count; ++i) {
    NetworkPlan network = network_plan(i);
    const PortPlan port = port_plan(network, group, i);
    const double cpu = cpu_ms();
    const auto began = std::chrono::steady_clock::now();
    host.tell(change_of(group, static_cast<std::uint64_t>(i) + 1));
    host.tell(change_of(network, 1));
    host.tell(change_of(port, 1));
    const double ours = ms_since(began);
    rounds.add(ours, bare_dnsmasq_ms(), (cpu_ms() - cpu) * 1'000);
  }
  return rounds.figure("network.host_network_ready",
                       "a network with DHCP and one port, told to the driver, served on the host; "
                       "reference: dnsmasq started and ended",
                       "ms");
}

/// 1,000 ports of one group on the host; a rule more, then one less, then 100 more at once.
std::vector<Figure> rule_figures(const Settings& settings) {
  const int ports = settings.quick ? 3 : 1'000;
  const PlaneHost host(settings.folder / "plane-rules");
  Plan plan;
  GroupPlan group = group_plan();
  NetworkPlan network = network_plan(0);
  for (int i = 0; i < ports; ++i) {
    PortPlan port = port_plan(network, group, i);
    plan.ports.emplace(port.id, std::move(port));
  }
  plan.networks.emplace(network.id, network);
  plan.groups.emplace(group.id, group);
  must(host.driver->converge(plan), "1,000 ports");
  SmallChange aside;
  Rounds one;
  Rounds hundred;
  std::uint64_t revision = 1;
  for (int i = 0; i < (settings.quick ? 1 : 15); ++i) {
    const auto timed = [&](Rounds& rounds) {
      const double cpu = cpu_ms();
      const auto began = std::chrono::steady_clock::now();
      host.tell(change_of(group, ++revision));
      const double ours = ms_since(began);
      const double cpu_us = (cpu_ms() - cpu) * 1'000;
      rounds.add(ours, aside.take_ms(), cpu_us);
    };
    group.rules.push_back(tcp_rule(80));
    timed(one);
    for (std::uint32_t r = 0; r < 100; ++r) group.rules.push_back(tcp_rule(1'000 + r));
    timed(hundred);
    group.rules.resize(3);
    host.tell(change_of(group, ++revision));
    group.rules.pop_back();
    timed(one);
  }
  const std::string small = "reference: one element in a table of nobody's";
  return {
      one.figure("network.host_rule_of_1000",
                 fmt::format("a rule more or less in a group with {} ports on the host, live; {}",
                             ports, small),
                 "ms"),
      hundred.figure("network.host_rules_100",
                     fmt::format("100 rules more in that group at once, live; {}", small), "ms")};
}

/// Proportional share of what the network's servers hold, in MiB.
double servers_mib(const std::filesystem::path& networks) {
  double kib = 0;
  for (const auto& entry : std::filesystem::directory_iterator(networks)) {
    int pid = 0;
    std::ifstream(entry.path() / "dnsmasq.pid") >> pid;
    std::ifstream rollup(fmt::format("/proc/{}/smaps_rollup", pid));
    for (std::string line; std::getline(rollup, line);)
      if (line.starts_with("Pss:")) kib += std::stod(line.substr(4));
  }
  return kib / 1'024;
}

std::vector<Figure> pass_figures(const Settings& settings) {
  const int count = settings.quick ? 3 : 1'000;
  const PlaneHost host(settings.folder / "plane-pass");
  Plan plan;
  GroupPlan group = group_plan();
  for (int i = 0; i < count; ++i) {
    NetworkPlan network = network_plan(i);
    PortPlan port = port_plan(network, group, i);
    plan.networks.emplace(network.id, std::move(network));
    plan.ports.emplace(port.id, std::move(port));
  }
  plan.groups.emplace(group.id, group);
  const double cpu_before = cpu_ms();
  auto began = std::chrono::steady_clock::now();
  must(host.driver->converge(plan), "1,000 networks");
  fmt::print(stderr, "# {} networks made: {:.0f} ms, {:.0f} ms of CPU; servers: {:.1f} MiB\n",
             count, ms_since(began), cpu_ms() - cpu_before, servers_mib(host.dir / "networks"));
  must(host.driver->converge(plan), "a pass");  // The first look takes the filter's fingerprint.
  auto links = must(lb::Netlink::open(NETLINK_ROUTE), "netlink");
  Rounds rounds;
  for (int i = 0; i < (settings.quick ? 1 : 9); ++i) {
    const double cpu = cpu_ms();
    must(host.driver->converge(plan), "a pass");
    const double ours = cpu_ms() - cpu;
    began = std::chrono::steady_clock::now();
    must(lb::list_links(links), "the devices");
    rounds.add(ours, ms_since(began));
  }
  return {rounds.figure("network.host_pass_1000",
                        fmt::format("CPU of a pass over {} networks with DHCP and a port each, "
                                    "nothing wrong; reference: one listing of their devices",
                                    count),
                        "ms")};
}

}  // namespace

std::vector<Figure> bench_plane(const Settings& settings) {
  std::vector<Figure> figures;
  const auto add = [&](std::vector<Figure> more) {
    for (Figure& figure : more) figures.push_back(std::move(figure));
  };
  const auto wants = [&](std::string_view name) { return settings.wants(name); };
  if (wants("network.host_network_ready")) on_own_host([&] { add({ready_figure(settings)}); });
  if (wants("network.host_rule_of_1000") || wants("network.host_rules_100"))
    on_own_host([&] { add(rule_figures(settings)); });
  if (wants("network.http_rule")) on_own_host([&] { add(bench_plane_http(settings)); });
  if (wants("network.idle_1000")) on_own_host([&] { add({bench_plane_idle(settings)}); });
  if (wants("network.host_pass_1000")) on_own_host([&] { add(pass_figures(settings)); });
  return figures;
}

}  // namespace cloudos::bench

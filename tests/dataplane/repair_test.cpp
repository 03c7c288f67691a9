#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <stdexcept>
#include <thread>

#include "base/process.hpp"
#include "dataplane/l3_support.hpp"
#include "dataplane/support.hpp"
#include "network/contract.hpp"
#include "network/linuxbridge/dnsmasq.hpp"
#include "network/linuxbridge/netns.hpp"
#include "network/linuxbridge/nft.hpp"
#include "network/linuxbridge/watchman.hpp"

using namespace cloudos;
using namespace cloudos::network;
using namespace dataplane;

namespace {

std::shared_ptr<LinuxBridgeDriver> driver_in(const std::string& dir,
                                             const std::string& folder = kFolder,
                                             std::map<std::string, std::string> bridges = {}) {
  auto made = make_linuxbridge({folder, dir, std::move(bridges), ""}, nullptr, Log());
  CAPTURE(made ? "" : made.error().message + made.error().detail);
  REQUIRE(made);
  return *made;
}

void settle(MechanismDriver& driver, const Plan& plan) {
  const auto done = driver.converge(plan);
  CAPTURE(done ? "" : done.error().message + "\n" + done.error().detail);
  REQUIRE(done);
}

void told(MechanismDriver& driver, const Change& change) {
  const auto done = driver.postcommit(change);
  CAPTURE(done ? "" : done.error().message + "\n" + done.error().detail);
  REQUIRE(done);
}

std::uint32_t transactions() {
  auto context = lb::Nft::open();
  REQUIRE(context);
  const auto count = context->generation();
  REQUIRE(count);
  return *count;
}

std::string dnsmasq_pid(const std::string& dir, const Plan& plan) {
  return lb::read_small_file(dir + "/networks/" + plan.networks.begin()->first.value +
                             "/dnsmasq.pid")
      .value_or("");
}

/// A process that is dying still has its command line for a moment.
void kill_and_wait(int pid) {
  const Fd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  REQUIRE(process.valid());
  ::kill(pid, SIGKILL);
  pollfd ended{process.get(), POLLIN, 0};
  REQUIRE(::poll(&ended, 1, 3'000) == 1);
}

lb::Link link_named(const std::string& name) {
  auto netlink = lb::Netlink::open(NETLINK_ROUTE);
  REQUIRE(netlink);
  const auto link = lb::find_link(*netlink, name);
  REQUIRE(link);
  REQUIRE(*link);
  return **link;
}

void delete_named(const std::string& name) {
  auto netlink = lb::Netlink::open(NETLINK_ROUTE);
  REQUIRE(netlink);
  REQUIRE(lb::delete_link(*netlink, link_named(name)));
}

/// A process that does nothing, with all descriptors this one has open.
class Idler {
 public:
  Idler() : pid_(::fork()) {
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (true) ::pause();
  }
  ~Idler() { end(); }
  Idler(const Idler&) = delete;
  Idler& operator=(const Idler&) = delete;
  int pid() const { return pid_; }
  void end() {
    if (ended_ || pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ended_ = true;
  }

 private:
  const pid_t pid_;
  bool ended_ = false;
};

/// Whether any epoll of this process waits for something it knows by this number.
bool waited_for(int number) {
  const std::string needle = fmt::format("data: {:16x} ", number);
  for (const auto& file : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
    const auto text = lb::read_small_file(file.path().string()).value_or("");
    if (text.find(needle) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("the Linux-bridge driver keeps the contract of mechanism drivers") {
  on_private_host([] {
    const TempDir dir;
    const auto present = [](const std::string& name) {
      auto netlink = lb::Netlink::open(NETLINK_ROUTE);
      REQUIRE(netlink);
      const auto link = lb::find_link(*netlink, name);
      REQUIRE(link);
      return link->has_value();
    };
    network_test::run_mechanism_contract(
        [&] {
          return network_test::DriverUnderTest{
              driver_in(dir.path()),
              [&](const NetworkId& id) { return present(lb::Names(kFolder).bridge(id.value)); },
              present};
        },
        "host-1");
  });
}

TEST_CASE("an empty plan leaves the host as it was, and changes one by one do so too") {
  on_private_host([] {
    const TempDir dir;
    const std::string before = host_state(dir.path());
    {
      const auto driver = driver_in(dir.path());
      CHECK((host_state(dir.path()) == before));
      Plan plan = simple_plan();
      add_port(plan, 11);
      settle(*driver, plan);
      CHECK(host_state(dir.path()) != before);
      settle(*driver, {});
      CHECK((host_state(dir.path()) == before));

      const auto network = change_of(plan.networks.begin()->second, 1);
      const auto group = change_of(plan.groups.begin()->second, 1);
      const auto port = change_of(plan.ports.begin()->second, 1);
      for (const auto& change : {port, group, network}) told(*driver, change);
      CHECK(link_named("tap-test-11").up);
      CHECK(link_named("tap-test-11").kind == "tun");
      for (const auto& change : {port, network, group}) told(*driver, gone(change));
      CHECK((host_state(dir.path()) == before));
      for (const auto& change : {port, network, group}) told(*driver, gone(change));  // Told twice.
    }
    CHECK((host_state(dir.path()) == before));
  });
}

TEST_CASE("a second converge with nothing wrong writes nothing") {
  on_private_host([] {
    const TempDir dir;
    const auto driver = driver_in(dir.path());
    Plan plan = simple_plan();
    for (int i = 11; i < 16; ++i) add_port(plan, i);
    settle(*driver, plan);
    settle(*driver, plan);
    const std::string before = host_state(dir.path());
    const auto count = transactions();
    const auto pid = dnsmasq_pid(dir.path(), plan);
    settle(*driver, plan);
    CHECK(transactions() == count);
    CHECK(dnsmasq_pid(dir.path(), plan) == pid);
    CHECK((host_state(dir.path()) == before));
    settle(*driver, {});
  });
}

TEST_CASE("after a port went that shared an address there is nothing to repair") {
  on_private_host([] {
    const TempDir dir;
    auto netlink = lb::Netlink::open(NETLINK_ROUTE);
    REQUIRE(netlink);
    REQUIRE(lb::add_bridge(*netlink, "br-ex", "", "02:00:00:00:00:01", 1500));
    const auto driver = driver_in(dir.path(), kFolder, {{"public", "br-ex"}});
    Plan plan = simple_plan();
    NetworkPlan& network = plan.networks.begin()->second;
    network.type = "flat";
    network.physical_network = "public";
    PortPlan& first = add_port(plan, 11);
    PortPlan& second = add_port(plan, 12);
    first.allowed_pairs = {{"10.0.0.100", ""}, {"10.0.0.12", ""}};
    second.allowed_pairs = {{"10.0.0.100", ""}};
    settle(*driver, plan);
    told(*driver, gone(change_of(first, 2)));
    plan.ports.erase(PortId(first.id));
    const std::string left = nft_list();
    for (const char* set : {"tracked", "ingress_at"}) {
      CAPTURE(std::string(set));
      for (const char* address : {"10.0.0.12", "10.0.0.100"}) {
        nft(fmt::format("get element inet cloudos_0a1b2c3d {} {{ \"br-ex\" . {} }}\n", set,
                        address));
      }
    }
    const auto count = transactions();
    settle(*driver, plan);
    CHECK(transactions() == count);
    CHECK((nft_list() == left));
    settle(*driver, {});
  });
}

TEST_CASE("a server is waited for no longer than it is one, though a child holds it open") {
  on_private_host([] {
    for (const bool ends : {true, false}) {
      CAPTURE(ends);
      std::atomic<int> told_of = 0;
      lb::Watchman watchman("cloudos_0a1b2c3d");
      watchman.start([&] { ++told_of; });
      Idler server;
      REQUIRE(server.pid() > 0);
      lb::Watchman::Rest(watchman).end({server.pid()}, {});
      REQUIRE(waited_for(server.pid()));
      const Idler heir;
      REQUIRE(heir.pid() > 0);
      if (ends)
        server.end();
      else
        lb::Watchman::Rest(watchman).end({}, {});
      CHECK(becomes([&] { return !waited_for(server.pid()); }));
      if (ends) CHECK(becomes([&] { return told_of == 1; }));
    }
  });
}

TEST_CASE("who watches is told when a bridge of the operator's goes or comes, and of no other") {
  on_private_host([] {
    std::atomic<int> told_of = 0;
    lb::Watchman watchman("cloudos_0a1b2c3d", "", {"br-ex"});
    watchman.start([&] { ++told_of; });
    auto netlink = lb::Netlink::open(NETLINK_ROUTE);
    REQUIRE(netlink);
    const auto make = [&](const std::string& name) {
      REQUIRE(lb::add_bridge(*netlink, name, "", "02:00:00:00:00:01", 1500));
    };
    for (int round = 1; round <= 4; ++round) {
      CAPTURE(round);
      make("br-other");
      lb::Watchman::Rest(watchman).end({}, {});
      REQUIRE(lb::delete_link(*netlink, **lb::find_link(*netlink, "br-other")));
      if (round % 2 == 1) make("br-ex");
      else REQUIRE(lb::delete_link(*netlink, **lb::find_link(*netlink, "br-ex")));
      CHECK(becomes([&] { return told_of >= round; }));
      CHECK(told_of == round);
    }
    watchman.start(nullptr);
  });
}

TEST_CASE("who watches is told again after work that threw") {
  on_private_host([] {
    std::atomic<int> told_of = 0;
    lb::Watchman watchman("cloudos_0a1b2c3d");
    watchman.start([&] { ++told_of; });
    Idler server;
    REQUIRE(server.pid() > 0);
    lb::Watchman::Rest(watchman).end({server.pid()}, {});
    const auto work = [&] {
      const lb::Watchman::Rest rest(watchman);
      server.end();
      throw std::runtime_error("no memory");
    };
    CHECK_THROWS_AS(work(), std::runtime_error);
    CHECK(becomes([&] { return told_of == 1; }));
  });
}

TEST_CASE("what was flushed, deleted or killed behind our back comes back") {
  on_private_host([] {
    const TempDir dir;
    const auto driver = driver_in(dir.path());
    Plan plan = simple_plan();
    const PortPlan first = add_port(plan, 11);
    const PortPlan second = add_port(plan, 12);
    const Guest a(kFolder, first);
    Guest b(kFolder, second);
    b.add_address("10.0.0.12", 24);
    settle(*driver, plan);
    const lb::Names names(kFolder);
    const std::string network = plan.networks.begin()->first.value;
    std::string good = nft_list();
    struct Row {
      std::string what;
      std::function<void()> damage;
    };
    const Row rows[] = {
        {"rules flushed", [&] { nft("flush table inet cloudos_0a1b2c3d\n"); }},
        {"an element taken out",
         [&] { nft("delete element bridge cloudos_0a1b2c3d secured { \"tap-test-11\" }\n"); }},
        {"a rule added", [&] { nft("insert rule bridge cloudos_0a1b2c3d prerouting accept\n"); }},
        {"all tables gone", [&] { nft("flush ruleset\n"); }},
        {"dnsmasq killed", [&] { kill_and_wait(std::stoi(dnsmasq_pid(dir.path(), plan))); }},
        {"its pid file gone",
         [&] { std::filesystem::remove(dir.path() + "/networks/" + network + "/dnsmasq.pid"); }},
        {"its files gone",
         [&] { std::filesystem::remove(dir.path() + "/networks/" + network + "/hosts"); }},
        {"the DHCP link deleted", [&] { delete_named(names.dhcp_outer(network)); }},
        {"the namespace unnamed", [&] { REQUIRE(lb::remove_netns(names.netns(network))); }},
        {"the bridge deleted", [&] { delete_named(names.bridge(network)); }},
        {"a tap taken out of its bridge",
         [&] {
           auto netlink = lb::Netlink::open(NETLINK_ROUTE);
           REQUIRE(
               lb::change_link(*netlink, link_named("tap-test-11"), {.up = false, .master = 0}));
         }},
    };
    for (const auto& row : rows) {
      CAPTURE(std::string(row.what));
      row.damage();
      settle(*driver, plan);
      a.await_carrier();
      const auto lease = a.dhcp();
      CHECK(lease);
      CHECK(!dnsmasq_pid(dir.path(), plan).empty());
      // A new bridge has a new index, which is its connection-tracking zone.
      if (std::string(row.what) == "the bridge deleted") good = nft_list();
      CHECK((nft_list() == good));
    }
    delete_named("tap-test-12");
    settle(*driver, plan);
    CHECK(link_named("tap-test-12").kind == "tun");
    settle(*driver, {});
  });
}

TEST_CASE("a DHCP server whose program is gone is said to be; other ports have all they had") {
  on_private_host([] {
    const TempDir dir;
    const std::string program = dir.path() + "/dnsmasq";
    const auto real = find_program("dnsmasq");
    std::filesystem::copy_file(real, program);
    auto made = make_linuxbridge({kFolder, dir.path(), {}, program}, nullptr, Log());
    REQUIRE(made);
    auto& driver = **made;
    Plan plan = simple_plan();
    plan.groups.begin()->second.rules.push_back(tcp_from_anywhere(80));
    const Guest a(kFolder, add_port(plan, 11));
    Guest b(kFolder, add_port(plan, 12));
    b.add_address("10.0.0.12", 24);
    settle(driver, plan);
    b.await_carrier();
    REQUIRE(a.dhcp());
    std::filesystem::remove(program);
    // One more network, of which nobody can hand out addresses.
    NetworkPlan other = plan.networks.begin()->second;
    other.id = NetworkId("dddddddd-dddd-4ddd-8ddd-dddddddddddd");
    other.dhcp_mac = "fa:16:3e:00:00:03";
    other.hosts.clear();
    plan.networks.emplace(other.id, other);
    const Guest c(kFolder, add_port(plan, 13));
    const auto failed = driver.converge(plan);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == ErrorCode::Unavailable);
    CHECK((failed.error().message + failed.error().detail).find("cannot be executed") !=
          std::string::npos);
    CHECK(a.dhcp());
    c.await_carrier();
    CHECK(c.dhcp());  // Of the network whose server runs.
    std::filesystem::copy_file(real, program);
    settle(driver, plan);
    CHECK(lb::Dnsmasq("", dir.path() + "/networks/" + other.id.value).pid());
    settle(driver, {});
  });
}

TEST_CASE("a DHCP server's link that somebody died over is finished by the next pass") {
  on_private_host([] {
    const TempDir dir;
    Plan plan = simple_plan();
    settle(*driver_in(dir.path()), plan);
    const std::string network = plan.networks.begin()->first.value;
    const lb::Names names(kFolder);
    const auto space = lb::open_netns(names.netns(network));
    REQUIRE(space);
    /// What the device does with checksums of what is sent: leaves them to whoever gets it, or not.
    const auto checksums = [&](std::uint32_t command, std::uint32_t value) {
      ethtool_value wanted{command, value};
      const auto done = lb::run_in_netns(space->get(), [&]() -> Result<void> {
        const Fd handle(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        ifreq request{};
        std::strncpy(request.ifr_name, names.dhcp_inner(network).c_str(), IFNAMSIZ - 1);
        request.ifr_data = reinterpret_cast<char*>(&wanted);
        if (::ioctl(handle.get(), SIOCETHTOOL, &request) != 0)
          return fail(ErrorCode::Internal, std::strerror(errno));
        return Result<void>();
      });
      REQUIRE(done);
      return wanted.data;
    };
    REQUIRE(checksums(ETHTOOL_GTXCSUM, 0) == 0);
    // As it is made: neither up nor finished.
    REQUIRE(lb::run_in_netns(space->get(), [&]() -> Result<void> {
      CLOUDOS_TRY(auto inside, lb::Netlink::open(NETLINK_ROUTE));
      CLOUDOS_TRY(const auto link, lb::find_link(inside, names.dhcp_inner(network)));
      if (!link) return fail(ErrorCode::NotFound, "no link");
      return lb::change_link(inside, *link, {.up = false});
    }));
    checksums(ETHTOOL_STXCSUM, 1);
    REQUIRE(checksums(ETHTOOL_GTXCSUM, 0) == 1);
    settle(*driver_in(dir.path()), plan);
    CHECK(checksums(ETHTOOL_GTXCSUM, 0) == 0);
    settle(*driver_in(dir.path()), {});
  });
}

TEST_CASE("files of a DHCP server are read again once somebody wrote them, and only then") {
  on_private_host([] {
    const TempDir dir;
    const auto driver = driver_in(dir.path());
    Plan plan = simple_plan();
    add_port(plan, 11);
    settle(*driver, plan);
    const std::string folder = dir.path() + "/networks/" + plan.networks.begin()->first.value;
    const auto content = [&](const std::string& file) {
      return lb::read_small_file(folder + "/" + file).value_or("gone");
    };
    const auto write = [&](const std::string& file, const std::string& text) {
      std::ofstream(folder + "/" + file) << text;
    };
    const auto calm = [&] {  // Until what was written counts as settled, and a pass saw it so.
      std::this_thread::sleep_for(std::chrono::milliseconds(1'200));
      settle(*driver, plan);
    };
    const std::string hosts = content("hosts");
    const std::string config = content("dnsmasq.conf");
    std::string other = hosts;
    other[0] = other[0] == 'f' ? 'e' : 'f';
    struct Row {
      std::string what;
      std::function<void()> damage;
    };
    const Row rows[] = {
        {"a file of the same size", [&] { write("hosts", other); }},
        {"a file that is gone", [&] { std::filesystem::remove(folder + "/names"); }},
        {"what it is started with", [&] { write("dnsmasq.conf", config + "port=0\n"); }},
        {"no pid", [&] { std::filesystem::remove(folder + "/dnsmasq.pid"); }},
        {"its end", [&] { kill_and_wait(std::stoi(dnsmasq_pid(dir.path(), plan))); }},
        {"all of it gone", [&] { std::filesystem::remove_all(folder); }},
    };
    for (const auto& row : rows) {
      CAPTURE(std::string(row.what));
      calm();
      const Fd opened(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
      REQUIRE(::inotify_add_watch(opened.get(), folder.c_str(), IN_OPEN) >= 0);
      settle(*driver, plan);
      std::array<char, 4096> events{};
      CHECK(::read(opened.get(), events.data(), events.size()) < 0);
      row.damage();
      settle(*driver, plan);
      CHECK(content("hosts") == hosts);
      CHECK(content("dnsmasq.conf") == config);
      CHECK(content("names").find("10.0.0.11") == 0);
      CHECK(!dnsmasq_pid(dir.path(), plan).empty());
    }
    settle(*driver, {});
  });
}

TEST_CASE("a new driver takes over what runs, without a restart of anything") {
  on_private_host([] {
    const TempDir dir;
    Plan plan = simple_plan();
    const PortPlan port = add_port(plan, 11);
    Guest guest(kFolder, port);
    guest.add_address("10.0.0.11", 24);
    guest.add_address("169.254.1.1", 16);
    auto driver = driver_in(dir.path());
    settle(*driver, plan);
    const auto pid = dnsmasq_pid(dir.path(), plan);
    const auto ask = [&] {
      const Fd fd = guest.connect("169.254.169.254", 80, "10.0.0.11");
      return fd.valid();
    };
    guest.await_carrier();
    CHECK(ask());
    driver.reset();
    CHECK_FALSE(ask());
    CHECK(guest.dhcp());  // The data plane does not need us.
    driver = driver_in(dir.path());
    // What it would write for one port alone would open the others: it wants to look first.
    const auto early = driver->postcommit(change_of(port, 9));
    REQUIRE_FALSE(early);
    CHECK(early.error().code == ErrorCode::Unavailable);
    settle(*driver, plan);
    CHECK(ask());
    CHECK(dnsmasq_pid(dir.path(), plan) == pid);
    settle(*driver, {});
  });
}

TEST_CASE("foreign devices, tables and processes stay, and their names are not taken over") {
  on_private_host([] {
    const TempDir dir;
    const TempDir other_dir;
    auto netlink = lb::Netlink::open(NETLINK_ROUTE);
    REQUIRE(netlink);
    REQUIRE(lb::add_bridge(*netlink, "br-ex", "", "02:00:00:00:00:01", 1500));
    nft("add table bridge foreign\nadd chain bridge foreign c { type filter hook forward priority "
        "0; }\n");
    const std::string before = host_state(dir.path());
    const auto driver = driver_in(dir.path(), kFolder, {{"public", "br-ex"}});
    const auto other = driver_in(other_dir.path(), "ffff0000");
    Plan plan = simple_plan();
    NetworkPlan& network = plan.networks.begin()->second;
    network.type = "flat";
    network.physical_network = "public";
    const PortPlan port = add_port(plan, 11);
    Plan others = simple_plan();  // The same ids in another cloud.
    add_port(others, 12);
    settle(*driver, plan);
    settle(*other, others);
    settle(*driver, plan);
    const auto count = transactions();
    settle(*other, others);
    settle(*driver, plan);
    CHECK(transactions() == count);
    CHECK(link_named("tap-test-11").master == link_named("br-ex").index);
    CHECK(link_named("tap-test-12").master != link_named("br-ex").index);

    // Its tap's name is taken by somebody else's device: said, and left alone.
    PortPlan clash = port;
    clash.id = PortId("66666666-6666-4666-8666-666666666666");
    clash.tap = "br-ex";
    const auto refused = driver->postcommit(change_of(clash, 1));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::Conflict);

    const std::string with_both = host_state(other_dir.path());
    settle(*driver, {});
    CHECK(!dnsmasq_pid(other_dir.path(), others).empty());
    settle(*other, {});
    CHECK((host_state(dir.path()) == before));
    CHECK(host_state(other_dir.path()) != with_both);

    Plan unmapped = plan;
    unmapped.networks.begin()->second.physical_network = "nowhere";
    const auto failed = driver->converge(unmapped);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().message.find("nowhere") != std::string::npos);
    settle(*driver, {});
    CHECK((host_state(dir.path()) == before));
  });
}

TEST_CASE("a port that comes or goes has the DHCP server read its hosts again, not start again") {
  on_private_host([] {
    const TempDir dir;
    const auto driver = driver_in(dir.path());
    Plan plan = simple_plan();
    const PortPlan first = add_port(plan, 11);
    const Guest a(kFolder, first);
    settle(*driver, plan);
    a.await_carrier();
    REQUIRE(a.dhcp());
    const auto pid = dnsmasq_pid(dir.path(), plan);
    const PortPlan second = add_port(plan, 12);
    const Guest b(kFolder, second);
    told(*driver, change_of(plan.networks.begin()->second, 2));
    told(*driver, change_of(second, 1));
    b.await_carrier();
    const auto lease = b.dhcp();
    REQUIRE(lease);
    CHECK(lease->address == "10.0.0.12");
    CHECK(a.dhcp());
    CHECK(dnsmasq_pid(dir.path(), plan) == pid);
    plan.networks.begin()->second.subnets.front().gateway.clear();
    plan.networks.begin()->second.subnets.front().dns_servers = {"9.9.9.9"};
    told(*driver, change_of(plan.networks.begin()->second, 3));
    const auto again = b.dhcp();
    REQUIRE(again);
    CHECK(again->options.count(3) == 0);
    CHECK(again->options.at(6) == "\x09\x09\x09\x09");
    CHECK(dnsmasq_pid(dir.path(), plan) == pid);
    settle(*driver, {});
  });
}

TEST_CASE("an address that changes hands is leased to its new owner") {
  on_private_host([] {
    const TempDir dir;
    const auto driver = driver_in(dir.path());
    Plan plan = simple_plan();
    const PortPlan old_port = add_port(plan, 11);
    {
      const Guest old_guest(kFolder, old_port);
      settle(*driver, plan);
      old_guest.await_carrier();
      REQUIRE(old_guest.dhcp());
    }
    Plan next = simple_plan();
    PortPlan port = add_port(next, 11);
    port.id = PortId("77777777-7777-4777-8777-777777777777");
    port.mac = "fa:16:3e:00:02:0b";
    port.tap = "tap-next";
    next.ports = {{port.id, port}};
    auto& host = next.networks.begin()->second.hosts.front();
    host.port = port.id;
    host.mac = port.mac;
    const Guest guest(kFolder, port);
    settle(*driver, next);
    guest.await_carrier();
    const auto lease = guest.dhcp();
    REQUIRE(lease);
    CHECK(lease->address == "10.0.0.11");
    settle(*driver, {});
  });
}

TEST_CASE("a port that is down is cut off, and one in no known group is closed") {
  on_private_host([] {
    const TempDir dir;
    const auto driver = driver_in(dir.path());
    Plan plan = simple_plan();
    PortPlan port = add_port(plan, 11);
    Guest guest(kFolder, port);
    settle(*driver, plan);
    port.admin_up = false;
    told(*driver, change_of(port, 2));
    CHECK_FALSE(link_named(port.tap).up);
    port.admin_up = true;
    told(*driver, change_of(port, 3));
    NetworkPlan& network = plan.networks.begin()->second;
    network.admin_up = false;
    told(*driver, change_of(network, 2));
    CHECK_FALSE(link_named(port.tap).up);
    network.admin_up = true;
    told(*driver, change_of(network, 3));
    CHECK(link_named(port.tap).up);
    port.groups = {SecurityGroupId("88888888-8888-4888-8888-888888888888")};
    told(*driver, change_of(port, 3));
    CHECK(link_named(port.tap).up);
    guest.await_carrier();
    guest.add_address("10.0.0.11", 24);
    guest.add_address("169.254.1.1", 16);
    CHECK(guest.dhcp());  // What every port may, whatever its groups.
    CHECK_FALSE(guest.can_connect("169.254.169.254", 80, "10.0.0.11"));
    port.groups = {plan.groups.begin()->first};
    told(*driver, change_of(port, 4));
    CHECK(guest.can_connect("169.254.169.254", 80, "10.0.0.11"));
    settle(*driver, {});
  });
}

TEST_CASE("what is missing on the host is said in one sentence") {
  on_private_host([] {
    const TempDir dir;
    struct Row {
      std::string what;
      LinuxBridgeSettings settings;
      ErrorCode code;
      const char* names;
    };
    const Row rows[] = {
        {"no dnsmasq",
         {kFolder, dir.path(), {}, "/nowhere/dnsmasq"},
         ErrorCode::Unavailable,
         "dnsmasq"},
        {"bad folder id", {"xyz", dir.path(), {}, ""}, ErrorCode::InvalidArgument, "folder_id"},
        {"relative folder", {kFolder, "run", {}, ""}, ErrorCode::InvalidArgument, "run_dir"},
        {"bad mapping",
         {kFolder, dir.path(), {{"public", "a b"}}, ""},
         ErrorCode::InvalidArgument,
         "public"},
    };
    for (const auto& row : rows) {
      CAPTURE(std::string(row.what));
      const auto made = make_linuxbridge(row.settings, nullptr, Log());
      REQUIRE_FALSE(made);
      CHECK(made.error().code == row.code);
      CHECK(made.error().message.find(row.names) != std::string::npos);
    }
  });
}

TEST_CASE(
    "bridged packets that the packet filter does not see are dropped, and converge repairs it") {
  on_private_host([] {
    const TempDir dir;
    const auto driver = driver_in(dir.path());
    Plan plan = simple_plan();
    const PortPlan port = add_port(plan, 11);
    const Guest guest(kFolder, port);
    const std::string knob = "/proc/sys/net/bridge/bridge-nf-call-iptables";
    REQUIRE(lb::write_sysctl(knob, "0"));
    settle(*driver, plan);
    CHECK(lb::read_small_file(knob) == "1\n");
    guest.await_carrier();
    CHECK(guest.dhcp());
    REQUIRE(lb::write_sysctl(knob, "0"));
    CHECK_FALSE(guest.dhcp());
    settle(*driver, plan);
    CHECK(guest.dhcp());
    settle(*driver, {});
    CHECK(lb::read_small_file(knob) == "0\n");  // As it was.
  });
}

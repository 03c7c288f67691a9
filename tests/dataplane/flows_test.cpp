#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>

#include "dataplane/l3_support.hpp"
#include "dataplane/traffic.hpp"
#include "network/linuxbridge/dnsmasq.hpp"
#include "network/linuxbridge/netns.hpp"
#include "network/linuxbridge/nft.hpp"

using namespace cloudos;
using namespace cloudos::network;
using namespace dataplane;

namespace {

/// Two guests, the second of which lets 22 in; it has further addresses that it may send as.
struct OpenGuests {
  TempDir dir;
  Plan plan = simple_plan();
  std::shared_ptr<LinuxBridgeDriver> driver;
  PortPlan a, b;
  SecurityGroupId own;  ///< Of the second.
  std::optional<Guest> from, to;

  OpenGuests() {
    LinuxBridgeSettings settings;
    settings.run_dir = dir.path();
    driver = l3_driver(settings);
    plan.groups.begin()->second.rules.push_back(tcp_from_anywhere(22));
    // Of a group of its own, so that what the second's loses takes nothing from the first.
    GroupPlan clients = plan.groups.begin()->second;
    clients.id = SecurityGroupId("eeeeeeee-eeee-4eee-8eee-eeeeeeeeeeee");
    PortPlan& first = add_port(plan, 11);
    first.groups = {clients.id};
    a = first;
    PortPlan& second = add_port(plan, 12);
    second.addresses.emplace_back("10.0.0.30");
    second.allowed_pairs = {{"10.0.0.64/26", ""}, {"10.0.0.40", ""}};
    b = second;
    from.emplace(guest_of(a, ""));
    to.emplace(guest_of(b, ""));
    to->add_address("10.0.0.70", 24);
    to->add_address("10.0.0.40", 24);
    own = plan.groups.begin()->first;
    plan.groups.emplace(clients.id, clients);
    converge(*driver, plan);
    from->await_carrier();
    to->await_carrier();
  }
  ~OpenGuests() { CHECK(driver->converge({})); }
  GroupPlan& group() { return plan.groups.at(own); }
  PortPlan& second() { return plan.ports.at(b.id); }
};

/// A connection with something at both ends.
struct Session {
  Fd listener, near, far;
  Session(const OpenGuests& guests, const std::string& address)
      : listener(guests.to->listen(address, 22)) {
    REQUIRE(becomes([&] {
      near = guests.from->connect(address, 22);
      return near.valid();
    }));
    far = Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(still_flows(near, far));
  }
  bool lives() const { return still_flows(near, far); }
};

/// Lines of connection tracking that are about the address.
std::size_t flows_to(const std::string& address) {
  const auto text = lb::read_small_file("/proc/thread-self/net/nf_conntrack").value_or("");
  std::size_t count = 0;
  for (auto at = text.find("dst=" + address + " "); at != std::string::npos;
       at = text.find("dst=" + address + " ", at + 1))
    ++count;
  return count;
}

}  // namespace

TEST_CASE("with its rule end the connections of every address that a port has, had, or may use") {
  on_private_host([] {
    struct Row {
      std::string what, address;
      std::function<void(OpenGuests&)> tighten;
    };
    const auto rule_gone = [](OpenGuests& t) {
      t.group().rules.clear();
      tell(*t.driver, change_of(t.group(), 2));
    };
    const Row rows[] = {
        {"its own", "10.0.0.12", rule_gone},
        {"one it may use", "10.0.0.40", rule_gone},
        {"one of a prefix that it may use", "10.0.0.70", rule_gone},
        {"its own, taken away together with its group", "10.0.0.30",
         [](OpenGuests& t) {
           t.second().addresses.pop_back();
           t.second().groups.clear();
           tell(*t.driver, change_of(t.second(), 2));
         }},
        {"a prefix, taken away together with its group", "10.0.0.70",
         [](OpenGuests& t) {
           t.second().allowed_pairs.clear();
           t.second().groups.clear();
           tell(*t.driver, change_of(t.second(), 2));
         }},
        {"its own, taken away by a whole plan", "10.0.0.30",
         [](OpenGuests& t) {
           t.second().addresses.pop_back();
           t.second().groups.clear();
           converge(*t.driver, t.plan);
         }},
    };
    for (const auto& row : rows) {
      CAPTURE(row.what);
      OpenGuests t;
      const Session session(t, row.address);
      row.tighten(t);
      CHECK_FALSE(session.lives());
    }
  });
}

TEST_CASE("a plan that could not be carried out ends its connections once it can") {
  on_private_host([] {
    OpenGuests t;
    const Session session(t, "10.0.0.30");
    t.second().addresses.pop_back();
    t.group().rules.clear();
    // Bridged packets stop passing the filter, and nothing can be noted of that.
    const std::string note = t.dir.path() + "/bridge-filter-was-off";
    ::unlink(note.c_str());
    REQUIRE(::mkdir(note.c_str(), 0700) == 0);
    REQUIRE(lb::write_sysctl("/proc/sys/net/bridge/bridge-nf-call-iptables", "0"));
    CHECK_FALSE(t.driver->converge(t.plan));
    REQUIRE(::rmdir(note.c_str()) == 0);
    converge(*t.driver, t.plan);
    CHECK_FALSE(session.lives());
  });
}

TEST_CASE("with the last network go the connections that it had") {
  on_private_host([] {
    for (const bool whole : {true, false}) {
      CAPTURE(whole);
      OpenGuests t;
      const Session session(t, "10.0.0.12");
      REQUIRE(flows_to("10.0.0.12") > 0);
      if (whole) {
        converge(*t.driver, {});
      } else {
        const auto network = t.plan.networks.begin()->second;
        tell(*t.driver, gone(change_of(network, 2)));
        tell(*t.driver, gone(change_of(t.a, 2)));
        tell(*t.driver, gone(change_of(t.b, 2)));
      }
      CHECK(flows_to("10.0.0.12") == 0);
    }
  });
}

#include <doctest/doctest.h>

#include "hypervisor/domain_xml.hpp"
#include "hypervisor/spec.hpp"

using namespace cloudos;
using namespace cloudos::hypervisor;

namespace {

DomainSpec spec_with(std::vector<NicSpec> nics) {
  DomainSpec spec;
  spec.id = ServerId{"0192f0c1-8a00-7000-8000-000000000001"};
  spec.nics = std::move(nics);
  return spec;
}

NicSpec nat(std::string mac, std::string address) {
  NicSpec nic;
  nic.mac = std::move(mac);
  nic.user_mode = {"10.0.0.0/24", "10.0.0.1", "10.0.0.254", std::move(address)};
  return nic;
}

}  // namespace

TEST_CASE("each user-mode interface gets a NAT whose DHCP begins at the port's address") {
  const auto spec = spec_with({nat("fa:16:3e:00:00:01", "10.0.0.5"),
                               {PortId{"p"}, "fa:16:3e:00:00:02", "tap0", 1500, {}},
                               nat("fa:16:3e:00:00:03", "10.0.0.9")});
  REQUIRE(check_domain(spec));
  const std::string xml = domain_xml(spec, "0a0b0c0d", "qemu");
  for (const char* part :
       {"<qemu:arg value='user,id=user31,ipv6=off,net=10.0.0.0/24,host=10.0.0.1,dns=10.0.0.254,"
        "dhcpstart=10.0.0.5'/>",
        "mac=fa:16:3e:00:00:01,romfile=,bus=pci.0,addr=0x1f'/>", "dhcpstart=10.0.0.9'/>",
        "mac=fa:16:3e:00:00:03,romfile=,bus=pci.0,addr=0x1e'/>",
        "<target dev='tap0' managed='no'/>"}) {
    CAPTURE(part);
    CHECK(xml.find(part) != std::string::npos);
  }
  CHECK(xml.find("type='user'") == std::string::npos);
  CHECK(domain_xml(spec, "0a0b0c0d", "test").find("qemu:commandline") == std::string::npos);
  const auto plain = spec_with({{PortId{"p"}, "fa:16:3e:00:00:02", "tap0", 1500, {}}});
  CHECK(domain_xml(plain, "0a0b0c0d", "qemu").find("qemu:commandline") == std::string::npos);
}

TEST_CASE("the NAT tells the guest its name only when that is a host's name") {
  struct Row {
    std::string name;
    bool told;
  };
  for (const Row& row :
       {Row{"web-1", true}, Row{"", false}, Row{"web,restrict=off", false}, Row{"-web", false},
        Row{"w\xC3\xA9"
            "b",
            false},
        Row{std::string(64, 'a'), false}}) {
    CAPTURE(row.name);
    auto spec = spec_with({nat("fa:16:3e:00:00:01", "10.0.0.5")});
    spec.name = row.name;
    const std::string xml = domain_xml(spec, "0a0b0c0d", "qemu");
    CHECK((xml.find(",hostname=" + row.name + "'") != std::string::npos) == row.told);
    CHECK((xml.find(",hostname=") != std::string::npos) == row.told);
  }
}

TEST_CASE("a user-mode network that could add options to QEMU's command line is refused") {
  struct Row {
    std::string what;
    UserModeNet net;
  };
  const Row rows[] = {
      {"another option", {"10.0.0.0/24,restrict=off", "10.0.0.1", "10.0.0.2", "10.0.0.3"}},
      {"a name", {"10.0.0.0/24", "gateway", "10.0.0.2", "10.0.0.3"}},
      {"no address", {"10.0.0.0/24", "10.0.0.1", "10.0.0.2", ""}},
      {"no network", {"", "10.0.0.1", "10.0.0.2", "10.0.0.3"}},
      {"a quote", {"10.0.0.0/24", "10.0.0.1", "10.0.0.2", "10.0.0.3'/>"}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    NicSpec nic = nat("fa:16:3e:00:00:01", "10.0.0.5");
    nic.user_mode = row.net;
    CHECK(check_domain(spec_with({nic})).error().code == ErrorCode::InvalidArgument);
  }
}

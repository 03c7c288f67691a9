#include <doctest/doctest.h>

#include "network/contract.hpp"
#include "network/simulated.hpp"

using namespace cloudos;

TEST_CASE("the simulated driver keeps the contract of mechanism drivers") {
  network_test::run_mechanism_contract(
      [] {
        auto driver = std::make_shared<network::SimulatedDriver>();
        return network_test::DriverUnderTest{
            driver,
            [driver](const NetworkId& id) { return driver->state().networks.count(id) > 0; },
            [driver](const std::string& tap) {
              for (const auto& [id, port] : driver->state().ports)
                if (port.tap == tap) return true;
              return false;
            }};
      },
      "host-1");
}

TEST_CASE("the simulated driver complains when it is told things out of order") {
  network::SimulatedDriver driver;
  network::Change change{network::Change::Kind::Port, "p", 5, {}, {}, {}};
  network::PortPlan port;
  port.id = PortId{"p"};
  port.network = NetworkId{"n"};
  change.port = std::make_shared<const network::PortPlan>(port);
  REQUIRE(driver.postcommit(change));
  CHECK(driver.complaints().size() == 1);
  change.revision = 4;
  change.port.reset();
  REQUIRE(driver.postcommit(change));
  CHECK(driver.complaints().size() == 2);
}

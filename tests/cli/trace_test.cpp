#include "cli/site.hpp"

using cli_test::json;
using cli_test::shared_site;

TEST_CASE("a trace is shown hop by hop, ends with what it comes to, and is JSON for programs") {
  auto& site = shared_site();
  site.ask({"network", "create", "traced"});
  site.ask({"subnet", "create", "traced", "--network", "traced", "--subnet-range", "10.66.0.0/24"});
  site.ask({"port", "create", "traced-port", "--network", "traced"});
  const auto shown = site.line("network trace --from traced-port --to 10.66.0.9 --port 80");
  INFO(shown.err);
  REQUIRE(shown.code == 0);
  for (const char* text : {"| State", "| Hop", "| Found", "drops", "traced-port is on no host",
                           "Start the server that uses it"}) {
    CAPTURE(text);
    CHECK(shown.out.find(text) != std::string::npos);
  }
  const auto end = shown.out.rfind("+\n");
  REQUIRE(end != std::string::npos);
  CHECK(shown.out.find("is on no host", end) != std::string::npos);
  const auto long_form =
      site.line("network trace --from traced-port --to 10.66.0.9 --port 80 --long");
  CHECK(long_form.out.find("10.66.0.9 tcp 80") != std::string::npos);
  const json trace = site.ask({"network", "trace", "--from", "traced-port", "--to", "10.66.0.9",
                               "--proto", "tcp", "--port", "80"});
  CHECK(trace.at("delivered") == false);
  CHECK(trace.at("hops").at(0).at("place") == "port");
  CHECK(site.line("network trace --from traced-port").code != 0);
  CHECK(site.line("network trace --from traced-port --to nowhere --port 80").code != 0);
  CHECK(site.line("port delete traced-port").code == 0);
  CHECK(site.line("network delete traced").code == 0);
}

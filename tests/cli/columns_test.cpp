// Lists have the columns of the field's own client, in its order.
#include <filesystem>

#include "site.hpp"

using namespace program_test;
using cli_test::shared_site;
using cli_test::Site;

namespace {

constexpr const char* kUsualClient = "/usr/bin/openstack";
/// Between the outputs of commands that one process of that client does; slow to start as it is.
constexpr const char* kBetween = "project show admin -f value -c name";

constexpr const char* kSameColumns[] = {
    "access rule list",
    "address group list",
    "address scope list",
    "aggregate list --long",
    "application credential list",
    "availability zone list",
    "catalog list",
    "compute service list --long",
    "consumer list",
    "credential list",
    "domain list",
    "ec2 credentials list",
    "endpoint list",
    "extension list",
    "extension list --long",
    "flavor list",
    "floating ip list",
    "floating ip list --long",
    "group list --long",
    "host list",
    "hypervisor list",
    "image list",
    "image list --long",
    "implied role list",
    "ip availability list",
    "keypair list",
    "limit list",
    "network agent list",
    "network list",
    "network list --long",
    "network meter list",
    "network meter rule list",
    "network qos policy list",
    "network qos rule type list",
    "network rbac list",
    "network segment list",
    "network segment list --long",
    "network segment range list",
    "network segment range list --long",
    "network service provider list",
    "network trunk list",
    "network trunk list --long",
    "port list",
    "port list --long",
    "project list",
    "project list --long",
    "quota list --compute",
    "quota list --network",
    "region list",
    "registered limit list",
    "role list",
    "role assignment list",
    "router list",
    "router list --long",
    "security group list",
    "security group rule list",
    "server list",
    "server list --long",
    "service list",
    "service list --long",
    "subnet list",
    "subnet list --long",
    "subnet pool list",
    "subnet pool list --long",
    "trust list",
    "user list",
    "user list --long",
    "versions show",
};

std::string first_line(const std::string& text) {
  std::string line = text.substr(0, text.find('\n'));
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

/// What the field's client prints for each command, one process for all.
std::vector<std::string> usual_outputs(Site& site, const std::string& lines) {
  const std::string script = site.dir.file("usual", lines);
  const Ran ran = run_program({"/bin/sh", "-c", std::string(kUsualClient) + " < " + script},
                              site.server.client_variables());
  INFO(ran.err);
  REQUIRE(ran.code == 0);
  std::vector<std::string> outputs(1);
  std::istringstream in(ran.out);
  for (std::string line; std::getline(in, line);) {
    if (line == "admin" || line == "admin\r")
      outputs.emplace_back();
    else
      outputs.back() += line + "\n";
  }
  return outputs;
}

}  // namespace

TEST_CASE("lists have the columns of the field's own client") {
  if (!std::filesystem::exists(kUsualClient)) {
    MESSAGE("skipped: there is no openstack to compare with");
    return;
  }
  Site& site = shared_site();
  // Two columns are there only when something is.
  CHECK(site.line("quota set admin --cores 19 --routers 9").code == 0);
  std::string lines;
  for (const char* const command : kSameColumns)
    lines += std::string(command) + " -f csv\n" + kBetween + "\n";
  const auto usual = usual_outputs(site, lines);
  REQUIRE(usual.size() == std::size(kSameColumns) + 1);
  for (std::size_t i = 0; i < std::size(kSameColumns); ++i) {
    const std::string command = kSameColumns[i];
    CAPTURE(command);
    const Ran ours = site.line(command + " -f csv");
    CHECK(ours.code == 0);
    CHECK(first_line(usual[i]).size() > 3);
    CHECK(first_line(ours.out) == first_line(usual[i]));
  }
  CHECK(site.line("quota delete admin").code == 0);
}

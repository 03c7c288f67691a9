#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "cloudos/networks.hpp"
#include "maintenance/kinds.hpp"
#include "network/address.hpp"
#include "network/record.hpp"

namespace cloudos::maintenance {
namespace {

References network_names(const Network& r) {
  References all;
  for (const SubnetId& subnet : r.subnets) all.push_back({"subnet", subnet.value});
  if (!r.dhcp_port.empty()) all.push_back({"port", r.dhcp_port.value});
  return all;
}
References subnet_names(const Subnet& r) {
  return {{"network", r.network.value}};
}
References port_names(const Port& r) {
  References all{{"network", r.network.value}};
  for (const FixedIp& fixed : r.fixed_ips) all.push_back({"subnet", fixed.subnet.value});
  for (const SecurityGroupId& group : r.security_groups)
    all.push_back({"security_group", group.value});
  return all;
}
References rule_names(const SecurityGroupRule& r) {
  References all{{"security_group", r.group.value}};
  if (!r.remote_group.empty()) all.push_back({"security_group", r.remote_group.value});
  return all;
}

Result<void> count_networks(const store::Snapshot& snapshot, Amounts& have) {
  CLOUDOS_CHECK(count_by_project<Network>(snapshot, "networks", have));
  CLOUDOS_CHECK(count_by_project<Subnet>(snapshot, "subnets", have));
  CLOUDOS_CHECK(count_by_project<Port>(snapshot, "ports", have));
  CLOUDOS_CHECK(count_by_project<SecurityGroup>(snapshot, "security_groups", have));
  return count_by_project<SecurityGroupRule>(snapshot, "security_group_rules", have);
}

/// Addresses that are taken are those that ports have.
Result<void> check_addresses(const store::Snapshot& snapshot, Findings& found) {
  std::set<std::string> of_ports, taken;
  CLOUDOS_CHECK(each_record<Port>(snapshot, [&](const Port& port) {
    for (const FixedIp& fixed : port.fixed_ips)
      if (!of_ports.insert(fmt::format("{} {}", fixed.subnet.value, fixed.address)).second)
        found.problem(fmt::format("address {} of subnet '{}' is of two ports", fixed.address,
                                  fixed.subnet.value));
  }));
  constexpr std::string_view kChunks = "/ip-chunk/";
  CLOUDOS_CHECK(each_entry(snapshot, kChunks, false, [&](const store::Entry& entry) {
    const std::string_view rest = std::string_view(entry.key).substr(kChunks.size());
    const auto slash = rest.find('/');
    std::uint32_t chunk = 0;
    bool sound = slash != std::string_view::npos && entry.value.size() == 32;
    for (const char c : rest.substr(std::min(slash, rest.size() - 1) + 1)) {
      sound = sound && std::isxdigit(static_cast<unsigned char>(c)) != 0;
      chunk = chunk << 4 | static_cast<std::uint32_t>(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
    }
    if (!sound) {
      found.problem(fmt::format("{}: it is not a map of addresses", entry.key));
      return Result<void>();
    }
    for (std::uint32_t i = 0; i < 256; ++i)
      if (static_cast<unsigned char>(entry.value[i / 8]) >> (i % 8) & 1)
        taken.insert(
            fmt::format("{} {}", rest.substr(0, slash), network::format_ipv4(chunk << 8 | i)));
    return Result<void>();
  }));
  for (const std::string& one : of_ports)
    if (!taken.contains(one)) found.problem(fmt::format("address {} has a port, but is free", one));
  for (const std::string& one : taken)
    if (!of_ports.contains(one)) found.problem(fmt::format("address {} is taken by no port", one));
  return Result<void>();
}

}  // namespace

ServiceRecords network_records() {
  ServiceRecords mine;
  mine.kinds = {kind<Network>(network_names), kind<Port>(port_names), kind<SecurityGroup>(),
                kind<SecurityGroupRule>(rule_names), kind<Subnet>(subnet_names)};
  mine.other_keys = {"ip-chunk", "ip-full", "segment"};
  mine.count = count_networks;
  mine.check = check_addresses;
  return mine;
}

}  // namespace cloudos::maintenance

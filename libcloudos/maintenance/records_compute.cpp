#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cloudos/flavors.hpp"
#include "cloudos/keypairs.hpp"
#include "cloudos/servers.hpp"
#include "compute/records.hpp"
#include "maintenance/kinds.hpp"
#include "placement/placement.hpp"
#include "placement/records.hpp"

namespace cloudos::maintenance {
namespace {

References claim_names(const placement::Allocation& r) {
  return {{"host", r.host.value}};
}
References server_names(const Server& r) {
  References all;
  for (const ServerPort& port : r.ports) all.push_back({"port", port.port.value});
  return all;
}

Result<void> count_servers(const store::Snapshot& snapshot, Amounts& have) {
  have.resources.insert({"servers", "cores", "ram_mib"});
  return each_record<Server>(snapshot, [&](const Server& server) {
    auto& mine = have.by_project[server.project.value];
    ++mine["servers"];
    mine["cores"] += server.flavor.vcpus;
    mine["ram_mib"] += static_cast<std::int64_t>(server.flavor.ram_mib);
  });
}

/// Claims on hosts are those of servers that are placed.
Result<void> check_claims(const store::Snapshot& snapshot, Findings& found) {
  CLOUDOS_TRY(const auto differences, placement::audit(snapshot));
  for (const std::string& difference : differences) found.problem(difference);
  std::map<std::string, std::string> host_names, claims;
  CLOUDOS_CHECK(each_record<placement::HostRecord>(
      snapshot, [&](const placement::HostRecord& host) { host_names[host.id.value] = host.name; }));
  CLOUDOS_CHECK(
      each_record<placement::Allocation>(snapshot, [&](const placement::Allocation& claim) {
        claims[claim.id.value] = host_names[claim.host.value];
      }));
  CLOUDOS_CHECK(each_record<Server>(snapshot, [&](const Server& server) {
    const auto claim = claims.find(server.id.value);
    const std::string host = claim == claims.end() ? std::string() : claim->second;
    if (host != server.host)
      found.problem(fmt::format("server '{}' is on host '{}', but claims room on '{}'",
                                server.id.value, server.host, host));
    if (claim != claims.end()) claims.erase(claim);
  }));
  for (const auto& [server, host] : claims)
    found.problem(
        fmt::format("server '{}' is not there, but claims room on host '{}'", server, host));
  return Result<void>();
}

Result<std::uint64_t> server_disks(const store::Snapshot& snapshot) {
  CLOUDOS_TRY(const auto servers, records::all<Server>(snapshot));
  return static_cast<std::uint64_t>(std::count_if(
      servers.begin(), servers.end(), [](const Server& s) { return !s.host.empty(); }));
}

}  // namespace

ServiceRecords compute_records() {
  ServiceRecords mine;
  mine.kinds = {kind<placement::Allocation>(claim_names),
                kind<Flavor>(),
                kind<placement::HostRecord>(),
                kind<placement::HostUsage>(),
                kind<Keypair>(),
                kind<Server>(server_names)};
  mine.other_keys = {"compute_seed", "server_user_data"};
  mine.count = count_servers;
  mine.check = check_claims;
  mine.server_disks = server_disks;
  return mine;
}

}  // namespace cloudos::maintenance

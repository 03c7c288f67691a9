#include "support/invariants.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>
#include <set>

#include "base/text.hpp"
#include "compute/records.hpp"
#include "identity/quota.hpp"
#include "image/charge.hpp"
#include "image/records.hpp"
#include "network/extra_records.hpp"
#include "network/ip.hpp"
#include "network/l3_records.hpp"
#include "network/pool_records.hpp"
#include "network/record.hpp"
#include "placement/records.hpp"
#include "records/table.hpp"
#include "support/capture.hpp"

namespace cloudos::test {
namespace {

std::vector<store::Entry> all_under(const store::Snapshot& snapshot, std::string_view prefix) {
  std::vector<store::Entry> all;
  store::ScanOptions scan;
  for (;;) {
    auto entries = *snapshot.scan(prefix, scan);
    all.insert(all.end(), entries.begin(), entries.end());
    if (entries.size() < limits::kScanPage) return all;
    scan.after = entries.back().key;
  }
}

/// The addresses that the allocator believes are taken, as "<subnet> <address>".
std::set<std::string> taken_addresses(const store::Snapshot& snapshot) {
  std::set<std::string> taken;
  for (const bool v6 : {false, true}) {
    const std::string_view prefix = v6 ? "/ip6-chunk/" : "/ip-chunk/";
    for (const store::Entry& entry : all_under(snapshot, prefix)) {
      const auto parts = split(std::string_view(entry.key).substr(prefix.size()), '/');
      REQUIRE(parts.size() == 2);
      network::Ip128 chunk = 0;
      for (const char digit : parts[1])
        chunk = chunk << 4 | static_cast<unsigned>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
      for (unsigned i = 0; i < 256; ++i) {
        if (!(static_cast<unsigned char>(entry.value[i / 8]) >> (i % 8) & 1)) continue;
        taken.insert(fmt::format("{} {}", parts[0], network::Ip{v6, chunk << 8 | i}.text()));
      }
    }
  }
  return taken;
}

/// Claims and ports against the servers they are there for.
void check_servers(const store::Snapshot& snapshot) {
  const auto differences = placement::audit(snapshot);
  REQUIRE(differences);
  for (const std::string& difference : *differences) FAIL_CHECK(difference);

  std::map<std::string, std::string> host_names;
  const auto hosts = *records::all<placement::HostRecord>(snapshot);
  for (const auto& host : hosts) host_names[host.id.value] = host.name;
  std::map<std::string, placement::Allocation> claims;
  const auto allocations = *records::all<placement::Allocation>(snapshot);
  for (const auto& claim : allocations) claims[claim.id.value] = claim;

  std::set<std::pair<std::string, std::string>> listed, attached;
  const auto all_servers = *records::all<Server>(snapshot);
  for (const Server& server : all_servers) {
    CAPTURE(server.id.value);
    for (const ServerPort& port : server.ports) listed.emplace(server.id.value, port.port.value);
    const auto claim = claims.find(server.id.value);
    CHECK(server.host.empty() == (claim == claims.end()));
    if (claim == claims.end()) continue;
    CHECK(host_names[claim->second.host.value] == server.host);
    const placement::Resources wanted{server.flavor.vcpus, server.flavor.ram_mib,
                                      server.flavor.disk_gib};
    CHECK((claim->second.resources == wanted));
    claims.erase(claim);
  }
  CHECK(claims.empty());
  const auto all_ports = *records::all<Port>(snapshot);
  for (const Port& port : all_ports)
    if (port.attached) attached.emplace(port.device_id, port.id.value);
  // What a server gives up is its own no more, and attached until the guest has let go.
  const auto all_tasks = *records::all<tasks::TaskRecord>(snapshot);
  for (const auto& task : all_tasks) {
    if (task.type != "detach-interface" || is_final(task.state)) continue;
    const std::pair leaving{task.params.at("server"), task.params.at("port")};
    if (attached.contains(leaving)) listed.insert(leaving);
  }
  CHECK((listed == attached));
}

/// What is counted equals the records, of every project.
void check_quotas(const store::Snapshot& snapshot) {
  std::map<std::string, std::map<std::string, std::int64_t>> have;
  const auto all_servers = *records::all<Server>(snapshot);
  for (const Server& server : all_servers) {
    auto& mine = have[server.project.value];
    ++mine["servers"];
    mine["cores"] += server.flavor.vcpus;
    mine["ram_mib"] += static_cast<std::int64_t>(server.flavor.ram_mib);
  }
  const auto count = [&]<class T>(const T*, const char* resource) {
    const auto all = *records::all<T>(snapshot);
    for (const T& one : all) ++have[one.project.value][resource];
  };
  count(static_cast<const Network*>(nullptr), "networks");
  count(static_cast<const Subnet*>(nullptr), "subnets");
  count(static_cast<const Port*>(nullptr), "ports");
  count(static_cast<const SecurityGroup*>(nullptr), "security_groups");
  count(static_cast<const SecurityGroupRule*>(nullptr), "security_group_rules");
  count(static_cast<const Router*>(nullptr), "routers");
  count(static_cast<const FloatingIp*>(nullptr), "floating_ips");
  count(static_cast<const SubnetPool*>(nullptr), "subnet_pools");
  count(static_cast<const RbacPolicy*>(nullptr), "rbac_policies");
  count(static_cast<const Trunk*>(nullptr), "trunks");
  const auto all_images = *records::all<Image>(snapshot);
  for (const Image& image : all_images) {
    const image::Charge charge = image::charge_of(image);
    auto& mine = have[image.owner.value];
    mine["image_count_total"] += charge.images;
    mine["image_count_uploading"] += charge.uploading;
    mine["image_size_total"] += charge.bytes;
    mine["image_stage_total"] += charge.staged;
  }
  constexpr std::string_view kUse = "/quota-use/";
  for (const store::Entry& entry : all_under(snapshot, kUse))
    have.try_emplace(entry.key.substr(kUse.size(), entry.key.find('/', kUse.size()) - kUse.size()));
  for (auto& [project, counted] : have) {
    CAPTURE_BOUND(project);
    const auto use = *Quota::usage(snapshot, ProjectId{project});
    for (const auto& [resource, amount] : use) {
      CAPTURE_BOUND(resource);
      CHECK(amount.counted == counted[resource]);
    }
  }
}

/// Routers and floating addresses stand on what is there, and it on them.
void check_routers(const store::Snapshot& snapshot) {
  std::set<std::pair<std::string, std::string>> legs, claimed;
  const auto all_ports = *records::all<Port>(snapshot);
  for (const Port& port : all_ports)
    if (!port.router.empty()) legs.emplace(port.router.value, port.id.value);
  const auto all_routers = *records::all<Router>(snapshot);
  for (const Router& router : all_routers) {
    for (const PortId& leg : router.interfaces) claimed.emplace(router.id.value, leg.value);
    if (!router.gateway_port.empty()) claimed.emplace(router.id.value, router.gateway_port.value);
    CHECK(router.gateway_port.empty() == router.gateway_network.empty());
  }
  CHECK((legs == claimed));
  const auto all_floating = *records::all<FloatingIp>(snapshot);
  for (const FloatingIp& floating : all_floating) {
    CAPTURE(floating.id.value);
    const auto outer = records::get<Port>(snapshot, floating.outer_port);
    REQUIRE(outer);
    CHECK(outer->fixed_ips[0].address == floating.address);
    const bool used = !floating.port.empty() || !floating.forwardings.empty();
    CHECK(floating.router.empty() == !used);
    if (!floating.router.empty()) CHECK(records::get<Router>(snapshot, floating.router));
    if (!floating.port.empty()) CHECK(records::get<Port>(snapshot, floating.port));
    for (const PortForwardingId& id : floating.forwardings)
      CHECK(records::get<PortForwarding>(snapshot, id));
  }
}

/// One owner per address and MAC, and no reference to what is gone.
void check_networks(const store::Snapshot& snapshot) {
  std::set<std::string> addresses, allocated;
  std::set<std::pair<std::string, std::string>> macs;
  std::set<SubnetId> automatic;
  const auto subnets = *records::all<Subnet>(snapshot);
  for (const Subnet& subnet : subnets)
    if (network::auto_addressed(subnet)) automatic.insert(subnet.id);
  const auto all_ports = *records::all<Port>(snapshot);
  for (const Port& port : all_ports) {
    CAPTURE(port.id.value);
    CHECK(macs.emplace(port.network.value, port.mac).second);
    for (const FixedIp& fixed : port.fixed_ips) {
      const std::string address = fmt::format("{} {}", fixed.subnet.value, fixed.address);
      CAPTURE(address);
      CHECK(addresses.insert(address).second);
      // Addresses that follow from MACs are no business of the allocator's.
      if (!automatic.count(fixed.subnet)) allocated.insert(address);
    }
    CHECK(records::get<Network>(snapshot, port.network));
    for (const SecurityGroupId& group : port.security_groups)
      CHECK(records::get<SecurityGroup>(snapshot, group));
  }
  CHECK((allocated == taken_addresses(snapshot)));

  std::set<std::string> of_networks, of_subnets;
  for (const Port& port : all_ports) {
    CAPTURE(port.id.value);
    // Routers' legs and DHCP's ports are where the data plane has them.
    if (!port.host.empty()) CHECK(port.vif_type != "unbound");
    else if (port.router.empty() && port.device_owner != network::kDhcpOwner)
      CHECK((port.driver.empty() && !port.plugged));
    if (!port.trunk.empty()) CHECK(records::get<Trunk>(snapshot, port.trunk));
    if (!port.qos_policy.empty()) CHECK(records::get<QosPolicy>(snapshot, port.qos_policy));
  }
  const auto all_trunks = *records::all<Trunk>(snapshot);
  for (const Trunk& trunk : all_trunks) {
    const auto parent = records::get<Port>(snapshot, trunk.port);
    REQUIRE(parent);
    CHECK((parent->trunk == trunk.id && !parent->sub_of_trunk));
    for (const SubPort& sub : trunk.sub_ports) {
      const auto port = records::get<Port>(snapshot, sub.port);
      REQUIRE(port);
      CHECK((port->trunk == trunk.id && port->sub_of_trunk));
    }
  }

  const auto all_networks = *records::all<Network>(snapshot);
  for (const Network& network : all_networks) {
    for (const SubnetId& id : network.subnets) of_networks.insert(id.value);
    if (!network.dhcp_port.empty()) CHECK(records::get<Port>(snapshot, network.dhcp_port));
  }
  const auto all_subnets = *records::all<Subnet>(snapshot);
  for (const Subnet& subnet : all_subnets) of_subnets.insert(subnet.id.value);
  CHECK((of_networks == of_subnets));

  const auto all_rules = *records::all<SecurityGroupRule>(snapshot);
  for (const SecurityGroupRule& rule : all_rules) {
    CHECK(records::get<SecurityGroup>(snapshot, rule.group));
    if (!rule.remote_group.empty()) CHECK(records::get<SecurityGroup>(snapshot, rule.remote_group));
  }
}

/// Whoever may still boot holds a pin, nobody else does, and pinned data is there.
void check_images(const store::Snapshot& snapshot) {
  constexpr std::string_view kPins = "/image-pin/";
  std::map<std::string, std::string> pins;  // server -> image
  for (const store::Entry& entry : all_under(snapshot, kPins)) {
    const auto parts = split(std::string_view(entry.key).substr(kPins.size()), '/');
    REQUIRE(parts.size() >= 2);
    CAPTURE(entry.key);
    const auto bare = std::string(parts.back().substr(parts.back().rfind('/') + 1));
    const auto server = bare.substr(bare.size() - 36);
    CHECK(pins.emplace(server, std::string(parts[0])).second);
    CHECK(records::get<Server>(snapshot, server));
    CHECK(records::get<image::Payload>(snapshot, parts[0]));
  }
  const auto all_servers = *records::all<Server>(snapshot);
  for (const Server& server : all_servers) {
    CAPTURE(server.name);
    if (server.vm_state == VmState::Error && !server.launched_at) continue;
    CHECK(pins[server.id.value] == server.image.value);
  }
}

}  // namespace

void check_records(const store::Snapshot& snapshot) {
  check_servers(snapshot);
  check_quotas(snapshot);
  check_networks(snapshot);
  check_routers(snapshot);
  check_images(snapshot);
}

void check_files_at_rest(const store::Snapshot& snapshot, const std::filesystem::path& folder) {
  std::set<std::string> payloads, files;
  const auto all_payloads = *records::all<image::Payload>(snapshot);
  for (const auto& payload : all_payloads) {
    CAPTURE(payload.id.value);
    const auto image = records::get<Image>(snapshot, payload.id);
    if (image) CHECK(image->locations == payload.locations);
    for (const ImageLocation& location : payload.locations)
      if (location.store == image::kFirstStore) payloads.insert(payload.id.value);
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder / "images"))
    files.insert(entry.path().filename());
  CHECK((files == payloads));
  CHECK(all_under(snapshot, image::kGarbagePrefix).empty());
  const auto all_images = *records::all<Image>(snapshot);
  for (const Image& image : all_images) {
    CHECK(image.status != ImageStatus::Saving);
    CHECK(image.importing_to.empty());
    CHECK(image.reserved_bytes == 0);
  }
  std::error_code none_yet;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "servers", none_yet)) {
    CAPTURE(entry.path());
    CHECK(records::get<Server>(snapshot, entry.path().filename().string()));
  }
}

}  // namespace cloudos::test

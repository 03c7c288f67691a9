#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/text.hpp"
#include "cloudos/networks.hpp"
#include "cloudos/servers.hpp"
#include "compute/records.hpp"
#include "identity/quota.hpp"
#include "image/charge.hpp"
#include "image/records.hpp"
#include "maintenance/check.hpp"
#include "maintenance/files.hpp"
#include "network/address.hpp"
#include "network/record.hpp"
#include "placement/placement.hpp"
#include "placement/records.hpp"
#include "records/table.hpp"

namespace cloudos::maintenance {

namespace {

/// Records that do not decode were told of by whoever walked them all.
template <class T>
Result<void> each_record(const store::Snapshot& snapshot,
                         const std::function<void(const T&)>& visit) {
  return each_entry(snapshot, records::record_prefix(T::kKind), false,
                    [&](const store::Entry& entry) {
                      const auto record = codec::decode_record<T>(entry.value);
                      if (record) visit(*record);
                      return Result<void>();
                    });
}

using Amounts = std::map<std::string, std::int64_t>;

template <class T>
Result<void> count_by_project(const store::Snapshot& snapshot, const std::string& resource,
                              std::map<std::string, Amounts>& have) {
  return each_record<T>(snapshot, [&](const T& one) { ++have[one.project.value][resource]; });
}

std::string_view after_last_slash(std::string_view text) {
  return text.substr(text.rfind('/') + 1);
}

bool is_in_first_store(const image::Payload& payload) {
  return std::any_of(payload.locations.begin(), payload.locations.end(), [](const auto& at) {
    return at.url.empty() && at.store == image::kFirstStore;
  });
}

}  // namespace

/// What projects are counted to have equals what there is.
Result<void> check_quotas(const store::Snapshot& snapshot, Findings& found) {
  std::map<std::string, Amounts> have;
  CLOUDOS_CHECK(each_record<Server>(snapshot, [&](const Server& server) {
    Amounts& mine = have[server.project.value];
    ++mine["servers"];
    mine["cores"] += server.flavor.vcpus;
    mine["ram_mib"] += static_cast<std::int64_t>(server.flavor.ram_mib);
  }));
  CLOUDOS_CHECK(count_by_project<Network>(snapshot, "networks", have));
  CLOUDOS_CHECK(count_by_project<Subnet>(snapshot, "subnets", have));
  CLOUDOS_CHECK(count_by_project<Port>(snapshot, "ports", have));
  CLOUDOS_CHECK(count_by_project<SecurityGroup>(snapshot, "security_groups", have));
  CLOUDOS_CHECK(count_by_project<SecurityGroupRule>(snapshot, "security_group_rules", have));
  bool counted_images = true;
  CLOUDOS_CHECK(each_record<Image>(snapshot, [&](const Image& image) {
    const image::Charge charge = image::charge_of(image);
    Amounts& mine = have[image.owner.value];
    mine["image_count_total"] += charge.images;
    mine["image_count_uploading"] += charge.uploading;
    mine["image_size_total"] += charge.bytes;
    mine["image_stage_total"] += charge.staged;
    counted_images = counted_images && image.counted;
  }));
  constexpr std::string_view kUse = "/quota-use/";
  CLOUDOS_CHECK(each_entry(snapshot, kUse, true, [&](const store::Entry& entry) {
    const auto end = entry.key.find('/', kUse.size());
    have.try_emplace(entry.key.substr(kUse.size(), end - kUse.size()));
    return Result<void>();
  }));
  for (auto& [project, counted] : have) {
    CLOUDOS_TRY(const auto use, Quota::usage(snapshot, ProjectId{project}));
    for (const char* resource : {"servers", "cores", "ram_mib", "networks", "subnets", "ports",
                                 "security_groups", "security_group_rules", "image_count_total",
                                 "image_count_uploading", "image_size_total",
                                 "image_stage_total"}) {
      // Of a folder of before there were such quotas: its next runner counts them.
      if (!counted_images && std::string_view(resource).starts_with("image_")) continue;
      const auto kept = use.find(resource);
      if (kept == use.end() || kept->second.counted == counted[resource]) continue;
      found.problem(fmt::format("project '{}': {} {} are counted, there are {}", project,
                                kept->second.counted, resource, counted[resource]));
    }
  }
  return Result<void>();
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

/// Who holds an image's data is there, and so is the data.
Result<void> check_pins(const store::Snapshot& snapshot, Findings& found) {
  constexpr std::string_view kPins = "/image-pin/";
  return each_entry(snapshot, kPins, true, [&](const store::Entry& entry) -> Result<void> {
    const std::string_view rest = std::string_view(entry.key).substr(kPins.size());
    const std::string image(rest.substr(0, std::min(rest.find('/'), rest.size())));
    const auto payload = records::record_key(image::Payload::kKind, image);
    CLOUDOS_TRY(const auto data, snapshot.get(payload));
    if (!data) found.problem(fmt::format("{}: the image's data is not there", entry.key));
    // The holder is a part of a key: "server%2F<id>".
    const std::string_view holder = after_last_slash(rest);
    const auto mark = holder.find("%2F");
    if (mark == std::string_view::npos || holder.substr(0, mark) != Server::kKind)
      return Result<void>();
    const auto server =
        records::record_prefix(Server::kKind) + std::string(holder.substr(mark + 3));
    CLOUDOS_TRY(const auto there, snapshot.get(server));
    if (!there) found.problem(fmt::format("{}: held for a server that is not there", entry.key));
    return Result<void>();
  });
}

Result<void> check_payloads(const store::Snapshot& snapshot, store::Store& now,
                            const CheckOptions& options, CheckReport& report, Findings& found) {
  const auto folder = options.folder / "images";
  std::set<std::string> named;
  std::vector<image::Payload> payloads;
  CLOUDOS_CHECK(each_record<image::Payload>(
      snapshot, [&](const image::Payload& payload) { payloads.push_back(payload); }));
  report.payloads = payloads.size();
  for (const image::Payload& payload : payloads) {
    // Other stores are folders of their own, which only a running cloud knows.
    if (!is_in_first_store(payload)) continue;
    named.insert(payload.id.value);
    std::error_code error;
    const auto size = std::filesystem::file_size(folder / payload.id.value, error);
    if (error) {
      CLOUDOS_TRY(const auto fresh, now.snapshot());
      if (!records::get<image::Payload>(*fresh, payload.id)) continue;  // Deleted meanwhile.
      found.problem(
          fmt::format("image '{}': its data is not there ({})", payload.id.value, error.message()));
      continue;
    }
    if (size != payload.size_bytes)
      found.problem(fmt::format("image '{}': its data has {} bytes, it should have {}",
                                payload.id.value, size, payload.size_bytes));
    const auto image = records::get<Image>(snapshot, payload.id);
    if (!options.read_payloads || !image || image->sha512.empty()) continue;
    const auto facts = read_facts(folder / payload.id.value, "sha512");
    if (!facts || facts->checksum != "sha512:" + image->sha512)
      found.problem(fmt::format("image '{}': its data is not what was uploaded", payload.id.value));
  }
  // What is being uploaded or removed comes and goes; the rest is nobody's.
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename();
    if (named.contains(name) || name.ends_with(".part")) continue;
    CLOUDOS_TRY(const auto garbage, snapshot.get(image::garbage_key(ImageId{name})));
    if (!garbage) found.note(fmt::format("images/{} belongs to no image", name));
  }
  return Result<void>();
}

}  // namespace cloudos::maintenance

// What a guest reads at 169.254.169.254: the OpenStack tree and the EC2 tree of one server.
// Source: OpenStack Metadata API; EC2 instance metadata, versions up to 2009-04-04.
#include <fmt/format.h>

#include "base/text.hpp"
#include "compute/servers_impl.hpp"

namespace cloudos {

using network::MetadataAnswer;

namespace {

constexpr std::string_view kOpenStackVersions[] = {
    "2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30",
    "2016-10-06", "2017-02-22", "2018-08-27", "latest"};
constexpr std::string_view kEc2Versions[] = {"1.0",        "2007-01-19", "2007-03-01",
                                             "2007-08-29", "2007-10-10", "2007-12-15",
                                             "2008-02-01", "2008-09-01", "2009-04-04", "latest"};
constexpr std::size_t kSeedBytes = 512;

bool is_one_of(std::span<const std::string_view> known, std::string_view text) {
  return std::find(known.begin(), known.end(), text) != known.end();
}

std::string lines_of(std::span<const std::string_view> lines) {
  return fmt::format("{}", fmt::join(lines, "\n"));
}

Failure no_document() { return fail(ErrorCode::NotFound, "no such document"); }

Result<MetadataAnswer> text_answer(std::string body) {
  return MetadataAnswer{200, "text/plain", std::move(body)};
}
Result<MetadataAnswer> json_answer(std::string body) {
  return MetadataAnswer{200, "application/json", std::move(body)};
}

/// "name": "value"
void add_member(std::string& out, std::string_view name, std::string_view value) {
  if (out.back() != '{') out += ", ";
  append_json_string(out, name);
  out += ": ";
  append_json_string(out, value);
}
void add_raw(std::string& out, std::string_view name, std::string_view json) {
  if (out.back() != '{') out += ", ";
  append_json_string(out, name);
  out += ": ";
  out += json;
}

std::string ec2_id(std::string_view prefix, std::string_view id) {
  // Random digits of our ids are the last ones.
  return fmt::format("{}-{}", prefix, id.substr(id.size() < 8 ? 0 : id.size() - 8));
}

std::string dns_entries(std::span<const std::string> addresses) {
  std::string out;
  for (const std::string& address : addresses) {
    std::string entry = "{";
    add_member(entry, "type", "dns");
    add_member(entry, "address", address);
    out += (out.empty() ? "" : ", ") + entry + "}";
  }
  return out;
}

std::string dotted_mask(std::string_view cidr) {
  const auto slash = cidr.find('/');
  const auto bits = slash == cidr.npos ? std::optional<std::uint64_t>()
                                       : parse_unsigned(cidr.substr(slash + 1));
  const std::uint32_t mask = !bits || *bits == 0 || *bits > 32
                                 ? 0
                                 : ~std::uint32_t{0} << (32 - static_cast<unsigned>(*bits));
  return fmt::format("{}.{}.{}.{}", mask >> 24, mask >> 16 & 255, mask >> 8 & 255, mask & 255);
}

class Documents final : public network::MetadataSource {
 public:
  explicit Documents(const Servers& servers) : room_(servers.impl()), servers_(servers) {}

  Result<MetadataAnswer> document(const ServerId& id, const std::string& path) override {
    CLOUDOS_TRY(const Server server, servers_.get(Context::system(), id));
    std::vector<std::string_view> parts;
    for (const auto part : split(path, '/'))
      if (!part.empty()) parts.push_back(part);
    if (parts.empty()) return text_answer(lines_of(kEc2Versions));
    if (parts[0] == "openstack") return openstack(server, {parts.begin() + 1, parts.end()});
    if (!is_one_of(kEc2Versions, parts[0])) return no_document();
    if (parts.size() == 1)
      return text_answer(server.has_user_data ? "meta-data/\nuser-data" : "meta-data/");
    if (parts[1] == "user-data" && parts.size() == 2) return user_data(server);
    if (parts[1] != "meta-data") return no_document();
    return ec2(server, {parts.begin() + 2, parts.end()});
  }

 private:
  using Parts = std::span<const std::string_view>;

  Result<MetadataAnswer> openstack(const Server& server, Parts parts) const {
    if (parts.empty()) return text_answer(lines_of(kOpenStackVersions));
    if (!is_one_of(kOpenStackVersions, parts[0]) || parts.size() > 2) return no_document();
    if (parts.size() == 1) {
      return text_answer(fmt::format("meta_data.json\nnetwork_data.json\n{}vendor_data.json\n"
                                     "vendor_data2.json",
                                     server.has_user_data ? "user_data\n" : ""));
    }
    if (parts[1] == "meta_data.json") return meta_data(server);
    if (parts[1] == "network_data.json") return network_data(server);
    if (parts[1] == "user_data") return user_data(server);
    if (parts[1] == "vendor_data.json" || parts[1] == "vendor_data2.json") return json_answer("{}");
    return no_document();
  }

  Result<MetadataAnswer> user_data(const Server& server) const {
    if (!server.has_user_data) return no_document();
    CLOUDOS_TRY(const auto text, servers_.user_data(Context::system(), server.id));
    auto bytes = from_base64(text);
    if (!bytes) return no_document();
    return MetadataAnswer{200, "application/octet-stream", std::move(*bytes)};
  }

  Result<MetadataAnswer> meta_data(const Server& server) const {
    std::string out = "{";
    add_member(out, "uuid", server.id.value);
    add_member(out, "name", server.name);
    add_member(out, "hostname", server.host_name);
    add_member(out, "availability_zone", server.host_zone);
    add_member(out, "project_id", server.project.value);
    add_raw(out, "launch_index", std::to_string(server.launch_index));
    std::string meta = "{";
    for (const auto& [key, value] : server.metadata) add_member(meta, key, value);
    add_raw(out, "meta", meta + "}");
    if (!server.public_key.empty()) {
      std::string keys = "{";
      add_member(keys, server.key_name, server.public_key + "\n");
      add_raw(out, "public_keys", keys + "}");
      std::string key = "{";
      add_member(key, "name", server.key_name);
      add_member(key, "type", "ssh");
      add_member(key, "data", server.public_key + "\n");
      add_raw(out, "keys", "[" + key + "}]");
    }
    std::string seed(kSeedBytes, '\0');
    room_.engine.random.fill({reinterpret_cast<std::uint8_t*>(seed.data()), seed.size()});
    add_member(out, "random_seed", to_base64(seed));
    add_raw(out, "devices", "[]");
    return json_answer(out + "}");
  }

  /// Links, networks on them, and name servers, as the ports and subnets have them now.
  Result<MetadataAnswer> network_data(const Server& server) const {
    const auto system = Context::system();
    CLOUDOS_TRY(const auto ports, room_.networks.ports_of(server.id));
    std::string links, nets;
    std::vector<std::string> name_servers;
    std::size_t number = 0;
    for (const Port& port : ports) {
      CLOUDOS_TRY(const Network network, room_.networks.network(system, port.network));
      if (!links.empty()) links += ", ";
      links += link_of(port, network);
      for (const FixedIp& ip : port.fixed_ips) {
        CLOUDOS_TRY(const Subnet subnet, room_.networks.subnet(system, ip.subnet));
        if (!nets.empty()) nets += ", ";
        nets += network_of(number++, port, ip, subnet);
        for (const std::string& server_ip : subnet.dns_servers) {
          if (std::find(name_servers.begin(), name_servers.end(), server_ip) == name_servers.end())
            name_servers.push_back(server_ip);
        }
      }
    }
    return json_answer(fmt::format(R"({{"links": [{}], "networks": [{}], "services": [{}]}})",
                                   links, nets, dns_entries(name_servers)));
  }

  static std::string link_of(const Port& port, const Network& network) {
    std::string link = "{";
    add_member(link, "id", port.tap);
    add_member(link, "vif_id", port.id.value);
    add_member(link, "type", port.vif_type);
    add_raw(link, "mtu", std::to_string(network.mtu));
    add_member(link, "ethernet_mac_address", port.mac);
    return link + "}";
  }

  static std::string network_of(std::size_t number, const Port& port, const FixedIp& ip,
                                const Subnet& subnet) {
    std::string out = "{";
    add_member(out, "id", fmt::format("network{}", number));
    add_member(out, "type", subnet.dhcp ? "ipv4_dhcp" : "ipv4");
    add_member(out, "link", port.tap);
    add_member(out, "network_id", port.network.value);
    if (subnet.dhcp) return out + "}";
    add_member(out, "ip_address", ip.address);
    add_member(out, "netmask", dotted_mask(subnet.cidr));
    std::string routes;
    const auto add_route = [&](std::string_view to, std::string_view mask, std::string_view via) {
      std::string route = "{";
      add_member(route, "network", to);
      add_member(route, "netmask", mask);
      add_member(route, "gateway", via);
      routes += (routes.empty() ? "" : ", ") + route + "}";
    };
    if (!subnet.gateway.empty()) add_route("0.0.0.0", "0.0.0.0", subnet.gateway);
    for (const HostRoute& route : subnet.host_routes) {
      add_route(route.destination.substr(0, route.destination.find('/')),
                dotted_mask(route.destination), route.nexthop);
    }
    add_raw(out, "routes", "[" + routes + "]");
    add_raw(out, "services", "[" + dns_entries(subnet.dns_servers) + "]");
    return out + "}";
  }

  Result<MetadataAnswer> ec2(const Server& server, Parts parts) const {
    if (!parts.empty() && parts[0] == "public-keys") return ec2_keys(server, parts.subspan(1));
    if (!parts.empty() && parts[0] == "placement") {
      if (parts.size() == 1) return text_answer("availability-zone");
      if (parts.size() == 2 && parts[1] == "availability-zone")
        return text_answer(server.host_zone);
      return no_document();
    }
    if (!parts.empty() && parts[0] == "block-device-mapping") {
      if (parts.size() == 1) return text_answer("ami\nroot");
      if (parts.size() == 2 && parts[1] == "ami") return text_answer("vda");
      if (parts.size() == 2 && parts[1] == "root") return text_answer("/dev/vda");
      return no_document();
    }
    const std::string address = server.addresses.empty() ? "" : server.addresses.front().address;
    const auto outside = std::find_if(server.addresses.begin(), server.addresses.end(),
                                      [](const ServerAddress& a) { return a.floating; });
    const std::pair<std::string_view, std::string> values[] = {
        {"ami-id", ec2_id("ami", server.image.value)},
        {"ami-launch-index", std::to_string(server.launch_index)},
        {"ami-manifest-path", ""},  // Our images have none.
        {"hostname", server.host_name},
        {"instance-action", "none"},
        {"instance-id", ec2_id("i", server.id.value)},
        {"instance-type", server.flavor.name},
        {"local-hostname", server.host_name},
        {"local-ipv4", address},
        {"public-hostname", server.host_name},
        {"public-ipv4", outside == server.addresses.end() ? "" : outside->address},
        {"reservation-id", server.reservation},
        {"security-groups", fmt::format("{}", fmt::join(server.security_group_names, "\n"))},
    };
    if (parts.empty()) {
      std::vector<std::string> names;
      for (const auto& [name, value] : values) names.emplace_back(name);
      names.insert(names.end(), {"block-device-mapping/", "placement/"});
      if (!server.public_key.empty()) names.emplace_back("public-keys/");
      std::sort(names.begin(), names.end());
      return text_answer(fmt::format("{}", fmt::join(names, "\n")));
    }
    for (const auto& [name, value] : values)
      if (parts.size() == 1 && parts[0] == name) return text_answer(value);
    return no_document();
  }

  static Result<MetadataAnswer> ec2_keys(const Server& server, Parts parts) {
    if (server.public_key.empty()) return no_document();
    if (parts.empty()) return text_answer("0=" + server.key_name);
    if (parts[0] != "0") return no_document();
    if (parts.size() == 1) return text_answer("openssh-key");
    if (parts.size() == 2 && parts[1] == "openssh-key")
      return text_answer(server.public_key + "\n");
    return no_document();
  }

  Servers::Impl& room_;
  const Servers& servers_;
};

}  // namespace

std::unique_ptr<network::MetadataSource> make_metadata_source(const Servers& servers) {
  return std::make_unique<Documents>(servers);
}

}  // namespace cloudos

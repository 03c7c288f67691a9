#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text.hpp"
#include "cloudos/network_segments.hpp"
#include "cloudos/subnet_pools.hpp"
#include "rest/network_resource.hpp"
#include "rest/network_tables.hpp"
#include "rest/target.hpp"

namespace cloudos::rest {
namespace network_api {

// ---- lists --------------------------------------------------------------------------------------

Result<Query> decode_query(const Call& call) {
  Query query;
  std::vector<std::string> keys, directions;
  for (const auto& [name, value] : call.query_all()) {
    if (name == "fields") query.fields.insert(value);
    else if (name == "sort_key") keys.push_back(value);
    else if (name == "sort_dir") directions.push_back(fold_case(value));
    else if (name == "page_reverse") query.spec.reverse = equals_ignore_case(value, "true");
    else if (name != "limit" && name != "marker") query.spec.filters.emplace_back(name, value);
  }
  if (!directions.empty() && directions.size() != keys.size())
    return fail(ErrorCode::InvalidArgument, "as many sort_dir as sort_key are needed, or none");
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::string direction = directions.empty() ? "asc" : directions[i];
    if (direction != "asc" && direction != "desc")
      return fail(ErrorCode::InvalidArgument, "sort_dir must be asc or desc");
    query.spec.sort.push_back({keys[i], direction == "desc"});
  }
  const auto limit = call.query("limit");
  CLOUDOS_TRY(const auto page, call.page(SIZE_MAX - 1));
  query.spec.marker = page.marker;
  query.paged = limit && !limit->empty() && page.limit != SIZE_MAX - 1;
  query.spec.limit = query.paged ? page.limit : SIZE_MAX;
  return query;
}

namespace {

/// Another page of the list that was asked for.
std::string page_url(const Call& call, std::string_view marker, bool reverse) {
  // Behind the service's own prefix a path is the same for those who ask and for us.
  const std::string_view path = split_target(call.request.target).first;
  constexpr std::string_view kVersion = "/v2.0/";
  const auto at = path.find(kVersion);
  std::string url = fmt::format("{}/{}?", call.service_url,
                                at == path.npos ? path : path.substr(at + kVersion.size()));
  for (const auto& [name, value] : call.query_all()) {
    if (name == "marker" || name == "page_reverse") continue;
    url += fmt::format("{}={}&", percent_encode(name), percent_encode(value));
  }
  if (!marker.empty()) url += fmt::format("marker={}", percent_encode(marker));
  if (reverse) url += marker.empty() ? "page_reverse=True" : "&page_reverse=True";
  return url;
}

}  // namespace

void write_links(JsonWriter& w, const Call& call, std::string_view plural, const Query& query,
                 std::string_view first, std::string_view last, std::size_t count) {
  if (!query.paged) return;
  // As clients walk lists: a full page may have another behind it, and an empty one lies behind the
  // last, from where the way back begins.
  const bool full = count >= query.spec.limit;
  w.key(std::string(plural) + "_links").open_list();
  if (query.spec.reverse || full) {
    w.open().member("rel", "next");
    w.member("href", page_url(call, last, false)).close();
  }
  if (!query.spec.reverse || full) {
    w.open().member("rel", "previous");
    w.member("href", page_url(call, first, true)).close();
  }
  w.close_list();
}

Result<Response> if_matches(Call& call, std::string_view kind,
                            const std::function<Result<Response>()>& change) {
  const std::string_view condition = call.request.headers.get("If-Match");
  if (condition.empty()) return change();
  constexpr std::string_view kName = "revision_number=";
  const auto revision = condition.starts_with(kName)
                            ? parse_unsigned(condition.substr(kName.size()))
                            : std::nullopt;
  if (!revision) {
    return fail(ErrorCode::InvalidArgument,
                "If-Match must name a revision, such as revision_number=7");
  }
  const RevisionGuard guard(call.cloud.networks(), kind, call.path("id"), *revision);
  auto done = change();
  if (!done && done.error().type == "RevisionNumberConstraintFailed")
    return status_response(Service::Network, 412, done.error().message, call.request);
  return done;
}

namespace {

// ---- the core resources -------------------------------------------------------------------------

struct NetworkKind {
  using Record = Network;
  struct Extra {
    std::map<NetworkId, SubnetPools::NetworkScopes> scopes;
    std::set<NetworkId> routed;  ///< Those of several segments with subnets of their own.
  };
  static constexpr std::string_view singular = "network", plural = "networks";
  static auto list(Call& call, const NetworkListSpec& spec) {
    return call.cloud.networks().networks(call.ctx, spec);
  }
  static auto show(Call& call) {
    return call.cloud.networks().network(call.ctx, NetworkId{call.path("id")});
  }
  static auto decode(const Members& in) { return decode_network(in); }
  static auto create(Call& call, const std::vector<NetworkCreate>& specs) {
    return call.cloud.networks().create_networks(call.ctx, specs);
  }
  static auto decode_update(const Members& in) { return decode_network_update(in); }
  static auto update(Call& call, const NetworkUpdate& change) {
    return call.cloud.networks().update_network(call.ctx, NetworkId{call.path("id")}, change);
  }
  static auto remove(Call& call) {
    return call.cloud.networks().delete_network(call.ctx, NetworkId{call.path("id")});
  }
  /// What their subnets say, all at once.
  static Result<Extra> extra(const Call& call, const std::vector<Record>& networks,
                             const Wanted& fields) {
    const auto wants = [&](std::string_view name) { return fields.empty() || fields.count(name); };
    Networks& all = call.cloud.networks();
    Extra extra;
    if (wants("ipv4_address_scope") || wants("ipv6_address_scope")) {
      CLOUDOS_TRY(extra.scopes, all.subnet_pools().scopes_of(networks));
    }
    if (wants("l2_adjacency")) {
      CLOUDOS_TRY(extra.routed, all.segments().routed_of(networks));
    }
    return extra;
  }
  static void write(Fields& out, const Call& call, const Record& network, const Extra& extra) {
    write_network(out, call.ctx, network);
    out.member("l2_adjacency", extra.routed.count(network.id) == 0);
    const auto scopes = extra.scopes.find(network.id);
    const bool any = scopes != extra.scopes.end();
    out.text_or_null("ipv4_address_scope", any ? scopes->second.ipv4.value : std::string());
    out.text_or_null("ipv6_address_scope", any ? scopes->second.ipv6.value : std::string());
  }
};

struct SubnetKind : PlainResource<Subnet> {
  static constexpr std::string_view singular = "subnet", plural = "subnets";
  static auto list(Call& call, const NetworkListSpec& spec) {
    return call.cloud.networks().subnets(call.ctx, spec);
  }
  static auto show(Call& call) {
    return call.cloud.networks().subnet(call.ctx, SubnetId{call.path("id")});
  }
  static auto decode(const Members& in) { return decode_subnet(in); }
  static auto create(Call& call, const std::vector<SubnetCreate>& specs) {
    return call.cloud.networks().create_subnets(call.ctx, specs);
  }
  static auto decode_update(const Members& in) { return decode_subnet_update(in); }
  static auto update(Call& call, const SubnetUpdate& change) {
    return call.cloud.networks().update_subnet(call.ctx, SubnetId{call.path("id")}, change);
  }
  static auto remove(Call& call) {
    return call.cloud.networks().delete_subnet(call.ctx, SubnetId{call.path("id")});
  }
  static void write(Fields& out, const Call&, const Record& subnet, const Extra&) {
    write_subnet(out, subnet);
  }
};

struct PortKind {
  using Record = Port;
  using Extra = PortExtra;
  static constexpr std::string_view singular = "port", plural = "ports";
  static auto list(Call& call, const NetworkListSpec& spec) {
    return call.cloud.networks().ports(call.ctx, spec);
  }
  static auto show(Call& call) {
    return call.cloud.networks().port(call.ctx, PortId{call.path("id")});
  }
  static auto decode(const Members& in) { return decode_port(in); }
  static auto create(Call& call, const std::vector<PortCreate>& specs) {
    return call.cloud.networks().create_ports(call.ctx, specs);
  }
  static auto decode_update(const Members& in) { return decode_port_update(in); }
  static auto update(Call& call, const PortUpdate& change) {
    return call.cloud.networks().update_port(call.ctx, PortId{call.path("id")}, change);
  }
  static auto remove(Call& call) {
    return call.cloud.networks().delete_port(call.ctx, PortId{call.path("id")});
  }
  static Result<Extra> extra(const Call& call, const std::vector<Record>& ports,
                             const Wanted& fields) {
    return port_extra(call, ports, fields);
  }
  static void write(Fields& out, const Call& call, const Record& port, const Extra& extra) {
    write_port(out, call.ctx, port, extra);
  }
};

struct GroupKind {
  using Record = SecurityGroup;
  using Extra = std::map<SecurityGroupId, std::vector<SecurityGroupRule>>;
  static constexpr std::string_view singular = "security_group", plural = "security_groups";
  static auto list(Call& call, const NetworkListSpec& spec) {
    return call.cloud.networks().groups(call.ctx, spec);
  }
  static auto show(Call& call) {
    return call.cloud.networks().group(call.ctx, SecurityGroupId{call.path("id")});
  }
  static auto decode(const Members& in) { return decode_group(in); }
  static auto create(Call& call, const std::vector<SecurityGroupCreate>& specs) {
    return call.cloud.networks().create_groups(call.ctx, specs);
  }
  static auto decode_update(const Members& in) { return decode_group_update(in); }
  static auto update(Call& call, const SecurityGroupUpdate& change) {
    return call.cloud.networks().update_group(call.ctx, SecurityGroupId{call.path("id")}, change);
  }
  static auto remove(Call& call) {
    return call.cloud.networks().delete_group(call.ctx, SecurityGroupId{call.path("id")});
  }
  /// The rules that groups are shown with, all by one list.
  static Result<Extra> extra(const Call& call, const std::vector<Record>& groups,
                             const Wanted& fields) {
    Extra by_group;
    if (groups.empty() || (!fields.empty() && !fields.count("security_group_rules")))
      return by_group;
    NetworkListSpec spec;
    for (const SecurityGroup& group : groups)
      spec.filters.emplace_back("security_group_id", group.id.value);
    CLOUDOS_TRY(auto rules, call.cloud.networks().rules(call.ctx, spec));
    for (auto& rule : rules) by_group[rule.group].push_back(std::move(rule));
    return by_group;
  }
  static void write(Fields& out, const Call&, const Record& group, const Extra& rules) {
    const auto found = rules.find(group.id);
    write_group(out, group,
                found == rules.end() ? std::vector<SecurityGroupRule>() : found->second);
  }
};

struct RuleKind : PlainResource<SecurityGroupRule> {
  static constexpr std::string_view singular = "security_group_rule",
                                    plural = "security_group_rules";
  static auto list(Call& call, const NetworkListSpec& spec) {
    return call.cloud.networks().rules(call.ctx, spec);
  }
  static auto show(Call& call) {
    return call.cloud.networks().rule(call.ctx, SecurityGroupRuleId{call.path("id")});
  }
  static auto decode(const Members& in) { return decode_rule(in); }
  static auto create(Call& call, const std::vector<SecurityGroupRuleCreate>& specs) {
    return call.cloud.networks().create_rules(call.ctx, specs);
  }
  static auto remove(Call& call) {
    return call.cloud.networks().delete_rule(call.ctx, SecurityGroupRuleId{call.path("id")});
  }
  static void write(Fields& out, const Call&, const Record& rule, const Extra&) {
    write_rule(out, rule);
  }
};

constexpr Route kNetworkRoutes[] = {
    network_route("GET", "/network/v2.0/networks", list_resource<NetworkKind>, "get_networks"),
    network_route("POST", "/network/v2.0/networks", create_resource<NetworkKind>, "create_network"),
    network_route("GET", "/network/v2.0/networks/{id}", show_resource<NetworkKind>, "get_network"),
    network_route("PUT", "/network/v2.0/networks/{id}", update_resource<NetworkKind>, "update_network"),
    network_route("DELETE", "/network/v2.0/networks/{id}", remove_resource<NetworkKind>, "delete_network"),
    network_route("GET", "/network/v2.0/subnets", list_resource<SubnetKind>, "get_subnets"),
    network_route("POST", "/network/v2.0/subnets", create_resource<SubnetKind>, "create_subnet"),
    network_route("GET", "/network/v2.0/subnets/{id}", show_resource<SubnetKind>, "get_subnet"),
    network_route("PUT", "/network/v2.0/subnets/{id}", update_resource<SubnetKind>, "update_subnet"),
    network_route("DELETE", "/network/v2.0/subnets/{id}", remove_resource<SubnetKind>, "delete_subnet"),
    network_route("GET", "/network/v2.0/ports", list_resource<PortKind>, "get_ports"),
    network_route("POST", "/network/v2.0/ports", create_resource<PortKind>, "create_port"),
    network_route("GET", "/network/v2.0/ports/{id}", show_resource<PortKind>, "get_port"),
    network_route("PUT", "/network/v2.0/ports/{id}", update_resource<PortKind>, "update_port"),
    network_route("DELETE", "/network/v2.0/ports/{id}", remove_resource<PortKind>, "delete_port"),
    // The first list of a project writes its default group.
    {"GET", "/network/v2.0/security-groups", list_resource<GroupKind>, "get_security_groups",
     Service::Network, RouteClass::Commits, true},
    network_route("POST", "/network/v2.0/security-groups", create_resource<GroupKind>,
                  "create_security_group"),
    network_route("GET", "/network/v2.0/security-groups/{id}", show_resource<GroupKind>,
                  "get_security_group"),
    network_route("PUT", "/network/v2.0/security-groups/{id}", update_resource<GroupKind>,
                  "update_security_group"),
    network_route("DELETE", "/network/v2.0/security-groups/{id}", remove_resource<GroupKind>,
                  "delete_security_group"),
    {"GET", "/network/v2.0/security-group-rules", list_resource<RuleKind>,
     "get_security_group_rules", Service::Network, RouteClass::Commits, true},
    network_route("POST", "/network/v2.0/security-group-rules", create_resource<RuleKind>,
                  "create_security_group_rule"),
    network_route("GET", "/network/v2.0/security-group-rules/{id}", show_resource<RuleKind>,
                  "get_security_group_rule"),
    network_route("DELETE", "/network/v2.0/security-group-rules/{id}", remove_resource<RuleKind>,
                  "delete_security_group_rule"),
    network_route("GET", "/network/v2.0/extensions", list_extensions, "get_extensions"),
    network_route("GET", "/network/v2.0/extensions/{alias}", show_extension, "get_extension"),
    network_route("GET", "/network/v2.0/quotas", list_quotas, "get_quotas"),
    network_route("GET", "/network/v2.0/quotas/{project_id}", show_quota, "get_quota"),
    network_route("PUT", "/network/v2.0/quotas/{project_id}", update_quota, "update_quota"),
    network_route("DELETE", "/network/v2.0/quotas/{project_id}", delete_quota, "delete_quota"),
    network_route("GET", "/network/v2.0/quotas/{project_id}/default", show_default_quota,
                  "get_quota_defaults"),
    network_route("GET", "/network/v2.0/quotas/{project_id}/details", show_quota_details,
                  "get_quota"),
    network_route("GET", "/network/v2.0/quotas/{project_id}/details.json", show_quota_details,
                  "get_quota"),
};

}  // namespace

std::span<const Route> core_routes() { return kNetworkRoutes; }

}  // namespace network_api

}  // namespace cloudos::rest

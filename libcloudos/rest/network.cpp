#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "rest/network_api.hpp"
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

std::string page_url(const Call& call, std::string_view plural, std::string_view path,
                     std::string_view marker, bool reverse) {
  std::string url = fmt::format("{}/{}?", call.service_url, path.empty() ? plural : path);
  for (const auto& [name, value] : call.query_all()) {
    if (name == "marker" || name == "page_reverse") continue;
    url += fmt::format("{}={}&", percent_encode(name), percent_encode(value));
  }
  url += fmt::format("marker={}", percent_encode(marker));
  if (reverse) url += "&page_reverse=True";
  return url;
}

}  // namespace

void write_links(JsonWriter& w, const Call& call, std::string_view plural, const Query& query,
                 std::string_view first, std::string_view last, bool more) {
  if (!query.paged || first.empty()) return;
  std::string path(plural);
  for (char& c : path)
    if (c == '_') c = '-';
  const bool next = query.spec.reverse ? !query.spec.marker.empty() : more;
  const bool previous = query.spec.reverse ? more : !query.spec.marker.empty();
  w.key(std::string(plural) + "_links").open_list();
  if (next) {
    w.open().member("rel", "next");
    w.member("href", page_url(call, plural, path, last, false)).close();
  }
  if (previous) {
    w.open().member("rel", "previous");
    w.member("href", page_url(call, plural, path, first, true)).close();
  }
  w.close_list();
}

namespace {

// ---- what the handlers below need to know of each resource --------------------------------------

using RulesByGroup = std::map<SecurityGroupId, std::vector<SecurityGroupRule>>;

template <class T>
struct Kind;

template <>
struct Kind<Network> {
  static constexpr std::string_view singular = "network", plural = "networks";
  using Id = NetworkId;
  static constexpr auto list = &Networks::networks;
  static constexpr auto show = &Networks::network;
  static constexpr auto decode = decode_network;
  static constexpr auto create = &Networks::create_networks;
  static constexpr auto decode_update = decode_network_update;
  static constexpr auto update = &Networks::update_network;
  static constexpr auto remove = &Networks::delete_network;
};
template <>
struct Kind<Subnet> {
  static constexpr std::string_view singular = "subnet", plural = "subnets";
  using Id = SubnetId;
  static constexpr auto list = &Networks::subnets;
  static constexpr auto show = &Networks::subnet;
  static constexpr auto decode = decode_subnet;
  static constexpr auto create = &Networks::create_subnets;
  static constexpr auto decode_update = decode_subnet_update;
  static constexpr auto update = &Networks::update_subnet;
  static constexpr auto remove = &Networks::delete_subnet;
};
template <>
struct Kind<Port> {
  static constexpr std::string_view singular = "port", plural = "ports";
  using Id = PortId;
  static constexpr auto list = &Networks::ports;
  static constexpr auto show = &Networks::port;
  static constexpr auto decode = decode_port;
  static constexpr auto create = &Networks::create_ports;
  static constexpr auto decode_update = decode_port_update;
  static constexpr auto update = &Networks::update_port;
  static constexpr Result<void> (Networks::*remove)(const Context&,
                                                    const PortId&) = &Networks::delete_port;
};
template <>
struct Kind<SecurityGroup> {
  static constexpr std::string_view singular = "security_group", plural = "security_groups";
  using Id = SecurityGroupId;
  static constexpr auto list = &Networks::groups;
  static constexpr auto show = &Networks::group;
  static constexpr auto decode = decode_group;
  static constexpr auto create = &Networks::create_groups;
  static constexpr auto decode_update = decode_group_update;
  static constexpr auto update = &Networks::update_group;
  static constexpr auto remove = &Networks::delete_group;
};
template <>
struct Kind<SecurityGroupRule> {
  static constexpr std::string_view singular = "security_group_rule",
                                    plural = "security_group_rules";
  using Id = SecurityGroupRuleId;
  static constexpr auto list = &Networks::rules;
  static constexpr auto show = &Networks::rule;
  static constexpr auto decode = decode_rule;
  static constexpr auto create = &Networks::create_rules;
  static constexpr auto remove = &Networks::delete_rule;
};

/// The rules that groups are shown with, all by one list.
template <class T>
Result<RulesByGroup> rules_of(const Call& call, const std::vector<T>& records) {
  RulesByGroup by_group;
  if constexpr (std::is_same_v<T, SecurityGroup>) {
    NetworkListSpec spec;
    for (const SecurityGroup& group : records)
      spec.filters.emplace_back("security_group_id", group.id.value);
    if (records.empty()) return by_group;
    CLOUDOS_TRY(auto rules, call.cloud.networks().rules(call.ctx, spec));
    for (auto& rule : rules) by_group[rule.group].push_back(std::move(rule));
  }
  return by_group;
}

void write_one(Fields& out, const Call& call, const Network& n, const RulesByGroup&) {
  write_network(out, call.ctx, n);
}
void write_one(Fields& out, const Call&, const Subnet& s, const RulesByGroup&) {
  write_subnet(out, s);
}
void write_one(Fields& out, const Call& call, const Port& p, const RulesByGroup&) {
  write_port(out, call.ctx, p);
}
void write_one(Fields& out, const Call&, const SecurityGroup& g, const RulesByGroup& rules) {
  const auto found = rules.find(g.id);
  write_group(out, g, found == rules.end() ? std::vector<SecurityGroupRule>() : found->second);
}
void write_one(Fields& out, const Call&, const SecurityGroupRule& r, const RulesByGroup&) {
  write_rule(out, r);
}

template <class T>
Result<void> write_list(JsonWriter& w, const Call& call, const std::vector<T>& records,
                        const std::set<std::string, std::less<>>& fields) {
  RulesByGroup rules;
  if (fields.empty() || fields.count("security_group_rules")) {
    CLOUDOS_TRY(rules, rules_of(call, records));
  }
  w.key(Kind<T>::plural).open_list();
  for (const T& record : records) {
    w.open();
    Fields out(w, fields);
    write_one(out, call, record, rules);
    w.close();
  }
  w.close_list();
  return Result<void>();
}

template <class T>
Result<Response> one_response(const Call& call, int status, const T& record,
                              const std::set<std::string, std::less<>>& fields = {}) {
  CLOUDOS_TRY(const auto rules, rules_of(call, std::vector<T>{record}));
  JsonWriter w;
  w.open().key(Kind<T>::singular).open();
  Fields out(w, fields);
  write_one(out, call, record, rules);
  w.close().close();
  return json_response(status, std::move(w).take());
}

// ---- handlers -----------------------------------------------------------------------------------

template <class T>
Result<Response> list(Call& call) {
  CLOUDOS_TRY(const Query query, decode_query(call));
  NetworkListSpec spec = query.spec;
  if (query.paged) ++spec.limit;  // One more tells whether there is a page behind.
  CLOUDOS_TRY(auto records, (call.cloud.networks().*Kind<T>::list)(call.ctx, spec));
  const bool more = query.paged && records.size() > query.spec.limit;
  if (more) records.erase(query.spec.reverse ? records.begin() : records.end() - 1);
  JsonWriter w;
  w.open();
  CLOUDOS_CHECK(write_list(w, call, records, query.fields));
  if (!records.empty()) {
    write_links(w, call, Kind<T>::plural, query, records.front().id.value, records.back().id.value,
                more);
  }
  w.close();
  return json_response(200, std::move(w).take());
}

template <class T>
Result<Response> show(Call& call) {
  std::set<std::string, std::less<>> fields;
  for (const auto& [name, value] : call.query_all())
    if (name == "fields") fields.insert(value);
  CLOUDOS_TRY(const T record, (call.cloud.networks().*Kind<T>::show)(
                                  call.ctx, typename Kind<T>::Id{call.path("id")}));
  return one_response(call, 200, record, fields);
}

/// {"port": {…}} makes one, {"ports": [{…}, …]} all of them or none.
template <class T>
Result<Response> create(Call& call) {
  using Spec = typename decltype(Kind<T>::decode(std::declval<const Members&>()))::value_type;
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  const auto many = body->is_object() ? body->find(Kind<T>::plural) : body->end();
  const bool bulk = body->is_object() && many != body->end();
  std::vector<Spec> specs;
  if (bulk) {
    if (!many->is_array() || many->empty())
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("{} must be a list that is not empty", Kind<T>::plural));
    for (const nlohmann::json& element : *many) {
      CLOUDOS_TRY(Spec spec, Kind<T>::decode(Members(element, Kind<T>::singular)));
      specs.push_back(std::move(spec));
    }
  } else {
    CLOUDOS_TRY(const nlohmann::json* object, call.json_object(Kind<T>::singular));
    CLOUDOS_TRY(Spec spec, Kind<T>::decode(Members(*object, Kind<T>::singular)));
    specs.push_back(std::move(spec));
  }
  CLOUDOS_TRY(const auto made, (call.cloud.networks().*Kind<T>::create)(call.ctx, specs));
  if (!bulk) return one_response(call, 201, made.front());
  JsonWriter w;
  w.open();
  CLOUDOS_CHECK(write_list(w, call, made, {}));
  w.close();
  return json_response(201, std::move(w).take());
}

template <class T>
Result<Response> update(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* object, call.json_object(Kind<T>::singular));
  CLOUDOS_TRY(const auto change, Kind<T>::decode_update(Members(*object, Kind<T>::singular)));
  CLOUDOS_TRY(const T record, (call.cloud.networks().*Kind<T>::update)(
                                  call.ctx, typename Kind<T>::Id{call.path("id")}, change));
  return one_response(call, 200, record);
}

template <class T>
Result<Response> remove(Call& call) {
  CLOUDOS_CHECK((call.cloud.networks().*Kind<T>::remove)(call.ctx,
                                                         typename Kind<T>::Id{call.path("id")}));
  return empty_response(204);
}

constexpr Route network_route(std::string_view method, std::string_view pattern, Handler handler,
                              std::string_view policy) {
  return {method, pattern, handler, policy, Service::Network,
          method == "GET" ? RouteClass::Inline : RouteClass::Commits, true};
}

constexpr Route kNetworkRoutes[] = {
    network_route("GET", "/network/v2.0/networks", list<Network>, "get_networks"),
    network_route("POST", "/network/v2.0/networks", create<Network>, "create_network"),
    network_route("GET", "/network/v2.0/networks/{id}", show<Network>, "get_network"),
    network_route("PUT", "/network/v2.0/networks/{id}", update<Network>, "update_network"),
    network_route("DELETE", "/network/v2.0/networks/{id}", remove<Network>, "delete_network"),
    network_route("GET", "/network/v2.0/subnets", list<Subnet>, "get_subnets"),
    network_route("POST", "/network/v2.0/subnets", create<Subnet>, "create_subnet"),
    network_route("GET", "/network/v2.0/subnets/{id}", show<Subnet>, "get_subnet"),
    network_route("PUT", "/network/v2.0/subnets/{id}", update<Subnet>, "update_subnet"),
    network_route("DELETE", "/network/v2.0/subnets/{id}", remove<Subnet>, "delete_subnet"),
    network_route("GET", "/network/v2.0/ports", list<Port>, "get_ports"),
    network_route("POST", "/network/v2.0/ports", create<Port>, "create_port"),
    network_route("GET", "/network/v2.0/ports/{id}", show<Port>, "get_port"),
    network_route("PUT", "/network/v2.0/ports/{id}", update<Port>, "update_port"),
    network_route("DELETE", "/network/v2.0/ports/{id}", remove<Port>, "delete_port"),
    // The first list of a project writes its default group.
    {"GET", "/network/v2.0/security-groups", list<SecurityGroup>, "get_security_groups",
     Service::Network, RouteClass::Commits, true},
    network_route("POST", "/network/v2.0/security-groups", create<SecurityGroup>,
                  "create_security_group"),
    network_route("GET", "/network/v2.0/security-groups/{id}", show<SecurityGroup>,
                  "get_security_group"),
    network_route("PUT", "/network/v2.0/security-groups/{id}", update<SecurityGroup>,
                  "update_security_group"),
    network_route("DELETE", "/network/v2.0/security-groups/{id}", remove<SecurityGroup>,
                  "delete_security_group"),
    {"GET", "/network/v2.0/security-group-rules", list<SecurityGroupRule>,
     "get_security_group_rules", Service::Network, RouteClass::Commits, true},
    network_route("POST", "/network/v2.0/security-group-rules", create<SecurityGroupRule>,
                  "create_security_group_rule"),
    network_route("GET", "/network/v2.0/security-group-rules/{id}", show<SecurityGroupRule>,
                  "get_security_group_rule"),
    network_route("DELETE", "/network/v2.0/security-group-rules/{id}", remove<SecurityGroupRule>,
                  "delete_security_group_rule"),
    network_route("GET", "/network/v2.0/extensions", list_extensions, "get_extensions"),
    network_route("GET", "/network/v2.0/extensions/{alias}", show_extension, "get_extension"),
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
}  // namespace network_api

std::span<const Route> network_routes() { return network_api::kNetworkRoutes; }

}  // namespace cloudos::rest

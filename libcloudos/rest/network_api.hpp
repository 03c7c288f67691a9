#pragma once
#include <initializer_list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/networks.hpp"
#include "cloudos/trunks.hpp"
#include "rest/json.hpp"
#include "rest/router.hpp"

/// The Networking dialect: what its encoders, decoders and handlers share.
/// Source: Networking API v2.0 reference.
namespace cloudos::rest::network_api {

/// Writes the members of one resource that the caller asked for with `fields`, or all of them.
class Fields {
 public:
  Fields(JsonWriter& writer, const std::set<std::string, std::less<>>& wanted)
      : w(writer), wanted_(wanted) {}
  bool wants(std::string_view name) const { return wanted_.empty() || wanted_.count(name) > 0; }
  template <class T>
  void member(std::string_view name, const T& value) {
    if (wants(name)) w.member(name, value);
  }
  /// Text, or null when it is empty.
  void text_or_null(std::string_view name, std::string_view text) {
    if (wants(name)) w.member_or_null(name, text);
  }
  JsonWriter& w;

 private:
  const std::set<std::string, std::less<>>& wanted_;
};

struct Query {
  NetworkListSpec spec;
  std::set<std::string, std::less<>> fields;
  bool paged = false;  ///< A limit was given: links are due.
};
/// Filters, sort, page and fields of a list. Errors: InvalidArgument.
Result<Query> decode_query(const Call& call);
/// "networks_links", where a page was asked for: the way on and the way back, as the API has them.
void write_links(JsonWriter& w, const Call& call, std::string_view plural, const Query& query,
                 std::string_view first, std::string_view last, std::size_t count);

// Members that several resources have (network_subnet_json.cpp).
/// The elements of a list of objects; nothing when it is absent or null.
Result<std::optional<std::vector<const nlohmann::json*>>> list_of_objects(const Members& in,
                                                                          std::string_view name);
/// Absent and null leave `out` as it is.
Result<void> put_text(const Members& in, std::string_view name, std::string& out);
/// Refuses what a change has beside what was read: a member that stays as it was made ("id" and
/// others of every resource, and those in `made_once`) by saying so.
Result<void> no_other_changes(const Members& in,
                              std::initializer_list<std::string_view> made_once = {});
/// From 0 to what 32 bits hold.
Result<std::optional<std::uint32_t>> maybe_number(const Members& in, std::string_view name);

// Each resource: its body in, its body out (network_json.cpp, network_groups_json.cpp).
Result<NetworkCreate> decode_network(const Members& in);
Result<NetworkUpdate> decode_network_update(const Members& in);
void write_network(Fields& out, const Context& ctx, const Network& network);
Result<SubnetCreate> decode_subnet(const Members& in);
Result<SubnetUpdate> decode_subnet_update(const Members& in);
void write_subnet(Fields& out, const Subnet& subnet);
Result<PortCreate> decode_port(const Members& in);
Result<PortUpdate> decode_port_update(const Members& in);
/// What ports are shown with beside themselves.
struct PortExtra {
  std::string dns_domain;  ///< The cloud's.
  std::map<NetworkId, Network> networks;  ///< Of the ports: DNS domains and QoS policies.
  std::map<TrunkId, Trunk> trunks;        ///< Of ports that carry others.
  std::map<PortId, std::string> macs;     ///< Of the trunks' sub-ports.
};
Result<PortExtra> port_extra(const Call& call, const std::vector<Port>& ports,
                             const std::set<std::string, std::less<>>& fields);
void write_port(Fields& out, const Context& ctx, const Port& port, const PortExtra& extra);
Result<SecurityGroupCreate> decode_group(const Members& in);
Result<SecurityGroupUpdate> decode_group_update(const Members& in);
void write_group(Fields& out, const SecurityGroup& group,
                 const std::vector<SecurityGroupRule>& rules);
Result<SecurityGroupRuleCreate> decode_rule(const Members& in);
/// What a rule is about: direction, protocol, ports and the other side.
Result<void> decode_rule_match(const Members& in, SecurityGroupRuleCreate& rule);
void write_rule(Fields& out, const SecurityGroupRule& rule);

/// project_id or its older name tenant_id. Errors: InvalidArgument (they differ).
Result<std::optional<ProjectId>> decode_project(const Members& in);
/// The member is absent, null, empty or a UUID. Errors: InvalidArgument.
Result<void> check_uuid(const Members& in, std::string_view name);
/// created_at, updated_at, revision_number.
template <class T>
void write_revision(Fields& out, const T& record) {
  out.member("created_at", format_time(record.created_at));
  out.member("updated_at", format_time(record.updated_at));
  out.member("revision_number", record.generation);
}
/// id, project_id, tenant_id, description, created_at, updated_at, revision_number.
template <class T>
void write_common(Fields& out, const T& record) {
  out.member("id", record.id.value);
  out.member("project_id", record.project.value);
  out.member("tenant_id", record.project.value);
  out.member("description", record.description);
  write_revision(out, record);
  if constexpr (requires { record.tags; }) out.member("tags", record.tags);
}

// network_extras.cpp
Result<Response> list_extensions(Call& call);
Result<Response> show_extension(Call& call);
Result<Response> list_quotas(Call& call);
Result<Response> show_quota(Call& call);
Result<Response> show_default_quota(Call& call);
Result<Response> show_quota_details(Call& call);
Result<Response> update_quota(Call& call);
Result<Response> delete_quota(Call& call);

}  // namespace cloudos::rest::network_api

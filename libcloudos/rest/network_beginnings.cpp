#include "cloudos/default_rules.hpp"
#include "cloudos/simple_network.hpp"
#include "rest/network_l3_json.hpp"
#include "rest/network_resource.hpp"
#include "rest/network_tables.hpp"

/// What groups begin with, and how a project begins: default rules, and simple networks (ours).
namespace cloudos::rest::network_api {
namespace {

struct DefaultRuleKind : PlainResource<DefaultRule> {
  static constexpr std::string_view singular = "default_security_group_rule",
                                    plural = "default_security_group_rules";
  static auto list(Call& call, const NetworkListSpec& spec) {
    return call.cloud.networks().default_rules().rules(call.ctx, spec);
  }
  static auto show(Call& call) {
    return call.cloud.networks().default_rules().rule(call.ctx,
                                                      SecurityGroupRuleId{call.path("id")});
  }
  static Result<DefaultRuleCreate> decode(const Members& in) {
    DefaultRuleCreate spec;
    CLOUDOS_CHECK(decode_rule_match(in, spec.rule));
    CLOUDOS_CHECK(in.flag("used_in_default_sg", spec.in_default));
    CLOUDOS_CHECK(in.flag("used_in_non_default_sg", spec.in_others));
    CLOUDOS_CHECK(in.no_others());
    return spec;
  }
  static auto create(Call& call, const std::vector<DefaultRuleCreate>& specs) {
    return call.cloud.networks().default_rules().create(call.ctx, specs);
  }
  static auto remove(Call& call) {
    return call.cloud.networks().default_rules().remove(call.ctx,
                                                        SecurityGroupRuleId{call.path("id")});
  }
  static void write(Fields& out, const Call&, const Record& rule, const Extra&) {
    out.member("id", rule.id.value);
    out.member("description", rule.description);
    out.member("direction", rule.ingress ? "ingress" : "egress");
    out.member("ethertype", rule.ipv6 ? "IPv6" : "IPv4");
    out.text_or_null("protocol", rule.protocol);
    out.member("port_range_min", rule.port_min);
    out.member("port_range_max", rule.port_max);
    out.text_or_null("remote_ip_prefix", rule.remote_cidr);
    out.text_or_null("remote_group_id",
                     rule.from_own_group ? std::string("PARENT") : rule.remote_group.value);
    out.text_or_null("remote_address_group_id", rule.remote_address_group.value);
    out.member("used_in_default_sg", rule.in_default);
    out.member("used_in_non_default_sg", rule.in_others);
  }
};

// ---- a network to begin with --------------------------------------------------------------------

Result<SimpleNetworkSpec> decode_simple(const Members& in) {
  SimpleNetworkSpec spec;
  CLOUDOS_CHECK(put_text(in, "name", spec.name));
  CLOUDOS_CHECK(put_text(in, "cidr", spec.cidr));
  CLOUDOS_TRY(auto dns, in.maybe_text_list("dns_nameservers"));
  if (dns) spec.dns_servers = std::move(*dns);
  CLOUDOS_CHECK(in.flag("open", spec.open));
  CLOUDOS_CHECK(put_text(in, "physical_network", spec.physical_network));
  CLOUDOS_CHECK(put_text(in, "floating_cidr", spec.floating_cidr));
  CLOUDOS_CHECK(put_text(in, "floating_gateway", spec.floating_gateway));
  CLOUDOS_CHECK(put_text(in, "floating_first", spec.floating_first));
  CLOUDOS_CHECK(put_text(in, "floating_last", spec.floating_last));
  CLOUDOS_CHECK(in.no_others());
  return spec;
}

Result<Response> make_simple(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* object, call.json_object("simple_network"));
  CLOUDOS_TRY(const auto spec, decode_simple(Members(*object, "simple_network")));
  CLOUDOS_TRY(const auto done, call.cloud.networks().simple().ensure(call.ctx, spec));
  JsonWriter w;
  w.open().key("simple_network").open();
  w.member("name", spec.name).member("network_id", done.network.id.value);
  w.member("subnet_id", done.subnet.id.value).member("cidr", done.subnet.cidr);
  w.member("security_group_id", done.group.id.value);
  w.member_or_null("floating_network_id", done.outside ? done.outside->id.value : std::string());
  w.member_or_null("floating_cidr",
                   done.outside_subnet ? done.outside_subnet->cidr : std::string());
  w.member_or_null("router_id", done.router ? done.router->id.value : std::string());
  w.member("made", done.made).close().close();
  return json_response(done.made.empty() ? 200 : 201, std::move(w).take());
}

Result<Response> remove_simple(Call& call) {
  CLOUDOS_CHECK(call.cloud.networks().simple().remove(call.ctx, call.path("name")));
  return empty_response(204);
}

constexpr Route kBeginningRoutes[] = {
    network_route("GET", "/network/v2.0/default-security-group-rules",
                  list_resource<DefaultRuleKind>, "get_default_security_group_rules"),
    network_route("POST", "/network/v2.0/default-security-group-rules",
                  create_resource<DefaultRuleKind>, "create_default_security_group_rule"),
    network_route("GET", "/network/v2.0/default-security-group-rules/{id}",
                  show_resource<DefaultRuleKind>, "get_default_security_group_rule"),
    network_route("DELETE", "/network/v2.0/default-security-group-rules/{id}",
                  remove_resource<DefaultRuleKind>, "delete_default_security_group_rule"),
    network_route("POST", "/network/v2.0/simple-networks", make_simple, "create_simple_network"),
    network_route("DELETE", "/network/v2.0/simple-networks/{name}", remove_simple,
                  "delete_simple_network"),
};

}  // namespace

std::span<const Route> beginning_routes() {
  return kBeginningRoutes;
}

}  // namespace cloudos::rest::network_api

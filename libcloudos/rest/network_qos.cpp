#include "base/text.hpp"
#include "cloudos/network_qos.hpp"
#include "rest/network_resource.hpp"
#include "rest/network_tables.hpp"
#include "rest/network_views.hpp"

namespace cloudos::rest::network_api {
namespace {

void write_qos_rule(Fields& out, const QosRule& rule) {
  out.member("id", rule.id.value);
  if (rule.type == QosRule::kDscp) {
    out.member("dscp_mark", rule.dscp_mark);
    return;
  }
  if (rule.type == QosRule::kMinimum) {
    out.member("min_kbps", rule.min_kbps);
    out.member("direction", rule.ingress ? "ingress" : "egress");
    return;
  }
  out.member("max_kbps", rule.max_kbps);
  out.member("max_burst_kbps", rule.max_burst_kbps);
  out.member("direction", rule.ingress ? "ingress" : "egress");
}

struct QosKind : PlainResource<QosPolicy> {
  static constexpr std::string_view singular = "policy", plural = "policies";
  static auto list(Call& call, const NetworkListSpec& spec) {
    return call.cloud.networks().qos().policies(call.ctx, spec);
  }
  static auto show(Call& call) {
    return call.cloud.networks().qos().policy(call.ctx, QosPolicyId{call.path("id")});
  }
  static Result<QosPolicyCreate> decode(const Members& in) {
    QosPolicyCreate spec;
    CLOUDOS_TRY(spec.name, in.text("name"));
    CLOUDOS_CHECK(put_text(in, "description", spec.description));
    CLOUDOS_TRY(spec.project, decode_project(in));
    CLOUDOS_CHECK(in.flag("shared", spec.shared));
    CLOUDOS_CHECK(in.flag("is_default", spec.is_default));
    CLOUDOS_CHECK(in.no_others());
    // Callers whom the policy refuses hear of these first.
    CLOUDOS_CHECK(check_name("name", spec.name, 0, limits::kNameChars));
    CLOUDOS_CHECK(check_name("description", spec.description, 0, limits::kDescriptionChars));
    if (spec.project)
      CLOUDOS_CHECK(check_name("project_id", spec.project->value, 0, limits::kNameChars));
    return spec;
  }
  static auto create(Call& call, const std::vector<QosPolicyCreate>& specs) {
    return call.cloud.networks().qos().create(call.ctx, specs);
  }
  static Result<QosPolicyUpdate> decode_update(const Members& in) {
    QosPolicyUpdate change;
    CLOUDOS_TRY(change.name, in.maybe_text("name"));
    CLOUDOS_TRY(change.description, in.maybe_text("description"));
    CLOUDOS_TRY(change.shared, in.maybe_flag("shared"));
    CLOUDOS_TRY(change.is_default, in.maybe_flag("is_default"));
    CLOUDOS_CHECK(in.no_others());
    return change;
  }
  static auto update(Call& call, const QosPolicyUpdate& change) {
    return call.cloud.networks().qos().update(call.ctx, QosPolicyId{call.path("id")}, change);
  }
  static auto remove(Call& call) {
    return call.cloud.networks().qos().remove(call.ctx, QosPolicyId{call.path("id")});
  }
  static void write(Fields& out, const Call&, const Record& policy, const Extra&) {
    write_common(out, policy);
    out.member("name", policy.name);
    out.member("shared", policy.shared);
    out.member("is_default", policy.is_default);
    if (!out.wants("rules")) return;
    static const Wanted kAll;
    out.w.key("rules").open_list();
    for (const QosRule& rule : policy.rules) {
      out.w.open();
      Fields whole(out.w, kAll);
      write_qos_rule(whole, rule);
      out.w.member("type", rule.type).member("qos_policy_id", policy.id.value).close();
    }
    out.w.close_list();
  }
};

// ---- rules of a policy --------------------------------------------------------------------------

struct Bandwidth {
  static constexpr std::string_view type = QosRule::kBandwidth;
  static constexpr std::string_view singular = "bandwidth_limit_rule",
                                    plural = "bandwidth_limit_rules";
};
struct Dscp {
  static constexpr std::string_view type = QosRule::kDscp;
  static constexpr std::string_view singular = "dscp_marking_rule", plural = "dscp_marking_rules";
};

struct Minimum {
  static constexpr std::string_view type = QosRule::kMinimum;
  static constexpr std::string_view singular = "minimum_bandwidth_rule",
                                    plural = "minimum_bandwidth_rules";
};

template <class K>
Result<QosRuleSpec> decode_qos_rule(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* object, call.json_object(K::singular));
  const Members in(*object, K::singular);
  QosRuleSpec spec;
  spec.type = K::type;
  CLOUDOS_TRY(spec.max_kbps, in.maybe_integer("max_kbps"));
  CLOUDOS_TRY(spec.max_burst_kbps, in.maybe_integer("max_burst_kbps"));
  CLOUDOS_TRY(spec.min_kbps, in.maybe_integer("min_kbps"));
  CLOUDOS_TRY(spec.dscp_mark, in.maybe_integer("dscp_mark"));
  CLOUDOS_TRY(spec.direction, in.maybe_text("direction"));
  CLOUDOS_CHECK(in.no_others());
  return spec;
}

template <class K>
Response qos_rule_response(const Call& call, int status, const QosRule& rule) {
  JsonWriter w;
  const Wanted fields = wanted_fields(call);
  w.open().key(K::singular).open();
  Fields out(w, fields);
  write_qos_rule(out, rule);
  w.close().close();
  return json_response(status, std::move(w).take());
}

/// The policy: named by the path, or (of an alias) found by its rule.
template <class K, bool kAlias>
Result<QosPolicyId> qos_policy_of(const Call& call) {
  if constexpr (!kAlias) return QosPolicyId{call.path("policy_id")};
  else return call.cloud.networks().qos().policy_of(call.ctx, K::type, QosRuleId{call.path("id")});
}

template <class K>
bool qos_rule_matches(const QosRule& rule, const Query& query) {
  for (const auto& [name, value] : query.spec.filters) {
    const std::string held = name == "id"               ? rule.id.value
                             : name == "max_kbps"       ? std::to_string(rule.max_kbps)
                             : name == "max_burst_kbps" ? std::to_string(rule.max_burst_kbps)
                             : name == "min_kbps"       ? std::to_string(rule.min_kbps)
                             : name == "dscp_mark"      ? std::to_string(rule.dscp_mark)
                             : name == "direction"      ? (rule.ingress ? "ingress" : "egress")
                                                        : value;
    if (held != value) return false;
  }
  return true;
}

template <class K>
Result<Response> list_qos_rules(Call& call) {
  CLOUDOS_TRY(const Query query, decode_query(call));
  CLOUDOS_TRY(const auto policy, call.cloud.networks().qos().policy(
                                     call.ctx, QosPolicyId{call.path("policy_id")}));
  JsonWriter w;
  w.open().key(K::plural).open_list();
  for (const QosRule& rule : policy.rules) {
    if (rule.type != K::type || !qos_rule_matches<K>(rule, query)) continue;
    w.open();
    Fields out(w, query.fields);
    write_qos_rule(out, rule);
    w.close();
  }
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

template <class K>
Result<void> check_qos_rule(Call& call) {
  CLOUDOS_CHECK(decode_qos_rule<K>(call));
  return Result<void>();
}

template <class K>
Result<Response> create_qos_rule(Call& call) {
  CLOUDOS_TRY(const auto spec, decode_qos_rule<K>(call));
  CLOUDOS_TRY(const auto rule, call.cloud.networks().qos().add_rule(
                                   call.ctx, QosPolicyId{call.path("policy_id")}, spec));
  return qos_rule_response<K>(call, 201, rule);
}

template <class K, bool kAlias = false>
Result<Response> show_qos_rule(Call& call) {
  CLOUDOS_TRY(const auto policy, (qos_policy_of<K, kAlias>(call)));
  CLOUDOS_TRY(const auto rule, call.cloud.networks().qos().rule(call.ctx, policy, K::type,
                                                                QosRuleId{call.path("id")}));
  return qos_rule_response<K>(call, 200, rule);
}

template <class K, bool kAlias = false>
Result<Response> update_qos_rule(Call& call) {
  CLOUDOS_TRY(const auto change, decode_qos_rule<K>(call));
  CLOUDOS_TRY(const auto policy, (qos_policy_of<K, kAlias>(call)));
  CLOUDOS_TRY(const auto rule, call.cloud.networks().qos().update_rule(
                                   call.ctx, policy, QosRuleId{call.path("id")}, change));
  return qos_rule_response<K>(call, 200, rule);
}

template <class K, bool kAlias = false>
Result<Response> remove_qos_rule(Call& call) {
  CLOUDOS_TRY(const auto policy, (qos_policy_of<K, kAlias>(call)));
  CLOUDOS_CHECK(call.cloud.networks().qos().remove_rule(call.ctx, policy, K::type,
                                                        QosRuleId{call.path("id")}));
  return empty_response(204);
}

// ---- kinds of rules -----------------------------------------------------------------------------

Result<Response> list_rule_types(Call& call) {
  std::vector<nlohmann::ordered_json> rows;
  for (const QosRuleType& type : call.cloud.networks().qos().rule_types())
    rows.push_back({{"type", type.type}});
  return view_response(call, {"rule_types", {"type"}}, std::move(rows));
}

void write_parameter(JsonWriter& w, std::string_view name, std::string_view type) {
  w.open().member("parameter_name", name).member("parameter_type", type);
  w.key("parameter_values");
  if (type == "range") {
    w.open().member("start", 0).member("end", INT32_MAX).close();
  } else {
    w.open_list();
    if (name == "direction") w.value("egress").value("ingress");
    if (name == "dscp_mark")
      for (const std::uint32_t mark : NetworkQos::dscp_marks()) w.value(mark);
    w.close_list();
  }
  w.close();
}

Result<Response> show_rule_type(Call& call) {
  for (const QosRuleType& type : call.cloud.networks().qos().rule_types()) {
    if (type.type != call.path("type")) continue;
    JsonWriter w;
    w.open().key("rule_type").open().member("type", type.type);
    w.key("drivers").open_list();
    for (const std::string& driver : type.drivers) {
      w.open().member("name", driver).key("supported_parameters").open_list();
      if (type.type == QosRule::kDscp) {
        write_parameter(w, "dscp_mark", "choices");
      } else {
        write_parameter(w, "max_kbps", "range");
        write_parameter(w, "max_burst_kbps", "range");
        write_parameter(w, "direction", "choices");
      }
      w.close_list().close();
    }
    w.close_list().close().close();
    return json_response(200, std::move(w).take());
  }
  Error error{ErrorCode::NotFound,
              fmt::format("no driver here enforces QoS rules of type '{}'",
                          call.path("type").substr(0, 64)),
              {}};
  error.type = "QosRuleTypeNotFound";
  return fail(std::move(error));
}

// Rules of one kind: below their policy, and (as "alias" paths have it) by their ids alone.
#define CLOUDOS_QOS_RULES "/network/v2.0/qos/policies/{policy_id}/"
#define CLOUDOS_QOS_ALIAS "/network/v2.0/qos/alias_"
#define CLOUDOS_QOS_RULE_ROUTES(kind, rule)                                                       \
  network_route("GET", CLOUDOS_QOS_RULES rule "s", list_qos_rules<kind>, "get_policy_" rule "s"), \
      network_route("POST", CLOUDOS_QOS_RULES rule "s", create_qos_rule<kind>,                    \
                    "create_policy_" rule, check_qos_rule<kind>),                                 \
      network_route("GET", CLOUDOS_QOS_RULES rule "s/{id}", show_qos_rule<kind>,                  \
                    "get_policy_" rule),                                                          \
      network_route("PUT", CLOUDOS_QOS_RULES rule "s/{id}", update_qos_rule<kind>,                \
                    "update_policy_" rule),                                                       \
      network_route("DELETE", CLOUDOS_QOS_RULES rule "s/{id}", remove_qos_rule<kind>,             \
                    "delete_policy_" rule),                                                       \
      network_route("GET", CLOUDOS_QOS_ALIAS rule "s/{id}", show_qos_rule<kind, true>,            \
                    "get_alias_" rule),                                                           \
      network_route("PUT", CLOUDOS_QOS_ALIAS rule "s/{id}", update_qos_rule<kind, true>,          \
                    "update_alias_" rule),                                                        \
      network_route("DELETE", CLOUDOS_QOS_ALIAS rule "s/{id}", remove_qos_rule<kind, true>,       \
                    "delete_alias_" rule)

constexpr Route kQosRoutes[] = {
    network_route("GET", "/network/v2.0/qos/policies", list_resource<QosKind>, "get_policies"),
    network_route("POST", "/network/v2.0/qos/policies", create_resource<QosKind>, "create_policy",
                  check_create<QosKind>),
    network_route("GET", "/network/v2.0/qos/policies/{id}", show_resource<QosKind>, "get_policy"),
    network_route("PUT", "/network/v2.0/qos/policies/{id}", update_resource<QosKind>,
                  "update_policy"),
    network_route("DELETE", "/network/v2.0/qos/policies/{id}", remove_resource<QosKind>,
                  "delete_policy"),
    CLOUDOS_QOS_RULE_ROUTES(Bandwidth, "bandwidth_limit_rule"),
    CLOUDOS_QOS_RULE_ROUTES(Dscp, "dscp_marking_rule"),
    CLOUDOS_QOS_RULE_ROUTES(Minimum, "minimum_bandwidth_rule"),
    network_route("GET", "/network/v2.0/qos/rule-types", list_rule_types, "get_rule_types"),
    network_route("GET", "/network/v2.0/qos/rule-types/{type}", show_rule_type, "get_rule_type"),
};
#undef CLOUDOS_QOS_RULE_ROUTES
#undef CLOUDOS_QOS_ALIAS
#undef CLOUDOS_QOS_RULES

}  // namespace

std::span<const Route> qos_routes() { return kQosRoutes; }

}  // namespace cloudos::rest::network_api

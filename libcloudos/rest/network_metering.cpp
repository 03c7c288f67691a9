#include "cloudos/metering_labels.hpp"
#include "rest/network_resource.hpp"
#include "rest/network_tables.hpp"

namespace cloudos::rest::network_api {
namespace {

struct LabelKind : PlainResource<MeteringLabel> {
  static constexpr std::string_view singular = "metering_label", plural = "metering_labels";
  static auto list(Call& call, const NetworkListSpec& spec) {
    return call.cloud.networks().metering_labels().labels(call.ctx, spec);
  }
  static auto show(Call& call) {
    return call.cloud.networks().metering_labels().label(call.ctx,
                                                         MeteringLabelId{call.path("id")});
  }
  static Result<MeteringLabelCreate> decode(const Members& in) {
    MeteringLabelCreate spec;
    CLOUDOS_CHECK(put_text(in, "name", spec.name));
    CLOUDOS_CHECK(put_text(in, "description", spec.description));
    CLOUDOS_TRY(spec.project, decode_project(in));
    CLOUDOS_CHECK(in.flag("shared", spec.shared));
    CLOUDOS_CHECK(in.no_others());
    return spec;
  }
  static auto create(Call& call, const std::vector<MeteringLabelCreate>& specs) {
    return call.cloud.networks().metering_labels().create(call.ctx, specs);
  }
  static auto remove(Call& call) {
    return call.cloud.networks().metering_labels().remove(call.ctx,
                                                          MeteringLabelId{call.path("id")});
  }
  static void write(Fields& out, const Call&, const Record& label, const Extra&) {
    out.member("id", label.id.value);
    out.member("project_id", label.project.value);
    out.member("tenant_id", label.project.value);
    out.member("name", label.name);
    out.member("description", label.description);
    out.member("shared", label.shared);
  }
};

struct LabelRuleKind : PlainResource<MeteringRule> {
  static constexpr std::string_view singular = "metering_label_rule",
                                    plural = "metering_label_rules";
  static auto list(Call& call, const NetworkListSpec& spec) {
    return call.cloud.networks().metering_labels().rules(call.ctx, spec);
  }
  static auto show(Call& call) {
    return call.cloud.networks().metering_labels().rule(call.ctx, MeteringRuleId{call.path("id")});
  }
  static Result<MeteringRuleCreate> decode(const Members& in) {
    MeteringRuleCreate spec;
    CLOUDOS_TRY(spec.label, in.id<MeteringLabelId>("metering_label_id"));
    CLOUDOS_CHECK(put_text(in, "direction", spec.direction));
    CLOUDOS_CHECK(in.flag("excluded", spec.excluded));
    CLOUDOS_CHECK(put_text(in, "remote_ip_prefix", spec.remote));
    CLOUDOS_CHECK(put_text(in, "source_ip_prefix", spec.source));
    CLOUDOS_CHECK(put_text(in, "destination_ip_prefix", spec.destination));
    CLOUDOS_CHECK(decode_project(in));
    CLOUDOS_CHECK(in.no_others());
    return spec;
  }
  static auto create(Call& call, const std::vector<MeteringRuleCreate>& specs) {
    return call.cloud.networks().metering_labels().create_rules(call.ctx, specs);
  }
  static auto remove(Call& call) {
    return call.cloud.networks().metering_labels().remove_rule(call.ctx,
                                                               MeteringRuleId{call.path("id")});
  }
  static void write(Fields& out, const Call&, const Record& rule, const Extra&) {
    out.member("id", rule.id.value);
    out.member("project_id", rule.project.value);
    out.member("tenant_id", rule.project.value);
    out.member("metering_label_id", rule.label.value);
    out.member("direction", rule.ingress ? "ingress" : "egress");
    out.member("excluded", rule.excluded);
    out.text_or_null("remote_ip_prefix", rule.remote);
    out.text_or_null("source_ip_prefix", rule.source);
    out.text_or_null("destination_ip_prefix", rule.destination);
  }
};

constexpr Route kMeteringRoutes[] = {
    network_route("GET", "/network/v2.0/metering/metering-labels", list_resource<LabelKind>,
                  "get_metering_labels"),
    network_route("POST", "/network/v2.0/metering/metering-labels", create_resource<LabelKind>,
                  "create_metering_label"),
    network_route("GET", "/network/v2.0/metering/metering-labels/{id}", show_resource<LabelKind>,
                  "get_metering_label"),
    network_route("DELETE", "/network/v2.0/metering/metering-labels/{id}",
                  remove_resource<LabelKind>, "delete_metering_label"),
    network_route("GET", "/network/v2.0/metering/metering-label-rules",
                  list_resource<LabelRuleKind>, "get_metering_label_rules"),
    network_route("POST", "/network/v2.0/metering/metering-label-rules",
                  create_resource<LabelRuleKind>, "create_metering_label_rule"),
    network_route("GET", "/network/v2.0/metering/metering-label-rules/{id}",
                  show_resource<LabelRuleKind>, "get_metering_label_rule"),
    network_route("DELETE", "/network/v2.0/metering/metering-label-rules/{id}",
                  remove_resource<LabelRuleKind>, "delete_metering_label_rule"),
};

}  // namespace

std::span<const Route> metering_routes() { return kMeteringRoutes; }

}  // namespace cloudos::rest::network_api

#include "cloudos/network_segments.hpp"

#include "rest/network_l3_json.hpp"
#include "rest/network_resource.hpp"
#include "rest/network_tables.hpp"

namespace cloudos::rest::network_api {
namespace {

struct SegmentKind : PlainResource<NetworkSegment> {
  static constexpr std::string_view singular = "segment", plural = "segments";
  static auto list(Call& call, const NetworkListSpec& spec) {
    return call.cloud.networks().segments().segments(call.ctx, spec);
  }
  static auto show(Call& call) {
    return call.cloud.networks().segments().segment(call.ctx, SegmentId{call.path("id")});
  }
  static Result<SegmentCreate> decode(const Members& in) {
    SegmentCreate spec;
    CLOUDOS_TRY(spec.network, in.id<NetworkId>("network_id"));
    CLOUDOS_TRY(spec.network_type, in.text("network_type"));
    CLOUDOS_CHECK(put_text(in, "name", spec.name));
    CLOUDOS_CHECK(put_text(in, "description", spec.description));
    CLOUDOS_CHECK(put_text(in, "physical_network", spec.physical_network));
    CLOUDOS_TRY(spec.segmentation_id, maybe_number(in, "segmentation_id"));
    CLOUDOS_CHECK(in.no_others());
    return spec;
  }
  static Result<std::vector<Record>> create(Call& call, const std::vector<SegmentCreate>& specs) {
    if (specs.size() != 1) return fail(ErrorCode::InvalidArgument, "segments are made one by one");
    CLOUDOS_TRY(auto made, call.cloud.networks().segments().create(call.ctx, specs.front()));
    return std::vector<Record>{std::move(made)};
  }
  static Result<SegmentUpdate> decode_update(const Members& in) {
    SegmentUpdate change;
    CLOUDOS_TRY(change.name, in.maybe_text("name"));
    CLOUDOS_TRY(change.description, in.maybe_text("description"));
    CLOUDOS_CHECK(in.no_others());
    return change;
  }
  static auto update(Call& call, const SegmentUpdate& change) {
    return call.cloud.networks().segments().update(call.ctx, SegmentId{call.path("id")}, change);
  }
  static auto remove(Call& call) {
    return call.cloud.networks().segments().remove(call.ctx, SegmentId{call.path("id")});
  }
  static void write(Fields& out, const Call&, const Record& segment, const Extra&) {
    out.member("id", segment.id.value);
    out.member("network_id", segment.network.value);
    out.text_or_null("name", segment.name);
    out.text_or_null("description", segment.description);
    out.member("network_type", segment.network_type);
    out.text_or_null("physical_network", segment.physical_network);
    out.member("segmentation_id", segment.segmentation_id);
    write_revision(out, segment);
  }
};

struct SegmentRangeKind {
  using Record = SegmentRange;
  using Extra = std::map<SegmentRangeId, SegmentRangeUse>;
  static constexpr std::string_view singular = "network_segment_range",
                                    plural = "network_segment_ranges";
  static auto list(Call& call, const NetworkListSpec& spec) {
    return call.cloud.networks().segments().ranges(call.ctx, spec);
  }
  static auto show(Call& call) {
    return call.cloud.networks().segments().range(call.ctx, SegmentRangeId{call.path("id")});
  }
  static Result<SegmentRangeCreate> decode(const Members& in) {
    SegmentRangeCreate spec;
    CLOUDOS_CHECK(put_text(in, "name", spec.name));
    CLOUDOS_CHECK(put_text(in, "description", spec.description));
    CLOUDOS_CHECK(in.flag("shared", spec.shared));
    CLOUDOS_TRY(spec.project, decode_project(in));
    CLOUDOS_TRY(spec.network_type, in.text("network_type"));
    CLOUDOS_CHECK(put_text(in, "physical_network", spec.physical_network));
    CLOUDOS_TRY(spec.minimum, maybe_number(in, "minimum"));
    CLOUDOS_TRY(spec.maximum, maybe_number(in, "maximum"));
    CLOUDOS_CHECK(in.no_others());
    return spec;
  }
  static Result<std::vector<Record>> create(Call& call,
                                            const std::vector<SegmentRangeCreate>& specs) {
    if (specs.size() != 1)
      return fail(ErrorCode::InvalidArgument, "network segment ranges are made one by one");
    CLOUDOS_TRY(auto made, call.cloud.networks().segments().create_range(call.ctx, specs.front()));
    return std::vector<Record>{std::move(made)};
  }
  static Result<SegmentRangeUpdate> decode_update(const Members& in) {
    SegmentRangeUpdate change;
    CLOUDOS_TRY(change.name, in.maybe_text("name"));
    CLOUDOS_TRY(change.description, in.maybe_text("description"));
    CLOUDOS_TRY(change.minimum, maybe_number(in, "minimum"));
    CLOUDOS_TRY(change.maximum, maybe_number(in, "maximum"));
    CLOUDOS_CHECK(in.no_others());
    return change;
  }
  static auto update(Call& call, const SegmentRangeUpdate& change) {
    return call.cloud.networks().segments().update_range(call.ctx, SegmentRangeId{call.path("id")},
                                                         change);
  }
  static auto remove(Call& call) {
    return call.cloud.networks().segments().remove_range(call.ctx, SegmentRangeId{call.path("id")});
  }
  static Result<Extra> extra(const Call& call, const std::vector<Record>& ranges,
                             const Wanted& fields) {
    Extra uses;
    if (!fields.empty() && !fields.count("used") && !fields.count("available")) return uses;
    for (const Record& range : ranges) {
      CLOUDOS_TRY(auto use, call.cloud.networks().segments().use_of(call.ctx, range));
      uses.emplace(range.id, std::move(use));
    }
    return uses;
  }
  static void write(Fields& out, const Call&, const Record& range, const Extra& uses) {
    out.member("id", range.id.value);
    out.member("name", range.name);
    out.member("description", range.description);
    out.member("default", range.is_default);
    out.member("shared", range.shared);
    out.text_or_null("project_id", range.project.value);
    out.text_or_null("tenant_id", range.project.value);
    out.member("network_type", range.network_type);
    out.text_or_null("physical_network", range.physical_network);
    out.member("minimum", range.minimum);
    out.member("maximum", range.maximum);
    write_revision(out, range);
    const auto use = uses.find(range.id);
    if (use == uses.end()) return;
    if (out.wants("used")) {
      out.w.key("used").open();
      for (const auto& [number, project] : use->second.used)
        out.w.member(std::to_string(number), project.value);
      out.w.close();
    }
    if (!out.wants("available")) return;
    out.w.key("available").open_list();
    for (const std::uint32_t number : use->second.available) out.w.value(number);
    out.w.close_list();
  }
};

constexpr Route kSegmentRoutes[] = {
    network_route("GET", "/network/v2.0/segments", list_resource<SegmentKind>, "get_segments"),
    network_route("POST", "/network/v2.0/segments", create_resource<SegmentKind>, "create_segment"),
    network_route("GET", "/network/v2.0/segments/{id}", show_resource<SegmentKind>, "get_segment"),
    network_route("PUT", "/network/v2.0/segments/{id}", update_resource<SegmentKind>,
                  "update_segment"),
    network_route("DELETE", "/network/v2.0/segments/{id}", remove_resource<SegmentKind>,
                  "delete_segment"),
    network_route("GET", "/network/v2.0/network_segment_ranges", list_resource<SegmentRangeKind>,
                  "get_network_segment_ranges"),
    network_route("POST", "/network/v2.0/network_segment_ranges", create_resource<SegmentRangeKind>,
                  "create_network_segment_range"),
    network_route("GET", "/network/v2.0/network_segment_ranges/{id}",
                  show_resource<SegmentRangeKind>, "get_network_segment_range"),
    network_route("PUT", "/network/v2.0/network_segment_ranges/{id}",
                  update_resource<SegmentRangeKind>, "update_network_segment_range"),
    network_route("DELETE", "/network/v2.0/network_segment_ranges/{id}",
                  remove_resource<SegmentRangeKind>, "delete_network_segment_range"),
};

}  // namespace

std::span<const Route> segment_routes() {
  return kSegmentRoutes;
}

}  // namespace cloudos::rest::network_api

#include "cloudos/network_sharing.hpp"
#include "rest/network_resource.hpp"
#include "rest/network_tables.hpp"

namespace cloudos::rest::network_api {
namespace {

struct RbacKind : PlainResource<RbacPolicy> {
  static constexpr std::string_view singular = "rbac_policy", plural = "rbac_policies";
  static auto list(Call& call, const NetworkListSpec& spec) {
    return call.cloud.networks().sharing().policies(call.ctx, spec);
  }
  static auto show(Call& call) {
    return call.cloud.networks().sharing().policy(call.ctx, RbacPolicyId{call.path("id")});
  }
  static Result<RbacPolicyCreate> decode(const Members& in) {
    RbacPolicyCreate spec;
    CLOUDOS_TRY(spec.object_type, in.text("object_type"));
    CLOUDOS_TRY(spec.object_id, in.text("object_id"));
    CLOUDOS_TRY(spec.action, in.text("action"));
    CLOUDOS_TRY(spec.target, target_of(in));
    CLOUDOS_TRY(spec.project, decode_project(in));
    CLOUDOS_CHECK(in.no_others());
    return spec;
  }
  static auto create(Call& call, const std::vector<RbacPolicyCreate>& specs) {
    return call.cloud.networks().sharing().create(call.ctx, specs);
  }
  static Result<std::string> decode_update(const Members& in) {
    CLOUDOS_TRY(std::string target, target_of(in));
    CLOUDOS_CHECK(in.no_others());
    return target;
  }
  static auto update(Call& call, const std::string& target) {
    return call.cloud.networks().sharing().retarget(call.ctx, RbacPolicyId{call.path("id")},
                                                    target);
  }
  static auto remove(Call& call) {
    return call.cloud.networks().sharing().remove(call.ctx, RbacPolicyId{call.path("id")});
  }
  static void write(Fields& out, const Call&, const Record& policy, const Extra&) {
    out.member("id", policy.id.value);
    out.member("project_id", policy.project.value);
    out.member("tenant_id", policy.project.value);
    out.member("object_type", policy.object_type);
    out.member("object_id", policy.object_id);
    out.member("action", policy.action);
    out.member("target_tenant", policy.target);
  }

 private:
  /// By its older name, or by its newer one.
  static Result<std::string> target_of(const Members& in) {
    if (in.has("target_project_id")) return in.text("target_project_id");
    return in.text("target_tenant");
  }
};

constexpr Route kSharingRoutes[] = {
    network_route("GET", "/network/v2.0/rbac-policies", list_resource<RbacKind>,
                  "get_rbac_policies"),
    network_route("POST", "/network/v2.0/rbac-policies", create_resource<RbacKind>,
                  "create_rbac_policy"),
    network_route("GET", "/network/v2.0/rbac-policies/{id}", show_resource<RbacKind>,
                  "get_rbac_policy"),
    network_route("PUT", "/network/v2.0/rbac-policies/{id}", update_resource<RbacKind>,
                  "update_rbac_policy"),
    network_route("DELETE", "/network/v2.0/rbac-policies/{id}", remove_resource<RbacKind>,
                  "delete_rbac_policy"),
};

}  // namespace

std::span<const Route> sharing_routes() { return kSharingRoutes; }

}  // namespace cloudos::rest::network_api

#include "rest/network_l3_json.hpp"
#include "rest/network_resource.hpp"
#include "rest/network_tables.hpp"

namespace cloudos::rest::network_api {
namespace {

SubnetPoolId pool_of_path(const Call& call) { return SubnetPoolId{call.path("id")}; }
AddressScopeId scope_of_path(const Call& call) { return AddressScopeId{call.path("id")}; }

struct SubnetPoolKind : PlainResource<SubnetPool> {
  static constexpr std::string_view singular = "subnetpool", plural = "subnetpools";
  static auto list(Call& call, const NetworkListSpec& spec) {
    return call.cloud.networks().subnet_pools().pools(call.ctx, spec);
  }
  static auto show(Call& call) {
    return call.cloud.networks().subnet_pools().pool(call.ctx, pool_of_path(call));
  }
  static auto decode(const Members& in) { return decode_pool(in); }
  static auto create(Call& call, const std::vector<SubnetPoolCreate>& specs) {
    return call.cloud.networks().subnet_pools().create_many(call.ctx, specs);
  }
  static auto decode_update(const Members& in) { return decode_pool_update(in); }
  static auto update(Call& call, const SubnetPoolUpdate& change) {
    return call.cloud.networks().subnet_pools().update(call.ctx, pool_of_path(call), change);
  }
  static auto remove(Call& call) {
    return call.cloud.networks().subnet_pools().remove(call.ctx, pool_of_path(call));
  }
  static void write(Fields& out, const Call&, const Record& pool, const Extra&) {
    write_pool(out, pool);
  }
};

Result<std::vector<std::string>> prefixes_of_body(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  const Members in(*body, {});
  CLOUDOS_TRY(auto prefixes, in.maybe_text_list("prefixes"));
  CLOUDOS_CHECK(in.no_others());
  if (!prefixes) return fail(ErrorCode::InvalidArgument, "prefixes is needed");
  return std::move(*prefixes);
}

Response prefixes_response(const SubnetPool& pool) {
  JsonWriter w;
  w.open().member("prefixes", pool.prefixes).close();
  return json_response(200, std::move(w).take());
}

Result<Response> add_pool_prefixes(Call& call) {
  CLOUDOS_TRY(const auto prefixes, prefixes_of_body(call));
  CLOUDOS_TRY(const auto pool, call.cloud.networks().subnet_pools().add_prefixes(
                                   call.ctx, pool_of_path(call), prefixes));
  return prefixes_response(pool);
}

Result<Response> remove_pool_prefixes(Call& call) {
  CLOUDOS_TRY(const auto prefixes, prefixes_of_body(call));
  CLOUDOS_TRY(const auto pool, call.cloud.networks().subnet_pools().remove_prefixes(
                                   call.ctx, pool_of_path(call), prefixes));
  return prefixes_response(pool);
}

Result<Response> onboard_subnets(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  const Members in(*body, {});
  CLOUDOS_TRY(const auto network, in.id<NetworkId>("network_id"));
  CLOUDOS_CHECK(in.no_others());
  CLOUDOS_CHECK(
      call.cloud.networks().subnet_pools().onboard(call.ctx, pool_of_path(call), network));
  return json_response(200, "{}");
}

struct ScopeKind : PlainResource<AddressScope> {
  static constexpr std::string_view singular = "address_scope", plural = "address_scopes";
  static auto list(Call& call, const NetworkListSpec& spec) {
    return call.cloud.networks().subnet_pools().scopes(call.ctx, spec);
  }
  static auto show(Call& call) {
    return call.cloud.networks().subnet_pools().scope(call.ctx, scope_of_path(call));
  }
  static auto decode(const Members& in) { return decode_scope(in); }
  static auto create(Call& call, const std::vector<AddressScopeCreate>& specs) {
    return call.cloud.networks().subnet_pools().create_scopes(call.ctx, specs);
  }
  static auto decode_update(const Members& in) { return decode_scope_update(in); }
  static auto update(Call& call, const AddressScopeUpdate& change) {
    return call.cloud.networks().subnet_pools().update_scope(call.ctx, scope_of_path(call),
                                                             change);
  }
  static auto remove(Call& call) {
    return call.cloud.networks().subnet_pools().remove_scope(call.ctx, scope_of_path(call));
  }
  static void write(Fields& out, const Call&, const Record& scope, const Extra&) {
    write_scope(out, scope);
  }
};

constexpr Route kPoolRoutes[] = {
    network_route("GET", "/network/v2.0/subnetpools", list_resource<SubnetPoolKind>,
                  "get_subnetpools"),
    network_route("POST", "/network/v2.0/subnetpools", create_resource<SubnetPoolKind>,
                  "create_subnetpool"),
    network_route("GET", "/network/v2.0/subnetpools/{id}", show_resource<SubnetPoolKind>,
                  "get_subnetpool"),
    network_route("PUT", "/network/v2.0/subnetpools/{id}", update_resource<SubnetPoolKind>,
                  "update_subnetpool"),
    network_route("DELETE", "/network/v2.0/subnetpools/{id}", remove_resource<SubnetPoolKind>,
                  "delete_subnetpool"),
    network_route("PUT", "/network/v2.0/subnetpools/{id}/add_prefixes", add_pool_prefixes,
                  "add_prefixes"),
    network_route("PUT", "/network/v2.0/subnetpools/{id}/remove_prefixes", remove_pool_prefixes,
                  "remove_prefixes"),
    network_route("PUT", "/network/v2.0/subnetpools/{id}/onboard_network_subnets",
                  onboard_subnets, "onboard_network_subnets"),
    network_route("GET", "/network/v2.0/address-scopes", list_resource<ScopeKind>,
                  "get_address_scopes"),
    network_route("POST", "/network/v2.0/address-scopes", create_resource<ScopeKind>,
                  "create_address_scope"),
    network_route("GET", "/network/v2.0/address-scopes/{id}", show_resource<ScopeKind>,
                  "get_address_scope"),
    network_route("PUT", "/network/v2.0/address-scopes/{id}", update_resource<ScopeKind>,
                  "update_address_scope"),
    network_route("DELETE", "/network/v2.0/address-scopes/{id}", remove_resource<ScopeKind>,
                  "delete_address_scope"),
};

}  // namespace

std::span<const Route> pool_routes() { return kPoolRoutes; }

}  // namespace cloudos::rest::network_api

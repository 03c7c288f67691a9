#include "cloudos/address_groups.hpp"
#include "rest/network_resource.hpp"
#include "rest/network_tables.hpp"

namespace cloudos::rest::network_api {
namespace {

struct AddressGroupKind : PlainResource<AddressGroup> {
  static constexpr std::string_view singular = "address_group", plural = "address_groups";
  static auto list(Call& call, const NetworkListSpec& spec) {
    return call.cloud.networks().address_groups().groups(call.ctx, spec);
  }
  static auto show(Call& call) {
    return call.cloud.networks().address_groups().group(call.ctx,
                                                        AddressGroupId{call.path("id")});
  }
  static Result<AddressGroupCreate> decode(const Members& in) {
    AddressGroupCreate spec;
    CLOUDOS_CHECK(put_text(in, "name", spec.name));
    CLOUDOS_CHECK(put_text(in, "description", spec.description));
    CLOUDOS_TRY(spec.project, decode_project(in));
    CLOUDOS_TRY(auto addresses, in.maybe_text_list("addresses"));
    if (addresses) spec.addresses = std::move(*addresses);
    CLOUDOS_CHECK(in.no_others());
    return spec;
  }
  static auto create(Call& call, const std::vector<AddressGroupCreate>& specs) {
    return call.cloud.networks().address_groups().create(call.ctx, specs);
  }
  static Result<AddressGroupUpdate> decode_update(const Members& in) {
    AddressGroupUpdate change;
    CLOUDOS_TRY(change.name, in.maybe_text("name"));
    CLOUDOS_TRY(change.description, in.maybe_text("description"));
    CLOUDOS_CHECK(in.no_others());
    return change;
  }
  static auto update(Call& call, const AddressGroupUpdate& change) {
    return call.cloud.networks().address_groups().update(call.ctx,
                                                         AddressGroupId{call.path("id")}, change);
  }
  static auto remove(Call& call) {
    return call.cloud.networks().address_groups().remove(call.ctx,
                                                         AddressGroupId{call.path("id")});
  }
  static void write(Fields& out, const Call&, const Record& group, const Extra&) {
    write_common(out, group);
    out.member("name", group.name);
    out.member("shared", group.shared);
    out.member("addresses", group.addresses);
  }
};

Result<std::vector<std::string>> body_addresses(Call& call) {
  CLOUDOS_TRY(const nlohmann::json* body, call.json());
  const Members in(*body, "");
  CLOUDOS_CHECK(in.array("addresses"));
  CLOUDOS_TRY(auto addresses, in.maybe_text_list("addresses"));
  CLOUDOS_CHECK(in.no_others());
  return *addresses;
}

Result<Response> add_addresses(Call& call) {
  CLOUDOS_TRY(const auto addresses, body_addresses(call));
  CLOUDOS_TRY(const auto group, call.cloud.networks().address_groups().add_addresses(
                                    call.ctx, AddressGroupId{call.path("id")}, addresses));
  return record_response<AddressGroupKind>(call, 200, group);
}

Result<Response> remove_addresses(Call& call) {
  CLOUDOS_TRY(const auto addresses, body_addresses(call));
  CLOUDOS_TRY(const auto group, call.cloud.networks().address_groups().remove_addresses(
                                    call.ctx, AddressGroupId{call.path("id")}, addresses));
  return record_response<AddressGroupKind>(call, 200, group);
}

constexpr Route kAddressGroupRoutes[] = {
    network_route("GET", "/network/v2.0/address-groups", list_resource<AddressGroupKind>,
                  "get_address_groups"),
    network_route("POST", "/network/v2.0/address-groups", create_resource<AddressGroupKind>,
                  "create_address_group"),
    network_route("GET", "/network/v2.0/address-groups/{id}", show_resource<AddressGroupKind>,
                  "get_address_group"),
    network_route("PUT", "/network/v2.0/address-groups/{id}", update_resource<AddressGroupKind>,
                  "update_address_group"),
    network_route("DELETE", "/network/v2.0/address-groups/{id}",
                  remove_resource<AddressGroupKind>, "delete_address_group"),
    network_route("PUT", "/network/v2.0/address-groups/{id}/add_addresses", add_addresses,
                  "add_addresses"),
    network_route("PUT", "/network/v2.0/address-groups/{id}/remove_addresses", remove_addresses,
                  "remove_addresses"),
};

}  // namespace

std::span<const Route> address_group_routes() { return kAddressGroupRoutes; }

}  // namespace cloudos::rest::network_api

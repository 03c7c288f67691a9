#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "rest/compute_api.hpp"

namespace cloudos::rest::compute_api {
namespace {

void write_pair(JsonWriter& w, const Call& call, const Keypair& pair) {
  w.member("name", pair.name).member("public_key", pair.public_key);
  w.member("fingerprint", pair.fingerprint);
  if (call.microversion >= kV2) w.member("type", "ssh");
}

/// Another user's pairs, from 2.10 on.
UserId pair_user(const Call& call) {
  const auto user = call.query("user_id");
  return UserId{call.microversion >= kV10 && user ? std::string(*user) : std::string()};
}

Result<Response> create_keypair(Call& call) {
  CLOUDOS_TRY(const auto* object, call.json_object("keypair"));
  const Members in(*object, "keypair");
  CLOUDOS_TRY(const auto name, in.text("name"));
  CLOUDOS_TRY(const auto public_key, in.maybe_text("public_key"));
  std::optional<std::string> user, type;
  if (call.microversion >= kV2) {
    CLOUDOS_TRY(type, in.maybe_text("type"));
  }
  if (call.microversion >= kV10) {
    CLOUDOS_TRY(user, in.maybe_text("user_id"));
  }
  CLOUDOS_CHECK(in.no_others());
  if (type && *type != "ssh")
    return fail(ErrorCode::InvalidArgument, "keypair.type: only ssh is possible");
  Keypairs& pairs = call.cloud.servers().keypairs();
  const UserId owner{user.value_or("")};
  GeneratedKeypair made;
  if (public_key) {
    CLOUDOS_TRY(made.keypair, pairs.import(call.ctx, name, *public_key, owner));
  } else {
    CLOUDOS_TRY(made, pairs.generate(call.ctx, name, owner));
  }
  JsonWriter w;
  w.open().key("keypair").open();
  write_pair(w, call, made.keypair);
  w.member("user_id", made.keypair.user);
  if (!public_key) w.member("private_key", made.private_key);
  w.close().close();
  return json_response(call.microversion >= kV2 ? 201 : 200, std::move(w).take());
}

Result<Response> list_keypairs(Call& call) {
  CLOUDOS_TRY(const auto pairs,
              call.cloud.servers().keypairs().list(call.ctx, {}, SIZE_MAX, pair_user(call)));
  JsonWriter w;
  w.open().key("keypairs").open_list();
  for (const Keypair& pair : pairs) {
    w.open().key("keypair").open();
    write_pair(w, call, pair);
    w.close().close();
  }
  w.close_list().close();
  return json_response(200, std::move(w).take());
}

Result<Response> show_keypair(Call& call) {
  CLOUDOS_TRY(const Keypair pair, call.cloud.servers().keypairs().get(
                                      call.ctx, call.path("keypair_name"), pair_user(call)));
  JsonWriter w;
  w.open().key("keypair").open();
  write_pair(w, call, pair);
  w.member("user_id", pair.user).member("id", pair.number).member("deleted", false);
  w.member("created_at", plain_time(pair.created_at));
  w.member_null("updated_at").member_null("deleted_at").close().close();
  return json_response(200, std::move(w).take());
}

Result<Response> delete_keypair(Call& call) {
  CLOUDOS_CHECK(call.cloud.servers().keypairs().remove(call.ctx, call.path("keypair_name"),
                                                       pair_user(call)));
  return empty_response(call.microversion >= kV2 ? 204 : 202);
}

constexpr Route kKeypairRoutes[] = {
    {"GET", "/compute/v2.1/os-keypairs", list_keypairs, "os_compute_api:os-keypairs:index",
     Service::Compute},
    // Making a pair takes tens of milliseconds of CPU.
    {"POST", "/compute/v2.1/os-keypairs", create_keypair, "os_compute_api:os-keypairs:create",
     Service::Compute, RouteClass::Commits},
    {"GET", "/compute/v2.1/os-keypairs/{keypair_name}", show_keypair,
     "os_compute_api:os-keypairs:show", Service::Compute},
    {"DELETE", "/compute/v2.1/os-keypairs/{keypair_name}", delete_keypair,
     "os_compute_api:os-keypairs:delete", Service::Compute, RouteClass::Commits},
};

}  // namespace

std::span<const Route> keypair_routes() { return kKeypairRoutes; }

}  // namespace cloudos::rest::compute_api

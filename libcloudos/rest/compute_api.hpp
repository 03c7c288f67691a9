#pragma once
#include <string>
#include <string_view>

#include "cloudos/hosts.hpp"
#include "cloudos/servers.hpp"
#include "rest/json.hpp"
#include "rest/router.hpp"

/// The Compute dialect: what its encoders, decoders and handlers share.
/// Source: Compute API v2.1 reference and its microversion history.
namespace cloudos::rest::compute_api {

constexpr Microversion kV2{2, 2}, kV3{2, 3}, kV6{2, 6}, kV9{2, 9}, kV10{2, 10}, kV11{2, 11},
    kV16{2, 16}, kV19{2, 19};

/// "links": the versioned self and the bookmark of a resource.
void write_links(JsonWriter& w, const Call& call, std::string_view collection,
                 std::string_view id);
void write_bookmark(JsonWriter& w, const Call& call, std::string_view collection,
                    std::string_view id);
/// "servers_links": the next page, when this one is full.
void write_next_link(JsonWriter& w, const Call& call, std::string_view name,
                     std::string_view path, std::string_view marker);
/// "2026-11-22T06:58:01.000000", as Compute shows times of its extensions.
std::string plain_time(WallTime time);
/// null, or the time above.
void write_time(JsonWriter& w, std::string_view name, const std::optional<WallTime>& time);

/// A flag of the query: true, 1, yes, … Errors: InvalidArgument.
Result<std::optional<bool>> query_flag(const Call& call, std::string_view name);
/// A number of the query; nothing when absent. Errors: InvalidArgument.
Result<std::optional<std::int64_t>> query_number(const Call& call, std::string_view name,
                                                 std::int64_t least, std::int64_t most);

// compute_servers_json.cpp
struct CreateRequest {
  ServerCreate spec;
  std::string admin_pass;  ///< As sent; empty: one is made for the reply.
  bool return_reservation = false;
};
Result<CreateRequest> decode_create(Call& call);
Result<ServerUpdate> decode_update(Call& call);
Result<ServerQuery> decode_server_query(const Call& call);
enum class ServerDetail : std::uint8_t { Full, Updated };  ///< Updated: the shorter reply of PUT.
void write_server(JsonWriter& w, const Call& call, const Server& server, ServerDetail detail,
                  std::string_view host_status);
/// Members of "addresses", by network. Plain: without what extensions add, as /ips shows them.
enum class AddressDetail : std::uint8_t { Full, Plain };
void write_addresses(JsonWriter& w, const Server& server, AddressDetail detail);
/// 12 letters and digits from the cloud's own ids. The guest never gets it: only Compute's reply
/// has a place for it.
std::string make_password(Cloud& cloud);

// Handlers, one table each.
std::span<const Route> server_routes();
std::span<const Route> server_item_routes();
std::span<const Route> flavor_routes();
std::span<const Route> keypair_routes();
std::span<const Route> host_routes();
std::span<const Route> quota_routes();

/// The actions of POST /servers/{id}/action.
Result<Response> act_on_server(Call& call);

inline ServerId server_id(const Call& call) { return ServerId{call.path("server_id")}; }

}  // namespace cloudos::rest::compute_api

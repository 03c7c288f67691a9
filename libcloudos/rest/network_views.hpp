#pragma once
#include <cstddef>
#include <initializer_list>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "rest/network_api.hpp"

namespace cloudos::rest::network_api {

/// A list of what no record stands behind (zones, providers, kinds of rules): the rows are flat
/// objects, of which filters, order, page and `fields` of the request take their part as they do
/// of resources. What a member may be asked for by is text, a number or a truth.
struct View {
  std::string_view plural;
  std::vector<std::string_view> members;  ///< Those to filter and sort by.
  std::size_t key = 1;                    ///< So many of them, the first, name a row: its marker.
};

/// Errors: InvalidArgument (no such member), NotFound (the marker is no row).
Result<Response> view_response(const Call& call, const View& view,
                               std::vector<nlohmann::ordered_json> rows);
/// The same for rows that were filtered already.
Result<Response> view_response(const Call& call, const View& view, const Query& query,
                               std::vector<nlohmann::ordered_json> rows);

}  // namespace cloudos::rest::network_api

#include "rest/network_views.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "base/text.hpp"

namespace cloudos::rest::network_api {
namespace {

using ViewRow = nlohmann::ordered_json;

Failure bad_view_member(std::string_view form, std::string_view name) {
  Error error{ErrorCode::InvalidArgument, fmt::format(fmt::runtime(form), name.substr(0, 64)), {}};
  error.type = "HTTPBadRequest";
  return fail(std::move(error));
}

bool view_knows(const View& view, std::string_view name) {
  return std::find(view.members.begin(), view.members.end(), name) != view.members.end();
}

/// As a query says it.
std::string view_text(const ViewRow& row, std::string_view name) {
  const auto member = row.find(name);
  if (member == row.end() || member->is_null()) return {};
  return member->is_string() ? member->get<std::string>() : member->dump();
}

bool view_matches(const ViewRow& row, const std::string& name,
                  const std::set<std::string>& values) {
  const std::string held = view_text(row, name);
  const bool truth = row.contains(name) && row.at(name).is_boolean();
  return std::any_of(values.begin(), values.end(), [&](const std::string& value) {
    return value == held ||
           (truth && (equals_ignore_case(value, held) || value == (held == "true" ? "1" : "0")));
  });
}

Result<void> filter_view(const View& view, const Query& query, std::vector<ViewRow>& rows) {
  std::map<std::string, std::set<std::string>> filters;
  for (const auto& [name, value] : query.spec.filters) {
    if (!view_knows(view, name))
      return bad_view_member("[{}] is invalid attribute for filtering", name);
    filters[name].insert(value);
  }
  for (const auto& filter : filters)
    std::erase_if(rows, [&](const ViewRow& row) {
      return !view_matches(row, filter.first, filter.second);
    });
  return Result<void>();
}

Result<void> sort_view(const View& view, const Query& query, std::vector<ViewRow>& rows) {
  for (const auto& key : query.spec.sort)
    if (!view_knows(view, key.attribute))
      return bad_view_member("{} is invalid attribute for sort_keys", key.attribute);
  std::stable_sort(rows.begin(), rows.end(), [&](const ViewRow& a, const ViewRow& b) {
    for (const auto& key : query.spec.sort) {
      const ViewRow& left = key.descending ? b : a;
      const ViewRow& right = key.descending ? a : b;
      if (left.value(key.attribute, ViewRow()) != right.value(key.attribute, ViewRow()))
        return left.value(key.attribute, ViewRow()) < right.value(key.attribute, ViewRow());
    }
    return false;
  });
  return Result<void>();
}

std::string view_key(const View& view, const ViewRow& row) {
  std::string key = view_text(row, view.members.front());
  for (std::size_t i = 1; i < view.key; ++i) key += "/" + view_text(row, view.members[i]);
  return key;
}

Result<void> cut_view(const View& view, const Query& query, std::vector<ViewRow>& rows) {
  if (!query.spec.marker.empty()) {
    const auto at = std::find_if(rows.begin(), rows.end(), [&](const ViewRow& row) {
      return view_key(view, row) == query.spec.marker;
    });
    if (at == rows.end()) return fail(ErrorCode::NotFound, "the marker names nothing of this list");
    if (query.spec.reverse) rows.erase(at, rows.end());
    else rows.erase(rows.begin(), at + 1);
  }
  if (rows.size() <= query.spec.limit) return Result<void>();
  const auto kept = static_cast<std::ptrdiff_t>(query.spec.limit);
  if (query.spec.reverse) rows.erase(rows.begin(), rows.end() - kept);
  else rows.erase(rows.begin() + kept, rows.end());
  return Result<void>();
}

}  // namespace

Result<Response> view_response(const Call& call, const View& view, const Query& query,
                               std::vector<ViewRow> rows) {
  CLOUDOS_CHECK(sort_view(view, query, rows));
  CLOUDOS_CHECK(cut_view(view, query, rows));
  JsonWriter w;
  w.open().key(view.plural).open_list();
  for (const ViewRow& row : rows) {
    ViewRow shown = ViewRow::object();
    for (const auto& [name, value] : row.items())
      if (query.fields.empty() || query.fields.count(name) != 0) shown[name] = value;
    w.literal(shown.dump());
  }
  w.close_list();
  write_links(w, call, view.plural, query, rows.empty() ? "" : view_key(view, rows.front()),
              rows.empty() ? "" : view_key(view, rows.back()), rows.size());
  w.close();
  return json_response(200, std::move(w).take());
}

Result<Response> view_response(const Call& call, const View& view, std::vector<ViewRow> rows) {
  CLOUDOS_TRY(const Query query, decode_query(call));
  CLOUDOS_CHECK(filter_view(view, query, rows));
  return view_response(call, view, query, std::move(rows));
}

}  // namespace cloudos::rest::network_api

#pragma once
#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/text.hpp"
#include "cloudos/clock.hpp"
#include "network/access.hpp"
#include "network/lists.hpp"

/// Lists of any resource of the Networking API: filters, order, pages, by the narrowest index.
namespace cloudos::network {

/// What every resource has.
template <class T>
std::optional<Attribute> common_attribute(const T& record, std::string_view name) {
  if (name == "id") return Attribute::text(record.id.value);
  if (name == "project_id" || name == "tenant_id") return Attribute::text(record.project.value);
  if constexpr (requires { record.name; }) {
    if (name == "name") return Attribute::text(record.name);
  }
  if constexpr (requires { record.description; }) {
    if (name == "description") return Attribute::text(record.description);
  }
  if constexpr (requires { record.tags; }) {
    if (name == "tags" || name == "tags-any" || name == "not-tags" || name == "not-tags-any")
      return Attribute{Attribute::Kind::Tags, record.tags};
  }
  if (name == "created_at") return Attribute::text(format_time(record.created_at));
  if (name == "updated_at") return Attribute::text(format_time(record.updated_at));
  if (name == "changed_since") return Attribute::text(format_time(record.updated_at));
  if (name == "revision_number") return Attribute::number(record.generation);
  return std::nullopt;
}

/// What only admins are shown only admins filter and sort by: the answer would tell it.
template <class T>
std::optional<Attribute> attribute_for(const Context& ctx, std::string_view name) {
  if (!ctx.is_admin && (name.starts_with("provider:") || name == "binding:host_id" ||
                        name == "binding:vif_type")) {
    return std::nullopt;
  }
  return list_attribute(T{}, name);
}

struct ListFilter {
  std::string attribute;
  std::set<std::string> values;
};

/// One filter of a query as lists compare it (lists.cpp). Errors: InvalidArgument.
Result<void> normalise_filter(std::string& name, std::string& value);
Result<void> normalise_value(const Attribute& of, const std::string& name, std::string& value);
Failure bad_filter(std::string_view name);
Failure bad_sort_key(std::string_view name);
/// Whether what a record has for the filter's attribute is what it asks for.
bool filter_matches(const ListFilter& filter, const Attribute& held);
/// Less, equal or more; what has no value comes first.
int compare_attributes(const std::optional<Attribute>& left, const std::optional<Attribute>& right);

/// `known` tells an attribute of the resource by its name, as far as the caller is shown it.
Result<std::vector<ListFilter>> filters_by(
    const NetworkListSpec& spec,
    const FunctionRef<std::optional<Attribute>(std::string_view name)>& known);

template <class T>
Result<std::vector<ListFilter>> filters_of(const Context& ctx, const NetworkListSpec& spec) {
  return filters_by(spec, [&](std::string_view name) { return attribute_for<T>(ctx, name); });
}

template <class T>
bool passes(const T& record, const std::vector<ListFilter>& filters) {
  for (const ListFilter& filter : filters) {
    const auto held = list_attribute(record, filter.attribute);
    if (!held || !filter_matches(filter, *held)) return false;
  }
  return true;
}

template <class T>
Result<std::function<bool(const T&, const T&)>> order_of(const Context& ctx,
                                                         const NetworkListSpec& spec) {
  for (const auto& key : spec.sort)
    if (!attribute_for<T>(ctx, key.attribute)) return bad_sort_key(key.attribute);
  if (spec.sort.empty()) return std::function<bool(const T&, const T&)>();
  return std::function<bool(const T&, const T&)>([keys = spec.sort](const T& a, const T& b) {
    for (const auto& key : keys) {
      const int way = compare_attributes(list_attribute(a, key.attribute),
                                         list_attribute(b, key.attribute));
      if (way != 0) return key.descending ? way > 0 : way < 0;
    }
    return a.id < b.id;
  });
}

/// The indexes under which all that may match lies: the narrowest the filters allow. `whole` when
/// they do not depend on who asks.
template <class T>
std::vector<records::Range> ranges_of(const Context& ctx, const std::vector<ListFilter>& filters,
                                      bool& whole) {
  whole = true;
  if constexpr (requires { list_indexes(static_cast<const T*>(nullptr)); }) {
    for (const auto& [name, index] : list_indexes(static_cast<const T*>(nullptr))) {
      for (const ListFilter& filter : filters) {
        if (filter.attribute != name || filter.values.count("")) continue;
        std::vector<records::Range> ranges;
        for (const std::string& value : filter.values)
          ranges.push_back({std::string(index), value, false});
        return ranges;
      }
    }
  }
  if (ctx.is_admin) return {{{}, {}, false}};
  whole = false;
  std::vector<records::Range> ranges = {{"project", ctx.project.value, false}};
  if constexpr (requires(const T& record) { record.shared; })
    ranges.push_back({"public", "1", false});
  return ranges;
}

/// The ids of things of a type that a project was granted (or all were).
Result<std::vector<std::string>> granted_ids(const store::Snapshot& snapshot,
                                             std::string_view object_type, const Context& ctx);

template <class T>
Result<void> gather(const store::Snapshot& snapshot, const Context& ctx,
                    const std::vector<ListFilter>& filters, std::map<std::string, T>& found) {
  const auto take = [&](T record) {
    const Sight by = sight(snapshot, ctx, record);
    if (by == Sight::None) return;
    if constexpr (requires { record.shared = true; }) {
      if (by == Sight::Shared) record.shared = true;
    }
    if (!passes(record, filters)) return;
    std::string id = record.id.value;
    found.emplace(std::move(id), std::move(record));
  };
  for (const ListFilter& filter : filters) {
    if (filter.attribute != "id") continue;
    for (const std::string& id : filter.values)
      if (auto record = records::get<T>(snapshot, id)) take(std::move(*record));
    return Result<void>();
  }
  bool whole = false;
  for (const records::Range& range : ranges_of<T>(ctx, filters, whole)) {
    CLOUDOS_CHECK(records::walk(snapshot, T::kKind, range, {},
                                [&](const store::Entry& entry) -> Result<bool> {
                                  CLOUDOS_TRY(T record, codec::decode_record<T>(entry.value));
                                  take(std::move(record));
                                  return true;
                                }));
  }
  if (whole) return Result<void>();
  // A granted network brings its subnets, a granted group its rules.
  constexpr std::string_view kOf = std::is_same_v<T, Subnet>              ? "network"
                                   : std::is_same_v<T, SecurityGroupRule> ? "security_group"
                                                                          : rbac_type<T>();
  if constexpr (!kOf.empty()) {
    CLOUDOS_TRY(const auto ids, granted_ids(snapshot, kOf, ctx));
    for (const std::string& id : ids) {
      if constexpr (rbac_type<T>().empty()) {
        const std::string index = std::is_same_v<T, Subnet> ? "network" : "group";
        CLOUDOS_TRY(auto parts, records::all<T>(snapshot, index, id));
        for (T& part : parts) take(std::move(part));
      } else if (auto record = records::get<T>(snapshot, id)) {
        take(std::move(*record));
      }
    }
  }
  return Result<void>();
}

/// Sorts by `less`, if any, and takes the page behind (or before) the marker, in order either way.
template <class T>
Result<std::vector<T>> cut_page(std::vector<T> all,
                                const std::function<bool(const T&, const T&)>& less,
                                const NetworkListSpec& spec) {
  const auto by_place = [&](std::size_t a, std::size_t b) { return less(all[a], all[b]); };
  const auto order = less ? records::places_in_order(all.size(), by_place)
                          : records::places_in_order(all.size(), nullptr);
  std::size_t from = 0, to = order.size();
  if (!spec.marker.empty()) {
    std::size_t at = 0;
    while (at < to && all[order[at]].id.value != spec.marker) ++at;
    if (at == to) return missing<T>(spec.marker);
    if (spec.reverse) to = at;
    else from = at + 1;
  }
  if (to - from > spec.limit) {
    if (spec.reverse) from = to - spec.limit;
    else to = from + spec.limit;
  }
  std::vector<T> cut;
  cut.reserve(to - from);
  for (; from < to; ++from) cut.push_back(std::move(all[order[from]]));
  return cut;
}

/// Filters, sorts and cuts what is there already.
template <class T>
Result<std::vector<T>> list_these(std::vector<T> all, const Context& ctx,
                                  const NetworkListSpec& spec) {
  CLOUDOS_TRY(const auto filters, filters_of<T>(ctx, spec));
  CLOUDOS_TRY(const auto less, order_of<T>(ctx, spec));
  std::erase_if(all, [&](const T& record) { return !passes(record, filters); });
  return cut_page(std::move(all), less, spec);
}

template <class T>
Result<std::vector<T>> list_records(const store::Snapshot& snapshot, const Context& ctx,
                                    const NetworkListSpec& spec) {
  CLOUDOS_TRY(const auto filters, filters_of<T>(ctx, spec));
  CLOUDOS_TRY(const auto less, order_of<T>(ctx, spec));
  std::map<std::string, T> found;  // By id: that is by creation.
  CLOUDOS_CHECK(gather(snapshot, ctx, filters, found));
  std::vector<T> all;
  all.reserve(found.size());
  for (auto& [id, record] : found) all.push_back(std::move(record));
  return cut_page(std::move(all), less, spec);
}

}  // namespace cloudos::network

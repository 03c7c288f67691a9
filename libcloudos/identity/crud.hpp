#pragma once
#include <utility>

#include "identity/impl.hpp"

/// The shape that all kinds of things share: checked texts, a page of a list, a read, a change.
namespace cloudos::identity {

/// A text field of any record by its name on the wire; nothing when the kind lacks it.
template <class Record>
std::optional<std::string> record_text(const Record& r, std::string_view field) {
  if (field == "id") return records::id_text(r.id);
  if constexpr (requires { r.name; })
    if (field == "name") return r.name;
  if constexpr (requires { r.type; })
    if (field == "type") return r.type;
  if constexpr (requires { r.description; })
    if (field == "description") return r.description;
  if constexpr (requires { r.resource_name; })
    if (field == "resource_name") return r.resource_name;
  if constexpr (requires { r.extra; }) return extra_text(r.extra, field);
  return std::nullopt;
}

/// What a filter says of every kind alike.
template <class Record>
bool matches_common(const Record& r, const IdentityFilter& filter) {
  if constexpr (requires { r.enabled; })
    if (filter.enabled && *filter.enabled != r.enabled) return false;
  if constexpr (requires { r.tags; }) {
    const auto has = [&](const std::string& tag) {
      return std::find(r.tags.begin(), r.tags.end(), tag) != r.tags.end();
    };
    const auto all = [&](const auto& tags) { return std::all_of(tags.begin(), tags.end(), has); };
    const auto any = [&](const auto& tags) { return std::any_of(tags.begin(), tags.end(), has); };
    if (!all(filter.tags) || (!filter.tags_any.empty() && !any(filter.tags_any)) ||
        (!filter.not_tags.empty() && all(filter.not_tags)) || any(filter.not_tags_any))
      return false;
  }
  return text_matches(filter.text,
                      [&](std::string_view field) { return record_text(r, field); });
}

/// What a filter asks for; `matches` asks what is special to the kind. The filter outlives it.
template <class Record>
records::PageSpec<Record> page_of(const IdentityFilter& filter, records::Range range,
                                  const std::function<bool(const Record&)>& matches) {
  records::PageSpec<Record> spec;
  spec.range = std::move(range);
  spec.matches = [&filter, matches](const Record& r) {
    return matches_common(r, filter) && (!matches || matches(r));
  };
  spec.marker = filter.marker;
  spec.limit = filter.limit;
  return spec;
}

/// A page of a list.
template <class Public, class Record>
Result<std::vector<Public>> listed(
    const store::Snapshot& at, const IdentityFilter& filter, records::Range range = {},
    const std::function<bool(const Record&)>& matches = {}) {
  return public_page<Public>(at, page_of<Record>(filter, std::move(range), matches));
}

/// Every record behind an index as its public part, newest first.
template <class Public, class Record>
Result<std::vector<Public>> listed_by(const store::Snapshot& at, std::string_view field,
                                      const std::string& value) {
  return listed<Public, Record>(at, {}, {std::string(field), value, true});
}

/// Texts that most kinds have. Errors: InvalidArgument.
template <class Spec>
Result<void> check_spec(const Spec& spec) {
  CLOUDOS_CHECK(check_text("description", spec.description));
  if constexpr (requires { spec.extra; }) CLOUDOS_CHECK(check_extra(spec.extra));
  if constexpr (requires { spec.tags; }) CLOUDOS_CHECK(check_tags(spec.tags));
  return Result<void>();
}

/// What every kind takes over as it is.
template <class Record, class Spec>
Record record_of(const Spec& spec, Engine& engine) {
  Record r;
  r.id = decltype(r.id){engine.ids.hex()};
  if constexpr (requires { r.name = spec.name; }) r.name = spec.name;
  if constexpr (requires { r.type = spec.type; }) r.type = spec.type;
  if constexpr (requires { r.description = spec.description; }) r.description = spec.description;
  if constexpr (requires { r.enabled = spec.enabled; }) r.enabled = spec.enabled;
  if constexpr (requires { r.tags = spec.tags; }) r.tags = spec.tags;
  if constexpr (requires { r.extra = spec.extra; }) r.extra = spec.extra;
  if constexpr (requires { r.immutable = spec.immutable; }) r.immutable = spec.immutable;
  r.created_at = engine.clock.wall();
  return r;
}

/// Texts of a change. Errors: InvalidArgument.
inline Result<void> check_update(const IdentityUpdate& with, std::size_t name_chars) {
  if (with.name) CLOUDOS_CHECK(check_title("name", *with.name, name_chars));
  if (with.description) CLOUDOS_CHECK(check_text("description", *with.description));
  if (with.tags) CLOUDOS_CHECK(check_tags(*with.tags));
  return Result<void>();
}

/// The part of a change that most kinds have in common. Errors: Forbidden (immutable),
/// InvalidArgument.
template <class Record>
Result<void> change_common(Record& r, const IdentityUpdate& with) {
  if constexpr (requires { r.immutable; }) {
    CLOUDOS_CHECK(check_mutable(Record::kKind, records::id_text(r.id), r.immutable,
                                only_unsets_immutable(with)));
    if (with.immutable) r.immutable = *with.immutable;
  }
  if constexpr (requires { r.name; })
    if (with.name) r.name = *with.name;
  if constexpr (requires { r.type; })
    if (with.type) r.type = *with.type;
  if constexpr (requires { r.description; })
    if (with.description) r.description = *with.description;
  if constexpr (requires { r.tags; })
    if (with.tags) r.tags = *with.tags;
  if constexpr (requires { r.enabled; }) {
    if (with.enabled) {
      // Who is disabled loses the tokens of before, also when enabled again.
      if constexpr (requires { r.epoch; })
        if (r.enabled && !*with.enabled) ++r.epoch;
      r.enabled = *with.enabled;
    }
  }
  if constexpr (requires { r.extra; }) return apply_extra(r.extra, with.extra);
  return Result<void>();
}

}  // namespace cloudos::identity

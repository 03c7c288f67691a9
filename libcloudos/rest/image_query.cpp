#include <array>

#include <fmt/format.h>

#include "base/text.hpp"
#include "rest/image_codec.hpp"
#include "rest/target.hpp"

// The query of GET /images: filters, order and page.
namespace cloudos::rest {
namespace {

Failure wrong_filter(std::string_view name, std::string_view rule) {
  return fail(ErrorCode::InvalidArgument, fmt::format("Filter '{}' must be {}.", name, rule));
}

/// "x" as {x}; "in:a,\"b,c\"" as {a; b,c}.
Result<std::vector<std::string>> filter_values(std::string_view name, std::string_view text) {
  if (!text.starts_with("in:")) return std::vector<std::string>{std::string(text)};
  text.remove_prefix(3);
  std::vector<std::string> values(1);
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    else if (c == ',' && !quoted) values.emplace_back();
    else values.back() += c;
  }
  if (quoted) return wrong_filter(name, "closed by a second quotation mark");
  return values;
}

template <class Enum>
Result<std::vector<Enum>> filter_enums(std::string_view name, std::string_view text,
                                       std::optional<Enum> (*from)(std::string_view)) {
  CLOUDOS_TRY(const auto values, filter_values(name, text));
  std::vector<Enum> found;
  for (const std::string& value : values) {
    const auto one = from(value);
    if (!one) return wrong_filter(name, "a known value");
    found.push_back(*one);
  }
  return found;
}

Result<std::uint64_t> filter_number(std::string_view name, std::string_view text) {
  const auto number = parse_unsigned(text);
  if (!number) return wrong_filter(name, "a number that is not negative");
  return *number;
}

Result<std::uint32_t> filter_count(std::string_view name, std::string_view text) {
  CLOUDOS_TRY(const std::uint64_t number, filter_number(name, text));
  // Larger ones match nothing, as the largest one does.
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(number, UINT32_MAX));
}

Result<bool> filter_flag(std::string_view name, std::string_view text) {
  if (equals_ignore_case(text, "true") || text == "1") return true;
  if (equals_ignore_case(text, "false") || text == "0") return false;
  return wrong_filter(name, "true or false");
}

Result<ImageTimeBound> filter_time(std::string_view name, std::string_view text) {
  using Op = ImageTimeBound::Op;
  constexpr std::array<std::pair<std::string_view, Op>, 6> kOperators{
      {{"eq:", Op::Eq}, {"neq:", Op::Neq}, {"lt:", Op::Lt}, {"lte:", Op::Lte}, {"gt:", Op::Gt},
       {"gte:", Op::Gte}}};
  ImageTimeBound bound;
  for (const auto& [prefix, op] : kOperators) {
    if (!text.starts_with(prefix)) continue;
    bound.op = op;
    text.remove_prefix(prefix.size());
    break;
  }
  const auto at = parse_time(text);
  if (!at) return wrong_filter(name, "a time such as gt:2026-01-31T12:00:00Z");
  bound.at = *at;
  return bound;
}

Result<ImageSortKey> sort_key_from(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, ImageSortKey>, 8> kKeys{
      {{"created_at", ImageSortKey::CreatedAt}, {"updated_at", ImageSortKey::UpdatedAt},
       {"name", ImageSortKey::Name}, {"status", ImageSortKey::Status},
       {"size", ImageSortKey::Size}, {"id", ImageSortKey::Id},
       {"disk_format", ImageSortKey::DiskFormat},
       {"container_format", ImageSortKey::ContainerFormat}}};
  for (const auto& [name, key] : kKeys)
    if (name == text) return key;
  return fail(ErrorCode::InvalidArgument,
              fmt::format("Sort key '{}' is not supported.", text.substr(0, 64)));
}

Result<bool> sort_descends(std::string_view text) {
  if (text == "desc") return true;
  if (text == "asc") return false;
  return fail(ErrorCode::InvalidArgument, "A sort direction is asc or desc.");
}

/// sort=name:asc,created_at or, the older way, sort_key and sort_dir in pairs.
Result<std::vector<ImageSort>> decode_sort(const Call& call) {
  std::vector<ImageSort> sort;
  std::vector<bool> directions;
  bool old_way = false;
  for (const auto& [name, value] : call.query_all()) {
    if (name == "sort") {
      for (const std::string_view part : split(value, ',')) {
        const std::size_t colon = part.find(':');
        ImageSort by;
        CLOUDOS_TRY(by.key, sort_key_from(trim(part.substr(0, colon))));
        if (colon != std::string_view::npos) {
          CLOUDOS_TRY(by.descending, sort_descends(trim(part.substr(colon + 1))));
        }
        sort.push_back(by);
      }
    } else if (name == "sort_key") {
      old_way = true;
      ImageSort by;
      CLOUDOS_TRY(by.key, sort_key_from(value));
      sort.push_back(by);
    } else if (name == "sort_dir") {
      old_way = true;
      CLOUDOS_TRY(const bool descends, sort_descends(value));
      directions.push_back(descends);
    }
  }
  if (old_way && call.query("sort")) {
    return fail(ErrorCode::InvalidArgument, "Use either sort, or sort_key and sort_dir.");
  }
  if (sort.empty() && !directions.empty()) sort.emplace_back();
  if (directions.size() > 1 && directions.size() != sort.size()) {
    return fail(ErrorCode::InvalidArgument,
                "Give one sort_dir for all, or as many as there are sort_key.");
  }
  for (std::size_t i = 0; i < sort.size() && !directions.empty(); ++i) {
    sort[i].descending = directions[directions.size() == 1 ? 0 : i];
  }
  return sort;
}

using FilterReader = Result<void> (*)(ImageQuery&, std::string_view);
struct Filter {
  std::string_view name;
  FilterReader read;
};

#define CLOUDOS_IMAGE_FILTER(target, read)                     \
  [](ImageQuery& q, std::string_view text) -> Result<void> {   \
    CLOUDOS_TRY(target, read);                                 \
    return Result<void>();                                     \
  }

Result<void> read_visibility(ImageQuery& q, std::string_view text) {
  if (text == "all") {
    q.all_visibilities = true;
    return Result<void>();
  }
  q.visibility = image_visibility_from(text);
  if (!q.visibility) return wrong_filter("visibility", "a known value");
  return Result<void>();
}

Result<void> read_member_status(ImageQuery& q, std::string_view text) {
  if (text == "all") {
    q.any_member_status = true;
    return Result<void>();
  }
  q.member_status = member_status_from(text);
  if (!q.member_status) return wrong_filter("member_status", "a known value");
  return Result<void>();
}

Result<void> read_ids(ImageQuery& q, std::string_view text) {
  CLOUDOS_TRY(const auto values, filter_values("id", text));
  for (const std::string& value : values) q.ids.emplace_back(value);
  return Result<void>();
}

Result<void> read_size(ImageQuery& q, std::string_view text) {
  CLOUDOS_TRY(q.size_min, filter_number("size", text));
  q.size_max = q.size_min;
  return Result<void>();
}

Result<void> read_created(ImageQuery& q, std::string_view text) {
  CLOUDOS_TRY(const ImageTimeBound bound, filter_time("created_at", text));
  q.created.push_back(bound);
  return Result<void>();
}

Result<void> read_updated(ImageQuery& q, std::string_view text) {
  CLOUDOS_TRY(const ImageTimeBound bound, filter_time("updated_at", text));
  q.updated.push_back(bound);
  return Result<void>();
}

Result<void> skip_filter(ImageQuery&, std::string_view) { return Result<void>(); }

constexpr Filter kImageFilters[] = {
    {"id", read_ids},
    {"name", CLOUDOS_IMAGE_FILTER(q.names, filter_values("name", text))},
    {"status", CLOUDOS_IMAGE_FILTER(q.statuses, filter_enums("status", text, image_status_from))},
    {"disk_format",
     CLOUDOS_IMAGE_FILTER(q.disk_formats, filter_enums("disk_format", text, disk_format_from))},
    {"container_format",
     CLOUDOS_IMAGE_FILTER(q.container_formats,
                          filter_enums("container_format", text, container_format_from))},
    {"visibility", read_visibility},
    {"member_status", read_member_status},
    {"owner",
     [](ImageQuery& q, std::string_view text) {
       q.owner = ProjectId{std::string(text)};
       return Result<void>();
     }},
    {"tag",
     [](ImageQuery& q, std::string_view text) {
       q.tags.emplace_back(text);
       return Result<void>();
     }},
    {"size_min", CLOUDOS_IMAGE_FILTER(q.size_min, filter_number("size_min", text))},
    {"size_max", CLOUDOS_IMAGE_FILTER(q.size_max, filter_number("size_max", text))},
    {"size", read_size},
    {"min_disk", CLOUDOS_IMAGE_FILTER(q.min_disk_gib, filter_count("min_disk", text))},
    {"min_ram", CLOUDOS_IMAGE_FILTER(q.min_ram_mib, filter_count("min_ram", text))},
    {"checksum",
     [](ImageQuery& q, std::string_view text) {
       q.md5 = text;
       return Result<void>();
     }},
    {"os_hash_value",
     [](ImageQuery& q, std::string_view text) {
       q.sha512 = text;
       return Result<void>();
     }},
    {"protected", CLOUDOS_IMAGE_FILTER(q.is_protected, filter_flag("protected", text))},
    {"os_hidden", CLOUDOS_IMAGE_FILTER(q.is_hidden, filter_flag("os_hidden", text))},
    {"created_at", read_created},
    {"updated_at", read_updated},
    // Read elsewhere.
    {"limit", skip_filter},
    {"marker", skip_filter},
    {"sort", skip_filter},
    {"sort_key", skip_filter},
    {"sort_dir", skip_filter},
};
#undef CLOUDOS_IMAGE_FILTER

}  // namespace

Result<ImageQuery> decode_image_query(const Call& call) {
  ImageQuery query;
  for (const auto& [name, value] : call.query_all()) {
    const std::string_view wanted = name;
    const auto filter = std::find_if(std::begin(kImageFilters), std::end(kImageFilters),
                                     [&](const Filter& f) { return f.name == wanted; });
    if (filter != std::end(kImageFilters)) {
      CLOUDOS_CHECK(filter->read(query, value));
    } else if (is_image_attribute(name)) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("Images cannot be filtered by '{}'.", name));
    } else {
      query.properties[name] = value;
    }
  }
  CLOUDOS_TRY(query.sort, decode_sort(call));
  CLOUDOS_TRY(const Call::Page page, call.page());
  query.marker = page.marker;
  query.limit = page.limit;
  return query;
}

std::string query_without_marker(const Call& call) {
  std::string text;
  for (const auto& [name, value] : call.query_all()) {
    if (name == "marker") continue;
    if (!text.empty()) text += '&';
    text += percent_encode(name) + "=" + percent_encode(value);
  }
  return text;
}

}  // namespace cloudos::rest

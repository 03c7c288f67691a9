#include <algorithm>

#include <fmt/format.h>

#include "cloudos/limits.hpp"
#include "image/rules.hpp"

namespace cloudos::image {
namespace {

template <class T>
bool is_one_of(const std::vector<T>& wanted, const T& value) {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end();
}

bool has_member_status(const ImageQuery& query, const ImageMember& member) {
  return query.any_member_status ||
         member.status == query.member_status.value_or(MemberStatus::Accepted);
}

/// In the caller's lists without having asked for its visibility.
bool is_listed(const Context& ctx, const ImageQuery& query, const Image& image) {
  const bool own = !image.owner.empty() && image.owner == ctx.project;
  if (own) return true;
  switch (image.visibility) {
    case ImageVisibility::Public: return true;
    case ImageVisibility::Community:
      return query.all_visibilities || query.visibility == ImageVisibility::Community;
    case ImageVisibility::Private: return ctx.is_admin;
    case ImageVisibility::Shared: break;
  }
  const auto member = image.members.find(ctx.project.value);
  if (member != image.members.end()) return has_member_status(query, member->second);
  return ctx.is_admin;
}

/// To the second, as the API shows times.
bool within(const std::vector<ImageTimeBound>& bounds, WallTime time) {
  const auto at = std::chrono::floor<std::chrono::seconds>(time);
  return std::all_of(bounds.begin(), bounds.end(), [&](const ImageTimeBound& bound) {
    const auto limit = std::chrono::floor<std::chrono::seconds>(bound.at);
    switch (bound.op) {
      case ImageTimeBound::Op::Eq: return at == limit;
      case ImageTimeBound::Op::Neq: return at != limit;
      case ImageTimeBound::Op::Lt: return at < limit;
      case ImageTimeBound::Op::Lte: return at <= limit;
      case ImageTimeBound::Op::Gt: return at > limit;
      case ImageTimeBound::Op::Gte: return at >= limit;
    }
    return false;
  });
}

bool has_size(const ImageQuery& query, const Image& image) {
  if (!query.size_min && !query.size_max) return true;
  return image.size_bytes && *image.size_bytes >= query.size_min.value_or(0) &&
         *image.size_bytes <= query.size_max.value_or(UINT64_MAX);
}

template <class T>
bool equals_if_asked(const std::optional<T>& wanted, const T& value) {
  return !wanted || *wanted == value;
}

bool has_properties(const ImageQuery& query, const Image& image) {
  return std::all_of(query.properties.begin(), query.properties.end(), [&](const auto& wanted) {
    const auto found = image.properties.find(wanted.first);
    return found != image.properties.end() && found->second == wanted.second;
  });
}

std::weak_ordering compare_by(ImageSortKey key, const Image& a, const Image& b) {
  switch (key) {
    case ImageSortKey::CreatedAt: return a.created_at <=> b.created_at;
    case ImageSortKey::UpdatedAt: return a.updated_at <=> b.updated_at;
    case ImageSortKey::Name: return a.name <=> b.name;
    case ImageSortKey::Status: return to_string(a.status) <=> to_string(b.status);
    case ImageSortKey::Size: return a.size_bytes.value_or(0) <=> b.size_bytes.value_or(0);
    case ImageSortKey::Id: return a.id.value <=> b.id.value;
    case ImageSortKey::DiskFormat: return to_string(a.disk_format) <=> to_string(b.disk_format);
    case ImageSortKey::ContainerFormat:
      return to_string(a.container_format) <=> to_string(b.container_format);
  }
  return std::weak_ordering::equivalent;
}

}  // namespace

bool matches(const Context& ctx, const ImageQuery& query, const Image& image) {
  if (image.is_hidden != query.is_hidden.value_or(false)) return false;
  // Those that wait for their end are for admins who ask for that state.
  if (image.status == ImageStatus::PendingDelete && (query.statuses.empty() || !ctx.is_admin))
    return false;
  if (!is_listed(ctx, query, image)) return false;
  if (query.visibility && image.visibility != *query.visibility) return false;
  if (!equals_if_asked(query.owner, image.owner) ||
      !equals_if_asked(query.is_protected, image.is_protected) ||
      !equals_if_asked(query.min_disk_gib, image.min_disk_gib) ||
      !equals_if_asked(query.min_ram_mib, image.min_ram_mib) ||
      !equals_if_asked(query.md5, image.md5) || !equals_if_asked(query.sha512, image.sha512)) {
    return false;
  }
  if (!is_one_of(query.ids, image.id) || !is_one_of(query.names, image.name) ||
      !is_one_of(query.statuses, image.status) ||
      !is_one_of(query.disk_formats, image.disk_format) ||
      !is_one_of(query.container_formats, image.container_format)) {
    return false;
  }
  for (const std::string& tag : query.tags)
    if (!image.tags.contains(tag)) return false;
  return has_size(query, image) && has_properties(query, image) &&
         within(query.created, image.created_at) && within(query.updated, image.updated_at);
}

Result<void> check_query(const ImageQuery& query) {
  for (const std::size_t count :
       {query.ids.size(), query.names.size(), query.statuses.size(), query.disk_formats.size(),
        query.container_formats.size(), query.tags.size(), query.properties.size(),
        query.created.size(), query.updated.size(), query.sort.size()}) {
    if (count > limits::kImageQueryValues) {
      return fail(ErrorCode::TooLarge, fmt::format("a filter has {} values, at most {} allowed",
                                                   count, limits::kImageQueryValues));
    }
  }
  return Result<void>();
}

bool comes_before(const std::vector<ImageSort>& sort, const Image& a, const Image& b) {
  for (const ImageSort& by : sort) {
    const auto order = compare_by(by.key, a, b);
    if (order != 0) return by.descending ? order > 0 : order < 0;
  }
  return false;
}

}  // namespace cloudos::image

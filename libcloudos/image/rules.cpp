#include "image/rules.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "cloudos/limits.hpp"
#include "records/table.hpp"

namespace cloudos::image {
namespace {

constexpr std::uint32_t kMostMinimum = INT32_MAX;  // What clients hold it in.

Result<void> check_image_name(std::string_view name) {
  return check_name("name", name, 0, limits::kNameChars);
}

Result<void> check_visibility(const Caller& caller, ImageVisibility visibility,
                              const ProjectId& owner) {
  if (visibility == ImageVisibility::Public) return caller.enforce("publicize_image", owner);
  if (visibility == ImageVisibility::Community) return caller.enforce("communitize_image", owner);
  return Result<void>();
}

Result<void> check_minimum(std::string_view what, std::uint32_t value) {
  if (value > kMostMinimum) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{}: {} is over the limit of {}", what, value, kMostMinimum));
  }
  return Result<void>();
}

Result<void> check_property_name(std::string_view name) {
  if (is_image_attribute(name) || name.starts_with("os_hash_") || name.starts_with("os_glance")) {
    return fail(ErrorCode::Forbidden,
                fmt::format("attribute '{}' is reserved and cannot be set", name.substr(0, 64)));
  }
  return check_name("property name", name, 1, limits::kNameChars);
}

Result<void> check_property(std::string_view name, std::string_view value, std::size_t most) {
  CLOUDOS_CHECK(check_property_name(name));
  const auto chars = utf8_length(value);
  if (!chars || value.find('\0') != std::string_view::npos) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("property '{}': the value is not valid UTF-8 text", name));
  }
  if (*chars > most) {
    return fail(ErrorCode::TooLarge, fmt::format("property '{}': {} characters, at most {} allowed",
                                                 name, *chars, most));
  }
  return Result<void>();
}

Result<void> check_property_count(std::size_t count, std::size_t most) {
  if (count > most) {
    return fail(ErrorCode::TooLarge,
                fmt::format("{} properties, an image has at most {}", count, most));
  }
  return Result<void>();
}

/// A property that the caller may not read is there for it all the same: what it must not do is
/// refused, so that nothing is overwritten unseen.
Result<void> change_property(const Caller& caller, const ImagePropertyChange& change,
                             Image& image) {
  using Kind = ImagePropertyChange::Kind;
  CLOUDOS_CHECK(check_property_name(change.name));
  const PropertyAccess access = caller.properties();
  const bool is_there = image.properties.contains(change.name);
  if (change.kind == Kind::Create && is_there) {
    return fail(ErrorCode::Conflict, fmt::format("property '{}' exists already", change.name));
  }
  if ((change.kind == Kind::Replace || change.kind == Kind::Remove) && !is_there) {
    return fail(ErrorCode::Conflict, fmt::format("property '{}' does not exist", change.name));
  }
  if (change.kind == Kind::Remove) {
    CLOUDOS_CHECK(access.check(PropertyAction::Delete, change.name));
    image.properties.erase(change.name);
    return Result<void>();
  }
  CLOUDOS_CHECK(check_property(change.name, change.value,
                               caller.guard.rules().most_property_chars));
  CLOUDOS_CHECK(access.check(is_there ? PropertyAction::Update : PropertyAction::Create,
                             change.name));
  image.properties[change.name] = change.value;
  return Result<void>();
}

template <class Format>
Result<void> change_format(std::string_view what, const std::optional<Format>& wanted,
                           const Image& image, Format& format) {
  if (!wanted || *wanted == format) return Result<void>();
  if (image.status != ImageStatus::Queued) {
    return fail(ErrorCode::Forbidden,
                fmt::format("attribute {} can be replaced only while the image is queued", what));
  }
  format = *wanted;
  return Result<void>();
}

}  // namespace

bool may_see(const Context& ctx, const Image& image) {
  if (image.status == ImageStatus::PendingDelete && !ctx.is_admin) return false;
  if (may_change(ctx, image)) return true;
  switch (image.visibility) {
    case ImageVisibility::Public:
    case ImageVisibility::Community: return true;
    case ImageVisibility::Shared: return image.members.contains(ctx.project.value);
    case ImageVisibility::Private: return false;
  }
  return false;
}

bool may_change(const Context& ctx, const Image& image) {
  return ctx.is_admin || (!image.owner.empty() && image.owner == ctx.project);
}

Failure image_not_found(const ImageId& id) {
  return records::not_found(Image::kKind, id.value);
}

Result<void> check_may_change(const Context& ctx, const Image& image) {
  if (!may_see(ctx, image)) return image_not_found(image.id);
  if (!may_change(ctx, image)) {
    return fail(ErrorCode::Forbidden,
                fmt::format("image {} belongs to another project", image.id.value));
  }
  return Result<void>();
}

Result<void> check_tags(const std::set<std::string>& tags, std::size_t most) {
  if (tags.size() > most) {
    return fail(ErrorCode::TooLarge,
                fmt::format("{} tags, an image has at most {}", tags.size(), most));
  }
  for (const std::string& tag : tags) {
    CLOUDOS_CHECK(check_name("tag", tag, 1, limits::kNameChars));
  }
  return Result<void>();
}

Result<ImageId> checked_image_id(const ImageId& id) {
  if (id.value.size() != 36 || !is_uuid_like(id.value)) {
    return fail(ErrorCode::InvalidArgument, "id: not a UUID (8-4-4-4-12 hexadecimal digits)");
  }
  return ImageId{fold_case(id.value)};
}

Result<Image> new_image(const Caller& caller, const ImageCreate& spec) {
  const Context& ctx = caller.ctx;
  const ImageRules& rules = caller.guard.rules();
  Image image;
  image.owner = spec.owner.empty() ? ctx.project : spec.owner;
  if (image.owner != ctx.project && !ctx.is_admin) {
    return fail(ErrorCode::Forbidden, "only admins may create images for another project");
  }
  CLOUDOS_CHECK(check_name("owner", image.owner.value, 0, limits::kNameChars));
  CLOUDOS_CHECK(check_image_name(spec.name));
  image.visibility = spec.visibility.value_or(ImageVisibility::Shared);
  CLOUDOS_CHECK(check_visibility(caller, image.visibility, image.owner));
  CLOUDOS_CHECK(check_minimum("min_disk", spec.min_disk_gib));
  CLOUDOS_CHECK(check_minimum("min_ram", spec.min_ram_mib));
  CLOUDOS_CHECK(check_tags(spec.tags, rules.most_tags));
  CLOUDOS_CHECK(check_property_count(spec.properties.size(), rules.most_properties));
  for (const auto& [name, value] : spec.properties) {
    CLOUDOS_CHECK(check_property(name, value, rules.most_property_chars));
    CLOUDOS_CHECK(caller.properties().check(PropertyAction::Create, name));
  }
  image.name = spec.name;
  image.disk_format = spec.disk_format;
  image.container_format = spec.container_format;
  image.is_protected = spec.is_protected;
  image.is_hidden = spec.is_hidden;
  image.min_disk_gib = spec.min_disk_gib;
  image.min_ram_mib = spec.min_ram_mib;
  image.tags = spec.tags;
  image.properties = spec.properties;
  return image;
}

Result<void> apply_update(const Caller& caller, const ImageUpdate& changes, Image& image) {
  const Context& ctx = caller.ctx;
  const ImageRules& rules = caller.guard.rules();
  if (changes.owner && *changes.owner != image.owner) {
    if (!ctx.is_admin) {
      return fail(ErrorCode::Forbidden, "only admins may give an image to another project");
    }
    CLOUDOS_CHECK(check_name("owner", changes.owner->value, 1, limits::kNameChars));
    image.owner = *changes.owner;
  }
  if (changes.name) {
    CLOUDOS_CHECK(check_image_name(*changes.name));
    image.name = *changes.name;
  }
  if (changes.visibility && *changes.visibility != image.visibility) {
    CLOUDOS_CHECK(check_visibility(caller, *changes.visibility, image.owner));
    image.visibility = *changes.visibility;
  }
  CLOUDOS_CHECK(change_format("disk_format", changes.disk_format, image, image.disk_format));
  CLOUDOS_CHECK(change_format("container_format", changes.container_format, image,
                              image.container_format));
  CLOUDOS_CHECK(check_minimum("min_disk", changes.min_disk_gib.value_or(0)));
  CLOUDOS_CHECK(check_minimum("min_ram", changes.min_ram_mib.value_or(0)));
  image.is_protected = changes.is_protected.value_or(image.is_protected);
  image.is_hidden = changes.is_hidden.value_or(image.is_hidden);
  image.min_disk_gib = changes.min_disk_gib.value_or(image.min_disk_gib);
  image.min_ram_mib = changes.min_ram_mib.value_or(image.min_ram_mib);
  if (changes.tags) {
    CLOUDOS_CHECK(check_tags(*changes.tags, rules.most_tags));
    image.tags = *changes.tags;
  }
  const std::size_t before = image.properties.size();
  for (const auto& change : changes.properties)
    CLOUDOS_CHECK(change_property(caller, change, image));
  // An image of before the limit was lowered may have more; it may not get more still.
  if (image.properties.size() <= before) return Result<void>();
  return check_property_count(image.properties.size(), rules.most_properties);
}

bool is_bootable(ContainerFormat format) {
  switch (format) {
    case ContainerFormat::Bare:
    case ContainerFormat::Ovf:
    case ContainerFormat::Ami:
    case ContainerFormat::Ari:
    case ContainerFormat::Aki: return true;
    default: return false;
  }
}

}  // namespace cloudos::image

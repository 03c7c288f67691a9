#include <fmt/format.h>

#include "base/text.hpp"
#include "image/impl.hpp"

namespace cloudos {
namespace {

Result<void> check_shared(const Image& image) {
  if (image.visibility != ImageVisibility::Shared) {
    return fail(ErrorCode::Forbidden,
                fmt::format("image {} is {}: only shared images have members", image.id.value,
                            to_string(image.visibility)));
  }
  return Result<void>();
}

Failure member_not_found(const ImageId& id, const ProjectId& project) {
  return fail(ErrorCode::NotFound, fmt::format("image {} is not shared with project {}", id.value,
                                               project.value.substr(0, 64)));
}

Result<void> switch_status(Images::Impl& impl, const Context& ctx, const ImageId& id,
                           ImageStatus from, ImageStatus to) {
  CLOUDOS_CHECK(impl.change(ctx, id, [&](Image& image) -> Result<void> {
    if (image.status != from && image.status != to) {
      return fail(ErrorCode::Forbidden,
                  fmt::format("image {} is {}: it has no data to {}", id.value,
                              to_string(image.status),
                              to == ImageStatus::Active ? "reactivate" : "deactivate"));
    }
    image.status = to;
    return Result<void>();
  }));
  return Result<void>();
}

}  // namespace

Result<ImageMember> Images::add_member(const Context& ctx, const ImageId& id,
                                       const ProjectId& project) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(check_name("member", project.value, 1, limits::kNameChars));
  ImageMember member;
  member.project = project;
  member.created_at = member.updated_at = impl_->engine.clock.wall();
  CLOUDOS_CHECK(impl_->change(ctx, id, [&](Image& image) -> Result<void> {
    CLOUDOS_CHECK(check_shared(image));
    if (image.members.contains(project.value)) {
      return fail(ErrorCode::AlreadyExists,
                  fmt::format("image {} is shared with project {} already", id.value,
                              project.value));
    }
    if (image.members.size() >= impl_->guard.rules().most_members) {
      return fail(ErrorCode::TooLarge,
                  fmt::format("an image has at most {} members",
                              impl_->guard.rules().most_members));
    }
    image.members.emplace(project.value, member);
    return Result<void>();
  }));
  return member;
}

Result<ImageMember> Images::set_member_status(const Context& ctx, const ImageId& id,
                                              const ProjectId& project, MemberStatus status) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  const WallTime now = impl_->engine.clock.wall();
  ImageMember changed;
  CLOUDOS_CHECK(impl_->engine.store.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(Image image, records::get<Image>(txn, id));
    if (!image::may_see(ctx, image)) return image::image_not_found(id);
    const auto member = image.members.find(project.value);
    const bool is_member = !ctx.project.empty() && ctx.project == project;
    // The owner must not accept in the member's name: lists of others are not its to fill.
    if (!ctx.is_admin && !is_member) {
      if (!image::may_change(ctx, image)) return member_not_found(id, project);
      return fail(ErrorCode::Forbidden, "only the member itself may accept or reject an image");
    }
    if (member == image.members.end()) return member_not_found(id, project);
    member->second.status = status;
    member->second.updated_at = now;
    changed = member->second;
    return records::update(txn, image);
  }));
  return changed;
}

Result<void> Images::remove_member(const Context& ctx, const ImageId& id,
                                   const ProjectId& project) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(impl_->change(ctx, id, [&](Image& image) -> Result<void> {
    if (image.members.erase(project.value) == 0) return member_not_found(id, project);
    return Result<void>();
  }));
  return Result<void>();
}

Result<std::vector<ImageMember>> Images::members(const Context& ctx, const ImageId& id) const {
  CLOUDOS_TRY(const Image image, impl_->visible(ctx, id));
  CLOUDOS_CHECK(check_shared(image));
  std::vector<ImageMember> found;
  for (const auto& [project, member] : image.members) {
    if (image::may_change(ctx, image) || ctx.project.value == project) found.push_back(member);
  }
  return found;
}

Result<void> Images::deactivate(const Context& ctx, const ImageId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  return switch_status(*impl_, ctx, id, ImageStatus::Active, ImageStatus::Deactivated);
}

Result<void> Images::reactivate(const Context& ctx, const ImageId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  return switch_status(*impl_, ctx, id, ImageStatus::Deactivated, ImageStatus::Active);
}

}  // namespace cloudos

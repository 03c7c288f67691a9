#include "image/guard.hpp"

#include <fmt/format.h>

namespace cloudos::image {

Guard::Guard(ImageRules rules, PolicyHooks hooks)
    : rules_(std::move(rules)), hooks_(std::move(hooks)),
      protections_(std::make_shared<const PropertyProtections>()) {}

Result<void> Guard::reload() {
  CLOUDOS_TRY(auto read, read_property_protections(rules_));
  for (const std::string& rule : read.policies()) {
    if (hooks_.knows && hooks_.knows(rule)) continue;
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{}: the policy has no rule '{}'",
                            rules_.property_protection_file.string(), rule.substr(0, 128)));
  }
  auto fresh = std::make_shared<const PropertyProtections>(std::move(read));
  const LockGuard lock(mutex_);
  protections_ = std::move(fresh);
  return Result<void>();
}

std::shared_ptr<const PropertyProtections> Guard::protections() const {
  const LockGuard lock(mutex_);
  return protections_;
}

Result<void> Guard::enforce(const Context& ctx, std::string_view rule,
                            const ProjectId& owner) const {
  if (hooks_.enforce) return hooks_.enforce(ctx, rule, owner);
  if (ctx.is_admin || rule != "publicize_image") return Result<void>();
  return fail(ErrorCode::Forbidden, "only admins may make an image public");
}

Result<void> check_format_verified(const Image& image) {
  if (image.format_problem.empty()) return Result<void>();
  return fail(ErrorCode::InvalidArgument, fmt::format("image {} cannot be opened: {}",
                                                      image.id.value, image.format_problem));
}

}  // namespace cloudos::image

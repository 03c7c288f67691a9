#include "cloud/services.hpp"
#include "cloudos/policy.hpp"
#include "identity/identity.hpp"
#include "image/images_room.hpp"

namespace cloudos::images_service {
namespace {

/// What images ask of the options, and of identity's policy. `identity` outlives the images.
ImageSettings image_settings(const Options& options, const Identity& identity) {
  ImageSettings settings;
  settings.stores = options.image_stores;
  settings.imports = options.image_import;
  settings.rules = options.image_rules;
  settings.policy.enforce = [&identity](const Context& ctx, std::string_view rule,
                                        const ProjectId& owner) {
    PolicyTarget target;
    target.project = owner;
    return identity.enforce(ctx, rule, target);
  };
  settings.policy.says_yes = [&identity](const Context& ctx, std::string_view rule) {
    const auto answer = identity.policy().explain(ctx, rule);
    return answer && answer->allowed;
  };
  settings.policy.knows = [&identity](std::string_view rule) {
    return identity.policy().rule(rule).has_value();
  };
  return settings;
}

}  // namespace

bool built() {
  return true;
}

Result<void> check(const Options&) {
  return Result<void>();
}

Result<std::shared_ptr<Images>> open(const ServiceGround& ground) {
  CLOUDOS_TRY(auto images,
              make_images(ground.engine, image_settings(ground.options, ground.identity)));
  return std::shared_ptr<Images>(std::move(images));
}

}  // namespace cloudos::images_service

#include <fmt/format.h>

#include "cloud/services.hpp"
#include "cloudos/policy.hpp"
#include "identity/credential_keys.hpp"
#include "identity/identity.hpp"
#include "image/images_room.hpp"

namespace cloudos::images_service {
namespace {

/// Where other image services are, as the catalog has it, and how tokens are kept meanwhile: sealed
/// by the key that seals credentials. `ground` outlives the images.
Result<image::RemoteServices> remote_services(const ServiceGround& ground) {
  const Engine& engine = ground.engine;
  const auto keys = std::make_shared<identity::CredentialKeys>();
  CLOUDOS_CHECK(keys->open(engine.data_dir.empty() ? std::filesystem::path()
                                                   : engine.data_dir / "keys" / "credentials",
                           engine.random, !engine.guest));
  image::RemoteServices remote;
  remote.find = [&identity = ground.identity](
                    const ProjectId& project, const UserId& user, const std::string& region,
                    const std::string& interface) -> Result<std::string> {
    CLOUDOS_TRY(const auto catalog, identity.catalog(project, user));
    for (const CatalogEntry& entry : catalog) {
      if (entry.service.type != "image") continue;
      for (const Endpoint& endpoint : entry.endpoints) {
        if (endpoint.region == region && endpoint.interface == interface) return endpoint.url;
      }
    }
    return fail(ErrorCode::NotFound,
                fmt::format("the catalog has no {} endpoint of an image service in region {}",
                            interface, region));
  };
  remote.seal = [keys, &random = engine.random](std::string_view token) {
    return keys->seal(token, random);
  };
  remote.unseal = [keys](std::string_view sealed) { return keys->unseal(sealed); };
  return remote;
}

/// What images ask of the options, and of identity's policy. `identity` outlives the images.
Result<ImageSettings> image_settings(const ServiceGround& ground) {
  const Options& options = ground.options;
  const Identity& identity = ground.identity;
  ImageSettings settings;
  settings.stores = options.image_stores;
  settings.imports = options.image_import;
  settings.rules = options.image_rules;
  CLOUDOS_TRY(settings.remote, remote_services(ground));
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
  CLOUDOS_TRY(auto settings, image_settings(ground));
  CLOUDOS_TRY(auto images, make_images(ground.engine, std::move(settings)));
  return std::shared_ptr<Images>(std::move(images));
}

}  // namespace cloudos::images_service

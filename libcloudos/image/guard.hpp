#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/mutex.hpp"
#include "cloudos/image_rules.hpp"
#include "image/property_rules.hpp"

namespace cloudos::image {

/// What the operator's policy says, asked by rule name; made by `cloud` of Identity.
struct PolicyHooks {
  /// May the caller do what the rule guards with an image of `owner`? Empty: admins only.
  /// Errors: Forbidden.
  std::function<Result<void>(const Context&, std::string_view rule, const ProjectId& owner)>
      enforce;
  /// Does any rule of the policy say yes to the caller? Empty: no.
  std::function<bool(const Context&, std::string_view rule)> says_yes;
  /// Is there a rule of that name? Empty: no.
  std::function<bool(std::string_view rule)> knows;
};

/// Who may do what to images beyond owning them: counts, protected properties, policy.
/// Thread-safe.
class Guard {
 public:
  Guard(ImageRules rules, PolicyHooks hooks);
  /// Reads the file of property protections. Errors: those of read_property_protections;
  /// InvalidArgument (a policy rule that there is not).
  Result<void> reload();

  const ImageRules& rules() const { return rules_; }
  std::shared_ptr<const PropertyProtections> protections() const;
  /// Errors: Forbidden.
  Result<void> enforce(const Context& ctx, std::string_view rule, const ProjectId& owner) const;
  const PolicyHooks& hooks() const { return hooks_; }

 private:
  const ImageRules rules_;
  const PolicyHooks hooks_;
  mutable Mutex mutex_;
  /// Shared with the calls that began under it.
  std::shared_ptr<const PropertyProtections> protections_ CLOUDOS_GUARDED_BY(mutex_);
};

/// One call's caller and the rules it began under.
class Caller {
 public:
  Caller(const Context& caller, const Guard& the_guard)
      : ctx(caller), guard(the_guard), protections_(the_guard.protections()) {}
  PropertyAccess properties() const {
    return {ctx, *protections_, guard.hooks().says_yes};
  }
  Result<void> enforce(std::string_view rule, const ProjectId& owner) const {
    return guard.enforce(ctx, rule, owner);
  }
  /// The image as the caller may see it.
  Image shown(Image image) const {
    properties().hide(image);
    return image;
  }

  const Context& ctx;
  const Guard& guard;

 private:
  std::shared_ptr<const PropertyProtections> protections_;
};

/// Before anybody opens an image's data: a server, a conversion, an import into another format.
/// Errors: InvalidArgument.
Result<void> check_format_verified(const Image& image);

}  // namespace cloudos::image

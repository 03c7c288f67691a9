#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "cloudos/image_rules.hpp"
#include "cloudos/images.hpp"

namespace cloudos::image {

/// The protections that the rules name. Errors: NotFound, Unavailable, those of parse.
Result<PropertyProtections> read_property_protections(const ImageRules& rules);
/// Errors: NotFound, Unavailable, TooLarge (limits::kConfigBytes).
Result<std::string> read_rules_file(const std::filesystem::path& path);

/// What one caller may do with properties. A view: what it is made of outlives it.
struct PropertyAccess {
  const Context& ctx;
  const PropertyProtections& rules;
  /// Does the policy rule of that name say yes to the caller? Empty: no.
  const std::function<bool(const Context&, std::string_view rule)>& check_policy;

  bool may(PropertyAction action, std::string_view property) const;
  /// Errors: Forbidden.
  Result<void> check(PropertyAction action, std::string_view property) const;
  /// Takes away what the caller may not read.
  void hide(Image& image) const;
  /// May hide() take something away?
  bool hides_some() const { return !rules.empty(); }
};

}  // namespace cloudos::image

#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/context.hpp"
#include "cloudos/export.hpp"
#include "cloudos/limits.hpp"
#include "cloudos/result.hpp"

namespace cloudos {

/// How the values in a file of property protections are read.
enum class PropertyRuleFormat : std::uint8_t {
  Roles,     ///< Names of roles: "create = admin, member".
  Policies,  ///< One name of a policy rule: "create = context_is_admin".
};

/// What an operator allows images to be. The counts go no further than the library's own limits.
struct ImageRules {
  std::size_t most_properties = limits::kImageProperties;
  std::size_t most_tags = limits::kImageTags;
  std::size_t most_members = limits::kImageMembers;
  std::size_t most_locations = limits::kImageLocations;
  std::size_t most_property_chars = limits::kImagePropertyChars;
  /// Data that is not what disk_format says is refused at its upload. Otherwise the image has it
  /// (see Image::format_problem) and it is refused where somebody would open it. Dangerous data is
  /// refused in any case.
  bool require_format_match = false;
  /// Who may do what with which properties; empty: no such rules. See PropertyProtections.
  std::filesystem::path property_protection_file;
  PropertyRuleFormat property_rule_format = PropertyRuleFormat::Roles;
};

/// What a rule is asked about.
enum class PropertyAction : std::uint8_t { Create, Read, Update, Delete };

/// Who may create, see, change and remove properties of images, by the properties' names.
///
/// A file in the format that Glance reads: each section's name is a regular expression that is
/// searched in the property's name, the first that fits decides, and none that fits says no. Each
/// section has the keys create, read, update and delete; a value is a list of roles or, with
/// PropertyRuleFormat::Policies, the name of one policy rule; "@" is everybody and "!" nobody.
///
///     [^x_billing_.*]
///     create = admin
///     read = admin, billing
///     update = !
///     delete = !
///     [.*]
///     create = @
///     ...
///
/// Constant after construction, hence thread-safe; copies share one table.
class CLOUDOS_EXPORT PropertyProtections final {
 public:
  /// No rules: everybody may do everything.
  PropertyProtections() = default;
  /// Errors: InvalidArgument, naming the line: not the format, an unknown key, a key that is
  /// missing or given twice, "@" or "!" beside others, an expression that is none or that takes
  /// too long; TooLarge.
  static Result<PropertyProtections> parse(std::string_view text, PropertyRuleFormat format);

  bool empty() const { return !impl_; }
  PropertyRuleFormat format() const;
  /// What the first section that fits says: roles in lower case, a rule's name, "@" or "!"; "!"
  /// when none fits. Only of one that is not empty().
  const std::vector<std::string>& allowed(PropertyAction action, std::string_view property) const;
  /// Names of policy rules that the file needs; none with PropertyRuleFormat::Roles.
  std::vector<std::string> policies() const;

  struct CLOUDOS_LOCAL Impl;

 private:
  std::shared_ptr<const Impl> impl_;  // Shared by copies; constant.
};

}  // namespace cloudos

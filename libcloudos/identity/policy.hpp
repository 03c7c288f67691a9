#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>

#include "cloudos/context.hpp"
#include "cloudos/identity.hpp"

/// Who may do what, by default: one table for every route of every service.
namespace cloudos::identity {

enum class Rule : std::uint8_t {
  Anyone,  ///< Whoever has a valid token, scoped or not.
  Reader,  ///< Role reader (member and admin imply it) on the target's project.
  Member,  ///< Role member (admin implies it) on the target's project.
  Self,    ///< The user that the target is about.
  Admin,   ///< Role admin.
};

struct PolicyRow {
  std::string_view name;  ///< "identity:create_user", as OpenStack's policy files have it.
  Rule rule;
};

/// One block of the table per service.
std::span<const PolicyRow> identity_policies();
std::span<const PolicyRow> compute_policies();
std::span<const PolicyRow> image_policies();
std::span<const PolicyRow> network_policies();

/// Thread-safe: constant after construction.
class PolicyTable final {
 public:
  PolicyTable();
  /// Admins may do everything. An empty target asks only whether the caller may do it at all; the
  /// service then checks whose the thing is. Errors: Forbidden, Internal (no such name).
  Result<void> enforce(const Context& ctx, std::string_view name, const PolicyTarget& target) const;
  std::size_t size() const { return rules_.size(); }

 private:
  std::unordered_map<std::string_view, Rule> rules_;
};

}  // namespace cloudos::identity

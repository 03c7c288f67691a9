#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/networks.hpp"

namespace cloudos {

/// Prefixes that rules of security groups name together.
struct AddressGroup {
  static constexpr std::string_view kKind = "address_group";
  static constexpr std::string_view kNoun = "AddressGroup";
  static constexpr std::uint32_t kSchema = 1;
  AddressGroupId id;
  std::uint64_t generation = 0;
  ProjectId project;
  std::string name, description;
  bool shared = false;
  std::vector<std::string> addresses;  ///< Prefixes without host bits, sorted.
  WallTime created_at, updated_at;
  std::string unknown;
};

struct AddressGroupCreate {
  std::string name, description;
  std::optional<ProjectId> project;
  std::vector<std::string> addresses;  ///< At most limits::kAddressGroupPrefixes.
};
struct AddressGroupUpdate {
  std::optional<std::string> name, description;
};

/// Address groups. A change of one is soon in the filters of every port whose rules name it.
/// Thread-safe; part of Networks. Source: Networking API v2.0 (address-group).
class CLOUDOS_EXPORT AddressGroups final {
 public:
  /// All of a list or none, in one commit. Errors: InvalidArgument (not a prefix, or over
  /// limits::kAddressGroupPrefixes).
  Result<std::vector<AddressGroup>> create(const Context& ctx,
                                           const std::vector<AddressGroupCreate>& specs);
  Result<AddressGroup> group(const Context& ctx, const AddressGroupId& id) const;
  Result<std::vector<AddressGroup>> groups(const Context& ctx,
                                           const NetworkListSpec& spec = {}) const;
  Result<AddressGroup> update(const Context& ctx, const AddressGroupId& id,
                              const AddressGroupUpdate& change);
  /// Errors: NotFound, Conflict (rules name it).
  Result<void> remove(const Context& ctx, const AddressGroupId& id);
  /// Errors: NotFound, InvalidArgument (one is there already; not a prefix).
  Result<AddressGroup> add_addresses(const Context& ctx, const AddressGroupId& id,
                                     const std::vector<std::string>& addresses);
  /// Errors: NotFound (the group, or one is not there), InvalidArgument.
  Result<AddressGroup> remove_addresses(const Context& ctx, const AddressGroupId& id,
                                        const std::vector<std::string>& addresses);

  explicit AddressGroups(Networks::Impl& impl) : impl_(impl) {}

 private:
  Networks::Impl& impl_;
};

}  // namespace cloudos

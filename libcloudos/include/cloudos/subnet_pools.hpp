#pragma once
#include "cloudos/networks.hpp"

/// Prefixes that subnets are cut from, and the scopes within which addresses mean one thing.
namespace cloudos {

/// Subnet pools of one scope do not overlap: routers pass its addresses on untranslated.
struct AddressScope {
  static constexpr std::string_view kKind = "address_scope";
  static constexpr std::uint32_t kSchema = 1;
  AddressScopeId id;
  std::uint64_t generation = 0;
  ProjectId project;
  std::string name;
  std::string description;         ///< Not of the API; lists have one for every resource.
  unsigned ip_version = 4;
  bool shared = false;
  std::vector<SubnetPoolId> pools; ///< That are of it.
  WallTime created_at, updated_at;
  std::string unknown;
};
struct AddressScopeCreate {
  std::string name;
  std::optional<ProjectId> project;  ///< Admins.
  unsigned ip_version = 4;           ///< 4 or 6.
  bool shared = false;               ///< Admins.
};
/// `shared` goes one way: to true. Admins.
struct AddressScopeUpdate {
  std::optional<std::string> name;
  std::optional<bool> shared;
};

struct SubnetPool {
  static constexpr std::string_view kKind = "subnet_pool";
  static constexpr std::uint32_t kSchema = 1;
  SubnetPoolId id;
  std::uint64_t generation = 0;
  ProjectId project;
  std::string name, description;
  unsigned ip_version = 4;
  std::vector<std::string> prefixes;  ///< Merged and sorted.
  unsigned least_prefix = 8, default_prefix = 8, most_prefix = 32;  ///< Lengths.
  /// Addresses a project may take of it: counted in /32 for IPv4, in /64 for IPv6. Absent: no limit.
  std::optional<std::uint64_t> default_quota;
  bool shared = false, is_default = false;
  AddressScopeId scope;
  WallTime created_at, updated_at;
  std::vector<std::string> tags;
  std::string unknown;
};
/// `shared` and `is_default` need an admin.
struct SubnetPoolCreate {
  std::string name, description;
  std::optional<ProjectId> project;   ///< Admins.
  std::vector<std::string> prefixes;  ///< One at least, of one family.
  std::optional<unsigned> least_prefix, default_prefix, most_prefix;
  std::optional<std::uint64_t> default_quota;
  bool shared = false, is_default = false;
  AddressScopeId scope;
};
struct SubnetPoolUpdate {
  std::optional<std::string> name, description;
  std::optional<std::vector<std::string>> prefixes;  ///< Holds all that the pool has.
  std::optional<unsigned> least_prefix, default_prefix, most_prefix;
  std::optional<std::uint64_t> default_quota;        ///< 0: no limit.
  std::optional<bool> is_default;
  std::optional<AddressScopeId> scope;               ///< Empty: none.
};

/// Thread-safe; part of Networks. Subnets take their prefix within the transaction that makes them,
/// so that no two ever have the same.
/// Source: Networking API v2.0 (subnet_allocation, default-subnetpools, address-scope).
class CLOUDOS_EXPORT SubnetPools final {
 public:
  /// Errors: InvalidArgument, NotFound (scope), Forbidden, QuotaExceeded, Conflict (prefixes that
  /// another pool of the scope has).
  Result<SubnetPool> create(const Context& ctx, const SubnetPoolCreate& spec);
  Result<std::vector<SubnetPool>> create_many(const Context& ctx,
                                              const std::vector<SubnetPoolCreate>& specs);
  Result<SubnetPool> pool(const Context& ctx, const SubnetPoolId& id) const;
  Result<std::vector<SubnetPool>> pools(const Context& ctx, const NetworkListSpec& spec = {}) const;
  Result<SubnetPool> update(const Context& ctx, const SubnetPoolId& id,
                            const SubnetPoolUpdate& change);
  /// Errors: NotFound, InvalidArgument (subnets are cut from it).
  Result<void> remove(const Context& ctx, const SubnetPoolId& id);
  Result<SubnetPool> add_prefixes(const Context& ctx, const SubnetPoolId& id,
                                  const std::vector<std::string>& prefixes);
  /// Errors: InvalidArgument (not the pool's), Conflict (subnets are cut from them).
  Result<SubnetPool> remove_prefixes(const Context& ctx, const SubnetPoolId& id,
                                     const std::vector<std::string>& prefixes);
  /// The network's subnets that are of no pool become this one's, and their blocks its prefixes.
  Result<SubnetPool> onboard(const Context& ctx, const SubnetPoolId& id, const NetworkId& network);

  Result<AddressScope> create_scope(const Context& ctx, const AddressScopeCreate& spec);
  Result<std::vector<AddressScope>> create_scopes(const Context& ctx,
                                                  const std::vector<AddressScopeCreate>& specs);
  Result<AddressScope> scope(const Context& ctx, const AddressScopeId& id) const;
  Result<std::vector<AddressScope>> scopes(const Context& ctx,
                                           const NetworkListSpec& spec = {}) const;
  Result<AddressScope> update_scope(const Context& ctx, const AddressScopeId& id,
                                    const AddressScopeUpdate& change);
  /// Errors: NotFound, Conflict (pools are of it).
  Result<void> remove_scope(const Context& ctx, const AddressScopeId& id);

  /// The scopes a network's addresses are of: IPv4, IPv6; empty where none.
  struct NetworkScopes {
    AddressScopeId ipv4, ipv6;
  };
  Result<std::map<NetworkId, NetworkScopes>> scopes_of(const std::vector<Network>& networks) const;

  explicit SubnetPools(Networks::Impl& impl) : impl_(impl) {}
  SubnetPools(const SubnetPools&) = delete;
  SubnetPools& operator=(const SubnetPools&) = delete;

 private:
  Networks::Impl& impl_;
};

}  // namespace cloudos

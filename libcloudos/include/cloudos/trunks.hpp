#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/networks.hpp"

namespace cloudos {

/// A port carried by another one's device, told apart by a tag.
struct SubPort {
  PortId port;
  std::string segmentation_type;   ///< "vlan", or "inherit" when asked for: its network's own.
  std::uint32_t segmentation_id = 0;  ///< The VLAN tag: 1..4094, each once in a trunk.
  friend bool operator==(const SubPort&, const SubPort&) = default;
};

/// A port whose device carries several networks.
struct Trunk {
  static constexpr std::string_view kKind = "trunk";
  static constexpr std::string_view kNoun = "Trunk";
  static constexpr std::uint32_t kSchema = 1;
  TrunkId id;
  std::uint64_t generation = 0;
  ProjectId project;
  std::string name, description;
  bool admin_up = true;            ///< false: its sub-ports stay as they are.
  PortId port;                     ///< The parent.
  std::vector<SubPort> sub_ports;
  WallTime created_at, updated_at;
  std::vector<std::string> tags;
  std::string unknown;
};

struct TrunkCreate {
  PortId port;
  std::string name, description;
  std::optional<ProjectId> project;
  bool admin_up = true;
  std::vector<SubPort> sub_ports;  ///< At most limits::kTrunkSubPorts.
};
struct TrunkUpdate {
  std::optional<std::string> name, description;
  std::optional<bool> admin_up;
};

/// Trunks. Thread-safe; part of Networks. Source: Networking API v2.0 (trunk).
class CLOUDOS_EXPORT Trunks final {
 public:
  /// All of a list or none, in one commit. Errors: NotFound (a port), Conflict (a port is a trunk's
  /// already, or in use; a tag twice; a sub-port's network has a larger MTU than the parent's),
  /// InvalidArgument (a tag or its kind; over limits::kTrunkSubPorts), QuotaExceeded.
  Result<std::vector<Trunk>> create(const Context& ctx, const std::vector<TrunkCreate>& specs);
  Result<Trunk> trunk(const Context& ctx, const TrunkId& id) const;
  Result<std::vector<Trunk>> trunks(const Context& ctx, const NetworkListSpec& spec = {}) const;
  Result<Trunk> update(const Context& ctx, const TrunkId& id, const TrunkUpdate& change);
  /// Its port may be in a running guest: that goes on, its sub-ports leave the host.
  /// Errors: NotFound, Conflict (it is down).
  Result<void> remove(const Context& ctx, const TrunkId& id);
  /// Errors: as create(); Conflict also when the trunk is down.
  Result<Trunk> add_sub_ports(const Context& ctx, const TrunkId& id,
                              const std::vector<SubPort>& ports);
  /// Errors: NotFound (the trunk, or a port is not of it), Conflict (it is down).
  Result<Trunk> remove_sub_ports(const Context& ctx, const TrunkId& id,
                                 const std::vector<PortId>& ports);
  /// "DOWN" while its port is on no host, "ACTIVE" while all of it is carried, "DEGRADED" while the
  /// port is and some of the sub-ports are not.
  Result<std::string> status(const Context& ctx, const Trunk& trunk) const;

  explicit Trunks(Networks::Impl& impl) : impl_(impl) {}

 private:
  Networks::Impl& impl_;
};

}  // namespace cloudos

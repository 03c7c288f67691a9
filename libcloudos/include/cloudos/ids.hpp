#pragma once
#include <compare>
#include <functional>
#include <string>

namespace cloudos {

/// The id of one kind of thing: a distinct type, so that a port's id is never taken for a server's.
/// Text as the APIs show it; ids we make sort by creation time (see IdSource).
template <class Tag>
struct Id {
  std::string value;

  Id() = default;
  explicit Id(std::string text) : value(std::move(text)) {}
  bool empty() const { return value.empty(); }
  friend auto operator<=>(const Id&, const Id&) = default;
  friend bool operator==(const Id&, const Id&) = default;
};

using DomainId = Id<struct DomainTag>;
using ProjectId = Id<struct ProjectTag>;
using UserId = Id<struct UserTag>;
using GroupId = Id<struct GroupTag>;
using RoleId = Id<struct RoleTag>;
using ServiceId = Id<struct ServiceTag>;
using EndpointId = Id<struct EndpointTag>;
using ImageId = Id<struct ImageTag>;
using NetworkId = Id<struct NetworkTag>;
using SubnetId = Id<struct SubnetTag>;
using PortId = Id<struct PortTag>;
using SubnetPoolId = Id<struct SubnetPoolTag>;
using AddressScopeId = Id<struct AddressScopeTag>;
using RouterId = Id<struct RouterTag>;
using FloatingIpId = Id<struct FloatingIpTag>;
using PortForwardingId = Id<struct PortForwardingTag>;
using SegmentId = Id<struct SegmentTag>;
using SegmentRangeId = Id<struct SegmentRangeTag>;
using QosPolicyId = Id<struct QosPolicyTag>;
using QosRuleId = Id<struct QosRuleTag>;
using TrunkId = Id<struct TrunkTag>;
using RbacPolicyId = Id<struct RbacPolicyTag>;
using AddressGroupId = Id<struct AddressGroupTag>;
using MeteringLabelId = Id<struct MeteringLabelTag>;
using MeteringRuleId = Id<struct MeteringRuleTag>;
using SecurityGroupId = Id<struct SecurityGroupTag>;
using SecurityGroupRuleId = Id<struct SecurityGroupRuleTag>;
using ServerId = Id<struct ServerTag>;
using FlavorId = Id<struct FlavorTag>;
using HostId = Id<struct HostTag>;
using TaskId = Id<struct TaskTag>;
using TrustId = Id<struct TrustTag>;
using ApplicationCredentialId = Id<struct ApplicationCredentialTag>;

}  // namespace cloudos

template <class Tag>
struct std::hash<cloudos::Id<Tag>> {
  std::size_t operator()(const cloudos::Id<Tag>& id) const noexcept {
    return std::hash<std::string>{}(id.value);
  }
};

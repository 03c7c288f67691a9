#include "network/network_checks.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/domain_name.hpp"
#include "base/text.hpp"
#include "cloudos/limits.hpp"
#include "cloudos/network_limits.hpp"
#include "network/access.hpp"
#include "network/extra_records.hpp"
#include "network/sharing.hpp"

namespace cloudos::network {
namespace {

// The least an IPv4 link may carry, and the most an IP packet can be.
constexpr std::uint32_t kLeastMtu = 68, kMostMtu = 65'535;
// Outer IPv4, UDP and VXLAN headers, and the inner Ethernet one.
constexpr std::uint32_t kVxlanHeader = 50;

}  // namespace

Result<void> check_dns_domain(std::string_view domain) {
  if (domain.empty()) return Result<void>();
  // Files of the DHCP server are made of it: nothing but labels may pass.
  if (domain.back() == '.' && is_domain_name(domain)) return Result<void>();
  return fail_as("InvalidInput", ErrorCode::InvalidArgument,
                 fmt::format("dns_domain: '{}' is not a domain that ends with a dot, such as "
                             "example.org.", domain.substr(0, 64)));
}

Result<void> check_zone_hints(std::string_view zone, const std::vector<std::string>& hints) {
  for (const std::string& hint : hints) {
    if (hint == zone) continue;
    return fail_as("AvailabilityZoneNotFound", ErrorCode::NotFound,
                   fmt::format("AvailabilityZone {} could not be found.", hint.substr(0, 64)));
  }
  return Result<void>();
}

Result<std::vector<std::string>> checked_tags(std::vector<std::string> tags) {
  std::sort(tags.begin(), tags.end());
  tags.erase(std::unique(tags.begin(), tags.end()), tags.end());
  if (tags.size() > limits::kResourceTags)
    return invalid(fmt::format("tags: at most {}", limits::kResourceTags));
  for (const std::string& tag : tags) {
    CLOUDOS_CHECK(check_name("tags", tag, 1, limits::kTagChars));
    if (tag.find(',') != tag.npos) return invalid("tags: a tag holds no comma");
  }
  return tags;
}

std::uint32_t most_mtu(std::uint32_t base, std::string_view type) {
  return type == "vxlan" && base > kVxlanHeader + kLeastMtu ? base - kVxlanHeader : base;
}

Result<void> check_mtu(std::uint32_t base, std::string_view type,
                       const std::optional<std::uint32_t>& asked) {
  if (!asked) return Result<void>();
  const std::uint32_t most = std::min(most_mtu(base, type), kMostMtu);
  if (*asked >= kLeastMtu && *asked <= most) return Result<void>();
  return invalid(fmt::format("mtu must be within {} to {}", kLeastMtu, most));
}

Result<std::uint32_t> mtu_of(std::uint32_t base, std::string_view type,
                             const std::optional<std::uint32_t>& asked) {
  CLOUDOS_CHECK(check_mtu(base, type, asked));
  return asked.value_or(most_mtu(base, type));
}

Result<void> check_network_create(const Context& ctx, const NetworkCreate& spec) {
  CLOUDOS_CHECK(check_texts(spec.name, spec.description));
  CLOUDOS_CHECK(check_dns_domain(spec.dns_domain));
  const std::pair<bool, std::string_view> kept[] = {
      {spec.shared, "shared"},
      {spec.external, "router:external"},
      {spec.is_default, "is_default"},
      {spec.network_type.has_value(), "provider:network_type"},
      {spec.physical_network.has_value(), "provider:physical_network"},
      {spec.segmentation_id.has_value(), "provider:segmentation_id"},
      {!spec.segments.empty(), "segments"},
  };
  for (const auto& [used, attribute] : kept) CLOUDOS_CHECK(admin_only(ctx, used, attribute));
  if (!spec.network_type && (spec.physical_network || spec.segmentation_id))
    return invalid("provider:network_type is needed with the other provider attributes");
  if (spec.vlan_transparent) {
    return fail_as("VlanTransparencyDriverError", ErrorCode::Unsupported,
                   "vlan_transparent: no mechanism driver here carries tags of guests");
  }
  return Result<void>();
}

Result<void> check_network_update(const NetworkUpdate& change) {
  CLOUDOS_CHECK(check_texts(change.name.value_or(""), change.description.value_or("")));
  return check_dns_domain(change.dns_domain.value_or(""));
}

Result<void> check_qos_policy(store::Txn& txn, const Context& ctx, const QosPolicyId& id) {
  CLOUDOS_TRY(const auto policy, load_seen<QosPolicy>(txn, ctx, id));
  for (const QosRule& rule : policy.rules) {
    if (rule.type != QosRule::kMinimum) continue;
    return fail_as("QosRuleNotSupported", ErrorCode::Conflict,
                   fmt::format("QoS policy {} has a rule of type {}, which no driver here holds.",
                               id.value, rule.type));
  }
  // Whoever uses it, and its owner, too: a policy for all stays so while anything has it.
  note_lent(txn, rbac_type<QosPolicy>(), id.value);
  return Result<void>();
}

Result<void> change_qos_policy(store::Txn& txn, const Context& ctx, const QosPolicyId& next,
                               QosPolicyId& held) {
  if (next == held) return Result<void>();
  if (!held.empty() && !ctx.is_admin) {
    const auto policy = records::get<QosPolicy>(txn, held);
    if (policy && !sees(txn, ctx, *policy))
      return forbidden("qos_policy_id: an admin put the policy here, and takes it away");
  }
  if (!next.empty()) CLOUDOS_CHECK(check_qos_policy(txn, ctx, next));
  held = next;
  return Result<void>();
}

Result<void> use_qos_policy(store::Txn& txn, const Context& ctx, Network& network) {
  if (!network.qos_policy.empty()) return check_qos_policy(txn, ctx, network.qos_policy);
  const auto id =
      records::find_unique(txn, QosPolicy::kKind, "default", "", network.project.value);
  if (!id) return Result<void>();
  network.qos_policy = QosPolicyId{*id};
  note_lent(txn, rbac_type<QosPolicy>(), *id);
  return Result<void>();
}

Result<void> refuse_second_default(store::Txn& txn, const Network& network) {
  if (!network.is_default) return Result<void>();
  if (!network.external)
    return invalid("is_default: only an external network is the default one");
  const auto other = records::find_unique(txn, Network::kKind, "default", "", "1");
  if (!other || *other == network.id.value) return Result<void>();
  return fail_as("DefaultExternalNetworkExists", ErrorCode::Conflict,
                 fmt::format("A default external network already exists: {}.", *other));
}

}  // namespace cloudos::network

#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "cloudos/network_sharing.hpp"
#include "cloudos/networks.hpp"
#include "network/errors.hpp"
#include "network/record.hpp"

/// Who sees and changes what, with the names the API has for it.
namespace cloudos::network {

struct KindName {
  std::string_view kind, name;
};
constexpr std::string_view name_of_kind(std::span<const KindName> names, std::string_view kind) {
  for (const KindName& one : names)
    if (one.kind == kind) return one.name;
  return {};
}

/// What errors call a resource: "NetworkNotFound". Newer records may say it themselves.
template <class T>
constexpr std::string_view noun() {
  constexpr KindName kNouns[] = {
      {"network", "Network"},           {"subnet", "Subnet"},
      {"port", "Port"},                 {"security_group", "SecurityGroup"},
      {"subnet_pool", "SubnetPool"},    {"address_scope", "AddressScope"},
      {"router", "Router"},             {"floating_ip", "FloatingIP"},
      {"security_group_rule", "SecurityGroupRule"}, {"port_forwarding", "PortForwarding"}};
  if constexpr (requires { T::kNoun; }) return T::kNoun;
  else return name_of_kind(kNouns, T::kKind);
}

template <class T>
Failure missing(std::string_view id) {
  std::string words;
  for (const char c : noun<T>()) {
    if (c >= 'A' && c <= 'Z' && !words.empty()) words += ' ';
    words += words.empty() ? c : static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  }
  return fail_as(std::string(noun<T>()) + "NotFound", ErrorCode::NotFound,
                 fmt::format("{} {} could not be found.", words, id.substr(0, 64)));
}

/// Reads from a snapshot or a transaction. Errors: NotFound, by the API's name.
template <class T, class Source, class Tag>
Result<T> load(Source& source, const Id<Tag>& id) {
  auto found = records::get<T>(source, id.value);
  if (!found && found.error().code == ErrorCode::NotFound) return missing<T>(id.value);
  return found;
}

// ---- who sees what: the one place ---------------------------------------------------------------

inline constexpr std::string_view kAnyProject = "*";
inline constexpr std::string_view kAsShared = "access_as_shared";
inline constexpr std::string_view kAsExternal = "access_as_external";

/// What RBAC policies call records of this type; empty: they cannot be granted.
constexpr KindName kRbacTypes[] = {
    {"network", "network"},               {"security_group", "security_group"},
    {"qos_policy", "qos_policy"},         {"address_scope", "address_scope"},
    {"subnet_pool", "subnetpool"},        {"address_group", "address_group"}};
template <class T>
constexpr std::string_view rbac_type() {
  if constexpr (requires { T::kKind; }) return name_of_kind(kRbacTypes, T::kKind);
  else return {};
}

/// The scope of a grant's unique value: one policy at most has it and a target.
std::string grant_scope(std::string_view object_type, std::string_view object_id,
                        std::string_view action);
/// Whether `target` ("*" too) has a grant of its own. One look-up.
bool has_grant(store::Txn& txn, std::string_view scope, std::string_view target);
bool has_grant(const store::Snapshot& snapshot, std::string_view scope, std::string_view target);
/// Whether anybody has one.
bool any_grant(store::Txn& txn, std::string_view scope);
bool any_grant(const store::Snapshot& snapshot, std::string_view scope);

/// An external network that every project sees. Those of before there were policies have none.
template <class Source>
bool external_to_all(Source& source, const Network& network) {
  if (!network.external) return false;
  const auto scope = grant_scope("network", network.id.value, kAsExternal);
  return has_grant(source, scope, kAnyProject) || !any_grant(source, scope);
}

enum class Sight : std::uint8_t { None, Own, Shared, External };

/// By what right the caller sees the record. Owners and admins cost no look-up.
template <class T, class Source>
Sight sight(Source& source, const Context& ctx, const T& record) {
  if (ctx.may_see(record.project)) return Sight::Own;
  if constexpr (requires { record.shared; }) {
    if (record.shared) return Sight::Shared;
  }
  const auto granted = [&](std::string_view type, const std::string& id) {
    const auto scope = grant_scope(type, id, kAsShared);
    if (!ctx.project.empty() && has_grant(source, scope, ctx.project.value)) return true;
    return type != "network" && has_grant(source, scope, kAnyProject);
  };
  if constexpr (!rbac_type<T>().empty()) {
    if (granted(rbac_type<T>(), record.id.value)) return Sight::Shared;
  }
  if constexpr (std::is_same_v<T, Subnet>) {
    if (granted("network", record.network.value)) return Sight::Shared;
  }
  if constexpr (std::is_same_v<T, SecurityGroupRule>) {
    if (granted("security_group", record.group.value)) return Sight::Shared;
  }
  if constexpr (std::is_same_v<T, Network>) {
    if (external_to_all(source, record)) return Sight::External;
    const auto scope = grant_scope("network", record.id.value, kAsExternal);
    if (record.external && !ctx.project.empty() && has_grant(source, scope, ctx.project.value))
      return Sight::External;
  }
  return Sight::None;
}

template <class T, class Source>
bool sees(Source& source, const Context& ctx, const T& record) {
  return sight(source, ctx, record) != Sight::None;
}

/// What the caller may read; what others own looks like nothing, and what they were granted looks
/// shared. Not to be written back unless it is the caller's own. Errors: NotFound.
template <class T, class Source, class Tag>
Result<T> load_seen(Source& source, const Context& ctx, const Id<Tag>& id) {
  CLOUDOS_TRY(T record, load<T>(source, id));
  const Sight by = sight(source, ctx, record);
  if (by == Sight::None) return missing<T>(id.value);
  if constexpr (requires { record.shared = true; }) {
    if (by == Sight::Shared) record.shared = true;
  }
  return record;
}

/// What the caller may change. Errors: NotFound, Forbidden (seen, because shared, but another's).
template <class T, class Source, class Tag>
Result<T> load_owned(Source& source, const Context& ctx, const Id<Tag>& id) {
  CLOUDOS_TRY(T record, load_seen<T>(source, ctx, id));
  if (!ctx.may_see(record.project))
    return forbidden(fmt::format("{} {} belongs to another project", noun<T>(), id.value));
  return record;
}

/// The project that will own what is made. Errors: Forbidden, InvalidArgument.
Result<ProjectId> owner_of_new(const Context& ctx, const std::optional<ProjectId>& asked);
/// Takes of a quota; a refusal names it as the API does. Errors: QuotaExceeded.
Result<void> reserve_quota(store::Txn& txn, const ProjectId& project, std::string_view counter,
                           std::int64_t count);
/// Only an admin sets `attribute`. Errors: Forbidden.
Result<void> admin_only(const Context& ctx, bool used, std::string_view attribute);
Result<void> check_texts(std::string_view name, std::string_view description);

}  // namespace cloudos::network

#include <algorithm>

#include <fmt/format.h>

#include "identity/quota.hpp"
#include "network/impl.hpp"

namespace cloudos {
namespace network {
namespace {

struct QuotaName {
  std::string_view api, counter;
};
constexpr QuotaName kQuotaNames[] = {
    {"network", "networks"},
    {"subnet", "subnets"},
    {"port", "ports"},
    {"security_group", "security_groups"},
    {"security_group_rule", "security_group_rules"},
    {"rbac_policy", "rbac_policies"},
    {"router", "routers"},
    {"floatingip", "floating_ips"},
    {"subnetpool", "subnet_pools"},
    {"trunk", "trunks"},
};

Result<std::string_view> counter_of(std::string_view api) {
  for (const QuotaName& name : kQuotaNames)
    if (name.api == api) return name.counter;
  return fail_as("HTTPBadRequest", ErrorCode::InvalidArgument,
                 fmt::format("no quota is kept for '{}'", api.substr(0, 64)));
}

Result<void> check_project(const ProjectId& project) {
  if (project.empty() || project.value.size() > limits::kNameChars)
    return fail_as("TenantIdNotFound", ErrorCode::NotFound, "the project could not be found");
  return Result<void>();
}

}  // namespace

Result<void> reserve_quota(store::Txn& txn, const ProjectId& project, std::string_view counter,
                           std::int64_t count) {
  auto reserved = Quota::reserve(txn, project, counter, count);
  if (reserved || reserved.error().code != ErrorCode::QuotaExceeded) return reserved;
  std::string_view name = counter;
  for (const QuotaName& one : kQuotaNames)
    if (one.counter == counter) name = one.api;
  // Clients look for the first words; how many there are stands behind the colon of the other's.
  const std::string& said = reserved.error().message;
  const auto colon = said.find(": ");
  const std::string_view numbers =
      colon == said.npos ? std::string_view() : std::string_view(said).substr(colon + 2);
  // l10n: "Quota exceeded for resources: ['{}']: requested {}, but already used {} of {}"
  return fail_as("OverQuota", ErrorCode::QuotaExceeded,
                 fmt::format("Quota exceeded for resources: ['{}']: {}", name, numbers));
}

}  // namespace network

Result<NetworkQuotas> Networks::quotas(const Context& ctx, const ProjectId& project) const {
  CLOUDOS_CHECK(network::check_project(project));
  if (!ctx.may_see(project)) {
    return network::fail_as("TenantQuotaNotFound", ErrorCode::NotFound,
                            fmt::format("Quota for tenant {} could not be found.",
                                        project.value.substr(0, 64)));
  }
  CLOUDOS_TRY(const auto snapshot, impl_->snapshot());
  CLOUDOS_TRY(const auto usage, Quota::usage(*snapshot, project));
  NetworkQuotas quotas;
  for (const auto& name : network::kQuotaNames) {
    const auto found = usage.find(std::string(name.counter));
    if (found == usage.end()) continue;
    quotas.emplace(name.api, NetworkQuota{found->second.limit, found->second.in_use});
  }
  return quotas;
}

Result<NetworkLimits> Networks::default_quotas() const {
  CLOUDOS_TRY(const auto snapshot, impl_->snapshot());
  CLOUDOS_TRY(const auto defaults, Quota::defaults(*snapshot));
  NetworkLimits limits;
  for (const auto& name : network::kQuotaNames) {
    if (const auto found = defaults.find(std::string(name.counter)); found != defaults.end())
      limits.emplace(name.api, found->second);
  }
  return limits;
}

Result<NetworkQuotas> Networks::set_quotas(const Context& ctx, const ProjectId& project,
                                           const NetworkLimits& asked) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(network::check_project(project));
  CLOUDOS_CHECK(network::admin_only(ctx, true, "quota"));
  for (const auto& [name, limit] : asked) CLOUDOS_CHECK(network::counter_of(name));
  CLOUDOS_CHECK(impl_->transact([&](store::Txn& txn) -> Result<void> {
    for (const auto& [name, limit] : asked) {
      CLOUDOS_TRY(const auto counter, network::counter_of(name));
      CLOUDOS_CHECK(Quota::set_limit(txn, project, counter, limit));
    }
    return Result<void>();
  }));
  return quotas(ctx, project);
}

Result<void> Networks::reset_quotas(const Context& ctx, const ProjectId& project) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(network::check_project(project));
  CLOUDOS_CHECK(network::admin_only(ctx, true, "quota"));
  return impl_->transact([&](store::Txn& txn) -> Result<void> {
    for (const auto& name : network::kQuotaNames)
      CLOUDOS_CHECK(Quota::set_limit(txn, project, name.counter, std::nullopt));
    return Result<void>();
  });
}

Result<std::map<ProjectId, NetworkQuotas>> NetworkAgents::own_quotas(const Context& ctx) const {
  CLOUDOS_CHECK(network::admin_only(ctx, true, "quotas"));
  std::map<ProjectId, NetworkQuotas> all;
  CLOUDOS_TRY(const auto snapshot, impl_.snapshot());
  CLOUDOS_TRY(const auto projects, Quota::limited_projects(*snapshot));
  for (const auto& [project, resources] : projects) {
    const bool ours = std::any_of(
        std::begin(network::kQuotaNames), std::end(network::kQuotaNames),
        [&resources = resources](const network::QuotaName& name) {
          return resources.count(std::string(name.counter)) > 0;
        });
    if (!ours) continue;
    CLOUDOS_TRY(const auto usage, Quota::usage(*snapshot, project));
    NetworkQuotas& quotas = all[project];
    for (const auto& name : network::kQuotaNames) {
      const auto found = usage.find(std::string(name.counter));
      if (found != usage.end())
        quotas.emplace(name.api, NetworkQuota{found->second.limit, found->second.in_use});
    }
  }
  return all;
}

}  // namespace cloudos

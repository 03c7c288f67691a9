#include "identity/quota.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "records/keys.hpp"
#include "cloudos/store.hpp"

namespace cloudos {
namespace {

struct QuotaDefault {
  std::string_view resource;
  std::int64_t limit;
  std::int64_t unit = 1;  // What is counted, of one of the limit: bytes of a MiB.
};

constexpr std::int64_t kMib = 1 << 20;

// The numbers that operators of such clouds know.
constexpr QuotaDefault kBuiltInQuotas[] = {
    {"servers", 10},        {"cores", 20},           {"ram_mib", 51'200},
    {"key_pairs", 100},     {"server_groups", 10},   {"server_group_members", 10},
    {"networks", 100},      {"subnets", 100},        {"ports", 500},
    {"security_groups", 10}, {"security_group_rules", 100},
    {"routers", 10},        {"floating_ips", 50},    {"subnet_pools", kUnlimited},
    {"rbac_policies", 10},  {"trunks", kUnlimited},
    {"image_count_total", kUnlimited}, {"image_count_uploading", kUnlimited},
    {"image_size_total", kUnlimited, kMib}, {"image_stage_total", kUnlimited, kMib},
};

/// A part of a unit counts as a whole one where people see it.
std::int64_t in_units(const QuotaDefault& row, std::int64_t counted) {
  return counted / row.unit + (counted % row.unit > 0 ? 1 : 0);
}

const QuotaDefault* find_quota(std::string_view resource) {
  const auto* found = std::find_if(std::begin(kBuiltInQuotas), std::end(kBuiltInQuotas),
                                   [&](const auto& row) { return row.resource == resource; });
  return found == std::end(kBuiltInQuotas) ? nullptr : found;
}

std::string quota_use_key(const ProjectId& project, std::string_view resource) {
  return fmt::format("/quota-use/{}/{}", records::key_part(project.value), resource);
}
std::string quota_limit_key(const ProjectId& project, std::string_view resource) {
  return fmt::format("/quota-limit/{}/{}", records::key_part(project.value), resource);
}
std::string quota_default_key(std::string_view resource) {
  return fmt::format("/quota-default/{}", resource);
}

std::optional<std::int64_t> stored_number(const std::optional<std::string_view>& text) {
  return text ? parse_signed(*text) : std::nullopt;
}

Result<std::optional<std::int64_t>> stored_number(const store::Snapshot& snapshot,
                                                  const std::string& key) {
  CLOUDOS_TRY(const auto entry, snapshot.get(key));
  return entry ? parse_signed(entry->value) : std::nullopt;
}

void put_use(store::Txn& txn, const std::string& key, std::int64_t used) {
  if (used <= 0) txn.erase(key);
  else txn.put(key, std::to_string(used));
}

Result<void> put_quota_limit(store::Txn& txn, const std::string& key, std::string_view resource,
                             std::optional<std::int64_t> limit) {
  if (find_quota(resource) == nullptr) {
    return fail(ErrorCode::InvalidArgument, fmt::format("no quota is kept for '{}'", resource));
  }
  if (limit && *limit < kUnlimited) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("quota {}: {} is below -1 (which means no limit)", resource, *limit));
  }
  if (limit) txn.put(key, std::to_string(*limit));
  else txn.erase(key);
  return Result<void>();
}

}  // namespace

Result<void> Quota::reserve(store::Txn& txn, const ProjectId& project, std::string_view resource,
                            std::int64_t delta) {
  const QuotaDefault* const row = find_quota(resource);
  if (row == nullptr) {
    return fail(ErrorCode::Internal, fmt::format("no quota is kept for '{}'", resource));
  }
  if (delta == 0) return Result<void>();
  const std::string key = quota_use_key(project, resource);
  const std::int64_t used = stored_number(txn.get(key)).value_or(0);
  if (delta > 0) {
    auto limit = stored_number(txn.get(quota_limit_key(project, resource)));
    if (!limit) limit = stored_number(txn.get(quota_default_key(resource)));
    const std::int64_t most = limit.value_or(row->limit);
    const bool bounded = most != kUnlimited && most <= INT64_MAX / row->unit;
    const std::int64_t room = (bounded ? most * row->unit : INT64_MAX) - used;
    if (delta > room) {
      return fail(ErrorCode::QuotaExceeded,
                  fmt::format("quota exceeded for {}: requested {}, but already used {} of {}",
                              resource, in_units(*row, delta), in_units(*row, used), most));
    }
  }
  put_use(txn, key, used + delta);
  return Result<void>();
}

Result<void> Quota::add(store::Txn& txn, const ProjectId& project, std::string_view resource,
                        std::int64_t delta) {
  if (delta == 0) return Result<void>();
  const std::string key = quota_use_key(project, resource);
  put_use(txn, key, stored_number(txn.get(key)).value_or(0) + delta);
  return Result<void>();
}

Result<std::map<std::string, QuotaUse>> Quota::usage(const store::Snapshot& snapshot,
                                                     const ProjectId& project) {
  CLOUDOS_TRY(const auto cloud_limits, defaults(snapshot));
  std::map<std::string, QuotaUse> uses;
  for (const auto& [resource, default_limit] : cloud_limits) {
    CLOUDOS_TRY(const auto limit, stored_number(snapshot, quota_limit_key(project, resource)));
    CLOUDOS_TRY(const auto used, stored_number(snapshot, quota_use_key(project, resource)));
    uses[resource] = {limit.value_or(default_limit),
                      in_units(*find_quota(resource), used.value_or(0)), used.value_or(0)};
  }
  return uses;
}

Result<void> Quota::set_limit(store::Txn& txn, const ProjectId& project, std::string_view resource,
                              std::optional<std::int64_t> limit) {
  return put_quota_limit(txn, quota_limit_key(project, resource), resource, limit);
}

Result<void> Quota::set_default(store::Txn& txn, std::string_view resource,
                                std::optional<std::int64_t> limit) {
  return put_quota_limit(txn, quota_default_key(resource), resource, limit);
}

bool Quota::is_unified(std::string_view resource) {
  return resource.starts_with("image_") && find_quota(resource) != nullptr;
}

Result<std::map<std::string, std::int64_t>> Quota::defaults(const store::Snapshot& snapshot) {
  std::map<std::string, std::int64_t> limits;
  for (const QuotaDefault& row : kBuiltInQuotas) {
    CLOUDOS_TRY(const auto limit, stored_number(snapshot, quota_default_key(row.resource)));
    limits[std::string(row.resource)] = limit.value_or(row.limit);
  }
  return limits;
}

Result<std::map<ProjectId, std::set<std::string>>> Quota::limited_projects(
    const store::Snapshot& snapshot) {
  constexpr std::string_view kPrefix = "/quota-limit/";
  std::map<ProjectId, std::set<std::string>> all;
  store::ScanOptions options;
  options.keys_only = true;
  while (true) {
    CLOUDOS_TRY(const auto entries, snapshot.scan(std::string(kPrefix), options));
    if (entries.empty()) return all;
    for (const store::Entry& entry : entries) {
      const std::string_view rest = std::string_view(entry.key).substr(kPrefix.size());
      const auto slash = rest.find('/');
      if (slash == rest.npos) continue;
      all[ProjectId{std::string(rest.substr(0, slash))}].emplace(rest.substr(slash + 1));
    }
    options.after = entries.back().key;
  }
}

}  // namespace cloudos

#include "cloudos/stored_policies.hpp"

#include <fmt/format.h>

#include "identity/catalog.hpp"
#include "identity/crud.hpp"
#include "identity/registry_records.hpp"

namespace cloudos {

using identity::EndpointRecord;
using identity::PolicyUseRecord;
using identity::RegionRecord;
using identity::ServiceRecord;
using identity::StoredPolicyRecord;

namespace {

std::string use_id(const PolicyUse& use) {
  if (!use.endpoint.empty()) return "e:" + use.endpoint.value;
  if (use.region.empty()) return "s:" + use.service.value;
  return fmt::format("r:{}:{}", use.service.value, use.region);
}

/// The rule of a use; ours are named as the paths are.
std::string use_rule(std::string_view verb, const PolicyUse& use) {
  return fmt::format("identity:{}_policy_association_for_{}", verb,
                     !use.endpoint.empty() ? "endpoint"
                     : use.region.empty()  ? "service"
                                           : "region_and_service");
}

template <class Source>
Result<void> check_use_ends(Source& from, const StoredPolicyId& id, const PolicyUse& use) {
  CLOUDOS_CHECK(records::get<StoredPolicyRecord>(from, id));
  if (!use.endpoint.empty()) CLOUDOS_CHECK(records::get<EndpointRecord>(from, use.endpoint));
  if (!use.service.empty()) CLOUDOS_CHECK(records::get<ServiceRecord>(from, use.service));
  if (!use.region.empty()) CLOUDOS_CHECK(records::get<RegionRecord>(from, use.region));
  return Result<void>();
}

Failure not_used() {
  return fail(ErrorCode::NotFound, "the policy is not for that");
}

/// The region and those around it, innermost first. Regions nest by hand, a few of them.
Result<std::vector<std::string>> regions_around(const store::Snapshot& at, std::string region) {
  std::vector<std::string> around;
  while (!region.empty() && around.size() < limits::kNameChars) {
    const auto record = records::get<RegionRecord>(at, region);
    if (!record && record.error().code == ErrorCode::NotFound) break;
    if (!record) return fail(record.error());
    around.push_back(std::move(region));
    region = record->parent;
  }
  return around;
}

Result<std::optional<StoredPolicyId>> policy_for(const store::Snapshot& at,
                                                 const EndpointRecord& endpoint) {
  CLOUDOS_TRY(const auto regions, regions_around(at, endpoint.region));
  std::vector<PolicyUse> nearest{{endpoint.id, {}, {}}};
  for (const std::string& region : regions) nearest.push_back({{}, endpoint.service, region});
  nearest.push_back({{}, endpoint.service, {}});
  for (const PolicyUse& use : nearest) {
    const auto found = records::get<PolicyUseRecord>(at, use_id(use));
    if (found) return std::optional(found->policy);
    if (found.error().code != ErrorCode::NotFound) return fail(found.error());
  }
  return std::optional<StoredPolicyId>();
}

}  // namespace

Result<StoredPolicy> StoredPolicies::create(const Context& ctx, const StoredPolicyCreate& spec) {
  CLOUDOS_CHECK(check_call(ctx, of_.engine.clock));
  CLOUDOS_CHECK(of_.allow(ctx, "identity:create_policy"));
  CLOUDOS_CHECK(identity::check_title("type", spec.type, limits::kNameChars));
  CLOUDOS_CHECK(identity::check_text("blob", spec.blob));
  CLOUDOS_CHECK(identity::check_extra(spec.extra));
  auto record = identity::record_of<StoredPolicyRecord>(spec, of_.engine);
  record.blob = spec.blob;
  CLOUDOS_CHECK(
      of_.commit_quietly([&](store::Txn& txn) { return records::insert(txn, record); }));
  return StoredPolicy(record);
}

Result<StoredPolicy> StoredPolicies::get(const Context& ctx, const StoredPolicyId& id) const {
  CLOUDOS_CHECK(of_.allow(ctx, "identity:get_policy"));
  CLOUDOS_TRY(auto record, of_.by_snapshot([&](const store::Snapshot& at) {
    return records::get<StoredPolicyRecord>(at, id);
  }));
  return StoredPolicy(std::move(record));
}

Result<std::vector<StoredPolicy>> StoredPolicies::list(const Context& ctx,
                                                       const IdentityFilter& filter) const {
  CLOUDOS_CHECK(of_.allow(ctx, "identity:list_policies"));
  CLOUDOS_TRY(const auto at, of_.snapshot());
  return identity::listed<StoredPolicy, StoredPolicyRecord>(*at, filter);
}

Result<StoredPolicy> StoredPolicies::update(const Context& ctx, const StoredPolicyId& id,
                                            const StoredPolicyUpdate& with) {
  CLOUDOS_CHECK(check_call(ctx, of_.engine.clock));
  CLOUDOS_CHECK(of_.allow(ctx, "identity:update_policy"));
  if (with.type) CLOUDOS_CHECK(identity::check_title("type", *with.type, limits::kNameChars));
  if (with.blob) CLOUDOS_CHECK(identity::check_text("blob", *with.blob));
  StoredPolicy after;
  CLOUDOS_CHECK(of_.commit_quietly([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(auto record,
                records::modify<StoredPolicyRecord>(txn, id, [&](StoredPolicyRecord& r) {
      if (with.type) r.type = *with.type;
      if (with.blob) r.blob = *with.blob;
      return identity::apply_extra(r.extra, with.extra);
    }));
    after = std::move(record);
    return Result<void>();
  }));
  return after;
}

Result<void> StoredPolicies::remove(const Context& ctx, const StoredPolicyId& id) {
  CLOUDOS_CHECK(check_call(ctx, of_.engine.clock));
  CLOUDOS_CHECK(of_.allow(ctx, "identity:delete_policy"));
  CLOUDOS_CHECK(get(Context::system(ctx.request_id), id));
  static constexpr identity::Dependent kUses[] = {identity::dependent<PolicyUseRecord>("policy")};
  return of_.drop_dependents(kUses, id.value, [&](store::Txn& txn) {
    return records::erase<StoredPolicyRecord>(txn, id);
  });
}

Result<void> StoredPolicies::use(const Context& ctx, const StoredPolicyId& id,
                                 const PolicyUse& what) {
  CLOUDOS_CHECK(check_call(ctx, of_.engine.clock));
  CLOUDOS_CHECK(of_.allow(ctx, use_rule("create", what)));
  return of_.commit_quietly([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(check_use_ends(txn, id, what));
    PolicyUseRecord fresh{use_id(what), 0, id, what.endpoint, what.service, what.region, {}};
    if (txn.get(records::record_key(PolicyUseRecord::kKind, fresh.id)))
      return records::update(txn, fresh);
    return records::insert(txn, fresh);
  });
}

Result<void> StoredPolicies::check_use(const Context& ctx, const StoredPolicyId& id,
                                       const PolicyUse& what) const {
  CLOUDOS_CHECK(of_.allow(ctx, use_rule("check", what)));
  CLOUDOS_TRY(const auto at, of_.snapshot());
  CLOUDOS_CHECK(check_use_ends(*at, id, what));
  const auto found = records::get<PolicyUseRecord>(*at, use_id(what));
  if (!found && found.error().code != ErrorCode::NotFound) return fail(found.error());
  if (!found || found->policy != id) return not_used();
  return Result<void>();
}

Result<void> StoredPolicies::stop_use(const Context& ctx, const StoredPolicyId& id,
                                      const PolicyUse& what) {
  CLOUDOS_CHECK(check_call(ctx, of_.engine.clock));
  CLOUDOS_CHECK(of_.allow(ctx, use_rule("delete", what)));
  return of_.commit_quietly([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(check_use_ends(txn, id, what));
    const auto found = records::get<PolicyUseRecord>(txn, use_id(what));
    if (!found && found.error().code != ErrorCode::NotFound) return fail(found.error());
    if (!found || found->policy != id) return not_used();
    return records::erase<PolicyUseRecord>(txn, found->id);
  });
}

Result<StoredPolicy> StoredPolicies::of_endpoint(const Context& ctx,
                                                 const EndpointId& endpoint) const {
  CLOUDOS_CHECK(of_.allow(ctx, "identity:get_policy_for_endpoint"));
  return of_.by_snapshot([&](const store::Snapshot& at) -> Result<StoredPolicy> {
    CLOUDOS_TRY(const auto record, records::get<EndpointRecord>(at, endpoint));
    CLOUDOS_TRY(const auto id, policy_for(at, record));
    if (!id) return fail(ErrorCode::NotFound, "no policy is for that endpoint");
    CLOUDOS_TRY(auto policy, records::get<StoredPolicyRecord>(at, *id));
    return StoredPolicy(std::move(policy));
  });
}

Result<std::vector<Endpoint>> StoredPolicies::endpoints_of(const Context& ctx,
                                                           const StoredPolicyId& id) const {
  CLOUDOS_CHECK(of_.allow(ctx, "identity:list_endpoints_for_policy"));
  CLOUDOS_TRY(const auto at, of_.snapshot());
  CLOUDOS_CHECK(records::get<StoredPolicyRecord>(*at, id));
  CLOUDOS_TRY(const auto uses, records::all<PolicyUseRecord>(*at, "policy", id.value));
  CLOUDOS_TRY(const auto endpoints, records::all<EndpointRecord>(*at));
  std::vector<Endpoint> list;
  for (const EndpointRecord& endpoint : endpoints) {
    CLOUDOS_TRY(const auto regions, regions_around(*at, endpoint.region));
    for (const PolicyUseRecord& use : uses) {
      const bool in_region =
          use.region.empty() ||
          std::find(regions.begin(), regions.end(), use.region) != regions.end();
      const bool meant = !use.endpoint.empty() ? use.endpoint == endpoint.id
                                               : use.service == endpoint.service && in_region;
      if (!meant) continue;
      list.push_back(identity::shown_endpoint(endpoint, of_.settings.public_url));
      break;
    }
  }
  return list;
}

}  // namespace cloudos

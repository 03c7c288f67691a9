#include "maintenance/kinds.hpp"

#include <algorithm>

#include "audit/row.hpp"
#include "identity/credential_records.hpp"
#include "identity/delegation_records.hpp"
#include "identity/domain_records.hpp"
#include "identity/records.hpp"
#include "identity/registry_records.hpp"
#include "identity/revocations.hpp"
#include "tasks/task.hpp"

namespace cloudos::maintenance {
namespace {

References references_of(const identity::ProjectRecord& r) {
  return {{"domain", r.domain.value}};
}
References references_of(const identity::DomainConfigRecord& r) {
  return {{"domain", r.id.value}};
}
References references_of(const identity::UserRecord& r) {
  References all{{"domain", r.domain.value}};
  for (const GroupId& group : r.groups) all.push_back({"group", group.value});
  return all;
}
References references_of(const identity::GroupRecord& r) {
  return {{"domain", r.domain.value}};
}
References references_of(const identity::EndpointRecord& r) {
  return {{"service", r.service.value}};
}
References references_of(const identity::GrantRecord& r) {
  References all;
  for (const RoleId& role : r.roles) all.push_back({"role", role.value});
  return all;
}
References references_of(const identity::ApplicationCredentialRecord& r) {
  References all{{"user", r.user.value}, {"project", r.project.value}};
  for (const std::string& rule : r.rules) all.push_back({"access_rule", rule});
  return all;
}
References references_of(const identity::AccessRuleRecord& r) {
  return {{"user", r.user.value}};
}
References references_of(const identity::RoleRecord& r) {
  References all;
  if (!r.domain.empty()) all.push_back({"domain", r.domain.value});
  for (const RoleId& implied : r.implies) all.push_back({"role", implied.value});
  return all;
}
References references_of(const identity::EndpointChoiceRecord& r) {
  References all{{"project", r.project.value}};
  if (!r.endpoint.empty()) all.push_back({"endpoint", r.endpoint.value});
  if (!r.group.empty()) all.push_back({"endpoint_group", r.group.value});
  return all;
}
References references_of(const identity::PolicyUseRecord& r) {
  References all{{"policy", r.policy.value}};
  if (!r.endpoint.empty()) all.push_back({"endpoint", r.endpoint.value});
  if (!r.service.empty()) all.push_back({"service", r.service.value});
  if (!r.region.empty()) all.push_back({"region", r.region});
  return all;
}
References references_of(const identity::RegisteredLimitRecord& r) {
  References all{{"service", r.service.value}};
  if (!r.region.empty()) all.push_back({"region", r.region});
  return all;
}
References references_of(const identity::LimitRecord& r) {
  References all{{"registered_limit", r.registered.value}};
  if (!r.project.empty()) all.push_back({"project", r.project.value});
  if (!r.domain.empty()) all.push_back({"domain", r.domain.value});
  return all;
}
References references_of(const identity::CredentialRecord& r) {
  References all{{"user", r.user.value}};
  if (!r.project.empty()) all.push_back({"project", r.project.value});
  return all;
}

template <class T>
Kind row() {
  return kind<T>(references_of);
}

/// Of identity, the audit log and tasks, which every build has.
std::vector<Kind> engine_kinds() {
  return {row<identity::AccessRuleRecord>(),
          row<identity::CredentialRecord>(),
          kind<identity::SignatureRecord>(),
          row<identity::ApplicationCredentialRecord>(),
          kind<audit::ChangeRow>(),
          kind<audit::FailureRow>(),
          kind<audit::LoginRow>(),
          kind<identity::OAuthConsumerRecord>(),
          kind<identity::DomainRecord>(),
          row<identity::DomainConfigRecord>(),
          row<identity::EndpointChoiceRecord>(),
          kind<identity::EndpointGroupRecord>(),
          row<identity::EndpointRecord>(),
          row<identity::GrantRecord>(),
          row<identity::GroupRecord>(),
          row<identity::LimitRecord>(),
          kind<identity::StoredPolicyRecord>(),
          row<identity::PolicyUseRecord>(),
          row<identity::ProjectRecord>(),
          kind<identity::RegionRecord>(),
          row<identity::RegisteredLimitRecord>(),
          kind<identity::RevocationRecord>(),
          kind<identity::RevokeEventRecord>(),
          row<identity::RoleRecord>(),
          kind<identity::ServiceRecord>(),
          kind<tasks::TaskRecord>(),
          kind<identity::TrustRecord>(),
          row<identity::UserRecord>()};
}

}  // namespace

std::vector<ServiceRecords> service_records() {
  std::vector<ServiceRecords> all;
  all.push_back(image_records());
  all.push_back(network_records());
  all.push_back(compute_records());
  return all;
}

std::vector<Kind> all_kinds() {
  std::vector<Kind> kinds = engine_kinds();
  for (ServiceRecords& service : service_records())
    std::move(service.kinds.begin(), service.kinds.end(), std::back_inserter(kinds));
  std::sort(kinds.begin(), kinds.end(),
            [](const Kind& a, const Kind& b) { return a.name < b.name; });
  return kinds;
}

std::vector<records::SchemaKind> schema_kinds() {
  std::vector<Kind> kinds = all_kinds();
  std::vector<records::SchemaKind> schemas;
  for (Kind& one : kinds) schemas.push_back(std::move(one.migrate));
  return schemas;
}

const std::vector<std::string_view>& other_keys() {
  static const std::vector<std::string_view> kOthers = [] {
    std::vector<std::string_view> keys{
        "guest-commit",  // Marks of guests' commits (store).
        "counted",       // Kinds whose records of before quotas are counted.
        "identity-made", "identity-state", "ix", "quota-default", "quota-limit", "quota-use",
        "schema",  // records/migration.hpp
        "ux"};
    for (const ServiceRecords& service : service_records())
      keys.insert(keys.end(), service.other_keys.begin(), service.other_keys.end());
    return keys;
  }();
  return kOthers;
}

}  // namespace cloudos::maintenance

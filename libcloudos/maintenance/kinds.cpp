#include "maintenance/kinds.hpp"

#include "cloudos/flavors.hpp"
#include "cloudos/images.hpp"
#include "cloudos/keypairs.hpp"
#include "cloudos/networks.hpp"
#include "cloudos/servers.hpp"
#include "audit/row.hpp"
#include "compute/records.hpp"
#include "identity/delegation_records.hpp"
#include "identity/credential_records.hpp"
#include "identity/domain_records.hpp"
#include "identity/records.hpp"
#include "identity/registry_records.hpp"
#include "image/import_records.hpp"
#include "image/metadefs/metadefs_room.hpp"
#include "image/records.hpp"
#include "network/record.hpp"
#include "placement/records.hpp"
#include "records/table.hpp"
#include "tasks/task.hpp"

namespace cloudos::maintenance {

namespace {

using References = std::vector<Reference>;

// What deletion takes along, or is refused for: these may never dangle.
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
References references_of(const placement::Allocation& r) {
  return {{"host", r.host.value}};
}
References references_of(const Network& r) {
  References all;
  for (const SubnetId& subnet : r.subnets) all.push_back({"subnet", subnet.value});
  if (!r.dhcp_port.empty()) all.push_back({"port", r.dhcp_port.value});
  return all;
}
References references_of(const Subnet& r) {
  return {{"network", r.network.value}};
}
References references_of(const Port& r) {
  References all{{"network", r.network.value}};
  for (const FixedIp& fixed : r.fixed_ips) all.push_back({"subnet", fixed.subnet.value});
  for (const SecurityGroupId& group : r.security_groups)
    all.push_back({"security_group", group.value});
  return all;
}
References references_of(const SecurityGroupRule& r) {
  References all{{"security_group", r.group.value}};
  if (!r.remote_group.empty()) all.push_back({"security_group", r.remote_group.value});
  return all;
}
References references_of(const Server& r) {
  References all;
  for (const ServerPort& port : r.ports) all.push_back({"port", port.port.value});
  return all;
}
References references_of(const identity::CredentialRecord& r) {
  References all{{"user", r.user.value}};
  if (!r.project.empty()) all.push_back({"project", r.project.value});
  return all;
}
template <class T>
References references_of(const T&) {
  return {};
}

template <class T>
Kind kind() {
  Kind row;
  row.name = T::kKind;
  row.schema = T::kSchema;
  row.read = [](std::string_view bytes) -> Result<Read> {
    CLOUDOS_TRY(const T record, codec::decode_record<T>(bytes));
    return Read{std::string(records::id_text(record.id)), records::keys_of(record),
                references_of(record)};
  };
  row.migrate = records::schema_kind<T>();
  return row;
}

}  // namespace

std::vector<Kind> all_kinds() {
  return {kind<identity::AccessRuleRecord>(),
          kind<identity::CredentialRecord>(),
          kind<identity::SignatureRecord>(),
          kind<placement::Allocation>(),
          kind<identity::ApplicationCredentialRecord>(),
          kind<audit::ChangeRow>(),
          kind<audit::FailureRow>(),
          kind<audit::LoginRow>(),
          kind<Certificate>(),
          kind<identity::OAuthConsumerRecord>(),
          kind<identity::DomainRecord>(),
          kind<identity::DomainConfigRecord>(),
          kind<identity::EndpointChoiceRecord>(),
          kind<identity::EndpointGroupRecord>(),
          kind<identity::EndpointRecord>(),
          kind<Flavor>(),
          kind<identity::GrantRecord>(),
          kind<identity::GroupRecord>(),
          kind<placement::HostRecord>(),
          kind<placement::HostUsage>(),
          kind<Image>(),
          kind<image::Payload>(),
          kind<ImageTask>(),
          kind<Keypair>(),
          kind<identity::LimitRecord>(),
          kind<image::MetadefCatalogue>(),
          kind<MetadefNamespace>(),
          kind<MetadefResourceType>(),
          kind<Network>(),
          kind<identity::StoredPolicyRecord>(),
          kind<identity::PolicyUseRecord>(),
          kind<Port>(),
          kind<identity::ProjectRecord>(),
          kind<identity::RegionRecord>(),
          kind<identity::RegisteredLimitRecord>(),
          kind<identity::RevocationRecord>(),
          kind<identity::RoleRecord>(),
          kind<SecurityGroup>(),
          kind<SecurityGroupRule>(),
          kind<Server>(),
          kind<identity::ServiceRecord>(),
          kind<Subnet>(),
          kind<tasks::TaskRecord>(),
          kind<identity::TrustRecord>(),
          kind<identity::UserRecord>()};
}

std::vector<records::SchemaKind> schema_kinds() {
  std::vector<Kind> kinds = all_kinds();
  std::vector<records::SchemaKind> schemas;
  for (Kind& one : kinds) schemas.push_back(std::move(one.migrate));
  return schemas;
}

const std::vector<std::string_view>& other_keys() {
  static const std::vector<std::string_view> kOthers{
      "guest-commit",  // Marks of guests' commits (store).
      "compute_seed",
      "counted",  // Kinds whose records of before quotas are counted.
      "identity-made",
      "identity-state",
      "image-cache-queue",
      "image-garbage",
      "image-pin",
      "ip-chunk",
      "ip-full",
      "ix",
      "quota-default",
      "quota-limit",
      "quota-use",
      "schema",  // records/migration.hpp
      "segment",
      "server_user_data",
      "ux"};
  return kOthers;
}

}  // namespace cloudos::maintenance

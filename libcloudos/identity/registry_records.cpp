#include "identity/registry_records.hpp"

namespace cloudos {

void fields(codec::FieldVisitor& v, EndpointGroupFilter& f) {
  v.field({1, "service"}, f.service);
  v.field({2, "interface"}, f.interface);
  v.field({3, "region"}, f.region);
}

}  // namespace cloudos

namespace cloudos::identity {

void fields(codec::FieldVisitor& v, RegisteredLimitRecord& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "service"}, r.service);
  v.field({4, "region"}, r.region);
  v.field({5, "resource_name"}, r.resource_name);
  v.field({6, "default_limit"}, r.default_limit);
  v.field({7, "description"}, r.description);
  v.field({8, "created_at"}, r.created_at);
  v.unknown(r.unknown);
}

void fields(codec::FieldVisitor& v, LimitRecord& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "project"}, r.project);
  v.field({4, "domain"}, r.domain);
  v.field({5, "registered"}, r.registered);
  v.field({6, "service"}, r.service);
  v.field({7, "region"}, r.region);
  v.field({8, "resource_name"}, r.resource_name);
  v.field({9, "resource_limit"}, r.resource_limit);
  v.field({10, "description"}, r.description);
  v.field({11, "created_at"}, r.created_at);
  v.unknown(r.unknown);
}

void fields(codec::FieldVisitor& v, EndpointGroupRecord& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "name"}, r.name);
  v.field({4, "description"}, r.description);
  v.field({5, "filter"}, r.filter);
  v.field({6, "created_at"}, r.created_at);
  v.unknown(r.unknown);
}

void fields(codec::FieldVisitor& v, EndpointChoiceRecord& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "project"}, r.project);
  v.field({4, "endpoint"}, r.endpoint);
  v.field({5, "group"}, r.group);
  v.unknown(r.unknown);
}

void fields(codec::FieldVisitor& v, StoredPolicyRecord& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "type"}, r.type);
  v.field({4, "blob"}, r.blob);
  v.field({5, "extra"}, r.extra);
  v.field({6, "created_at"}, r.created_at);
  v.unknown(r.unknown);
}

void fields(codec::FieldVisitor& v, PolicyUseRecord& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "policy"}, r.policy);
  v.field({4, "endpoint"}, r.endpoint);
  v.field({5, "service"}, r.service);
  v.field({6, "region"}, r.region);
  v.unknown(r.unknown);
}

void keys(records::Keys& k, const RegisteredLimitRecord& r) {
  // An empty region is a scope of its own: ids of services have one length.
  k.unique("resource", r.service.value + "/" + r.region, r.resource_name);
  k.index("service", r.service.value);
  if (!r.region.empty()) k.index("region", r.region);
}

void keys(records::Keys& k, const LimitRecord& r) {
  k.unique("target", r.registered.value, r.project.empty() ? "d/" + r.domain.value
                                                           : "p/" + r.project.value);
  k.index("registered", r.registered.value);
  if (!r.project.empty()) k.index("project", r.project.value);
  if (!r.domain.empty()) k.index("domain", r.domain.value);
}

void keys(records::Keys&, const EndpointGroupRecord&) {}

void keys(records::Keys& k, const EndpointChoiceRecord& r) {
  k.index("project", r.project.value);
  if (!r.endpoint.empty()) k.index("endpoint", r.endpoint.value);
  if (!r.group.empty()) k.index("group", r.group.value);
}

void keys(records::Keys&, const StoredPolicyRecord&) {}

void keys(records::Keys& k, const PolicyUseRecord& r) {
  k.index("policy", r.policy.value);
  if (!r.endpoint.empty()) k.index("endpoint", r.endpoint.value);
  if (!r.service.empty()) k.index("service", r.service.value);
  if (!r.region.empty()) k.index("region", r.region);
}

}  // namespace cloudos::identity

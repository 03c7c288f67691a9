#pragma once
#include <string>
#include <string_view>

#include "cloudos/endpoint_filters.hpp"
#include "cloudos/limits_registry.hpp"
#include "cloudos/stored_policies.hpp"
#include "codec/fields.hpp"
#include "records/keys.hpp"

namespace cloudos {
void fields(codec::FieldVisitor& v, EndpointGroupFilter& f);
}

/// What identity stores beside who may do what: limits, chosen endpoints, policies of others.
namespace cloudos::identity {

struct RegisteredLimitRecord : RegisteredLimit {
  static constexpr std::string_view kKind = "registered_limit";
  static constexpr std::uint32_t kSchema = 1;
  std::string unknown;
};

struct LimitRecord : Limit {
  static constexpr std::string_view kKind = "limit";
  static constexpr std::uint32_t kSchema = 1;
  std::string unknown;
};

struct EndpointGroupRecord : EndpointGroup {
  static constexpr std::string_view kKind = "endpoint_group";
  static constexpr std::uint32_t kSchema = 1;
  std::string unknown;
};

/// An endpoint, or a group of them, that was chosen for a project.
struct EndpointChoiceRecord {
  static constexpr std::string_view kKind = "endpoint_choice";
  static constexpr std::uint32_t kSchema = 1;
  std::string id;  ///< "<project>:e:<endpoint>", "<project>:g:<group>"
  std::uint64_t generation = 0;
  ProjectId project;
  EndpointId endpoint;
  EndpointGroupId group;
  std::string unknown;
};

struct StoredPolicyRecord : StoredPolicy {
  static constexpr std::string_view kKind = "policy";
  static constexpr std::uint32_t kSchema = 1;
  std::string unknown;
};

/// For what a policy is: one policy for each.
struct PolicyUseRecord {
  static constexpr std::string_view kKind = "policy_use";
  static constexpr std::uint32_t kSchema = 1;
  std::string id;  ///< "e:<endpoint>", "s:<service>", "r:<service>:<region>"
  std::uint64_t generation = 0;
  StoredPolicyId policy;
  EndpointId endpoint;
  ServiceId service;
  std::string region;
  std::string unknown;
};

void fields(codec::FieldVisitor& v, RegisteredLimitRecord& r);
void fields(codec::FieldVisitor& v, LimitRecord& r);
void fields(codec::FieldVisitor& v, EndpointGroupRecord& r);
void fields(codec::FieldVisitor& v, EndpointChoiceRecord& r);
void fields(codec::FieldVisitor& v, StoredPolicyRecord& r);
void fields(codec::FieldVisitor& v, PolicyUseRecord& r);

void keys(records::Keys& k, const RegisteredLimitRecord& r);
void keys(records::Keys& k, const LimitRecord& r);
void keys(records::Keys& k, const EndpointGroupRecord& r);
void keys(records::Keys& k, const EndpointChoiceRecord& r);
void keys(records::Keys& k, const StoredPolicyRecord& r);
void keys(records::Keys& k, const PolicyUseRecord& r);

}  // namespace cloudos::identity

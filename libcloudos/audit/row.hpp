#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/audit.hpp"
#include "codec/fields.hpp"
#include "records/keys.hpp"

/// What the log stores: a row for each commit that changed something, and for each authentication.
namespace cloudos::audit {

struct RowTarget {
  AuditAction action = AuditAction::Update;
  std::string kind, id, name;
  ProjectId project;
  std::map<std::string, std::string> attached;
};

struct Row {
  std::string id;  ///< A UUID of version 7: rows lie in the order of time.
  std::uint64_t generation = 0;
  WallTime time, last;
  AuditOutcome outcome = AuditOutcome::Success;
  UserId user;
  DomainId user_domain, domain;
  ProjectId project;
  bool system_scope = false;
  std::string address, agent, request_id, operation, path, methods, reason;
  std::uint64_t count = 0;  ///< 0: once.
  std::vector<RowTarget> targets;
  std::string unknown;
};
void fields(codec::FieldVisitor& v, RowTarget& t);
void fields(codec::FieldVisitor& v, Row& r);
void keys(records::Keys& k, const Row& r);

// The three kinds.
struct ChangeRow : Row {
  static constexpr std::string_view kKind = "audit_change";
  static constexpr std::uint32_t kSchema = 1;
};
struct LoginRow : Row {
  static constexpr std::string_view kKind = "audit_login";
  static constexpr std::uint32_t kSchema = 1;
};
struct FailureRow : Row {
  static constexpr std::string_view kKind = "audit_failure";
  static constexpr std::uint32_t kSchema = 1;
};

/// The first letters of the ids of rows made at that time or later.
std::string id_from(WallTime time);
/// At most limits::kAuditTextChars bytes of it, whole characters.
std::string short_text(std::string_view text);

}  // namespace cloudos::audit

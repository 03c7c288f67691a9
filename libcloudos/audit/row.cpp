#include "audit/row.hpp"

#include <fmt/format.h>

namespace cloudos {

std::string_view to_string(AuditAction action) {
  switch (action) {
    case AuditAction::Create:
      return "create";
    case AuditAction::Update:
      return "update";
    case AuditAction::Delete:
      return "delete";
    case AuditAction::Authenticate:
      return "authenticate";
    case AuditAction::Deny:
      return "deny";
  }
  return "unknown";
}

std::string_view to_string(AuditOutcome outcome) {
  return outcome == AuditOutcome::Success ? "success" : "failure";
}

namespace audit {

void fields(codec::FieldVisitor& v, RowTarget& t) {
  v.field({1, "action"}, t.action);
  v.field({2, "kind"}, t.kind);
  v.field({3, "id"}, t.id);
  v.field({4, "name"}, t.name);
  v.field({5, "project"}, t.project);
  v.field({6, "attached"}, t.attached);
}

void fields(codec::FieldVisitor& v, Row& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "time"}, r.time);
  v.field({4, "last"}, r.last);
  v.field({5, "outcome"}, r.outcome);
  v.field({6, "user"}, r.user);
  v.field({7, "user_domain"}, r.user_domain);
  v.field({8, "domain"}, r.domain);
  v.field({9, "project"}, r.project);
  v.field({10, "system_scope"}, r.system_scope);
  v.field({11, "address"}, r.address);
  v.field({12, "agent"}, r.agent);
  v.field({13, "request_id"}, r.request_id);
  v.field({14, "operation"}, r.operation);
  v.field({15, "path"}, r.path);
  v.field({16, "methods"}, r.methods);
  v.field({17, "reason"}, r.reason);
  v.field({18, "count"}, r.count);
  v.field({19, "targets"}, r.targets);
  v.unknown(r.unknown);
}

// No index: a row is found by its time.
void keys(records::Keys&, const Row&) {}

std::string id_from(WallTime time) {
  using std::chrono::milliseconds;
  const auto since = std::chrono::floor<milliseconds>(time).time_since_epoch().count();
  const std::uint64_t ms = since < 0 ? 0 : static_cast<std::uint64_t>(since);
  return fmt::format("{:08x}-{:04x}", (ms >> 16) & 0xffffffffU, ms & 0xffffU);
}

std::string short_text(std::string_view text) {
  if (text.size() <= limits::kAuditTextChars) return std::string(text);
  std::size_t end = limits::kAuditTextChars;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end;
  return std::string(text.substr(0, end));
}

}  // namespace audit
}  // namespace cloudos

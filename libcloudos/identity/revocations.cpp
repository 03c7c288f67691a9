#include "identity/revocations.hpp"

#include <algorithm>

#include "codec/binary.hpp"
#include "identity/delegation_records.hpp"
#include "identity/records.hpp"
#include "records/table.hpp"

namespace cloudos::identity {
namespace {

/// More in one commit are of something that goes as a whole, which has an event of its own.
constexpr std::size_t kMostGrantsNoted = 1;

/// The kind in a record's key: "user" of "/user/<id>".
std::string_view kind_of_key(std::string_view key) {
  if (key.empty() || key.front() != '/') return {};
  const auto slash = key.find('/', 1);
  return slash == std::string_view::npos ? std::string_view() : key.substr(1, slash - 1);
}

template <class Record>
std::uint64_t epoch_in(std::string_view bytes) {
  const auto record = codec::decode_record<Record>(bytes);
  return record ? record->epoch : 0;
}

std::uint64_t epoch_of(std::string_view kind, std::string_view bytes) {
  if (kind == UserRecord::kKind) return epoch_in<UserRecord>(bytes);
  if (kind == ProjectRecord::kKind) return epoch_in<ProjectRecord>(bytes);
  return epoch_in<DomainRecord>(bytes);
}

bool has_epoch(std::string_view kind) {
  return kind == UserRecord::kKind || kind == ProjectRecord::kKind || kind == DomainRecord::kKind;
}

/// The event of a whole record, under the record's own id.
RevokeEventRecord event_of_kind(std::string_view kind, const std::string& id) {
  RevokeEventRecord event;
  event.id = std::string(kind) + ":" + id;
  if (kind == UserRecord::kKind) event.user.value = id;
  if (kind == ProjectRecord::kKind) event.project.value = id;
  if (kind == DomainRecord::kKind) event.domain.value = id;
  if (kind == RoleRecord::kKind) event.role.value = id;
  if (kind == TrustRecord::kKind) event.trust.value = id;
  return event;
}

std::vector<RoleId> roles_in(std::string_view bytes) {
  const auto grant = codec::decode_record<GrantRecord>(bytes);
  return grant ? grant->roles : std::vector<RoleId>();
}

constexpr std::uint32_t kIdField = 1;  // Of every kind of ours.

}  // namespace

void fields(codec::FieldVisitor& v, RevokeEventRecord& r) {
  v.field({1, "id"}, r.id);
  v.field({2, "generation"}, r.generation);
  v.field({3, "user"}, r.user);
  v.field({4, "project"}, r.project);
  v.field({5, "domain"}, r.domain);
  v.field({6, "role"}, r.role);
  v.field({7, "trust"}, r.trust);
  v.field({8, "revoked_at"}, r.revoked_at);
  v.field({9, "expires_at"}, r.expires_at);
  v.unknown(r.unknown);
}

void keys(records::Keys& k, const RevokeEventRecord& r) {
  const auto micros = r.expires_at.time_since_epoch().count();
  k.index("expires", records::key_number(static_cast<std::uint64_t>(micros)));
}

void RevocationNotes::put(std::string_view key, std::string_view value) {
  const std::string_view kind = kind_of_key(key);
  if (has_epoch(kind) || kind == GrantRecord::kKind) {
    if (const auto before = inner_.get(key)) changed(kind, *before, value);
  }
  inner_.put(key, value);
}

void RevocationNotes::erase(std::string_view key) {
  const std::string_view kind = kind_of_key(key);
  if (has_epoch(kind) || kind == GrantRecord::kKind || kind == RoleRecord::kKind ||
      kind == TrustRecord::kKind) {
    if (const auto before = inner_.get(key)) gone(kind, *before);
  }
  inner_.erase(key);
}

void RevocationNotes::changed(std::string_view kind, std::string_view before,
                              std::string_view after) {
  const std::string id(codec::text_of(before, kIdField));
  if (kind == GrantRecord::kKind) {
    taken_away(id, before, after);
  } else if (epoch_of(kind, before) != epoch_of(kind, after)) {
    RevokeEventRecord event = event_of_kind(kind, id);
    noted_[event.id] = event;
  }
}

void RevocationNotes::gone(std::string_view kind, std::string_view before) {
  const std::string id(codec::text_of(before, kIdField));
  if (kind == GrantRecord::kKind) return taken_away(id, before, {});
  RevokeEventRecord event = event_of_kind(kind, id);
  noted_[event.id] = event;
  grants_ = kMostGrantsNoted + 1;
}

/// `after` empty: the grant goes.
void RevocationNotes::taken_away(const std::string& grant, std::string_view before,
                                 std::string_view after) {
  const auto record = codec::decode_record<GrantRecord>(before);
  if (!record || ++grants_ > kMostGrantsNoted) return;
  const std::vector<RoleId> left = after.empty() ? std::vector<RoleId>() : roles_in(after);
  for (const RoleId& role : record->roles) {
    if (std::find(left.begin(), left.end(), role) != left.end()) continue;
    RevokeEventRecord event;
    event.id = "grant:" + grant + ":" + role.value;
    event.user = record->user;
    event.project = record->project;
    event.domain = record->domain;
    event.role = role;
    noted_[event.id] = std::move(event);
  }
}

Result<void> RevocationNotes::write(WallTime now, WallTime expires_at) {
  for (auto& [id, event] : noted_) {
    if (grants_ > kMostGrantsNoted && id.starts_with("grant:")) continue;
    event.revoked_at = now;
    event.expires_at = expires_at;
    if (inner_.get(records::record_key(RevokeEventRecord::kKind, id))) {
      CLOUDOS_CHECK(records::update(inner_, event));
    } else {
      CLOUDOS_CHECK(records::insert(inner_, event));
    }
  }
  return Result<void>();
}

}  // namespace cloudos::identity

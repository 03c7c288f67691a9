#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/identity.hpp"
#include "codec/fields.hpp"
#include "records/keys.hpp"

/// What identity stores: the public structs plus what is nobody else's business.
namespace cloudos::identity {

/// `epoch` counts what ends the tokens of a user, project or domain (password, disabling). Tokens
/// carry the counts they were made under, so that two events within one clock tick stay in order.
struct DomainRecord : Domain {
  static constexpr std::string_view kKind = "domain";
  static constexpr std::uint32_t kSchema = 1;
  std::uint64_t epoch = 0;
  std::string unknown;
};

struct ProjectRecord : Project {
  static constexpr std::string_view kKind = "project";
  static constexpr std::uint32_t kSchema = 1;
  std::uint64_t epoch = 0;
  std::string unknown;
};

struct UserRecord : User {
  static constexpr std::string_view kKind = "user";
  static constexpr std::uint32_t kSchema = 1;
  std::uint64_t epoch = 0;
  std::string password_hash;  ///< "$2b$…"; empty: no login by password.
  WallTime password_changed_at;
  bool foreign_hash = false;             ///< Made elsewhere; replaced at the next login.
  bool password_by_user = false;         ///< Chosen by the user, not by an admin.
  std::vector<std::string> old_hashes;   ///< Of passwords before, the newest first.
  std::uint32_t failed_logins = 0;       ///< In a row, as far as a rule asks for the count …
  WallTime failed_at;                    ///< … and when the last one was.
  WallTime last_active_at;               ///< To the day; only kept while a rule asks for it.
  std::vector<GroupId> groups;
  std::string unknown;
};

}  // namespace cloudos::identity
namespace cloudos {
void fields(codec::FieldVisitor& v, UserOptions& o);
}
namespace cloudos::identity {

struct GroupRecord : Group {
  static constexpr std::string_view kKind = "group";
  static constexpr std::uint32_t kSchema = 1;
  std::string unknown;
};

struct RoleRecord : Role {
  static constexpr std::string_view kKind = "role";
  static constexpr std::uint32_t kSchema = 1;
  std::string unknown;
};

struct RegionRecord : Region {
  static constexpr std::string_view kKind = "region";
  static constexpr std::uint32_t kSchema = 1;
  std::string unknown;
};

struct ServiceRecord : CatalogService {
  static constexpr std::string_view kKind = "service";
  static constexpr std::uint32_t kSchema = 1;
  std::string unknown;
};

struct EndpointRecord : Endpoint {
  static constexpr std::string_view kKind = "endpoint";
  static constexpr std::uint32_t kSchema = 1;
  std::string unknown;
};

/// All roles of one actor on one target.
struct GrantRecord {
  static constexpr std::string_view kKind = "grant";
  static constexpr std::uint32_t kSchema = 1;
  std::string id;  ///< grant_id()
  std::uint64_t generation = 0;
  /// Drawn anew whenever a role is taken away: tokens carry the stamps they rest on.
  std::uint64_t stamp = 0;
  UserId user;
  GroupId group;
  ProjectId project;
  DomainId domain;
  std::vector<RoleId> roles;  ///< Sorted.
  std::string unknown;
  bool system = false;     ///< On the whole cloud, instead of a project or domain.
  bool inherited = false;  ///< On the projects below it, instead of on itself.
};
/// "u:<user>:p:<project>", "g:<group>:s:all", "u:<user>:d:<domain>:i" (inherited); the role of the
/// assignment is not part of it.
std::string grant_id(const Assignment& assignment);

/// A token, or all that go back to one login, ended before its time; swept once those would have
/// expired anyway.
struct RevocationRecord {
  static constexpr std::string_view kKind = "revocation";
  static constexpr std::uint32_t kSchema = 1;
  std::string id;  ///< The token's own audit id, or chain_id() of the login's.
  std::uint64_t generation = 0;
  WallTime expires_at;
  WallTime revoked_at;
  std::string unknown;
};

/// "chain:<audit id>": what ends all tokens of one login is kept under.
std::string chain_id(std::string_view audit_id);

void fields(codec::FieldVisitor& v, DomainRecord& r);
void fields(codec::FieldVisitor& v, ProjectRecord& r);
void fields(codec::FieldVisitor& v, UserRecord& r);
void fields(codec::FieldVisitor& v, GroupRecord& r);
void fields(codec::FieldVisitor& v, RoleRecord& r);
void fields(codec::FieldVisitor& v, RegionRecord& r);
void fields(codec::FieldVisitor& v, ServiceRecord& r);
void fields(codec::FieldVisitor& v, EndpointRecord& r);
void fields(codec::FieldVisitor& v, GrantRecord& r);
void fields(codec::FieldVisitor& v, RevocationRecord& r);

void keys(records::Keys& k, const DomainRecord& r);
void keys(records::Keys& k, const ProjectRecord& r);
void keys(records::Keys& k, const UserRecord& r);
void keys(records::Keys& k, const GroupRecord& r);
void keys(records::Keys& k, const RoleRecord& r);
void keys(records::Keys& k, const RegionRecord& r);
void keys(records::Keys& k, const ServiceRecord& r);
void keys(records::Keys& k, const EndpointRecord& r);
void keys(records::Keys& k, const GrantRecord& r);
void keys(records::Keys& k, const RevocationRecord& r);

}  // namespace cloudos::identity

#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/networks.hpp"

namespace cloudos {

/// Tags of every resource that has them, by the plural that paths name it with ("networks",
/// "security-groups", "policies"). Whoever may change a resource may change its tags; whoever sees
/// it sees them. Thread-safe; part of Networks. Source: Networking API v2.0 (standard-attr-tag).
class CLOUDOS_EXPORT NetworkTags final {
 public:
  /// Errors: NotFound (the resource, or resources of that name have no tags).
  Result<std::vector<std::string>> tags(const Context& ctx, std::string_view plural,
                                        const std::string& id) const;
  /// Errors: NotFound, Forbidden, InvalidArgument (over limits::kTagChars or kResourceTags, or a
  /// comma).
  Result<std::vector<std::string>> replace(const Context& ctx, std::string_view plural,
                                           const std::string& id,
                                           const std::vector<std::string>& tags);
  /// Errors: as replace().
  Result<std::vector<std::string>> add(const Context& ctx, std::string_view plural,
                                       const std::string& id,
                                       const std::vector<std::string>& tags);
  /// Errors: NotFound (also the tag).
  Result<void> remove(const Context& ctx, std::string_view plural, const std::string& id,
                      const std::string& tag);

  explicit NetworkTags(Networks::Impl& impl) : impl_(impl) {}

 private:
  Networks::Impl& impl_;
};

/// While it lives, changes that the same thread makes through `networks` commit only while the
/// record has that revision; else they end with Conflict, type "RevisionNumberConstraintFailed".
class CLOUDOS_EXPORT RevisionGuard final {
 public:
  /// `kind` is the record's, such as Network::kKind.
  RevisionGuard(Networks& networks, std::string_view kind, std::string_view id,
                std::uint64_t revision);
  ~RevisionGuard();
  RevisionGuard(const RevisionGuard&) = delete;
  RevisionGuard& operator=(const RevisionGuard&) = delete;

 private:
  Networks::Impl& impl_;
};

}  // namespace cloudos

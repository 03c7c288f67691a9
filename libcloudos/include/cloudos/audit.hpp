#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/clock.hpp"
#include "cloudos/context.hpp"
#include "cloudos/export.hpp"
#include "cloudos/ids.hpp"
#include "cloudos/limits.hpp"
#include "cloudos/result.hpp"

/// Who did what, when, from where, and how it ended: every change and every authentication.
///
///   AuditQuery query;
///   query.action = AuditAction::Delete;
///   CLOUDOS_TRY(const auto events, cloud.audit().list(ctx, query));
///
/// To hear of events as they happen subscribe to the kind "audit_event" (Cloud::subscribe) and
/// read each by get().
namespace cloudos {

enum class AuditAction : std::uint8_t {
  Create,
  Update,
  Delete,
  Authenticate,
  Deny,  ///< A call was refused: a token that does not hold, or no right to it.
};
enum class AuditOutcome : std::uint8_t { Success, Failure };
/// "create", as CADF names it.
CLOUDOS_EXPORT std::string_view to_string(AuditAction action);
CLOUDOS_EXPORT std::string_view to_string(AuditOutcome outcome);

/// One event, with what the DMTF's Cloud Auditing Data Federation (CADF) asks for.
struct AuditEvent {
  /// Sorts by time. Changes of one commit share it up to the dot: "<uuid>", "<uuid>.1", ...
  std::string id;
  WallTime time;
  AuditAction action = AuditAction::Update;
  AuditOutcome outcome = AuditOutcome::Success;

  struct Initiator {
    UserId user;  ///< Empty: the cloud itself, or nobody that is known.
    DomainId user_domain;
    ProjectId project;
    DomainId domain;
    bool system_scope = false;
    std::string address, agent;  ///< Of the client, where an edge knows them.
    std::string request_id;
  } initiator;

  struct Target {
    std::string kind;  ///< "server"; "user" of an authentication.
    std::string id, name;
    ProjectId project;     ///< Whose it is; empty: nobody's.
    std::string type_uri;  ///< "data/compute/server"
    /// More that belongs to it, by name: of an assignment "user" or "group", "roles", and "domain",
    /// "project" or "system".
    std::map<std::string, std::string> attached;
  } target;

  std::string operation;  ///< The policy rule of the call: "identity:create_user".
  std::string path;       ///< Of the request.
  std::string methods;    ///< Of an authentication: "password,totp".
  std::string reason;     ///< Of a failure, in a word or two; never a secret.
  /// How often it happened until `last`: what repeats within seconds is one event.
  std::uint64_t count = 1;
  WallTime last;
};

/// Newest first. Everything that is set must match.
struct AuditQuery {
  std::optional<WallTime> since, until;  ///< since <= time < until
  UserId initiator;
  ProjectId project;  ///< The initiator's or the target's.
  std::string target, kind, request_id, address;
  std::optional<AuditAction> action;
  std::optional<AuditOutcome> outcome;
  std::string marker;  ///< Id of the last event of the page before.
  std::size_t limit = limits::kListPage;
};

/// The event as a CADF document.
CLOUDOS_EXPORT std::string cadf_json(const AuditEvent& event);
/// The event as the notification that OpenStack's services would send: "identity.user.created"
/// with the CADF document for its payload.
CLOUDOS_EXPORT std::string notification_json(const AuditEvent& event,
                                             std::string_view publisher = "cloudos");
/// "identity.user.created"
CLOUDOS_EXPORT std::string notification_type(const AuditEvent& event);

/// The log of events: durable, bounded by number and age (Options::audit), oldest first to go.
///
/// A change and its event are one commit: neither is there without the other. Authentications and
/// refusals are written together every limits::kAuditFlush, so that they cost no commit each: a
/// killed process loses those of its last moments, a closed Cloud none. What repeats (same user,
/// scope, method, address and outcome) is one event with a count; refusals that differ beyond
/// limits::kAuditPendingFailures in that time are counted together without their details, so that
/// nobody fills the log by failing. Thread-safe.
class CLOUDOS_EXPORT AuditLog final {
 public:
  struct CLOUDOS_LOCAL Impl;
  explicit AuditLog(std::unique_ptr<Impl> impl);
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  /// Admins and readers of the whole cloud see everything; others what their project did or had
  /// done to it, without addresses of those that are not of it.
  /// Errors: Forbidden, InvalidArgument (marker).
  Result<std::vector<AuditEvent>> list(const Context& ctx, const AuditQuery& query) const;
  /// Errors: Forbidden, NotFound.
  Result<AuditEvent> get(const Context& ctx, std::string_view id) const;

  /// For edges: this call was refused (Unauthenticated or Forbidden; nothing else is kept). Costs
  /// no commit of its own.
  void refused(const Context& ctx, std::string_view operation, const Error& why);
  /// Writes what waits to be written. Errors: as Store::transact; what waited is then counted as
  /// lost.
  Result<void> flush();

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace cloudos

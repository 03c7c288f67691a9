#pragma once
#include <functional>
#include <memory>

#include "audit/audited_store.hpp"
#include "audit/recorder.hpp"
#include "cloudos/audit.hpp"

namespace cloudos {

struct AuditSettings {
  std::size_t changes = limits::kAuditChanges;
  std::size_t logins = limits::kAuditLogins;
  std::size_t failures = limits::kAuditFailures;
  std::chrono::hours age = limits::kAuditAge;
};

/// What the log stands on; all of it outlives the log. Without a recorder nothing new comes in.
struct AuditGround {
  store::Store& store;
  const Clock& clock;
  audit::AuditedStore* audited = nullptr;
  audit::Recorder* recorder = nullptr;
  /// May the caller do what the rule of that name guards? Errors: Forbidden.
  std::function<Result<void>(const Context&, std::string_view)> enforce;
};

struct AuditLog::Impl {
  Impl(AuditGround the_ground, const AuditSettings& the_settings)
      : ground(std::move(the_ground)), settings(the_settings) {}
  AuditGround ground;
  AuditSettings settings;

  /// Erases what is over the bounds, some at a time. Returns true when there is more to erase.
  Result<bool> prune();

 private:
  friend class AuditLog;
  template <class Kind>
  Result<bool> prune_kind(std::size_t keep, bool count);
  std::size_t unseen_ = 0;           // Rows since they were counted; of the one pass that runs.
  std::optional<MonoTime> counted_;  // When they were, last: other processes write rows too.
};

/// `impl` stays the log's; kept by who runs prune().
std::unique_ptr<AuditLog> make_audit_log(AuditGround ground, AuditSettings settings,
                                         AuditLog::Impl*& impl);

}  // namespace cloudos

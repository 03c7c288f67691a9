#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cloudos/export.hpp"

namespace cloudos {

/// Something was made, changed or removed: read it to see which; NotFound means removed.
struct ResourceChange {
  std::string kind;  ///< "server"
  std::string id;    ///< What its own get() takes (over 200 characters: shortened, with a digest).
};

/// What changed since the batch before. A resource that changed often in between is in it once.
struct ChangeBatch {
  std::vector<ResourceChange> changes;  ///< In no order among each other.
  /// Nobody knows any more what changed (the subscriber was away too long): read everything again.
  bool rescan = false;
  /// What the batch tells happened at this revision of the store or before. Keep it with what was
  /// made of the batch, and pass it as `since` after a restart.
  std::uint64_t revision = 0;
};

struct SubscribeOptions {
  /// Any of: server, flavor, host, task; image, certificate; network, subnet, segment, port, trunk,
  /// router, floating_ip, port_forwarding, subnet_pool, address_scope, address_group, qos_policy,
  /// rbac_policy, metering_label, metering_rule, security_group, security_group_rule; domain,
  /// project, user, group, role, trust, credential, application_credential, region, service,
  /// endpoint. Empty: all of these. Only when named: audit_event (see cloudos/audit.hpp).
  std::vector<std::string> kinds;
  /// Changes after this revision, as an earlier subscription told it. Nothing: from now on.
  std::optional<std::uint64_t> since;
};

/// Changes as they are committed, whoever makes them: calls, tasks, reconcilers, other processes on
/// the folder.
///
/// Each change is told at least once, and after it can be read; batches come in the order of their
/// revisions, one at a time, on a worker (with `workers = 0`: in run_pending()). The callback may
/// call the cloud, may take its time (what happens meanwhile is coalesced), must not throw, and may
/// end its own subscription. Everybody's changes are told: it is the host program that asks.
class CLOUDOS_EXPORT Subscription {
 public:
  /// After this returns the callback is not called, nor running (but for one that ends itself).
  /// Before the Cloud goes.
  virtual ~Subscription() = default;
};

}  // namespace cloudos

// The audit log.
#include "verbs/table.hpp"

namespace cloudos::verbs {
namespace table::audit {

constexpr Parameter kEventOne[] = {must(word("id", "EVENT", "its id"))};
constexpr Parameter kEventList[] = {
    text("since", "--since", "that time or later: 2026-11-22T06:58:01Z"),
    text("until", "--until", "earlier than that"),
    text("initiator", "--initiator", "by the user of this id"),
    text("project", "--project", "by this project, or to what is its own: an id"),
    text("target", "--target", "about this: an id or a name"),
    text("kind", "--kind", "about things of this kind: server, user, ..."),
    text("action", "--action", "create, update, delete, authenticate or deny"),
    text("outcome", "--outcome", "success or failure"),
    text("request_id", "--request", "of this request: req-..."),
    text("address", "--address", "from this address"),
    limit(),
    marker(),
};

constexpr Verb kAuditVerbs[] = {
    {"events.list", "GET", "/audit/v1/events", "", "events",
     "Lists what was done and who logged in, newest first.", "audit list", kEventList},
    {"events.show", "GET", "/audit/v1/events/{id}", "", "event", "Shows an event of the audit log.",
     "audit show", kEventOne},
};

constexpr Column kEventColumns[] = {
    {"ID", "id"},
    {"Time", "eventTime"},
    {"Action", "action"},
    {"Outcome", "outcome"},
    {"Type", "target.typeURI"},
    {"Target", "target.id"},
    {"Name", "target.name"},
    {"Initiator", "initiator.id"},
    {"Address", "initiator.host.address", Look::Plain, {}, {}, true},
    {"Project", "initiator.project_id", Look::Plain, {}, {}, true},
    {"Operation", "operation", Look::Plain, {}, {}, true},
    {"Reason", "reason.reasonCode", Look::Plain, {}, {}, true},
    {"Count", "count", Look::Plain, {}, {}, true},
    {"Request", "initiator.request_id", Look::Plain, {}, {}, true},
};

constexpr Noun kAuditNouns[] = {{"events", "audit", "audit", kEventColumns, "id", ""}};

}  // namespace table::audit

std::span<const Verb> audit_verbs() {
  return table::audit::kAuditVerbs;
}
std::span<const Noun> audit_nouns() {
  return table::audit::kAuditNouns;
}

}  // namespace cloudos::verbs

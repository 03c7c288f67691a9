// The audit log: who did what.
#include "cloudos/audit.hpp"

#include <fmt/format.h>

#include "base/text.hpp"
#include "rest/json.hpp"
#include "rest/router.hpp"
#include "rest/target.hpp"

namespace cloudos::rest {
namespace {

constexpr std::size_t kEventsPage = 100;  // Without a limit; more come behind the next link.

Result<AuditAction> audit_action_from(std::string_view text) {
  std::string known;
  for (const AuditAction action : {AuditAction::Create, AuditAction::Update, AuditAction::Delete,
                                   AuditAction::Authenticate, AuditAction::Deny}) {
    if (equals_ignore_case(to_string(action), text)) return action;
    known += (known.empty() ? "" : ", ") + std::string(to_string(action));
  }
  return fail(ErrorCode::InvalidArgument,
              fmt::format("action '{}' is not known; there are: {}", text.substr(0, 64), known));
}

Result<AuditOutcome> audit_outcome_from(std::string_view text) {
  for (const AuditOutcome outcome : {AuditOutcome::Success, AuditOutcome::Failure})
    if (equals_ignore_case(to_string(outcome), text)) return outcome;
  return fail(
      ErrorCode::InvalidArgument,
      fmt::format("outcome '{}' is not known; there are: success, failure", text.substr(0, 64)));
}

/// Unknown parameters are refused: a filter that is not understood would show everything.
Result<AuditQuery> decode_audit_query(const Call& call) {
  AuditQuery query;
  for (const auto& [name, value] : call.query_all()) {
    if (name == "since") {
      CLOUDOS_TRY(query.since, parse_time(value));
    } else if (name == "until") {
      CLOUDOS_TRY(query.until, parse_time(value));
    } else if (name == "action") {
      CLOUDOS_TRY(query.action, audit_action_from(value));
    } else if (name == "outcome") {
      CLOUDOS_TRY(query.outcome, audit_outcome_from(value));
    } else if (name == "initiator") {
      query.initiator = UserId{value};
    } else if (name == "project") {
      query.project = ProjectId{value};
    } else if (name == "target") {
      query.target = value;
    } else if (name == "kind") {
      query.kind = value;
    } else if (name == "request_id") {
      query.request_id = value;
    } else if (name == "address") {
      query.address = value;
    } else if (name != "limit" && name != "marker") {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("events cannot be filtered by '{}'", name.substr(0, 64)));
    }
  }
  return query;
}

Result<Response> list_events(Call& call) {
  CLOUDOS_TRY(AuditQuery query, decode_audit_query(call));
  CLOUDOS_TRY(const Call::Page page, call.page());
  const auto limit = call.query("limit");
  const std::size_t most = !limit || limit->empty() ? kEventsPage : page.limit;
  query.marker = page.marker;
  query.limit = most + 1;  // One more than the page tells that there is a next one.
  CLOUDOS_TRY(auto events, call.cloud.audit().list(call.ctx, query));
  const bool next = events.size() > most;
  if (next) events.resize(most);
  JsonWriter w;
  w.open().key("events").open_list();
  for (const AuditEvent& event : events) w.literal(cadf_json(event));
  w.close_list();
  if (next) {
    std::string href = call.request.base_url + "/audit/v1/events?";
    for (const auto& [name, value] : call.query_all())
      if (name != "marker") href += percent_encode(name) + "=" + percent_encode(value) + "&";
    href += "marker=" + percent_encode(events.back().id);
    w.key("events_links").open_list().open();
    w.member("rel", "next").member("href", href).close().close_list();
  }
  w.close();
  return json_response(200, std::move(w).take());
}

Result<Response> show_event(Call& call) {
  CLOUDOS_TRY(const AuditEvent event, call.cloud.audit().get(call.ctx, call.path("event_id")));
  JsonWriter w;
  w.open().key("event").literal(cadf_json(event)).close();
  return json_response(200, std::move(w).take());
}

Result<Response> audit_version(Call& call) {
  JsonWriter w;
  w.open().key("version").open().member("id", "v1.0").member("status", "CURRENT");
  w.key("links").open_list().open().member("rel", "self");
  w.member("href", call.request.base_url + "/audit/v1/").close().close_list().close().close();
  return json_response(200, std::move(w).take());
}

constexpr Route kAuditRoutes[] = {
    {"GET", "/audit/v1", audit_version, "", Service::None, RouteClass::Inline, false},
    // A filter may walk the whole log: not on an io thread.
    {"GET", "/audit/v1/events", list_events, "audit:list_events", Service::None,
     RouteClass::Commits},
    {"GET", "/audit/v1/events/{event_id}", show_event, "audit:get_event"},
};

}  // namespace

std::span<const Route> audit_routes() {
  return kAuditRoutes;
}

}  // namespace cloudos::rest

// Events as the documents that other programs read: CADF, and OpenStack's notifications.
#include <fmt/format.h>

#include "base/text.hpp"
#include "cloudos/audit.hpp"
#include "rest/json.hpp"

namespace cloudos {
namespace {

using rest::JsonWriter;

constexpr std::string_view kEventType = "http://schemas.dmtf.org/cloud/audit/1.0/event";

/// "2026-11-22T06:58:01.123456+00:00", as CADF writes times.
std::string cadf_time(WallTime time) {
  std::string text = format_time(time, true);
  text.pop_back();
  return text + "+00:00";
}

/// The service that saw it: "security" of "data/security/project".
std::string_view service_of_type(std::string_view type_uri) {
  const auto parts = split(type_uri, '/');
  return parts.size() > 1 ? parts[1] : std::string_view("security");
}

void write_initiator(JsonWriter& w, const AuditEvent::Initiator& initiator) {
  w.key("initiator").open();
  const bool user = !initiator.user.empty();
  w.member("id", user ? std::string_view(initiator.user.value) : std::string_view("cloudos"));
  w.member("typeURI", user ? "service/security/account/user" : "service");
  if (user) w.member("user_id", initiator.user.value);
  if (!initiator.user_domain.empty()) w.member("user_domain_id", initiator.user_domain.value);
  if (!initiator.project.empty()) w.member("project_id", initiator.project.value);
  if (!initiator.domain.empty()) w.member("domain_id", initiator.domain.value);
  if (initiator.system_scope) w.member("system_scope", "all");
  if (!initiator.request_id.empty()) w.member("request_id", initiator.request_id);
  if (!initiator.address.empty() || !initiator.agent.empty()) {
    w.key("host").open();
    if (!initiator.address.empty()) w.member("address", initiator.address);
    if (!initiator.agent.empty()) w.member("agent", initiator.agent);
    w.close();
  }
  w.close();
}

/// What an attachment of that name holds ids of.
std::string_view attached_type(std::string_view name) {
  if (name.starts_with("role")) return "data/security/role";
  if (name == "group") return "data/security/group";
  if (name == "project") return "data/security/project";
  if (name == "domain") return "data/security/domain";
  return "data/security/account/user";
}

void write_cadf(JsonWriter& w, const AuditEvent& event) {
  w.open().member("typeURI", kEventType).member("id", event.id);
  w.member("eventType", event.action == AuditAction::Deny ? "control" : "activity");
  w.member("eventTime", cadf_time(event.time));
  w.member("action", to_string(event.action)).member("outcome", to_string(event.outcome));
  if (!event.reason.empty()) {
    w.key("reason").open().member("reasonType", "cloudos");
    w.member("reasonCode", event.reason).close();
  }
  write_initiator(w, event.initiator);
  const AuditEvent::Target& target = event.target;
  const bool login = event.action == AuditAction::Authenticate;
  w.key("target").open();
  w.member("id", target.id.empty() ? std::string_view("unknown") : std::string_view(target.id));
  w.member("typeURI", login ? "service/security/account/user" : std::string_view(target.type_uri));
  if (!target.name.empty()) w.member("name", target.name);
  if (!target.project.empty()) w.member("project_id", target.project.value);
  w.close();
  if (!target.attached.empty()) {
    w.key("attachments").open_list();
    for (const auto& [name, content] : target.attached) {
      w.open().member("name", name).member("typeURI", attached_type(name));
      w.member("content", content).close();
    }
    w.close_list();
  }
  w.key("observer").open().member("id", "cloudos");
  w.member("typeURI", fmt::format("service/{}", service_of_type(target.type_uri))).close();
  if (!event.operation.empty()) w.member("operation", event.operation);
  if (!event.path.empty()) w.member("requestPath", event.path);
  if (!event.methods.empty()) w.member("authenticationMethods", event.methods);
  if (event.count > 1) {
    w.member("count", event.count);
    w.member("lastTime", cadf_time(event.last));
  }
  w.close();
}

}  // namespace

std::string cadf_json(const AuditEvent& event) {
  JsonWriter w;
  write_cadf(w, event);
  return std::move(w).take();
}

std::string notification_type(const AuditEvent& event) {
  if (event.action == AuditAction::Authenticate) return "identity.authenticate";
  const std::string_view service = service_of_type(event.target.type_uri);
  const std::string_view verb = to_string(event.action);
  if (event.action == AuditAction::Deny) return fmt::format("{}.call.deny", service);
  const auto parts = split(event.target.type_uri, '/');
  const std::string_view noun = parts.empty() ? std::string_view("resource") : parts.back();
  if (service == "security") return fmt::format("identity.{}.{}d", noun, verb);
  if (service == "storage") return fmt::format("{}.{}", noun, verb);
  if (service == "compute")
    return fmt::format("compute.{}.{}.end", noun == "server" ? "instance" : noun, verb);
  return fmt::format("{}.{}.end", noun, verb);
}

std::string notification_json(const AuditEvent& event, std::string_view publisher) {
  JsonWriter w;
  w.open().member("message_id", event.id).member("publisher_id", publisher);
  w.member("event_type", notification_type(event));
  w.member("priority", event.outcome == AuditOutcome::Success ? "INFO" : "WARN");
  std::string time = format_time(event.time, true);
  time.pop_back();
  time[time.find('T')] = ' ';
  w.member("timestamp", time).key("payload");
  write_cadf(w, event);
  w.close();
  return std::move(w).take();
}

}  // namespace cloudos

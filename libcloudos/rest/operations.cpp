#include "base/text.hpp"
#include "cloudos/health.hpp"
#include "cloudos/identity.hpp"
#include "cloudos/metrics.hpp"
#include "cloudos/tasks.hpp"
#include "rest/json.hpp"
#include "rest/router.hpp"

/// What monitors ask: does it live, may it be sent requests, what does it do.
namespace cloudos::rest {
namespace {

Response plain_text(int status, std::string_view type, std::string text) {
  Response response;
  response.status = status;
  response.headers.add("Content-Type", std::string(type));
  response.headers.add("Cache-Control", "no-store");
  response.body = std::move(text);
  return response;
}

bool is_loopback(std::string_view address) {
  if (address.starts_with("::ffff:")) address.remove_prefix(7);
  return address == "::1" || address.starts_with("127.");
}

/// A proxy on this machine connects from loopback for whoever connects to it.
bool is_forwarded(const Headers& headers) {
  for (const std::string_view name : {"Forwarded", "X-Forwarded-For", "X-Forwarded-Host",
                                      "X-Forwarded-Proto", "X-Real-IP", "Via"})
    if (headers.has(name)) return true;
  return false;
}

/// May the caller see how the cloud is inside? See MetricsAccess.
Result<void> check_observer(const Call& call) {
  const Request& request = call.request;
  MetricsAccess access = call.cloud.options().metrics_access;
  // Guests behind a NAT of QEMU's reach this machine's loopback and look like part of it.
  if (call.cloud.options().network == Backend::User && access == MetricsAccess::Loopback)
    access = MetricsAccess::Admin;
  if (access == MetricsAccess::Everyone) return Result<void>();
  if (access == MetricsAccess::Loopback && is_loopback(request.remote_address) &&
      !is_forwarded(request.headers))
    return Result<void>();
  if (request.caller && request.caller->is_admin) return Result<void>();
  if (request.headers.count("X-Auth-Token") > 1)
    return fail(ErrorCode::InvalidArgument, "the header X-Auth-Token is given twice");
  const std::string_view text = request.headers.get("X-Auth-Token");
  if (text.empty())
    return fail(ErrorCode::Unauthenticated,
                "This is for admins, and for monitors on the cloud's own machine: send an admin's "
                "X-Auth-Token.");
  CLOUDOS_TRY(const auto token, call.cloud.identity().validate(text));
  if (token.context(request.request_id).is_admin) return Result<void>();
  return fail(ErrorCode::Forbidden, "This needs the admin role.");
}

/// Lives: a process that hangs, or whose store cannot be read, does not answer so.
Result<Response> healthz(Call& call) {
  const auto read = call.cloud.tasks().list(Context::system(), {}, 1);
  if (read) return plain_text(200, "text/plain; charset=UTF-8", "OK\n");
  return plain_text(503, "text/plain; charset=UTF-8", "the store cannot be read\n");
}

Result<Response> readyz(Call& call) {
  const Health health = call.cloud.health();
  const bool reasons = check_observer(call).has_value();
  JsonWriter w;
  w.open().member("ready", health.ready()).key("checks").open_list();
  for (const HealthCheck& check : health.checks) {
    w.open().member("name", std::string_view(check.name)).member("ok", check.ok);
    if (!check.ok && reasons) w.member("why", std::string_view(check.why));
    w.close();
  }
  w.close_list().close();
  Response response = json_response(health.ready() ? 200 : 503, std::move(w).take());
  response.headers.set("Cache-Control", "no-store");
  return response;
}

Result<Response> metrics(Call& call) {
  CLOUDOS_CHECK(check_observer(call));
  return plain_text(200, kMetricsContentType, call.cloud.metrics_text());
}

constexpr Route monitor_route(std::string_view pattern, Handler handler, RouteClass cls) {
  return {.method = "GET",
          .pattern = pattern,
          .handler = handler,
          .policy = {},
          .service = Service::None,
          .cls = cls,
          .auth = false};
}

// Commits: behind a commit that hangs, or a large text, other requests must not wait.
constexpr Route kOperationRoutes[] = {
    monitor_route("/healthz", healthz, RouteClass::Inline),
    monitor_route("/readyz", readyz, RouteClass::Commits),
    monitor_route("/metrics", metrics, RouteClass::Commits),
};

}  // namespace

std::span<const Route> operation_routes() {
  return kOperationRoutes;
}

}  // namespace cloudos::rest

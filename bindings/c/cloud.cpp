#include <limits>

#include "cloudos/identity.hpp"
#include "handle.hpp"

namespace cloudos::c {
namespace {

LogSink sink_of(cloudos_log_function log, void* data) {
  if (log == nullptr) return {};
  return [log, data](const LogRecord& record) {
    const std::string room(record.room), message(record.message), request(record.request_id);
    const int level = static_cast<int>(record.level) + CLOUDOS_LOG_DEBUG;
    log(data, static_cast<cloudos_log_level>(level), room.c_str(), message.c_str(),
        request.c_str());
  };
}

Result<Backend> backend_of(cloudos_backend backend, const char* what, bool of_networks) {
  if (backend == CLOUDOS_SIMULATED) return Backend::Simulated;
  if (backend == CLOUDOS_REAL) return Backend::Real;
  if (backend == CLOUDOS_USER && of_networks) return Backend::User;
  return fail(ErrorCode::InvalidArgument,
              std::string(what) + " is neither CLOUDOS_SIMULATED nor CLOUDOS_REAL");
}

Result<Options> options_of(const cloudos_options& given) {
  Options options;
  options.data_dir = text_of(given.data_dir);
  if (given.workers < CLOUDOS_NO_WORKERS) {
    return fail(ErrorCode::InvalidArgument, "workers is less than CLOUDOS_NO_WORKERS");
  }
  if (given.workers != 0) {
    options.workers =
        given.workers == CLOUDOS_NO_WORKERS ? 0 : static_cast<unsigned>(given.workers);
  }
  if (given.role < CLOUDOS_RUNNER || given.role > CLOUDOS_ANY) {
    return fail(ErrorCode::InvalidArgument, "role is no cloudos_role");
  }
  constexpr FolderRole kRoles[] = {FolderRole::Runner, FolderRole::Guest, FolderRole::Any};
  options.role = kRoles[given.role];
  if (given.without >
      (CLOUDOS_WITHOUT_COMPUTE | CLOUDOS_WITHOUT_NETWORKS | CLOUDOS_WITHOUT_IMAGES)) {
    return fail(ErrorCode::InvalidArgument, "without has a bit that is no CLOUDOS_WITHOUT_…");
  }
  options.services.compute = (given.without & CLOUDOS_WITHOUT_COMPUTE) == 0;
  options.services.networks = (given.without & CLOUDOS_WITHOUT_NETWORKS) == 0;
  options.services.images = (given.without & CLOUDOS_WITHOUT_IMAGES) == 0;
  CLOUDOS_TRY(options.hypervisor, backend_of(given.hypervisor, "hypervisor", false));
  CLOUDOS_TRY(options.network, backend_of(given.network, "network", true));
  if (given.libvirt_uri != nullptr) options.libvirt_uri = given.libvirt_uri;
  if (given.virt_type != nullptr) options.virt_type = given.virt_type;
  if (given.host_count != 0) CLOUDOS_CHECK(need(given.hosts, "hosts"));
  for (std::size_t i = 0; i < given.host_count; ++i) {
    CLOUDOS_CHECK(need(given.hosts[i], "a name in hosts"));
    options.host_names.emplace_back(given.hosts[i]);
  }
  if (given.admin_password != nullptr) options.admin_password = given.admin_password;
  if (given.public_url != nullptr) options.public_url = given.public_url;
  if (given.log_level < CLOUDOS_LOG_DEFAULT || given.log_level > CLOUDOS_LOG_ERROR) {
    return fail(ErrorCode::InvalidArgument, "log_level is no cloudos_log_level");
  }
  if (given.log_level != CLOUDOS_LOG_DEFAULT) {
    options.log_level = static_cast<LogLevel>(given.log_level - CLOUDOS_LOG_DEBUG);
  }
  options.log = sink_of(given.log, given.log_data);
  return options;
}

// The administrator in the project that the first start made, as clouds.yaml has it. An operator
// may have renamed either: then the handle acts without it.
Context first_caller(Cloud& cloud) {
  Context caller = Context::system();
  const IdentityFilter named{.domain = DomainId{"default"},
                             .text = {{.field = "name", .value = "admin"}}};
  const auto projects = cloud.identity().list_projects(caller, named);
  if (projects && !projects->empty()) {
    caller.project = projects->front().id;
    caller.project_domain = projects->front().domain;
  }
  const auto users = cloud.identity().list_users(caller, named);
  if (users && !users->empty()) {
    caller.user = users->front().id;
    caller.user_domain = users->front().domain;
  }
  return caller;
}

// A bearer has what their token says and no more: in another project, what they may do there.
Result<Token> rescoped(const cloudos_cloud& handle, const cloudos_caller& given) {
  Identity& identity = handle.shared->cloud->identity();
  if (given.user != nullptr || given.as_member != 0) {
    return fail(ErrorCode::InvalidArgument,
                "this handle acts by a token, which says itself who calls: leave user and "
                "as_member at 0, or begin at the handle of cloudos_open");
  }
  if (given.project == nullptr) return identity.validate(handle.token);
  Login login;
  login.token = handle.token;
  login.scope.kind = Scope::Kind::Project;
  login.scope.target.id = given.project;
  return identity.authenticate(login);
}

Result<Token> token_of(const cloudos_cloud& handle, const cloudos_caller& given) {
  if (given.token == nullptr) return rescoped(handle, given);
  if (given.project != nullptr || given.user != nullptr || given.as_member != 0) {
    return fail(ErrorCode::InvalidArgument,
                "a token says itself who calls: leave project, user and as_member at 0");
  }
  return handle.shared->cloud->identity().validate(given.token);
}

Result<std::unique_ptr<cloudos_cloud>> handle_as(const cloudos_cloud& handle,
                                                 const cloudos_caller& given) {
  if (given.within_ms < 0) return fail(ErrorCode::InvalidArgument, "within_ms is negative");
  auto other = std::make_unique<cloudos_cloud>(handle);
  const auto deadline =
      given.within_ms == 0
          ? handle.caller.deadline
          : std::optional(handle.shared->cloud->clock().mono() + patience_of(given.within_ms));
  if (given.token != nullptr || !handle.token.empty()) {
    CLOUDOS_TRY(const Token token, token_of(handle, given));
    other->caller = token.context({});
    other->caller.deadline = deadline;
    other->caller.cancel = CancelToken::make();
    other->token = token.text;
    return other;
  }
  Context& caller = other->caller;
  caller.deadline = deadline;
  caller.cancel = CancelToken::make();
  if (given.project != nullptr) caller.project = ProjectId{given.project};
  if (given.user != nullptr) caller.user = UserId{given.user};
  if (given.as_member != 0) {
    caller.is_admin = false;
    caller.system_scope = false;
    caller.roles = {"member", "reader"};
  }
  return other;
}

}  // namespace

Result<Cloud*> cloud_with(const cloudos_cloud* handle, bool Services::*service,
                          std::string_view what) {
  CLOUDOS_CHECK(need(handle, std::string(what) + ": cloud"));
  Cloud* cloud = handle->shared->cloud.get();
  CLOUDOS_CHECK(check_call(handle->caller, cloud->clock()));
  if (cloud->services().*service) return cloud;
  return fail(ErrorCode::Unsupported,
              std::string(what) + ": this cloud was opened without that service");
}

std::chrono::milliseconds patience_of(std::int64_t timeout_ms) {
  constexpr std::int64_t kYear = 365LL * 24 * 3600 * 1000;
  return std::chrono::milliseconds{timeout_ms < 0 || timeout_ms > kYear ? kYear : timeout_ms};
}

}  // namespace cloudos::c

using cloudos::c::first_caller;
using cloudos::c::guarded;
using cloudos::c::handle_as;
using cloudos::c::need;
using cloudos::c::options_of;
using cloudos::c::patience_of;
using cloudos::c::read_struct;
using cloudos::c::Shared;

extern "C" {

cloudos_code cloudos_open(const cloudos_options* given, cloudos_cloud** place,
                          cloudos_error** error) {
  return guarded(error, [&]() -> cloudos::Result<void> {
    CLOUDOS_CHECK(need(place, "cloudos_open: cloud"));
    CLOUDOS_TRY(const cloudos_options known, read_struct(given, "cloudos_options"));
    CLOUDOS_TRY(cloudos::Options options, options_of(known));
    CLOUDOS_TRY(auto opened, cloudos::Cloud::open(std::move(options)));
    auto shared = std::make_shared<Shared>(std::move(opened));
    cloudos::Context caller = first_caller(*shared->cloud);
    caller.cancel = cloudos::CancelToken::make();
    *place = new cloudos_cloud{std::move(shared), std::move(caller), {}};
    return cloudos::Result<void>();
  });
}

void cloudos_close(cloudos_cloud* cloud) {
  delete cloud;
}

cloudos_code cloudos_as(cloudos_cloud* cloud, const cloudos_caller* given, cloudos_cloud** place,
                        cloudos_error** error) {
  return guarded(error, [&]() -> cloudos::Result<void> {
    CLOUDOS_CHECK(need(cloud, "cloudos_as: cloud"));
    CLOUDOS_CHECK(need(place, "cloudos_as: as"));
    CLOUDOS_TRY(const cloudos_caller known, read_struct(given, "cloudos_caller"));
    CLOUDOS_TRY(auto other, handle_as(*cloud, known));
    *place = other.release();
    return cloudos::Result<void>();
  });
}

void cloudos_cancel(cloudos_cloud* cloud) {
  if (cloud != nullptr) cloud->caller.cancel.cancel();
}

cloudos_code cloudos_run_pending(cloudos_cloud* cloud, int64_t budget_ms, size_t* ran,
                                 cloudos_error** error) {
  return guarded(error, [&]() -> cloudos::Result<void> {
    CLOUDOS_CHECK(need(cloud, "cloudos_run_pending: cloud"));
    auto& c = *cloud->shared->cloud;
    if (c.options().workers != 0) {
      return cloudos::fail(cloudos::ErrorCode::Conflict,
                           "this cloud has workers of its own: open it with CLOUDOS_NO_WORKERS");
    }
    std::optional<cloudos::MonoTime> until;
    if (budget_ms >= 0) until = c.clock().mono() + patience_of(budget_ms);
    const std::size_t pieces = c.run_pending(until);
    if (ran != nullptr) *ran = pieces;
    return cloudos::Result<void>();
  });
}

int64_t cloudos_next_deadline(const cloudos_cloud* cloud) {
  if (cloud == nullptr) return -1;
  int64_t wait_ms = -1;
  guarded(nullptr, [&]() -> cloudos::Result<void> {
    const auto due = cloud->shared->cloud->next_deadline();
    if (!due) return cloudos::Result<void>();
    const auto left = *due - cloud->shared->cloud->clock().mono();
    // Rounded up: a loop that wakes a little early would spin.
    wait_ms = left.count() <= 0 ? 0 : (left.count() + 999) / 1000;
    return cloudos::Result<void>();
  });
  return wait_ms;
}

int cloudos_wake_fd(cloudos_cloud* cloud) {
  if (cloud == nullptr) return -1;
  int fd = -1;
  guarded(nullptr, [&]() -> cloudos::Result<void> {
    if (cloud->shared->cloud->options().workers != 0) return cloudos::Result<void>();
    CLOUDOS_TRY(fd, cloud->shared->cloud->wake_fd());
    return cloudos::Result<void>();
  });
  return fd;
}

}  // extern "C"

#pragma once
#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "cloudos.h"
#include "cloudos/cloud.hpp"
#include "cloudos/rest.hpp"
#include "cloudos/servers.hpp"
#include "cloudos/tasks.hpp"

/// What the C interface's files share: its handles, and the border that no exception crosses.
namespace cloudos::c {

/// A cloud with what its handles share. Members go in reverse: the router before its cloud.
struct Shared {
  explicit Shared(std::unique_ptr<Cloud> opened) : cloud(std::move(opened)), router(*cloud) {}
  std::unique_ptr<Cloud> cloud;
  rest::Router router;
};

inline const char* text_of(const char* text) {
  return text == nullptr ? "" : text;
}

}  // namespace cloudos::c

struct cloudos_error {
  cloudos_code code;
  std::string message;
};

struct cloudos_cloud {
  std::shared_ptr<cloudos::c::Shared> shared;  // Shared by the handles of one cloud.
  cloudos::Context caller;
  std::string token;  // Whose bearer it acts as; empty: the program vouches for who it acts as.
};

struct cloudos_task {
  cloudos::Task task;
  std::string state;
};

struct cloudos_server {
  cloudos::Server server;
  std::string status;
};

namespace cloudos::c {

cloudos_code code_of(ErrorCode code);
/// Writes the error to its place, if there is one, and returns its code.
cloudos_code report(cloudos_error** place, ErrorCode code, std::string_view message);

/// Runs `body`, which returns Result<void>; whatever goes wrong becomes a code.
template <class Body>
cloudos_code guarded(cloudos_error** error, Body body) noexcept {
  try {
    const Result<void> result = body();
    return result ? CLOUDOS_OK : report(error, result.error().code, result.error().message);
  } catch (const std::exception& e) {
    return report(error, ErrorCode::Internal, e.what());
  } catch (...) {
    return report(error, ErrorCode::Internal, "an unknown exception");
  }
}

/// A NULL where something is needed. `what` is "cloudos_server_get: cloud".
inline Result<void> need(const void* pointer, std::string_view what) {
  if (pointer != nullptr) return Result<void>();
  return fail(ErrorCode::InvalidArgument, std::string(what) + " is NULL");
}

/// The handle's cloud, if it has that service; asking a cloud for one that it lacks would abort.
/// `what` is "cloudos_server_get".
Result<Cloud*> cloud_with(const cloudos_cloud* handle, bool Services::*service,
                          std::string_view what);

/// The caller's struct as we know it: members that an older caller lacks are 0. A newer caller's
/// must be 0, for we would not do what they ask.
template <class T>
Result<T> read_struct(const T* given, std::string_view what) {
  T known{};
  if (given == nullptr) return known;
  const std::size_t size = given->struct_size;
  if (size < sizeof(std::size_t)) {
    return fail(ErrorCode::InvalidArgument,
                std::string(what) + ": struct_size is not set; begin with the _INIT macro");
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(given);
  for (std::size_t at = sizeof(T); at < size; ++at) {
    if (bytes[at] != 0) {
      return fail(ErrorCode::Unsupported,
                  std::string(what) + ": sets a member that this version does not know");
    }
  }
  std::memcpy(&known, bytes, size < sizeof(T) ? size : sizeof(T));
  return known;
}

/// Gives `value` to the place, if there is one.
template <class Handle>
void give(Handle** place, std::unique_ptr<Handle> value) {
  if (place != nullptr) *place = value.release();
}

std::unique_ptr<cloudos_server> make_server(Server server);
std::unique_ptr<cloudos_task> make_task(Task task);

/// A timeout that cannot overflow; negative: as long as it takes.
std::chrono::milliseconds patience_of(std::int64_t timeout_ms);
/// Waits for the task; its own error when it did not get done.
Result<Task> wait_for(Cloud& cloud, const Context& caller, const TaskId& id,
                      std::chrono::milliseconds patience);

}  // namespace cloudos::c

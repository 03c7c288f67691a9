#include <doctest/doctest.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <string>

#include "hypervisor/domain_xml.hpp"
#include "hypervisor/libvirt_error.hpp"
#include "support/capture.hpp"

using namespace cloudos;
using namespace cloudos::hypervisor;

TEST_CASE("libvirt's states map to Compute's") {
  struct Row {
    int state;
    int reason;
    PowerState power;
  };
  const Row rows[] = {
      {VIR_DOMAIN_NOSTATE, 0, PowerState::NoState},
      {VIR_DOMAIN_RUNNING, 0, PowerState::Running},
      {VIR_DOMAIN_BLOCKED, 0, PowerState::Running},
      {VIR_DOMAIN_SHUTDOWN, 0, PowerState::Running},
      {VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_USER, PowerState::Paused},
      {VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_DESTROYED, PowerState::Shutdown},
      {VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_CRASHED, PowerState::Crashed},
      {VIR_DOMAIN_CRASHED, 0, PowerState::Crashed},
      {VIR_DOMAIN_PMSUSPENDED, 0, PowerState::Suspended},
      {99, 0, PowerState::NoState},
  };
  for (const Row& row : rows) {
    CAPTURE(row.state);
    CAPTURE(row.reason);
    CHECK(power_state(row.state, row.reason) == row.power);
  }
}

TEST_CASE("libvirt's errors become ours, and its text stays out of the message") {
  struct Row {
    int code;
    const char* text;
    ErrorCode ours;
  };
  const Row rows[] = {
      {VIR_ERR_NO_DOMAIN, "no domain", ErrorCode::NotFound},
      {VIR_ERR_OPERATION_FAILED, "domain 'x' already exists with uuid 1", ErrorCode::Conflict},
      {VIR_ERR_OPERATION_FAILED, "/secret went wrong", ErrorCode::Internal},
      {VIR_ERR_OPERATION_TIMEOUT, "cannot acquire state change lock", ErrorCode::Timeout},
      {VIR_ERR_OPERATION_INVALID, "domain is not running", ErrorCode::Conflict},
      {VIR_ERR_XML_ERROR, "/secret.xml:1", ErrorCode::InvalidArgument},
      {VIR_ERR_RPC, "client socket is closed", ErrorCode::Unavailable},
      {VIR_ERR_SYSTEM_ERROR, "/secret: No space left on device", ErrorCode::StorageFull},
      {VIR_ERR_SYSTEM_ERROR, "Failed to terminate process 1 with SIGKILL", ErrorCode::Timeout},
      {VIR_ERR_INTERNAL_ERROR, "/secret", ErrorCode::Internal},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto error = translate_libvirt("doing it", row.code, row.text);
    CHECK(error.code == row.ours);
    CHECK(error.message.starts_with("doing it: "));
    CHECK(error.message.find("/secret") == std::string::npos);
    CHECK(error.detail.find(row.text) != std::string::npos);
  }
}

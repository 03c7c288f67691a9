#include "identity/policy.hpp"

namespace cloudos::identity {
namespace {

// The log shows each caller their own project's events; admins and readers of the cloud all.
constexpr PolicyRow kAuditPolicies[] = {
    {"audit:list_events", kReader},
    {"audit:get_event", kReader},
};

}  // namespace

std::span<const PolicyRow> audit_policies() {
  return kAuditPolicies;
}

}  // namespace cloudos::identity

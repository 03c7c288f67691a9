#include "identity/policy.hpp"

namespace cloudos::identity {
namespace {

// A task belongs to the project whose thing it changes.
constexpr PolicyRow kTaskPolicies[] = {
    {"tasks:list", kReader},
    {"tasks:show", kReader},
    {"tasks:retry", kAdmin},
    {"tasks:unwind", kAdmin},
};

}  // namespace

std::span<const PolicyRow> task_policies() { return kTaskPolicies; }

}  // namespace cloudos::identity

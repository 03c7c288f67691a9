#pragma once
#include "hypervisor/driver.hpp"

/// What every driver refuses, in the same words.
namespace cloudos::hypervisor {

/// Errors: InvalidArgument (no path, relative path, unknown backing format).
Result<void> check_disk(const DiskSpec& disk);
/// Errors: InvalidArgument (id is no UUID, no processor, no memory, a bad MAC or device name).
Result<void> check_domain(const DomainSpec& spec);

Error unknown_domain();  ///< NotFound
Error foreign_domain();  ///< Conflict

}  // namespace cloudos::hypervisor

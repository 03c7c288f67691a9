#pragma once
#include "cloudos/hypervisor.hpp"

/// What every driver refuses, in the same words.
namespace cloudos::hypervisor {

/// Errors: InvalidArgument (no path, relative path, unknown backing format).
Result<void> check_disk(const DiskSpec& disk);
/// Errors: InvalidArgument (id is no UUID, no processor, no memory, a bad MAC or device name).
Result<void> check_domain(const DomainSpec& spec);
/// Errors: InvalidArgument (a bad MAC, device name or address).
Result<void> check_nic(const NicSpec& nic);

/// QEMU's name of a disk format of the Image API; empty: a guest cannot start from it.
std::string_view qemu_format(std::string_view format);

std::string no_plugging();  ///< What Unsupported says of an interface of a running guest.
Error unknown_domain();  ///< NotFound
Error foreign_domain();  ///< Conflict

}  // namespace cloudos::hypervisor

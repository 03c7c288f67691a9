#pragma once
#include <filesystem>

#include "cloudos/hypervisor.hpp"

namespace cloudos::hypervisor {

/// Makes the qcow2 overlay that `disk` describes: under another name first, then synced and
/// renamed, so what lies at `disk.path` is whole. A whole one is kept. Blocks for two fsyncs.
/// Errors: InvalidArgument, NotFound (backing), StorageFull, and those of virtual_size.
Result<void> make_overlay(const DiskSpec& disk);

/// The virtual size of an image file of QEMU's `format`, read from its header (raw: its length;
/// others by qemu-img).
/// Errors: NotFound, InvalidArgument (not of that format), Unsupported (no qemu-img).
Result<std::uint64_t> virtual_size(const std::filesystem::path& path, std::string_view format);

}  // namespace cloudos::hypervisor

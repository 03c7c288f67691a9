#pragma once
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "cloudos/log.hpp"
#include "cloudos/hypervisor.hpp"

namespace cloudos::hypervisor {

struct LibvirtSettings {
  /// "qemu:///embed": QEMU driven from within this process, no daemon, state under `root_dir`.
  /// Otherwise any libvirt URI: the daemon there owns the guests. "test:///default" is for tests.
  std::string uri = "qemu:///embed";
  std::filesystem::path root_dir;   ///< Of qemu:///embed; absolute. Made when missing.
  std::filesystem::path disks_dir;  ///< Whose file system `disk_gib` counts. Empty: root_dir.
  std::string folder_id;            ///< Marks our domains: letters, digits and dashes.
  std::string virt_type = "auto";   ///< "auto", "kvm" or "qemu" (TCG).
  std::chrono::milliseconds call_timeout{60'000};  ///< Of one call into libvirt.
  Log log;
};

/// The libvirt driver. Returns at once; the connection is opened behind, and calls wait for it.
///
/// On a fresh root libvirt asks QEMU for its abilities, 4-5 s once (cached under the root until
/// QEMU or libvirt changes): that, too, begins at once, in the background. A connection that died
/// is opened again by the next call. Guests outlive the driver and the process, also by kill -9.
///
/// One root of qemu:///embed per process, until the process exits: libvirt's limit. Starts one
/// thread for libvirt's event loop, and one per call while it lasts, so that a call libvirt never
/// returns from ends with Timeout.
/// A root whose path is too long for QEMU's sockets gets a short name in /run meanwhile.
/// Errors: InvalidArgument (settings), Unavailable (no such name can be made), Conflict (second
/// root), Unsupported (something is not installed; the message says which package).
Result<std::unique_ptr<Driver>> make_libvirt(LibvirtSettings settings);

}  // namespace cloudos::hypervisor

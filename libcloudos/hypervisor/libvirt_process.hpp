#pragma once
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>

#include "cloudos/result.hpp"

/// The one place that knows what libvirt keeps per process. libvirt has globals of its own and no
/// way around them: its event loop, its error printer, and the root of its embedded QEMU driver,
/// which lasts until the process exits. So what counts their users is global too.
namespace cloudos::hypervisor {

/// While one of these lives, libvirt's event loop runs (in one thread, shared by all). A host
/// program that registered a loop of its own with libvirt keeps it, and must be running it.
class LibvirtUse {
 public:
  virtual ~LibvirtUse() = default;
};

/// Initialises libvirt once per process, silences its printing to stderr, and starts the loop when
/// this is its first user. Errors: Unavailable.
Result<std::shared_ptr<LibvirtUse>> use_libvirt();

/// Claims `root` as this process's one root of qemu:///embed; claiming the same again is fine.
/// Errors: Conflict (another root is in use, for the rest of this process).
Result<void> claim_embed_root(const std::filesystem::path& root);

/// Held while a connection to qemu:///embed is opened: libvirt sets the driver up then, and two
/// threads doing so at once crash it.
std::unique_lock<std::mutex> embed_turn();

}  // namespace cloudos::hypervisor

#pragma once
#include <filesystem>
#include <memory>

#include "cloudos/result.hpp"

namespace cloudos::hypervisor {

/// A short name for a folder whose own path is too long for QEMU's sockets: a symbolic link in /run,
/// there as long as this object. QEMU needs the name to bind its sockets, libvirt to connect to
/// them; a guest that lives on without us needs it no more, and the next start makes it anew.
class RootLink final {
 public:
  /// `name` is unique to the folder. A link of a killed process is replaced.
  /// Errors: Unavailable (/run is not writable).
  static Result<std::unique_ptr<RootLink>> make(const std::filesystem::path& target,
                                                const std::string& name);
  ~RootLink();
  RootLink(const RootLink&) = delete;
  RootLink& operator=(const RootLink&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  explicit RootLink(std::filesystem::path path) : path_(std::move(path)) {}
  const std::filesystem::path path_;
};

}  // namespace cloudos::hypervisor

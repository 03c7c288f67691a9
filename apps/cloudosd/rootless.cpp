#include "cloudosd/rootless.hpp"

#include <unistd.h>

#include <cstdlib>
#include <string>

namespace cloudosd {
namespace {

bool is_writable(const char* variable) {
  const char* const path = std::getenv(variable);
  return path != nullptr && *path != '\0' && ::access(path, W_OK | X_OK) == 0;
}

}  // namespace

void prepare_rootless(const std::filesystem::path& data_dir) {
  if (::geteuid() == 0) return;
  if (is_writable("XDG_RUNTIME_DIR")) return;
  if (std::getenv("XDG_RUNTIME_DIR") == nullptr &&
      (is_writable("XDG_CACHE_HOME") ||
       (std::getenv("XDG_CACHE_HOME") == nullptr && is_writable("HOME"))))
    return;
  // Made, with the rights it must have, when the cloud opens: before libvirt looks for it.
  std::error_code ec;
  const auto folder = std::filesystem::absolute(data_dir, ec) / "run";
  if (!ec) ::setenv("XDG_RUNTIME_DIR", folder.c_str(), 1);
}

}  // namespace cloudosd

#include "hypervisor/root_link.hpp"

#include <fmt/format.h>
#include <unistd.h>

namespace cloudos::hypervisor {
namespace {

/// /run is root's. In /tmp nobody else can change or remove what is ours.
std::filesystem::path link_folder() { return ::geteuid() == 0 ? "/run" : "/tmp"; }

}  // namespace

Result<std::unique_ptr<RootLink>> RootLink::make(const std::filesystem::path& target,
                                                 const std::string& name) {
  const std::filesystem::path path = link_folder() / name;
  const std::filesystem::path draft = path.native() + ".new";
  std::error_code error;
  std::filesystem::remove(draft, error);
  std::filesystem::create_directory_symlink(target, draft, error);
  if (!error) std::filesystem::rename(draft, path, error);
  if (error) {
    return fail(ErrorCode::Unavailable,
                fmt::format("the data folder's path is too long for QEMU's sockets, and a short "
                            "name for it cannot be made in {}: {}; use a shorter path",
                            link_folder().native(), error.message()));
  }
  return std::unique_ptr<RootLink>(new RootLink(path));
}

RootLink::~RootLink() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

}  // namespace cloudos::hypervisor

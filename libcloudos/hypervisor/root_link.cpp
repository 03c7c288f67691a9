#include "hypervisor/root_link.hpp"

#include <fmt/format.h>

namespace cloudos::hypervisor {

Result<std::unique_ptr<RootLink>> RootLink::make(const std::filesystem::path& target,
                                                 const std::string& name) {
  const std::filesystem::path path = "/run/" + name;
  const std::filesystem::path draft = path.native() + ".new";
  std::error_code error;
  std::filesystem::remove(draft, error);
  std::filesystem::create_directory_symlink(target, draft, error);
  if (!error) std::filesystem::rename(draft, path, error);
  if (error) {
    return fail(ErrorCode::Unavailable,
                fmt::format("the data folder's path is too long for QEMU's sockets, and a short "
                            "name for it cannot be made in /run: {}; use a shorter path",
                            error.message()));
  }
  return std::unique_ptr<RootLink>(new RootLink(path));
}

RootLink::~RootLink() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
}

}  // namespace cloudos::hypervisor

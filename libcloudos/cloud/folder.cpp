#include "cloud/folder.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/text.hpp"

namespace cloudos {

namespace {

Failure folder_error(std::string_view what, const std::filesystem::path& path,
                                   int number) {
  const auto code =
      number == ENOSPC || number == EDQUOT ? ErrorCode::StorageFull : ErrorCode::Unavailable;
  return fail(code, fmt::format("{} {}: {}", what, path.string(), std::strerror(number)));
}

std::string read_small(int fd) {
  char text[64];
  const ssize_t got = pread(fd, text, sizeof text, 0);
  return got <= 0 ? std::string() : std::string(trim({text, static_cast<std::size_t>(got)}));
}

}  // namespace

Result<std::unique_ptr<Folder>> Folder::open(const std::filesystem::path& path, FolderRole role,
                                             Random& random) {
  std::error_code ignored;
  const auto whole = std::filesystem::absolute(path, ignored);
  if (role == FolderRole::Guest) return visit(whole);
  auto folder = run(whole, random);
  if (folder || role != FolderRole::Any || folder.error().code != ErrorCode::Conflict)
    return folder;
  return visit(whole);
}

Result<std::unique_ptr<Folder>> Folder::visit(const std::filesystem::path& whole) {
  std::unique_ptr<Folder> folder(new Folder(whole, -1));
  CLOUDOS_TRY(const bool found, folder->read_id());
  if (found) return folder;
  return fail(ErrorCode::NotFound,
              fmt::format("{} is no cloud's data folder: a guest joins one that was made before",
                          whole.string()));
}

Result<std::unique_ptr<Folder>> Folder::run(const std::filesystem::path& whole, Random& random) {
  std::error_code made;
  std::filesystem::create_directories(whole.parent_path(), made);
  for (const auto& folder : {whole, whole / "run", whole / "keys", whole / "store"}) {
    if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
      return folder_error("cannot make the data folder", folder, errno);
  }
  const auto lock_path = whole / "run" / "owner.lock";
  const int lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) return folder_error("cannot write to the data folder", lock_path, errno);
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    const int number = errno;
    const std::string owner = read_small(lock);
    close(lock);
    if (number != EWOULDBLOCK)
      return folder_error("cannot lock the data folder", lock_path, number);
    return fail(ErrorCode::Conflict,
                fmt::format("the data folder {} is in use by process {}; stop it first, or choose "
                            "another folder",
                            whole.string(), owner.empty() ? "unknown" : owner));
  }
  std::unique_ptr<Folder> folder(new Folder(whole, lock));
  const std::string pid = fmt::format("{}\n", getpid());
  if (ftruncate(lock, 0) != 0 || pwrite(lock, pid.data(), pid.size(), 0) < 0)
    return folder_error("cannot write to the data folder", lock_path, errno);
  CLOUDOS_TRY(const bool known, folder->read_id());
  if (!known) CLOUDOS_CHECK(folder->draw_id(random));
  return folder;
}

Folder::~Folder() {
  if (lock_ >= 0) close(lock_);
}

/// False when none was drawn yet.
Result<bool> Folder::read_id() {
  const auto path = path_ / "folder-id";
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    id_ = read_small(fd);
    close(fd);
    if (id_.size() == 8 && from_hex(id_)) return true;
    return fail(
        ErrorCode::Unavailable,
        fmt::format("{} does not hold a folder's id; restore it from a backup", path.string()));
  }
  if (errno != ENOENT) return folder_error("cannot read", path, errno);
  return false;
}

Result<void> Folder::draw_id(Random& random) {
  const auto path = path_ / "folder-id";
  std::uint8_t bytes[4];
  random.fill(bytes);
  id_ = to_hex(bytes);
  // Whole or not at all: a crash in between leaves no half-written id.
  const auto draft = path_ / "folder-id.new";
  const int fd = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return folder_error("cannot write", draft, errno);
  const std::string line = id_ + "\n";
  const bool written =
      write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()) && fsync(fd) == 0;
  const int number = errno;
  close(fd);
  if (!written) return folder_error("cannot write", draft, number);
  if (rename(draft.c_str(), path.c_str()) != 0) return folder_error("cannot write", path, errno);
  return Result<void>();
}

}  // namespace cloudos

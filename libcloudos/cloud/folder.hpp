#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "cloudos/cloud.hpp"
#include "cloudos/random.hpp"
#include "cloudos/result.hpp"

namespace cloudos {

/// The data folder: run (one process, and one Cloud in it, at a time), or visited as a guest.
class Folder final {
 public:
  /// A runner makes what is missing (0700), takes the lock, reads or draws the folder's id; a guest
  /// makes nothing. FolderRole::Any: a runner, or a guest where somebody runs it.
  /// Errors: Conflict (someone runs it; the message names the process), Unavailable (not writable),
  /// StorageFull, NotFound (a guest finds no folder).
  static Result<std::unique_ptr<Folder>> open(const std::filesystem::path& path, FolderRole role,
                                              Random& random);
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  bool runs() const { return lock_ >= 0; }
  /// Where the one who runs the folder takes guests' changes.
  std::filesystem::path guest_socket() const { return path_ / "run" / "store.sock"; }
  /// 8 hexadecimal digits, drawn once: marks what is ours on the host.
  const std::string& id() const { return id_; }

 private:
  Folder(std::filesystem::path path, int lock) : path_(std::move(path)), lock_(lock) {}
  static Result<std::unique_ptr<Folder>> run(const std::filesystem::path& whole, Random& random);
  static Result<std::unique_ptr<Folder>> visit(const std::filesystem::path& whole);
  Result<bool> read_id();
  Result<void> draw_id(Random& random);
  const std::filesystem::path path_;
  const int lock_;  ///< -1: a guest's.
  std::string id_;
};

}  // namespace cloudos

#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "cloudos/random.hpp"
#include "cloudos/result.hpp"

namespace cloudos {

/// The data folder, held: one process (and one Cloud in it) runs a folder at a time.
class Folder final {
 public:
  /// Makes what is missing (0700), takes the lock, reads or draws the folder's id.
  /// Errors: Conflict (someone runs it; the message names the process), Unavailable (not writable),
  /// StorageFull.
  static Result<std::unique_ptr<Folder>> open(const std::filesystem::path& path, Random& random);
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// 8 hexadecimal digits, drawn once: marks what is ours on the host.
  const std::string& id() const { return id_; }

 private:
  Folder(std::filesystem::path path, int lock) : path_(std::move(path)), lock_(lock) {}
  Result<void> read_id(Random& random);
  const std::filesystem::path path_;
  const int lock_;
  std::string id_;
};

}  // namespace cloudos

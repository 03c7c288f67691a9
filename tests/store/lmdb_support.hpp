#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "cloudos/store.hpp"

/// What the LMDB suites share: folders that go away, mounts that go away, child processes.
namespace cloudos::test {

/// A fresh folder under the temporary one; removed with all it holds.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// A small tmpfs over a folder; ok() is false when this user may not mount.
class SmallDisk {
 public:
  SmallDisk(const std::filesystem::path& at, const char* options);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool ok() const { return ok_; }
  [[nodiscard]] bool make_read_only() const;

 private:
  const std::filesystem::path at_;
  bool ok_;
};

/// This test program again, running one of the child roles of lmdb_process_test.cpp.
class Child {
 public:
  Child(const char* role, const std::filesystem::path& folder);
  ~Child();  ///< Kills and reaps what still runs.
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  /// The next line the child reports; empty when it has ended.
  std::string line();
  void signal(int number) const;
  /// Blocks until the child stopped (SIGSTOP).
  [[nodiscard]] bool wait_stopped() const;
  /// Blocks until it ended: its exit status, or minus the signal.
  int wait_ended();

 private:
  int pid_ = -1;
  int reports_ = -1;
  std::string buffered_;
};

std::unique_ptr<store::Store> open_owner(const std::filesystem::path& folder,
                                         std::uint64_t map_bytes = limits::kStoreMapBytes);
Result<store::Revision> put_one(store::Store& s, const std::string& key, const std::string& value);
Result<store::Revision> erase_one(store::Store& s, const std::string& key);
/// The value, or "(none)".
std::string value_of(store::Store& s, const std::string& key);

}  // namespace cloudos::test

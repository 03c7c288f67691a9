#pragma once
#include <memory>

#include "lmdb_support.hpp"

/// What the suites of guests share: an owner that serves, in this process or in a child.
namespace cloudos::test {

inline std::filesystem::path socket_of(const std::filesystem::path& folder) {
  return folder.parent_path() / (folder.filename().native() + ".sock");
}

/// A folder for a store, and beside it the socket; both go away.
class ServedFolder {
 public:
  ServedFolder();
  std::filesystem::path store() const { return outer_.path() / "store"; }
  std::filesystem::path socket() const { return socket_of(store()); }

 private:
  TempFolder outer_;
};

/// An owner with its service, in this process.
struct ServingOwner {
  explicit ServingOwner(const ServedFolder& folder, const store::LmdbOptions& options = {});
  void end();
  std::unique_ptr<store::Store> store;
  std::unique_ptr<store::GuestService> service;
};

std::unique_ptr<store::Store> open_writing_guest(const ServedFolder& folder);

// Child roles: each owns the store in `folder` and serves its guests until killed.
int serve(const std::filesystem::path& folder);
/// Answers each change of /ask by writing the same to /answer.
int echo(const std::filesystem::path& folder);
/// Reads "/a" as a pinned guest, reports "holding", waits to be killed.
int hold_pin(const std::filesystem::path& folder);
/// Adds one to /count for 100 times as a guest.
int count_as_guest(const std::filesystem::path& folder);

}  // namespace cloudos::test

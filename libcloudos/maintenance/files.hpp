#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <system_error>

#include "cloudos/result.hpp"

struct evp_md_ctx_st;

namespace cloudos::maintenance {

/// "sha256" or "sha512" over bytes that come in pieces.
class Checksum {
 public:
  /// Errors: InvalidArgument (another name).
  static Result<Checksum> make(std::string_view algorithm);
  void update(std::string_view bytes);
  /// "sha256:<hexadecimal>". Once.
  std::string finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  Checksum(std::string name, evp_md_ctx_st* context) : name_(std::move(name)), context_(context) {}
  std::string name_;
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

/// What a failed call on a file means; `doing` says what was tried, with the path.
Error file_error(int number, std::string_view doing, const std::filesystem::path& path);
Error file_error(const std::error_code& error, std::string_view doing,
                 const std::filesystem::path& path);

struct FileFacts {
  std::uint64_t size = 0;
  std::string checksum;
};
/// Reads it whole. Follows no symbolic link. Errors: NotFound.
Result<FileFacts> read_facts(const std::filesystem::path& file, std::string_view algorithm);
/// Copies it whole, durably, to a file that must be new. Errors: NotFound (source), StorageFull.
Result<FileFacts> copy_file(const std::filesystem::path& from, const std::filesystem::path& to,
                            unsigned mode, std::string_view algorithm);
/// Writes a small file of ours, durably.
Result<void> write_file(const std::filesystem::path& file, std::string_view text, unsigned mode);
Result<std::string> read_small_file(const std::filesystem::path& file, std::size_t most);
Result<void> make_folder(const std::filesystem::path& folder);
Result<void> sync_folder(const std::filesystem::path& folder);
/// Errors: Conflict (there is something in it), Unavailable.
Result<void> check_empty(const std::filesystem::path& folder, std::string_view what);

}  // namespace cloudos::maintenance

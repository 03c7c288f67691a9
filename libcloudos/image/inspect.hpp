#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/images.hpp"

/// What a disk image really is: read from its own structures, in this process, within bounds, so
/// that no tool is ever started on bytes that name a file of the host.
namespace cloudos::image {

/// Bytes at any offset. One thread at a time.
class RandomReader {
 public:
  virtual ~RandomReader() = default;
  virtual std::uint64_t size() const = 0;
  /// Fills `buffer` from `offset`; fewer bytes only at the end. Errors: Unavailable.
  virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> buffer) = 0;
};

/// What content was recognised as. Those behind Iso are never accepted.
enum class Content : std::uint8_t {
  Raw, Qcow2, Vmdk, Vhd, Vdi, Iso, Vhdx, Qed, Luks, Parallels, Bochs, Cloop,
};
std::string_view to_string(Content content);

struct Inspection {
  Content content = Content::Raw;
  std::uint64_t virtual_size_bytes = 0;
  std::string backing_file;          ///< Named by the content; must be empty.
  std::string data_file;             ///< The same.
  std::vector<std::string> extents;  ///< The same, but for a VMDK's own name.
  std::string problem;               ///< Why these bytes cannot be used; empty: none found.
};

/// Recognises and checks. Pure: reads at most a few hundred KiB, whatever the content claims.
/// Errors: those of `reader`; hostile or broken content is a `problem`, never an error.
Result<Inspection> inspect(RandomReader& reader);

/// Refuses what has a problem and what is not `declared`. Errors: InvalidArgument, saying why.
Result<void> check_content(const Inspection& found, DiskFormat declared);

}  // namespace cloudos::image

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

/// What content was recognised as. Luks is accepted where told, Ova as a container; those behind
/// it never are.
enum class Content : std::uint8_t {
  Raw, Qcow2, Vmdk, Vhd, Vdi, Iso, Vhdx, Ova, Luks, Qed, Parallels, Bochs, Cloop,
};
std::string_view to_string(Content content);

/// How a raw disk is divided, by its first sectors.
enum class Partitions : std::uint8_t { None, Mbr, Gpt };

struct InspectRules {
  bool ova = false;   ///< The container says so: a tar of an OVF package is looked for.
  bool luks = false;  ///< A disk that is encrypted as a whole passes as raw.
};

struct Inspection {
  Content content = Content::Raw;
  Partitions partitions = Partitions::None;  ///< Of Raw and Iso.
  std::uint64_t virtual_size_bytes = 0;
  std::string backing_file;          ///< Named by the content; must be empty.
  std::string data_file;             ///< The same.
  std::vector<std::string> extents;  ///< The same, but for a VMDK's own name.
  std::string problem;               ///< Why these bytes cannot be used; empty: none found.
};

/// Recognises and checks. Pure: reads at most a few hundred KiB, whatever the content claims.
/// Errors: those of `reader`; hostile or broken content is a `problem`, never an error.
Result<Inspection> inspect(RandomReader& reader, const InspectRules& rules = {});

/// Refuses what has a problem and what is not `declared`; an OVA's disks are Vmdk.
/// Errors: InvalidArgument, saying why.
Result<void> check_content(const Inspection& found, DiskFormat declared);

}  // namespace cloudos::image

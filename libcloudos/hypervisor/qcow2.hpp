#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cloudos::hypervisor {

/// A new, empty qcow2 file: the bytes at its begin, and its length; what lies between is zero. Made
/// here and not by qemu-img: a process for 300 bytes costs more than all the rest of a disk.
/// `backing` is at most limits::kDiskBackingBytes long, empty for none.
/// Source: QEMU's docs/interop/qcow2.txt, version 3.
struct Qcow2Draft {
  std::string header;     ///< Of the first cluster.
  std::string refcounts;  ///< At `refcount_table_at`: the table, then its one block.
  std::uint64_t refcount_table_at = 0;
  std::uint64_t file_bytes = 0;
};
Qcow2Draft draft_qcow2(std::uint64_t size_bytes, std::string_view backing,
                       std::string_view backing_format);

/// The virtual size that the begin of a qcow2 file states; nothing when it is no qcow2 header.
std::optional<std::uint64_t> qcow2_virtual_size(std::string_view begin);

}  // namespace cloudos::hypervisor

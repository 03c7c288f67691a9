#include "hypervisor/qcow2.hpp"

#include "base/assert.hpp"
#include "cloudos/limits.hpp"

namespace cloudos::hypervisor {
namespace {

constexpr std::uint32_t kMagic = 0x514649fb;  // "QFI\xfb"
constexpr std::uint32_t kVersion = 3;
constexpr std::uint32_t kClusterBits = 16;
constexpr std::uint64_t kCluster = std::uint64_t{1} << kClusterBits;
constexpr std::uint64_t kEntriesPerTable = kCluster / 8;
constexpr std::uint64_t kBytesPerL1Entry = kCluster * kEntriesPerTable;
constexpr std::uint64_t kSector = 512;
constexpr std::uint32_t kRefcountOrder = 4;  // 16 bits each
constexpr std::uint32_t kHeaderBytes = 104;
constexpr std::uint32_t kBackingFormatExtension = 0xe2792aca;
// Cluster 0: header. 1: refcount table. 2: refcount block. From 3: the L1 table.
constexpr std::uint64_t kRefcountTableCluster = 1;
constexpr std::uint64_t kL1Cluster = 3;

void put_u32(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xff);
}
void put_u64(std::string& out, std::uint64_t value) {
  put_u32(out, static_cast<std::uint32_t>(value >> 32));
  put_u32(out, static_cast<std::uint32_t>(value));
}

std::string extensions_of(std::string_view backing_format) {
  std::string out;
  if (!backing_format.empty()) {
    put_u32(out, kBackingFormatExtension);
    put_u32(out, static_cast<std::uint32_t>(backing_format.size()));
    out += backing_format;
    out.resize((out.size() + 7) / 8 * 8, '\0');
  }
  put_u64(out, 0);  // The end of extensions.
  return out;
}

}  // namespace

Qcow2Draft draft_qcow2(std::uint64_t size_bytes, std::string_view backing,
                       std::string_view backing_format) {
  CLOUDOS_ASSERT(backing.size() <= limits::kDiskBackingBytes);
  const std::uint64_t size = (size_bytes + kSector - 1) / kSector * kSector;
  const std::uint64_t l1_entries = (size + kBytesPerL1Entry - 1) / kBytesPerL1Entry;
  const std::uint64_t l1_clusters =
      l1_entries == 0 ? 1 : (l1_entries + kEntriesPerTable - 1) / kEntriesPerTable;
  const std::uint64_t clusters = kL1Cluster + l1_clusters;
  CLOUDOS_ASSERT(clusters <= kCluster / 2);  // One refcount block holds them all.
  const std::string extensions =
      backing.empty() ? extensions_of("") : extensions_of(backing_format);

  Qcow2Draft draft;
  std::string& h = draft.header;
  put_u32(h, kMagic);
  put_u32(h, kVersion);
  put_u64(h, backing.empty() ? 0 : kHeaderBytes + extensions.size());
  put_u32(h, static_cast<std::uint32_t>(backing.size()));
  put_u32(h, kClusterBits);
  put_u64(h, size);
  put_u32(h, 0);  // No encryption.
  put_u32(h, static_cast<std::uint32_t>(l1_entries));
  put_u64(h, kL1Cluster * kCluster);
  put_u64(h, kRefcountTableCluster * kCluster);
  put_u32(h, 1);  // Clusters of the refcount table.
  put_u32(h, 0);  // No snapshots,
  put_u64(h, 0);  // nowhere.
  put_u64(h, 0);  // Incompatible features,
  put_u64(h, 0);  // compatible ones,
  put_u64(h, 0);  // and those that clear themselves.
  put_u32(h, kRefcountOrder);
  put_u32(h, kHeaderBytes);
  CLOUDOS_ASSERT(h.size() == kHeaderBytes);
  h += extensions;
  h += backing;

  draft.refcount_table_at = kRefcountTableCluster * kCluster;
  put_u64(draft.refcounts, (kRefcountTableCluster + 1) * kCluster);
  draft.refcounts.resize(kCluster, '\0');
  for (std::uint64_t i = 0; i < clusters; ++i) draft.refcounts.append("\0\1", 2);
  draft.file_bytes = clusters * kCluster;
  return draft;
}

std::optional<std::uint64_t> qcow2_virtual_size(std::string_view begin) {
  constexpr std::size_t kShortestHeader = 72;  // Version 2's.
  constexpr std::size_t kSizeAt = 24;
  if (begin.size() < kShortestHeader) return std::nullopt;
  const auto number = [begin](std::size_t at, std::size_t bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) {
      value = value << 8 | static_cast<unsigned char>(begin[at + i]);
    }
    return value;
  };
  const auto version = number(4, 4);
  if (number(0, 4) != kMagic || (version != 2 && version != 3)) return std::nullopt;
  return number(kSizeAt, 8);
}

}  // namespace cloudos::hypervisor

#include <fmt/format.h>

#include "cloudos/limits.hpp"
#include "image/inspect_formats.hpp"

// Source: QEMU, docs/interop/qcow2.txt.
namespace cloudos::image {
namespace {

constexpr std::uint32_t kQcow2ExtensionEnd = 0;
constexpr std::uint32_t kQcow2ExtensionDataFile = 0x44415441;
constexpr std::uint32_t kQcow2ExtensionEncryption = 0x0537be77;
constexpr std::uint64_t kQcow2MostL1Bytes = 32 << 20;
constexpr std::uint64_t kQcow2MostRefcountBytes = 8 << 20;
constexpr std::uint32_t kQcow2MostSnapshots = 65'536;
constexpr std::size_t kQcow2MostBackingName = 1'023;

enum Qcow2Incompatible : std::uint64_t {
  kQcow2Dirty = 1, kQcow2Corrupt = 2, kQcow2DataFile = 4, kQcow2Compression = 8, kQcow2LongL2 = 16,
};

struct Qcow2Header {
  std::uint32_t version = 0, cluster_bits = 0, crypt_method = 0, l1_size = 0;
  std::uint32_t refcount_clusters = 0, snapshots = 0, refcount_order = 4, header_length = 72;
  std::uint32_t backing_size = 0;
  std::uint64_t backing_offset = 0, size = 0, l1_offset = 0, refcount_offset = 0;
  std::uint64_t incompatible = 0;
  std::uint8_t compression = 0;
};

Qcow2Header decode_qcow2(const Window& w) {
  Qcow2Header h;
  h.version = w.be32(4);
  h.backing_offset = w.be64(8);
  h.backing_size = w.be32(16);
  h.cluster_bits = w.be32(20);
  h.size = w.be64(24);
  h.crypt_method = w.be32(32);
  h.l1_size = w.be32(36);
  h.l1_offset = w.be64(40);
  h.refcount_offset = w.be64(48);
  h.refcount_clusters = w.be32(56);
  h.snapshots = w.be32(60);
  (void)w.be64(64);  // The header ends behind the snapshots' offset.
  if (h.version < 3) return h;
  h.incompatible = w.be64(72);
  h.refcount_order = w.be32(96);
  h.header_length = w.be32(100);
  if (h.header_length > 104) h.compression = w.u8(104);
  return h;
}

/// What the header's numbers alone show.
std::string qcow2_header_problem(const Qcow2Header& h) {
  if (h.version != 2 && h.version != 3) {
    return fmt::format("qcow version {} is not supported, only 2 and 3", h.version);
  }
  if (h.backing_offset != 0 || h.backing_size != 0) {
    return "it has a backing file: flatten it first (qemu-img convert)";
  }
  if ((h.incompatible & kQcow2DataFile) != 0) return "it keeps its data in an external file";
  constexpr std::uint64_t kKnown =
      kQcow2Dirty | kQcow2Corrupt | kQcow2DataFile | kQcow2Compression | kQcow2LongL2;
  if ((h.incompatible & ~kKnown) != 0) {
    return fmt::format("it needs unknown features ({:#x})", h.incompatible & ~kKnown);
  }
  if ((h.incompatible & (kQcow2Dirty | kQcow2Corrupt)) != 0) {
    return "it was not closed cleanly: repair it first (qemu-img check -r all)";
  }
  if (h.crypt_method != 0) return "it is encrypted, and its key is not ours to hold";
  if (h.cluster_bits < 9 || h.cluster_bits > 21) {
    return fmt::format("clusters of 2^{} bytes are out of range", h.cluster_bits);
  }
  if ((h.incompatible & kQcow2LongL2) != 0 && h.cluster_bits < 14) {
    return "its clusters are too small for extended L2 entries";
  }
  if (h.refcount_order > 6) return "its reference counts are out of range";
  if (h.header_length < 72 || h.header_length % 8 != 0 ||
      h.header_length > (std::uint64_t{1} << h.cluster_bits)) {
    return fmt::format("a header of {} bytes is out of range", h.header_length);
  }
  const bool zstd = h.compression == 1;
  if (h.compression > 1 || zstd != ((h.incompatible & kQcow2Compression) != 0)) {
    return "its compression type is unknown";
  }
  if (h.snapshots > kQcow2MostSnapshots) return "it has too many snapshots";
  return {};
}

/// Its tables lie inside the file and reach over the whole disk.
std::string qcow2_table_problem(const Qcow2Header& h, std::uint64_t file_size) {
  const std::uint64_t cluster = std::uint64_t{1} << h.cluster_bits;
  const std::uint64_t entry = (h.incompatible & kQcow2LongL2) != 0 ? 16 : 8;
  const std::uint64_t l1_bytes = std::uint64_t{h.l1_size} * 8;
  if (l1_bytes > kQcow2MostL1Bytes || !inside(h.l1_offset, l1_bytes, file_size) ||
      h.l1_offset % cluster != 0) {
    return "its L1 table lies outside the file";
  }
  const std::uint64_t per_l1 = cluster * (cluster / entry);
  if (h.size / per_l1 + (h.size % per_l1 != 0 ? 1 : 0) > h.l1_size) {
    return "its L1 table is too small for its disk";
  }
  const std::uint64_t refcount_bytes = std::uint64_t{h.refcount_clusters} << h.cluster_bits;
  if (h.refcount_clusters == 0 || refcount_bytes > kQcow2MostRefcountBytes ||
      !inside(h.refcount_offset, refcount_bytes, file_size) || h.refcount_offset % cluster != 0) {
    return "its refcount table lies outside the file";
  }
  return {};
}

/// Walks the header extensions, which all lie in the first cluster.
Result<void> walk_qcow2_extensions(RandomReader& reader, const Qcow2Header& h, Inspection& found) {
  std::uint64_t at = h.header_length;
  const std::uint64_t end = std::min<std::uint64_t>(std::uint64_t{1} << h.cluster_bits,
                                                    reader.size());
  for (std::size_t i = 0; i < limits::kImageHeaderExtensions; ++i) {
    if (!inside(at, 8, end)) return Result<void>();
    CLOUDOS_TRY(const Window head, read_window(reader, at, 8));
    const std::uint32_t type = head.be32(0);
    const std::uint64_t length = head.be32(4);
    if (type == kQcow2ExtensionEnd) return Result<void>();
    if (!inside(at + 8, length, end)) {
      found.problem = "a header extension reaches beyond its first cluster";
      return Result<void>();
    }
    if (type == kQcow2ExtensionDataFile) {
      CLOUDOS_TRY(const Window name, read_window(reader, at + 8, kQcow2MostBackingName));
      found.data_file = name.text(0, static_cast<std::size_t>(length));
      found.problem = fmt::format("it names an external data file '{}'", shown(found.data_file));
      return Result<void>();
    }
    if (type == kQcow2ExtensionEncryption) {
      found.problem = "it is encrypted, and its key is not ours to hold";
      return Result<void>();
    }
    at += 8 + (length + 7) / 8 * 8;
  }
  found.problem = "it has too many header extensions";
  return Result<void>();
}

}  // namespace

Result<void> inspect_qcow2(RandomReader& reader, Inspection& found) {
  CLOUDOS_TRY(const Window window, read_window(reader, 0, 112));
  const Qcow2Header header = decode_qcow2(window);
  if (window.cut()) {
    found.problem = "its header is cut off";
    return Result<void>();
  }
  found.virtual_size_bytes = header.size;
  if (header.backing_offset != 0) {
    CLOUDOS_TRY(const Window name,
                read_window(reader, header.backing_offset, kQcow2MostBackingName));
    found.backing_file = name.text(0, header.backing_size);
  }
  found.problem = qcow2_header_problem(header);
  if (found.problem.empty()) CLOUDOS_CHECK(walk_qcow2_extensions(reader, header, found));
  if (found.problem.empty()) found.problem = qcow2_table_problem(header, reader.size());
  return Result<void>();
}

}  // namespace cloudos::image

#include <fmt/format.h>

#include "cloudos/limits.hpp"
#include "image/inspect_formats.hpp"

// Source: Microsoft, [MS-VHDX] Virtual Hard Disk v2 File Format.
namespace cloudos::image {
namespace {

using namespace std::string_view_literals;

constexpr std::uint64_t kVhdxBlock = 64 << 10;  // Each structure at the file's begin has one.
constexpr std::uint64_t kVhdxMiB = 1 << 20;
constexpr std::size_t kVhdxHeaderBytes = 4'096;
constexpr std::size_t kVhdxLogSector = 4'096;
constexpr std::uint64_t kVhdxMostLogBytes = 4 << 20;

// GUIDs as they lie in the file.
constexpr std::string_view kVhdxBat =
    "\x66\x77\xc2\x2d\x23\xf6\x00\x42\x9d\x64\x11\x5e\x9b\xfd\x4a\x08"sv;
constexpr std::string_view kVhdxMetadata =
    "\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e"sv;
constexpr std::string_view kVhdxFileParameters =
    "\x37\x67\xa1\xca\x36\xfa\x43\x4d\xb3\xb6\x33\xf0\xaa\x44\xe7\x6b"sv;
constexpr std::string_view kVhdxDiskSize =
    "\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8"sv;
constexpr std::string_view kVhdxDiskId =
    "\xab\x12\xca\xbe\xe6\xb2\x23\x45\x93\xef\xc3\x09\xe0\x00\xc7\x46"sv;
constexpr std::string_view kVhdxLogicalSector =
    "\x1d\xbf\x41\x81\x6f\xa9\x09\x47\xba\x47\xf2\x33\xa8\xfa\xab\x5f"sv;
constexpr std::string_view kVhdxPhysicalSector =
    "\xc7\x48\xa3\xcd\x5d\x44\x71\x44\x9c\xc9\xe9\x88\x52\x51\xc5\x56"sv;
constexpr std::string_view kVhdxParentLocator =
    "\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c"sv;

struct VhdxPlace {
  std::uint64_t offset = 0, length = 0;
};
struct VhdxDisk {
  VhdxPlace bat, metadata;
  std::uint64_t block_bytes = 0, size = 0, sector = 0;
  bool parameters = false, parent = false;
};

/// CRC-32C with the checksum's own four bytes, at 4, taken as zero.
std::uint32_t vhdx_checksum(const Window& w) {
  std::uint32_t crc = ~0u;
  for (std::size_t i = 0; i < w.size(); ++i) {
    crc ^= i >= 4 && i < 8 ? 0 : w.u8(i);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (0x82f63b78u & (0u - (crc & 1)));
  }
  return ~crc;
}

/// A header whose log holds an entry of its own is replayed by whoever opens the file: what we
/// read would not be what is then there.
Result<bool> vhdx_log_pending(RandomReader& reader, const Window& header) {
  const std::string_view guid = header.text(48, 16);
  if (guid == std::string_view("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16)) return false;
  const std::uint64_t length = header.le32(68), offset = header.le64(72);
  if (length > kVhdxMostLogBytes || !inside(offset, length, reader.size())) return true;
  for (std::uint64_t at = 0; at < length; at += kVhdxLogSector) {
    CLOUDOS_TRY(const Window entry, read_window(reader, offset + at, 64));
    if (entry.text(0, 4) == "loge" && entry.text(32, 16) == guid) return true;
  }
  return false;
}

/// The header with the higher sequence number counts, if its checksum holds.
Result<void> check_vhdx_headers(RandomReader& reader, Inspection& found) {
  std::optional<Window> current;
  for (const std::uint64_t at : {kVhdxBlock, 2 * kVhdxBlock}) {
    CLOUDOS_TRY(Window header, read_window(reader, at, kVhdxHeaderBytes));
    if (header.size() < kVhdxHeaderBytes || header.text(0, 4) != "head" ||
        header.le32(4) != vhdx_checksum(header)) {
      continue;
    }
    if (!current || header.le64(8) > current->le64(8)) current = std::move(header);
  }
  if (!current) {
    found.problem = "its headers are broken";
    return Result<void>();
  }
  if (current->le16(66) != 1) {
    found.problem = fmt::format("vhdx version {} is not supported", current->le16(66));
    return Result<void>();
  }
  CLOUDOS_TRY(const bool pending, vhdx_log_pending(reader, *current));
  if (pending) found.problem = "it was not closed cleanly: repair it first (qemu-img check -r all)";
  return Result<void>();
}

Result<void> read_vhdx_regions(RandomReader& reader, VhdxDisk& disk, Inspection& found) {
  CLOUDOS_TRY(const Window table, read_window(reader, 3 * kVhdxBlock, kVhdxBlock));
  const std::uint64_t entries = table.le32(8);
  if (table.size() < kVhdxBlock || table.text(0, 4) != "regi" ||
      table.le32(4) != vhdx_checksum(table) || entries > limits::kImageRegions) {
    found.problem = "its region table is broken";
    return Result<void>();
  }
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t at = 16 + i * 32;
    const VhdxPlace place{table.le64(at + 16), table.le32(at + 24)};
    const std::string_view guid = table.text(at, 16);
    if (place.offset < kVhdxMiB || !inside(place.offset, place.length, reader.size())) {
      found.problem = "one of its regions lies outside the file";
    } else if (guid == kVhdxBat && disk.bat.length == 0) {
      disk.bat = place;
    } else if (guid == kVhdxMetadata && disk.metadata.length == 0) {
      disk.metadata = place;
    } else if (guid == kVhdxBat || guid == kVhdxMetadata) {
      found.problem = "it has two regions of one kind";
    } else if ((table.le32(at + 28) & 1) != 0) {
      found.problem = "it needs an unknown region";
    }
    if (!found.problem.empty()) return Result<void>();
  }
  if (disk.bat.length == 0 || disk.metadata.length == 0) found.problem = "it lacks a region";
  return Result<void>();
}

Result<void> read_vhdx_item(RandomReader& reader, std::string_view guid, const VhdxPlace& place,
                            bool required, VhdxDisk& disk, Inspection& found) {
  CLOUDOS_TRY(const Window item, read_window(reader, place.offset, 8));
  if (guid == kVhdxFileParameters) {
    disk.parameters = true;
    disk.block_bytes = item.le32(0);
    disk.parent = disk.parent || (item.le32(4) & 2) != 0;
  } else if (guid == kVhdxDiskSize) {
    disk.size = item.le64(0);
  } else if (guid == kVhdxLogicalSector) {
    disk.sector = item.le32(0);
  } else if (guid == kVhdxParentLocator) {
    disk.parent = true;
  } else if (guid != kVhdxDiskId && guid != kVhdxPhysicalSector && required) {
    found.problem = "it needs unknown metadata";
  }
  return Result<void>();
}

Result<void> read_vhdx_metadata(RandomReader& reader, VhdxDisk& disk, Inspection& found) {
  CLOUDOS_TRY(const Window table, read_window(reader, disk.metadata.offset, kVhdxBlock));
  const std::size_t entries = table.le16(10);
  if (table.text(0, 8) != "metadata" || entries > limits::kImageRegions ||
      disk.metadata.length < kVhdxBlock) {
    found.problem = "its metadata is broken";
    return Result<void>();
  }
  for (std::size_t i = 0; i < entries && found.problem.empty(); ++i) {
    const std::size_t at = 32 + i * 32;
    const VhdxPlace place{disk.metadata.offset + table.le32(at + 16), table.le32(at + 20)};
    if (table.le32(at + 16) >= disk.metadata.length ||
        place.length > disk.metadata.length - table.le32(at + 16)) {
      found.problem = "its metadata lies outside its region";
      break;
    }
    CLOUDOS_CHECK(read_vhdx_item(reader, table.text(at, 16), place,
                                 (table.le32(at + 24) & 4) != 0, disk, found));
  }
  if (table.cut()) found.problem = "its metadata is cut off";
  return Result<void>();
}

std::string vhdx_disk_problem(const VhdxDisk& disk) {
  if (!disk.parameters || disk.sector == 0) return "it lacks metadata";
  if (disk.parent) return "it has a parent: flatten it first (qemu-img convert)";
  if (disk.block_bytes < kVhdxMiB || disk.block_bytes > 256 * kVhdxMiB ||
      (disk.block_bytes & (disk.block_bytes - 1)) != 0) {
    return "its block size is out of range";
  }
  if (disk.sector != 512 && disk.sector != 4'096) return "its sector size is out of range";
  if (disk.size > limits::kImageVirtualBytes) return {};  // Said by the caller.
  // One entry a block, and one of a bitmap behind each chunk of them.
  const std::uint64_t blocks = (disk.size + disk.block_bytes - 1) / disk.block_bytes;
  const std::uint64_t per_chunk = (std::uint64_t{1} << 23) * disk.sector / disk.block_bytes;
  const std::uint64_t entries = blocks == 0 ? 0 : blocks + (blocks - 1) / per_chunk;
  if (disk.bat.length / 8 < entries) return "its block table is too small for its disk";
  return {};
}

}  // namespace

Result<void> inspect_vhdx(RandomReader& reader, Inspection& found) {
  VhdxDisk disk;
  CLOUDOS_CHECK(check_vhdx_headers(reader, found));
  if (found.problem.empty()) CLOUDOS_CHECK(read_vhdx_regions(reader, disk, found));
  if (found.problem.empty()) CLOUDOS_CHECK(read_vhdx_metadata(reader, disk, found));
  if (!found.problem.empty()) return Result<void>();
  found.virtual_size_bytes = disk.size;
  if (disk.parent) found.backing_file = "(by locator)";
  found.problem = vhdx_disk_problem(disk);
  return Result<void>();
}

}  // namespace cloudos::image

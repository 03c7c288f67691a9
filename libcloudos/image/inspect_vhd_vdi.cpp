#include <fmt/format.h>

#include "cloudos/limits.hpp"
#include "image/inspect_formats.hpp"

// Source: Microsoft, Virtual Hard Disk Image Format; VirtualBox, VDICore.h.
namespace cloudos::image {
namespace {

constexpr std::uint64_t kVhdFooterBytes = 512;
enum VhdType : std::uint32_t { kVhdFixed = 2, kVhdDynamic = 3, kVhdDifferencing = 4 };

/// The ones' complement of the sum of all bytes but the checksum's own four.
bool vhd_checksum_holds(const Window& w, std::size_t at) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    if (i < at || i >= at + 4) sum += w.u8(i);
  }
  return ~sum == w.be32(at);
}

/// The name of a differencing disk's parent: UTF-16 big-endian, as far as it is ASCII.
std::string vhd_parent(const Window& header) {
  std::string name;
  for (std::size_t at = 64; at + 1 < 64 + 512; at += 2) {
    const char c = static_cast<char>(header.u8(at + 1));
    if (header.u8(at) == 0 && c == 0) break;
    name += header.u8(at) == 0 ? c : '?';
  }
  return name;
}

Result<void> inspect_dynamic_vhd(RandomReader& reader, const Window& footer, Inspection& found) {
  const std::uint64_t header_at = footer.be64(16);
  if (!inside(header_at, 1'024, reader.size())) {
    found.problem = "its header lies outside the file";
    return Result<void>();
  }
  CLOUDOS_TRY(const Window header, read_window(reader, header_at, 1'024));
  if (header.text(0, 8) != "cxsparse" || !vhd_checksum_holds(header, 36)) {
    found.problem = "its header is broken";
    return Result<void>();
  }
  if (footer.be32(60) == kVhdDifferencing) {
    found.backing_file = vhd_parent(header);
    found.problem = fmt::format("it has a parent '{}': flatten it first (qemu-img convert)",
                                shown(found.backing_file));
    return Result<void>();
  }
  const std::uint64_t table = header.be64(16);
  const std::uint64_t entries = header.be32(28);
  const std::uint64_t block = header.be32(32);
  if (block < 512 || block > (256u << 20) || (block & (block - 1)) != 0) {
    found.problem = "its block size is out of range";
  } else if (!inside(table, entries * 4, reader.size())) {
    found.problem = "its block table lies outside the file";
  } else if (entries < found.virtual_size_bytes / block +
                           (found.virtual_size_bytes % block != 0 ? 1 : 0)) {
    found.problem = "its block table is too small for its disk";
  }
  return Result<void>();
}

bool all_zero(const Window& w, std::size_t at, std::size_t length) {
  for (std::size_t i = 0; i < length; ++i)
    if (w.u8(at + i) != 0) return false;
  return true;
}

}  // namespace

Result<bool> has_vhd_footer(RandomReader& reader) {
  if (reader.size() <= kVhdFooterBytes) return false;
  CLOUDOS_TRY(const Window footer,
              read_window(reader, reader.size() - kVhdFooterBytes, kVhdFooterBytes));
  return footer.text(0, 8) == "conectix" && vhd_checksum_holds(footer, 64) &&
         footer.be32(60) == kVhdFixed && footer.be64(48) <= reader.size() - kVhdFooterBytes;
}

Result<void> inspect_vhd(RandomReader& reader, Inspection& found) {
  CLOUDOS_TRY(const bool fixed, has_vhd_footer(reader));
  const std::uint64_t at = fixed ? reader.size() - kVhdFooterBytes : 0;
  CLOUDOS_TRY(const Window footer, read_window(reader, at, kVhdFooterBytes));
  if (footer.size() < kVhdFooterBytes) {
    found.problem = "its footer is cut off";
    return Result<void>();
  }
  if (!vhd_checksum_holds(footer, 64)) {
    found.problem = "its footer is broken";
    return Result<void>();
  }
  found.virtual_size_bytes = footer.be64(48);
  const std::uint32_t type = footer.be32(60);
  if (fixed) {
    CLOUDOS_TRY(const Window head, read_window(reader, 0, 8));
    // A dynamic header in front of a fixed footer: two disks, and openers disagree which.
    if (head.text(0, 8) == "conectix") found.problem = "its two footers contradict each other";
    return Result<void>();
  }
  if (type != kVhdDynamic && type != kVhdDifferencing) {
    found.problem = fmt::format("vhd type {} is not supported", type);
    return Result<void>();
  }
  return inspect_dynamic_vhd(reader, footer, found);
}

Result<void> inspect_vdi(RandomReader& reader, Inspection& found) {
  CLOUDOS_TRY(const Window w, read_window(reader, 0, 512));
  if (w.size() < 512) {
    found.problem = "its header is cut off";
    return Result<void>();
  }
  const std::uint32_t type = w.le32(0x4c);
  const std::uint64_t map = w.le32(0x154);
  const std::uint64_t block = w.le32(0x178);
  const std::uint64_t blocks = w.le32(0x180);
  found.virtual_size_bytes = w.le64(0x170);
  if (w.le32(0x44) != 0x00010001) {
    found.problem = fmt::format("vdi version {:#x} is not supported", w.le32(0x44));
  } else if (!all_zero(w, 0x1a8, 16) || !all_zero(w, 0x1b8, 16)) {
    found.backing_file = "(by uuid)";
    found.problem = "it has a parent: flatten it first (qemu-img convert)";
  } else if (type != 1 && type != 2) {
    found.problem = fmt::format("vdi type {} is not supported", type);
  } else if (block != 1 << 20 || w.le32(0x168) != 512) {
    found.problem = "its block size is out of range";
  } else if (!inside(map, blocks * 4, reader.size()) || w.le32(0x158) % 512 != 0) {
    found.problem = "its block map lies outside the file";
  } else if (found.virtual_size_bytes > blocks * block) {
    found.problem = "its block map is too small for its disk";
  }
  return Result<void>();
}

}  // namespace cloudos::image

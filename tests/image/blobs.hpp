#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "image/inspect.hpp"

/// Disk images made by hand, byte for byte, for the inspector's tables.
namespace image_test {

using namespace cloudos;

/// A file in memory with numbers put at offsets; grows with zeros.
class Blob {
 public:
  explicit Blob(std::size_t size = 0) : bytes(size, '\0') {}
  Blob& text(std::size_t at, std::string_view what) {
    if (bytes.size() < at + what.size()) bytes.resize(at + what.size(), '\0');
    bytes.replace(at, what.size(), what);
    return *this;
  }
  Blob& be(std::size_t at, std::uint64_t value, std::size_t width) {
    std::string number(width, '\0');
    for (std::size_t i = 0; i < width; ++i)
      number[width - 1 - i] = static_cast<char>(value >> (8 * i));
    return text(at, number);
  }
  Blob& le(std::size_t at, std::uint64_t value, std::size_t width) {
    std::string number(width, '\0');
    for (std::size_t i = 0; i < width; ++i) number[i] = static_cast<char>(value >> (8 * i));
    return text(at, number);
  }
  Blob& cut(std::size_t size) {
    bytes.resize(size, '\0');
    return *this;
  }
  std::string bytes;
};

class BlobReader final : public image::RandomReader {
 public:
  explicit BlobReader(std::string_view bytes) : bytes_(bytes) {}
  std::uint64_t size() const override { return bytes_.size(); }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> buffer) override {
    if (offset >= bytes_.size()) return std::size_t{0};
    const std::size_t count =
        std::min<std::size_t>(buffer.size(), bytes_.size() - static_cast<std::size_t>(offset));
    std::memcpy(buffer.data(), bytes_.data() + offset, count);
    most_read = std::max(most_read, buffer.size());
    total_read += count;
    return count;
  }
  std::size_t most_read = 0, total_read = 0;

 private:
  std::string_view bytes_;
};

/// A disk of 64 MiB in 64 KiB clusters: header, refcount table, refcount block, L1 table.
inline Blob qcow2(std::uint32_t version = 3) {
  Blob b(5 * 65'536);
  b.text(0, "QFI\xfb").be(4, version, 4).be(20, 16, 4).be(24, 64 << 20, 8).be(36, 1, 4);
  b.be(40, 3 * 65'536, 8).be(48, 65'536, 8).be(56, 1, 4);
  if (version >= 3) b.be(96, 4, 4).be(100, 104, 4);
  return b;
}
inline Blob qcow2_with_backing(std::string_view name) {
  Blob b = qcow2();
  return b.be(8, 512, 8).be(16, name.size(), 4).text(512, name);
}
inline Blob qcow2_with_extension(std::uint32_t type, std::string_view data) {
  Blob b = qcow2();
  return b.be(104, type, 4).be(108, data.size(), 4).text(112, data);
}

inline std::string vmdk_descriptor(std::string_view type, std::string_view extents,
                                   std::string_view more = "") {
  return "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"" +
         std::string(type) + "\"\n" + std::string(more) + "\n# Extent description\n" +
         std::string(extents) + "\n\n# The Disk Data Base\nddb.adapterType = \"ide\"\n";
}
inline constexpr std::string_view kOwnExtent = "RW 131072 SPARSE \"disk.vmdk\"";
/// A sparse extent of 64 MiB with its descriptor inside.
inline Blob vmdk(std::string_view descriptor) {
  Blob b(128 * 512);
  b.text(0, "KDMV").le(4, 1, 4).le(8, 3, 4).le(12, 131'072, 8).le(20, 128, 8).le(28, 1, 8);
  b.le(36, 20, 8).le(44, 512, 4).le(48, 21, 8).le(56, 26, 8).text(73, "\n \r\n");
  return b.text(512, descriptor);
}
inline Blob vmdk() { return vmdk(vmdk_descriptor("monolithicSparse", kOwnExtent)); }
inline Blob stream_vmdk(std::uint64_t footer_capacity = 131'072) {
  Blob b = vmdk(vmdk_descriptor("streamOptimized", kOwnExtent));
  b.le(4, 3, 4).le(56, UINT64_MAX, 8);
  const std::string header = b.bytes.substr(0, 512);
  b.cut(131 * 512).text(129 * 512, header).le(129 * 512 + 56, 100, 8);
  return b.le(129 * 512 + 12, footer_capacity, 8);
}

inline void vhd_checksum(Blob& b, std::size_t from, std::size_t length, std::size_t at) {
  std::uint32_t sum = 0;
  b.be(from + at, 0, 4);
  for (std::size_t i = 0; i < length; ++i) sum += static_cast<std::uint8_t>(b.bytes[from + i]);
  b.be(from + at, ~sum, 4);
}
inline void vhd_footer(Blob& b, std::size_t at, std::uint32_t type, std::uint64_t size) {
  b.text(at, "conectix").be(at + 12, 0x10000, 4).be(at + 16, type == 2 ? UINT64_MAX : 512, 8);
  b.be(at + 40, size, 8).be(at + 48, size, 8).be(at + 60, type, 4).cut(std::max(b.bytes.size(),
                                                                              at + 512));
  vhd_checksum(b, at, 512, 64);
}
inline Blob fixed_vhd() {
  Blob b(8'192);
  vhd_footer(b, 8'192, 2, 8'192);
  return b;
}
/// A disk of 64 MiB in blocks of 2 MiB.
inline Blob dynamic_vhd(std::uint32_t type = 3, std::string_view parent = "") {
  Blob b(512 + 1'024 + 512);
  vhd_footer(b, 0, type, 64 << 20);
  b.text(512, "cxsparse").be(512 + 16, 1'536, 8).be(512 + 28, 32, 4).be(512 + 32, 2 << 20, 4);
  for (std::size_t i = 0; i < parent.size(); ++i)
    b.be(512 + 64 + 2 * i, static_cast<std::uint8_t>(parent[i]), 2);
  vhd_checksum(b, 512, 1'024, 36);
  return b;
}
/// A disk of 64 MiB.
inline Blob vdi() {
  Blob b(4'096);
  b.text(0, "<<< Oracle VM VirtualBox Disk Image >>>\n").le(0x40, 0xbeda107f, 4);
  b.le(0x44, 0x10001, 4).le(0x48, 0x190, 4).le(0x4c, 1, 4).le(0x154, 512, 4).le(0x158, 1'024, 4);
  return b.le(0x168, 512, 4).le(0x170, 64 << 20, 8).le(0x178, 1 << 20, 4).le(0x180, 64, 4);
}
inline Blob iso() {
  Blob b(20 * 2'048);
  return b.text(32'768, std::string_view("\x01" "CD001", 6));
}

}  // namespace image_test

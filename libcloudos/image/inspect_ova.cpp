#include <fmt/format.h>

#include "base/text.hpp"
#include "cloudos/limits.hpp"
#include "image/inspect_formats.hpp"

// Source: DMTF DSP0243 (an OVA is a tar of an OVF package, its descriptor first); POSIX ustar.
namespace cloudos::image {
namespace {

constexpr std::uint64_t kTarBlock = 512;
constexpr std::size_t kOvaDisks = 64;

/// A stretch of another reader, which outlives it.
class SliceReader final : public RandomReader {
 public:
  SliceReader(RandomReader& whole, std::uint64_t offset, std::uint64_t size)
      : whole_(whole), offset_(offset), size_(size) {}
  std::uint64_t size() const override { return size_; }
  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> buffer) override {
    if (offset >= size_) return std::size_t{0};
    const auto most = static_cast<std::size_t>(
        std::min<std::uint64_t>(buffer.size(), size_ - offset));
    return whole_.read_at(offset_ + offset, buffer.first(most));
  }

 private:
  RandomReader& whole_;
  std::uint64_t offset_, size_;
};

std::string_view tar_text(const Window& w, std::size_t at, std::size_t length) {
  const std::string_view field = w.text(at, length);
  return field.substr(0, field.find('\0'));
}

/// Octal digits, then blanks or zero bytes; or 8 bytes of a number behind 0x80 (GNU).
std::optional<std::uint64_t> tar_number(const Window& w, std::size_t at, std::size_t length) {
  if (w.u8(at) == 0x80) return w.be64(at + length - 8);
  const std::string_view digits = trim(tar_text(w, at, length));
  std::uint64_t value = 0;
  for (const char c : digits) {
    if (c < '0' || c > '7' || value >> 60 != 0) return std::nullopt;
    value = value * 8 + static_cast<std::uint64_t>(c - '0');
  }
  if (digits.empty()) return std::nullopt;
  return value;
}

bool tar_checksum_holds(const Window& w) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < w.size(); ++i) sum += i >= 148 && i < 156 ? ' ' : w.u8(i);
  return tar_number(w, 148, 8) == sum;
}

struct TarEntry {
  std::string name;
  std::uint64_t offset = 0, size = 0;
  char type = 0;
};

/// The entry whose header is at `at`. A problem is told in `found`.
Result<TarEntry> read_tar_entry(RandomReader& reader, std::uint64_t at, Inspection& found) {
  TarEntry entry;
  CLOUDOS_TRY(const Window header, read_window(reader, at, kTarBlock));
  const auto size = tar_number(header, 124, 12);
  if (header.size() < kTarBlock || header.text(257, 5) != "ustar" || !tar_checksum_holds(header) ||
      !size || !inside(at + kTarBlock, *size, reader.size())) {
    found.problem = "it is no whole tar archive";
    return entry;
  }
  entry.name = tar_text(header, 0, 100);
  entry.type = static_cast<char>(header.u8(156));
  entry.offset = at + kTarBlock;
  entry.size = *size;
  // A path, a link or a device has no place in a package, and tools would follow it.
  if ((entry.type != '0' && entry.type != '\0') || !tar_text(header, 345, 155).empty() ||
      entry.name.empty() || entry.name.find('/') != std::string::npos) {
    found.problem = fmt::format("its entry '{}' is no plain file beside its descriptor",
                                shown(entry.name));
  }
  return entry;
}

/// The disks of the package. Content that cannot be used is told in `found`.
Result<void> check_ova_entry(RandomReader& reader, const TarEntry& entry, Inspection& found) {
  const std::string name = fold_case(entry.name);
  if (!name.ends_with(".vmdk")) return Result<void>();
  if (found.extents.size() == kOvaDisks) {
    found.problem = "it has too many disks";
    return Result<void>();
  }
  SliceReader disk(reader, entry.offset, entry.size);
  Inspection inner;
  inner.content = Content::Vmdk;
  CLOUDOS_CHECK(inspect_vmdk(disk, inner));
  found.virtual_size_bytes += inner.virtual_size_bytes;
  found.extents.push_back(entry.name);
  if (!inner.problem.empty()) {
    found.backing_file = inner.backing_file;
    found.problem = fmt::format("its disk '{}': {}", shown(entry.name), inner.problem);
  }
  return Result<void>();
}

}  // namespace

bool is_tar(const Window& head) { return head.text(257, 5) == "ustar"; }

Result<void> inspect_ova(RandomReader& reader, Inspection& found) {
  std::uint64_t at = 0;
  std::size_t entries = 0;
  for (; at < reader.size(); ++entries) {
    CLOUDOS_TRY(const Window first, read_window(reader, at, 1));
    if (first.u8(0) == 0) break;  // The zero blocks behind the last entry.
    if (entries == limits::kImageTarEntries) {
      found.problem = "it has too many entries";
      return Result<void>();
    }
    CLOUDOS_TRY(const TarEntry entry, read_tar_entry(reader, at, found));
    if (!found.problem.empty()) return Result<void>();
    if (entries == 0 && !fold_case(entry.name).ends_with(".ovf")) {
      found.problem = "its first entry is no .ovf descriptor";
      return Result<void>();
    }
    CLOUDOS_CHECK(check_ova_entry(reader, entry, found));
    if (!found.problem.empty()) return Result<void>();
    at = entry.offset + (entry.size + kTarBlock - 1) / kTarBlock * kTarBlock;
  }
  if (entries == 0) found.problem = "it has no entries";
  else if (found.extents.empty()) found.problem = "it has no .vmdk disk";
  return Result<void>();
}

}  // namespace cloudos::image

#include "image/inspect.hpp"

#include <array>

#include <fmt/format.h>

#include "cloudos/limits.hpp"
#include "image/inspect_formats.hpp"

namespace cloudos::image {
namespace {

using namespace std::string_view_literals;

struct Magic {
  std::string_view bytes;
  std::size_t offset;
  Content content;
};
constexpr std::array kMagics{
    Magic{"QFI\xfb"sv, 0, Content::Qcow2},
    Magic{"QED\0"sv, 0, Content::Qed},
    Magic{"KDMV"sv, 0, Content::Vmdk},
    Magic{"COWD"sv, 0, Content::Vmdk},
    Magic{"conectix"sv, 0, Content::Vhd},
    Magic{"vhdxfile"sv, 0, Content::Vhdx},
    Magic{"\x7f\x10\xda\xbe"sv, 64, Content::Vdi},
    Magic{"LUKS\xba\xbe"sv, 0, Content::Luks},
    Magic{"SKUL\xba\xbe"sv, 0, Content::Luks},
    Magic{"WithoutFreeSpace"sv, 0, Content::Parallels},
    Magic{"WithouFreSpacExt"sv, 0, Content::Parallels},
    Magic{"Bochs Virtual HD Image"sv, 0, Content::Bochs},
    Magic{"#!/bin/sh\n#V2.0 Format\n"sv, 0, Content::Cloop},
};
constexpr std::size_t kHeadBytes = 4'096;
constexpr std::uint64_t kIsoDescriptorAt = 32'768;
constexpr std::uint64_t kIsoDescriptors = 32;

/// ISO 9660: one of the volume descriptors, which begin at sector 16, is "CD001".
Result<bool> is_iso(RandomReader& reader) {
  for (std::uint64_t i = 0; i < kIsoDescriptors; ++i) {
    CLOUDOS_TRY(const Window sector, read_window(reader, kIsoDescriptorAt + i * 2'048, 6));
    if (sector.size() < 6) return false;
    if (sector.text(1, 5) == "CD001") return true;
    if (i == 0 && sector.text(1, 5) != "BEA01") return false;  // Only UDF bridges come first.
  }
  return false;
}

/// Everything the first bytes look like: more than one thing is a file made to be taken for both.
std::vector<Content> contents_at_head(const Window& head) {
  std::vector<Content> all;
  for (const Magic& magic : kMagics) {
    if (head.text(magic.offset, magic.bytes.size()) == magic.bytes) all.push_back(magic.content);
  }
  if (is_vmdk_descriptor(head.text(0, kHeadBytes))) all.push_back(Content::Vmdk);
  return all;
}

/// Sector 0 ends in a boot signature; a GPT's begins sector 1 (of 512 or of 4,096 bytes).
Partitions partitions_of(const Window& head, std::string_view sector_4k) {
  if (head.text(510, 2) != "\x55\xaa") return Partitions::None;
  const bool gpt = head.text(512, 8) == "EFI PART" || sector_4k == "EFI PART";
  return gpt ? Partitions::Gpt : Partitions::Mbr;
}

Result<void> inspect_as(RandomReader& reader, Inspection& found) {
  switch (found.content) {
    case Content::Qcow2: return inspect_qcow2(reader, found);
    case Content::Vmdk: return inspect_vmdk(reader, found);
    case Content::Vhd: return inspect_vhd(reader, found);
    case Content::Vhdx: return inspect_vhdx(reader, found);
    case Content::Vdi: return inspect_vdi(reader, found);
    case Content::Ova: return inspect_ova(reader, found);
    case Content::Raw:
    case Content::Iso:
    case Content::Luks:
      found.virtual_size_bytes = reader.size();
      return Result<void>();
    default:
      found.problem = fmt::format("the format {} is not supported: convert it to qcow2 first",
                                  to_string(found.content));
      return Result<void>();
  }
}

/// What `declared` means for the bytes: kernels, ramdisks and partitions have no structure of ours.
Content content_of(DiskFormat declared) {
  switch (declared) {
    case DiskFormat::Qcow2: return Content::Qcow2;
    case DiskFormat::Vmdk: return Content::Vmdk;
    case DiskFormat::Vhd: return Content::Vhd;
    case DiskFormat::Vhdx: return Content::Vhdx;
    case DiskFormat::Vdi: return Content::Vdi;
    case DiskFormat::Iso: return Content::Iso;
    default: return Content::Raw;
  }
}

}  // namespace

std::string_view to_string(Content content) {
  constexpr std::array<std::string_view, 13> kNames{
      "raw", "qcow2", "vmdk", "vhd", "vdi", "iso", "vhdx", "ova", "luks", "qed", "parallels",
      "bochs", "cloop"};
  return kNames.at(static_cast<std::size_t>(content));
}

std::string_view Window::text(std::size_t at, std::size_t length) const {
  if (at >= bytes_.size()) return {};
  return {reinterpret_cast<const char*>(bytes_.data()) + at, std::min(length, bytes_.size() - at)};
}

std::uint64_t Window::number(std::size_t at, std::size_t bytes, bool little) const {
  if (at > bytes_.size() || bytes_.size() - at < bytes) {
    cut_ = true;
    return 0;
  }
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    const std::size_t from = little ? at + bytes - 1 - i : at + i;
    value = value << 8 | std::to_integer<std::uint64_t>(bytes_[from]);
  }
  return value;
}

Result<Window> read_window(RandomReader& reader, std::uint64_t offset, std::size_t length) {
  const std::uint64_t size = reader.size();
  if (offset >= size) return Window({});
  std::vector<std::byte> bytes(
      static_cast<std::size_t>(std::min<std::uint64_t>(length, size - offset)));
  CLOUDOS_TRY(const std::size_t got, reader.read_at(offset, bytes));
  bytes.resize(got);
  return Window(std::move(bytes));
}

bool inside(std::uint64_t offset, std::uint64_t length, std::uint64_t size) {
  return offset <= size && length <= size - offset;
}

std::string shown(std::string_view text) {
  std::string safe;
  for (const char c : text.substr(0, 64)) safe += c >= 0x20 && c < 0x7f ? c : '?';
  if (text.size() > 64) safe += "...";
  return safe;
}

namespace {

/// All that the content could be taken for; the first counts, and a second one is a trick. Raw:
/// nothing is recognised.
Result<std::vector<Content>> recognise(RandomReader& reader, const InspectRules& rules,
                                       Inspection& found) {
  CLOUDOS_TRY(const Window head, read_window(reader, 0, kHeadBytes));
  CLOUDOS_TRY(const Window sector_4k, read_window(reader, kHeadBytes, 8));
  std::vector<Content> all = contents_at_head(head);
  if (rules.ova && is_tar(head)) all.push_back(Content::Ova);
  CLOUDOS_TRY(const bool iso, is_iso(reader));
  if (iso) all.push_back(Content::Iso);
  CLOUDOS_TRY(const bool footer, has_vhd_footer(reader));
  // A dynamic VHD's own first bytes make it one already; see inspect_vhd.
  if (footer && (all.empty() || all.front() != Content::Vhd)) all.push_back(Content::Vhd);
  if (all.empty()) all.push_back(Content::Raw);
  found.partitions = partitions_of(head, sector_4k.text(0, 8));
  return all;
}

}  // namespace

Result<Inspection> inspect(RandomReader& reader, const InspectRules& rules) {
  Inspection found;
  if (reader.size() == 0) {
    found.problem = "it has no bytes";
    return found;
  }
  CLOUDOS_TRY(const std::vector<Content> all, recognise(reader, rules, found));
  found.content = all.front();
  CLOUDOS_CHECK(inspect_as(reader, found));
  if (!found.problem.empty()) return found;
  if (all.size() > 1) {
    // Which of the two a tool sees depends on the tool: that is how checks are got round.
    found.problem = fmt::format("it is {} and {} at once", to_string(all[0]), to_string(all[1]));
  } else if (found.content == Content::Luks && !rules.luks) {
    found.problem = "it is encrypted with LUKS, and its key is not ours to hold";
  } else if (rules.ova && found.content != Content::Ova) {
    found.problem = "it is no tar of an OVF package, as its container format says";
  } else if (found.virtual_size_bytes == 0) {
    found.problem = "its disk has no bytes";
  } else if (found.virtual_size_bytes > limits::kImageVirtualBytes) {
    found.problem = fmt::format("its disk of {} bytes is larger than the limit of {} bytes",
                                found.virtual_size_bytes, limits::kImageVirtualBytes);
  }
  return found;
}

Result<void> check_content(const Inspection& found, DiskFormat declared) {
  Content content = found.content;
  if (content == Content::Ova) content = Content::Vmdk;  // What the package's disks are.
  if (content == Content::Luks) content = Content::Raw;  // Told to pass, or it had a problem.
  if (found.problem.empty() && content != content_of(declared)) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("image data refused: it is {}, not {} as disk_format says",
                            to_string(found.content), cloudos::to_string(declared)));
  }
  if (!found.problem.empty()) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("image data refused ({} found): {}", to_string(found.content),
                            found.problem));
  }
  return Result<void>();
}

}  // namespace cloudos::image

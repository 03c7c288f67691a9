#include <fmt/format.h>

#include "base/text.hpp"
#include "cloudos/limits.hpp"
#include "image/inspect_formats.hpp"

// Source: VMware, Virtual Disk Format 5.0; QEMU, block/vmdk.c for what an opener follows.
namespace cloudos::image {
namespace {

constexpr std::uint64_t kVmdkSector = 512;
constexpr std::uint64_t kVmdkDirectoryAtEnd = UINT64_MAX;

struct VmdkHeader {
  std::uint32_t version = 0, tables_per_grain = 0;
  std::uint64_t capacity = 0, grain = 0, descriptor_at = 0, descriptor_sectors = 0, directory = 0;
};

VmdkHeader decode_vmdk(const Window& w, std::size_t from) {
  VmdkHeader h;
  h.version = w.le32(from + 4);
  h.capacity = w.le64(from + 12);
  h.grain = w.le64(from + 20);
  h.descriptor_at = w.le64(from + 28);
  h.descriptor_sectors = w.le64(from + 36);
  h.tables_per_grain = w.le32(from + 44);
  h.directory = w.le64(from + 56);
  return h;
}

std::string vmdk_header_problem(const VmdkHeader& h, std::uint64_t file_size) {
  if (h.version < 1 || h.version > 3) {
    return fmt::format("vmdk version {} is not supported", h.version);
  }
  // With no capacity an opener follows the descriptor's extents instead of this file.
  if (h.capacity == 0) return "it has no capacity of its own";
  if (h.capacity > limits::kImageVirtualBytes / kVmdkSector) return "its capacity is out of range";
  if (h.grain == 0 || h.grain > 1'024 * 1'024 || (h.grain & (h.grain - 1)) != 0) {
    return "its grain size is out of range";
  }
  if (h.tables_per_grain == 0 || h.tables_per_grain > 512) return "its tables are out of range";
  if (h.descriptor_at == 0 || h.descriptor_sectors == 0) return "it has no descriptor";
  if (h.descriptor_sectors > limits::kImageDescriptorBytes / kVmdkSector ||
      h.descriptor_at > file_size / kVmdkSector ||
      !inside(h.descriptor_at * kVmdkSector, h.descriptor_sectors * kVmdkSector, file_size)) {
    return "its descriptor lies outside the file, or is too long";
  }
  if (h.directory != kVmdkDirectoryAtEnd && h.directory >= file_size / kVmdkSector) {
    return "its grain directory lies outside the file";
  }
  return {};
}

/// The value of `key="value"` in a line, without quotes; nothing when the line is another one.
std::optional<std::string_view> vmdk_value(std::string_view line, std::string_view key) {
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  if (!equals_ignore_case(trim(line.substr(0, equals)), key)) return std::nullopt;
  std::string_view value = trim(line.substr(equals + 1));
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
    value = value.substr(1, value.size() - 2);
  }
  return value;
}

struct VmdkExtent {
  std::string_view type, name;
};

/// An extent line: RW 2048 SPARSE "disk.vmdk" [offset]. Nothing when the line is another one.
std::optional<VmdkExtent> vmdk_extent(std::string_view line) {
  const std::size_t blank = line.find_first_of(" \t");
  const std::string_view access = line.substr(0, blank);
  if (!equals_ignore_case(access, "RW") && !equals_ignore_case(access, "RDONLY") &&
      !equals_ignore_case(access, "NOACCESS")) {
    return std::nullopt;
  }
  VmdkExtent extent;
  const std::size_t open = line.find('"');
  if (open != std::string_view::npos) {
    const std::size_t close = line.find('"', open + 1);
    extent.name = line.substr(open + 1, close == std::string_view::npos ? close : close - open - 1);
  }
  for (const std::string_view word : split(line.substr(0, open), ' ')) {
    if (!trim(word).empty()) extent.type = trim(word);
  }
  return extent;
}

void check_vmdk_descriptor(std::string_view text, Inspection& found) {
  std::string create_type;
  text = text.substr(0, text.find('\0'));
  std::size_t sparse = 0;
  for (std::string_view line : split(text, '\n')) {
    line = trim(line);
    if (const auto value = vmdk_value(line, "createType")) create_type = fold_case(*value);
    if (const auto value = vmdk_value(line, "parentFileNameHint")) {
      found.backing_file = std::string(*value);
    }
    if (const auto value = vmdk_value(line, "parentCID");
        value && !equals_ignore_case(*value, "ffffffff") && found.backing_file.empty()) {
      found.backing_file = fmt::format("parent {}", *value);
    }
    if (const auto extent = vmdk_extent(line)) {
      found.extents.emplace_back(extent->name);
      if (equals_ignore_case(extent->type, "SPARSE")) ++sparse;
    }
  }
  if (!found.backing_file.empty()) {
    found.problem = fmt::format("it has a parent '{}': flatten it first (qemu-img convert)",
                                shown(found.backing_file));
  } else if (create_type != "monolithicsparse" && create_type != "streamoptimized") {
    found.problem = fmt::format("its type '{}' is not supported, only monolithicSparse and "
                                "streamOptimized", shown(create_type));
  } else if (found.extents.size() != 1 || sparse != 1) {
    found.problem = fmt::format("it names {} extents, only its own is allowed",
                                found.extents.size());
  } else if (found.extents[0].find_first_of("/\\:") != std::string::npos) {
    found.problem = fmt::format("its extent names another file '{}'", shown(found.extents[0]));
  }
}

/// A stream's directory is found through a second header at the end, which must tell the same.
Result<void> check_vmdk_footer(RandomReader& reader, const VmdkHeader& header, Inspection& found) {
  found.problem = "its footer is missing or contradicts its header";
  if (reader.size() < 3 * kVmdkSector) return Result<void>();
  CLOUDOS_TRY(const Window footer, read_window(reader, reader.size() - 2 * kVmdkSector, 512));
  if (footer.text(0, 4) != "KDMV") return Result<void>();
  const VmdkHeader last = decode_vmdk(footer, 0);
  const bool same = last.capacity == header.capacity && last.grain == header.grain &&
                    last.tables_per_grain == header.tables_per_grain &&
                    last.version == header.version;
  if (same && last.directory < reader.size() / kVmdkSector) found.problem.clear();
  return Result<void>();
}

}  // namespace

bool is_vmdk_descriptor(std::string_view head) {
  while (!head.empty()) {
    const std::size_t end = std::min(head.find('\n'), head.size());
    std::string_view line = head.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    head.remove_prefix(std::min(end + 1, head.size()));
    if (line.starts_with("# Disk DescriptorFile")) return true;
    if (line.starts_with("version=")) return true;
    const bool blank = line.find_first_not_of(' ') == std::string_view::npos;
    if (!blank && line.front() != '#') return false;
  }
  return false;
}

Result<void> inspect_vmdk(RandomReader& reader, Inspection& found) {
  CLOUDOS_TRY(const Window window, read_window(reader, 0, 512));
  if (window.text(0, 4) != "KDMV") {
    CLOUDOS_TRY(const Window text, read_window(reader, 0, limits::kImageDescriptorBytes));
    check_vmdk_descriptor(text.text(0, text.size()), found);
    found.problem = "it is a descriptor or another kind whose data lies in other files";
    return Result<void>();
  }
  const VmdkHeader header = decode_vmdk(window, 0);
  if (window.cut()) {
    found.problem = "its header is cut off";
    return Result<void>();
  }
  found.problem = vmdk_header_problem(header, reader.size());
  if (!found.problem.empty()) return Result<void>();
  found.virtual_size_bytes = header.capacity * kVmdkSector;
  CLOUDOS_TRY(const Window text,
              read_window(reader, header.descriptor_at * kVmdkSector,
                          static_cast<std::size_t>(header.descriptor_sectors * kVmdkSector)));
  check_vmdk_descriptor(text.text(0, text.size()), found);
  if (found.problem.empty() && header.directory == kVmdkDirectoryAtEnd) {
    return check_vmdk_footer(reader, header, found);
  }
  return Result<void>();
}

}  // namespace cloudos::image

#pragma once
#include "image/inspect.hpp"

/// The parts of inspect(): one function per format, each for a file that begins like that format.
namespace cloudos::image {

/// A stretch of the file; numbers are read with bounds: beyond the end they are zero and `cut` is
/// set, which every format's function checks once.
class Window {
 public:
  explicit Window(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {}
  std::size_t size() const { return bytes_.size(); }
  std::uint8_t u8(std::size_t at) const { return static_cast<std::uint8_t>(number(at, 1, false)); }
  std::uint16_t le16(std::size_t at) const {
    return static_cast<std::uint16_t>(number(at, 2, true));
  }
  std::uint32_t le32(std::size_t at) const {
    return static_cast<std::uint32_t>(number(at, 4, true));
  }
  std::uint64_t le64(std::size_t at) const { return number(at, 8, true); }
  std::uint32_t be32(std::size_t at) const {
    return static_cast<std::uint32_t>(number(at, 4, false));
  }
  std::uint64_t be64(std::size_t at) const { return number(at, 8, false); }
  /// At most `length` bytes from `at`; fewer at the end.
  std::string_view text(std::size_t at, std::size_t length) const;
  bool cut() const { return cut_; }

 private:
  std::uint64_t number(std::size_t at, std::size_t bytes, bool little) const;
  std::vector<std::byte> bytes_;
  mutable bool cut_ = false;
};

/// At most `length` bytes from `offset`; shorter (or empty) at the end of the file.
Result<Window> read_window(RandomReader& reader, std::uint64_t offset, std::size_t length);

/// Is [offset, offset + length) inside a file of `size` bytes? Without overflow.
bool inside(std::uint64_t offset, std::uint64_t length, std::uint64_t size);

/// Text of a file as a message may show it: printable ASCII, at most 64 characters.
std::string shown(std::string_view text);

Result<void> inspect_qcow2(RandomReader& reader, Inspection& found);
Result<void> inspect_vmdk(RandomReader& reader, Inspection& found);
Result<void> inspect_vhd(RandomReader& reader, Inspection& found);
Result<void> inspect_vdi(RandomReader& reader, Inspection& found);
Result<void> inspect_vhdx(RandomReader& reader, Inspection& found);
Result<void> inspect_ova(RandomReader& reader, Inspection& found);
bool is_tar(const Window& head);

/// Begins like a VMDK descriptor: comments and blank lines, then "version=".
bool is_vmdk_descriptor(std::string_view head);
/// The last 512 bytes are the footer of a fixed VHD over everything before them.
Result<bool> has_vhd_footer(RandomReader& reader);

}  // namespace cloudos::image

#include "hypervisor/spec.hpp"

#include <algorithm>
#include <cctype>

#include "base/text.hpp"
#include "cloudos/limits.hpp"

namespace cloudos::hypervisor {
namespace {

struct FormatName {
  std::string_view image;
  std::string_view qemu;
};
// An ISO or an Amazon machine image is just bytes to a disk.
constexpr FormatName kFormatNames[] = {{"raw", "raw"}, {"qcow2", "qcow2"}, {"vmdk", "vmdk"},
                                       {"vdi", "vdi"}, {"vhd", "vpc"},     {"vhdx", "vhdx"},
                                       {"iso", "raw"}, {"ami", "raw"}};
constexpr std::size_t kDeviceNameBytes = 15;  // IFNAMSIZ without the zero

Result<void> invalid(std::string message) {
  return fail(ErrorCode::InvalidArgument, std::move(message));
}

// QEMU's and libvirt's file names pass through files of ours: no control character may end a line.
bool usable_path(const std::filesystem::path& path) {
  const std::string& text = path.native();
  return path.is_absolute() && utf8_length(text).has_value() &&
         std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20; });
}

bool is_mac(std::string_view text) {
  if (text.size() != 17) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (i % 3 == 2 ? c != ':' : std::isxdigit(c) == 0) return false;
  }
  return true;
}

bool is_device_name(std::string_view text) {
  return text.size() <= kDeviceNameBytes &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
         });
}

// These become parts of QEMU's command line, where a comma begins another option.
bool is_plain_ipv4(std::string_view text) {
  return text.size() <= 18 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isdigit(c) != 0 || c == '.' || c == '/';
         });
}

}  // namespace

Result<void> check_disk(const DiskSpec& disk) {
  if (!usable_path(disk.path)) return invalid("a disk needs an absolute path");
  if (disk.size_bytes > limits::kDiskBytes) return invalid("a disk has at most 64 TiB");
  if (disk.backing.empty()) {
    return disk.size_bytes != 0 ? Result<void>() : invalid("a blank disk needs a size");
  }
  if (!usable_path(disk.backing)) return invalid("a backing file needs an absolute path");
  if (disk.backing.native().size() > limits::kDiskBackingBytes) {
    return invalid("a backing file's path has at most 1023 bytes");
  }
  if (qemu_format(disk.backing_format).empty()) {
    return invalid("the backing file's format is not one a guest can start from");
  }
  return Result<void>();
}

Result<void> check_nic(const NicSpec& nic) {
  if (!is_mac(nic.mac)) return invalid("a network interface needs a MAC address");
  if (!is_device_name(nic.tap)) return invalid("a tap's name is no device name");
  const UserModeNet& nat = nic.user_mode;
  for (const std::string* text : {&nat.cidr, &nat.gateway, &nat.resolver, &nat.address})
    if (!is_plain_ipv4(*text) || text->empty() != nat.cidr.empty())
      return invalid("a user-mode network needs four IPv4 addresses");
  return Result<void>();
}

Result<void> check_domain(const DomainSpec& spec) {
  // Dashes too: libvirt shows ids with them, and the two must be the same text.
  if (spec.id.value.size() != 36 || !is_uuid_like(spec.id.value)) {
    return invalid("a domain's id must be a UUID");
  }
  if (spec.vcpus == 0 || spec.vcpus > limits::kDomainVcpus) {
    return invalid("a domain needs 1 to 255 processors");
  }
  if (spec.ram_mib == 0 || spec.ram_mib > limits::kDomainRamMib) {
    return invalid("a domain needs 1 MiB to 16 TiB of memory");
  }
  if (spec.disks.size() > limits::kDomainDisks || spec.nics.size() > limits::kDomainNics) {
    return invalid("a domain takes at most 26 disks and 28 network interfaces");
  }
  for (const DiskSpec& disk : spec.disks) CLOUDOS_CHECK(check_disk(disk));
  for (const NicSpec& nic : spec.nics) CLOUDOS_CHECK(check_nic(nic));
  if (!spec.console_log.empty() && !usable_path(spec.console_log)) {
    return invalid("the console log needs an absolute path");
  }
  return Result<void>();
}

std::string_view qemu_format(std::string_view format) {
  for (const FormatName& name : kFormatNames) {
    if (name.image == format) return name.qemu;
  }
  return {};
}

Result<void> Driver::attach_interface(const ServerId&, const NicSpec&) {
  return fail(ErrorCode::Unsupported, no_plugging());
}

Result<Detached> Driver::detach_interface(const ServerId&, const std::string&) {
  return fail(ErrorCode::Unsupported, no_plugging());
}

std::string no_plugging() {
  return "this server's interfaces cannot be changed while it runs: stop it first";
}

Error unknown_domain() {
  return {ErrorCode::NotFound, "the hypervisor does not know this server", {}};
}

Error foreign_domain() {
  return {ErrorCode::Conflict,
          "a domain with this server's id exists on the hypervisor and is not this cloud's",
          {}};
}

}  // namespace cloudos::hypervisor

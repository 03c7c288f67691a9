#include "hypervisor/domain_xml.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/text.hpp"
#include "hypervisor/spec.hpp"

namespace cloudos::hypervisor {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

struct Escape {
  std::string_view name;
  char character;
};
constexpr Escape kEscapes[] = {
    {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};

std::string xml_unescape(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto* found = std::find_if(std::begin(kEscapes), std::end(kEscapes),
                                     [&](const Escape& e) { return text.starts_with(e.name); });
    out += found != std::end(kEscapes) ? found->character : text.front();
    text.remove_prefix(found != std::end(kEscapes) ? found->name.size() : 1);
  }
  return out;
}

// "vda" … "vdz": limits::kDomainDisks stops there.
std::string disk_target(std::size_t index) {
  return fmt::format("vd{}", static_cast<char>('a' + index));
}

// The chain is spelled out down to its end, so libvirt and QEMU never guess a format: a raw disk
// whose guest wrote a qcow2 header into it would name any file of the host as its backing.
void append_disk(std::string& xml, const DiskSpec& disk, std::size_t index) {
  xml += "<disk type='file' device='disk'>";
  xml += "<driver name='qemu' type='qcow2' cache='writeback' discard='unmap'/>";
  xml += fmt::format("<source file='{}'/>", xml_escape(disk.path.native()));
  if (disk.backing.empty()) {
    xml += "<backingStore/>";
  } else {
    xml += fmt::format(
        "<backingStore type='file'><format type='{}'/><source file='{}'/><backingStore/>"
        "</backingStore>",
        qemu_format(disk.backing_format), xml_escape(disk.backing.native()));
  }
  xml += fmt::format("<target dev='{}' bus='virtio'/>", disk_target(index));
  if (index == 0) xml += "<boot order='1'/>";
  xml += "</disk>";
}

void append_nic(std::string& xml, const NicSpec& nic) {
  if (nic.tap.empty()) {
    xml += fmt::format("<interface type='user'><mac address='{}'/><model type='virtio'/>", nic.mac);
  } else {
    // managed='no': the tap is the network driver's; libvirt neither makes nor removes it.
    xml += fmt::format(
        "<interface type='ethernet'><target dev='{}' managed='no'/><mac address='{}'/>"
        "<model type='virtio'/><mtu size='{}'/>",
        nic.tap, nic.mac, nic.mtu);
  }
  xml += "<rom enabled='no'/></interface>";  // Nothing boots from the network.
}

void append_devices(std::string& xml, const DomainSpec& spec, std::string_view virt_type) {
  xml += "<devices>";
  for (std::size_t i = 0; i < spec.disks.size(); ++i) append_disk(xml, spec.disks[i], i);
  for (const NicSpec& nic : spec.nics)
    if (!is_fixed_nic(nic, virt_type)) append_nic(xml, nic);
  if (!spec.console_log.empty()) {
    xml += fmt::format(
        "<serial type='file'><source path='{0}' append='on'/><target port='0'/></serial>"
        "<console type='file'><source path='{0}' append='on'/>"
        "<target type='serial' port='0'/></console>",
        xml_escape(spec.console_log.native()));
  }
  if (virt_type != "test") {
    xml +=
        "<controller type='usb' model='none'/><memballoon model='virtio'/>"
        "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"
        "<video><model type='none'/></video>";
  }
  xml += "</devices>";
}

// QEMU makes these interfaces before libvirt's devices, whose slots were given out from the low end.
constexpr std::size_t kLastPciSlot = 31;
constexpr std::string_view kQemuXmlUri = "http://libvirt.org/schemas/domain/qemu/1.0";

/// What the NAT's DHCP tells the guest as its name, when that is one.
std::string host_name_option(std::string_view name) {
  const bool plain = !name.empty() && name.size() <= 63 && name.front() != '-' &&
                     std::all_of(name.begin(), name.end(), [](unsigned char c) {
                       return (c < 0x80 && std::isalnum(c) != 0) || c == '-';
                     });
  return plain ? fmt::format(",hostname={}", name) : std::string();
}

std::string user_nics_xml(const DomainSpec& spec, std::string_view virt_type) {
  std::string arguments;
  std::size_t slot = kLastPciSlot;
  for (const NicSpec& nic : spec.nics) {
    if (!is_fixed_nic(nic, virt_type)) continue;
    const UserModeNet& nat = nic.user_mode;
    const std::size_t at = slot--;
    const std::string net = fmt::format(
        "user,id=user{},ipv6=off,net={},host={},dns={},dhcpstart={}{}", at, nat.cidr, nat.gateway,
        nat.resolver, nat.address, host_name_option(spec.name));
    const std::string device =
        fmt::format("virtio-net-pci,netdev=user{0},id=usernic{0},mac={1},romfile=,bus=pci.0,"
                    "addr={0:#x}",
                    at, nic.mac);
    for (const std::string_view argument : {std::string_view("-netdev"), std::string_view(net),
                                            std::string_view("-device"), std::string_view(device)})
      arguments += fmt::format("<qemu:arg value='{}'/>", xml_escape(argument));
  }
  if (arguments.empty()) return {};
  return fmt::format("<qemu:commandline xmlns:qemu='{}'>{}</qemu:commandline>", kQemuXmlUri,
                     arguments);
}

// TCG cannot be a copy of the host; "maximum" is all that it emulates. A guest under KVM sees the
// host's model, which can be compared with another host's.
std::string_view cpu_xml(std::string_view virt_type) {
  if (virt_type == "kvm") return "<cpu mode='host-model' check='none'/>";
  if (virt_type == "qemu") return "<cpu mode='maximum' check='none'/>";
  return "";
}

}  // namespace

std::string xml_escape(std::string_view text) {
  const bool valid = utf8_length(text).has_value();
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto* escape = std::find_if(std::begin(kEscapes), std::end(kEscapes),
                                      [&](const Escape& e) { return e.character == text[i]; });
    // U+FFFE and U+FFFF, too, are valid UTF-8 that no XML may hold.
    const bool no_character = byte < 0x20 || byte == 0x7f || (!valid && byte >= 0x80);
    const auto next = text.substr(i, 3);
    if (escape != std::end(kEscapes)) {
      out += escape->name;
    } else if (next == "\xEF\xBF\xBE" || next == "\xEF\xBF\xBF") {
      out += kReplacement;
      i += 2;
    } else if (no_character) {
      out += kReplacement;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string domain_name(std::string_view folder_id, const ServerId& id) {
  return fmt::format("cloudos-{}-{}", folder_id, id.value);
}

std::string domain_xml(const DomainSpec& spec, std::string_view folder_id,
                       std::string_view virt_type) {
  std::string xml = fmt::format("<domain type='{}'>", virt_type);
  xml += fmt::format("<name>{}</name><uuid>{}</uuid>", xml_escape(domain_name(folder_id, spec.id)),
                     spec.id.value);
  // libvirt refuses an empty title and one with line breaks; xml_escape leaves none of those.
  if (!spec.name.empty()) xml += fmt::format("<title>{}</title>", xml_escape(spec.name));
  xml += fmt::format(
      "<metadata><{0}:server xmlns:{0}='{1}' folder='{2}' task='{3}' console='{4}'/></metadata>",
      kMetadataPrefix, kMetadataUri, xml_escape(folder_id), xml_escape(spec.task),
      xml_escape(spec.console_log.native()));
  xml += fmt::format("<memory unit='MiB'>{}</memory><vcpu>{}</vcpu>", spec.ram_mib, spec.vcpus);
  xml += fmt::format("<os><type arch='x86_64'{}>hvm</type></os>",
                     virt_type == "test" ? "" : " machine='pc'");
  xml += "<features><acpi/><apic/></features>";
  xml += cpu_xml(virt_type);
  xml +=
      "<clock offset='utc'/><on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot>"
      "<on_crash>destroy</on_crash>";
  append_devices(xml, spec, virt_type);
  xml += user_nics_xml(spec, virt_type);
  return xml + "</domain>";
}

// libvirt has words for a user-mode network, but not for the address that its DHCP hands out.
bool is_fixed_nic(const NicSpec& nic, std::string_view virt_type) {
  return nic.tap.empty() && !nic.user_mode.cidr.empty() && virt_type != "test";
}

std::string nic_xml(const NicSpec& nic) {
  std::string xml;
  append_nic(xml, nic);
  return xml;
}

NicInXml find_nic(std::string_view xml, std::string_view mac) {
  constexpr std::string_view kBegin = "<interface ", kEnd = "</interface>";
  const std::string wanted = fold_case(mac);
  for (auto at = xml.find(kBegin); at != xml.npos; at = xml.find(kBegin, at + 1)) {
    const auto one = xml.substr(at, xml.find(kEnd, at) - at);
    if (fold_case(first_attribute(one, "mac", "address")) != wanted) continue;
    return {true, first_attribute(one, "alias", "name")};
  }
  // One on the command line: see user_nics_xml.
  return {fold_case(xml).find(",mac=" + wanted) != std::string::npos, {}};
}

std::optional<DomainMark> read_mark(std::string_view element) {
  DomainMark mark;
  mark.folder_id = first_attribute(element, "server", "folder");
  mark.task = first_attribute(element, "server", "task");
  mark.console_log = first_attribute(element, "server", "console");
  if (mark.folder_id.empty()) return std::nullopt;
  return mark;
}

PowerState power_state(int state, int reason) {
  switch (state) {
    case VIR_DOMAIN_RUNNING:
    case VIR_DOMAIN_BLOCKED:
    case VIR_DOMAIN_SHUTDOWN:  // On its way down, but it holds its memory still.
      return PowerState::Running;
    case VIR_DOMAIN_PAUSED:
      return PowerState::Paused;
    case VIR_DOMAIN_SHUTOFF:
      return reason == VIR_DOMAIN_SHUTOFF_CRASHED ? PowerState::Crashed : PowerState::Shutdown;
    case VIR_DOMAIN_CRASHED:
      return PowerState::Crashed;
    case VIR_DOMAIN_PMSUSPENDED:
      return PowerState::Suspended;
    default:
      return PowerState::NoState;
  }
}

std::string first_element(std::string_view xml, std::string_view name) {
  const std::string open = fmt::format("<{}>", name);
  const auto begin = xml.find(open);
  if (begin == std::string_view::npos) return {};
  const auto text = xml.substr(begin + open.size());
  return xml_unescape(text.substr(0, text.find('<')));
}

std::string first_attribute(std::string_view xml, std::string_view element, std::string_view name) {
  // libvirt writes either quote; our own mark comes back with the prefix or without it.
  for (auto at = xml.find(element); at != std::string_view::npos; at = xml.find(element, at + 1)) {
    const bool opens = at > 0 && (xml[at - 1] == '<' || xml[at - 1] == ':');
    const auto after = xml.substr(at + element.size());
    if (!opens || after.empty() || after.front() != ' ') continue;
    const auto tag = after.substr(0, after.find('>'));
    for (const char quote : {'\'', '"'}) {
      const std::string key = fmt::format(" {}={}", name, quote);
      const auto found = tag.find(key);
      if (found == std::string_view::npos) continue;
      const auto value = tag.substr(found + key.size());
      return xml_unescape(value.substr(0, value.find(quote)));
    }
  }
  return {};
}

}  // namespace cloudos::hypervisor

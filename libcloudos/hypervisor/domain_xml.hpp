#pragma once
#include <libvirt/libvirt.h>

#include <optional>
#include <string>
#include <string_view>

#include "cloudos/hypervisor.hpp"

/// A domain as libvirt's XML, and what we read back from it. Pure functions.
namespace cloudos::hypervisor {

/// The namespace of the element that marks a domain as ours.
inline constexpr char kMetadataUri[] = "https://libcloudos.org/xmlns/server/1";
inline constexpr char kMetadataPrefix[] = "cloudos";

/// What the mark says.
struct DomainMark {
  std::string folder_id;
  std::string task;
  std::string console_log;
};

/// `text` as XML character data or attribute value; characters XML 1.0 cannot carry become U+FFFD.
std::string xml_escape(std::string_view text);

/// libvirt's name of the domain: unique, ASCII, and sorted by folder in `virsh list`.
std::string domain_name(std::string_view folder_id, const ServerId& id);

/// The whole domain; `virt_type` is "kvm", "qemu" or libvirt's own "test".
std::string domain_xml(const DomainSpec& spec, std::string_view folder_id,
                       std::string_view virt_type);

/// Whether QEMU is told of the interface by its command line, which libvirt does not see: it can
/// neither come nor go while the guest runs.
bool is_fixed_nic(const NicSpec& nic, std::string_view virt_type);
/// An interface alone, as a running guest is given it.
std::string nic_xml(const NicSpec& nic);
/// What a running domain's XML says about the interface with this MAC address.
struct NicInXml {
  bool there = false;
  std::string alias;  ///< libvirt's name of the device; empty: of a fixed one.
};
NicInXml find_nic(std::string_view xml, std::string_view mac);

/// Reads the metadata element as libvirt returns it; nothing when it is not one of ours.
std::optional<DomainMark> read_mark(std::string_view element);

/// libvirt's state and reason as Compute's power state.
PowerState power_state(int state, int reason);

/// "<name>text</name>" or the attribute's value, unescaped: the first one in `xml`, or empty. For
/// libvirt's own output only, which is canonical.
std::string first_element(std::string_view xml, std::string_view name);
std::string first_attribute(std::string_view xml, std::string_view element, std::string_view name);

}  // namespace cloudos::hypervisor

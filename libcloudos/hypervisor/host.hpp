#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "cloudos/hypervisor.hpp"

/// What we learn about the host without asking libvirt, and from what libvirt says about it.
namespace cloudos::hypervisor {

/// Whether a guest can run under KVM: the processor shows vmx or svm *and* /dev/kvm opens. Either
/// alone is not enough: in some containers the device opens and still boots nothing.
bool kvm_usable(const std::filesystem::path& cpuinfo = "/proc/cpuinfo",
                const std::filesystem::path& device = "/dev/kvm");

/// Fills in the size of the file system that holds `folder` (or its nearest existing parent).
void measure_disk(const std::filesystem::path& folder, Capabilities& capabilities);

/// This start of the machine, or of the container that we are in: its kernel's id and, where it can
/// be seen, when its first process began. Empty: not known.
std::string machine_boot(const std::filesystem::path& proc = "/proc");

/// Compute's cpu_info out of libvirt's capabilities XML.
std::string cpu_info_json(std::string_view capabilities_xml);

}  // namespace cloudos::hypervisor

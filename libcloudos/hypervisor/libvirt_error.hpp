#pragma once
#include <libvirt/virterror.h>

#include <string_view>

#include "cloudos/result.hpp"

namespace cloudos::hypervisor {

/// This thread's last libvirt error as ours. libvirt's own text names host paths: it goes into
/// `detail`; the message says what was being done.
Error libvirt_error(std::string_view doing);

/// The same for a given error; what the tables of the tests use.
Error translate_libvirt(std::string_view doing, int code, std::string_view text);

/// Whether this thread's last error means that the domain is gone.
bool domain_is_gone();

}  // namespace cloudos::hypervisor

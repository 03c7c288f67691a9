#include "hypervisor/libvirt_driver.hpp"

#include <fmt/format.h>
#include <libvirt/virterror.h>

#include <cstdlib>
#include <thread>

#include "hypervisor/console.hpp"
#include "hypervisor/disk.hpp"
#include "hypervisor/domain_xml.hpp"
#include "hypervisor/host.hpp"
#include "hypervisor/libvirt_error.hpp"
#include "hypervisor/spec.hpp"

namespace cloudos::hypervisor {
namespace {

/// The guests run on this machine: "qemu:///embed", not "qemu+ssh://host/system".
bool is_local(std::string_view uri) {
  const auto scheme_end = uri.find(':');
  return uri.substr(0, scheme_end).find("+") == uri.npos && uri.substr(scheme_end + 1, 3) == "///";
}

using DomainPtr = std::unique_ptr<virDomain, int (*)(virDomainPtr)>;

// Right after a connection to a root is opened, libvirt meets its running guests again one by one;
// until then operations on them fail or wait. This is how long we wait for that.
constexpr std::chrono::milliseconds kAdoptionPatience{15'000};
constexpr std::chrono::milliseconds kAdoptionPoll{10};
constexpr unsigned kUndefineEverything =
    VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
    VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA | VIR_DOMAIN_UNDEFINE_NVRAM;

std::string take_text(char* text) {
  std::string copy = text != nullptr ? text : "";
  std::free(text);
  return copy;
}

/// The mark of a domain of ours; nothing when it carries none, or is gone. Any other failure is an
/// error: a broken connection must never look like a host without servers.
Result<std::optional<DomainMark>> mark_of(virDomainPtr domain) {
  const std::string element = take_text(virDomainGetMetadata(
      domain, VIR_DOMAIN_METADATA_ELEMENT, kMetadataUri, VIR_DOMAIN_AFFECT_CURRENT));
  if (!element.empty()) return read_mark(element);
  const int code = virGetLastErrorCode();
  if (code != VIR_ERR_OK && code != VIR_ERR_NO_DOMAIN_METADATA && code != VIR_ERR_NO_DOMAIN) {
    return fail(libvirt_error("reading a domain's mark"));
  }
  return std::optional<DomainMark>();
}

void wait_until_adopted(virDomainPtr domain) {
  const auto give_up = std::chrono::steady_clock::now() + kAdoptionPatience;
  while (virDomainIsActive(domain) == 1 && std::chrono::steady_clock::now() < give_up) {
    virDomainControlInfo info{};
    if (virDomainGetControlInfo(domain, &info, 0) != 0 || info.state == VIR_DOMAIN_CONTROL_OK)
      return;
    std::this_thread::sleep_for(kAdoptionPoll);
  }
}

/// The domain, ours and ready to be worked on. Errors: NotFound, Conflict (foreign).
Result<DomainPtr> find_ours(virConnectPtr connection, const ServerId& id,
                            const std::string& folder_id) {
  DomainPtr domain(virDomainLookupByUUIDString(connection, id.value.c_str()), virDomainFree);
  if (!domain) return fail(libvirt_error("looking for a domain"));
  CLOUDOS_TRY(const auto mark, mark_of(domain.get()));
  // It may have gone between the two questions.
  if (!mark && domain_is_gone()) return fail(unknown_domain());
  if (!mark || mark->folder_id != folder_id) return fail(foreign_domain());
  wait_until_adopted(domain.get());
  return domain;
}

bool not_found(const Result<DomainPtr>& domain) {
  return !domain && domain.error().code == ErrorCode::NotFound;
}

bool is_active(virDomainPtr domain) {
  return virDomainIsActive(domain) == 1;
}

/// What a process leaves that was killed while it started a guest: libvirt ends it once it has a
/// look, however late that is, so that it counts as neither running nor to be adopted.
bool is_half_started(virDomainPtr domain) {
  int state = VIR_DOMAIN_NOSTATE;
  int reason = 0;
  return virDomainGetState(domain, &state, &reason, 0) == 0 && state == VIR_DOMAIN_PAUSED &&
         reason == VIR_DOMAIN_PAUSED_STARTING_UP;
}

Result<void> power_off(virDomainPtr domain) {
  if (virDomainDestroy(domain) == 0 || domain_is_gone()) return Result<void>();
  auto error = libvirt_error("cutting the power");
  if (!is_active(domain)) return Result<void>();
  return fail(std::move(error));
}

Result<void> undefine(virDomainPtr domain) {
  if (virDomainIsPersistent(domain) == 0) return Result<void>();
  if (virDomainUndefineFlags(domain, kUndefineEverything) == 0 || domain_is_gone()) {
    return Result<void>();
  }
  // Drivers that keep less refuse the flags.
  if (virDomainUndefine(domain) == 0 || domain_is_gone()) return Result<void>();
  return fail(libvirt_error("forgetting a domain"));
}

Result<DomainState> state_of(virDomainPtr domain, const DomainMark& mark) {
  char uuid[VIR_UUID_STRING_BUFLEN];
  int state = VIR_DOMAIN_NOSTATE;
  int reason = 0;
  if (virDomainGetUUIDString(domain, uuid) != 0 ||
      virDomainGetState(domain, &state, &reason, 0) != 0) {
    return fail(libvirt_error("reading a domain's state"));
  }
  return DomainState{ServerId{uuid}, power_state(state, reason), mark.task};
}

Result<std::vector<DomainPtr>> all_domains(virConnectPtr connection) {
  virDomainPtr* raw = nullptr;
  const int count = virConnectListAllDomains(connection, &raw, 0);
  if (count < 0) return fail(libvirt_error("listing the domains"));
  std::vector<DomainPtr> domains;
  for (int i = 0; i < count; ++i) domains.emplace_back(raw[i], virDomainFree);
  std::free(raw);
  return domains;
}

Result<std::vector<DomainState>> list_ours(virConnectPtr connection,
                                           const std::optional<ServerId>& only,
                                           const std::string& folder_id) {
  std::vector<DomainPtr> domains;
  if (only) {
    DomainPtr domain(virDomainLookupByUUIDString(connection, only->value.c_str()), virDomainFree);
    if (domain) {
      domains.push_back(std::move(domain));
    } else if (!domain_is_gone()) {
      return fail(libvirt_error("looking for a domain"));
    }
  } else {
    CLOUDOS_TRY(domains, all_domains(connection));
  }
  std::vector<DomainState> states;
  for (const DomainPtr& domain : domains) {
    CLOUDOS_TRY(const auto mark, mark_of(domain.get()));
    if (!mark || mark->folder_id != folder_id) continue;
    if (!only && !mark->console_log.empty()) trim_console(mark->console_log);
    auto state = state_of(domain.get(), *mark);
    // One that was undefined meanwhile is no reason to hide the others.
    if (state) {
      states.push_back(std::move(*state));
    } else if (state.error().code != ErrorCode::NotFound) {
      return fail(std::move(state).error());
    }
  }
  return states;
}

/// The domain if its guest runs; nothing if it is off or gone. Errors: as find_ours.
Result<DomainPtr> find_running(virConnectPtr connection, const ServerId& id,
                               const std::string& folder_id) {
  auto domain = find_ours(connection, id, folder_id);
  const bool off = not_found(domain) || (domain && !is_active(domain->get()));
  return off ? Result<DomainPtr>(DomainPtr(nullptr, virDomainFree)) : std::move(domain);
}

/// Errors: also NotFound, when it has gone since.
Result<NicInXml> nic_of(virDomainPtr domain, const std::string& mac) {
  const std::string xml = take_text(virDomainGetXMLDesc(domain, 0));
  if (xml.empty()) return fail(libvirt_error("reading a server's interfaces"));
  return find_nic(xml, mac);
}

Result<Detached> unplug_nic(virDomainPtr domain, const std::string& mac) {
  CLOUDOS_TRY(const auto nic, nic_of(domain, mac));
  if (!nic.there) return Detached::Gone;
  if (nic.alias.empty()) return fail(ErrorCode::Unsupported, no_plugging());
  if (virDomainDetachDeviceAlias(domain, nic.alias.c_str(), VIR_DOMAIN_AFFECT_LIVE) != 0) {
    auto error = libvirt_error("taking an interface from the server");
    // It has gone meanwhile, or QEMU will not tell a guest twice that did not answer yet.
    const bool asked = error.detail.find("in the process of unplug") != std::string::npos;
    if (virGetLastErrorCode() != VIR_ERR_DEVICE_MISSING && !asked) return fail(std::move(error));
  }
  CLOUDOS_TRY(const auto now, nic_of(domain, mac));
  return now.there ? Detached::Asked : Detached::Gone;
}

}  // namespace

LibvirtDriver::LibvirtDriver(LibvirtSettings settings, std::shared_ptr<LibvirtUse> libvirt,
                             std::unique_ptr<RootLink> link)
    : settings_(std::move(settings)),
      link_(std::move(link)),
      connection_(settings_.uri, settings_.call_timeout, settings_.log, std::move(libvirt)) {}

Result<Capabilities> LibvirtDriver::capabilities() {
  auto body = [settings = settings_](const ConnectPtr& connection) -> Result<Capabilities> {
    Capabilities found;
    virNodeInfo node{};
    unsigned long version = 0;
    if (virNodeGetInfo(connection.get(), &node) != 0 ||
        virConnectGetVersion(connection.get(), &version) != 0) {
      return fail(libvirt_error("reading the host's abilities"));
    }
    const char* type = virConnectGetType(connection.get());
    found.hypervisor_type = type != nullptr ? type : "";
    found.hypervisor_version = static_cast<std::uint32_t>(version);
    found.host_name = take_text(virConnectGetHostname(connection.get()));
    found.virt_type = settings.virt_type;
    found.vcpus = node.cpus;
    found.ram_mib = node.memory / 1024;
    const std::string xml = take_text(virConnectGetCapabilities(connection.get()));
    found.cpu_info = cpu_info_json(xml);
    found.architecture = first_element(xml, "arch");
    if (found.architecture.empty()) found.architecture = node.model;
    measure_disk(settings.disks_dir, found);
    if (is_local(settings.uri)) found.boot = machine_boot();
    return found;
  };
  return connection_.call<Capabilities>("reading the host's abilities", std::move(body));
}

Result<void> LibvirtDriver::make_disk(const DiskSpec& disk) {
  return make_overlay(disk);
}

Result<void> LibvirtDriver::define(const DomainSpec& spec) {
  CLOUDOS_CHECK(check_domain(spec));
  auto body = [spec, settings = settings_](const ConnectPtr& connection) -> Result<void> {
    const auto existing = find_ours(connection.get(), spec.id, settings.folder_id);
    if (!existing && !not_found(existing)) return fail(existing.error());
    const std::string xml = domain_xml(spec, settings.folder_id, settings.virt_type);
    const DomainPtr domain(virDomainDefineXML(connection.get(), xml.c_str()), virDomainFree);
    if (!domain) return fail(libvirt_error("defining the server"));
    return Result<void>();
  };
  return connection_.call<void>("defining the server", std::move(body));
}

Result<void> LibvirtDriver::start(const ServerId& id) {
  auto body = [id, folder_id = settings_.folder_id](const ConnectPtr& connection) -> Result<void> {
    CLOUDOS_TRY(const auto domain, find_ours(connection.get(), id, folder_id));
    if (is_half_started(domain.get())) CLOUDOS_CHECK(power_off(domain.get()));
    if (is_active(domain.get()) || virDomainCreate(domain.get()) == 0) return Result<void>();
    auto error = libvirt_error("starting the server");
    if (is_active(domain.get())) return Result<void>();  // Somebody else was faster.
    return fail(std::move(error));
  };
  return connection_.call<void>("starting the server", std::move(body));
}

Result<void> LibvirtDriver::stop(const ServerId& id, StopMode mode) {
  auto body = [id, mode,
               folder_id = settings_.folder_id](const ConnectPtr& connection) -> Result<void> {
    const auto domain = find_ours(connection.get(), id, folder_id);
    if (not_found(domain)) return Result<void>();
    if (!domain) return fail(domain.error());
    if (!is_active(domain->get())) return Result<void>();
    if (mode == StopMode::Hard) return power_off(domain->get());
    if (virDomainShutdown(domain->get()) == 0 || domain_is_gone()) return Result<void>();
    auto error = libvirt_error("stopping the server");
    if (!is_active(domain->get())) return Result<void>();
    return fail(std::move(error));
  };
  return connection_.call<void>("stopping the server", std::move(body));
}

Result<void> LibvirtDriver::destroy(const ServerId& id) {
  auto body = [id, folder_id = settings_.folder_id](const ConnectPtr& connection) -> Result<void> {
    const auto domain = find_ours(connection.get(), id, folder_id);
    if (not_found(domain)) return Result<void>();
    if (!domain) return fail(domain.error());
    // Off first: a crash in between leaves a definition, which is listed and deleted again; the
    // other way round it would leave a guest that only its process remembers.
    if (is_active(domain->get())) CLOUDOS_CHECK(power_off(domain->get()));
    return undefine(domain->get());
  };
  return connection_.call<void>("deleting the server", std::move(body));
}

Result<void> LibvirtDriver::attach_interface(const ServerId& id, const NicSpec& nic) {
  CLOUDOS_CHECK(check_nic(nic));
  auto body = [id, nic, settings = settings_](const ConnectPtr& connection) -> Result<void> {
    CLOUDOS_TRY(const auto domain, find_running(connection.get(), id, settings.folder_id));
    if (!domain) return Result<void>();
    if (is_fixed_nic(nic, settings.virt_type)) return fail(ErrorCode::Unsupported, no_plugging());
    CLOUDOS_TRY(const auto found, nic_of(domain.get(), nic.mac));
    if (found.there) return Result<void>();
    const std::string xml = nic_xml(nic);
    if (virDomainAttachDeviceFlags(domain.get(), xml.c_str(), VIR_DOMAIN_AFFECT_LIVE) == 0)
      return Result<void>();
    auto error = libvirt_error("giving the server an interface");
    if (!is_active(domain.get())) return Result<void>();
    return fail(std::move(error));
  };
  return connection_.call<void>("giving the server an interface", std::move(body));
}

Result<Detached> LibvirtDriver::detach_interface(const ServerId& id, const std::string& mac) {
  auto body = [id, mac,
               folder_id = settings_.folder_id](const ConnectPtr& connection) -> Result<Detached> {
    CLOUDOS_TRY(const auto domain, find_running(connection.get(), id, folder_id));
    if (!domain) return Detached::Gone;
    auto found = unplug_nic(domain.get(), mac);
    if (!found && !is_active(domain.get())) return Detached::Gone;
    return found;
  };
  return connection_.call<Detached>("taking an interface from the server", std::move(body));
}

Result<std::vector<DomainState>> LibvirtDriver::list(const std::optional<ServerId>& only) {
  auto body = [only, folder_id = settings_.folder_id](const ConnectPtr& connection) {
    return list_ours(connection.get(), only, folder_id);
  };
  return connection_.call<std::vector<DomainState>>("listing the servers", std::move(body));
}

}  // namespace cloudos::hypervisor

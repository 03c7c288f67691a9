#include "hypervisor/simulated.hpp"

#include <fmt/format.h>

#include "hypervisor/spec.hpp"

namespace cloudos::hypervisor {

Simulated::Simulated(SimulatedSettings settings)
    : settings_(std::move(settings)), hooks_(settings_.hooks) {}

Result<void> Simulated::enter(std::string_view verb, const ServerId& id) {
  SimulatedHooks hooks;
  {
    LockGuard lock(mutex_);
    hooks = hooks_;
  }
  // Hooks run unlocked: they may look at the driver themselves.
  if (hooks.before) {
    if (auto error = hooks.before(verb, id)) return fail(std::move(*error));
  }
  if (!asked_ && (verb == "list" || !id.empty())) CLOUDOS_CHECK(find_what_ran());
  if (!hooks.delay || settings_.clock == nullptr) return Result<void>();
  const auto takes = hooks.delay(verb, id);
  LockGuard lock(mutex_);
  const auto now = settings_.clock->mono();
  const auto [busy, first] = busy_until_.try_emplace({std::string(verb), id}, now + takes);
  if (now < busy->second) {
    return fail(ErrorCode::Timeout, fmt::format("the simulated host is slow: {}", verb));
  }
  busy_until_.erase(busy);
  return Result<void>();
}

Result<void> Simulated::find_what_ran() {
  LockGuard asking(asking_);
  if (asked_) return Result<void>();
  if (settings_.ran_before) {
    CLOUDOS_TRY(auto running, settings_.ran_before());
    LockGuard lock(mutex_);
    for (DomainSpec& spec : running) {
      Domain& domain = domains_[spec.id];
      domain.spec = std::move(spec);
      domain.plugged = domain.spec.nics;
      domain.power = PowerState::Running;
    }
  }
  asked_ = true;
  return Result<void>();
}

Result<void> Simulated::leave(std::string_view verb, const ServerId& id) {
  SimulatedHooks::Fault after;
  {
    LockGuard lock(mutex_);
    after = hooks_.after;
  }
  if (after) {
    if (auto error = after(verb, id)) return fail(std::move(*error));
  }
  return Result<void>();
}

Simulated::Domain* Simulated::find(const ServerId& id) {
  const auto found = domains_.find(id);
  if (found == domains_.end()) return nullptr;
  settle(found->second);
  return &found->second;
}

void Simulated::settle(Domain& domain) {
  if (domain.off_at && settings_.clock->mono() >= *domain.off_at) {
    domain.power = PowerState::Shutdown;
    domain.off_at.reset();
  }
}

Result<Capabilities> Simulated::capabilities() {
  CLOUDOS_CHECK(enter("capabilities", {}));
  Capabilities capabilities;
  capabilities.hypervisor_type = "simulated";
  capabilities.hypervisor_version = 1'000'000;
  capabilities.host_name = settings_.host_name;
  capabilities.architecture = "x86_64";
  capabilities.virt_type = "qemu";
  capabilities.cpu_info =
      fmt::format(R"({{"arch":"x86_64","model":"simulated","vendor":"cloudos","features":[],)"
                  R"("topology":{{"cells":1,"sockets":1,"cores":{},"threads":1}}}})",
                  settings_.vcpus);
  capabilities.vcpus = settings_.vcpus;
  capabilities.ram_mib = settings_.ram_mib;
  capabilities.disk_gib = settings_.disk_gib;
  capabilities.disk_free_gib = settings_.disk_gib;
  {
    LockGuard lock(mutex_);
    capabilities.boot = fmt::format("boot-{}", boots_);
  }
  CLOUDOS_CHECK(leave("capabilities", {}));
  return capabilities;
}

Result<void> Simulated::add_disk(const DiskSpec& disk) {
  CLOUDOS_CHECK(check_disk(disk));
  std::optional<std::uint64_t> backing_bytes = 0;
  if (!disk.backing.empty() && settings_.file_size) {
    backing_bytes = settings_.file_size(disk.backing);
    if (!backing_bytes) return fail(ErrorCode::NotFound, "the disk's backing file is missing");
    if (disk.size_bytes != 0 && disk.size_bytes < *backing_bytes) {
      return fail(ErrorCode::InvalidArgument, "the disk is smaller than its backing file");
    }
  }
  LockGuard lock(mutex_);
  disks_.try_emplace(disk.path, disk.size_bytes != 0 ? disk.size_bytes : *backing_bytes);
  return Result<void>();
}

Result<void> Simulated::make_disk(const DiskSpec& disk) {
  CLOUDOS_CHECK(enter("make_disk", {}));
  CLOUDOS_CHECK(add_disk(disk));
  return leave("make_disk", {});
}

Result<void> Simulated::put_domain(const DomainSpec& spec) {
  CLOUDOS_CHECK(check_domain(spec));
  LockGuard lock(mutex_);
  Domain* domain = find(spec.id);
  if (domain == nullptr) {
    domains_[spec.id].spec = spec;
    return Result<void>();
  }
  if (domain->foreign) return fail(foreign_domain());
  domain->spec = spec;  // A running one goes on with the old one until its next start.
  return Result<void>();
}

Result<void> Simulated::define(const DomainSpec& spec) {
  CLOUDOS_CHECK(enter("define", spec.id));
  CLOUDOS_CHECK(put_domain(spec));
  return leave("define", spec.id);
}

Result<void> Simulated::start(const ServerId& id) {
  CLOUDOS_CHECK(enter("start", id));
  {
    LockGuard lock(mutex_);
    Domain* domain = find(id);
    if (domain == nullptr) return fail(unknown_domain());
    if (domain->foreign) return fail(foreign_domain());
    if (domain->power != PowerState::Running) {
      domain->off_at.reset();
      domain->plugged = domain->spec.nics;
    }
    domain->power = PowerState::Running;
  }
  return leave("start", id);
}

Result<void> Simulated::stop(const ServerId& id, StopMode mode) {
  CLOUDOS_CHECK(enter("stop", id));
  {
    LockGuard lock(mutex_);
    Domain* domain = find(id);
    if (domain != nullptr && domain->foreign) return fail(foreign_domain());
    if (domain != nullptr && domain->power == PowerState::Running) {
      const bool at_once = settings_.clock == nullptr || settings_.guest_shutdown.count() == 0;
      if (mode == StopMode::Hard || (at_once && !settings_.no_power_button)) {
        domain->power = PowerState::Shutdown;
        domain->off_at.reset();
      } else if (!settings_.no_power_button && !domain->off_at) {
        domain->off_at = settings_.clock->mono() + settings_.guest_shutdown;
      }
    }
  }
  return leave("stop", id);
}

Result<void> Simulated::destroy(const ServerId& id) {
  CLOUDOS_CHECK(enter("destroy", id));
  {
    LockGuard lock(mutex_);
    const Domain* domain = find(id);
    if (domain != nullptr && domain->foreign) return fail(foreign_domain());
    domains_.erase(id);
    std::erase_if(busy_until_, [&id](const auto& busy) { return busy.first.second == id; });
  }
  return leave("destroy", id);
}

Result<std::vector<DomainState>> Simulated::list(const std::optional<ServerId>& only) {
  CLOUDOS_CHECK(enter("list", only.value_or(ServerId{})));
  std::vector<DomainState> states;
  {
    LockGuard lock(mutex_);
    for (auto& [id, domain] : domains_) {
      if (domain.foreign || (only && *only != id)) continue;
      settle(domain);
      states.push_back({id, domain.power, domain.spec.task});
    }
  }
  CLOUDOS_CHECK(leave("list", only.value_or(ServerId{})));
  return states;
}

Result<void> Simulated::plug(const ServerId& id, const NicSpec& nic) {
  CLOUDOS_CHECK(check_nic(nic));
  LockGuard lock(mutex_);
  Domain* domain = find(id);
  if (domain == nullptr) return Result<void>();
  if (domain->foreign) return fail(foreign_domain());
  if (domain->power != PowerState::Running) return Result<void>();
  const bool there = std::any_of(domain->plugged.begin(), domain->plugged.end(),
                                 [&](const NicSpec& own) { return own.mac == nic.mac; });
  if (!there) domain->plugged.push_back(nic);
  return Result<void>();
}

Result<void> Simulated::attach_interface(const ServerId& id, const NicSpec& nic) {
  CLOUDOS_CHECK(enter("attach_interface", id));
  CLOUDOS_CHECK(plug(id, nic));
  return leave("attach_interface", id);
}

Result<Detached> Simulated::detach_interface(const ServerId& id, const std::string& mac) {
  CLOUDOS_CHECK(enter("detach_interface", id));
  auto found = Detached::Gone;
  {
    LockGuard lock(mutex_);
    Domain* domain = find(id);
    if (domain != nullptr && domain->foreign) return fail(foreign_domain());
    if (domain != nullptr && domain->power == PowerState::Running) {
      const auto is_it = [&](const NicSpec& own) { return own.mac == mac; };
      if (lets_go_)
        std::erase_if(domain->plugged, is_it);
      else if (std::any_of(domain->plugged.begin(), domain->plugged.end(), is_it))
        found = Detached::Asked;
    }
  }
  CLOUDOS_CHECK(leave("detach_interface", id));
  return found;
}

void Simulated::let_go(bool willing) {
  LockGuard lock(mutex_);
  lets_go_ = willing;
}

void Simulated::set_hooks(SimulatedHooks hooks) {
  LockGuard lock(mutex_);
  hooks_ = std::move(hooks);
}

void Simulated::add_foreign(const ServerId& id) {
  LockGuard lock(mutex_);
  Domain& domain = domains_[id];
  domain.foreign = true;
  domain.power = PowerState::Running;
}

void Simulated::power_off(const ServerId& id, bool crashed) {
  LockGuard lock(mutex_);
  if (Domain* domain = find(id); domain != nullptr && domain->power == PowerState::Running) {
    domain->power = crashed ? PowerState::Crashed : PowerState::Shutdown;
    domain->off_at.reset();
  }
}

void Simulated::forget(const ServerId& id) {
  LockGuard lock(mutex_);
  domains_.erase(id);
}

void Simulated::power_cut() {
  LockGuard lock(mutex_);
  ++boots_;
  for (auto& [id, domain] : domains_) {
    domain.power = PowerState::Shutdown;
    domain.off_at.reset();
  }
}

std::optional<DomainSpec> Simulated::spec(const ServerId& id) const {
  LockGuard lock(mutex_);
  const auto found = domains_.find(id);
  if (found == domains_.end() || found->second.foreign) return std::nullopt;
  return found->second.spec;
}

std::vector<NicSpec> Simulated::interfaces(const ServerId& id) const {
  LockGuard lock(mutex_);
  const auto found = domains_.find(id);
  if (found == domains_.end() || found->second.power != PowerState::Running) return {};
  return found->second.plugged;
}

std::size_t Simulated::domain_count() const {
  LockGuard lock(mutex_);
  return static_cast<std::size_t>(std::count_if(
      domains_.begin(), domains_.end(), [](const auto& entry) { return !entry.second.foreign; }));
}

std::vector<ServerId> Simulated::domains() const {
  LockGuard lock(mutex_);
  std::vector<ServerId> ids;
  for (const auto& [id, domain] : domains_)
    if (!domain.foreign) ids.push_back(id);
  return ids;
}

std::size_t Simulated::disk_count() const {
  LockGuard lock(mutex_);
  return disks_.size();
}

void Simulated::remove_disk(const std::filesystem::path& path) {
  LockGuard lock(mutex_);
  disks_.erase(path);
}

std::shared_ptr<Simulated> make_simulated(SimulatedSettings settings) {
  return std::make_shared<Simulated>(std::move(settings));
}

}  // namespace cloudos::hypervisor

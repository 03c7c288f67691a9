#pragma once
#include <map>
#include <memory>
#include <string>

#include "base/mutex.hpp"
#include "hypervisor/libvirt.hpp"
#include "hypervisor/libvirt_connection.hpp"

namespace cloudos::hypervisor {

/// See make_libvirt.
class LibvirtDriver final : public Driver {
 public:
  /// `settings` are checked, `virt_type` is decided.
  LibvirtDriver(LibvirtSettings settings, std::shared_ptr<LibvirtUse> libvirt);

  std::string_view name() const override { return "libvirt"; }
  Result<Capabilities> capabilities() override;
  Result<void> make_disk(const DiskSpec& disk) override;
  Result<void> define(const DomainSpec& spec) override;
  Result<void> start(const ServerId& id) override;
  Result<void> stop(const ServerId& id, StopMode mode) override;
  Result<void> destroy(const ServerId& id) override;
  Result<std::vector<DomainState>> list(const std::optional<ServerId>& only = {}) override;

  void warm_up() { connection_.warm_up(); }

 private:
  const LibvirtSettings settings_;
  LibvirtConnection connection_;
};

}  // namespace cloudos::hypervisor

#pragma once
#include <map>
#include <memory>
#include <string>

#include "base/mutex.hpp"
#include "hypervisor/libvirt.hpp"
#include "hypervisor/libvirt_connection.hpp"
#include "hypervisor/root_link.hpp"

namespace cloudos::hypervisor {

/// See make_libvirt.
class LibvirtDriver final : public Driver {
 public:
  /// `settings` are checked, `virt_type` is decided.
  LibvirtDriver(LibvirtSettings settings, std::shared_ptr<LibvirtUse> libvirt,
                std::unique_ptr<RootLink> link);

  std::string_view name() const override { return "libvirt"; }
  Result<Capabilities> capabilities() override;
  Result<void> make_disk(const DiskSpec& disk) override;
  Result<void> define(const DomainSpec& spec) override;
  Result<void> start(const ServerId& id) override;
  Result<void> stop(const ServerId& id, StopMode mode) override;
  Result<void> destroy(const ServerId& id) override;
  Result<std::vector<DomainState>> list(const std::optional<ServerId>& only = {}) override;
  Result<void> attach_interface(const ServerId& id, const NicSpec& nic) override;
  Result<Detached> detach_interface(const ServerId& id, const std::string& mac) override;

  void warm_up() { connection_.warm_up(); }

 private:
  const LibvirtSettings settings_;
  const std::unique_ptr<RootLink> link_;  ///< Outlives the connection.
  LibvirtConnection connection_;
};

}  // namespace cloudos::hypervisor

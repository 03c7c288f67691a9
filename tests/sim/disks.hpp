#pragma once
#include <filesystem>
#include <memory>
#include <system_error>

#include "cloudos/hypervisor.hpp"

namespace cloudos::sim {

/// A simulated host whose disks leave what real ones leave: the server's folder.
class DisksInFolders final : public hypervisor::Driver {
 public:
  explicit DisksInFolders(std::shared_ptr<hypervisor::Driver> host) : host_(std::move(host)) {}
  std::string_view name() const override { return host_->name(); }
  Result<hypervisor::Capabilities> capabilities() override { return host_->capabilities(); }
  Result<void> make_disk(const hypervisor::DiskSpec& disk) override {
    std::error_code error;
    std::filesystem::create_directories(disk.path.parent_path(), error);
    if (error) return fail(ErrorCode::Unavailable, error.message());
    return host_->make_disk(disk);
  }
  Result<void> define(const hypervisor::DomainSpec& spec) override { return host_->define(spec); }
  Result<void> start(const ServerId& id) override { return host_->start(id); }
  Result<void> stop(const ServerId& id, hypervisor::StopMode mode) override {
    return host_->stop(id, mode);
  }
  Result<void> destroy(const ServerId& id) override { return host_->destroy(id); }
  Result<std::vector<hypervisor::DomainState>> list(
      const std::optional<ServerId>& only) override {
    return host_->list(only);
  }
  Result<void> attach_interface(const ServerId& id, const hypervisor::NicSpec& nic) override {
    return host_->attach_interface(id, nic);
  }
  Result<hypervisor::Detached> detach_interface(const ServerId& id,
                                                const std::string& mac) override {
    return host_->detach_interface(id, mac);
  }

 private:
  const std::shared_ptr<hypervisor::Driver> host_;  // Shared with the world.
};

}  // namespace cloudos::sim

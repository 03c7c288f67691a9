// How the room is made, and what it does for other rooms.
#include <fmt/format.h>

#include "base/text.hpp"
#include "compute/flavors_room.hpp"
#include "compute/servers_impl.hpp"
#include "records/table.hpp"

namespace cloudos {

Servers::Servers(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Servers::~Servers() = default;
Flavors& Servers::flavors() { return *impl_->flavors; }
Keypairs& Servers::keypairs() { return *impl_->keypairs; }

Result<Server> Servers::rename(const Context& ctx, const ServerId& id,
                               const std::optional<std::string>& name,
                               const std::optional<std::string>& description) {
  if (name) CLOUDOS_CHECK(check_name("name", *name, 1, limits::kNameChars));
  if (description && !description->empty())
    CLOUDOS_CHECK(check_name("description", *description, 0, limits::kDescriptionChars));
  CLOUDOS_CHECK(get(ctx, id));
  CLOUDOS_CHECK(impl_->engine.store.transact([&](store::Txn& txn) {
    return compute::change_server(txn, id, impl_->engine.clock.wall(), [&](Server& server) {
      if (name) server.name = *name;
      if (description) server.description = *description;
    });
  }));
  return get(ctx, id);
}

Result<Server> Servers::change_metadata(const Context& ctx, const ServerId& id,
                                        const std::map<std::string, std::string>& set,
                                        bool replace, const std::vector<std::string>& unset) {
  CLOUDOS_CHECK(compute::check_items("metadata", set, false));
  CLOUDOS_CHECK(get(ctx, id));
  CLOUDOS_CHECK(impl_->engine.store.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(Server server, records::get<Server>(txn, id));
    CLOUDOS_CHECK(compute::check_action(server, compute::Action::ChangeMetadata));
    if (replace) server.metadata.clear();
    for (const auto& [key, value] : set) server.metadata.insert_or_assign(key, value);
    for (const std::string& key : unset) {
      if (server.metadata.erase(key) == 0)
        return fail(ErrorCode::NotFound, "Metadata item was not found");
    }
    CLOUDOS_CHECK(compute::check_items("metadata", server.metadata, false));
    server.updated_at = impl_->engine.clock.wall();
    return records::update(txn, server);
  }));
  return get(ctx, id);
}

Result<Server> Servers::reset_state(const Context& ctx, const ServerId& id, VmState state) {
  if (!ctx.is_admin)
    return fail(ErrorCode::Forbidden, "only administrators may reset a server's state");
  if (state != VmState::Active && state != VmState::Error)
    return fail(ErrorCode::InvalidArgument, "state: active or error");
  CLOUDOS_CHECK(get(ctx, id));
  CLOUDOS_CHECK(impl_->engine.store.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(Server server, records::get<Server>(txn, id));
    if (server.task_state != ServerTask::None) {
      return fail(ErrorCode::Conflict,
                  fmt::format("Instance {} is busy: it is in task_state {}", id.value,
                              to_string(server.task_state)));
    }
    // Active without ever having been built would be a lie that nothing could mend.
    if (state == VmState::Active && !server.launched_at)
      return fail(ErrorCode::Conflict, fmt::format("Instance {} was never built", id.value));
    server.vm_state = state;
    server.updated_at = impl_->engine.clock.wall();
    return records::update(txn, server);
  }));
  return get(ctx, id);
}

std::vector<placement::HostSource> host_sources(
    const std::map<std::string, std::shared_ptr<hypervisor::Driver>>& drivers) {
  std::vector<placement::HostSource> sources;
  std::map<hypervisor::Driver*, std::size_t> known;
  for (const auto& [host, driver] : drivers) {
    const auto [at, fresh] = known.emplace(driver.get(), sources.size());
    if (fresh) {
      sources.push_back({{}, [driver = driver]() -> Result<HostFacts> {
                           CLOUDOS_TRY(const auto told, driver->capabilities());
                           return HostFacts{told.hypervisor_type, told.hypervisor_version,
                                            told.architecture,    told.virt_type,
                                            told.cpu_info,        told.vcpus,
                                            told.ram_mib,         told.disk_gib,
                                            told.disk_free_gib};
                         }});
    }
    sources[at->second].names.push_back(host);
  }
  return sources;
}

Result<std::unique_ptr<Servers>> make_servers(const Engine& engine, ComputeSettings settings,
                                              Hosts& hosts, Images& images, Networks& networks) {
  CLOUDOS_CHECK(compute::seed_flavors(engine));
  auto impl = std::make_unique<Servers::Impl>(engine, std::move(settings), hosts, images, networks);
  impl->flavors = compute::make_flavors(engine);
  impl->keypairs = compute::make_keypairs(engine);
  Servers::Impl* self = impl.get();
  for (auto type : {self->create_type(), self->delete_type(), self->stop_type(),
                    self->start_type(), self->reboot_type()}) {
    engine.runner.add(std::move(type));
  }
  engine.runner.add(
      Reconciler{"servers", self->settings.period, "", [self] { return self->sync_pass(); }});
  return std::make_unique<Servers>(std::move(impl));
}

namespace {

class PortUser final : public network::DeviceOwner {
 public:
  explicit PortUser(const Servers& servers) : servers_(servers) {}

  Result<void> release_port(store::Txn& txn, const ServerId& id, const PortId& port) override {
    auto server = records::get<Server>(txn, id);
    if (!server && server.error().code == ErrorCode::NotFound) return Result<void>();
    if (!server) return fail(std::move(server).error());
    if (server->task_state != ServerTask::None) {
      return fail(ErrorCode::Conflict,
                  fmt::format("Port {} is used by server {}, which is busy: try again when it is "
                              "done", port.value, id.value));
    }
    std::erase_if(server->ports, [&](const ServerPort& used) { return used.port == port; });
    server->updated_at = servers_.impl().engine.clock.wall();
    return records::update(txn, *server);
  }

 private:
  const Servers& servers_;
};

}  // namespace

std::unique_ptr<network::DeviceOwner> make_device_owner(const Servers& servers) {
  return std::make_unique<PortUser>(servers);
}

}  // namespace cloudos

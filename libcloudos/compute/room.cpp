// How the room is made, and what it does for other rooms.
#include <fmt/format.h>

#include "base/text.hpp"
#include "compute/flavors_room.hpp"
#include "compute/names.hpp"
#include "compute/servers_impl.hpp"
#include "identity/quota.hpp"
#include "records/table.hpp"

namespace cloudos {

Servers::Servers(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Servers::~Servers() = default;
Flavors& Servers::flavors() { return *impl_->flavors; }
Keypairs& Servers::keypairs() { return *impl_->keypairs; }

Result<Server> Servers::Impl::change(const Context& ctx, const ServerId& id, bool locks_count,
                                     const std::function<Result<void>(Server&)>& change_record) {
  {
    CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
    CLOUDOS_CHECK(find(*snapshot, ctx, id));
  }
  Server server;
  CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_TRY(server, records::get<Server>(txn, id));
    if (locks_count) CLOUDOS_CHECK(compute::check_lock(ctx, server));
    CLOUDOS_CHECK(change_record(server));
    server.updated_at = engine.clock.wall();
    return records::update(txn, server);
  }));
  CLOUDOS_TRY(const auto snapshot, engine.store.snapshot());
  Names names(networks);
  CLOUDOS_CHECK(fill_view(*snapshot, names, server));
  return server;
}

Result<Server> Servers::update(const Context& ctx, const ServerId& id,
                               const ServerUpdate& change) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  if (change.name) CLOUDOS_CHECK(check_name("name", *change.name, 1, limits::kNameChars));
  if (change.description) {
    CLOUDOS_CHECK(check_name("description", *change.description, 0, limits::kDescriptionChars));
  }
  CLOUDOS_CHECK(compute::check_access_ips(change.access_ipv4.value_or(""),
                                          change.access_ipv6.value_or("")));
  return impl_->change(ctx, id, true, [&](Server& server) {
    if (change.name) server.name = *change.name;
    if (change.description) server.description = *change.description;
    if (change.access_ipv4) server.access_ipv4 = *change.access_ipv4;
    if (change.access_ipv6) server.access_ipv6 = *change.access_ipv6;
    return Result<void>();
  });
}

Result<Server> Servers::lock(const Context& ctx, const ServerId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  return impl_->change(ctx, id, false, [&](Server& server) {
    // An administrator's lock is not weakened by a second one.
    server.locked_by_admin = ctx.is_admin || (server.locked && server.locked_by_admin);
    server.locked = true;
    return Result<void>();
  });
}

Result<Server> Servers::unlock(const Context& ctx, const ServerId& id) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  return impl_->change(ctx, id, false, [&](Server& server) -> Result<void> {
    if (server.locked_by_admin && !ctx.is_admin)
      return fail(ErrorCode::Forbidden, "an administrator locked this server");
    server.locked = server.locked_by_admin = false;
    return Result<void>();
  });
}

Result<Server> Servers::change_metadata(const Context& ctx, const ServerId& id,
                                        const std::map<std::string, std::string>& set,
                                        bool replace, const std::vector<std::string>& unset) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  CLOUDOS_CHECK(compute::check_items("metadata", set, false));
  return impl_->change(ctx, id, true, [&](Server& server) -> Result<void> {
    CLOUDOS_CHECK(compute::check_action(server, compute::Action::ChangeMetadata));
    if (replace) server.metadata.clear();
    for (const auto& [key, value] : set) server.metadata.insert_or_assign(key, value);
    for (const std::string& key : unset) {
      if (server.metadata.erase(key) == 0)
        return fail(ErrorCode::NotFound, "Metadata item was not found");
    }
    return compute::check_items("metadata", server.metadata, false);
  });
}

Result<Server> Servers::reset_state(const Context& ctx, const ServerId& id, VmState state) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  if (!ctx.is_admin)
    return fail(ErrorCode::Forbidden, "only administrators may reset a server's state");
  if (state != VmState::Active && state != VmState::Error)
    return fail(ErrorCode::InvalidArgument, "state: active or error");
  return impl_->change(ctx, id, false, [&](Server& server) -> Result<void> {
    if (server.task_state != ServerTask::None) {
      return fail(ErrorCode::Conflict,
                  fmt::format("Instance {} is busy: it is in task_state {}", id.value,
                              to_string(server.task_state)));
    }
    // Active without ever having been built would be a lie that nothing could mend.
    if (state == VmState::Active && !server.launched_at)
      return fail(ErrorCode::Conflict, fmt::format("Instance {} was never built", id.value));
    server.vm_state = state;
    return Result<void>();
  });
}

Result<std::map<std::string, QuotaLine>> Servers::quota(const Context& ctx,
                                                        const ProjectId& project) const {
  if (!ctx.may_see(project))
    return fail(ErrorCode::Forbidden, "quotas of other projects are for administrators only");
  CLOUDOS_TRY(const auto snapshot, impl_->engine.store.snapshot());
  CLOUDOS_TRY(const auto usage, Quota::usage(*snapshot, project));
  std::map<std::string, QuotaLine> lines;
  for (const auto& [resource, use] : usage) lines[resource] = {use.limit, use.in_use};
  return lines;
}

Result<std::map<std::string, std::int64_t>> Servers::default_quota() const {
  CLOUDOS_TRY(const auto snapshot, impl_->engine.store.snapshot());
  return Quota::defaults(*snapshot);
}

Result<void> Servers::set_quota(
    const Context& ctx, const ProjectId& project,
    const std::map<std::string, std::optional<std::int64_t>>& changes) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  if (!ctx.is_admin) return fail(ErrorCode::Forbidden, "quotas are set by administrators only");
  CLOUDOS_CHECK(check_name("project", project.value, 1, limits::kNameChars));
  CLOUDOS_CHECK(impl_->engine.store.transact([&](store::Txn& txn) -> Result<void> {
    for (const auto& [resource, limit] : changes)
      CLOUDOS_CHECK(Quota::set_limit(txn, project, resource, limit));
    return Result<void>();
  }));
  return Result<void>();
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
  if (!engine.guest) CLOUDOS_CHECK(compute::seed_flavors(engine));
  auto impl = std::make_unique<Servers::Impl>(engine, std::move(settings), hosts, images, networks);
  impl->flavors = compute::make_flavors(engine);
  impl->keypairs = compute::make_keypairs(engine);
  Servers::Impl* self = impl.get();
  for (auto type : {self->create_type(), self->delete_type(), self->stop_type(),
                    self->start_type(), self->reboot_type(), self->attach_type(),
                    self->detach_type()}) {
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

  Result<void> release_port(store::Txn& txn, const ServerId& id, const PortId& port,
                            const std::string& mac) override {
    auto server = records::get<Server>(txn, id);
    if (!server && server.error().code == ErrorCode::NotFound) return Result<void>();
    if (!server) return fail(std::move(server).error());
    if (server->task_state != ServerTask::None) {
      return fail(ErrorCode::Conflict,
                  fmt::format("Port {} is used by server {}, which is busy: try again when it is "
                              "done", port.value, id.value));
    }
    const auto used = std::find_if(server->ports.begin(), server->ports.end(),
                                   [&](const ServerPort& each) { return each.port == port; });
    if (used == server->ports.end()) return Result<void>();
    const Servers::Impl& room = servers_.impl();
    auto task = room.make_task({}, id, "detach-interface",
                               {{"port", port.value}, {"made", used->made ? "1" : "0"},
                                {"mac", mac}});
    server->ports.erase(used);
    // The guest that runs gives it up, too; the runner hears of the task by the commit.
    return room.hand_over(txn, *server, std::move(task), ServerTask::None);
  }

 private:
  const Servers& servers_;
};

}  // namespace

std::unique_ptr<network::DeviceOwner> make_device_owner(const Servers& servers) {
  return std::make_unique<PortUser>(servers);
}

}  // namespace cloudos

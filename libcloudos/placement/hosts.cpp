#include <fmt/format.h>

#include "base/text.hpp"
#include "placement/hosts_impl.hpp"
#include "records/table.hpp"

namespace cloudos {
namespace {

Result<void> check_admin(const Context& ctx) {
  if (ctx.is_admin) return Result<void>();
  return fail(ErrorCode::Forbidden, "hosts are shown to and changed by administrators only");
}

Result<std::optional<placement::HostUsage>> usage_of(const store::Snapshot& snapshot,
                                                     const HostId& host) {
  auto usage = records::get<placement::HostUsage>(snapshot, host);
  if (usage) return std::optional<placement::HostUsage>(std::move(*usage));
  if (usage.error().code == ErrorCode::NotFound) return std::optional<placement::HostUsage>();
  return fail(std::move(usage).error());
}

}  // namespace

Hosts::Hosts(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Hosts::~Hosts() = default;

Result<Host> Hosts::Impl::view(const store::Snapshot& snapshot,
                               const placement::HostRecord& record) const {
  CLOUDOS_TRY(const auto usage, usage_of(snapshot, record.id));
  Host host;
  host.id = record.id;
  host.number = record.number;
  host.name = record.name;
  host.zone = record.zone;
  host.enabled = !record.disabled;
  host.disabled_reason = record.disabled_reason;
  host.forced_down = record.forced_down;
  host.created_at = record.created_at;
  host.facts = record.facts;
  host.servers = usage ? usage->servers : 0;
  placement::fill_capacity(record, usage ? &*usage : nullptr, host.vcpus, host.ram_mib,
                           host.disk_gib);
  // A host of an earlier start that no driver speaks for now stays listed, and down.
  if (const auto source = source_of.find(record.name); source != source_of.end()) {
    LockGuard lock(mutex);
    const Answer& answer = answers[source->second];
    host.up = is_up(answer) && !record.forced_down;
    host.seen_at = answer.wall;
    host.facts.disk_free_gib = answer.disk_free_gib;
  } else if (engine.guest) {
    // Only the process that runs the folder asks hypervisors: to a guest, who ever answered is up.
    host.up = record.facts.vcpus > 0 && !record.forced_down;
  }
  return host;
}

Result<placement::HostRecord> Hosts::Impl::find(const store::Snapshot& snapshot,
                                                std::string_view name) const {
  CLOUDOS_TRY(const auto by_name, records::find_unique(snapshot, placement::HostRecord::kKind,
                                                       "name", "", name));
  if (by_name) return records::get<placement::HostRecord>(snapshot, *by_name);
  if (const auto number = parse_unsigned(name)) {
    records::PageSpec<placement::HostRecord> spec;
    spec.range.newest_first = false;
    spec.matches = [&](const placement::HostRecord& host) { return host.number == *number; };
    spec.limit = 1;
    CLOUDOS_TRY(auto found, records::page(snapshot, spec));
    if (!found.empty()) return std::move(found.front());
  }
  return records::get<placement::HostRecord>(snapshot, name);
}

Result<Host> Hosts::Impl::change(const Context& ctx, std::string_view name,
                                 const std::function<void(placement::HostRecord&)>& change_record) {
  CLOUDOS_CHECK(check_admin(ctx));
  CLOUDOS_TRY(const auto before, engine.store.snapshot());
  CLOUDOS_TRY(const auto record, find(*before, name));
  CLOUDOS_CHECK(engine.store.transact([&](store::Txn& txn) -> Result<void> {
    CLOUDOS_CHECK(records::modify<placement::HostRecord>(
        txn, record.id, [&](placement::HostRecord& host) {
          change_record(host);
          return Result<void>();
        }));
    return Result<void>();
  }));
  CLOUDOS_TRY(const auto after, engine.store.snapshot());
  CLOUDOS_TRY(const auto changed, records::get<placement::HostRecord>(*after, record.id));
  return view(*after, changed);
}

Result<std::vector<Host>> Hosts::list(const Context& ctx, std::string_view marker,
                                      std::size_t limit) const {
  CLOUDOS_CHECK(check_admin(ctx));
  CLOUDOS_TRY(const auto snapshot, impl_->engine.store.snapshot());
  records::PageSpec<placement::HostRecord> spec;
  spec.range.newest_first = false;
  spec.limit = limit;
  if (!marker.empty()) {
    const auto last = impl_->find(*snapshot, marker);
    if (!last) return records::bad_marker("hypervisor", marker);
    spec.marker = last->id.value;
  }
  CLOUDOS_TRY(const auto found, records::page(*snapshot, spec));
  std::vector<Host> hosts;
  hosts.reserve(found.size());
  for (const placement::HostRecord& record : found) {
    CLOUDOS_TRY(Host host, impl_->view(*snapshot, record));
    hosts.push_back(std::move(host));
  }
  return hosts;
}

Result<Host> Hosts::get(const Context& ctx, std::string_view id_or_name) const {
  CLOUDOS_CHECK(check_admin(ctx));
  CLOUDOS_TRY(const auto snapshot, impl_->engine.store.snapshot());
  CLOUDOS_TRY(const auto record, impl_->find(*snapshot, id_or_name));
  return impl_->view(*snapshot, record);
}

Result<Host> Hosts::enable(const Context& ctx, std::string_view id_or_name) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  return impl_->change(ctx, id_or_name, [](placement::HostRecord& host) {
    host.disabled = false;
    host.disabled_reason.clear();
  });
}

Result<Host> Hosts::disable(const Context& ctx, std::string_view id_or_name, std::string reason) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  if (!reason.empty()) {
    CLOUDOS_CHECK(check_name("disabled_reason", reason, 1, limits::kDescriptionChars));
  }
  return impl_->change(ctx, id_or_name, [&](placement::HostRecord& host) {
    host.disabled = true;
    host.disabled_reason = reason;
  });
}

Result<Host> Hosts::force_down(const Context& ctx, std::string_view id_or_name, bool down) {
  CLOUDOS_CHECK(check_call(ctx, impl_->engine.clock));
  return impl_->change(ctx, id_or_name,
                       [&](placement::HostRecord& host) { host.forced_down = down; });
}

Result<std::vector<Hosts::Zone>> Hosts::zones(const Context& ctx, bool with_hosts) const {
  CLOUDOS_TRY(auto hosts, list(Context::system()));
  std::map<std::string, Zone> by_name;
  for (Host& host : hosts) {
    Zone& zone = by_name[host.zone];
    zone.name = host.zone;
    zone.available = zone.available || (host.enabled && host.up);
    if (with_hosts && ctx.is_admin) zone.hosts.push_back(std::move(host));
  }
  std::vector<Zone> zones;
  for (auto& [name, zone] : by_name) zones.push_back(std::move(zone));
  return zones;
}

}  // namespace cloudos

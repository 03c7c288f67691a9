#include <doctest/doctest.h>

#include <utility>

#include "compute/records.hpp"
#include "network/plan.hpp"
#include "network/record.hpp"
#include "records/table.hpp"
#include "support/invariants.hpp"
#include "tasks/task.hpp"
#include "world.hpp"

namespace cloudos::sim {

using namespace std::chrono_literals;

void World::check_step() {
  const auto snapshot = *store_->snapshot();
  // Most closures only look: nothing to check again where nothing changed.
  const std::pair state{snapshot->revision(), hypervisor_->domain_count()};
  if (std::exchange(checked_, state) == state) return;
  test::check_records(*snapshot);
  for (const ServerId& id : hypervisor_->domains()) CHECK(records::get<Server>(*snapshot, id));
}

/// Nothing is due now: then no task may be late, unless it is stuck.
void World::check_idle() {
  if (faulty_->crashed() || (jumped_at_ && clock_->mono() - *jumped_at_ < 15min)) return;
  const auto snapshot = *store_->snapshot();
  const auto open = *records::all<tasks::TaskRecord>(*snapshot, "open", "0");
  const auto more = *records::all<tasks::TaskRecord>(*snapshot, "open", "1");
  for (const auto* list : {&open, &more}) {
    for (const auto& task : *list) {
      CAPTURE(task.type);
      CAPTURE(task.step);
      // The first step may poll for hypervisors that were never asked yet.
      if (task.state == TaskState::Queued) CHECK(task.created_at + 1min > clock_->wall());
      if (task.not_before) CHECK(*task.not_before + 100ms > clock_->wall());
      // Whom another takes over from does not rest before it turned round.
      if (!task.superseded_by.empty() && task.state == TaskState::Running)
        CHECK(task.type == "delete-server");
    }
  }
}

void World::check_rest() {
  const auto snapshot = *store_->snapshot();
  const auto all_tasks = *records::all<tasks::TaskRecord>(*snapshot);
  for (const auto& task : all_tasks) {
    CAPTURE(task.type);
    CAPTURE(task.step);
    CAPTURE(task.error_message);
    CHECK(is_final(task.state));
  }
  std::size_t running = 0;
  const auto all_servers = *records::all<Server>(*snapshot);
  for (const Server& server : all_servers) {
    CAPTURE(server.name);
    CAPTURE(server.status());
    CHECK(server.vm_state != VmState::Building);
    if (server.vm_state == VmState::Error) CHECK(server.fault);
    CHECK(server.task_state == ServerTask::None);
    if (server.vm_state == VmState::Active) ++running;
    const bool placed = server.vm_state == VmState::Active || server.vm_state == VmState::Stopped;
    if (placed) CHECK(!server.host.empty());
    const bool has_disks = std::filesystem::exists(folder_ / "servers" / server.id.value);
    if (placed || !server.launched_at) CHECK(has_disks == placed);
  }
  const auto domains = hypervisor_->list();
  REQUIRE(domains);
  const auto on = std::count_if(domains->begin(), domains->end(), [](const auto& domain) {
    return domain.power == hypervisor::PowerState::Running;
  });
  CHECK(static_cast<std::size_t>(on) == running);

  const auto plan = network::plan_all(*snapshot, mechanism_->name());
  REQUIRE(plan);
  const auto state = mechanism_->inner().state();
  CHECK((state.networks == plan->networks));
  CHECK((state.groups == plan->groups));
  CHECK((state.ports == plan->ports));
  const auto all_ports = *records::all<Port>(*snapshot);
  for (const Port& port : all_ports)
    if (port.device_owner.starts_with("compute:") && port.plugged) CHECK(port.wired);
  for (const std::string& complaint : mechanism_->inner().complaints()) FAIL_CHECK(complaint);
  test::check_files_at_rest(*snapshot, folder_);
}

}  // namespace cloudos::sim

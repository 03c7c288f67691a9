#include "support/invariants.hpp"

#include <doctest/doctest.h>

#include <map>
#include <set>
#include <utility>

#include "compute/records.hpp"
#include "image/records.hpp"
#include "maintenance/check.hpp"
#include "network/auto_addresses.hpp"
#include "network/plan.hpp"
#include "network/record.hpp"
#include "network/router_txn.hpp"
#include "network/segments.hpp"
#include "records/table.hpp"
#include "support/capture.hpp"
#include "tasks/task.hpp"
#include "world.hpp"

namespace cloudos::sim {

using namespace std::chrono_literals;

namespace {

/// What operations of several commits keep for those who end them.
void check_nothing_owed(const store::Snapshot& snapshot) {
  for (const std::string_view prefix :
       {network::kAutoDuePrefix, network::kSegmentDuePrefix, network::kLegsDuePrefix}) {
    CAPTURE(prefix);
    CHECK(snapshot.scan(std::string(prefix))->empty());
  }
  CHECK(records::all<SecurityGroup>(snapshot, "going", "1")->empty());
}

}  // namespace

/// A server whose creation failed holds nothing but its name in the quota.
void World::check_unbuilt(const store::Snapshot& snapshot) {
  const auto all_servers = *records::all<Server>(snapshot);
  for (const Server& server : all_servers) {
    const auto task = records::get<tasks::TaskRecord>(snapshot, server.task);
    if (!task || task->type != "create-server" || task->state != TaskState::Failed) continue;
    CAPTURE(server.name);
    CHECK(server.vm_state == VmState::Error);
    CHECK(server.host.empty());
    CHECK(server.ports.empty());
    CHECK_FALSE(std::filesystem::exists(folder_ / "servers" / server.id.value));
    const auto pin = image::pin_key(server.image, "server/" + server.id.value);
    CHECK_FALSE((*snapshot.get(pin)).has_value());
  }
}

void World::check_step() {
  const auto snapshot = *store_->snapshot();
  // Most closures only look: nothing to check again where nothing changed.
  const std::pair state{snapshot->revision(), domains().size()};
  if (std::exchange(checked_, state) == state) return;
  test::check_records(*snapshot);
  const auto all_ports = *records::all<Port>(*snapshot);
  for (const Port& port : all_ports) {
    CAPTURE(port.id.value);
    // What compute or the network made is in use: nobody else would ever delete it.
    const bool of_ours =
        port.device_owner == "network:dhcp" || !port.router.empty() || !port.floating_ip.empty();
    if (port.name != "given") CHECK((port.attached || of_ours));
  }
  for (const ServerId& id : domains()) CHECK(records::get<Server>(*snapshot, id));
  check_unbuilt(*snapshot);
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
      // A step that polls after it had backed off leaves the time of that in the record.
      if (task.not_before) CHECK(*task.not_before + 3min > clock_->wall());
      // Whom another takes over from does not rest before it turned round.
      if (!task.superseded_by.empty() && task.state == TaskState::Running)
        CHECK(task.type == "delete-server");
    }
  }
}

/// Each store has the copies that records tell of, and not a byte more.
void World::check_stores(const store::Snapshot& snapshot) {
  std::map<std::string, std::set<std::string>> told, there;
  const auto all_payloads = *records::all<image::Payload>(snapshot);
  for (const image::Payload& payload : all_payloads)
    for (const ImageLocation& location : payload.locations)
      told[location.store].insert(payload.id.value);
  for (const auto& [store, folder] :
       {std::pair{"file", folder_ / "images"}, std::pair{"second", folder_ / "second-store"},
        std::pair{"third", folder_ / "third-store"}}) {
    CAPTURE_BOUND(store);
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      there[store].insert(entry.path().filename());
    CHECK((told[store] == there[store]));
  }
}

/// The guest that runs has the interfaces that the record tells of.
void World::check_interfaces(const Server& server) {
  const auto& host = edge_ && edge_->spec(server.id) ? edge_ : hypervisor_;
  std::set<PortId> told, there;
  for (const ServerPort& used : server.ports) told.insert(used.port);
  for (const auto& nic : host->interfaces(server.id)) there.insert(nic.port);
  CHECK((told == there));
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
  check_stores(*snapshot);
  // Of people and projects too: references, unique names, what is counted.
  const auto report = maintenance::check_snapshot(*snapshot);
  REQUIRE(report);
  for (const std::string& problem : report->problems) FAIL_CHECK(problem);
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
  auto listed = hypervisor_->list();
  REQUIRE(listed);
  if (edge_) {
    const auto more = edge_->list();
    REQUIRE(more);
    listed->insert(listed->end(), more->begin(), more->end());
  }
  std::size_t on = 0;
  for (const auto& domain : *listed) {
    const auto server = records::get<Server>(*snapshot, domain.id);
    REQUIRE(server);
    // What became of a guest whose reboot failed is for its owner to see and to mend.
    if (server->vm_state == VmState::Error)
      CHECK(server->launched_at);
    else
      on += domain.power == hypervisor::PowerState::Running;
    if (server->vm_state == VmState::Active) check_interfaces(*server);
  }
  CHECK(on == running);

  check_plane(*mechanism_, {});
  if (edge_plane_) check_plane(*edge_plane_, "edge");
  const auto all_ports = *records::all<Port>(*snapshot);
  for (const Port& port : all_ports)
    if (port.device_owner.starts_with("compute:") && port.plugged) CHECK(port.wired);
  check_nothing_owed(*snapshot);
  test::check_files_at_rest(*snapshot, folder_);
}

/// The data plane has what records say, and was never told out of order.
void World::check_plane(Mechanism& plane, const std::string& host) {
  CAPTURE(host);
  const auto snapshot = *store_->snapshot();
  const auto plan = network::plan_all(*snapshot, {plane.name(), host});
  REQUIRE(plan);
  const auto state = plane.inner().state();
  CHECK((state.networks == plan->networks));
  CHECK((state.groups == plan->groups));
  CHECK((state.address_groups == plan->address_groups));
  CHECK((state.ports == plan->ports));
  CHECK((state.routers == plan->routers));
  for (const std::string& complaint : plane.inner().complaints()) FAIL_CHECK(complaint);
}

/// A host that is not heard of holds up what is on it, and nothing else.
void World::check_without_edge() {
  const auto snapshot = *store_->snapshot();
  std::set<std::string> there;
  const auto all_servers = *records::all<Server>(*snapshot);
  for (const Server& server : all_servers)
    if (server.host == "edge") there.insert("server/" + server.id.value);
  const auto all_tasks = *records::all<tasks::TaskRecord>(*snapshot);
  for (const auto& task : all_tasks) {
    CAPTURE(task.type);
    CAPTURE(task.step);
    CAPTURE(task.error_message);
    const auto about = records::get<Server>(*snapshot, task.resource.substr(7));
    const std::string where = about ? about->host : "nowhere";
    CAPTURE(where);
    CAPTURE(to_string(task.state));
    CAPTURE(task.resource);
    CHECK((is_final(task.state) || there.count(task.resource) != 0));
  }
  const auto all_ports = *records::all<Port>(*snapshot);
  for (const Port& port : all_ports) {
    const bool served = port.device_owner.starts_with("compute:") && port.plugged;
    if (served && port.host != "edge") CHECK(port.wired);
  }
  check_plane(*mechanism_, {});
  check_nothing_owed(*snapshot);
}

}  // namespace cloudos::sim

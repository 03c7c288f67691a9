#include <algorithm>
#include <vector>

#include "cloudos/flavors.hpp"
#include "handle.hpp"

struct cloudos_server_iterator {
  std::weak_ptr<cloudos::c::Shared> shared;  // Does not keep a closed cloud alive.
  cloudos::Context caller;
  cloudos::ServerQuery query;
  std::vector<std::unique_ptr<cloudos_server>> page;
  std::size_t at = 0;
  bool last = false;
};

struct cloudos_flavor {
  cloudos::Flavor flavor;
};
struct cloudos_flavors {
  std::vector<cloudos_flavor> flavors;
};

namespace cloudos::c {
namespace {

constexpr std::size_t kPage = 500;

Result<ServerCreate> create_of(const cloudos_server_spec& given) {
  ServerCreate spec;
  spec.name = text_of(given.name);
  spec.flavor = FlavorId{text_of(given.flavor)};
  spec.image = ImageId{text_of(given.image)};
  if (given.no_network != 0 && given.network_count != 0) {
    return fail(ErrorCode::InvalidArgument, "no_network is set beside networks");
  }
  if (given.network_count != 0) CLOUDOS_CHECK(need(given.networks, "networks"));
  if (given.no_network != 0 || given.network_count != 0) spec.networks.emplace();
  for (std::size_t i = 0; i < given.network_count; ++i) {
    CLOUDOS_CHECK(need(given.networks[i], "an id in networks"));
    spec.networks->push_back({.network = NetworkId{given.networks[i]}});
  }
  spec.key_name = text_of(given.key_name);
  spec.user_data = text_of(given.user_data);
  spec.availability_zone = text_of(given.availability_zone);
  return spec;
}

Error error_of(const Task& task) {
  if (task.error) return *task.error;
  return Error{ErrorCode::Internal,
               "task " + task.id.value + " is " + std::string(to_string(task.state))};
}

// Tasks may follow one another (a delete supersedes a create): until none is under way.
Result<Server> settle(Cloud& cloud, const Context& caller, const ServerId& id,
                      std::int64_t timeout_ms) {
  const auto end = cloud.clock().mono() + patience_of(timeout_ms);
  for (;;) {
    CLOUDOS_TRY(Server server, cloud.servers().get(caller, id));
    if (server.task.empty()) return server;
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - cloud.clock().mono());
    auto task = wait_for(cloud, caller, server.task, std::max(left, std::chrono::milliseconds{0}));
    CLOUDOS_TRY(Server after, cloud.servers().get(caller, id));
    if (after.task != server.task) continue;
    // Finished tasks are forgotten after a while, which is no error of the server.
    if (!task && task.error().code != ErrorCode::NotFound) return fail(std::move(task).error());
    return after;
  }
}

Result<void> read_page(cloudos_server_iterator& iterator) {
  const auto shared = iterator.shared.lock();
  if (!shared) return fail(ErrorCode::Conflict, "cloudos_server_next: the cloud is closed");
  CLOUDOS_TRY(auto servers, shared->cloud->servers().list(iterator.caller, iterator.query));
  iterator.last = servers.size() < iterator.query.limit;
  if (!servers.empty()) iterator.query.marker = servers.back().id.value;
  iterator.page.clear();
  iterator.at = 0;
  for (Server& server : servers) iterator.page.push_back(make_server(std::move(server)));
  return Result<void>();
}

}  // namespace

std::unique_ptr<cloudos_server> make_server(Server server) {
  auto handle = std::make_unique<cloudos_server>();
  handle->status = std::string(server.status());
  handle->server = std::move(server);
  return handle;
}

std::unique_ptr<cloudos_task> make_task(Task task) {
  auto handle = std::make_unique<cloudos_task>();
  for (const char c : to_string(task.state)) {
    handle->state += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  handle->task = std::move(task);
  return handle;
}

Result<Task> wait_for(Cloud& cloud, const Context& caller, const TaskId& id,
                      std::chrono::milliseconds patience) {
  CLOUDOS_TRY(Task task, cloud.tasks().wait(caller, id, patience));
  if (task.state != TaskState::Done) return fail(error_of(task));
  return task;
}

}  // namespace cloudos::c

using cloudos::c::cloud_with;
using cloudos::c::create_of;
using cloudos::c::give;
using cloudos::c::guarded;
using cloudos::c::kPage;
using cloudos::c::make_server;
using cloudos::c::make_task;
using cloudos::c::need;
using cloudos::c::patience_of;
using cloudos::c::read_page;
using cloudos::c::read_struct;
using cloudos::c::settle;
using cloudos::c::text_of;
using cloudos::c::wait_for;

extern "C" {

const char* cloudos_task_id(const cloudos_task* t) {
  return t ? t->task.id.value.c_str() : "";
}
const char* cloudos_task_type(const cloudos_task* t) {
  return t ? t->task.type.c_str() : "";
}
const char* cloudos_task_state(const cloudos_task* t) {
  return t ? t->state.c_str() : "";
}
const char* cloudos_task_resource(const cloudos_task* t) {
  return t ? t->task.resource.c_str() : "";
}
void cloudos_task_free(cloudos_task* task) {
  delete task;
}

cloudos_code cloudos_task_wait(cloudos_cloud* cloud, const char* id, int64_t timeout_ms,
                               cloudos_task** place, cloudos_error** error) {
  return guarded(error, [&]() -> cloudos::Result<void> {
    CLOUDOS_CHECK(need(cloud, "cloudos_task_wait: cloud"));
    CLOUDOS_CHECK(need(id, "cloudos_task_wait: id"));
    CLOUDOS_TRY(auto task,
                wait_for(*cloud->shared->cloud, cloud->caller, cloudos::TaskId{id},
                         patience_of(timeout_ms)));
    give(place, make_task(std::move(task)));
    return cloudos::Result<void>();
  });
}

const char* cloudos_server_id(const cloudos_server* s) {
  return s ? s->server.id.value.c_str() : "";
}
const char* cloudos_server_name(const cloudos_server* s) {
  return s ? s->server.name.c_str() : "";
}
const char* cloudos_server_status(const cloudos_server* s) {
  return s ? s->status.c_str() : "";
}
const char* cloudos_server_host(const cloudos_server* s) {
  return s ? s->server.host.c_str() : "";
}
const char* cloudos_server_image(const cloudos_server* s) {
  return s ? s->server.image.value.c_str() : "";
}
const char* cloudos_server_flavor(const cloudos_server* s) {
  return s ? s->server.flavor.id.value.c_str() : "";
}
const char* cloudos_server_task(const cloudos_server* s) {
  return s ? s->server.task.value.c_str() : "";
}
const char* cloudos_server_fault(const cloudos_server* s) {
  return s && s->server.fault ? s->server.fault->message.c_str() : "";
}
size_t cloudos_server_address_count(const cloudos_server* s) {
  return s ? s->server.addresses.size() : 0;
}
const char* cloudos_server_address(const cloudos_server* s, size_t index) {
  return s && index < s->server.addresses.size() ? s->server.addresses[index].address.c_str() : "";
}
void cloudos_server_free(cloudos_server* server) {
  delete server;
}

cloudos_code cloudos_server_create(cloudos_cloud* cloud, const cloudos_server_spec* given,
                                   cloudos_server** place, cloudos_error** error) {
  return guarded(error, [&]() -> cloudos::Result<void> {
    CLOUDOS_TRY(auto* c, cloud_with(cloud, &cloudos::Services::compute, "cloudos_server_create"));
    CLOUDOS_CHECK(need(given, "cloudos_server_create: spec"));
    CLOUDOS_TRY(const cloudos_server_spec known, read_struct(given, "cloudos_server_spec"));
    CLOUDOS_TRY(const cloudos::ServerCreate spec, create_of(known));
    CLOUDOS_TRY(auto server, c->servers().create(cloud->caller, spec));
    give(place, make_server(std::move(server)));
    return cloudos::Result<void>();
  });
}

cloudos_code cloudos_server_wait(cloudos_cloud* cloud, const char* id, int64_t timeout_ms,
                                 cloudos_server** place, cloudos_error** error) {
  return guarded(error, [&]() -> cloudos::Result<void> {
    CLOUDOS_TRY(auto* c, cloud_with(cloud, &cloudos::Services::compute, "cloudos_server_wait"));
    CLOUDOS_CHECK(need(id, "cloudos_server_wait: id"));
    CLOUDOS_TRY(auto server, settle(*c, cloud->caller, cloudos::ServerId{id}, timeout_ms));
    give(place, make_server(std::move(server)));
    return cloudos::Result<void>();
  });
}

cloudos_code cloudos_server_get(cloudos_cloud* cloud, const char* id, cloudos_server** place,
                                cloudos_error** error) {
  return guarded(error, [&]() -> cloudos::Result<void> {
    CLOUDOS_TRY(auto* c, cloud_with(cloud, &cloudos::Services::compute, "cloudos_server_get"));
    CLOUDOS_CHECK(need(id, "cloudos_server_get: id"));
    CLOUDOS_TRY(auto server, c->servers().get(cloud->caller, cloudos::ServerId{id}));
    give(place, make_server(std::move(server)));
    return cloudos::Result<void>();
  });
}

cloudos_code cloudos_server_delete(cloudos_cloud* cloud, const char* id, cloudos_task** place,
                                   cloudos_error** error) {
  return guarded(error, [&]() -> cloudos::Result<void> {
    CLOUDOS_TRY(auto* c, cloud_with(cloud, &cloudos::Services::compute, "cloudos_server_delete"));
    CLOUDOS_CHECK(need(id, "cloudos_server_delete: id"));
    CLOUDOS_TRY(const auto task_id, c->servers().remove(cloud->caller, cloudos::ServerId{id}));
    if (place == nullptr) return cloudos::Result<void>();
    CLOUDOS_TRY(auto task, c->tasks().get(cloud->caller, task_id));
    give(place, make_task(std::move(task)));
    return cloudos::Result<void>();
  });
}

cloudos_code cloudos_server_list(cloudos_cloud* cloud, const cloudos_server_query* given,
                                 cloudos_server_iterator** place, cloudos_error** error) {
  return guarded(error, [&]() -> cloudos::Result<void> {
    CLOUDOS_CHECK(cloud_with(cloud, &cloudos::Services::compute, "cloudos_server_list"));
    CLOUDOS_CHECK(need(place, "cloudos_server_list: iterator"));
    CLOUDOS_TRY(const cloudos_server_query known, read_struct(given, "cloudos_server_query"));
    auto iterator = std::make_unique<cloudos_server_iterator>();
    iterator->shared = cloud->shared;
    iterator->caller = cloud->caller;
    iterator->query.all_projects = known.all_projects != 0;
    iterator->query.name = text_of(known.name);
    if (known.status != nullptr) iterator->query.statuses = {known.status};
    iterator->query.limit = kPage;
    // A wrong query fails here, not at the first step.
    CLOUDOS_CHECK(read_page(*iterator));
    give(place, std::move(iterator));
    return cloudos::Result<void>();
  });
}

cloudos_code cloudos_server_next(cloudos_server_iterator* iterator, const cloudos_server** place,
                                 cloudos_error** error) {
  return guarded(error, [&]() -> cloudos::Result<void> {
    CLOUDOS_CHECK(need(iterator, "cloudos_server_next: iterator"));
    CLOUDOS_CHECK(need(place, "cloudos_server_next: server"));
    if (iterator->at == iterator->page.size() && !iterator->last) {
      CLOUDOS_CHECK(read_page(*iterator));
    }
    *place = iterator->at < iterator->page.size() ? iterator->page[iterator->at++].get() : nullptr;
    return cloudos::Result<void>();
  });
}

void cloudos_server_iterator_free(cloudos_server_iterator* iterator) {
  delete iterator;
}

cloudos_code cloudos_flavor_list(cloudos_cloud* cloud, cloudos_flavors** place,
                                 cloudos_error** error) {
  return guarded(error, [&]() -> cloudos::Result<void> {
    CLOUDOS_TRY(auto* c, cloud_with(cloud, &cloudos::Services::compute, "cloudos_flavor_list"));
    CLOUDOS_TRY(auto flavors, c->servers().flavors().list(cloud->caller));
    auto list = std::make_unique<cloudos_flavors>();
    for (auto& flavor : flavors) list->flavors.push_back({std::move(flavor)});
    give(place, std::move(list));
    return cloudos::Result<void>();
  });
}

size_t cloudos_flavors_count(const cloudos_flavors* f) {
  return f ? f->flavors.size() : 0;
}
const cloudos_flavor* cloudos_flavors_at(const cloudos_flavors* f, size_t index) {
  return f && index < f->flavors.size() ? &f->flavors[index] : nullptr;
}
void cloudos_flavors_free(cloudos_flavors* flavors) {
  delete flavors;
}
const char* cloudos_flavor_id(const cloudos_flavor* f) {
  return f ? f->flavor.id.value.c_str() : "";
}
const char* cloudos_flavor_name(const cloudos_flavor* f) {
  return f ? f->flavor.name.c_str() : "";
}
uint32_t cloudos_flavor_vcpus(const cloudos_flavor* f) {
  return f ? f->flavor.vcpus : 0;
}
uint64_t cloudos_flavor_ram_mib(const cloudos_flavor* f) {
  return f ? f->flavor.ram_mib : 0;
}
uint64_t cloudos_flavor_disk_gib(const cloudos_flavor* f) {
  return f ? f->flavor.disk_gib : 0;
}

}  // extern "C"

// A hypervisor of your own: its guests are processes of this machine, one `sleep` each. What the
// docs page "writing a driver" says about each verb is done here in the smallest way that is right.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>

#include "cloudos/cloud.hpp"
#include "cloudos/hypervisor.hpp"
#include "cloudos/images.hpp"
#include "cloudos/servers.hpp"
#include "cloudos/tasks.hpp"

using namespace cloudos;
using hypervisor::Capabilities;
using hypervisor::DomainState;
using Power = hypervisor::PowerState;  // Servers have one of that name too.

/// A domain is a file named by its id, which holds the task that defined it and the process that
/// runs (0: it is off). So it outlives this program, as a driver's domains must.
class ProcessDriver final : public hypervisor::Driver {
 public:
  explicit ProcessDriver(std::filesystem::path folder) : folder_(std::move(folder)) {}

  std::string_view name() const override { return "process"; }

  Result<Capabilities> capabilities() override {
    Capabilities told;
    told.hypervisor_type = "process";
    told.hypervisor_version = 1'000'000;
    told.host_name = "this-machine";
    told.architecture = "x86_64";
    told.virt_type = "process";
    told.cpu_info = "{}";
    told.vcpus = 4;
    told.ram_mib = 4096;
    told.disk_gib = told.disk_free_gib = 100;
    return told;
  }
  Result<void> make_disk(const hypervisor::DiskSpec&) override { return Result<void>(); }

  Result<void> define(const hypervisor::DomainSpec& spec) override {
    const std::lock_guard lock(mutex_);
    const auto before = read(spec.id);
    return write(spec.id, {spec.task, before ? before->process : 0});
  }
  Result<void> start(const ServerId& id) override {
    const std::lock_guard lock(mutex_);
    auto domain = read(id);
    if (!domain) return fail(ErrorCode::NotFound, "there is no such domain");
    if (runs(*domain)) return Result<void>();  // Already so is success.
    char program[] = "sleep", time[] = "600";
    char* const words[] = {program, time, nullptr};
    if (::posix_spawnp(&domain->process, program, nullptr, nullptr, words, environ) != 0)
      return fail(ErrorCode::Internal, "the guest's process cannot be started");
    return write(id, *domain);
  }
  Result<void> stop(const ServerId& id, hypervisor::StopMode mode) override {
    const std::lock_guard lock(mutex_);
    return end(id, mode == hypervisor::StopMode::Hard ? SIGKILL : SIGTERM);
  }
  Result<void> destroy(const ServerId& id) override {
    const std::lock_guard lock(mutex_);
    CLOUDOS_CHECK(end(id, SIGKILL));
    std::error_code ignored;
    std::filesystem::remove(folder_ / id.value, ignored);  // Gone already is success as well.
    return Result<void>();
  }
  Result<std::vector<DomainState>> list(const std::optional<ServerId>& only) override {
    const std::lock_guard lock(mutex_);
    std::vector<DomainState> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      const ServerId id{entry.path().filename().string()};
      const auto domain = read(id);
      if (!domain || (only && id != *only)) continue;
      found.push_back({id, runs(*domain) ? Power::Running : Power::Shutdown, domain->task});
    }
    return found;
  }

 private:
  struct Domain {
    std::string task;
    pid_t process = 0;
  };
  std::optional<Domain> read(const ServerId& id) const {
    std::ifstream in(folder_ / id.value);
    Domain domain;
    if (in >> domain.task >> domain.process) return domain;
    return std::nullopt;
  }
  Result<void> write(const ServerId& id, const Domain& domain) const {
    std::ofstream out(folder_ / id.value);
    out << domain.task << ' ' << domain.process << std::endl;
    if (out) return Result<void>();
    return fail(ErrorCode::Unavailable, "the domain cannot be written down");
  }
  static bool runs(const Domain& domain) {
    if (domain.process == 0) return false;
    // A child of ours has to be waited for, or it would stay a zombie.
    const pid_t ended = ::waitpid(domain.process, nullptr, WNOHANG);
    return ended == 0 || (ended < 0 && ::kill(domain.process, 0) == 0);
  }
  Result<void> end(const ServerId& id, int signal) const {
    auto domain = read(id);
    if (!domain || !runs(*domain)) return Result<void>();
    ::kill(domain->process, signal);
    ::waitpid(domain->process, nullptr, 0);
    domain->process = 0;
    return write(id, *domain);
  }

  const std::filesystem::path folder_;
  std::mutex mutex_;  // Verbs come from many workers at once.
};

namespace {

/// A folder that goes with this program.
struct Folder {
  std::string path = (std::filesystem::temp_directory_path() / "own-hypervisor-XXXXXX").string();
  Folder() {
    if (::mkdtemp(path.data()) == nullptr) std::abort();
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

bool tell(Cloud& cloud, const Context& me, const ServerId& id, const TaskId& task) {
  const auto done = cloud.tasks().wait(task, std::chrono::seconds{20});
  const auto server = cloud.servers().get(me, id);
  if (!done || !server) return false;
  std::printf("server %s is %.*s\n", server->name.c_str(),
              static_cast<int>(server->status().size()), server->status().data());
  return true;
}

bool show(Cloud& cloud, hypervisor::Driver& driver) {
  Context me = Context::system();
  me.project = ProjectId{"my-project"};
  const auto image = cloud.images().create(
      me,
      {.name = "image", .disk_format = DiskFormat::Raw, .container_format = ContainerFormat::Bare});
  TextSource bytes(std::string(512, 'x'));
  if (!image || !cloud.images().upload(me, image->id, bytes)) return false;
  auto& servers = cloud.servers();
  const auto server = servers.create(me, {.name = "first",
                                          .flavor = servers.flavors().list(me)->front().id,
                                          .image = image->id,
                                          .networks = std::vector<ServerNetwork>{}});
  if (!server || !tell(cloud, me, server->id, server->task)) return false;
  const auto is = [&](Power power) {
    const auto domains = driver.list(server->id);
    return domains && domains->size() == 1 && domains->front().power == power;
  };
  if (!is(Power::Running)) return false;
  const auto stopped = servers.stop(me, server->id);
  if (!stopped || !tell(cloud, me, server->id, *stopped) || !is(Power::Shutdown)) return false;
  const auto started = servers.start(me, server->id);
  if (!started || !tell(cloud, me, server->id, *started) || !is(Power::Running)) return false;
  const auto removed = servers.remove(me, server->id);
  return removed && cloud.tasks().wait(*removed, std::chrono::seconds{20}) &&
         driver.list({})->empty();
}

}  // namespace

int main() {
  const Folder folder;
  const auto driver = std::make_shared<ProcessDriver>(folder.path);
  Options options;
  options.hypervisor_drivers = {{"this-machine", driver}};
  auto cloud = Cloud::open(options);
  if (!cloud) return std::fprintf(stderr, "%s\n", cloud.error().message.c_str()), 1;
  return show(**cloud, *driver) ? 0 : 1;
}

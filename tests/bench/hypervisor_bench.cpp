// From a request for a server to its QEMU running, against libvirt alone on the same domain.
#include <fmt/format.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "bench.hpp"
#include "cloudos/cloud.hpp"
#include "cloudos/images.hpp"
#include "cloudos/servers.hpp"
#include "cloudos/tasks.hpp"

namespace cloudos::bench {

namespace {

using namespace std::chrono_literals;

[[noreturn]] void stop_hypervisor(const std::string& why) {
  fmt::print(stderr, "cloudos_bench hypervisor: {}\n", why);
  std::exit(1);
}

template <class T>
T need(Result<T> result, const char* what) {
  if (!result) {
    stop_hypervisor(fmt::format("{}: {} {}", what, result.error().message, result.error().detail));
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

double milliseconds_since(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began)
      .count();
}

std::string replace_first(std::string text, std::string_view from, std::string_view to) {
  const auto at = text.find(from);
  if (at == std::string::npos) stop_hypervisor(fmt::format("no {} in the domain's XML", from));
  return text.replace(at, from.size(), to);
}

/// A cloud on real QEMU, with an image and a flavor to make servers of, and libvirt beside it.
class HypervisorBench {
 public:
  explicit HypervisorBench(const std::filesystem::path& folder) {
    Options options;
    options.data_dir = folder;
    options.hypervisor = Backend::Real;
    std::filesystem::create_directories(folder);
    cloud_ = need(Cloud::open(options), "opening a cloud");
    me_.project = ProjectId{"bench"};
    const Image image =
        need(cloud_->images().create(me_, {.name = "image",
                                           .disk_format = DiskFormat::Raw,
                                           .container_format = ContainerFormat::Bare}),
             "an image");
    TextSource bytes(std::string(1 << 20, 'x'));
    need(cloud_->images().upload(me_, image.id, bytes), "uploading");
    spec_.name = "bench";
    spec_.image = image.id;
    spec_.networks = std::vector<ServerNetwork>{};
    for (const Flavor& flavor : need(cloud_->servers().flavors().list(me_), "flavors")) {
      if (flavor.name == "m1.nano") spec_.flavor = flavor.id;
    }
    // The first server waits until libvirt has asked QEMU what it can; its domain is the model.
    const Server server = make_server().first;
    uuid_ = server.id.value;
    connect(folder / "libvirt");
    const virDomainPtr domain = virDomainLookupByUUIDString(connection_, uuid_.c_str());
    if (domain == nullptr) stop_hypervisor(virGetLastErrorMessage());
    char* xml = virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE);
    xml_ = xml;
    std::free(xml);
    virDomainFree(domain);
    disk_ = folder / "libvirt-alone.qcow2";
    model_disk_ = (folder / "servers" / uuid_ / "disk.qcow2").native();
    std::filesystem::copy_file(model_disk_, disk_);
    remove_server(server);
    std::filesystem::create_directories(folder / "servers" / uuid_);  // The console goes there.
  }
  ~HypervisorBench() {
    if (connection_ != nullptr) virConnectClose(connection_);
  }
  HypervisorBench(const HypervisorBench&) = delete;
  HypervisorBench& operator=(const HypervisorBench&) = delete;

  /// Milliseconds from the call to the server being ACTIVE: its QEMU runs, and that is recorded.
  double by_cloud() {
    const auto [server, taken] = make_server();
    remove_server(server);
    return taken;
  }

  /// Milliseconds virDomainCreateXML takes for the same domain with a disk made beforehand.
  double by_libvirt() {
    auto xml = replace_first(xml_, uuid_, "libvirt-alone");  // In the name.
    xml = replace_first(xml, fmt::format("<uuid>{}</uuid>", uuid_), "");
    xml = replace_first(xml, model_disk_, disk_.native());
    const auto began = std::chrono::steady_clock::now();
    const virDomainPtr domain = virDomainCreateXML(connection_, xml.c_str(), 0);
    const double taken = milliseconds_since(began);
    if (domain == nullptr) stop_hypervisor(virGetLastErrorMessage());
    virDomainDestroy(domain);
    virDomainFree(domain);
    return taken;
  }

 private:
  std::pair<Server, double> make_server() {
    const auto began = std::chrono::steady_clock::now();
    const Server made = need(cloud_->servers().create(me_, spec_), "a server");
    need(cloud_->tasks().wait(made.task, 120s), "its task");
    const double taken = milliseconds_since(began);
    Server server = need(cloud_->servers().get(me_, made.id), "the server");
    if (server.vm_state != VmState::Active) {
      stop_hypervisor(server.fault ? server.fault->message + " " + server.fault->details
                                   : "not up");
    }
    return {std::move(server), taken};
  }
  void remove_server(const Server& server) {
    const TaskId task = need(cloud_->servers().remove(me_, server.id), "deleting");
    need(cloud_->tasks().wait(task, 60s), "the deletion");
  }
  void connect(const std::filesystem::path& root) {
    connection_ = virConnectOpen(("qemu:///embed?root=" + root.native()).c_str());
    if (connection_ == nullptr) stop_hypervisor(virGetLastErrorMessage());
  }

  Context me_ = Context::system();
  ServerCreate spec_;
  std::unique_ptr<Cloud> cloud_;
  virConnectPtr connection_ = nullptr;
  std::string uuid_, xml_, model_disk_;
  std::filesystem::path disk_;
};

}  // namespace

std::vector<Figure> bench_hypervisor(const Settings& settings) {
  if (::geteuid() != 0 || ::access("/usr/bin/qemu-system-x86_64", X_OK) != 0) {
    fmt::print(stderr, "cloudos_bench hypervisor: left out: needs root and QEMU\n");
    return {};
  }
  HypervisorBench bench(settings.folder / "hv");
  Rounds rounds;
  for (int round = 0; round < (settings.quick ? 1 : 15); ++round) {
    const double reference = bench.by_libvirt();
    rounds.add(bench.by_cloud(), reference);
  }
  return {rounds.figure("hypervisor.boot",
                        "Servers::create to ACTIVE (image, disk, domain, QEMU) against "
                        "virDomainCreateXML of the same XML",
                        "ms")};
}

}  // namespace cloudos::bench

#include "support.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "cloudos/identity.hpp"
#include "cloudos/tasks.hpp"

namespace cloudos::test {

WorkFolder::WorkFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "cloudos-keep-XXXXXX").native();
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  path_ = name;
}

WorkFolder::~WorkFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Options cloud_options(const std::filesystem::path& folder) {
  Options options;
  options.data_dir = folder;
  options.workers = 2;
  options.password_cost = 4;
  options.admin_password = "secret";
  return options;
}

std::unique_ptr<Cloud> open_cloud(const Options& options) {
  auto opened = Cloud::open(options);
  const std::string why = opened ? "" : opened.error().message + " " + opened.error().detail;
  INFO(why);
  REQUIRE(opened);
  return std::move(*opened);
}

ImageId upload(Cloud& cloud, const Context& tenant, const std::string& name,
               const std::string& bytes) {
  ImageCreate image;
  image.name = name;
  image.disk_format = DiskFormat::Raw;
  image.container_format = ContainerFormat::Bare;
  const auto recorded = cloud.images().create(tenant, image);
  REQUIRE(recorded);
  TextSource source(bytes);
  REQUIRE(cloud.images().upload(tenant, recorded->id, source));
  return recorded->id;
}

Small fill(Cloud& cloud) {
  Small small;
  ProjectCreate project;
  project.name = "tenant";
  project.domain = DomainId{"default"};
  const auto made = cloud.identity().create_project(Context::system(), project);
  REQUIRE(made);
  small.tenant.project = made->id;
  small.tenant.user = UserId{"tenant-user"};
  small.tenant.roles = {"member", "reader"};
  small.image = upload(cloud, small.tenant, "image", std::string(100'000, 'i'));
  NetworkCreate network;
  network.name = "net";
  const auto net = cloud.networks().create_network(small.tenant, network);
  REQUIRE(net);
  small.network = net->id;
  SubnetCreate subnet;
  subnet.network = small.network;
  subnet.cidr = "10.0.0.0/24";
  REQUIRE(cloud.networks().create_subnet(small.tenant, subnet));
  const auto flavors = cloud.servers().flavors().list(small.tenant);
  REQUIRE(flavors);
  for (const Flavor& flavor : *flavors)
    if (flavor.name == "m1.nano") small.flavor = flavor.id;
  REQUIRE(!small.flavor.empty());
  return small;
}

ServerId boot(Cloud& cloud, const Small& small, const std::string& name) {
  ServerCreate spec;
  spec.name = name;
  spec.image = small.image;
  spec.flavor = small.flavor;
  spec.networks = std::vector<ServerNetwork>{{small.network, {}, {}}};
  const auto server = cloud.servers().create(small.tenant, spec);
  REQUIRE(server);
  const auto task = cloud.tasks().wait(server->task, std::chrono::seconds(20));
  REQUIRE(task);
  CHECK(task->state == TaskState::Done);
  return server->id;
}

std::string read_text(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace cloudos::test

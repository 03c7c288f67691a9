#pragma once
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "cloudos/cloud.hpp"
#include "cloudos/images.hpp"
#include "cloudos/servers.hpp"
#include "cloudos/tasks.hpp"

namespace cloud_test {

struct Scratch {
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "cloudos-cloud-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::filesystem::path path;
};

inline cloudos::Options small_options(const std::filesystem::path& folder = {}) {
  cloudos::Options options;
  options.data_dir = folder;
  options.password_cost = 4;
  options.host_names = {"host-1"};
  options.store_limit_bytes = std::uint64_t{1} << 30;
  return options;
}

inline cloudos::Context member() {
  auto me = cloudos::Context::system();
  me.project = cloudos::ProjectId{"p"};
  return me;
}

inline cloudos::Result<cloudos::Image> make_image(cloudos::Cloud& cloud) {
  using namespace cloudos;
  CLOUDOS_TRY(const auto image,
              cloud.images().create(member(), {.name = "i",
                                               .disk_format = DiskFormat::Raw,
                                               .container_format = ContainerFormat::Bare}));
  TextSource bytes(std::string(512, 'x'));
  return cloud.images().upload(member(), image.id, bytes);
}

/// A server in BUILD, without networks.
inline cloudos::Result<cloudos::Server> make_server(cloudos::Cloud& cloud,
                                                    const std::string& name) {
  using namespace cloudos;
  CLOUDOS_TRY(const auto image, make_image(cloud));
  CLOUDOS_TRY(const auto flavors, cloud.servers().flavors().list(member()));
  ServerCreate spec;
  spec.name = name;
  spec.flavor = flavors.front().id;
  spec.image = image.id;
  spec.networks = std::vector<ServerNetwork>{};
  return cloud.servers().create(member(), spec);
}

/// The server once its task has ended.
inline cloudos::Result<cloudos::Server> boot_server(cloudos::Cloud& cloud,
                                                    const std::string& name) {
  using namespace cloudos;
  CLOUDOS_TRY(const auto server, make_server(cloud, name));
  CLOUDOS_CHECK(cloud.tasks().wait(server.task, std::chrono::seconds{20}));
  return cloud.servers().get(member(), server.id);
}

}  // namespace cloud_test

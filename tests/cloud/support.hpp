#pragma once
#include <doctest/doctest.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
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

/// A host program's loop of poll, wake_fd and next_deadline, until `done`; whether it came to that.
inline bool loop_until(cloudos::Cloud& cloud, const std::function<bool()>& done,
                       std::chrono::seconds patience = std::chrono::seconds{20}) {
  using std::chrono::milliseconds;
  const auto fd = cloud.wake_fd();
  REQUIRE(fd);
  const auto end = std::chrono::steady_clock::now() + patience;
  for (cloud.run_pending(); !done(); cloud.run_pending()) {
    if (std::chrono::steady_clock::now() > end) return false;
    pollfd wait{*fd, POLLIN, 0};
    const auto due = cloud.next_deadline();
    const auto left = due ? std::chrono::ceil<milliseconds>(*due - cloud.clock().mono()).count()
                          : 1000;
    poll(&wait, 1, static_cast<int>(std::clamp<long>(left, 0, 200)));
  }
  return true;
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

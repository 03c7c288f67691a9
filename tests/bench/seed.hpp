#pragma once
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "cloudos/cloud.hpp"
#include "cloudos/identity.hpp"
#include "cloudos/images.hpp"
#include "cloudos/servers.hpp"
#include "cloudos/store.hpp"
#include "identity/quota.hpp"

/// A cloud to measure: an image, the smallest flavor, no quotas, a logged-in administrator.
namespace cloudos::bench {

[[noreturn]] inline void give_up(const std::string& why) {
  fmt::print(stderr, "cloudos_bench: {}\n", why);
  std::exit(1);
}

template <class T>
T must(Result<T> result, const char* what) {
  if (!result) give_up(fmt::format("{}: {}", what, result.error().message));
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

inline double ms_since(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began)
      .count();
}

struct Seeded {
  std::shared_ptr<store::Store> store;
  std::unique_ptr<Cloud> cloud;
  Context me;
  std::string token;
  Image image;
  FlavorId nano;

  ServerCreate spec(std::string name) const {
    ServerCreate spec;
    spec.name = std::move(name);
    spec.image = image.id;
    spec.flavor = nano;
    spec.networks = std::vector<ServerNetwork>{};
    return spec;
  }
};

/// `folder` is made; `store` is opened there when none is given.
inline Seeded seed(const std::filesystem::path& folder, unsigned hosts,
                   std::shared_ptr<store::Store> store = nullptr) {
  Seeded seeded;
  Options options;
  options.data_dir = folder;
  options.admin_password = "bench";
  for (unsigned i = 0; i < hosts; ++i) options.host_names.push_back(fmt::format("host-{}", i));
  std::filesystem::create_directories(folder);
  if (!store) store = must(store::open_lmdb({.directory = folder / "store"}), "opening the store");
  options.store = seeded.store = store;
  seeded.cloud = must(Cloud::open(options), "opening a cloud");
  Login login;
  login.password = Login::Password{{"", "admin", "default", ""}, "bench"};
  login.scope.kind = Scope::Kind::Project;
  login.scope.target = {"", "admin", "default", ""};
  const Token token = must(seeded.cloud->identity().authenticate(login), "logging in");
  seeded.token = token.text;
  seeded.me = token.context("req-bench");
  must(store->transact([](store::Txn& txn) -> Result<void> {
    for (const char* resource : {"servers", "cores", "ram_mib", "networks", "subnets", "ports"})
      CLOUDOS_CHECK(Quota::set_default(txn, resource, kUnlimited));
    return Result<void>();
  }), "lifting the quota");
  seeded.image = must(seeded.cloud->images().create(
                          seeded.me, {.name = "image", .disk_format = DiskFormat::Raw,
                                      .container_format = ContainerFormat::Bare}), "an image");
  TextSource bytes(std::string(4'096, 'x'));
  must(seeded.cloud->images().upload(seeded.me, seeded.image.id, bytes), "uploading");
  for (const Flavor& flavor : must(seeded.cloud->servers().flavors().list(seeded.me), "flavors"))
    if (flavor.name == "m1.nano") seeded.nano = flavor.id;
  return seeded;
}

}  // namespace cloudos::bench

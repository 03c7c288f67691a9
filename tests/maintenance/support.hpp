#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "cloudos/cloud.hpp"
#include "cloudos/images.hpp"
#include "cloudos/networks.hpp"
#include "cloudos/servers.hpp"
#include "cloudos/store.hpp"

/// Clouds on real folders, with simulated guests and networks.
namespace cloudos::test {

/// A fresh folder; removed with all it holds.
class WorkFolder {
 public:
  WorkFolder();
  ~WorkFolder();
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

Options cloud_options(const std::filesystem::path& folder);
std::unique_ptr<Cloud> open_cloud(const Options& options);

/// What a small cloud holds: a project with an image, a network and servers.
struct Small {
  Context tenant;
  ImageId image;
  NetworkId network;
  FlavorId flavor;
};
Small fill(Cloud& cloud);
ImageId upload(Cloud& cloud, const Context& tenant, const std::string& name,
               const std::string& bytes);
/// Created, and waited for until it runs.
ServerId boot(Cloud& cloud, const Small& small, const std::string& name);
std::string read_text(const std::filesystem::path& file);

}  // namespace cloudos::test

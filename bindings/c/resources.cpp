#include <cerrno>
#include <cstdio>

#include "cloudos/images.hpp"
#include "cloudos/networks.hpp"
#include "handle.hpp"

struct cloudos_image {
  cloudos::Image image;
  std::string status;
};
struct cloudos_network {
  cloudos::Network network;
  std::string subnet;
};

namespace cloudos::c {
namespace {

class FileBytes final : public ByteSource {
 public:
  static Result<std::unique_ptr<FileBytes>> open(const char* path) {
    auto bytes = std::make_unique<FileBytes>();
    bytes->file_.reset(std::fopen(path, "rbe"));
    if (bytes->file_ != nullptr) return bytes;
    const bool absent = errno == ENOENT || errno == ENOTDIR;
    return fail(absent ? ErrorCode::NotFound : ErrorCode::InvalidArgument,
                absent ? "there is no file of that path" : "the file cannot be opened");
  }
  Result<std::size_t> read(std::span<std::byte> buffer) override {
    const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), file_.get());
    if (got == 0 && std::ferror(file_.get()) != 0) {
      return fail(ErrorCode::Unavailable, "the file cannot be read");
    }
    return got;
  }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file_;
};

Result<ImageCreate> create_of(const cloudos_image_spec& given) {
  ImageCreate spec;
  spec.name = text_of(given.name);
  spec.container_format = ContainerFormat::Bare;
  const char* format = given.disk_format == nullptr ? "raw" : given.disk_format;
  const auto known = disk_format_from(format);
  if (!known) {
    return fail(ErrorCode::InvalidArgument, "disk_format '" + std::string(format) + "' is unknown");
  }
  spec.disk_format = *known;
  if (given.visibility != nullptr) {
    spec.visibility = image_visibility_from(given.visibility);
    if (!spec.visibility) {
      return fail(ErrorCode::InvalidArgument,
                  "visibility '" + std::string(given.visibility) + "' is unknown");
    }
  }
  spec.min_disk_gib = given.min_disk_gib;
  spec.min_ram_mib = given.min_ram_mib;
  return spec;
}

Result<std::unique_ptr<cloudos_image>> create_image(Images& images, const Context& caller,
                                                    const ImageCreate& spec, const char* path) {
  CLOUDOS_TRY(auto bytes, FileBytes::open(path));
  CLOUDOS_TRY(const Image queued, images.create(caller, spec));
  auto uploaded = images.upload(caller, queued.id, *bytes);
  if (!uploaded) {
    (void)images.remove(caller, queued.id);
    return fail(std::move(uploaded).error());
  }
  auto image = std::make_unique<cloudos_image>();
  image->status = std::string(to_string(uploaded->status));
  image->image = std::move(*uploaded);
  return image;
}

Result<std::unique_ptr<cloudos_network>> create_network(Networks& networks, const Context& caller,
                                                        const cloudos_network_spec& given) {
  NetworkCreate spec;
  spec.name = text_of(given.name);
  CLOUDOS_TRY(Network made, networks.create_network(caller, spec));
  auto network = std::make_unique<cloudos_network>();
  if (given.cidr != nullptr) {
    SubnetCreate subnet;
    subnet.network = made.id;
    subnet.cidr = given.cidr;
    if (given.gateway != nullptr) subnet.gateway = given.gateway;
    subnet.dhcp = given.no_dhcp == 0;
    auto added = networks.create_subnet(caller, subnet);
    if (!added) {
      (void)networks.delete_network(caller, made.id);
      return fail(std::move(added).error());
    }
    network->subnet = added->id.value;
  }
  network->network = std::move(made);
  return network;
}

}  // namespace
}  // namespace cloudos::c

using cloudos::c::cloud_with;
using cloudos::c::create_image;
using cloudos::c::create_network;
using cloudos::c::create_of;
using cloudos::c::give;
using cloudos::c::guarded;
using cloudos::c::need;
using cloudos::c::read_struct;

extern "C" {

const char* cloudos_image_id(const cloudos_image* i) {
  return i ? i->image.id.value.c_str() : "";
}
const char* cloudos_image_name(const cloudos_image* i) {
  return i ? i->image.name.c_str() : "";
}
const char* cloudos_image_status(const cloudos_image* i) {
  return i ? i->status.c_str() : "";
}
uint64_t cloudos_image_size_bytes(const cloudos_image* i) {
  return i ? i->image.size_bytes.value_or(0) : 0;
}
void cloudos_image_free(cloudos_image* image) {
  delete image;
}

cloudos_code cloudos_image_create_from_file(cloudos_cloud* cloud, const cloudos_image_spec* given,
                                            const char* path, cloudos_image** place,
                                            cloudos_error** error) {
  return guarded(error, [&]() -> cloudos::Result<void> {
    CLOUDOS_TRY(auto* c,
                cloud_with(cloud, &cloudos::Services::images, "cloudos_image_create_from_file"));
    CLOUDOS_CHECK(need(path, "cloudos_image_create_from_file: path"));
    CLOUDOS_TRY(const cloudos_image_spec known, read_struct(given, "cloudos_image_spec"));
    CLOUDOS_TRY(const cloudos::ImageCreate spec, create_of(known));
    CLOUDOS_TRY(auto image, create_image(c->images(), cloud->caller, spec, path));
    give(place, std::move(image));
    return cloudos::Result<void>();
  });
}

cloudos_code cloudos_image_delete(cloudos_cloud* cloud, const char* id, cloudos_error** error) {
  return guarded(error, [&]() -> cloudos::Result<void> {
    CLOUDOS_TRY(auto* c, cloud_with(cloud, &cloudos::Services::images, "cloudos_image_delete"));
    CLOUDOS_CHECK(need(id, "cloudos_image_delete: id"));
    return c->images().remove(cloud->caller, cloudos::ImageId{id});
  });
}

const char* cloudos_network_id(const cloudos_network* n) {
  return n ? n->network.id.value.c_str() : "";
}
const char* cloudos_network_name(const cloudos_network* n) {
  return n ? n->network.name.c_str() : "";
}
const char* cloudos_network_subnet(const cloudos_network* n) {
  return n ? n->subnet.c_str() : "";
}
void cloudos_network_free(cloudos_network* network) {
  delete network;
}

cloudos_code cloudos_network_create(cloudos_cloud* cloud, const cloudos_network_spec* given,
                                    cloudos_network** place, cloudos_error** error) {
  return guarded(error, [&]() -> cloudos::Result<void> {
    CLOUDOS_TRY(auto* c, cloud_with(cloud, &cloudos::Services::networks, "cloudos_network_create"));
    CLOUDOS_TRY(const cloudos_network_spec known, read_struct(given, "cloudos_network_spec"));
    CLOUDOS_TRY(auto network, create_network(c->networks(), cloud->caller, known));
    give(place, std::move(network));
    return cloudos::Result<void>();
  });
}

cloudos_code cloudos_network_delete(cloudos_cloud* cloud, const char* id, cloudos_error** error) {
  return guarded(error, [&]() -> cloudos::Result<void> {
    CLOUDOS_TRY(auto* c, cloud_with(cloud, &cloudos::Services::networks, "cloudos_network_delete"));
    CLOUDOS_CHECK(need(id, "cloudos_network_delete: id"));
    return c->networks().delete_network(cloud->caller, cloudos::NetworkId{id});
  });
}

}  // extern "C"

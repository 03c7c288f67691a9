// A program that wants images and nothing else, of a library that has nothing else.
#include <cloudos/cloud.hpp>
#include <cloudos/images.hpp>
#include <cloudos/rest.hpp>
#include <cstdio>

namespace {

int complain(const char* what, const std::string& why) {
  std::fprintf(stderr, "%s: %s\n", what, why.c_str());
  return 1;
}

int status_of(const cloudos::rest::Router& router, const char* path) {
  cloudos::rest::Request request;
  request.method = "GET";
  request.target = path;
  request.base_url = "http://127.0.0.1";
  request.caller = cloudos::Context::system();
  return router.handle(request).status;
}

}  // namespace

int main() {
  using namespace cloudos;
  const Services built = Services::built();
  if (!built.images || built.networks || built.compute) return complain("built", "other services");
  const auto whole = Cloud::open({});
  if (whole || whole.error().code != ErrorCode::Unsupported ||
      whole.error().message.find("networks") == std::string::npos)
    return complain("open", "what was left out is promised");

  Options options;
  options.services = built;
  options.password_cost = 4;
  auto cloud = Cloud::open(std::move(options));
  if (!cloud) return complain("open", cloud.error().message);
  Context me = Context::system();
  me.project = ProjectId{"my-project"};
  ImageCreate spec;
  spec.name = "image";
  spec.disk_format = DiskFormat::Raw;
  spec.container_format = ContainerFormat::Bare;
  const auto image = (*cloud)->images().create(me, spec);
  if (!image) return complain("image", image.error().message);
  TextSource bytes(std::string(512, 'x'));
  const auto uploaded = (*cloud)->images().upload(me, image->id, bytes);
  if (!uploaded) return complain("upload", uploaded.error().message);
  const rest::Router router(**cloud);
  if (status_of(router, "/image/v2/images") != 200) return complain("rest", "no list of images");
  if (status_of(router, "/compute/v2.1/servers") != 404) return complain("rest", "servers");
  if (status_of(router, "/network/v2.0/ports") != 404) return complain("rest", "ports");
  std::printf("image %s is active\n", image->name.c_str());
  return uploaded->status == ImageStatus::Active ? 0 : 1;
}

// The image service alone: an upload is sniffed and summed, then read back.
#include <cstdio>

#include "cloudos/cloud.hpp"
#include "cloudos/images.hpp"

int main() {
  using namespace cloudos;
  auto cloud = Cloud::open({});
  if (!cloud) return std::fprintf(stderr, "%s\n", cloud.error().message.c_str()), 1;
  const Context me = Context::system();
  Images& images = (*cloud)->images();
  auto image = images.create(
      me,
      {.name = "disk", .disk_format = DiskFormat::Raw, .container_format = ContainerFormat::Bare});
  TextSource good(std::string(1024, 'x'));
  auto active = images.upload(me, image->id, good);
  std::printf("uploaded: %s\n", active ? active->md5.c_str() : active.error().message.c_str());
  auto second = images.create(
      me,
      {.name = "liar", .disk_format = DiskFormat::Raw, .container_format = ContainerFormat::Bare});
  TextSource lie("QFI\xfb" + std::string(1020, '\0'));
  auto refused = images.upload(me, second->id, lie);
  std::printf("refused: %s\n", refused ? "?" : refused.error().message.c_str());
  return active && !refused ? 0 : 1;
}

#include <fmt/format.h>

#include "base/text.hpp"
#include "image/fetch.hpp"
#include "image/imports.hpp"
#include "image/remote_image.hpp"
#include "image/rules.hpp"

// The import method glance-download: an image of another region's image service. Its catalog entry
// says where that is, so it may be anywhere; the caller's token goes there and nowhere else.
namespace cloudos {

using tasks::StepContext;

namespace {

constexpr std::string_view kCopiedProperty = "property:";

/// Who asked, as far as protections of properties want to know.
Context importer_of(const StepContext& step) {
  Context ctx;
  ctx.project = step.task().project;
  ctx.user = UserId{step.value("user")};
  ctx.is_admin = !step.value("admin").empty();
  for (const std::string_view role : split(step.value("roles"), '\n'))
    if (!role.empty()) ctx.roles.emplace_back(role);
  return ctx;
}

Result<std::string> read_answer(ByteSource& source) {
  std::string text;
  std::vector<std::byte> buffer(16 << 10);
  for (;;) {
    CLOUDOS_TRY(const std::size_t got, source.read(buffer));
    if (got == 0) return text;
    if (text.size() + got > limits::kRemoteImageBytes) {
      return fail(ErrorCode::InvalidArgument,
                  "the other image service says too much about its image");
    }
    text.append(reinterpret_cast<const char*>(buffer.data()), got);
  }
}

/// Formats, checksum and properties, for the steps that follow.
Result<void> note_remote(const ImageImports::Impl& imports, StepContext& step, const Image& image,
                         const image::RemoteImage& told) {
  if (told.status != "active") {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("the image is {} there, not active", told.status.substr(0, 64)));
  }
  const auto disk = disk_format_from(told.disk_format);
  const auto container = container_format_from(told.container_format);
  if (!disk || !container || *disk == DiskFormat::Unset || *container == ContainerFormat::Unset) {
    return fail(ErrorCode::InvalidArgument, "the image there has formats that this cloud has not");
  }
  step.output("told_disk", std::string(to_string(*disk)));
  step.output("told_container", std::string(to_string(*container)));
  step.output("told_sha512", told.sha512);
  const Context ctx = importer_of(step);
  const image::Caller caller(ctx, imports.images.guard);
  Image merged = image;
  for (const auto& [name, value] : told.properties(imports.options().download_properties)) {
    ImageUpdate change;
    change.properties.push_back({ImagePropertyChange::Kind::Add, name, value});
    const auto set = image::apply_update(caller, change, merged);
    if (!set && set.error().code == ErrorCode::Forbidden) continue;  // Not the caller's to set.
    CLOUDOS_CHECK(set);
    step.output(std::string(kCopiedProperty) + name, value);
  }
  return Result<void>();
}

bool is_sendable(std::string_view token) {
  return !token.empty() && token.size() <= limits::kRemoteTokenBytes &&
         std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

namespace image {

Result<void> check_remote_wish(const ImageImports::Impl& imports, ImageImport& wish) {
  if (!imports.remote.find || !imports.remote.seal || !imports.remote.unseal) {
    return fail(ErrorCode::Unsupported, "this cloud knows of no other image services");
  }
  if (wish.region.empty() || utf8_length(wish.region).value_or(SIZE_MAX) > limits::kNameChars) {
    return fail(ErrorCode::InvalidArgument,
                "'glance_region' needs to be set for glance-download import method");
  }
  if (wish.interface.empty() ||
      utf8_length(wish.interface).value_or(SIZE_MAX) > limits::kNameChars) {
    return fail(ErrorCode::InvalidArgument, "'glance_service_interface' is no name");
  }
  if (!is_uuid_like(wish.remote_image.value)) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("Remote image id does not look like a UUID: {}",
                            wish.remote_image.value.substr(0, 64)));
  }
  if (!is_sendable(wish.token))
    return fail(ErrorCode::InvalidArgument, "glance-download needs the caller's token");
  CLOUDOS_TRY(wish.token, imports.remote.seal(wish.token));
  return Result<void>();
}

Result<void> fetch_remote(ImageImports::Impl& imports, StepContext& step, const Image& image,
                          const GoOn& go_on) {
  const RemoteServices& remote = imports.remote;
  if (!remote.find || !remote.unseal)
    return fail(ErrorCode::Unsupported, "this cloud knows of no other image services");
  CLOUDOS_TRY(std::string url, remote.find(step.task().project, UserId{step.value("user")},
                                           step.value("region"), step.value("interface")));
  while (url.ends_with('/')) url.pop_back();
  url += "/v2/images/" + step.value("remote_image");
  CLOUDOS_TRY(const std::string token, remote.unseal(step.value("token")));
  CLOUDOS_TRY(const auto answer, remote.open(url, token, go_on));
  CLOUDOS_TRY(const std::string text, read_answer(*answer));
  CLOUDOS_TRY(const RemoteImage told, read_remote_image(text));
  CLOUDOS_CHECK(note_remote(imports, step, image, told));
  CLOUDOS_TRY(const auto data, remote.open(url + "/file", token, go_on));
  CLOUDOS_TRY(const std::uint64_t got, stage_source(imports, image.id, *data, go_on));
  if (!told.size_bytes || *told.size_bytes != got) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("{} bytes came, which is not the size that the image has there", got));
  }
  return Result<void>();
}

void adopt_remote(const StepContext& step, Image& image) {
  for (const auto& [name, value] : step.task().outputs) {
    if (name.starts_with(kCopiedProperty))
      image.properties[name.substr(kCopiedProperty.size())] = value;
  }
}

Result<RemoteServices::Open> open_by_network(const Images::Impl& images) {
  UrlRules rules = images.settings.imports.web;
  // The operator's catalog named the place: any is right, unless it was denied. Nobody is followed
  // elsewhere with somebody's token in hand.
  rules.schemes = {"https", "http"};
  rules.ports.clear();
  rules.allowed_hosts.clear();
  rules.allowed_networks = {"0.0.0.0/0", "::/0"};
  rules.redirects = 0;
  CLOUDOS_TRY(auto guard, UrlGuard::make(rules));
  auto fetcher = std::make_shared<const Fetcher>(std::move(guard), system_resolver(),
                                                 images.settings.imports.ca_file);
  return RemoteServices::Open([fetcher](const std::string& url, const std::string& token,
                                        const GoOn& go_on) -> Result<std::unique_ptr<ByteSource>> {
    FetchRequest request;
    request.url = url;
    request.token = token;
    request.go_on = go_on;
    CLOUDOS_TRY(auto body, fetcher->get(request));
    return std::unique_ptr<ByteSource>(std::move(body));
  });
}

}  // namespace image
}  // namespace cloudos

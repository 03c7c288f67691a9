#include <fmt/format.h>

#include "base/text.hpp"
#include "rest/image_codec.hpp"

// PUT and GET of an image's data.
namespace cloudos::rest {

Result<Response> upload_image_data(Call& call);
Result<Response> download_image_data(Call& call);

namespace {

struct ByteRange {
  std::uint64_t offset = 0, length = 0;
};

/// What a Range header asks for: one range of bytes.
enum class RangeAsked : std::uint8_t { None, One, Unsatisfiable };

/// "bytes=0-499", "bytes=500-", "bytes=-500". Other units, several ranges and nonsense are as if
/// there were no header (RFC 9110, 14.2); a range behind the end cannot be satisfied.
RangeAsked decode_range(std::string_view header, std::uint64_t size, ByteRange& range) {
  if (!header.starts_with("bytes=")) return RangeAsked::None;
  header.remove_prefix(6);
  const std::size_t dash = header.find('-');
  if (dash == std::string_view::npos) return RangeAsked::None;
  const std::string_view first_text = trim(header.substr(0, dash));
  const std::string_view last_text = trim(header.substr(dash + 1));
  const auto first = parse_unsigned(first_text);
  const auto last = parse_unsigned(last_text);
  if ((!first && !first_text.empty()) || (!last && !last_text.empty())) return RangeAsked::None;
  if (!first && !last) return RangeAsked::None;
  if (!first) {
    if (*last == 0) return RangeAsked::Unsatisfiable;
    range.length = std::min(*last, size);
    range.offset = size - range.length;
    return RangeAsked::One;
  }
  if (last && *last < *first) return RangeAsked::None;
  if (*first >= size) return RangeAsked::Unsatisfiable;
  range.offset = *first;
  range.length = std::min(last ? *last - *first : UINT64_MAX - 1, size - *first - 1) + 1;
  return RangeAsked::One;
}

/// The file itself where there is one, so that sending it costs no thread.
Result<Response> data_response(Call& call, const Image& image, const ImageFile& file,
                               const ByteRange& range) {
  Response response;
  response.headers.add("Content-Type", "application/octet-stream");
  response.headers.add("Accept-Ranges", "bytes");
  if (range.length == file.size_bytes && !image.md5.empty())
    response.headers.add("Content-MD5", image.md5);
  if (!file.path.empty()) {
    FileRange part{file.path, range.offset, range.length};
    part.resume = [&images = call.cloud.images(), ctx = call.ctx, id = image.id, file,
                   end = range.offset + range.length](std::uint64_t from) {
      auto rest = images.resume(ctx, id, file, from, end - from);
      return rest ? std::move(*rest) : nullptr;
    };
    response.body = std::move(part);
    return response;
  }
  CLOUDOS_TRY(auto source,
              call.cloud.images().read(call.ctx, image.id, range.offset, range.length));
  response.body = std::move(source);
  return response;
}

class UploadReceiver final : public BodyReceiver {
 public:
  explicit UploadReceiver(std::unique_ptr<ImageUpload> upload) : upload_(std::move(upload)) {}
  Result<void> write(std::span<const std::byte> bytes) override { return upload_->write(bytes); }
  Result<Response> end() override {
    CLOUDOS_CHECK(upload_->finish());
    return empty_response(204);
  }

 private:
  std::unique_ptr<ImageUpload> upload_;
};

}  // namespace

Result<Response> upload_image_data(Call& call) {
  // The store that the data is to go to.
  std::vector<std::string> stores;
  if (const auto store = trim(call.request.headers.get("X-Image-Meta-Store")); !store.empty())
    stores.emplace_back(store);
  const std::string_view type = call.request.headers.get("Content-Type");
  if (!equals_ignore_case(trim(type.substr(0, type.find(';'))), "application/octet-stream")) {
    return status_response(Service::Image, 415, "Send the data as application/octet-stream.",
                           call.request);
  }
  if (call.request.pushes_body) {
    CLOUDOS_TRY(auto upload, call.cloud.images().begin_upload(
                                 call.ctx, ImageId{call.path("image_id")},
                                 parse_unsigned(call.request.headers.get("Content-Length")),
                                 stores));
    Response response;
    response.receiver = std::make_unique<UploadReceiver>(std::move(upload));
    return response;
  }
  TextSource nothing{""};
  ByteSource& data = call.request.body ? *call.request.body : nothing;
  CLOUDOS_CHECK(call.cloud.images().upload(call.ctx, ImageId{call.path("image_id")}, data,
                                           stores));
  return empty_response(204);
}

Result<Response> download_image_data(Call& call) {
  const ImageId id{call.path("image_id")};
  CLOUDOS_TRY(const Image image, call.cloud.images().get(call.ctx, id));
  // The API's word for "no data yet", and for data of no bytes.
  if (image.size_bytes.value_or(0) == 0) return empty_response(204);
  CLOUDOS_TRY(const ImageFile file, call.cloud.images().file(call.ctx, id));
  ByteRange range{0, file.size_bytes};
  const RangeAsked asked = decode_range(call.request.headers.get("Range"), file.size_bytes, range);
  if (asked == RangeAsked::Unsatisfiable) {
    Response response = status_response(Service::Image, 416, "The range is behind the data's end.",
                                        call.request);
    response.headers.add("Content-Range", fmt::format("bytes */{}", file.size_bytes));
    return response;
  }
  CLOUDOS_TRY(Response response, data_response(call, image, file, range));
  if (asked == RangeAsked::One) {
    response.status = 206;
    response.headers.add("Content-Range",
                         fmt::format("bytes {}-{}/{}", range.offset,
                                     range.offset + range.length - 1, file.size_bytes));
  }
  return response;
}

}  // namespace cloudos::rest

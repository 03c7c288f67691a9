#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "cloudos/images.hpp"
#include "image/charge.hpp"
#include "image/import_records.hpp"
#include "image/metadefs/metadefs_room.hpp"
#include "image/records.hpp"
#include "maintenance/files.hpp"
#include "maintenance/kinds.hpp"

namespace cloudos::maintenance {
namespace {

std::string_view after_last_slash(std::string_view text) {
  return text.substr(text.rfind('/') + 1);
}

bool is_in_first_store(const image::Payload& payload) {
  return std::any_of(payload.locations.begin(), payload.locations.end(), [](const auto& at) {
    return at.url.empty() && at.store == image::kFirstStore;
  });
}

Result<void> count_images(const store::Snapshot& snapshot, Amounts& have) {
  bool counted = true;
  CLOUDOS_CHECK(each_record<Image>(snapshot, [&](const Image& image) {
    const image::Charge charge = image::charge_of(image);
    auto& mine = have.by_project[image.owner.value];
    mine["image_count_total"] += charge.images;
    mine["image_count_uploading"] += charge.uploading;
    mine["image_size_total"] += charge.bytes;
    mine["image_stage_total"] += charge.staged;
    counted = counted && image.counted;
  }));
  // Of a folder of before there were such quotas: its next runner counts them.
  if (counted)
    have.resources.insert(
        {"image_count_total", "image_count_uploading", "image_size_total", "image_stage_total"});
  return Result<void>();
}

/// Who holds an image's data is there, and so is the data.
Result<void> check_pins(const store::Snapshot& snapshot, Findings& found) {
  constexpr std::string_view kServer = "server";  // The kind of record.
  constexpr std::string_view kPins = "/image-pin/";
  return each_entry(snapshot, kPins, true, [&](const store::Entry& entry) -> Result<void> {
    const std::string_view rest = std::string_view(entry.key).substr(kPins.size());
    const std::string image(rest.substr(0, std::min(rest.find('/'), rest.size())));
    const auto payload = records::record_key(image::Payload::kKind, image);
    CLOUDOS_TRY(const auto data, snapshot.get(payload));
    if (!data) found.problem(fmt::format("{}: the image's data is not there", entry.key));
    // The holder is a part of a key: "server%2F<id>".
    const std::string_view holder = after_last_slash(rest);
    const auto mark = holder.find("%2F");
    if (mark == std::string_view::npos || holder.substr(0, mark) != kServer)
      return Result<void>();
    const auto server =
        records::record_prefix(kServer) + std::string(holder.substr(mark + 3));
    CLOUDOS_TRY(const auto there, snapshot.get(server));
    if (!there) found.problem(fmt::format("{}: held for a server that is not there", entry.key));
    return Result<void>();
  });
}

Result<void> check_payloads(const store::Snapshot& snapshot, store::Store& now,
                            const CheckOptions& options, CheckReport& report, Findings& found) {
  const auto folder = options.folder / "images";
  std::set<std::string> named;
  std::vector<image::Payload> payloads;
  CLOUDOS_CHECK(each_record<image::Payload>(
      snapshot, [&](const image::Payload& payload) { payloads.push_back(payload); }));
  report.payloads = payloads.size();
  for (const image::Payload& payload : payloads) {
    // Other stores are folders of their own, which only a running cloud knows.
    if (!is_in_first_store(payload)) continue;
    named.insert(payload.id.value);
    std::error_code error;
    const auto size = std::filesystem::file_size(folder / payload.id.value, error);
    if (error) {
      CLOUDOS_TRY(const auto fresh, now.snapshot());
      if (!records::get<image::Payload>(*fresh, payload.id)) continue;  // Deleted meanwhile.
      found.problem(
          fmt::format("image '{}': its data is not there ({})", payload.id.value, error.message()));
      continue;
    }
    if (size != payload.size_bytes)
      found.problem(fmt::format("image '{}': its data has {} bytes, it should have {}",
                                payload.id.value, size, payload.size_bytes));
    const auto image = records::get<Image>(snapshot, payload.id);
    if (!options.read_payloads || !image || image->sha512.empty()) continue;
    const auto facts = read_facts(folder / payload.id.value, "sha512");
    if (!facts || facts->checksum != "sha512:" + image->sha512)
      found.problem(fmt::format("image '{}': its data is not what was uploaded", payload.id.value));
  }
  // What is being uploaded or removed comes and goes; the rest is nobody's.
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename();
    if (named.contains(name) || name.ends_with(".part")) continue;
    CLOUDOS_TRY(const auto garbage, snapshot.get(image::garbage_key(ImageId{name})));
    if (!garbage) found.note(fmt::format("images/{} belongs to no image", name));
  }
  return Result<void>();
}

Result<std::vector<PromisedFile>> payload_files(const store::Snapshot& snapshot) {
  std::vector<PromisedFile> files;
  CLOUDOS_TRY(const auto payloads, records::all<image::Payload>(snapshot));
  for (const image::Payload& payload : payloads) {
    // Other stores are folders of the operator's, with backups of their own.
    if (!is_in_first_store(payload)) continue;
    PromisedFile file{payload.id.value, "images/" + payload.id.value, payload.size_bytes, {}};
    if (const auto of = records::get<Image>(snapshot, payload.id); of && !of->sha512.empty())
      file.checksum = "sha512:" + of->sha512;
    files.push_back(std::move(file));
  }
  return files;
}

}  // namespace

ServiceRecords image_records() {
  ServiceRecords mine;
  mine.kinds = {kind<Certificate>(),
                kind<Image>(),
                kind<image::Payload>(),
                kind<ImageTask>(),
                kind<image::MetadefCatalogue>(),
                kind<MetadefNamespace>(),
                kind<MetadefResourceType>()};
  mine.other_keys = {"image-cache-queue", "image-garbage", "image-pin"};
  mine.count = count_images;
  mine.check = check_pins;
  mine.check_files = check_payloads;
  mine.files = payload_files;
  return mine;
}

}  // namespace cloudos::maintenance

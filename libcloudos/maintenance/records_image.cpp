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

/// Names of the stores that hold a payload of ours.
std::vector<std::string> stores_of(const image::Payload& payload) {
  std::vector<std::string> stores;
  for (const ImageLocation& at : payload.locations)
    if (at.url.empty()) stores.push_back(at.store);
  return stores;
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

/// Payloads against the folders of their stores.
class PayloadCheck {
 public:
  PayloadCheck(const store::Snapshot& snapshot, store::Store& now, const CheckOptions& options,
               Findings& found)
      : snapshot_(snapshot), now_(now), options_(options), found_(found) {
    folders_ = options.stores;
    folders_.insert_or_assign(std::string(image::kFirstStore), options.folder / "images");
  }

  Result<void> check(const image::Payload& payload) {
    for (const std::string& store : stores_of(payload)) {
      const auto folder = folders_.find(store);
      if (folder == folders_.end()) {
        ++unseen_[store];
        continue;
      }
      named_[store].insert(payload.id.value);
      CLOUDOS_CHECK(check_file(payload, store, folder->second / payload.id.value));
    }
    return Result<void>();
  }

  Result<void> finish() {
    for (const auto& [store, count] : unseen_) {
      found_.note(fmt::format("{} payloads in image store '{}' were not looked at: say where it is "
                              "(--store {}=DIR)",
                              count, store, store));
    }
    for (const auto& [store, folder] : folders_) CLOUDOS_CHECK(check_spare(store, folder));
    return Result<void>();
  }

 private:
  /// "image 'x'", and where if that is not the data folder.
  static std::string told(const ImageId& id, const std::string& store) {
    if (store == image::kFirstStore) return fmt::format("image '{}'", id.value);
    return fmt::format("image '{}' in store '{}'", id.value, store);
  }

  Result<void> check_file(const image::Payload& payload, const std::string& store,
                          const std::filesystem::path& file) {
    std::error_code error;
    const auto size = std::filesystem::file_size(file, error);
    if (error) {
      CLOUDOS_TRY(const auto fresh, now_.snapshot());
      const auto still = records::get<image::Payload>(*fresh, payload.id);
      if (!still) return Result<void>();  // Deleted meanwhile.
      const auto stores = stores_of(*still);
      if (std::find(stores.begin(), stores.end(), store) == stores.end()) return Result<void>();
      found_.problem(
          fmt::format("{}: its data is not there ({})", told(payload.id, store), error.message()));
      return Result<void>();
    }
    if (size != payload.size_bytes)
      found_.problem(fmt::format("{}: its data has {} bytes, it should have {}",
                                 told(payload.id, store), size, payload.size_bytes));
    const auto image = records::get<Image>(snapshot_, payload.id);
    if (!options_.read_payloads || !image || image->sha512.empty()) return Result<void>();
    const auto facts = read_facts(file, "sha512");
    if (!facts || facts->checksum != "sha512:" + image->sha512)
      found_.problem(
          fmt::format("{}: its data is not what was uploaded", told(payload.id, store)));
    return Result<void>();
  }

  /// What is being uploaded or removed comes and goes; the rest is nobody's.
  Result<void> check_spare(const std::string& store, const std::filesystem::path& folder) {
    std::error_code error;
    for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
         at.increment(error)) {
      const std::string name = at->path().filename();
      if (named_[store].contains(name) || name.ends_with(".part")) continue;
      CLOUDOS_TRY(const auto garbage, snapshot_.get(image::garbage_key(ImageId{name})));
      const bool ours = store == image::kFirstStore;
      if (!garbage)
        found_.note(fmt::format("{}/{} belongs to no image", ours ? "images" : store, name));
    }
    return Result<void>();
  }

  const store::Snapshot& snapshot_;
  store::Store& now_;
  const CheckOptions& options_;
  Findings& found_;
  std::map<std::string, std::filesystem::path> folders_;
  std::map<std::string, std::set<std::string>> named_;
  std::map<std::string, std::uint64_t> unseen_;
};

Result<void> check_payloads(const store::Snapshot& snapshot, store::Store& now,
                            const CheckOptions& options, CheckReport& report, Findings& found) {
  std::vector<image::Payload> payloads;
  CLOUDOS_CHECK(each_record<image::Payload>(
      snapshot, [&](const image::Payload& payload) { payloads.push_back(payload); }));
  report.payloads = payloads.size();
  PayloadCheck check(snapshot, now, options, found);
  for (const image::Payload& payload : payloads) CLOUDOS_CHECK(check.check(payload));
  return check.finish();
}

Result<std::vector<PromisedFile>> payload_files(const store::Snapshot& snapshot) {
  std::vector<PromisedFile> files;
  CLOUDOS_TRY(const auto payloads, records::all<image::Payload>(snapshot));
  for (const image::Payload& payload : payloads) {
    std::string checksum;
    if (const auto of = records::get<Image>(snapshot, payload.id); of && !of->sha512.empty())
      checksum = "sha512:" + of->sha512;
    for (const std::string& store : stores_of(payload)) {
      const bool ours = store == image::kFirstStore;
      files.push_back({payload.id.value, (ours ? "images" : store) + "/" + payload.id.value,
                       payload.size_bytes, checksum, ours ? "" : store});
    }
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

#include "maintenance/kinds.hpp"

// In a build that leaves images out.
namespace cloudos::maintenance {
namespace {

/// A backup without them would look whole.
Result<std::vector<PromisedFile>> no_files(const store::Snapshot& snapshot) {
  store::ScanOptions one;
  one.limit = 1;
  one.keys_only = true;
  CLOUDOS_TRY(const auto found, snapshot.scan(records::record_prefix("image-payload"), one));
  if (!found.empty())
    return fail(ErrorCode::Unsupported,
                "the folder has images, of which this build of the library knows nothing: back it "
                "up by a program that has them");
  return std::vector<PromisedFile>();
}

}  // namespace

ServiceRecords image_records() {
  ServiceRecords mine;
  mine.files = no_files;
  return mine;
}

}  // namespace cloudos::maintenance

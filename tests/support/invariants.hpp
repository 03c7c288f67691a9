#pragma once
#include <filesystem>

#include "cloudos/store.hpp"

/// What holds of a cloud's records after every single commit, whatever failed or crashed, and of
/// its folder once everything settled. Each difference is a failed check of the running test.
namespace cloudos::test {

/// Claims equal servers, counts equal records, every address has one owner, no reference dangles,
/// and the data of images is pinned by those who boot from it.
void check_records(const store::Snapshot& snapshot);
/// No payload without its record, no unfinished upload, no disks without their server.
void check_files_at_rest(const store::Snapshot& snapshot, const std::filesystem::path& folder);

}  // namespace cloudos::test

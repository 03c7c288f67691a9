#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cloudos/store.hpp"
#include "maintenance/check.hpp"
#include "records/keys.hpp"
#include "records/migration.hpp"
#include "records/table.hpp"

namespace cloudos::maintenance {

/// That one record names another, which must be there.
struct Reference {
  std::string kind;
  std::string id;
};
using References = std::vector<Reference>;

/// What a stored record is found to be.
struct Read {
  std::string id;
  records::Keys keys;
  std::vector<Reference> references;
};

struct Kind {
  std::string_view name;
  std::uint32_t schema = 1;
  /// Errors: those of decoding.
  std::function<Result<Read>(std::string_view bytes)> read;
  records::SchemaKind migrate;
};

/// The row of a kind. `references`: what deletion takes along, or is refused for; these may never
/// dangle.
template <class T>
Kind kind(References (*references)(const T& record) = nullptr) {
  Kind row;
  row.name = T::kKind;
  row.schema = T::kSchema;
  row.read = [references](std::string_view bytes) -> Result<Read> {
    CLOUDOS_TRY(const T record, codec::decode_record<T>(bytes));
    return Read{std::string(records::id_text(record.id)), records::keys_of(record),
                references ? references(record) : References()};
  };
  row.migrate = records::schema_kind<T>();
  return row;
}

/// What projects have, as a check counts it, to be compared with what is kept of it.
struct Amounts {
  std::map<std::string, std::map<std::string, std::int64_t>> by_project;
  std::set<std::string> resources;  ///< That are to be compared.
};

/// Records that do not decode were told of by whoever walked them all.
template <class T>
Result<void> each_record(const store::Snapshot& snapshot,
                         const std::function<void(const T&)>& visit) {
  return each_entry(snapshot, records::record_prefix(T::kKind), false,
                    [&](const store::Entry& entry) {
                      const auto record = codec::decode_record<T>(entry.value);
                      if (record) visit(*record);
                      return Result<void>();
                    });
}

template <class T>
Result<void> count_by_project(const store::Snapshot& snapshot, const std::string& resource,
                              Amounts& have) {
  have.resources.insert(resource);
  return each_record<T>(
      snapshot, [&](const T& one) { ++have.by_project[one.project.value][resource]; });
}

/// A file of the data folder that the store's records promise.
struct PromisedFile {
  std::string id;        ///< Of the image.
  std::string name;      ///< In the folder: "images/<id>".
  std::uint64_t size_bytes = 0;
  std::string checksum;  ///< That it was verified against once: "sha512:..."; or empty.
  std::string store{};   ///< Not in the folder but in this further image store: "<id>" there.
};

/// What maintenance knows of the records of one service. A function that is null has nothing to do.
struct ServiceRecords {
  std::vector<Kind> kinds;
  /// First parts of keys that are no records.
  std::vector<std::string_view> other_keys;
  std::function<Result<void>(const store::Snapshot&, Amounts&)> count;
  /// What is kept beside the records, against the records.
  std::function<Result<void>(const store::Snapshot&, Findings&)> check;
  /// Files; `now` tells what was deleted since the snapshot.
  std::function<Result<void>(const store::Snapshot&, store::Store& now, const CheckOptions&,
                             CheckReport&, Findings&)>
      check_files;
  /// For backups: files to copy, and disks of servers, which are not copied.
  std::function<Result<std::vector<PromisedFile>>(const store::Snapshot&)> files;
  std::function<Result<std::uint64_t>(const store::Snapshot&)> server_disks;
};

// In records_<service>.cpp; of a service that the build leaves out, in without/<service>.cpp.
ServiceRecords image_records();
ServiceRecords network_records();
ServiceRecords compute_records();
/// All three.
std::vector<ServiceRecords> service_records();

/// Every kind of record of this library, in the order of their names.
std::vector<Kind> all_kinds();
/// Their schemas, for records::Migrator.
std::vector<records::SchemaKind> schema_kinds();
/// First parts of keys that are no records: counters, marks, bitmaps.
const std::vector<std::string_view>& other_keys();

}  // namespace cloudos::maintenance

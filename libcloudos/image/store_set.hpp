#pragma once
#include <atomic>

#include "base/mutex.hpp"
#include "cloudos/clock.hpp"
#include "cloudos/image_stores.hpp"
#include "image/payload.hpp"
#include "image/records.hpp"

/// The named stores of a cloud: where uploads go, and which copy is read first.
namespace cloudos::image {

inline constexpr std::string_view kHttpStore = "http";

/// One store. `payloads` is null where only others write: "http".
struct NamedStore {
  std::string name, type, description;
  std::uint32_t weight = 0;
  std::uint64_t capacity_bytes = 0;
  std::filesystem::path folder;
  std::unique_ptr<PayloadStore> payloads;

  /// Announced by uploads that are under way.
  mutable std::atomic<std::uint64_t> promised_bytes{0};
  /// As it was read lately; 0: not yet.
  mutable std::atomic<std::uint64_t> bytes_per_second{0};
  mutable Mutex mutex;
  mutable std::uint64_t used_bytes CLOUDOS_GUARDED_BY(mutex) = 0;
  mutable std::optional<MonoTime> used_as_of CLOUDOS_GUARDED_BY(mutex);
};

/// Several payloads of one image that are written at once. Dropped before publish() none is left.
class PayloadFanOut final : public PayloadWriter {
 public:
  struct Target {
    const NamedStore* store;
    std::unique_ptr<PayloadWriter> writer;
  };
  /// `all`: one that fails ends the upload; else it is left out as long as another one holds.
  PayloadFanOut(std::vector<Target> targets, std::uint64_t announced, bool all);
  ~PayloadFanOut() override;
  Result<void> write(std::span<const std::byte> bytes) override;
  RandomReader& written() override;
  Result<void> publish() override;
  /// Where the data is, or is going to be; and which stores were left out.
  std::vector<std::string> names() const;
  const std::vector<std::string>& failed() const { return failed_; }

 private:
  Result<void> each(const std::function<Result<void>(Target&)>& act);
  std::vector<Target> targets_;
  std::vector<std::string> failed_;
  const std::uint64_t announced_;
  const bool all_;
  std::uint64_t total_ = 0;
};

/// Constant after open() but for its counters, hence thread-safe.
class StoreSet {
 public:
  /// `first` is the store "file"; `brought` are stores of other kinds, by name.
  /// Errors: InvalidArgument (options), Unavailable, StorageFull (a folder).
  static Result<std::unique_ptr<StoreSet>> open(
      const ImageStoreOptions& options, std::filesystem::path first_folder,
      std::unique_ptr<PayloadStore> first,
      std::map<std::string, std::unique_ptr<PayloadStore>> brought, const Clock& clock);

  const ImageStoreOptions& options() const { return options_; }
  const std::vector<std::unique_ptr<NamedStore>>& all() const { return stores_; }
  /// Null: there is none of that name.
  const NamedStore* find(std::string_view name) const;
  /// Errors: NotFound (no such store, or it has no payloads).
  Result<PayloadStore*> payloads(std::string_view name) const;
  /// The names, checked; none: the one for an upload of that size. See ImageStores::choose.
  Result<std::vector<std::string>> choose(const std::vector<std::string>& names,
                                          std::optional<std::uint64_t> size) const;
  /// Begins anew in each. Errors: as PayloadStore::create; NotFound.
  Result<std::unique_ptr<PayloadFanOut>> create(const ImageId& id,
                                                const std::vector<std::string>& names,
                                                std::optional<std::uint64_t> size, bool all) const;
  /// The bytes of an image, wherever they are, unpublished ones too: from every store.
  Result<void> remove(const ImageId& id) const;
  std::uint64_t used_bytes(const NamedStore& store) const;
  /// What an upload of unknown size may count on. UINT64_MAX: nobody knows of a limit.
  std::uint64_t room(const NamedStore& store) const;
  std::vector<ImageStore> described() const;
  std::string default_store() const;
  /// Remembers how fast a store was read: an average that forgets.
  static void measured(const NamedStore& store, std::uint64_t bytes, std::chrono::nanoseconds took);

 private:
  StoreSet(const ImageStoreOptions& options, const Clock& clock)
      : options_(options), clock_(clock) {}
  Result<void> add(std::unique_ptr<NamedStore> store);
  Result<void> check() const;
  const ImageStoreOptions options_;
  const Clock& clock_;
  std::vector<std::unique_ptr<NamedStore>> stores_;  // The heaviest first.
};

/// What the order of reading is decided by, of one location.
struct LocationFacts {
  std::string type;
  bool local = false;                  ///< A file of this host.
  std::uint64_t bytes_per_second = 0;  ///< 0: nobody knows.
};
/// The places of `locations` in the order they are read. Pure.
std::vector<std::size_t> reading_order(LocationStrategy strategy,
                                       const std::vector<std::string>& store_types,
                                       const std::vector<LocationFacts>& locations);

}  // namespace cloudos::image

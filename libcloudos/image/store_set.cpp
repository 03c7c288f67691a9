#include "image/store_set.hpp"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <numeric>

namespace cloudos {
namespace {

constexpr std::array<std::string_view, 3> kStrategyNames{"location_order", "store_type",
                                                         "measured"};

}  // namespace

std::string_view to_string(LocationStrategy strategy) {
  return kStrategyNames.at(static_cast<std::size_t>(strategy));
}
std::optional<LocationStrategy> location_strategy_from(std::string_view text) {
  const auto at = std::find(kStrategyNames.begin(), kStrategyNames.end(), text);
  if (at == kStrategyNames.end()) return std::nullopt;
  return static_cast<LocationStrategy>(at - kStrategyNames.begin());
}

namespace image {
namespace {

constexpr std::chrono::seconds kUsedIsFresh{10};

bool is_store_name(std::string_view name) {
  constexpr std::string_view kChars = "abcdefghijklmnopqrstuvwxyz0123456789-_";
  return !name.empty() && name.size() <= limits::kImageStoreNameChars &&
         name.find_first_not_of(kChars) == std::string_view::npos;
}

Failure no_such_store(ErrorCode code, std::string_view name) {
  return fail(code, fmt::format("there is no image store '{}'", name.substr(0, 64)));
}

/// Bytes that every payload in a store has. What goes meanwhile is not counted.
Result<std::uint64_t> bytes_in(const PayloadStore& payloads) {
  std::uint64_t sum = 0;
  CLOUDOS_TRY(const auto ids, payloads.list());
  for (const ImageId& id : ids)
    if (const auto reader = payloads.open(id)) sum += (*reader)->size();
  return sum;
}

}  // namespace

// ---- several payloads at once ----

PayloadFanOut::PayloadFanOut(std::vector<Target> targets, std::uint64_t announced, bool all)
    : targets_(std::move(targets)), announced_(announced), all_(all) {
  for (const Target& target : targets_) target.store->promised_bytes += announced_;
}

PayloadFanOut::~PayloadFanOut() {
  for (const Target& target : targets_) target.store->promised_bytes -= announced_;
}

Result<void> PayloadFanOut::each(const std::function<Result<void>(Target&)>& act) {
  for (std::size_t i = 0; i < targets_.size();) {
    auto done = act(targets_[i]);
    if (done) {
      ++i;
      continue;
    }
    if (all_ || targets_.size() == 1) return done;
    failed_.push_back(targets_[i].store->name);
    targets_[i].store->promised_bytes -= announced_;
    targets_.erase(targets_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return Result<void>();
}

Result<void> PayloadFanOut::write(std::span<const std::byte> bytes) {
  total_ += bytes.size();
  return each([&](Target& target) -> Result<void> {
    const std::uint64_t most = target.store->capacity_bytes;
    if (most != 0 && total_ > most) {
      return fail(ErrorCode::StorageFull,
                  fmt::format("image store '{}' holds at most {} bytes", target.store->name, most));
    }
    return target.writer->write(bytes);
  });
}

RandomReader& PayloadFanOut::written() {
  return targets_.front().writer->written();
}

Result<void> PayloadFanOut::publish() {
  return each([](Target& target) -> Result<void> {
    CLOUDOS_CHECK(target.writer->publish());
    const LockGuard lock(target.store->mutex);
    target.store->used_as_of.reset();
    return Result<void>();
  });
}

std::vector<std::string> PayloadFanOut::names() const {
  std::vector<std::string> names;
  for (const Target& target : targets_) names.push_back(target.store->name);
  return names;
}

// ---- the set ----

Result<std::unique_ptr<StoreSet>> StoreSet::open(
    const ImageStoreOptions& options, std::filesystem::path first_folder,
    std::unique_ptr<PayloadStore> first,
    std::map<std::string, std::unique_ptr<PayloadStore>> brought, const Clock& clock) {
  std::unique_ptr<StoreSet> set(new StoreSet(options, clock));
  auto store = std::make_unique<NamedStore>();
  store->name = kFirstStore;
  store->type = first_folder.empty() ? "memory" : "file";
  store->description = "in the data folder";
  store->weight = options.weight;
  store->capacity_bytes = options.capacity_bytes;
  store->folder = std::move(first_folder);
  store->payloads = std::move(first);
  CLOUDOS_CHECK(set->add(std::move(store)));
  for (const auto& [name, folder] : options.folders) {
    store = std::make_unique<NamedStore>();
    store->name = name;
    store->type = "file";
    store->description = folder.description;
    store->weight = folder.weight;
    store->capacity_bytes = folder.capacity_bytes;
    store->folder = folder.folder;
    CLOUDOS_TRY(store->payloads, open_payload_files(folder.folder));
    CLOUDOS_CHECK(set->add(std::move(store)));
  }
  for (auto& [name, payloads] : brought) {
    store = std::make_unique<NamedStore>();
    store->name = name;
    store->type = "other";
    store->payloads = std::move(payloads);
    CLOUDOS_CHECK(set->add(std::move(store)));
  }
  if (options.http) {
    store = std::make_unique<NamedStore>();
    store->name = kHttpStore;
    store->type = kHttpStore;
    store->description = "URLs that others keep; read only";
    CLOUDOS_CHECK(set->add(std::move(store)));
  }
  CLOUDOS_CHECK(set->check());
  std::stable_sort(set->stores_.begin(), set->stores_.end(), [&](const auto& a, const auto& b) {
    const bool a_first = a->name == options.default_store;
    const bool b_first = b->name == options.default_store;
    return a_first != b_first ? a_first : a->weight > b->weight;
  });
  return set;
}

Result<void> StoreSet::add(std::unique_ptr<NamedStore> store) {
  if (!is_store_name(store->name)) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("image store '{}': a name has 1 to {} of a-z 0-9 - _",
                            store->name.substr(0, 64), limits::kImageStoreNameChars));
  }
  if (find(store->name) != nullptr || (store->name == kHttpStore && store->payloads)) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("image store '{}' is there twice: give one another name", store->name));
  }
  if (stores_.size() == limits::kImageStores) {
    return fail(ErrorCode::InvalidArgument,
                fmt::format("there may be {} image stores", limits::kImageStores));
  }
  stores_.push_back(std::move(store));
  return Result<void>();
}

/// Two stores on one folder would take each other's data away.
Result<void> StoreSet::check() const {
  if (!options_.default_store.empty()) {
    const NamedStore* store = find(options_.default_store);
    if (store == nullptr || !store->payloads)
      return no_such_store(ErrorCode::InvalidArgument, options_.default_store);
  }
  for (const auto& a : stores_) {
    for (const auto& b : stores_) {
      std::error_code error;
      if (&a == &b || a->folder.empty() || b->folder.empty() ||
          !std::filesystem::equivalent(a->folder, b->folder, error))
        continue;
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("image stores '{}' and '{}' have the same folder", a->name, b->name));
    }
  }
  return Result<void>();
}

const NamedStore* StoreSet::find(std::string_view name) const {
  for (const auto& store : stores_)
    if (store->name == name) return store.get();
  return nullptr;
}

Result<PayloadStore*> StoreSet::payloads(std::string_view name) const {
  const NamedStore* store = find(name);
  if (store == nullptr || !store->payloads) return no_such_store(ErrorCode::NotFound, name);
  return store->payloads.get();
}

std::uint64_t StoreSet::used_bytes(const NamedStore& store) const {
  if (!store.payloads) return 0;
  const MonoTime now = clock_.mono();
  const LockGuard lock(store.mutex);
  if (!store.used_as_of || now - *store.used_as_of > kUsedIsFresh) {
    store.used_bytes = bytes_in(*store.payloads).value_or(0);
    store.used_as_of = now;
  }
  return store.used_bytes;
}

std::uint64_t StoreSet::room(const NamedStore& store) const {
  if (!store.payloads) return 0;
  std::uint64_t room = UINT64_MAX;
  if (store.capacity_bytes != 0) {
    const std::uint64_t taken = used_bytes(store) + store.promised_bytes;
    room = store.capacity_bytes - std::min(store.capacity_bytes, taken);
  }
  struct statvfs disk {};
  if (!store.folder.empty() && ::statvfs(store.folder.c_str(), &disk) == 0)
    room = std::min<std::uint64_t>(room, std::uint64_t{disk.f_bavail} * disk.f_frsize);
  return room;
}

Result<std::vector<std::string>> StoreSet::choose(const std::vector<std::string>& names,
                                                  std::optional<std::uint64_t> size) const {
  std::vector<std::string> chosen;
  for (const std::string& name : names) {
    const NamedStore* store = find(name);
    if (store == nullptr) return no_such_store(ErrorCode::InvalidArgument, name);
    if (!store->payloads) {
      return fail(ErrorCode::InvalidArgument,
                  fmt::format("image store '{}' cannot be written", name));
    }
    if (std::find(chosen.begin(), chosen.end(), name) == chosen.end()) chosen.push_back(name);
  }
  if (!chosen.empty()) return chosen;
  if (!options_.default_store.empty()) return std::vector<std::string>{options_.default_store};
  std::size_t writable = 0;
  const NamedStore* last = nullptr;
  for (const auto& store : stores_) {
    if (!store->payloads) continue;
    ++writable;
    last = store.get();
  }
  for (const auto& store : stores_) {
    if (!store->payloads) continue;
    // The only one is asked itself: its answer names what is wrong.
    if (writable == 1 || room(*store) > size.value_or(0))
      return std::vector<std::string>{store->name};
  }
  return fail(ErrorCode::StorageFull,
              fmt::format("no image store has room, the last looked at was '{}'", last->name));
}

Result<std::unique_ptr<PayloadFanOut>> StoreSet::create(const ImageId& id,
                                                        const std::vector<std::string>& names,
                                                        std::optional<std::uint64_t> size,
                                                        bool all) const {
  std::vector<PayloadFanOut::Target> targets;
  for (const std::string& name : names) {
    CLOUDOS_TRY(PayloadStore* const payloads, this->payloads(name));
    const NamedStore* store = find(name);
    if (store->capacity_bytes != 0 && size.value_or(0) > room(*store) && (all || names.size() == 1))
      return fail(ErrorCode::StorageFull, fmt::format("image store '{}' is full", name));
    auto writer = payloads->create(id);
    if (!writer && (all || names.size() == 1)) return fail(writer.error());
    if (writer) targets.push_back({store, std::move(*writer)});
  }
  if (targets.empty()) return fail(ErrorCode::Unavailable, "no image store takes the data");
  return std::make_unique<PayloadFanOut>(std::move(targets), size.value_or(0), all);
}

Result<void> StoreSet::remove(const ImageId& id) const {
  Result<void> all_gone;
  for (const auto& store : stores_) {
    if (!store->payloads) continue;
    auto gone = store->payloads->remove(id);
    if (!gone) all_gone = std::move(gone);
    const LockGuard lock(store->mutex);
    store->used_as_of.reset();
  }
  return all_gone;
}

std::string StoreSet::default_store() const {
  if (!options_.default_store.empty()) return options_.default_store;
  for (const auto& store : stores_)
    if (store->payloads) return store->name;
  return std::string(kFirstStore);
}

std::vector<ImageStore> StoreSet::described() const {
  std::vector<ImageStore> all;
  const std::string first = default_store();
  for (const auto& store : stores_) {
    ImageStore shown;
    shown.name = store->name;
    shown.type = store->type;
    shown.description = store->description;
    shown.is_default = store->name == first;
    shown.read_only = !store->payloads;
    shown.weight = store->weight;
    shown.capacity_bytes = store->capacity_bytes;
    shown.used_bytes = used_bytes(*store);
    shown.bytes_per_second = store->bytes_per_second;
    shown.folder = store->folder;
    all.push_back(std::move(shown));
  }
  return all;
}

void StoreSet::measured(const NamedStore& store, std::uint64_t bytes,
                        std::chrono::nanoseconds took) {
  constexpr std::uint64_t kTooFewToTell = 64 << 10;
  if (bytes < kTooFewToTell || took.count() <= 0) return;
  const auto rate = static_cast<std::uint64_t>(static_cast<double>(bytes) * 1e9 /
                                               static_cast<double>(took.count()));
  const std::uint64_t before = store.bytes_per_second;
  // Readers that race lose a measurement, no more.
  store.bytes_per_second = before == 0 ? std::max<std::uint64_t>(rate, 1)
                                       : std::max<std::uint64_t>(before / 4 * 3 + rate / 4, 1);
}

std::vector<std::size_t> reading_order(LocationStrategy strategy,
                                       const std::vector<std::string>& store_types,
                                       const std::vector<LocationFacts>& locations) {
  std::vector<std::size_t> order(locations.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto type_rank = [&](std::size_t at) {
    return std::find(store_types.begin(), store_types.end(), locations[at].type) -
           store_types.begin();
  };
  // One that nobody has read yet is tried before slow ones: else nobody would ever know.
  const auto rate = [&](std::size_t at) {
    const std::uint64_t known = locations[at].bytes_per_second;
    return known == 0 ? UINT64_MAX : known;
  };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    switch (strategy) {
      case LocationStrategy::LocationOrder:
        return false;
      case LocationStrategy::StoreType:
        return type_rank(a) < type_rank(b);
      case LocationStrategy::Measured:
        if (locations[a].local != locations[b].local) return locations[a].local;
        return rate(a) > rate(b);
    }
    return false;
  });
  return order;
}

}  // namespace image
}  // namespace cloudos

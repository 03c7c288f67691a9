#include <deque>
#include <map>
#include <set>

#include "base/mutex.hpp"
#include "cloudos/store.hpp"
#include "store/txn_buffer.hpp"

namespace cloudos::store {

namespace {

struct Version {
  Revision revision;
  std::optional<std::string> value;  // Nothing: erased at this revision.
};

/// Versions of every key that some snapshot may still read; shared by the store and its snapshots.
struct MemoryState {
  Mutex mutex;
  std::map<std::string, std::vector<Version>, std::less<>> keys CLOUDOS_GUARDED_BY(mutex);
  std::multiset<Revision> readers CLOUDOS_GUARDED_BY(mutex);
  Revision revision CLOUDOS_GUARDED_BY(mutex) = 0;
  std::deque<std::pair<Revision, std::string>> log CLOUDOS_GUARDED_BY(mutex);
  Revision log_from CLOUDOS_GUARDED_BY(mutex) = 0;  // Changes after this are all in the log.
  std::vector<std::string> erased CLOUDOS_GUARDED_BY(mutex);  // Still held for some snapshot.

  Mutex watch_mutex;
  std::map<std::uint64_t, std::pair<std::string, std::function<void()>>> watches
      CLOUDOS_GUARDED_BY(watch_mutex);
  std::uint64_t next_watch CLOUDOS_GUARDED_BY(watch_mutex) = 0;

  const Version* visible(const std::vector<Version>& versions, Revision at) const {
    for (auto v = versions.rbegin(); v != versions.rend(); ++v)
      if (v->revision <= at) return v->value ? &*v : nullptr;
    return nullptr;
  }
};

class MemorySnapshot final : public Snapshot {
 public:
  MemorySnapshot(std::shared_ptr<MemoryState> state, Revision revision)
      : state_(std::move(state)), revision_(revision) {}
  ~MemorySnapshot() override {
    LockGuard lock(state_->mutex);
    state_->readers.erase(state_->readers.find(revision_));
    if (!state_->readers.empty()) return;
    for (const std::string& key : state_->erased) {
      const auto found = state_->keys.find(key);
      if (found != state_->keys.end() && !found->second.back().value) state_->keys.erase(found);
    }
    state_->erased.clear();
  }

  Revision revision() const override { return revision_; }

  Result<std::optional<Entry>> get(std::string_view key) const override {
    LockGuard lock(state_->mutex);
    const auto found = state_->keys.find(key);
    if (found == state_->keys.end()) return std::optional<Entry>();
    const Version* version = state_->visible(found->second, revision_);
    if (!version) return std::optional<Entry>();
    return std::optional<Entry>(Entry{found->first, *version->value, version->revision});
  }

  Result<std::vector<Entry>> scan(std::string_view prefix,
                                  const ScanOptions& options) const override {
    std::vector<Entry> entries;
    const std::size_t limit = std::min(options.limit, limits::kScanPage);
    LockGuard lock(state_->mutex);
    const auto& keys = state_->keys;
    const auto take = [&](const auto& slot) {
      const Version* version = state_->visible(slot.second, revision_);
      if (version) {
        entries.push_back({slot.first, options.keys_only ? std::string() : *version->value,
                           version->revision});
      }
    };
    if (!options.reverse) {
      auto at = options.after.empty() || options.after < prefix ? keys.lower_bound(prefix)
                                                                : keys.upper_bound(options.after);
      for (; at != keys.end() && at->first.starts_with(prefix) && entries.size() < limit; ++at)
        take(*at);
      return entries;
    }
    // Reversed: from the last key of the range, or from the one before `after`.
    std::string end(prefix);
    while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
    if (!end.empty()) ++end.back();
    auto at = end.empty() ? keys.end() : keys.lower_bound(end);
    if (!options.after.empty() && (end.empty() || options.after < end))
      at = keys.lower_bound(options.after);
    while (at != keys.begin() && entries.size() < limit) {
      --at;
      if (!at->first.starts_with(prefix)) break;
      take(*at);
    }
    return entries;
  }

 private:
  const std::shared_ptr<MemoryState> state_;
  const Revision revision_;
};

class MemoryWatch final : public Watch {
 public:
  MemoryWatch(std::shared_ptr<MemoryState> state, std::uint64_t id)
      : state_(std::move(state)), id_(id) {}
  ~MemoryWatch() override {
    LockGuard lock(state_->watch_mutex);
    state_->watches.erase(id_);
  }

 private:
  const std::shared_ptr<MemoryState> state_;
  const std::uint64_t id_;
};

class MemoryStore final : public Store {
 public:
  explicit MemoryStore(const MemoryOptions& options) : options_(options) {}

  Result<std::unique_ptr<Snapshot>> snapshot() override {
    LockGuard lock(state_->mutex);
    state_->readers.insert(state_->revision);
    return std::make_unique<MemorySnapshot>(state_, state_->revision);
  }

  Result<Revision> transact(const Body& body) override {
    std::vector<std::string> changed;
    Revision revision = 0;
    {
      LockGuard lock(state_->mutex);
      TxnBuffer txn({[this](std::string_view key) { return committed(key); },
                     [this](std::string_view prefix, std::string_view from) {
                       return first(prefix, from);
                     }});
      CLOUDOS_CHECK(txn.run(body));
      if (txn.writes().empty()) return state_->revision;
      revision = ++state_->revision;
      for (const auto& [key, value] : txn.writes()) {
        apply(key, value, revision);
        changed.push_back(key);
      }
    }
    wake(changed);
    return revision;
  }

  std::unique_ptr<Watch> watch(std::string prefix, std::function<void()> call) override {
    LockGuard lock(state_->watch_mutex);
    const std::uint64_t id = ++state_->next_watch;
    state_->watches.emplace(id, std::pair(std::move(prefix), std::move(call)));
    return std::make_unique<MemoryWatch>(state_, id);
  }

  Result<Changes> changes(std::string_view prefix, Revision since) override {
    LockGuard lock(state_->mutex);
    Changes changes;
    changes.until = state_->revision;
    changes.too_old = since < state_->log_from;
    if (changes.too_old) return changes;
    std::set<std::string> keys;
    for (auto entry = state_->log.rbegin(); entry != state_->log.rend() && entry->first > since;
         ++entry)
      if (entry->second.starts_with(prefix)) keys.insert(entry->second);
    changes.keys.assign(keys.begin(), keys.end());
    return changes;
  }

 private:
  std::optional<std::string_view> committed(std::string_view key) const {
    const auto found = state_->keys.find(key);
    if (found == state_->keys.end() || !found->second.back().value) return std::nullopt;
    return std::string_view(*found->second.back().value);
  }

  std::optional<std::string> first(std::string_view prefix, std::string_view from) const {
    for (auto at = state_->keys.lower_bound(from);
         at != state_->keys.end() && at->first.starts_with(prefix); ++at)
      if (at->second.back().value) return at->first;
    return std::nullopt;
  }

  void apply(const std::string& key, const std::optional<std::string>& value, Revision revision) {
    auto& versions = state_->keys[key];
    // A version is needed while a snapshot between it and its successor lives.
    std::erase_if(versions, [&](const Version& v) {
      const Version* next = &v + 1;
      const Revision until = next < versions.data() + versions.size() ? next->revision : revision;
      const auto reader = state_->readers.lower_bound(v.revision);
      return reader == state_->readers.end() || *reader >= until;
    });
    versions.push_back({revision, value});
    if (!value && versions.size() == 1) state_->keys.erase(key);
    else if (!value) state_->erased.push_back(key);
    state_->log.emplace_back(revision, key);
    while (state_->log.size() > options_.change_log_entries) {
      state_->log_from = state_->log.front().first;
      state_->log.pop_front();
    }
  }

  void wake(const std::vector<std::string>& changed) {
    LockGuard lock(state_->watch_mutex);
    for (const auto& [id, watch] : state_->watches) {
      for (const std::string& key : changed) {
        if (!key.starts_with(watch.first)) continue;
        watch.second();
        break;
      }
    }
  }

  const MemoryOptions options_;
  // Shared with snapshots and watches, which may outlive the store object.
  const std::shared_ptr<MemoryState> state_ = std::make_shared<MemoryState>();
};

}  // namespace

std::unique_ptr<Store> open_memory(const MemoryOptions& options) {
  return std::make_unique<MemoryStore>(options);
}

}  // namespace cloudos::store

#include <map>
#include <span>

#include "store/lmdb_commit.hpp"
#include "store/lmdb_guest.hpp"
#include "store/lmdb_scan.hpp"

namespace cloudos::store {

namespace lmdb {

namespace {

/// The watches of a store; shared with their handles, which may outlive it.
struct WatchList {
  Mutex mutex;
  std::map<std::uint64_t, std::pair<std::string, std::function<void()>>> watches
      CLOUDOS_GUARDED_BY(mutex);
  std::uint64_t next CLOUDOS_GUARDED_BY(mutex) = 0;

  void wake(std::span<const TxnBuffer* const> written) {
    LockGuard lock(mutex);
    for (const auto& [id, watch] : watches)
      if (touched(written, watch.first)) watch.second();
  }

  static bool touched(std::span<const TxnBuffer* const> written, const std::string& prefix) {
    for (const TxnBuffer* buffer : written) {
      const auto at = buffer->writes().lower_bound(prefix);
      if (at != buffer->writes().end() && at->first.starts_with(prefix)) return true;
    }
    return false;
  }
};

class ListedWatch final : public Watch {
 public:
  ListedWatch(std::shared_ptr<WatchList> list, std::uint64_t id)
      : list_(std::move(list)), id_(id) {}
  ~ListedWatch() override {
    LockGuard lock(list_->mutex);
    list_->watches.erase(id_);
  }

 private:
  const std::shared_ptr<WatchList> list_;
  const std::uint64_t id_;
};

class OwnerSnapshot final : public Snapshot {
 public:
  OwnerSnapshot(std::shared_ptr<Env> env, Reader reader, Revision revision)
      : env_(std::move(env)), reader_(reader), revision_(revision) {}
  ~OwnerSnapshot() override { env_->end_read(reader_); }

  Revision revision() const override { return revision_; }
  Result<std::optional<Entry>> get(std::string_view key) const override {
    EnvCursor at(reader_.cursor);
    return find_record(at, key);
  }
  Result<std::vector<Entry>> scan(std::string_view prefix,
                                  const ScanOptions& options) const override {
    EnvCursor at(reader_.cursor);
    return scan_records(at, prefix, options);
  }

 private:
  const std::shared_ptr<Env> env_;
  const Reader reader_;
  const Revision revision_;
};

class OwnerStore final : public Store {
 public:
  OwnerStore(std::shared_ptr<Env> env, const LmdbOptions& options)
      : env_(std::move(env)),
        committer_(*env_, options, [list = watches_](auto written) { list->wake(written); }) {}

  Result<std::unique_ptr<Snapshot>> snapshot() override {
    CLOUDOS_TRY(const Reader reader, env_->begin_read());
    EnvCursor at(reader.cursor);
    const auto newest = newest_log(at);
    // From here on the snapshot ends the reader.
    auto snapshot = std::make_unique<OwnerSnapshot>(
        env_, reader, newest && *newest ? (*newest)->revision : Revision{0});
    if (!newest) return fail(newest.error());
    return snapshot;
  }

  Result<Revision> transact(const Body& body) override { return committer_.transact(body); }

  std::unique_ptr<Watch> watch(std::string prefix, std::function<void()> wake) override {
    LockGuard lock(watches_->mutex);
    const std::uint64_t id = ++watches_->next;
    watches_->watches.emplace(id, std::pair(std::move(prefix), std::move(wake)));
    return std::make_unique<ListedWatch>(watches_, id);
  }

  Result<Changes> changes(std::string_view prefix, Revision since) override {
    CLOUDOS_TRY(const Reader reader, env_->begin_read());
    EnvCursor at(reader.cursor);
    auto changes = read_changes(at, prefix, since);
    env_->end_read(reader);
    return changes;
  }

 private:
  const std::shared_ptr<Env> env_;
  const std::shared_ptr<WatchList> watches_ = std::make_shared<WatchList>();
  Committer committer_;
};

}  // namespace

}  // namespace lmdb

Result<std::unique_ptr<Store>> open_lmdb(const LmdbOptions& options) {
  if (!options.owner) return lmdb::open_guest(options);
  CLOUDOS_TRY(auto env, lmdb::Env::open(options));
  return std::make_unique<lmdb::OwnerStore>(std::move(env), options);
}

}  // namespace cloudos::store

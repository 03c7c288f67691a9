#include <algorithm>

#include "store/lmdb_commit.hpp"
#include "store/lmdb_guest.hpp"
#include "store/lmdb_pins.hpp"
#include "store/lmdb_scan.hpp"
#include "store/watch_list.hpp"

namespace cloudos::store {

namespace lmdb {

namespace {

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

/// Whether any of these keys, which are sorted, lies under `prefix`.
bool wrote_under(std::span<const std::string_view> written, const std::string& prefix) {
  const auto at = std::lower_bound(written.begin(), written.end(), std::string_view(prefix));
  return at != written.end() && at->starts_with(prefix);
}

class OwnerStore final : public Store, public PinSource {
 public:
  OwnerStore(std::shared_ptr<Env> env, const LmdbOptions& options)
      : env_(std::move(env)),
        folder_(options.directory),
        pins_(env_, options.pin_lease),
        meters_(options.metrics ? std::make_unique<Meters>(options.metrics, env_) : nullptr),
        committer_(*env_, options, meters_.get(), [list = watches_](auto written) {
          list->wake([&](const std::string& prefix) { return wrote_under(written, prefix); });
        }) {}

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

  Result<Revision> transact(const Body& body) override {
    pins_.sweep();
    return committer_.transact(body);
  }

  std::unique_ptr<Watch> watch(std::string prefix, std::function<void()> wake) override {
    return WatchList::add(watches_, std::move(prefix), std::move(wake));
  }

  Result<Changes> changes(std::string_view prefix, Revision since) override {
    CLOUDOS_TRY(const Reader reader, env_->begin_read());
    EnvCursor at(reader.cursor);
    auto changes = read_changes(at, prefix, since);
    env_->end_read(reader);
    return changes;
  }

  std::uint64_t epoch() const override { return env_->epoch(); }
  Result<PinnedCommit> pin(std::uint64_t least) override { return pins_.pin(folder_, least); }
  Result<std::int64_t> renew(std::uint64_t id) override { return pins_.renew(id); }
  void unpin(std::uint64_t id) override { pins_.unpin(id); }
  std::uint64_t pin_count() const override { return pins_.count(); }
  std::uint64_t reader_count() const override {
    MDB_envinfo info;
    return mdb_env_info(env_->get(), &info) == MDB_SUCCESS ? info.me_numreaders : 0;
  }

 private:
  const std::shared_ptr<Env> env_;
  const std::filesystem::path folder_;
  Pins pins_;
  const std::shared_ptr<WatchList> watches_ = std::make_shared<WatchList>();
  const std::unique_ptr<Meters> meters_;  // Null: nobody counts.
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

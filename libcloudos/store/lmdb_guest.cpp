#include "store/lmdb_guest.hpp"

#include <map>
#include <shared_mutex>
#include <thread>

#include "cloudos/random.hpp"
#include "store/guest_link.hpp"
#include "store/lmdb_pages.hpp"
#include "store/lmdb_scan.hpp"
#include "store/txn_buffer.hpp"
#include "store/watch_list.hpp"

namespace cloudos::store::lmdb {

namespace {

class GuestSnapshot final : public Snapshot {
 public:
  GuestSnapshot(std::shared_ptr<const PageFile> file, const Commit& commit, Revision revision)
      : file_(std::move(file)), commit_(commit), revision_(revision) {}

  Revision revision() const override { return revision_; }
  Result<std::optional<Entry>> get(std::string_view key) const override {
    PageCursor at(*file_, commit_);
    return find_record(at, key);
  }
  Result<std::vector<Entry>> scan(std::string_view prefix,
                                  const ScanOptions& options) const override {
    PageCursor at(*file_, commit_);
    return scan_records(at, prefix, options);
  }

 private:
  const std::shared_ptr<const PageFile> file_;
  const Commit commit_;
  const Revision revision_;
};

/// The data file, opened anew once the folder has another owner: that one may have swapped it
/// (compact_lmdb), and the old file would never change again. Thread-safe.
class Pages {
 public:
  Pages(std::filesystem::path folder, std::shared_ptr<const PageFile> file,
        std::shared_ptr<const EpochFile> epoch, std::uint64_t opened)
      : folder_(std::move(folder)),
        epoch_(std::move(epoch)),
        file_(std::move(file)),
        opened_(opened) {}

  std::shared_ptr<const PageFile> now() {
    const std::uint64_t epoch = epoch_ ? epoch_->now() : 0;
    LockGuard lock(mutex_);
    if (epoch != opened_) {
      // Not there, or not readable: the one we have says so, if it is not.
      if (auto file = PageFile::open(folder_)) {
        file_ = std::move(*file);
        opened_ = epoch;
      }
    }
    return file_;
  }

 private:
  const std::filesystem::path folder_;
  const std::shared_ptr<const EpochFile> epoch_;
  Mutex mutex_;
  std::shared_ptr<const PageFile> file_ CLOUDOS_GUARDED_BY(mutex_);
  std::uint64_t opened_ CLOUDOS_GUARDED_BY(mutex_);
};

/// Runs `read` on the newest commit, again while the owner's commits overtake it.
template <class T>
Result<T> read_newest(
    Pages& pages,
    const std::function<Result<T>(const std::shared_ptr<const PageFile>&, const Commit&)>& read) {
  std::optional<T> value;
  CLOUDOS_CHECK(replan([&]() -> Result<void> {
    const auto file = pages.now();
    CLOUDOS_TRY(const Commit commit, file->newest());
    CLOUDOS_TRY(value, read(file, commit));
    return Result<void>();
  }));
  return std::move(*value);
}

/// What a body sees in a guest: a snapshot and its own writes; all it does is written down, for the
/// owner to do again.
class GuestTxn final : public Txn {
 public:
  explicit GuestTxn(const Snapshot& base)
      : base_(base),
        buffer_({[this](std::string_view key) { return read(key); },
                 [this](std::string_view prefix, std::string_view from) {
                   return first(prefix, from);
                 }}) {}

  std::optional<std::string_view> get(std::string_view key) override { return buffer_.get(key); }
  void put(std::string_view key, std::string_view value) override {
    buffer_.put(key, value);
    if (fits(key) && value.size() <= limits::kTxnBytes) script_.put(key, value);
  }
  void erase(std::string_view key) override {
    buffer_.erase(key);
    if (fits(key)) script_.erase(key);
  }
  bool none(std::string_view prefix) override {
    const bool answer = buffer_.none(prefix);
    if (fits(prefix)) script_.none(prefix, answer);
    return answer;
  }

  Result<void> run(const Body& body) {
    // Limits are checked by the buffer, which this body writes through.
    const auto ran = buffer_.run([&](Txn&) { return body(*this); });
    // What the body made of a read that failed says nothing.
    if (failed_) return fail(*failed_);
    return ran;
  }
  bool wrote() const { return !buffer_.writes().empty(); }
  const guest::Script& script() const { return script_; }

 private:
  static bool fits(std::string_view key) { return !key.empty() && key.size() <= limits::kKeyBytes; }
  void lose(const Error& error) {
    if (!failed_) failed_ = error;
    buffer_.set_error(error);
  }

  std::optional<std::string_view> read(std::string_view key) {
    auto known = reads_.find(key);
    if (known == reads_.end()) {
      auto entry = base_.get(key);
      if (!entry) {
        lose(entry.error());
        return std::nullopt;
      }
      std::optional<std::string> value;
      if (*entry) value = std::move((*entry)->value);
      known = reads_.emplace(std::string(key), std::move(value)).first;
      script_.read(key, view(known->second));
    }
    return view(known->second);
  }
  static std::optional<std::string_view> view(const std::optional<std::string>& value) {
    if (!value) return std::nullopt;
    return std::string_view(*value);
  }

  std::optional<std::string> first(std::string_view prefix, std::string_view from) {
    ScanOptions scan;
    scan.limit = 1;
    scan.keys_only = true;
    // `from` is the prefix, or a key and a zero: what comes behind that key.
    if (from != prefix) scan.after = from.substr(0, from.size() - 1);
    const auto found = base_.scan(prefix, scan);
    if (!found) lose(found.error());
    if (!found || found->empty()) return std::nullopt;
    return found->front().key;
  }

  const Snapshot& base_;
  std::map<std::string, std::optional<std::string>, std::less<>> reads_;
  guest::Script script_;
  std::optional<Error> failed_;
  TxnBuffer buffer_;
};

class GuestStore final : public Store {
 public:
  GuestStore(std::shared_ptr<Pages> pages, std::shared_ptr<guest::Link> link)
      : pages_(std::move(pages)), link_(std::move(link)) {}
  ~GuestStore() override {
    teller_.reset();
    if (link_) link_->end();
  }

  Result<std::unique_ptr<Snapshot>> snapshot() override {
    return read_newest<std::unique_ptr<Snapshot>>(
        *pages_,
        [this](const auto& file, const Commit& newest) -> Result<std::unique_ptr<Snapshot>> {
          Commit commit = newest;
          if (link_)
            if (auto pinned = link_->pin(newest)) commit = std::move(*pinned);
          PageCursor at(*file, commit);
          CLOUDOS_TRY(const auto log, newest_log(at));
          return std::make_unique<GuestSnapshot>(file, commit, log ? log->revision : 0);
        });
  }

  Result<Revision> transact(const Body& body) override;
  std::unique_ptr<Watch> watch(std::string prefix, std::function<void()> wake) override;

  Result<Changes> changes(std::string_view prefix, Revision since) override {
    return read_newest<Changes>(*pages_, [&](const auto& file, const Commit& commit) {
      PageCursor at(*file, commit);
      return read_changes(at, prefix, since);
    });
  }

 private:
  Result<Revision> attempt(const Body& body);
  Revision tell(Revision since);

  const std::shared_ptr<Pages> pages_;
  const std::shared_ptr<guest::Link> link_;  // Null: reads only.
  /// Who failed by a conflict tries again alone, so that the threads of one guest do not send each
  /// other round in circles.
  std::shared_mutex alone_;
  const std::shared_ptr<WatchList> watches_ = std::make_shared<WatchList>();
  Mutex mutex_;
  std::unique_ptr<guest::ChangeTeller> teller_ CLOUDOS_GUARDED_BY(mutex_);
};

/// Runs the body over a snapshot and has the owner do what it did. A body that fails, or only
/// reads, is done here: its snapshot was the newest.
Result<Revision> GuestStore::attempt(const Body& body) {
  CLOUDOS_TRY(const auto base, snapshot());
  GuestTxn txn(*base);
  CLOUDOS_CHECK(txn.run(body));
  if (!txn.wrote()) return base->revision();
  return link_->commit(txn.script());
}

Result<Revision> GuestStore::transact(const Body& body) {
  if (!link_) {
    return fail(ErrorCode::Unavailable,
                "this program reads the store as a guest; changes go through the process that runs "
                "the folder");
  }
  SystemRandom random;
  for (std::size_t round = 0;; ++round) {
    auto committed = [&] {
      if (round > 0) {
        const std::unique_lock lock(alone_);
        return attempt(body);
      }
      const std::shared_lock lock(alone_);
      return attempt(body);
    }();
    const bool stale = !committed && committed.error().code == ErrorCode::Stale;
    if (!stale || round + 1 == limits::kGuestReruns) return committed;
    // Processes that conflict get out of each other's way.
    const std::uint64_t most = std::uint64_t{100} << std::min<std::size_t>(round, 9);
    std::this_thread::sleep_for(std::chrono::microseconds{random.below(most)});
  }
}

std::unique_ptr<Watch> GuestStore::watch(std::string prefix, std::function<void()> wake) {
  if (link_) {
    LockGuard lock(mutex_);
    if (!teller_) {
      const auto newest = changes("/", UINT64_MAX);
      teller_ = std::make_unique<guest::ChangeTeller>(
          link_, newest ? newest->until : 0, [this](Revision since) { return tell(since); });
    }
  }
  return WatchList::add(watches_, std::move(prefix), std::move(wake));
}

/// Wakes whose prefix has changed; all of them when nobody can tell.
Revision GuestStore::tell(Revision since) {
  const auto changed = changes({}, since);
  if (!changed) return since;
  if (!changed->too_old && changed->keys.empty()) return changed->until;
  watches_->wake([&](const std::string& prefix) {
    return changed->too_old ||
           std::any_of(changed->keys.begin(), changed->keys.end(),
                       [&](const std::string& key) { return key.starts_with(prefix); });
  });
  return changed->until;
}

Result<void> check_guest_format(const PageFile& file) {
  return replan([&]() -> Result<void> {
    CLOUDOS_TRY(const Commit commit, file.newest());
    PageCursor at(file, commit);
    const Key format(kFormatTag, {});
    CLOUDOS_CHECK(at.seek(format.view()));
    if (!at.valid() || at.key() != format.view()) return check_format({});
    CLOUDOS_TRY(const std::string_view value, at.value());
    return check_format(value);
  });
}

}  // namespace

Result<std::unique_ptr<Store>> open_guest(const LmdbOptions& options) {
  // The epoch first: a file that is swapped after this look is opened again.
  std::uint64_t first = 0;
  if (const auto before = EpochFile::open(options.directory)) first = (*before)->now();
  CLOUDOS_TRY(auto file, PageFile::open(options.directory));
  CLOUDOS_CHECK(check_guest_format(*file));
  // Before an owner that knows of it has opened the folder there is none.
  const auto opened = EpochFile::open(options.directory);
  const auto epoch = opened ? *opened : nullptr;
  auto pages = std::make_shared<Pages>(options.directory, file, epoch, first);
  std::shared_ptr<guest::Link> link;
  if (!options.socket.empty() && epoch) {
    link = std::make_shared<guest::Link>(options.socket, epoch, [pages](const std::string& key) {
      return read_newest<std::optional<Entry>>(*pages, [&](const auto& now, const Commit& commit) {
        PageCursor at(*now, commit);
        return find_record(at, key);
      });
    });
  }
  return std::make_unique<GuestStore>(std::move(pages), std::move(link));
}

}  // namespace cloudos::store::lmdb

#include "store/lmdb_copy.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "store/guest_link.hpp"
#include "store/lmdb_pages.hpp"
#include "store/lmdb_pins.hpp"
#include "store/lmdb_scan.hpp"

namespace cloudos::store {

namespace lmdb {

namespace {

constexpr std::size_t kCopyBatch = 10'000;  // Entries of one transaction into the copy.
constexpr int kCopyTries = 3;

Result<void> sync_path(const std::filesystem::path& path) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0 || ::fsync(fd.get()) != 0) return fail(lmdb_error(errno, "sync copy"));
  return Result<void>();
}

Result<std::uint64_t> file_bytes(const std::filesystem::path& path) {
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0) return fail(lmdb_error(errno, "stat data file"));
  return static_cast<std::uint64_t>(file.st_size);
}

/// A store that is read whole: its pages, and a pin where an owner gives one.
class Source {
 public:
  static Result<Source> open(const LmdbOptions& options) {
    Source source;
    CLOUDOS_TRY(source.file_, PageFile::open(options.directory));
    auto epoch = EpochFile::open(options.directory);
    if (epoch) source.epoch_ = *epoch;
    if (!options.socket.empty() && source.epoch_)
      source.link_ = std::make_shared<guest::Link>(options.socket, source.epoch_, nullptr);
    return source;
  }
  Source(Source&&) = default;
  Source& operator=(Source&&) = default;
  ~Source() {
    if (link_) link_->end();
  }

  const PageFile& file() const { return *file_; }
  const EpochFile* epoch() const { return epoch_.get(); }
  guest::Link* link() const { return link_.get(); }
  Result<Commit> newest() const {
    CLOUDOS_TRY(Commit commit, file_->newest());
    if (link_)
      if (auto pinned = link_->pin(commit)) return std::move(*pinned);
    return commit;
  }

  /// Runs `read` on one commit, anew if it was overtaken.
  Result<void> read_whole(const std::function<Result<void>(const Commit&)>& read) const {
    for (int round = 1;; ++round) {
      CLOUDOS_TRY(const Commit commit, newest());
      auto done = read(commit);
      if (done || done.error().code != ErrorCode::Stale) return done;
      if (round == kCopyTries) {
        return fail(ErrorCode::Unavailable,
                    "the store changes faster than it can be read; try again when there is less "
                    "to do",
                    done.error().detail);
      }
    }
  }

 private:
  Source() = default;
  std::shared_ptr<const PageFile> file_;
  std::shared_ptr<const EpochFile> epoch_;
  std::shared_ptr<guest::Link> link_;
};

/// A new environment that is filled in the order of keys.
class CopyWriter {
 public:
  CopyWriter() = default;
  ~CopyWriter() {
    if (txn_) mdb_txn_abort(txn_);
    if (env_) mdb_env_close(env_);
  }
  CopyWriter(const CopyWriter&) = delete;
  CopyWriter& operator=(const CopyWriter&) = delete;

  Result<void> open(const std::filesystem::path& to, std::uint64_t map_bytes) {
    int code = mdb_env_create(&env_);
    if (!code) code = mdb_env_set_mapsize(env_, map_bytes);
    // Nobody else knows of it, and it is synced once, at the end.
    if (!code) code = mdb_env_open(env_, to.c_str(), MDB_NOTLS | MDB_NOLOCK | MDB_NOSYNC, 0600);
    if (!code) code = mdb_txn_begin(env_, nullptr, 0, &txn_);
    if (!code) code = mdb_dbi_open(txn_, nullptr, 0, &tree_);
    if (code) return fail(lmdb_error(code, "make copy"));
    return Result<void>();
  }
  Result<void> add(std::string_view key, std::string_view value) {
    MDB_val k{key.size(), const_cast<char*>(key.data())};
    MDB_val v{value.size(), const_cast<char*>(value.data())};
    int code = mdb_put(txn_, tree_, &k, &v, MDB_APPEND);
    if (!code && ++batch_ == kCopyBatch) {
      batch_ = 0;
      code = mdb_txn_commit(std::exchange(txn_, nullptr));
      if (!code) code = mdb_txn_begin(env_, nullptr, 0, &txn_);
    }
    if (code) return fail(lmdb_error(code, "write copy"));
    return Result<void>();
  }
  Result<void> finish() {
    int code = mdb_txn_commit(std::exchange(txn_, nullptr));
    if (!code) code = mdb_env_sync(env_, 1);
    if (code) return fail(lmdb_error(code, "end copy"));
    return Result<void>();
  }

 private:
  MDB_env* env_ = nullptr;
  MDB_txn* txn_ = nullptr;
  MDB_dbi tree_ = 0;
  std::size_t batch_ = 0;
};

Result<CopyReport> write_copy(const Source& source, const Commit& commit,
                              const std::filesystem::path& to) {
  CopyReport report;
  PageCursor at(source.file(), commit);
  CLOUDOS_TRY(const auto newest, newest_log(at));
  if (newest) report.revision = newest->revision;
  CopyWriter writer;
  const std::uint64_t room = (commit.last_page + 1) * source.file().page_bytes();
  CLOUDOS_CHECK(writer.open(to, 2 * room + (std::uint64_t{16} << 20)));
  CLOUDOS_CHECK(at.seek({}));
  const Key format(kFormatTag, {});
  if (!at.valid() || at.key() != format.view()) return fail(damaged("there is no format record"));
  while (at.valid()) {
    CLOUDOS_TRY(const std::string_view value, at.value());
    CLOUDOS_CHECK(writer.add(at.key(), value));
    report.records += at.key()[0] == kRecordTag;
    report.bytes += at.key().size() + value.size();
    CLOUDOS_CHECK(at.next());
  }
  CLOUDOS_CHECK(writer.finish());
  return report;
}

/// "/ix/port/…" -> "ix/port", "/server/…" -> "server".
std::string kind_of_key(std::string_view key) {
  std::size_t end = key.find('/', 1);
  if (key.starts_with("/ix/") || key.starts_with("/ux/")) end = key.find('/', 4);
  if (key.empty() || key[0] != '/') return std::string(key.substr(0, 32));
  return std::string(key.substr(1, end == std::string_view::npos ? end : end - 1));
}

Result<void> count_entries(const Source& source, const Commit& commit, StoreNumbers& numbers) {
  PageCursor at(source.file(), commit);
  CLOUDOS_CHECK(at.seek({}));
  for (; at.valid();) {
    CLOUDOS_TRY(const std::string_view value, at.value());
    const std::uint64_t bytes = at.key().size() + value.size();
    if (at.key()[0] == kRecordTag) {
      KeyNumbers& kind = numbers.kinds[kind_of_key(at.key().substr(1))];
      ++kind.keys;
      kind.bytes += bytes;
    } else if (at.key()[0] == kLogTag) {
      CLOUDOS_TRY(const LogPart part, read_log(at));
      numbers.log_commits += part.part == 0;
      numbers.log_bytes += bytes;
      numbers.revision = part.revision;
    } else {
      if (value.size() < kFormatName.size() + 4) return fail(damaged("format record"));
      numbers.format = read_integer<std::uint32_t>(value.substr(kFormatName.size()));
    }
    CLOUDOS_CHECK(at.next());
  }
  return Result<void>();
}

/// What the owner tells of itself, if it serves.
void ask_owner(const Source& source, StoreNumbers& numbers) {
  if (!source.link()) return;
  const std::int64_t deadline = guest::now_ns() + 2'000'000'000;
  const auto socket = source.link()->connect(deadline);
  if (!socket || !socket->send(guest::Frame::Numbers, {}, deadline)) return;
  const auto reply = socket->receive(deadline);
  if (!reply || reply->kind != guest::Frame::Ok) return;
  guest::Parser in(reply->body);
  for (std::uint64_t* const number : {&numbers.connections, &numbers.commits, &numbers.conflicts,
                                      &numbers.refused, &numbers.pins, &numbers.readers})
    *number = in.integer<std::uint64_t>();
  numbers.served = in.ok();
}

}  // namespace

}  // namespace lmdb

using lmdb::Commit;
using lmdb::Source;

Result<CopyReport> copy_lmdb(const LmdbOptions& from, const std::filesystem::path& to) {
  CLOUDOS_TRY(const Source source, Source::open(from));
  if (::mkdir(to.c_str(), 0700) != 0 && errno != EEXIST)
    return fail(lmdb::lmdb_error(errno, "make the copy's folder"));
  const auto data = to / "data.mdb";
  if (std::error_code error; std::filesystem::exists(data, error))
    return fail(ErrorCode::Conflict, "the folder for the copy holds a store already");
  CopyReport report;
  auto copied = source.read_whole([&](const Commit& commit) -> Result<void> {
    std::error_code ignored;
    std::filesystem::remove(data, ignored);  // Of the round before.
    CLOUDOS_TRY(report, lmdb::write_copy(source, commit, to));
    return Result<void>();
  });
  if (copied) copied = lmdb::sync_path(to);
  if (copied) return report;
  std::error_code ignored;
  std::filesystem::remove(data, ignored);
  return fail(copied.error());
}

Result<CompactReport> compact_lmdb(const std::filesystem::path& directory) {
  CompactReport report;
  // A folder without a store is told before one is made in it.
  CLOUDOS_TRY(report.bytes_before, lmdb::file_bytes(directory / "data.mdb"));
  // As long as we own it nobody else opens it, and we commit nothing.
  CLOUDOS_TRY(const auto owner, open_lmdb({.directory = directory}));
  const auto fresh = directory / "compact";
  std::error_code error;
  std::filesystem::remove_all(fresh, error);  // Of a run that was killed.
  CLOUDOS_CHECK(copy_lmdb({.directory = directory, .owner = false}, fresh));
  CLOUDOS_TRY(report.bytes_after, lmdb::file_bytes(fresh / "data.mdb"));
  if (report.bytes_after < report.bytes_before) {
    // One name at a time has the whole store: killed before or after, nothing is lost.
    if (::rename((fresh / "data.mdb").c_str(), (directory / "data.mdb").c_str()) != 0)
      return fail(lmdb::lmdb_error(errno, "swap data files"));
    CLOUDOS_CHECK(lmdb::sync_path(directory));
  } else {
    report.bytes_after = report.bytes_before;
  }
  std::filesystem::remove_all(fresh, error);
  return report;
}

Result<StoreNumbers> measure_lmdb(const LmdbOptions& from) {
  CLOUDOS_TRY(const Source source, Source::open(from));
  StoreNumbers numbers;
  CLOUDOS_CHECK(source.read_whole([&](const Commit& commit) {
    numbers = {};
    return lmdb::count_entries(source, commit, numbers);
  }));
  CLOUDOS_TRY(const lmdb::FileNumbers file, source.file().numbers());
  numbers.page_bytes = source.file().page_bytes();
  numbers.map_bytes = file.map_bytes;
  numbers.used_pages = file.used_pages;
  numbers.free_pages = file.pages - std::min(file.pages, file.used_pages);
  numbers.file_bytes = file.pages * numbers.page_bytes;
  numbers.depth = file.depth;
  if (source.epoch()) {
    numbers.epoch = source.epoch()->now();
    numbers.process = source.epoch()->process();
  }
  lmdb::ask_owner(source, numbers);
  return numbers;
}

}  // namespace cloudos::store

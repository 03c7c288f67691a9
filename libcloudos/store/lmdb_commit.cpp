#include "store/lmdb_commit.hpp"

#include <semaphore.h>

#include <algorithm>
#include <cerrno>

#include "base/actor.hpp"
#include "store/lmdb_scan.hpp"

namespace cloudos::store::lmdb {

/// One caller in transact(), on its stack.
struct Committer::Waiter {
  explicit Waiter(const Body& wanted) : body(wanted) { sem_init(&wake, 0, 0); }
  ~Waiter() { sem_destroy(&wake); }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  void wait() {
    while (sem_wait(&wake) != 0) CLOUDOS_ASSERT(errno == EINTR);
  }

  const Body& body;
  const bool is_work = current_actor().kind == Actor::Kind::Work;
  std::optional<TxnBuffer> buffer;  // Of the newest run.
  Result<Revision> outcome{0};
  bool leads = false;
  // POSIX says that the woken may destroy it while the waker is still in sem_post; a condition
  // variable would need the mutex held, and 64 woken callers would run into it one by one.
  sem_t wake;
};

Committer::Waiter* Committer::pop_front(std::deque<Waiter*>& line) {
  Waiter* const waiter = line.front();
  line.pop_front();
  return waiter;
}

/// One write transaction and the bodies that share it.
class Committer::Batch {
 public:
  Batch(Env& env, std::size_t log_entries) : env_(env), log_entries_(log_entries) {}
  ~Batch() {
    if (txn_) mdb_txn_abort(txn_);
  }
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  std::span<Waiter* const> members() const { return members_; }
  std::uint64_t bytes() const { return bytes_; }
  bool full() const { return bytes_ >= limits::kCommitBatchBytes; }

  Result<void> begin();
  /// Runs the body of `waiter` and, if it succeeded, applies its writes. Errors: of the
  /// transaction, which is lost with all that it held; an error of the body alone is its outcome.
  Result<void> add(Waiter& waiter);
  Result<void> commit();
  /// The keys of all bodies, sorted, each once; empty when nothing was committed.
  std::span<const std::string_view> written() const { return written_; }
  /// How many bodies wrote them.
  std::size_t writers() const { return writers_; }

 private:
  std::optional<std::string_view> get(std::string_view key);
  std::optional<std::string> first(std::string_view prefix, std::string_view from);
  Result<bool> has_room(const TxnBuffer::Writes& writes) const;
  Result<void> apply(const TxnBuffer::Writes& writes);
  void collect_written();
  Result<void> append_log();
  Result<void> trim_log(std::uint64_t logged);
  Result<void> put_log(std::uint16_t part, const std::string& value);

  Env& env_;
  const std::size_t log_entries_;
  MDB_txn* txn_ = nullptr;
  std::optional<EnvCursor> cursor_;  // LMDB ends it with the transaction.
  Revision revision_ = 0;            // The one this commit makes.
  std::uint64_t logged_ = 0;         // Keys ever logged before it.
  std::uint64_t bytes_ = 0;
  std::vector<Waiter*> members_;
  std::vector<std::string_view> written_;  // Into the members' buffers.
  std::size_t writers_ = 0;
  TxnBuffer* running_ = nullptr;
};

Result<void> Committer::Batch::begin() {
  MDB_cursor* cursor = nullptr;
  int code = mdb_txn_begin(env_.get(), nullptr, 0, &txn_);
  if (!code) code = mdb_cursor_open(txn_, env_.tree(), &cursor);
  if (code) return fail(lmdb_error(code, "begin"));
  cursor_.emplace(cursor);
  CLOUDOS_TRY(const auto newest, newest_log(*cursor_));
  revision_ = newest ? newest->revision + 1 : 1;
  logged_ = newest ? newest->before + newest->count : 0;
  return Result<void>();
}

std::optional<std::string_view> Committer::Batch::get(std::string_view key) {
  const Key wanted(kRecordTag, key);
  MDB_val stored_key{wanted.view().size(), const_cast<char*>(wanted.view().data())};
  MDB_val value;
  const int code = mdb_get(txn_, env_.tree(), &stored_key, &value);
  if (code == MDB_NOTFOUND) return std::nullopt;
  if (code || value.mv_size < kRevisionBytes) {
    running_->set_error(code ? lmdb_error(code, "read") : damaged("a record without revision"));
    return std::nullopt;
  }
  return std::string_view(static_cast<const char*>(value.mv_data), value.mv_size)
      .substr(kRevisionBytes);
}

std::optional<std::string> Committer::Batch::first(std::string_view prefix, std::string_view from) {
  const Key range(kRecordTag, prefix);
  // `from` may be one byte over the longest key.
  const auto sought = cursor_->seek(Key(kRecordTag, from).view());
  if (!sought) {
    running_->set_error(sought.error());
    return std::nullopt;
  }
  if (!cursor_->valid() || !cursor_->key().starts_with(range.view())) return std::nullopt;
  return std::string(cursor_->key().substr(1));
}

Result<void> Committer::Batch::add(Waiter& waiter) {
  members_.push_back(&waiter);
  waiter.buffer.emplace(TxnBuffer::Committed{
      [this](std::string_view key) { return get(key); },
      [this](std::string_view prefix, std::string_view from) { return first(prefix, from); }});
  running_ = &*waiter.buffer;
  const auto ran = waiter.buffer->run(waiter.body);
  if (!ran) {
    waiter.outcome = fail(ran.error());
    return Result<void>();
  }
  waiter.outcome = revision_;
  const auto& writes = waiter.buffer->writes();
  if (writes.empty()) return Result<void>();
  CLOUDOS_TRY(const bool room, has_room(writes));
  if (!room) {
    waiter.outcome = fail(lmdb_error(MDB_MAP_FULL, "reserve reached"));
    return Result<void>();
  }
  return apply(writes);
}

/// Keeps the last pages of the map for changes that only erase: these copy pages before they free
/// any, and a store that is full to the brim could never be emptied.
Result<bool> Committer::Batch::has_room(const TxnBuffer::Writes& writes) const {
  std::size_t pages = 0, bytes = 0;
  for (const auto& [key, value] : writes) {
    if (!value) continue;
    const std::size_t node = key.size() + value->size() + 32;
    if (node > env_.page_bytes() / 2)
      pages += 1 + node / env_.page_bytes();
    else
      bytes += node;
  }
  if (pages == 0 && bytes == 0) return true;
  // Half-full pages, and a new path from the root down.
  pages += 2 * bytes / env_.page_bytes() + 8;
  std::size_t used = 2;
  for (const MDB_dbi tree : {MDB_dbi{0}, env_.tree()}) {  // 0: LMDB's own tree of free pages.
    MDB_stat stat;
    if (const int code = mdb_stat(txn_, tree, &stat)) return fail(lmdb_error(code, "stat"));
    used += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
  }
  return used + pages <= env_.usable_pages();
}

Result<void> Committer::Batch::apply(const TxnBuffer::Writes& writes) {
  for (const auto& [key, value] : writes) {
    const Key stored_key(kRecordTag, key);
    MDB_val k{stored_key.view().size(), const_cast<char*>(stored_key.view().data())};
    bytes_ += key.size();
    if (!value) {
      const int code = mdb_del(txn_, env_.tree(), &k, nullptr);
      if (code && code != MDB_NOTFOUND) return fail(env_.commit_error(code));
      continue;
    }
    bytes_ += value->size();
    MDB_val v{kRevisionBytes + value->size(), nullptr};
    if (const int code = mdb_put(txn_, env_.tree(), &k, &v, MDB_RESERVE))
      return fail(env_.commit_error(code));
    std::string revision;
    append_integer(revision, revision_);
    auto* out = static_cast<char*>(v.mv_data);
    std::memcpy(out, revision.data(), kRevisionBytes);
    if (!value->empty()) std::memcpy(out + kRevisionBytes, value->data(), value->size());
  }
  return Result<void>();
}

void Committer::Batch::collect_written() {
  for (const Waiter* waiter : members_) {
    if (!waiter->outcome || waiter->buffer->writes().empty()) continue;
    ++writers_;
    for (const auto& [key, value] : waiter->buffer->writes()) written_.emplace_back(key);
  }
  std::sort(written_.begin(), written_.end());
  written_.erase(std::unique(written_.begin(), written_.end()), written_.end());
}

Result<void> Committer::Batch::put_log(std::uint16_t part, const std::string& value) {
  const Key key = log_key(revision_, part);
  MDB_val k{key.view().size(), const_cast<char*>(key.view().data())};
  MDB_val v{value.size(), const_cast<char*>(value.data())};
  // The log lies at the end of the tree: appending fills pages to the brim instead of splitting.
  if (const int code = mdb_put(txn_, env_.tree(), &k, &v, MDB_APPEND))
    return fail(env_.commit_error(code));
  return Result<void>();
}

/// The keys, in parts that stay small; then what is over the limit goes.
Result<void> Committer::Batch::append_log() {
  std::uint16_t part = 0;
  for (auto key = written_.begin(); key != written_.end(); ++part) {
    std::string packed;
    std::uint16_t count = 0;
    for (; key != written_.end() && packed.size() < kLogPartBytes - limits::kKeyBytes;
         ++key, ++count) {
      append_integer(packed, static_cast<std::uint16_t>(key->size()));
      packed += *key;
    }
    std::string value;
    append_integer(value, logged_);
    append_integer(value, count);
    value += packed;
    CLOUDOS_CHECK(put_log(part, value));
    logged_ += count;
  }
  return trim_log(logged_);
}

/// Trims some dozen commits at a time: the log's old end is a page of its own in each such commit.
Result<void> Committer::Batch::trim_log(std::uint64_t logged) {
  const std::size_t slack = std::min<std::size_t>(log_entries_ / 16, 256);
  CLOUDOS_CHECK(cursor_->seek(log_key(0, 0).view()));
  for (bool over = false; cursor_->valid();) {
    CLOUDOS_TRY(const LogPart oldest, read_log(*cursor_));
    const std::uint64_t kept = logged - oldest.before;
    if (!over && kept <= log_entries_ + slack) break;
    over = true;
    if (kept <= log_entries_ || oldest.revision == revision_) break;
    const Key key = log_key(oldest.revision, oldest.part);
    MDB_val k{key.view().size(), const_cast<char*>(key.view().data())};
    if (const int code = mdb_del(txn_, env_.tree(), &k, nullptr))
      return fail(env_.commit_error(code));
    CLOUDOS_CHECK(cursor_->seek(log_key(0, 0).view()));
  }
  return Result<void>();
}

Result<void> Committer::Batch::commit() {
  collect_written();
  if (written_.empty()) {
    // Nothing to make durable, and nobody read what is not.
    for (Waiter* waiter : members_)
      if (waiter->outcome) waiter->outcome = revision_ - 1;
    return Result<void>();
  }
  CLOUDOS_CHECK(append_log());
  if (const int code = mdb_txn_commit(std::exchange(txn_, nullptr)))
    return fail(env_.commit_error(code));
  env_.keep_room();
  return Result<void>();
}

Committer::Committer(Env& env, const LmdbOptions& options, Meters* meters, Committed committed)
    : env_(env),
      log_entries_(options.change_log_entries),
      reader_check_(options.reader_check),
      meters_(meters),
      committed_(std::move(committed)) {}

Result<Revision> Committer::transact(const Body& body) {
  Waiter self(body);
  bool leads = false;
  {
    const std::lock_guard lock(mutex_);
    leads = !std::exchange(leading_, true);
    if (!leads) (self.is_work ? work_ : callers_).push_back(&self);
  }
  if (!leads) {
    self.wait();
    if (!self.leads) return std::move(self.outcome);
  }
  lead(self);
  return std::move(self.outcome);
}

/// Who joins the batch next; nobody when no one waits, or only more work than it has room for.
Committer::Waiter* Committer::take(Taken& taken) {
  constexpr std::size_t kCallersAWork = 4, kWorkAtLeast = 2;
  const std::lock_guard lock(mutex_);
  const bool is_due = taken.work * kCallersAWork < taken.callers;
  const bool is_work = !work_.empty() && (callers_.empty() || is_due);
  if (is_work && taken.callers > 0 && taken.work >= kWorkAtLeast + taken.callers / kCallersAWork)
    return nullptr;
  auto& from = is_work ? work_ : callers_;
  if (from.empty()) return nullptr;
  ++(is_work ? taken.work : taken.callers);
  return pop_front(from);
}

/// Begins, adds who is next until there is no one, commits.
Result<void> Committer::run(Batch& batch, const std::function<Waiter*()>& next) {
  const auto began = std::chrono::steady_clock::now();
  CLOUDOS_CHECK(batch.begin());
  while (!batch.full()) {
    Waiter* const waiter = next();
    if (!waiter) break;
    CLOUDOS_CHECK(batch.add(*waiter));
  }
  CLOUDOS_CHECK(batch.commit());
  if (batch.written().empty()) return Result<void>();
  committed_(batch.written());
  if (meters_)
    meters_->committed(std::chrono::steady_clock::now() - began, batch.writers(), batch.bytes());
  return Result<void>();
}

void Committer::lead(Waiter& self) {
  check_readers();
  std::vector<Waiter*> waiters;
  Taken taken;
  ++(self.is_work ? taken.work : taken.callers);
  const auto next = [&] {
    Waiter* const waiter = waiters.empty() ? &self : take(taken);
    if (waiter) waiters.push_back(waiter);
    return waiter;
  };
  Result<void> result;
  {
    Batch batch(env_, log_entries_);
    result = run(batch, next);
  }
  if (!result && meters_) meters_->failed();
  // Nobody was added when the transaction did not even begin: our own error is told at least.
  if (waiters.empty()) next();
  if (!result && waiters.size() == 1) waiters.front()->outcome = fail(result.error());
  if (!result && waiters.size() > 1) {
    // One body too many for the disk or the map took the others down: each gets its own commit.
    for (Waiter* const waiter : waiters) {
      Batch alone(env_, log_entries_);
      bool ran_once = false;
      const auto ran = run(alone, [&] { return std::exchange(ran_once, true) ? nullptr : waiter; });
      if (!ran) waiter->outcome = fail(ran.error());
    }
  }
  hand_over(waiters);
}

/// Gives the lead to who waits next, then wakes who is done. The leader itself is the first.
void Committer::hand_over(std::span<Waiter* const> done) {
  Waiter* heir = nullptr;
  {
    const std::lock_guard lock(mutex_);
    auto& from = callers_.empty() ? work_ : callers_;
    if (from.empty())
      leading_ = false;
    else
      heir = pop_front(from);
  }
  if (heir) {
    heir->leads = true;
    sem_post(&heir->wake);
  }
  for (Waiter* const waiter : done.subspan(1)) {
    waiter->leads = false;
    sem_post(&waiter->wake);
  }
}

/// Frees the slots of killed readers, which would pin every page freed since.
void Committer::check_readers() {
  const auto now = std::chrono::steady_clock::now();
  if (now - readers_checked_ < reader_check_) return;
  readers_checked_ = now;
  mdb_reader_check(env_.get(), nullptr);
}

}  // namespace cloudos::store::lmdb

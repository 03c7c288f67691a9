#include <fmt/format.h>
#include <lmdb.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "base/assert.hpp"
#include "bench.hpp"
#include "cloudos/store.hpp"

namespace cloudos::bench {

namespace {

constexpr std::size_t kValueBytes = 300;  // A server record.
constexpr int kCallers = 64;
constexpr std::size_t kFillBatch = 1'000;

/// Keys in creation order, as our ids sort: one counter, padded.
std::string creation_key(std::uint64_t number) {
  return fmt::format("/server/{:032x}", number);
}

void must(int code) {
  CLOUDOS_ASSERT(code == 0);
}

/// Plain LMDB with the same map, flags and records: what one put and one fsync cost without us.
class RawLmdb {
 public:
  explicit RawLmdb(const std::filesystem::path& folder) {
    std::filesystem::create_directory(folder);
    must(mdb_env_create(&env_));
    must(mdb_env_set_mapsize(env_, limits::kStoreMapBytes));
    must(mdb_env_open(env_, folder.c_str(), MDB_NOTLS, 0600));
    put_next(1);
  }
  ~RawLmdb() { mdb_env_close(env_); }
  RawLmdb(const RawLmdb&) = delete;
  RawLmdb& operator=(const RawLmdb&) = delete;

  /// One transaction of `puts` records, committed with its fsync.
  void put_next(std::size_t puts) {
    MDB_txn* txn = nullptr;
    must(mdb_txn_begin(env_, nullptr, 0, &txn));
    if (tree_ == 0) must(mdb_dbi_open(txn, nullptr, 0, &tree_));
    for (std::size_t i = 0; i < puts; ++i) {
      std::string key = creation_key(next_++);
      MDB_val k{key.size(), key.data()};
      MDB_val v{value_.size(), value_.data()};
      must(mdb_put(txn, tree_, &k, &v, 0));
    }
    must(mdb_txn_commit(txn));
  }

 private:
  MDB_env* env_ = nullptr;
  MDB_dbi tree_ = 0;
  std::uint64_t next_ = 0;
  std::string value_ = std::string(kValueBytes, 'v');
};

class OurStore {
 public:
  explicit OurStore(const std::filesystem::path& folder) {
    auto opened = store::open_lmdb({.directory = folder});
    CLOUDOS_ASSERT(opened.has_value());
    store_ = std::move(*opened);
    put_next(1);
  }

  /// One transact() of `puts` records. Thread-safe.
  void put_next(std::size_t puts) {
    const auto done = store_->transact([&](store::Txn& txn) {
      for (std::size_t i = 0; i < puts; ++i) txn.put(creation_key(next_++), value_);
      return Result<void>();
    });
    CLOUDOS_ASSERT(done.has_value());
  }

 private:
  std::unique_ptr<store::Store> store_;
  std::atomic<std::uint64_t> next_{0};
  const std::string value_ = std::string(kValueBytes, 'v');
};

/// Calls of `work` a second, by `callers` threads that make `calls` each.
double rate(int callers, int calls, const std::function<void()>& work) {
  std::atomic<bool> go{false};
  std::vector<std::thread> threads;
  for (int c = 0; c < callers; ++c) {
    threads.emplace_back([&] {
      while (!go) std::this_thread::yield();
      for (int i = 0; i < calls; ++i) work();
    });
  }
  const auto start = std::chrono::steady_clock::now();
  go = true;
  for (auto& thread : threads) thread.join();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  return callers * calls / took.count();
}

template <class Side>
void fill(Side& side, std::size_t records) {
  for (std::size_t done = 0; done < records; done += kFillBatch) side.put_next(kFillBatch);
}

struct Counts {
  std::size_t records;  ///< In the store before the first round.
  int rounds;
  int alone;     ///< Commits a round by one caller.
  int together;  ///< Commits a round by each of many callers.
};

Figure one_caller(const Settings& settings, const Counts& counts) {
  RawLmdb raw(settings.folder / "raw");
  OurStore ours(settings.folder / "ours");
  fill(raw, counts.records);
  fill(ours, counts.records);
  Rounds rounds;
  for (int r = 0; r < counts.rounds; ++r) {
    // Side by side in small turns: a disk's mood lasts longer than a turn.
    const double reference = rate(1, counts.alone, [&] { raw.put_next(1); });
    rounds.add(rate(1, counts.alone, [&] { ours.put_next(1); }), reference);
  }
  return rounds.figure("store.one_caller",
                       "one put, one fsync; reference: plain LMDB, same records", "commits/s");
}

Figure many_callers(const Settings& settings, const Counts& counts, std::size_t puts) {
  OurStore ours(settings.folder / fmt::format("callers-{}", puts));
  fill(ours, counts.records);
  Rounds rounds;
  for (int r = 0; r < counts.rounds; ++r) {
    const double reference = rate(1, counts.alone, [&] { ours.put_next(puts); });
    rounds.add(rate(kCallers, counts.together, [&] { ours.put_next(puts); }), reference);
  }
  return rounds.figure(
      fmt::format("store.{}_callers_{}_puts", kCallers, puts),
      fmt::format("{} callers, puts per body: {}; reference: one caller, same body", kCallers,
                  puts),
      "commits/s");
}

}  // namespace

std::vector<Figure> bench_store(const Settings& settings) {
  const Counts counts = settings.quick ? Counts{1'000, 1, 5, 2} : Counts{100'000, 9, 500, 60};
  return {one_caller(settings, counts), many_callers(settings, counts, 1),
          many_callers(settings, counts, 8)};
}

}  // namespace cloudos::bench

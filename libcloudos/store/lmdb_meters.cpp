#include "store/lmdb_meters.hpp"

#include <charconv>
#include <string_view>

#include "base/text.hpp"

namespace cloudos::store::lmdb {

namespace {

struct OpenReaders {
  std::uint64_t count = 0;
  std::uint64_t oldest = UINT64_MAX;
};

/// LMDB lists its readers as text: process, thread and transaction, "-" for one that rests.
int note_reader(const char* line, void* context) {
  auto& readers = *static_cast<OpenReaders*>(context);
  const std::string_view text = trim(line);
  const std::string_view transaction = text.substr(text.rfind(' ') + 1);
  std::uint64_t number = 0;
  const auto* const end = transaction.data() + transaction.size();
  if (std::from_chars(transaction.data(), end, number).ptr == end && !transaction.empty()) {
    ++readers.count;
    readers.oldest = std::min(readers.oldest, number);
  }
  return 0;
}

}  // namespace

EnvFacts read_env(const Env& env) {
  EnvFacts facts;
  MDB_envinfo info;
  if (mdb_env_info(env.get(), &info) != MDB_SUCCESS) return facts;
  facts.map_bytes = info.me_mapsize;
  facts.used_bytes = (std::uint64_t{info.me_last_pgno} + 1) * env.page_bytes();
  OpenReaders readers;
  mdb_reader_list(env.get(), note_reader, &readers);
  facts.snapshots = readers.count;
  if (readers.count > 0 && readers.oldest < info.me_last_txnid)
    facts.oldest_lag = info.me_last_txnid - readers.oldest;
  return facts;
}

Meters::Meters(std::shared_ptr<Metrics> metrics, std::shared_ptr<Env> env)
    : metrics_(std::move(metrics)),
      seconds_(metrics_->histogram(
          "cloudos_store_commit_seconds",
          "Time of one durable commit, the bodies of its transactions included.",
          Buckets::seconds())),
      bodies_(metrics_->histogram("cloudos_store_commit_transactions",
                                  "Transactions that shared one commit.", Buckets::counts())),
      bytes_(metrics_->histogram("cloudos_store_commit_bytes",
                                 "Keys and values written by one commit.", Buckets::bytes())),
      failed_(metrics_->counter("cloudos_store_commit_failures_total",
                                "Commits that the disk or the map refused.")),
      collector_(metrics_->collect([env = std::move(env)](MetricsReading& reading) {
        const EnvFacts facts = read_env(*env);
        reading.gauge("cloudos_store_map_bytes", "What the store may grow to.",
                      static_cast<double>(facts.map_bytes));
        reading.gauge("cloudos_store_used_bytes", "Pages in use, from the first to the last.",
                      static_cast<double>(facts.used_bytes));
        reading.gauge("cloudos_store_snapshots", "Snapshots open now.",
                      static_cast<double>(facts.snapshots));
        reading.gauge("cloudos_store_oldest_snapshot_commits",
                      "Commits since the oldest open snapshot; pages freed since are kept.",
                      static_cast<double>(facts.oldest_lag));
      })) {}

void Meters::committed(std::chrono::nanoseconds took, std::size_t bodies, std::uint64_t bytes) {
  seconds_.observe(took);
  bodies_.observe(bodies);
  bytes_.observe(bytes);
}

}  // namespace cloudos::store::lmdb

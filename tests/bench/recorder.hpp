#pragma once
#include <lmdb.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "cloudos/store.hpp"
#include "seed.hpp"

/// What a durable change is measured against: plain LMDB writing the same keys and values.
namespace cloudos::bench {

/// Passes everything on and keeps what was written, for the reference to write again.
class Recorder final : public store::Store {
 public:
  explicit Recorder(std::unique_ptr<store::Store> inner) : inner_(std::move(inner)) {}
  using Written = std::vector<std::pair<std::string, std::string>>;

  Written take() {
    std::lock_guard lock(mutex_);
    return std::move(written_);
  }
  Result<std::unique_ptr<store::Snapshot>> snapshot() override { return inner_->snapshot(); }
  Result<store::Revision> transact(const store::Body& body) override {
    Written mine;
    auto result = inner_->transact([&](store::Txn& txn) {
      mine.clear();
      Copy copy(txn, mine);
      return body(copy);
    });
    if (result) {
      std::lock_guard lock(mutex_);
      for (auto& pair : mine) written_.push_back(std::move(pair));
    }
    return result;
  }
  std::unique_ptr<store::Watch> watch(std::string prefix, std::function<void()> wake) override {
    return inner_->watch(std::move(prefix), std::move(wake));
  }
  Result<store::Changes> changes(std::string_view prefix, store::Revision since) override {
    return inner_->changes(prefix, since);
  }

 private:
  class Copy final : public store::Txn {
   public:
    Copy(store::Txn& inner, Written& written) : inner_(inner), written_(written) {}
    std::optional<std::string_view> get(std::string_view key) override { return inner_.get(key); }
    void put(std::string_view key, std::string_view value) override {
      written_.emplace_back(key, value);
      inner_.put(key, value);
    }
    void erase(std::string_view key) override { inner_.erase(key); }
    bool none(std::string_view prefix) override { return inner_.none(prefix); }

   private:
    store::Txn& inner_;
    Written& written_;
  };

  std::unique_ptr<store::Store> inner_;
  std::mutex mutex_;
  Written written_;
};

inline void check_lmdb(int code, const char* what) {
  if (code) give_up(fmt::format("{}: {}", what, mdb_strerror(code)));
}

/// Plain LMDB: the same keys and values, 64 keys and one fsync a commit.
inline double raw_ms(const std::filesystem::path& folder, const Recorder::Written& written) {
  std::filesystem::create_directories(folder);
  MDB_env* env = nullptr;
  check_lmdb(mdb_env_create(&env), "create");
  check_lmdb(mdb_env_set_mapsize(env, std::size_t{1} << 34), "map");
  check_lmdb(mdb_env_open(env, folder.c_str(), 0, 0600), "open");
  MDB_dbi tree = 0;
  const auto began = std::chrono::steady_clock::now();
  for (std::size_t from = 0; from < written.size(); from += 64) {
    MDB_txn* txn = nullptr;
    check_lmdb(mdb_txn_begin(env, nullptr, 0, &txn), "begin");
    if (from == 0) check_lmdb(mdb_dbi_open(txn, nullptr, 0, &tree), "tree");
    for (std::size_t i = from; i < std::min(from + 64, written.size()); ++i) {
      MDB_val key{written[i].first.size(), const_cast<char*>(written[i].first.data())};
      MDB_val value{written[i].second.size(), const_cast<char*>(written[i].second.data())};
      check_lmdb(mdb_put(txn, tree, &key, &value, 0), "put");
    }
    check_lmdb(mdb_txn_commit(txn), "commit");
  }
  const double ms = ms_since(began);
  mdb_env_close(env);
  return ms;
}

/// CPU time of this process so far, both modes, all threads.
double process_cpu_us();

}  // namespace cloudos::bench

// Who goes first when many wait for a commit.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <semaphore>
#include <thread>

#include "base/actor.hpp"
#include "lmdb_support.hpp"

using namespace cloudos;
using test::open_owner;
using test::TempFolder;

namespace {

/// The kernel's word that the thread of this process sleeps.
bool is_asleep(pid_t thread) {
  std::ifstream stat(fmt::format("/proc/self/task/{}/stat", thread));
  std::string text(std::istreambuf_iterator<char>(stat), {});
  const auto end = text.rfind(')');
  return end != std::string::npos && text.size() > end + 2 && text[end + 2] == 'S';
}

/// Threads that wait for a commit behind one that is held back.
class Crowd {
 public:
  Crowd(store::Store& store, Actor::Kind kind) : store_(store) {
    first_ = std::thread([this, kind] {
      const ActorScope ours(kind);
      (void)store_.transact([this](store::Txn& txn) -> Result<void> {
        began_.release();
        held_.acquire();
        txn.put("/first", "1");
        return Result<void>();
      });
    });
    began_.acquire();
  }
  ~Crowd() {
    for (auto& thread : threads_) thread.join();
  }
  void add(Actor::Kind kind, std::vector<store::Revision>& revisions, std::size_t count) {
    revisions.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      std::atomic<pid_t> id{0};
      const std::string key = fmt::format("/{}/{}", static_cast<int>(kind), i);
      threads_.emplace_back([this, kind, key, &id, out = &revisions[i]] {
        const ActorScope ours(kind);
        id = gettid();
        const auto done = store_.transact([&](store::Txn& txn) -> Result<void> {
          txn.put(key, "1");
          return Result<void>();
        });
        *out = done ? *done : 0;
      });
      while (id == 0 || !is_asleep(id)) std::this_thread::yield();
    }
  }
  void let_go() {
    held_.release();
    first_.join();
    for (auto& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  store::Store& store_;
  std::binary_semaphore began_{0}, held_{0};
  std::thread first_;
  std::vector<std::thread> threads_;
};

}  // namespace

TEST_CASE("callers are committed before work of our own, which still gets its share") {
  const TempFolder folder;
  const auto s = open_owner(folder.path() / "store");
  std::vector<store::Revision> work, callers;
  Crowd crowd(*s, Actor::Kind::Edge);
  crowd.add(Actor::Kind::Work, work, 16);
  crowd.add(Actor::Kind::Edge, callers, 8);
  crowd.let_go();
  // The first of the crowd leads; what waits is then in one batch with it.
  const store::Revision soonest = *std::min_element(callers.begin(), callers.end());
  CHECK(std::count(callers.begin(), callers.end(), soonest) == 8);
  const auto beside = std::count(work.begin(), work.end(), soonest);
  CHECK(beside >= 1);
  CHECK(beside <= 4);
  for (const store::Revision revision : work) {
    CHECK(revision >= soonest);
    CHECK(revision <= soonest + 1);  // Without callers work goes all at once.
  }
}

TEST_CASE("work alone shares one commit, however much of it waits") {
  const TempFolder folder;
  const auto s = open_owner(folder.path() / "store");
  std::vector<store::Revision> work;
  Crowd crowd(*s, Actor::Kind::Work);
  crowd.add(Actor::Kind::Work, work, 12);
  crowd.let_go();
  for (const store::Revision revision : work) CHECK(revision == work.front());
}

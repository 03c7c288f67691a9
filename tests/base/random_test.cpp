#include "cloudos/random.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "doctest/doctest.h"

namespace cloudos {
namespace {

using Id = std::array<std::uint8_t, 16>;

Id next(SystemRandom& random) {
  Id id{};
  random.fill(id);
  return id;
}

TEST_CASE(
    "bytes of the system never come twice, in whatever pieces and threads they are asked for") {
  SystemRandom random;
  std::set<std::vector<std::uint8_t>> seen;
  std::mutex mutex;
  const auto ask = [&] {
    for (int i = 0; i < 2000; ++i) {
      // Pieces that a thread's page divides by and those that it does not, and what is too much for
      // it.
      for (const std::size_t bytes :
           {std::size_t{16}, std::size_t{13}, std::size_t{64}, std::size_t{200}}) {
        std::vector<std::uint8_t> out(bytes);
        random.fill(out);
        const std::lock_guard lock(mutex);
        CHECK(seen.insert(std::move(out)).second);
      }
    }
  };
  std::thread other(ask);
  ask();
  other.join();
  CHECK(seen.size() == 16000);
}

TEST_CASE("a child of fork() gets other bytes than its parent") {
  SystemRandom random;
  next(random);  // From here on the thread has bytes in store.
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const Id id = next(random);
    _exit(write(ends[1], id.data(), id.size()) == static_cast<ssize_t>(id.size()) ? 0 : 1);
  }
  Id theirs{};
  CHECK(read(ends[0], theirs.data(), theirs.size()) == static_cast<ssize_t>(theirs.size()));
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  close(ends[0]);
  close(ends[1]);
  CHECK(theirs != next(random));
}

/// Ends after everything that its thread used later on.
struct AsksAtTheEnd {
  Id* into = nullptr;
  ~AsksAtTheEnd() {
    SystemRandom random;
    if (into) *into = next(random);
  }
};

TEST_CASE("what a thread destroys last still gets random bytes") {
  Id before{}, after{};
  std::thread([&] {
    thread_local AsksAtTheEnd last;
    last.into = &after;
    SystemRandom random;
    before = next(random);
  }).join();
  CHECK(after != Id{});
  CHECK(after != before);
}

}  // namespace
}  // namespace cloudos

#include <doctest/doctest.h>

#include <atomic>
#include <future>

#include "base/executor.hpp"

using namespace cloudos;
using namespace std::chrono_literals;

TEST_CASE("without threads, work runs on the caller in order of due time, then of posting") {
  ManualClock clock;
  Executor executor(clock, 0);
  std::string order;
  executor.post_at(clock.mono() + 2s, [&] { order += 'c'; });
  executor.post_at(clock.mono() + 1s, [&] { order += 'b'; });
  executor.post([&] { order += 'a'; executor.post([&] { order += '!'; }); });
  CHECK(executor.run_pending() == 2);
  CHECK(order == "a!");
  CHECK(executor.next_due() == clock.mono() + 1s);
  clock.advance(3s);
  CHECK(executor.run_pending() == 2);
  CHECK(order == "a!bc");
  CHECK_FALSE(executor.next_due());
}

TEST_CASE("with threads, everything posted runs, also what is posted from within") {
  SystemClock clock;
  Executor executor(clock, 4);
  std::atomic<int> ran{0};
  std::promise<void> done;
  for (int i = 0; i < 100; ++i) {
    executor.post([&] {
      executor.post_at(clock.mono() + 1ms, [&] {
        if (++ran == 100) done.set_value();
      });
    });
  }
  CHECK(done.get_future().wait_for(10s) == std::future_status::ready);
  CHECK(executor.stop(5s));
}

TEST_CASE("stop waits for what runs, drops what waits, and says when its patience ended") {
  SystemClock clock;
  auto release = std::make_shared<std::promise<void>>();
  auto gone = std::make_shared<std::promise<void>>();
  {
    Executor executor(clock, 1);
    std::promise<void> started;
    executor.post([&started, release, gone] {
      started.set_value();
      release->get_future().wait();
      gone->set_value();
    });
    executor.post([] { FAIL("dropped work must not run"); });
    started.get_future().wait();
    CHECK_FALSE(executor.stop(10ms));
  }
  release->set_value();
  gone->get_future().wait();
}

TEST_CASE("threads come when work waits and none is free, up to the most") {
  SystemClock clock;
  Executor executor(clock, 8);
  std::mutex mutex;
  std::condition_variable changed;
  int inside = 0;
  bool open = false;
  for (int i = 0; i < 20; ++i) {
    executor.post([&] {
      std::unique_lock lock(mutex);
      ++inside;
      changed.notify_all();
      changed.wait(lock, [&] { return open; });
    });
  }
  std::unique_lock lock(mutex);
  CHECK(changed.wait_for(lock, 10s, [&] { return inside == 8; }));
  CHECK(executor.load().running == 8);
  CHECK(executor.load().queued == 12);
  open = true;
  changed.notify_all();
  CHECK(changed.wait_for(lock, 10s, [&] { return inside == 20; }));
  lock.unlock();
  CHECK(executor.stop(5s));
}

TEST_CASE("what is due later runs in time beside a closure that blocks") {
  SystemClock clock;
  Executor executor(clock, 4);
  std::promise<void> over, ran;
  const auto wait = over.get_future().share();
  executor.post_at(clock.mono() + 30ms, [&] { ran.set_value(); });
  executor.post([wait] { wait.wait(); });
  CHECK(ran.get_future().wait_for(10s) == std::future_status::ready);
  over.set_value();
  CHECK(executor.stop(5s));
}

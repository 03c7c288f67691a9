#include "cloudos/log.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

using namespace cloudos;

TEST_CASE("levels of rooms change while the log is in use, for every copy") {
  std::vector<std::string> lines;
  const Log log([&](const LogRecord& r) { lines.emplace_back(r.message); }, "cloud");
  const Log tasks = log.for_room("tasks"), again = tasks.for_room("tasks"),
            store = log.for_room("store");
  tasks.debug("1");
  CHECK(lines.empty());
  log.set_levels({LogLevel::Warning, {{"tasks", LogLevel::Debug}, {"later", LogLevel::Debug}}});
  tasks.debug("2");
  again.debug("3");
  store.info("4");
  log.info("5");
  log.for_room("later").debug("6");
  store.warn("7");
  CHECK(lines == std::vector<std::string>{"2", "3", "6", "7"});
  CHECK(log.levels() == again.levels());
  tasks.set_levels({LogLevel::Error, {}});
  CHECK_FALSE(again.wants(LogLevel::Warning));
  CHECK_FALSE(log.wants(LogLevel::Warning));
  CHECK(log.wants(LogLevel::Error));
}

TEST_CASE("a log without a sink wants nothing and takes everything") {
  const Log none;
  CHECK_FALSE(none.wants(LogLevel::Error));
  none.for_room("x").error("nobody hears");
  none.set_levels({LogLevel::Debug, {}});
  CHECK_FALSE(none.wants(LogLevel::Error));
  CHECK_FALSE(Log(nullptr, "x").wants(LogLevel::Error));
}

TEST_CASE("levels are read from text and written back") {
  struct Row {
    std::string what, text, canonical;
  };
  const Row rows[] = {
      {"empty", "", "info"},
      {"one", "debug", "debug"},
      {"case and blanks", " Warning , Tasks = DEBUG ", "warning,Tasks=debug"},
      {"rooms only", "store=error,tasks=debug", "info,store=error,tasks=debug"},
      {"the last counts", "info,error,store=info,store=debug", "error,store=debug"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto read = parse_log_levels(row.text);
    REQUIRE(read);
    CHECK(to_string(*read) == row.canonical);
  }
  for (const char* wrong : {"loud", "tasks=", "=debug", "tasks=debug=info", ",", "debug;info"}) {
    CAPTURE(wrong);
    CHECK(parse_log_levels(wrong).error().code == ErrorCode::InvalidArgument);
  }
}

TEST_CASE("levels may change while threads log") {
  std::atomic<std::size_t> count{0};
  const Log log([&](const LogRecord&) { ++count; }, "cloud", LogLevel::Debug);
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2'000; ++i)
        log.for_room("room-" + std::to_string((t + i) % 5)).error("x");
    });
  for (int i = 0; i < 200; ++i)
    log.set_levels({i % 2 ? LogLevel::Debug : LogLevel::Error, {{"room-1", LogLevel::Info}}});
  for (auto& thread : threads) thread.join();
  CHECK(count == 6'000);
}

#include <nlohmann/json.hpp>

#include "cloudosd/log_lines.hpp"
#include "support/program.hpp"

using namespace cloudosd;
using namespace program_test;
using namespace std::chrono_literals;
using cloudos::LogLevel;
using cloudos::LogRecord;

namespace {

std::vector<std::string> lines_in(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("a line is text or one JSON object, whatever is in the message") {
  const cloudos::WallTime time{std::chrono::microseconds(1'700'000'000'000'123)};
  const LogRecord full{LogLevel::Warning, "tasks", "a \"b\"\n\x01\xff \xC3\xA9\\", "req-1", "0af7"};
  CHECK(
      log_line(full, time) ==
      "2023-11-14T22:13:20.000123Z warning tasks     req-1 trace 0af7 a \"b\"??\xff \xC3\xA9\\\n");
  const std::string line = log_line(full, time, LogFormat::Json);
  CHECK(line ==
        "{\"time\":\"2023-11-14T22:13:20.000123Z\",\"level\":\"warning\",\"room\":\"tasks\","
        "\"request_id\":\"req-1\",\"trace_id\":\"0af7\","
        "\"message\":\"a \\\"b\\\"\\u000a\\u0001\\ufffd \xC3\xA9\\\\\"}\n");
  const auto json = nlohmann::json::parse(line);
  CHECK(json["message"] == "a \"b\"\n\x01\xEF\xBF\xBD \xC3\xA9\\");
  const auto bare =
      nlohmann::json::parse(log_line({LogLevel::Debug, "rest", ""}, time, LogFormat::Json));
  CHECK_FALSE(bare.contains("request_id"));
  CHECK_FALSE(bare.contains("trace_id"));
}

TEST_CASE("every message of bytes gives one line, and as JSON one that parses") {
  for (int c = 0; c < 256; ++c) {
    CAPTURE(c);
    const std::string message = std::string("a") + static_cast<char>(c) + "z";
    for (const LogFormat format : {LogFormat::Text, LogFormat::Json}) {
      const std::string line = log_line({LogLevel::Info, "x", message}, {}, format);
      CHECK(std::count(line.begin(), line.end(), '\n') == 1);
      CHECK(line.back() == '\n');
      if (format == LogFormat::Json)
        CHECK_FALSE(nlohmann::json::parse(line, nullptr, false).is_discarded());
    }
  }
}

TEST_CASE("a line that comes over and over is held back and counted, others are not") {
  RepeatLimit limit;
  const cloudos::MonoTime start{1h};
  int passed = 0;
  for (int i = 0; i < 1'000; ++i)
    passed +=
        limit.passes({LogLevel::Error, "store", "disk full", std::to_string(i)}, start + i * 1ms);
  CHECK(passed == static_cast<int>(RepeatLimit::kPass));
  CHECK(limit.notes(start + 2s).empty());
  for (int i = 0; i < 1'000; ++i) {
    CHECK(limit.passes({LogLevel::Info, "rest", "GET / 200"}, start + 2s));
    CHECK(limit.passes({LogLevel::Info, "tasks", std::to_string(i)}, start + 2s));
  }
  CHECK(limit.passes({LogLevel::Warning, "store", "disk full"}, start + 3s));  // Another level.
  const auto notes = limit.notes(start + 11s);
  REQUIRE(notes.size() == 1);
  CHECK(notes[0].room == "store");
  CHECK(notes[0].message == "this line came 980 times more within 10 s: disk full");
  CHECK(limit.passes({LogLevel::Error, "store", "disk full"}, start + 12s));
  CHECK(limit.notes(start + 60s).empty());
}

TEST_CASE("rotation loses no line and tears none") {
  TempDir dir;
  const auto path = dir.path() / "cloudosd.log";
  const auto opened = LogOutput::open(path, LogFormat::Json);
  REQUIRE(opened);
  const auto output = *opened;
  constexpr int kThreads = 4, kLines = 3'000;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      const auto sink = log_sink(output);
      for (int i = 0; i < kLines; ++i) {
        const std::string message = std::to_string(t) + "/" + std::to_string(i);
        sink({LogLevel::Info, "test", message});
      }
    });
  int renamed = 0;
  for (; renamed < 40; ++renamed) {
    std::filesystem::rename(path, dir.path() / ("old-" + std::to_string(renamed)));
    REQUIRE(output->reopen());
    std::this_thread::yield();
  }
  for (auto& thread : threads) thread.join();
  std::map<std::string, int> seen;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path()))
    for (const std::string& line : lines_in(entry.path())) {
      const auto json = nlohmann::json::parse(line, nullptr, false);
      REQUIRE_FALSE(json.is_discarded());
      ++seen[json["message"]];
    }
  CHECK(seen.size() == kThreads * kLines);
  CHECK(std::all_of(seen.begin(), seen.end(), [](const auto& one) { return one.second == 1; }));
}

TEST_CASE("a log that cannot be opened anew goes on in the file it has") {
  TempDir dir;
  const auto folder = dir.path() / "logs";
  std::filesystem::create_directory(folder);
  const auto opened = LogOutput::open(folder / "log", LogFormat::Text);
  REQUIRE(opened);
  std::filesystem::rename(folder, dir.path() / "moved");
  const auto reopened = (*opened)->reopen();
  REQUIRE_FALSE(reopened);
  CHECK(reopened.error().code == cloudos::ErrorCode::Unavailable);
  (*opened)->write({LogLevel::Info, "test", "still here"});
  CHECK(lines_in(dir.path() / "moved" / "log").size() == 1);
  CHECK_FALSE(LogOutput::open(folder / "log", LogFormat::Text));
}
